# SPDX-License-Identifier: Apache-2.0
"""A broker that stops, or is killed, comes back with everything it had acknowledged."""
import importlib.util
import json

from harness import clients, wire
from harness.cases import check, check_equal, short, wait_until

PACKAGE = 'confluent-kafka==2.16.1'
TOPICS, PARTITIONS, GROUPS = 50, 10, 20


def librdkafka_client(ctx):
    spec = importlib.util.spec_from_file_location('librdkafka_suite', ctx.path('librdkafka', 'suite.py'))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return clients.Client([module.build(ctx.settings)], [])


def compare(got, wanted):
    for part in wanted:
        both = set(wanted[part]) | set(got[part])
        if isinstance(wanted[part], dict):
            wrong = sorted(key for key in both if got[part].get(key) != wanted[part].get(key))
            check(not wrong, lambda: '%s: %d differ, first %s: %s, was %s' % (
                part, len(wrong), wrong[0], short(got[part].get(wrong[0])), short(wanted[part].get(wrong[0]))))
        else:
            check_equal(got[part], wanted[part], part)


def everything_back(ctx):
    state = clients.Client([ctx.settings.python(PACKAGE), ctx.path('restart', 'state.py')], [])
    prefix = ctx.name('state')
    numbers = [prefix, TOPICS, PARTITIONS, GROUPS]
    broker = ctx.new_broker('restarted').start()

    def tell():
        return json.loads(state.call('tell', broker.address, *numbers, seconds=180)[-1])

    with ctx.case('50_topics_500_partitions_20_groups_are_filled'):
        wire.create_topics(broker.address, {'%s-t%d' % (prefix, n): (PARTITIONS, {'retention.ms': '98765432'}) for n in range(TOPICS)})
        state.call('fill', broker.address, *numbers, seconds=180)
        before = tell()
        check_equal((len(before['topics']), sum(before['topics'].values())), (TOPICS, TOPICS * PARTITIONS), 'topics, partitions')
        check_equal(len(before['groups']), GROUPS, 'groups')
        check_equal(before['configs'], {prefix + '-t0': '98765432'}, 'configs')
        check(len(before['values']) == TOPICS * PARTITIONS and len(before['committed']) == GROUPS * TOPICS // 5 * PARTITIONS,
              'partitions with records %d, committed offsets %d' % (len(before['values']), len(before['committed'])))
    with ctx.case('after_a_clean_stop_all_are_back_offsets_intact'):
        seconds, _ = broker.stop()
        check(seconds <= (30 if ctx.settings.is_apache else 5), 'stopping took %.1f s' % seconds)
        broker.start()
        compare(tell(), before)
    with ctx.case('after_a_kill_all_are_back_offsets_intact'):
        broker.kill()
        broker.start()
        compare(tell(), before)
    broker.stop()


def killed_under_load(ctx):
    kills = 3 if ctx.settings.is_apache else 20
    client = librdkafka_client(ctx)
    broker = ctx.new_broker('killed').start()
    topic = ctx.name('load')
    with ctx.case('killed_%d_times_under_load_every_acknowledged_record_is_there_once_in_order' % kills):
        wire.create_topic(broker.address, topic, 3)
        flood = clients.Member(client.command + ['flood', broker.address, topic, 'v'])
        total = 0
        try:
            for n in range(kills):
                now = wait_until(lambda: progress(broker, topic, total), 60, lambda: 'records arrive after kill %d; %s' % (n, flood.tail()))
                total = now
                broker.kill()
                broker.start()
        finally:
            flood.end(150)
        check(flood.other and flood.other[-1][0] == 'OK', lambda: 'the producer ended with %s %s' % (flood.other, flood.tail()))
        acked, failed, sent = map(int, flood.other[-1][1:])
        check_equal((acked, failed), (sent, 0), 'acknowledged, failed of those sent')
        got = client.consume(broker.address, topic, ctx.name('load'), sent)
        check_equal(wire.end_total(broker.address, topic, 3), sent, 'records in the log')
        last = {}
        for partition, _, _, value in got:
            number = int(value.rsplit('-', 1)[1])
            check(last.get(partition, -1) < number, 'v-%d comes after v-%d' % (number, last.get(partition, -1)))
            last[partition] = number


def progress(broker, topic, total):
    """The number of records, once it has grown enough for the next kill to fall into a running load."""
    try:
        now = wire.end_total(broker.address, topic, 3)
    except (OSError, wire.WireError):
        return None
    return now if now > total + 500 else None


def run(ctx):
    everything_back(ctx)
    killed_under_load(ctx)
