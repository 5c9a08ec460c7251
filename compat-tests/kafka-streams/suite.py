# SPDX-License-Identifier: Apache-2.0
"""Kafka Streams 4.3.0, unmodified: what its applications write is compared with expected.py, record by record.

Quick form: every topology once (at least once, classic protocol), queries, the purge of repartition topics, the reset
tool, and exactly_once_v2 with kills.  --full: every topology under each guarantee and each group protocol the broker
has, and the application killed five times and the broker twice."""
import collections
import importlib.util
import os
import shutil
import sys
import threading
import time

from harness import wire
from harness.cases import Skip, check, check_equal, short, wait_until

HERE = os.path.dirname(os.path.abspath(__file__))
STREAMS_GROUP_HEARTBEAT, INIT_PRODUCER_ID, END_TXN = 88, 22, 26
# A member that was killed is gone after this time; Apache Kafka's least session is 6 s unless its configuration says less.
SESSION_MS = 2000
BROKER = {'group.min.session.timeout.ms': '1000', 'group.streams.min.session.timeout.ms': '1000',
          'group.streams.session.timeout.ms': str(SESSION_MS), 'group.streams.heartbeat.interval.ms': '300',
          'group.streams.min.heartbeat.interval.ms': '200', 'group.streams.initial.rebalance.delay.ms': '0'}


def load(name):
    spec = importlib.util.spec_from_file_location('kafka_streams_' + name, os.path.join(HERE, name + '.py'))
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


expected = load('expected')
programs = load('programs')


