# SPDX-License-Identifier: Apache-2.0
"""Bank transfers in transactions while the broker is killed (-9) or stands still: nothing committed is lost, doubled,
reordered or torn, nothing aborted is read, each request is answered once, a share group accepts each record once, and
no transaction hangs.  Half a minute with a fault every 3 s; with --full 30 minutes with a fault every 10 s."""
import collections
import importlib.util
import json
import os
import random
import signal
import sys
import threading
import time

from harness import clients
from harness.context import run_quiet
from harness.cases import check, wait_until

PACKAGE = 'confluent-kafka==2.16.1'
# Members of share groups are assigned partitions, and records of those who went away given to others, within seconds.
SHARE_SETTINGS = {'group.share.min.heartbeat.interval.ms': '1000', 'group.share.heartbeat.interval.ms': '1000',
                  'group.share.min.session.timeout.ms': '6000', 'group.share.session.timeout.ms': '6000',
                  'group.share.min.record.lock.duration.ms': '5000', 'group.share.record.lock.duration.ms': '5000',
                  'share.coordinator.state.topic.num.partitions': '3'}
SETTINGS = {'transaction.abort.timed.out.transaction.cleanup.interval.ms': '1000', 'log.initial.task.delay.ms': '200',
            'log.segment.delete.delay.ms': '500', 'log.flush.offset.checkpoint.interval.ms': '1000',
            'group.consumer.min.session.timeout.ms': '6000', 'group.consumer.session.timeout.ms': '6000',
            'group.consumer.heartbeat.interval.ms': '1000', 'group.consumer.min.heartbeat.interval.ms': '1000',
            **SHARE_SETTINGS}


def load_judge(ctx):
    spec = importlib.util.spec_from_file_location('chaos_judge', ctx.path('chaos', 'judge.py'))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def kill(broker, choice):
    broker.kill()
    threading.Event().wait(choice.choice((0, 0, 0.2, 3)))
    broker.run()


def kill_twice(broker, choice):
    broker.kill()
    broker.run()
    threading.Event().wait(choice.uniform(0, 0.3))
    kill(broker, choice)


def pause(broker, choice):
    broker.process.send_signal(signal.SIGSTOP)
    threading.Event().wait(choice.choice((0.3, 2, 2, 8)))
    broker.process.send_signal(signal.SIGCONT)


def torment(ctx, broker, choice, seconds, every, is_going_on):
    """Faults at their times; -> how many of each kind."""
    done = collections.Counter()
    began = time.monotonic()
    while time.monotonic() - began < seconds:
        threading.Event().wait(every * choice.uniform(0.7, 1.3))
        fault = choice.choices((kill, kill_twice, pause), (5, 1, 3))[0]
        fault(broker, choice)
        done[fault.__name__] += 1
        wait_until(broker.is_answering, 90, lambda: 'start; the log ends: ' + broker.log_tail(), pause=0.02)
        is_going_on()
        if sum(done.values()) % 20 == 0:
            print('chaos: %.0f of %d s, %s' % (time.monotonic() - began, seconds, dict(done)), flush=True)
    return done


def events_of(paths):
    for path in paths:
        with open(path) as file:
            for line in file:
                yield tuple(json.loads(line))


