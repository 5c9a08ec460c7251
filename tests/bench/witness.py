#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Throughput as others measure it: Apache Kafka's own producer and consumer performance tools, and librdkafka's rdkafka_performance
where there is one, against weir and against Apache Kafka 4.3.0 in turn.

    tests/bench/witness.py --weir build/release/weir --bench build/release/tests/bench --apache DIR [--rounds N] [--records N]
                           [--rdkafka-performance PROGRAM]

Nothing is pinned: these are throughputs of the whole machine, client included.  Printed are medians in MB (2^20 bytes) a second.
"""
import argparse
import os
import re
import statistics
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from limits import drive  # noqa: E402
from systems import Apache, Weir  # noqa: E402

RECORD_BYTES = 1024


def java(options, *words):
    command = ['java', '-Xmx512m', '-Dorg.slf4j.simpleLogger.defaultLogLevel=error', '-cp', os.path.join(options.apache, 'libs', '*')]
    done = subprocess.run(command + list(words), capture_output=True, text=True, timeout=900)
    if done.returncode != 0:
        sys.exit('%s: %s' % (words[0], (done.stdout + done.stderr).strip()[-500:]))
    return done.stdout


def produce(options, address):
    text = java(options, 'org.apache.kafka.tools.ProducerPerformance', '--topic', 't', '--num-records', str(options.records), '--record-size',
                str(RECORD_BYTES), '--throughput', '-1', '--producer-props', 'bootstrap.servers=' + address, 'acks=1')
    return float(re.findall(r'\(([\d.]+) MB/sec\)', text)[-1])


def consume(options, address):
    text = java(options, 'org.apache.kafka.tools.ConsumerPerformance', '--topic', 't', '--messages', str(options.records),
                '--bootstrap-server', address, '--timeout', '60000')
    return float(text.strip().splitlines()[-1].split(',')[3])


def rdkafka(options, address, *words):
    command = [options.rdkafka_performance, *words, '-t', 't', '-p', '0', '-b', address, '-c', str(options.records)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=900)
    return float(re.findall(r'([\d.]+) ?MB/s', done.stdout + done.stderr)[-1]) * 1e6 / (1 << 20)


def witnesses(options):
    found = {'kafka-producer-perf-test': produce, 'kafka-consumer-perf-test': consume}
    if options.rdkafka_performance:
        found['rdkafka_performance -P'] = lambda o, address: rdkafka(o, address, '-P', '-s', str(RECORD_BYTES))
        found['rdkafka_performance -C'] = lambda o, address: rdkafka(o, address, '-C', '-o', 'beginning')
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--weir', required=True)
    parser.add_argument('--bench', required=True)
    parser.add_argument('--apache', required=True)
    parser.add_argument('--rdkafka-performance')
    parser.add_argument('--rounds', type=int, default=5)
    parser.add_argument('--records', type=int, default=1000000)
    options = parser.parse_args()
    options.drive_cpu = '0-%d' % (os.cpu_count() - 1)
    results = {}
    systems = [Weir(options.weir), Apache(options.apache)]
    for system in systems:
        system.start()
        drive(options, system, 'first')
        system.rest()
    try:
        for i in range(options.rounds + 1):  # the first one warms up
            for system in systems if i % 2 == 0 else systems[::-1]:
                system.wake()
                drive(options, system, 'create', topic='t')
                for name, run in witnesses(options).items():
                    value = run(options, '127.0.0.1:%d' % system.port)
                    if i > 0:
                        results.setdefault(name, {}).setdefault(system.name, []).append(value)
                drive(options, system, 'delete', topic='t')
                system.rest()
    finally:
        for system in systems:
            system.stop()
    print('| MB/s of 1 KB records | weir | Apache Kafka | weir / Apache |\n|---|---|---|---|')
    for name, values in results.items():
        weir, apache = statistics.median(values['weir']), statistics.median(values['apache'])
        print('| %s | %.0f | %.0f | %.2f |' % (name, weir, apache, weir / apache))


if __name__ == '__main__':
    main()
