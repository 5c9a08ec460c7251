#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""weir beside Apache Kafka 4.3.0, in one run: CPU seconds of the broker for each GB produced and fetched, start to the
first answered request, memory and CPU when idle, size of the binary.

    tests/bench/run.py --weir build/release/weir --load build/release/tests/bench/bench_load [--apache DIR] [--rounds N]

DIR is an installation of Apache Kafka with its jars in DIR/libs (tools/apache-kafka makes one).  The rounds alternate between the
brokers; what is printed are medians.  Nothing here fails for being slow: absolute times depend on the machine.
"""
import argparse
import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time

TICKS = os.sysconf('SC_CLK_TCK')
GB = 1 << 30


def cpu_seconds(pid):
    fields = open('/proc/%d/stat' % pid).read().rsplit(')', 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def resident_mb(pid):
    for line in open('/proc/%d/status' % pid):
        if line.startswith('VmRSS'):
            return int(line.split()[1]) / 1024
    return 0.0


def wakeups(pid):
    total = 0
    for task in os.listdir('/proc/%d/task' % pid):
        for line in open('/proc/%d/task/%s/status' % (pid, task)):
            if line.startswith('voluntary_ctxt_switches'):
                total += int(line.split()[1])
    return total


def free_port():
    with socket.socket() as s:
        s.bind(('127.0.0.1', 0))
        return s.getsockname()[1]


class Weir:
    name = 'weir'
    extra = []  # further settings

    def __init__(self, binary):
        self.binary = binary

    def start(self):
        self.dir = tempfile.mkdtemp(prefix='weir-bench-')
        self.port = free_port()
        self.process = subprocess.Popen(
            [self.binary, 'serve', '--override', 'log.dirs=' + self.dir,
             '--override', 'listeners=PLAINTEXT://127.0.0.1:%d' % self.port] +
            [word for line in self.extra for word in ('--override', line)],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(timeout=60)
        shutil.rmtree(self.dir, ignore_errors=True)


class Apache(Weir):
    name = 'apache'

    def __init__(self, home):
        self.libs = os.path.join(home, 'libs', '*')

    def java(self, *args):
        return ['java', '-Xmx1g', '-Xms1g', '-cp', self.libs] + list(args)

    def start(self):
        self.dir = tempfile.mkdtemp(prefix='apache-bench-')
        self.port, controller = free_port(), free_port()
        properties = os.path.join(self.dir, 'server.properties')
        data = os.path.join(self.dir, 'data')
        with open(properties, 'w') as f:
            f.write('process.roles=broker,controller\nnode.id=1\n'
                    'controller.quorum.voters=1@127.0.0.1:%d\n'
                    'listeners=PLAINTEXT://127.0.0.1:%d,CONTROLLER://127.0.0.1:%d\n'
                    'controller.listener.names=CONTROLLER\n'
                    'listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT\n'
                    'log.dirs=%s\noffsets.topic.replication.factor=1\n' % (controller, self.port, controller, data))
            f.writelines(line + '\n' for line in self.extra)
        quiet = dict(stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        subprocess.run(self.java('kafka.tools.StorageTool', 'format', '-t', 'MkU3OEVBNTcwNTJENDM2Qg', '-c', properties),
                       check=True, **quiet)
        self.process = subprocess.Popen(self.java('kafka.Kafka', properties), **quiet)


def load(options, broker, *args):
    return subprocess.run([options.load, args[0], '127.0.0.1', str(broker.port)] + [str(a) for a in args[1:]],
                          check=True, capture_output=True, text=True).stdout.strip()


def measure(options, broker, work, total):
    before = cpu_seconds(broker.process.pid)
    text = load(options, broker, *work)
    moved = int(text.split()[1])
    return (cpu_seconds(broker.process.pid) - before) / (moved / GB)


def start_time_ms(options):
    """From the start of the process to its first answer, empty data directory."""
    times = []
    for _ in range(options.rounds):
        broker = Weir(options.weir)
        began = time.monotonic()
        broker.start()
        load(options, broker, 'first')
        times.append((time.monotonic() - began) * 1000)
        broker.stop()
    return statistics.median(times)


def idle(options, seconds=10):
    broker = Weir(options.weir)
    broker.start()
    load(options, broker, 'first')
    time.sleep(2)  # bench: the start-up work is over after this
    cpu, woken = cpu_seconds(broker.process.pid), wakeups(broker.process.pid)
    time.sleep(seconds)  # bench: the idle time that is measured
    result = (resident_mb(broker.process.pid), cpu_seconds(broker.process.pid) - cpu,
              (wakeups(broker.process.pid) - woken) / seconds)
    broker.stop()
    return result


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('--weir', required=True)
    parser.add_argument('--load', required=True)
    parser.add_argument('--apache')
    parser.add_argument('--rounds', type=int, default=5)
    parser.add_argument('--bytes', type=int, default=GB)
    options = parser.parse_args()
    print('binary %.1f KB' % (os.path.getsize(options.weir) / 1024))
    print('start to first answer %.1f ms (median of %d)' % (start_time_ms(options), options.rounds))
    memory, cpu, woken = idle(options)
    print('idle: %.1f MB resident, %.2f CPU seconds in 10 s, %.1f wake-ups a second' % (memory, cpu, woken))
    brokers = [Weir(options.weir)] + ([Apache(options.apache)] if options.apache else [])
    for broker in brokers:
        broker.start()
        load(options, broker, 'first')
    shapes = [('64 KB batches of 1 KB', 65536, 1024), ('16 KB batches of 100 B', 16384, 100), ('1 MB batches of 1 KB', 1000000, 1024)]
    for label, batch, record in shapes:
        produce = {b.name: [] for b in brokers}
        fetch = {b.name: [] for b in brokers}
        for broker in brokers:  # warm-up, not counted
            load(options, broker, 'produce', 'warm-%d' % batch, options.bytes, batch, record)
            load(options, broker, 'fetch', 'warm-%d' % batch, options.bytes // 2)
        for i in range(options.rounds):
            for broker in brokers if i % 2 == 0 else reversed(brokers):
                topic = 'b%d-%d' % (batch, i)
                produce[broker.name].append(measure(options, broker, ('produce', topic, options.bytes, batch, record), options.bytes))
                fetch[broker.name].append(measure(options, broker, ('fetch', topic, options.bytes), options.bytes))
        for what, values in (('produce', produce), ('fetch', fetch)):
            medians = {name: statistics.median(v) for name, v in values.items()}
            text = ', '.join('%s %.3f' % (name, value) for name, value in medians.items())
            if len(medians) == 2:
                text += ', weir/apache %.2f' % (medians['weir'] / medians['apache'])
            print('%s, %s: CPU-s/GB %s' % (what, label, text))
            sys.stdout.flush()
    for broker in brokers:
        broker.stop()


if __name__ == '__main__':
    main()