def java(ctx):
    libs = ctx.settings.kafka_libs()
    source = ctx.path('chaos', 'Bank.java')
    classes = ctx.settings.once('chaos-bank', [source],
                                lambda directory: run_quiet(['javac', '-cp', libs + '/*', '-d', directory, source]))
    return ['java', '-Xmx192m', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1', '-cp', classes + ':' + libs + '/*', 'Bank']


class Players:
    """The programs of the load; the first one says when nothing more is asked."""

    def __init__(self, commands):
        self.all = [clients.Member(command, has_input=True) for command in commands]

    def check_alive(self):
        for player in self.all:
            check(player.process.poll() is None, lambda: 'the load ended: %s %s' % (player.other, player.tail()))

    def end(self):
        librdkafka, *others = self.all
        self.say_end(librdkafka)
        wait_until(lambda: ['REQUESTED'] in librdkafka.other, 150, lambda: 'the last request is sent: ' + librdkafka.tail())
        for player in others:
            self.say_end(player)
        for player in self.all:
            player.process.wait(300)
            player.read_thread.join(10)
            check(player.other and player.other[-1][0] == 'OK', lambda: 'the load ended with %s %s' % (player.other, player.tail()))

    @staticmethod
    def say_end(player):
        player.process.stdin.write('\n')
        player.process.stdin.flush()

    def kill(self):
        for player in self.all:
            player.process.kill()


def read_all(program, broker, prefix):
    logs, watermarks = {}, []
    for line in program.call('read', broker.address, prefix, seconds=900):
        row = json.loads(line)
        if row[0] == 'log':
            logs[(row[1], row[2])] = [tuple(record) for record in row[3]]
        else:
            watermarks.append(tuple(row))
    return logs, watermarks


def play(ctx, broker, label, kinds, torment_it, more=()):
    """The load runs while torment_it(check_alive) goes on; then everything is judged.  `more` are commands of further
    players, which get address and prefix, with the word of the topic each one answers the requests in."""
    judge = load_judge(ctx)
    program = clients.Client([ctx.settings.python(PACKAGE), ctx.path('chaos', 'load.py')], [])
    prefix = ctx.name('bank')
    histories = [os.path.join(ctx.dir, '%s-%s' % (label, word)) for word in ('librdkafka', 'java')]
    program.call('create', broker.address, prefix)
    players = Players([program.command + ['run', broker.address, prefix, histories[0]],
                       java(ctx) + [broker.address, prefix, histories[1], *kinds],
                       *[command + [broker.address, prefix, os.path.join(ctx.dir, word)] for command, word in more]])
    try:
        wait_until(lambda: all(os.path.exists(path) for path in histories), 60, 'the load begins')
        done = torment_it(players.check_alive)
        players.end()
    finally:
        players.kill()
    logs, watermarks = read_all(program, broker, prefix)
    events = list(events_of(histories)) + watermarks
    outputs = ['answers', 'janswers', *[word for _, word in more]]
    derived = {'%s-%s' % (prefix, word): prefix + '-requests' for word in outputs}
    anomalies = judge.judge(events, logs, derived, {prefix + '-requests'} if 'share' in kinds else ())
    anomalies.sort(key=lambda text: 'HANGING' not in text)  # it explains the others
    with open(os.path.join(ctx.dir, label + '-anomalies'), 'w') as file:
        file.writelines(text + '\n' for text in anomalies)
    ends = collections.Counter((event[3], 'java' if event[1].startswith('j') else 'librdkafka') for event in events if event[0] == 'end')
    shown = sum(len(event[4]) for event in events if event[0] == 'polled')
    counts = collections.Counter(event[0] for event in events)
    print('%s: %s, %s; transactions %s; %d requests acknowledged; %d records read, %d shown to pollers; share group: given %d, '
          'accepted %d, in doubt %d; %d anomalies' % (
              ctx.suite, label, done, {'%s %s' % key: n for key, n in sorted(ends.items())}, counts['acked'], sum(map(len, logs.values())),
              shown, counts['shared'], counts['accepted'], counts['doubted'], len(anomalies)), flush=True)
    check(not anomalies, lambda: '%s: %d anomalies: %s' % (done, len(anomalies), '; '.join(anomalies[:6])))
    for client in ('java', 'librdkafka'):
        check(ends[('committed', client)] > 3, 'too few transactions of %s were committed to say anything' % client)
    check('share' not in kinds or counts['accepted'] > 3, 'the share group accepted too little to say anything')
    for word in [*outputs, 'accounts']:
        check(any(rows for (topic, _), rows in logs.items() if topic == '%s-%s' % (prefix, word)), 'nothing is in ' + word)


def chaos_case(ctx, group_protocol, seconds, every):
    seed = random.SystemRandom().randrange(1 << 32)
    broker = ctx.new_broker('chaos-' + group_protocol, SETTINGS).start()

    def torment_it(check_alive):
        return 'seed %d, %d s, faults %s' % (seed, seconds, dict(torment(ctx, broker, random.Random(seed), seconds, every, check_alive)))

    play(ctx, broker, group_protocol, [group_protocol, 'share'], torment_it)


def run(ctx):
    with ctx.case('the_judge_finds_what_it_should'):
        clients.Client([sys.executable, ctx.path('chaos', 'test_judge.py')], []).call('-q')
    plan = [('consumer', 1200, 10), ('classic', 600, 10)] if ctx.settings.is_full else [('consumer', 25, 3)]
    for group_protocol, seconds, every in plan:
        with ctx.case('transactions_survive_%d_s_of_kills_and_pauses_with_group_protocol_%s' % (seconds, group_protocol)):
            chaos_case(ctx, group_protocol, seconds, every)
