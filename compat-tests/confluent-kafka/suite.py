# SPDX-License-Identifier: Apache-2.0
"""confluent-kafka for Python, with the librdkafka it carries: newer than Debian's."""
from harness import clients

PACKAGE = 'confluent-kafka==2.16.1'


def client_of(ctx):
    return clients.Client([ctx.settings.python(PACKAGE), ctx.path('confluent-kafka', 'client.py')],
                          ['none', 'gzip', 'snappy', 'lz4', 'zstd'])


def run(ctx):
    clients.run_all(ctx, client_of(ctx))
