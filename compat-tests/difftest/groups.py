# SPDX-License-Identifier: Apache-2.0
"""Scenarios of groups, transactions and their features: what Apache Kafka 4.3.0 answered, stored in answers/, beside the broker under test.

record.py asks Apache Kafka again and writes answers/ anew; `compat-tests/run --apache --only difftest` checks that it still
answers so."""
import concurrent.futures
import json
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
import world  # noqa: E402
import classic_groups  # noqa: E402
import consumer_groups  # noqa: E402
import features  # noqa: E402
import group_configs  # noqa: E402
import streams_groups  # noqa: E402
import transactions  # noqa: E402

FILES = (classic_groups, consumer_groups, features, group_configs, streams_groups, transactions)
PREFIX = 'run'
# One partition of each internal topic, so that one load is waited for; times short enough to be waited for.
SETTINGS = {
    'offsets.topic.num.partitions': '1', 'transaction.state.log.num.partitions': '1',
    'group.consumer.assignment.interval.ms': '0', 'group.streams.assignment.interval.ms': '0',
    'group.max.size': '6', 'group.consumer.max.size': '6',
    'group.streams.initial.rebalance.delay.ms': '0',
    'group.min.session.timeout.ms': '500', 'group.consumer.min.session.timeout.ms': '500',
    'group.consumer.min.heartbeat.interval.ms': '100', 'group.consumer.heartbeat.interval.ms': '200',
    'group.streams.min.heartbeat.interval.ms': '100', 'group.streams.heartbeat.interval.ms': '200',
    'transaction.abort.timed.out.transaction.cleanup.interval.ms': '200',
}
# Assignments in the heartbeat that asks for them, not by another thread a little later.
SETTINGS_OF_APACHE = {'group.%s.assignor.offload.enable' % kind: 'false' for kind in ('consumer', 'streams')}


def names_of(module):
    return [name for name, function in world.SCENARIOS.items() if function.__module__ == module.__name__]


def answers_path(module):
    return os.path.join(HERE, 'answers', module.__name__ + '.jsonl')


def ask_all(address):
    """{scenario: [(label, answer)]}; the files run side by side, for most of the time is waiting."""
    with concurrent.futures.ThreadPoolExecutor(len(FILES)) as pool:
        parts = list(pool.map(lambda module: world.run(address, PREFIX, names_of(module)), FILES))
    return {name: [(label, json.loads(json.dumps(answer))) for label, answer in rows] for part in parts for name, rows in part.items()}


def write(answers):
    os.makedirs(os.path.join(HERE, 'answers'), exist_ok=True)
    for module in FILES:
        with open(answers_path(module), 'w') as file:
            for name in names_of(module):
                for label, answer in answers[name]:
                    file.write(json.dumps([name, label, answer]) + '\n')


def read():
    answers = {}
    for module in FILES:
        with open(answers_path(module)) as file:
            for line in file:
                name, label, answer = json.loads(line)
                answers.setdefault(name, []).append((label, answer))
    return answers


def walk(wanted, value, path=''):
    """(path, wanted, value) of each difference."""
    if type(wanted) is not type(value):
        yield path, wanted, value
    elif isinstance(wanted, dict):
        for name in sorted(set(wanted) | set(value)):
            yield from walk(wanted.get(name, '<absent>'), value.get(name, '<absent>'), '%s.%s' % (path, name))
    elif isinstance(wanted, list) and len(wanted) == len(value):
        for number, pair in enumerate(zip(wanted, value)):
            yield from walk(*pair, '%s[%d]' % (path, number))
    elif wanted != value:
        yield path, wanted, value


def differences(allowed, name, wanted_rows, rows):
    """One text each."""
    for (wanted_label, wanted), (label, answer) in zip(wanted_rows, rows):
        if wanted_label != label:
            yield '%s/%s: another step than "%s": %s' % (name, label, wanted_label, answer)
            return
        for path, one, other in walk(wanted, answer):
            if not allowed.covers('%s/%s' % (name, label), path, one, other):
                yield '%s/%s %s: %s | %s' % (name, label, path, json.dumps(one)[:200], json.dumps(other)[:200])
    if len(wanted_rows) != len(rows):
        yield '%s: %d steps instead of %d, the last: %s' % (name, len(rows), len(wanted_rows), rows[-1:])
