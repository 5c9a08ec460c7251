# SPDX-License-Identifier: Apache-2.0
"""A broker that is killed again and again under mixed load, while it starts and while it stops, loses, doubles and
reorders nothing that it acknowledged.  20 kills; with --full 500."""
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
from harness.cases import check, wait_until

PACKAGE = 'confluent-kafka==2.16.1'
SETTINGS = {'log.retention.check.interval.ms': '1000', 'log.initial.task.delay.ms': '200', 'log.cleaner.backoff.ms': '200',
            'log.segment.delete.delay.ms': '500', 'log.flush.offset.checkpoint.interval.ms': '1000'}


def load_judge(ctx):
    path = ctx.path('kill', 'judge.py')
    spec = importlib.util.spec_from_file_location('judge', path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def size_of(path):
    return os.path.getsize(path) if os.path.exists(path) else 0


def wait_ms(choice, most):
    threading.Event().wait(choice.uniform(0, most) / 1000)


def kill_under_load(broker, history, choice):
    wait_until(broker.is_answering, 60, lambda: 'start; the log ends: ' + broker.log_tail(), pause=0.01)
    before, more = size_of(history), choice.randrange(500, 60000)
    wait_until(lambda: size_of(history) > before + more, 60, 'answers arrive after a start', pause=0.01)
    broker.kill()


def kill_while_starting(broker, history, choice):
    wait_ms(choice, 150)
    broker.kill()


def kill_while_stopping(broker, history, choice):
    wait_until(broker.is_answering, 60, lambda: 'start; the log ends: ' + broker.log_tail(), pause=0.01)
    wait_ms(choice, 300)
    broker.process.send_signal(signal.SIGTERM)
    wait_ms(choice, 60)
    broker.kill()


def read_all(program, broker, prefix, judge):
    logs, committed, topics = {}, {}, set()
    for line in program.call('read', broker.address, prefix, seconds=600):
        row = json.loads(line)
        if row[0] == 'topics':
            topics = set(row[1])
        elif row[0] == 'log':
            logs[(row[1], row[2])] = (row[3], [tuple(record) for record in row[5]])
        else:
            committed[tuple(row[1:4])] = row[4]
    return logs, committed, topics


def events_of(path):
    with open(path) as file:
        return [tuple(json.loads(line)) for line in file]


def run(ctx):
    judge = load_judge(ctx)
    program = clients.Client([ctx.settings.python(PACKAGE), ctx.path('kill', 'load.py')], [])
    kills = 500 if ctx.settings.is_full else 20
    seed = random.SystemRandom().randrange(1 << 32)
    choice = random.Random(seed)
    broker = ctx.new_broker('killed', SETTINGS).start()
    prefix = ctx.name('k')
    history = os.path.join(ctx.dir, 'history')
    with ctx.case('the_judge_finds_what_it_should'):
        tests = clients.Client([sys.executable, ctx.path('kill', 'test_judge.py')], [])
        tests.call('-q')
    with ctx.case('killed_%d_times_nothing_acknowledged_is_lost_doubled_or_reordered' % kills):
        program.call('create', broker.address, prefix)
        load = clients.Member(program.command + ['run', broker.address, prefix, history], has_input=True)
        began = time.monotonic()
        done = collections.Counter()
        try:
            for number in range(kills):
                way = choice.choices((kill_under_load, kill_while_starting, kill_while_stopping), (6, 2, 2))[0]
                if not broker.is_running():
                    broker.run()
                way(broker, history, choice)
                done[way.__name__] += 1
                check(load.process.poll() is None, lambda: 'the load ended: %s %s' % (load.other, load.tail()))
                if number % 50 == 49:
                    print('kill: %d of %d, %.0f s, %s' % (number + 1, kills, time.monotonic() - began, dict(done)), flush=True)
            broker.start()
            load.process.stdin.write('\n')
            load.process.stdin.flush()
            load.process.wait(240)
        finally:
            load.process.kill()
        load.read_thread.join(10)
        check(load.other and load.other[-1][0] == 'OK', lambda: 'the load ended with %s %s' % (load.other, load.tail()))
        broker.kill()
        broker.start()
        found = read_all(program, broker, prefix, judge)
        events = events_of(history)
        anomalies = judge.judge(events, *found)
        counts = collections.Counter(event[0] for event in events)
        print('kill: seed %d, %d kills %s in %.0f s; %s; %d records read; %d anomalies' % (
            seed, kills, dict(done), time.monotonic() - began, dict(counts), sum(len(log[1]) for log in found[0].values()),
            len(anomalies)), flush=True)
        check(not anomalies, lambda: 'seed %d: %d anomalies: %s' % (seed, len(anomalies), '; '.join(anomalies[:6])))
