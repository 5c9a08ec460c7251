# SPDX-License-Identifier: Apache-2.0
"""librdkafka in C, as Debian ships it; also the idempotent producer behind a proxy that cuts its connections, and the
quick mode of librdkafka's own test suite (suite-of-librdkafka runs that one alone, and says more)."""
import importlib.util
import os

from harness import clients, context
from harness import cases
from harness.cases import check, check_equal, wait_until
from harness.proxy import Proxy
from harness import wire

CUTS = 100
API_END_TXN, API_CONSUMER_GROUP_HEARTBEAT, API_SHARE_FETCH = 26, 68, 78
SHARE_TESTS = tuple('%04d' % number for number in range(170, 186))
GROUP_TESTS = ('0018', '0019', '0026', '0030', '0033', '0050', '0056', '0061', '0089', '0102', '0122', '0137', '0140')
# Which of the own tests cannot even begin without an API; any broker of 4.3.0 offers all of them.
OWN_TESTS_NEED = {API_END_TXN: ('0129',), API_SHARE_FETCH: SHARE_TESTS}
JOBS = 5  # tests of the own suite at a time: they wait far more than they work


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


def own_tests():
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), 'own_tests.py')
    spec = importlib.util.spec_from_file_location('librdkafka_own_tests', path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def run_own_tests(ctx):
    """Each of librdkafka's tests is a case.

    The quick forms of all tests on the classic protocol, and the long forms of those about groups on the consumer
    protocol, for quick mode leaves hardly anything of them.  --full: the quick forms of all on the consumer protocol
    and of Debian's version, and the long forms of those about share groups."""
    own = own_tests()
    kinds = [('own-2.15.1', own.NEWEST, None, True, ()), ('own-2.15.1-consumer-long', own.NEWEST, 'consumer', False, GROUP_TESTS)]
    if ctx.settings.is_full:
        kinds += [('own-2.15.1-consumer', own.NEWEST, 'consumer', True, ()), ('own-2.0.2', own.DEBIAN, None, True, ()),
                  ('own-2.15.1-share-long', own.NEWEST, None, False, SHARE_TESTS)]
    for prefix, version, protocol, is_quick, only in kinds:
        run_own(ctx, own, prefix, version, protocol, is_quick, only)


def run_own(ctx, own, prefix, version, protocol, is_quick, only):
    try:
        suite = own.Suite(ctx.settings, version)
    except Exception as error:
        ctx.report.add(ctx.suite, prefix + '_is_built', 'SKIP' if isinstance(error, cases.Skip) else 'FAIL', 0.0, str(error))
        return
    address = ctx.settings.address or ctx.new_broker(prefix, overrides=own.OVERRIDES).start().address
    offered = wire.api_versions(address)
    if protocol == 'consumer' and API_CONSUMER_GROUP_HEARTBEAT not in offered:
        ctx.report.add(ctx.suite, prefix, 'SKIP', 0.0, 'the broker does not offer the consumer group protocol')
        return
    needed = {test: api for api, tests in OWN_TESTS_NEED.items() for test in tests}
    chosen = []
    for test in suite.chosen(only=only):
        if needed.get(test.number, 0) in offered:
            chosen.append(test)
        else:
            ctx.report.add(ctx.suite, prefix + '_' + test.name, 'SKIP', 0.0, 'the broker does not offer API %d' % needed[test.number])
    own.Run(suite, address, os.path.join(ctx.dir, prefix + '-logs'), is_quick, protocol, JOBS).run(
        chosen, lambda result: ctx.report.add(ctx.suite, prefix + '_' + result.name, result.state, result.seconds, result.why))


def run(ctx):
    client = clients.Client([build(ctx.settings)], ['none', 'gzip', 'snappy', 'lz4', 'zstd'])
    clients.run_all(ctx, client)
    cut_case(ctx, client)
    run_own_tests(ctx)
