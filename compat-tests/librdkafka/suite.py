# SPDX-License-Identifier: Apache-2.0
"""librdkafka in C, as Debian ships it; also the idempotent producer behind a proxy that cuts its connections."""
import os

from harness import clients, context
from harness.cases import check, check_equal, wait_until
from harness.proxy import Proxy
from harness import wire

CUTS = 100


def build(settings):
    source = os.path.join(settings.here, 'librdkafka', 'client.c')
    directory = settings.once('librdkafka', [source], lambda where: context.run_quiet(
        ['cc', '-std=gnu11', '-O2', '-Wall', '-Wextra', '-o', os.path.join(where, 'client'), source, '-lrdkafka']))
    return os.path.join(directory, 'client')


def cut_case(ctx, client):
    with ctx.case('idempotent_producer_cut_%d_times_loses_nothing_and_writes_nothing_twice' % CUTS):
        with Proxy(seed=7) as proxy:
            broker = ctx.new_broker('behind-proxy', advertised=proxy.address)
            proxy.target = broker.start().address
            topic = ctx.name('cut')
            wire.create_topic(broker.address, topic, 1)
            flood = clients.Member(client.command + ['flood', proxy.address, topic, 'cut'])
            proxy.cut_every(2000, 20000)
            wait_until(lambda: proxy.cuts >= CUTS, 120, lambda: '%d of %d cuts; %s' % (proxy.cuts, CUTS, flood.tail()))
            proxy.cut_never()
            flood.end(150)
            lines = flood.other
            check(lines and lines[-1][0] == 'OK', lambda: 'the producer ended with %s %s' % (lines, flood.tail()))
            acked, failed, sent = map(int, lines[-1][1:])
            check_equal((acked, failed), (sent, 0), 'acknowledged and failed')
            check_equal(wire.end_total(broker.address, topic, 1), sent, 'records in the log')
            got = client.consume(proxy.address, topic, ctx.name('cut'), sent)
            check_equal([row[3] for row in got], ['cut-%d' % n for n in range(sent)], 'values in order')


def run(ctx):
    client = clients.Client([build(ctx.settings)], ['none', 'gzip', 'snappy', 'lz4', 'zstd'])
    clients.run_all(ctx, client)
    cut_case(ctx, client)
