#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""How long a start takes: after kill -9 and after a clean stop on a directory with much data, weir and Apache Kafka 4.3.0
alternately on copies of the same one; and with many empty partitions, with weir's memory for each.

    tests/bench/start.py --weir build/release/weir --load build/release/tests/bench/bench_load [--apache DIR]
                         [--gb N] [--partitions N] [--empty N] [--rounds N] [--work DIR]

DIR (--apache) is an installation of Apache Kafka with its jars in DIR/libs.  weir writes the directory, is killed and is copied; the
clean one is weir's or Apache Kafka's own clean stop of such a copy.  Needs three times the data on disk in --work; it is removed at
the end.  A start lasts from the start of the process to the answer to its first request; CPU is that of the process by then.
What is printed are medians and their ratios; nothing here fails for being slow.
"""
import argparse
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from run import GB, cpu_seconds, free_port, resident_mb  # noqa: E402

COMMON = ['log.retention.ms=-1', 'offsets.topic.replication.factor=1']
QUIET = dict(stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
STOP_SECONDS = 300
TOPIC_PARTITIONS = 1000  # a request may create fewer than 10,000


class Weir:
    name = 'weir'

    def __init__(self, options):
        self.options = options

    def start(self, data):
        self.port = free_port()
        settings = COMMON + ['log.dirs=' + data, 'listeners=PLAINTEXT://127.0.0.1:%d' % self.port]
        command = [self.options.weir, 'serve']
        for setting in settings:
            command += ['--override', setting]
        self.process = subprocess.Popen(command, **QUIET)

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(timeout=STOP_SECONDS)


class Apache(Weir):
    name = 'apache'

    def start(self, data):
        self.port, controller = free_port(), free_port()
        properties = data + '.properties'
        with open(properties, 'w') as f:
            f.write('\n'.join(COMMON + [
                'process.roles=broker,controller', 'node.id=1',
                'controller.quorum.voters=1@127.0.0.1:%d' % controller,
                'listeners=PLAINTEXT://127.0.0.1:%d,CONTROLLER://127.0.0.1:%d' % (self.port, controller),
                'controller.listener.names=CONTROLLER',
                'listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT',
                'log.dirs=' + data]) + '\n')
        self.process = subprocess.Popen(['java', '-Xmx1g', '-Xms1g', '-cp', os.path.join(self.options.apache, 'libs', '*'),
                                         'kafka.Kafka', properties], **QUIET)


def load(options, broker, *args):
    result = subprocess.run([options.load, args[0], '127.0.0.1', str(broker.port)] + [str(a) for a in args[1:]],
                            capture_output=True, text=True, timeout=900)
    if result.returncode != 0:
        sys.exit('bench_load %s: %s' % (args[0], result.stderr))
    return result.stdout.strip()


def measure_start(options, broker, data):
    began = time.monotonic()
    broker.start(data)
    load(options, broker, 'first')
    return time.monotonic() - began, cpu_seconds(broker.process.pid)


def copy(source, target):
    shutil.rmtree(target, ignore_errors=True)
    subprocess.run(['cp', '-a', '--reflink=auto', source, target], check=True)
    subprocess.run(['sync', '-f', target], check=True)


def build(options, data):
    """Writes the data with weir and kills it."""
    broker = Weir(options)
    broker.start(data)
    load(options, broker, 'first')
    began = time.monotonic()
    load(options, broker, 'create', 'filled', options.partitions)
    created = time.monotonic() - began
    load(options, broker, 'spread', 'filled', int(options.gb * GB), 16384, 1024, options.partitions)
    broker.kill()
    print('%.1f GB in %d partitions, which took %.1f s to create' % (options.gb, options.partitions, created))


def compare(what, results):
    medians = {name: [statistics.median(r[i] for r in rounds) for i in range(2)] for name, rounds in results.items()}
    text = ', '.join('%s %.2f s wall %.2f s CPU' % (name, *m) for name, m in medians.items())
    if len(medians) == 2:
        text += ', apache/weir %.1f wall %.1f CPU' % tuple(medians['apache'][i] / max(medians['weir'][i], 0.001) for i in range(2))
    print('%s: %s' % (what, text))
    sys.stdout.flush()


def filled(options, work):
    killed, used = os.path.join(work, 'killed'), os.path.join(work, 'used')
    build(options, killed)
    brokers = [Weir(options)] + ([Apache(options)] if options.apache else [])
    after_kill = {b.name: [] for b in brokers}
    after_stop = {b.name: [] for b in brokers}
    for i in range(options.rounds):
        for broker in brokers if i % 2 == 0 else reversed(brokers):
            copy(killed, used)
            after_kill[broker.name].append(measure_start(options, broker, used))
            broker.stop()
            after_stop[broker.name].append(measure_start(options, broker, used))
            broker.stop()
    compare('start after kill -9', after_kill)
    compare('start after a clean stop', after_stop)
    shutil.rmtree(used)
    shutil.rmtree(killed)


def empty(options, work):
    data = os.path.join(work, 'empty')
    broker = Weir(options)
    measure_start(options, broker, data)
    without = resident_mb(broker.process.pid)
    began = time.monotonic()
    for i in range(0, options.empty, TOPIC_PARTITIONS):
        load(options, broker, 'create', 'empty-%d' % i, min(TOPIC_PARTITIONS, options.empty - i))
    created = time.monotonic() - began
    after_create = resident_mb(broker.process.pid)
    broker.stop()
    clean = measure_start(options, broker, data)
    after_start = resident_mb(broker.process.pid)
    broker.kill()
    killed = measure_start(options, broker, data)
    broker.kill()
    per = 1024 / options.empty
    print('%d empty partitions: created in %.1f s; %.1f KB each when created, %.1f KB after a start'
          % (options.empty, created, (after_create - without) * per, (after_start - without) * per))
    print('start with them: clean %.2f s wall %.2f s CPU, after kill -9 %.2f s wall %.2f s CPU' % (clean + killed))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('--weir', required=True)
    parser.add_argument('--load', required=True)
    parser.add_argument('--apache')
    parser.add_argument('--gb', type=float, default=5)
    parser.add_argument('--partitions', type=int, default=1000)
    parser.add_argument('--empty', type=int, default=10000)
    parser.add_argument('--rounds', type=int, default=2)
    parser.add_argument('--work', default=tempfile.gettempdir())
    options = parser.parse_args()
    work = tempfile.mkdtemp(prefix='weir-start-', dir=options.work)
    try:
        if options.empty > 0:
            empty(options, work)
        if options.gb > 0:
            filled(options, work)
    finally:
        shutil.rmtree(work, ignore_errors=True)


if __name__ == '__main__':
    main()
