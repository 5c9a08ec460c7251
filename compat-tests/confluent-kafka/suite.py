# SPDX-License-Identifier: Apache-2.0
"""confluent-kafka for Python, with the librdkafka it carries: newer than Debian's."""
import os

from harness import clients, wire

PACKAGE = 'confluent-kafka==2.16.1'


def client_of(ctx):
    return clients.Client([ctx.settings.python(PACKAGE), ctx.path('confluent-kafka', 'client.py')],
                          ['none', 'gzip', 'snappy', 'lz4', 'zstd'])


def run(ctx):
    if not ctx.settings.address:
        # a killed member of the new protocol is gone after six seconds, as the client asks for with the old one
        ctx.shared_broker = ctx.new_broker('broker', {
            'group.consumer.session.timeout.ms': '6000', 'group.consumer.min.session.timeout.ms': '6000',
            'group.consumer.heartbeat.interval.ms': '500', 'group.consumer.min.heartbeat.interval.ms': '500'}).start()
    client = client_of(ctx)
    clients.run_all(ctx, client)
    clients.transaction_case(ctx, client)
    if clients.API_CONSUMER_GROUP_HEARTBEAT in wire.api_versions(ctx.address):
        newer = clients.Client(client.command, client.codecs, dict(os.environ, GROUP_PROTOCOL='consumer'))
        clients.group_case(ctx, newer, '_group_protocol_consumer')
