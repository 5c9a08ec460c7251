#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What the coordinators cost, beside Apache Kafka 4.3.0: many groups that heartbeat and commit, the rebalance of a large
group, transactions of one producer and of many.

    tests/bench/coordinators.py --build build/release [--apache DIR] [--groups 1000] [--seconds 30] [--rounds 3]

CPU seconds are the broker's alone.  The rounds alternate between the brokers; medians are printed, with the least and
the most.  Nothing here fails for being slow."""
import argparse
import os
import resource
import statistics
import subprocess

from run import Apache, Weir, cpu_seconds

MEMBERS, REBALANCED = 3, 100
SETTINGS = ['transaction.state.log.replication.factor=1', 'transaction.state.log.min.isr=1', 'group.initial.rebalance.delay.ms=500']
PROTOCOLS = ('classic', 'consumer')


class BenchWeir(Weir):
    extra = SETTINGS

    def __init__(self, build):
        super().__init__(os.path.join(build, 'weir'))


class BenchApache(Apache):
    extra = SETTINGS


def program(options, name):
    return os.path.join(options.build, 'tests', 'bench', 'bench_' + name)


def create(options, broker, topic, partitions):
    subprocess.run([program(options, 'load'), 'create', '127.0.0.1', str(broker.port), topic, str(partitions)], check=True,
                   stdout=subprocess.DEVNULL)


def measure(broker, command, has_pause):
    """-> (the numbers of the "ok" line, CPU seconds of the broker from "joined", or from the start, to the end)"""
    child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    if has_pause and child.stdout.readline().strip() != 'joined':
        raise SystemExit('%s failed' % ' '.join(command))
    before = cpu_seconds(broker.process.pid)
    text, _ = child.communicate('\n' if has_pause else '')
    if child.returncode != 0 or not text.startswith('ok '):
        raise SystemExit('%s failed: %s' % (' '.join(command), text))
    return [int(word) for word in text.split()[1:]], cpu_seconds(broker.process.pid) - before


def steady(options, broker, protocol, number):
    (heartbeats, commits), cpu = measure(broker, [
        program(options, 'groups'), 'steady', '127.0.0.1', str(broker.port), protocol, 'bench-three', str(options.groups), str(MEMBERS),
        str(options.seconds), '3000', '5000'], True)
    return 1e6 * cpu / (heartbeats + commits), '%d groups of %d: %d heartbeats, %d commits' % (options.groups, MEMBERS, heartbeats, commits)


def rebalance(options, broker, protocol, number):
    (count,), cpu = measure(broker, [program(options, 'groups'), 'rebalance', '127.0.0.1', str(broker.port), protocol, 'bench-hundred',
                                     str(REBALANCED), '10'], True)
    return 1e6 * cpu / count, '%d rebalances of %d members' % (count, REBALANCED)


def transactions(options, broker, producers, number):
    (count,), cpu = measure(broker, [program(options, 'txns'), '127.0.0.1', str(broker.port), 'bench-txns', '8', str(producers),
                                     str(options.seconds // 3)], False)
    return 1e6 * cpu / count, '%d a second' % (count // (options.seconds // 3))


def report(what, found):
    medians = {name: statistics.median(values) for name, (values, _) in found.items()}
    text = '; '.join('%s %.0f us (%.0f to %.0f), %s' % (name, medians[name], min(values), max(values), ' | '.join(words))
                     for name, (values, words) in found.items())
    if len(medians) == 2:
        text += '; weir/apache %.2f' % (medians['weir'] / medians['apache'])
    print('%s: CPU for each: %s' % (what, text), flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('--build', required=True)
    parser.add_argument('--apache')
    parser.add_argument('--groups', type=int, default=1000)
    parser.add_argument('--seconds', type=int, default=30)
    parser.add_argument('--rounds', type=int, default=3)
    parser.add_argument('--only', default='', help='heartbeat, rebalance, transaction')
    options = parser.parse_args()
    resource.setrlimit(resource.RLIMIT_NOFILE, (16384, max(16384, resource.getrlimit(resource.RLIMIT_NOFILE)[1])))
    work = [('heartbeat or commit, ' + protocol, steady, protocol) for protocol in PROTOCOLS]
    work += [('rebalance, ' + protocol, rebalance, protocol) for protocol in PROTOCOLS]
    work += [('transaction, %d producers' % count, transactions, count) for count in (1, 50)]
    for what, measured, argument in work:
        if options.only and not what.startswith(options.only):
            continue
        found = {}
        for number in range(options.rounds):
            brokers = [BenchWeir(options.build)] + ([BenchApache(options.apache)] if options.apache else [])
            for broker in brokers if number % 2 == 0 else reversed(brokers):
                broker.start()
                try:
                    for topic, partitions in (('bench-three', MEMBERS), ('bench-hundred', REBALANCED), ('bench-txns', 8)):
                        create(options, broker, topic, partitions)
                    measured(options, broker, argument, number) if measured is transactions else None  # warm
                    value, words = measured(options, broker, argument, number)
                finally:
                    broker.stop()
                values, texts = found.setdefault(broker.name, ([], []))
                values.append(value)
                texts.append(words)
        report(what, found)


if __name__ == '__main__':
    main()