def base_ms():
    """A start of event time a quarter of an hour ago, where windows of ten seconds begin."""
    return (int(time.time()) // 60 - 15) * 60000


def config_of(guarantee, protocol):
    config = {'processing.guarantee': guarantee, 'group.protocol': protocol}
    if protocol == 'classic':
        config.update({'session.timeout.ms': str(SESSION_MS), 'heartbeat.interval.ms': '300'})
    return config


def has_streams_groups(ctx):
    return STREAMS_GROUP_HEARTBEAT in wire.api_versions(ctx.address)


def has_transactions(ctx):
    return END_TXN in wire.api_versions(ctx.address)


def difference(got, wanted):
    """What is too much and what is missing, as a text; empty if the multisets are equal."""
    got, wanted = collections.Counter(got), collections.Counter(wanted)
    more, less = got - wanted, wanted - got
    if not more and not less:
        return ''
    return '%d too many: %s; %d missing: %s' % (sum(more.values()), short(sorted(more, key=str)[:5]),
                                                sum(less.values()), short(sorted(less, key=str)[:5]))


def last_values(rows):
    return [row for row in dict(rows).items() if row[1] is not None]


class Run:
    """One application over one scenario: its topics made and fed, its output awaited and compared."""

    def __init__(self, ctx, hands, scenario, topology, config, word):
        self.ctx, self.hands, self.scenario, self.topology, self.config = ctx, hands, scenario, topology, config
        self.prefix = ctx.name(word)
        self.app = None

    def make_topics(self):
        wire.create_topics(self.ctx.address, {self.prefix + '-' + name: (count, {}) for name, count in self.scenario.topics.items()})

    def start(self):
        self.app = programs.App(self.ctx, self.ctx.address, self.topology, self.prefix, self.prefix, self.config)
        return self.app.wait_running()

    def difference(self, topic, wanted):
        rows = self.hands.drain(self.prefix + '-' + topic)
        return difference(last_values(rows) if topic in getattr(self.scenario, 'last_only', ()) else rows, wanted)

    def wait_output(self, wanted, seconds=60):
        for topic, rows in wanted.items():
            def done():
                self.app.check_no_failure()
                return not self.difference(topic, rows)

            wait_until(done, seconds,
                       lambda: '%s: %s; %s' % (topic, self.difference(topic, rows), self.app.story()), pause=0.3)

    def close(self, wanted):
        """Closing writes nothing more."""
        self.app.close()
        self.app.check_no_failure()
        for topic, rows in wanted.items():
            check_equal(self.difference(topic, rows), '', topic + ' after the end')


def queries(run):
    """Interactive queries of a running word count."""
    counts = run.scenario.counts
    got = dict(line.split('\t') for line in run.app.ask('all', 'counts'))
    check_equal(got, {word: str(n) for word, n in counts.items()}, 'all of the store')
    for word in list(counts)[:3]:
        check_equal(run.app.ask('one', 'counts', word), ['%s\t%d' % (word, counts[word])], 'one key')
    check_equal(run.app.ask('one', 'counts', 'nosuchword'), [], 'a key that is not there')


def window_queries(run):
    tumbling, _ = run.scenario.counted(expected.SIZE)
    wanted = {start: n for key, start, n in tumbling if key == 'u3'}
    got = [tuple(map(int, line.split('\t'))) for line in run.app.ask('window', 'tumbling', 'u3', min(wanted), max(wanted))]
    check_equal(got, sorted(wanted.items()), 'the windows of a key')


def repartition_purge(run):
    """What was counted is deleted from the repartition topic (DeleteRecords), and only that."""
    topic = run.prefix + '-by-word-repartition'
    total = sum(run.scenario.counts.values())

    def purged():
        return sum(run.hands.offsets('starts', topic).values()), sum(run.hands.offsets('ends', topic).values())

    wait_until(lambda: purged()[0] >= total, 30, lambda: 'start and end of the repartition topic: %s' % (purged(),), pause=0.3)


def topology_cases(ctx, hands, guarantee, protocol, is_watched):
    mode = '%s_%s' % (guarantee, protocol)
    config = dict(config_of(guarantee, protocol), **{'repartition.purge.interval.ms': '500'})
    scenarios = {'words': expected.Words(base_ms()), 'windows': expected.Windows(base_ms()), 'joins': expected.Joins(base_ms())}
    runs = {}
    try:
        for topology, scenario in scenarios.items():
            with ctx.case('%s_%s' % (topology, mode)):
                run = Run(ctx, hands, scenario, topology, config, '%s-%s' % (topology, protocol))
                run.make_topics()
                hands.feed(run.prefix, scenario.input)
                runs[topology] = run
                run.start()
                run.wait_output(scenario.output())
                check(getattr(scenario, 'late', 1) > 0, 'no click came too late')
        if is_watched:
            with ctx.case('interactive_queries_of_a_key_value_store'):
                queries(runs['words'])
            with ctx.case('interactive_queries_of_a_window_store'):
                window_queries(runs['windows'])
        with ctx.case('repartition_topic_is_purged_' + mode):
            repartition_purge(runs['words'])
        for topology, run in runs.items():
            with ctx.case('%s_%s_leaves_its_group_and_writes_no_more' % (topology, mode)):
                run.close(scenarios[topology].output())
        if is_watched:
            reset_case(ctx, runs['words'])
    finally:
        for run in runs.values():
            if run.app:
                run.app.kill()


def reset_case(ctx, run):
    with ctx.case('application_reset_makes_it_begin_anew'):
        result = ctx.tools.run('kafka-streams-application-reset', '--bootstrap-server', ctx.address, '--application-id', run.prefix,
                               '--input-topics', run.prefix + '-lines', '--force').ok()
        topics = wire.metadata(ctx.address, None)['topics']
        left = [name for name in topics if name.startswith(run.prefix) and name.endswith(('-changelog', '-repartition'))]
        check_equal(left, [], 'internal topics after the reset, which says ' + result.text)
        shutil.rmtree(run.app.directory)
        run.start()
        run.wait_output(run.scenario.output(rounds=2))
        run.close(run.scenario.output(rounds=2))


class Kills:
    """An application that counts while it, and the broker, are killed again and again."""

    def __init__(self, ctx, protocol, guarantee, count, rate):
        self.ctx = ctx
        self.broker = ctx.new_broker('kills-%s-%s' % (protocol, guarantee), BROKER).start()
        self.prefix = ctx.name('tally')
        self.scenario = expected.Tally(base_ms(), count)
        self.rate = rate
        self.config = dict(config_of(guarantee, protocol), **{
            'transaction.timeout.ms': '5000', 'repartition.purge.interval.ms': '1000', 'request.timeout.ms': '5000'})
        self.hands, self.feeder = (programs.Hands(ctx, self.broker.address) for _ in range(2))
        self.app, self.feeding = None, None
        wire.create_topics(self.broker.address, {self.prefix + '-' + name: (n, {}) for name, n in self.scenario.topics.items()})

    def start_app(self):
        self.app = programs.App(self.ctx, self.broker.address, 'tally', self.prefix, self.prefix, self.config)

    def committed(self):
        return sum(sum(self.hands.offsets('ends', '%s-%s' % (self.prefix, name)).values()) for name in ('seen-out', 'tally-out'))

    def work(self, part, parts, seconds=90):
        """Begins to feed one part of the input, and returns while it is worked on: the output grows."""
        before = self.committed()
        given = {topic: {p: rows[len(rows) * part // parts:len(rows) * (part + 1) // parts] for p, rows in partitions.items()}
                 for topic, partitions in self.scenario.input.items()}
        if self.feeding:
            self.feeding.join()
        self.feeding = threading.Thread(target=self.feeder.feed, args=(self.prefix, given, self.rate, 600))
        self.feeding.start()
        wait_until(lambda: self.committed() > before + 100, seconds, lambda: 'the output grows beyond %d: %s' % (before, self.app.story()))

    def go(self, app_kills, broker_kills):
        """Each kill comes in the middle of work; the second kill of the application takes its state directory with it."""
        parts = iter(range(app_kills + broker_kills + 1))
        self.start_app()
        self.app.wait_running()
        for n in range(max(app_kills, broker_kills)):
            if n < app_kills:
                self.work(next(parts), app_kills + broker_kills + 1)
                self.app.kill()
                if n == 1:
                    shutil.rmtree(self.app.directory)
                self.start_app()
            if n < broker_kills:
                self.work(next(parts), app_kills + broker_kills + 1)
                self.broker.kill()
                self.broker.start()
        self.work(next(parts), app_kills + broker_kills + 1)
        self.feeding.join()

    def judge(self, seconds=120, is_exact=True):
        wanted = self.scenario.output()

        def wrong():
            rows = {topic: self.hands.drain('%s-%s' % (self.prefix, topic)) for topic in wanted}
            if not is_exact:
                rows = self.scenario.at_least_once(rows)
            return {topic: difference(rows[topic], wanted[topic]) for topic in wanted if difference(rows[topic], wanted[topic])}

        wait_until(lambda: not wrong(), seconds, lambda: '%s; %s' % (wrong(), self.app.story()), pause=0.5)
        self.app.close()
        check_equal(wrong(), {}, 'after the end')

    def end(self):
        for program in (self.app, self.hands, self.feeder):
            if program:
                program.kill()


def kill_case(ctx, guarantee, protocol, app_kills, broker_kills):
    with ctx.case('%s_%s_application_killed_%d_times_broker_%d' % (guarantee, protocol, app_kills, broker_kills)):
        if ctx.settings.address:
            raise Skip('the broker is not ours to kill')
        if guarantee == 'exactly_once_v2' and not has_transactions(ctx):
            raise Skip('no transactions here')
        if protocol == 'streams' and not has_streams_groups(ctx):
            raise Skip('no streams groups here')
        per_kill = 1500
        kills = Kills(ctx, protocol, guarantee, per_kill * (app_kills + broker_kills), rate=500)
        try:
            kills.go(app_kills, broker_kills)
            kills.judge(is_exact=guarantee == 'exactly_once_v2')
        finally:
            kills.end()


def run(ctx):
    if not ctx.settings.address:
        ctx.shared_broker = ctx.new_broker('broker', BROKER).start()
    hands = programs.Hands(ctx, ctx.address)
    protocols = ['classic', 'streams'] if has_streams_groups(ctx) else ['classic']
    try:
        topology_cases(ctx, hands, 'at_least_once', 'classic', is_watched=True)
        if ctx.settings.is_full and has_transactions(ctx):
            topology_cases(ctx, hands, 'exactly_once_v2', 'classic', is_watched=False)
        if 'streams' in protocols:
            topology_cases(ctx, hands, 'exactly_once_v2', 'streams', is_watched=False)
    finally:
        hands.kill()
    if ctx.settings.is_full:
        for protocol in protocols:
            kill_case(ctx, 'exactly_once_v2', protocol, 5, 2)
            kill_case(ctx, 'at_least_once', protocol, 2, 1)
    else:
        kill_case(ctx, 'exactly_once_v2', 'classic', 2, 1)
