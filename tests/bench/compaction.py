#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Compaction of weir beside Apache Kafka 4.3.0 and beside what it cannot do without, in one run.

    tests/bench/compaction.py --build build/release [--apache DIR] [--rounds N] [--bytes N] [--keys N] [--record N]

Each round fills a topic with records whose keys are drawn evenly from so many, and makes it a compacted topic: the CPU
seconds of the broker until its cleaner is through are the cost.  The limit is bench_clean_limit on the same segments:
read, take apart, hash, write what the cleaner wrote.  Meanwhile a producer works at a fixed rate on another topic; its
latencies are set beside those of a quiet broker.  Printed are medians of ratios, with the smallest and the largest.
"""
import argparse
import glob
import os
import shutil
import socket
import statistics
import struct
import subprocess
import tempfile
import time

import run

ACTIVE_SHARE = 10  # segments a topic is divided into


def text(value):
    return struct.pack('>h', len(value)) + value.encode()


def request(port, key, version, body):
    frame = struct.pack('>hhi', key, version, 7) + text('bench') + body
    with socket.create_connection(('127.0.0.1', port), timeout=60) as connection:
        connection.sendall(struct.pack('>i', len(frame)) + frame)
        stream = connection.makefile('rb')
        size, = struct.unpack('>i', stream.read(4))
        return stream.read(size)[4:]


def create_topic(port, name, segment_bytes):
    configs = {'segment.bytes': str(segment_bytes), 'cleanup.policy': 'delete', 'retention.ms': '-1',
               'min.cleanable.dirty.ratio': '0.01'}
    body = struct.pack('>i', 1) + text(name) + struct.pack('>ihi', 1, 1, 0) + struct.pack('>i', len(configs))
    body += b''.join(text(key) + text(value) for key, value in configs.items()) + struct.pack('>ib', 30000, 0)
    request(port, 19, 4, body)


def make_compacted(port, name):
    body = struct.pack('>ib', 1, 2) + text(name) + struct.pack('>i', 1) + text('cleanup.policy') + b'\0' + text('compact') + b'\0'
    answer = request(port, 44, 0, body)
    error, = struct.unpack_from('>h', answer, 8)
    if error:
        raise SystemExit('cleanup.policy was refused with error %d' % error)


class Weir(run.Weir):
    settings = ['log.cleaner.backoff.ms=100', 'log.cleaner.threads=1']

    def start(self):
        self.dir = tempfile.mkdtemp(prefix='weir-bench-')
        self.data = self.dir
        self.port = run.free_port()
        words = [self.binary, 'serve']
        for setting in self.settings + ['log.dirs=' + self.dir, 'listeners=PLAINTEXT://127.0.0.1:%d' % self.port]:
            words += ['--override', setting]
        self.process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


class Apache(run.Apache):
    extra = Weir.settings

    def start(self):
        super().start()
        self.data = os.path.join(self.dir, 'data')


def segments(broker, topic):
    return sorted(glob.glob(os.path.join(broker.data, topic + '-0', '*.log')))


def size_of(paths):
    return sum(os.path.getsize(path) for path in paths if os.path.exists(path))


def is_cleaned(broker, topic, offset):
    try:
        with open(os.path.join(broker.data, 'cleaner-offset-checkpoint')) as file:
            return '%s 0 %d' % (topic, offset) in file.read().split('\n')
    except FileNotFoundError:
        return False


def rate(options, broker, requests):
    return subprocess.Popen([options.load, 'rate', '127.0.0.1', str(broker.port), 'foreground', str(requests), '1000', '1024'],
                            stdout=subprocess.PIPE, text=True)


def p99_us(process):
    out, _ = process.communicate(timeout=300)
    if process.returncode != 0:
        raise SystemExit('the foreground producer failed')
    return int(out.split()[3])


def limit(options, work, inputs, out_bytes):
    out = os.path.join(work, 'out')
    words = subprocess.run([options.limit, out, str(out_bytes)] + inputs, check=True, capture_output=True, text=True).stdout.split()
    os.unlink(out)
    return float(words[1])


def fill(options, broker, topic):
    create_topic(broker.port, topic, options.bytes // ACTIVE_SHARE)
    until = time.monotonic() + 30  # Apache Kafka answers before the partition has its leader
    while subprocess.run([options.load, 'keyed', '127.0.0.1', str(broker.port), topic, '1', '2048', '1000', '1'],
                         capture_output=True).returncode != 0 and time.monotonic() < until:
        time.sleep(0.1)  # bench
    run.load(options, broker, 'keyed', topic, options.bytes, 64 << 10, options.record, options.keys)


def clean(options, broker, topic, work):
    """-> (CPU seconds of the cleaning, of the limit, seconds it took), without anything beside it."""
    inputs = segments(broker, topic)[:-1]
    copies = []
    for path in inputs:
        copies.append(os.path.join(work, os.path.basename(path)))
        shutil.copyfile(path, copies[-1])
    active = int(os.path.basename(segments(broker, topic)[-1])[:20])
    before, began = run.cpu_seconds(broker.process.pid), time.monotonic()
    make_compacted(broker.port, topic)
    while not is_cleaned(broker, topic, active):
        time.sleep(0.02)  # bench
    cpu, took = run.cpu_seconds(broker.process.pid) - before, time.monotonic() - began
    left = size_of(segments(broker, topic)[:-1])
    cost = limit(options, work, copies, left)
    for path in copies:
        os.unlink(path)
    return cpu, cost, took, left / size_of(inputs) if size_of(inputs) else left


def foreground(options, broker, topic):
    """-> (p99 quiet, p99 while a cleaning runs) in microseconds."""
    os.sync()  # what was filled is not written out beside the quiet producer
    quiet = p99_us(rate(options, broker, options.requests))
    active = int(os.path.basename(segments(broker, topic)[-1])[:20])
    busy_load = rate(options, broker, options.requests)
    make_compacted(broker.port, topic)
    busy = p99_us(busy_load)
    while not is_cleaned(broker, topic, active):
        time.sleep(0.02)  # bench
    return quiet, busy


def spread(values, form='%.2f'):
    return (form + ' (' + form + ' to ' + form + ')') % (statistics.median(values), min(values), max(values))


def cost_round(options, broker, n, rows):
    work = tempfile.mkdtemp(prefix='weir-bench-limit-')
    fill(options, broker, 'c%d' % n)
    cpu, cost, took, _ = clean(options, broker, 'c%d' % n, work)
    rows.append({'cpu': cpu, 'limit': cost, 'ratio': cpu / cost, 'took': took})
    shutil.rmtree(work, ignore_errors=True)


def foreground_round(options, broker, n, rows):
    fill(options, broker, 'f%d' % n)
    quiet, busy = foreground(options, broker, 'f%d' % n)
    rows.append({'quiet': quiet, 'busy': busy, 'p99': busy / quiet})


def begin(options, broker):
    broker.start()
    run.load(options, broker, 'first')
    run.load(options, broker, 'produce', 'foreground', 1 << 20, 1024, 500)


def measure_foreground(options, brokers):
    """One broker at a time: what another one writes out would be in the latencies."""
    rows = {broker.name: [] for broker in brokers}
    for broker in brokers:
        begin(options, broker)
        try:
            for n in range(options.rounds + 1):
                foreground_round(options, broker, n, rows[broker.name])
        finally:
            broker.stop()
        del rows[broker.name][0]  # the first warms up
    return rows


def measure_cost(options, brokers):
    rows = {broker.name: [] for broker in brokers}
    for broker in brokers:
        begin(options, broker)
    try:
        for n in range(options.rounds + 1):
            for broker in brokers:
                cost_round(options, broker, n, rows[broker.name])
    finally:
        for broker in brokers:
            broker.stop()
    for values in rows.values():
        del values[0]
    return rows


def column(values, key):
    return [row[key] for row in values]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('--build', required=True)
    parser.add_argument('--apache')
    parser.add_argument('--rounds', type=int, default=3)
    parser.add_argument('--bytes', type=int, default=run.GB)
    parser.add_argument('--keys', type=int, default=1000000)
    parser.add_argument('--record', type=int, default=1000)
    parser.add_argument('--requests', type=int, default=4000)
    options = parser.parse_args()
    options.load = os.path.join(options.build, 'tests/bench/bench_load')
    options.limit = os.path.join(options.build, 'tests/bench/bench_clean_limit')
    brokers = [Weir(os.path.join(options.build, 'weir'))] + ([Apache(options.apache)] if options.apache else [])
    for name, values in measure_foreground(options, brokers).items():
        print('%s: producer p99 quiet %s us, while cleaning %s us, ratio %s' % (
            name, spread(column(values, 'quiet'), '%d'), spread(column(values, 'busy'), '%d'), spread(column(values, 'p99'))))
    rows = measure_cost(options, brokers)
    for name, values in rows.items():
        print('%s: cleaning cost %s CPU seconds, %s of the limit; took %s s' % (
            name, spread(column(values, 'cpu')), spread(column(values, 'ratio')), spread(column(values, 'took'))))
    if len(rows) == 2:
        ratios = [a['cpu'] / b['cpu'] for a, b in zip(rows['weir'], rows['apache'])]
        print('cleaning, CPU weir / Apache Kafka: %s' % spread(ratios))


if __name__ == '__main__':
    main()
