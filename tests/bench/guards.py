#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What a request costs in things that do not depend on the machine's mood: system calls (strace), allocations (count_memory.c) and
instructions (valgrind's callgrind), for each produce and each fetch request at fixed shapes.

    tests/bench/guards.py --weir build/release/weir --bench build/release/tests/bench [--only calls,memory,instructions] [--json FILE]
                          [--limits FILE]

Each figure is the difference between two runs of different length, divided by the difference of their requests: what starting,
connecting and warming up cost is in both.  A tool that is not installed is told and left out.  FILE of --limits is JSON as --json
writes it, with the most each figure may be: what exceeds it fails.
"""
import argparse
import json
import os
import re
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from run import free_port  # noqa: E402

# A burst leaves in one send and is answered before the next, so that what is coalesced does not depend on luck.
PRODUCE = {
    'produce, one record, 1 in flight': dict(batch=1, record=100, in_flight=1),
    'produce, one record, 16 at once': dict(batch=1, record=100, in_flight=16, bursts=1),
    'produce, 16 KB of 100 B, 1 in flight': dict(batch=16384, record=100, in_flight=1),
    'produce, 64 KB of 1 KB, 1 in flight': dict(batch=65536, record=1024, in_flight=1),
    'produce, 64 KB of 1 KB, idempotent': dict(batch=65536, record=1024, in_flight=1, idempotent=1),
    'produce, 64 KB of 1 KB, lz4': dict(batch=65536, record=1024, in_flight=1, codec='lz4'),
    'produce, 64 KB of 1 KB, zstd': dict(batch=65536, record=1024, in_flight=1, codec='zstd'),
    'produce, 1 MB of 1 KB, 1 in flight': dict(batch=1000000, record=1024, in_flight=1),
}
FETCH = {
    'fetch, 1 MB of 64 KB batches': dict(fetch=1 << 20, batch=65536, record=1024),
    'fetch, 4 KB of one-record batches': dict(fetch=4096, batch=1, record=100),
}
REQUESTS = {'calls': (400, 1200), 'memory': (400, 1200), 'instructions': (50, 250)}
EVERY_CALL = re.compile(r'^\s*[\d.]+\s+[\d.]+\s+\d+\s+(\d+)\s+(?:\d+\s+)?(\w+)$', re.M)


class Server:
    """weir with words before it."""

    def __init__(self, options, before=(), env=None):
        self.options = options
        self.dir = tempfile.mkdtemp(prefix='weir-guards-')
        self.port = free_port()
        command = list(before) + [options.weir, 'serve']
        for setting in ('log.dirs=' + self.dir, 'listeners=PLAINTEXT://127.0.0.1:%d' % self.port, 'num.network.threads=1'):
            command += ['--override', setting]
        self.process = subprocess.Popen(command, env=dict(os.environ, **(env or {})), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.drive('first')

    def drive(self, what, **words):
        command = [os.path.join(self.options.bench, 'bench_drive'), what, 'port=%d' % self.port]
        done = subprocess.run(command + ['%s=%s' % item for item in words.items()], capture_output=True, text=True, timeout=600)
        if done.returncode != 0:
            self.stop()
            sys.exit('%s: %s' % (' '.join(command), done.stderr.strip()))
        return json.loads(done.stdout)

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(timeout=300)
        shutil.rmtree(self.dir, ignore_errors=True)


def prepare(server, what, shape, requests):
    server.drive('create', topic='t')
    if what == 'fetch':
        words = {name: shape[name] for name in ('batch', 'record')}
        bytes_wanted = (requests + 20) * shape['fetch']
        server.drive('produce', topic='t', bytes=bytes_wanted, **words)
    else:
        server.drive('produce', topic='t', requests=100, **shape)


def work(server, what, shape, requests):
    if what == 'fetch':
        words = {'fetch': shape['fetch'], 'bytes': int(requests * shape['fetch'] * 0.9)}
        return server.drive('fetch', topic='t', **words)['requests']
    return server.drive('produce', topic='t', requests=requests, **shape)['requests']


def difference(measure, what, shape, counts):
    """-> {name: per request}"""
    (few, few_requests), (many, many_requests) = [measure(what, shape, requests) for requests in counts]
    return {name: (many[name] - few.get(name, 0)) / (many_requests - few_requests) for name in many}


def calls(options, what, shape, requests):
    server = Server(options)
    prepare(server, what, shape, requests)
    out = server.dir + '.calls'
    tracer = subprocess.Popen(['strace', '-f', '-c', '-p', str(server.process.pid), '-o', out], stderr=subprocess.PIPE, text=True)
    tracer.stderr.readline()  # attached
    done = work(server, what, shape, requests)
    tracer.send_signal(signal.SIGINT)
    tracer.communicate()
    server.stop()
    with open(out) as file:
        found = {name: int(count) for count, name in EVERY_CALL.findall(file.read()) if name != 'total'}
    os.unlink(out)
    found['all'] = sum(found.values())
    return found, done


def memory(options, what, shape, requests):
    counts = tempfile.mktemp(prefix='weir-counts-')
    server = Server(options, env={'LD_PRELOAD': os.path.join(os.path.abspath(options.bench), 'libbench_count_memory.so'), 'BENCH_COUNTS': counts})
    prepare(server, what, shape, requests)

    def read():
        with open(counts, 'rb') as file:
            return struct.unpack('QQQ', file.read(24))
    before = read()
    done = work(server, what, shape, requests)
    after = read()
    server.stop()
    os.unlink(counts)
    return {'allocations': after[0] - before[0], 'frees': after[1] - before[1], 'bytes': after[2] - before[2]}, done


def instructions(options, what, shape, requests):
    out = tempfile.mktemp(prefix='weir-callgrind-')
    server = Server(options, before=['valgrind', '--tool=callgrind', '--callgrind-out-file=' + out])
    prepare(server, what, shape, max(REQUESTS['instructions']))
    done = work(server, what, shape, requests)
    server.stop()
    with open(out) as file:
        total = next(int(line.split()[1]) for line in file if line.startswith(('summary:', 'totals:')))
    os.unlink(out)
    return {'instructions': total}, done


KINDS = {'calls': (calls, 'strace'), 'memory': (memory, None), 'instructions': (instructions, 'valgrind')}


def measure(options):
    results = {}
    for kind in options.only.split(','):
        count, tool = KINDS[kind]
        if tool and not shutil.which(tool):
            print('%s is not installed: no %s' % (tool, kind), file=sys.stderr)
            continue
        for what, shapes in (('produce', PRODUCE), ('fetch', FETCH)):
            for label, shape in shapes.items():
                found = difference(lambda *args: count(options, *args), what, shape, REQUESTS[kind])
                results.setdefault(label, {})[kind] = {name: round(value, 2) for name, value in sorted(found.items()) if abs(value) >= 0.01}
                print('%-38s %-13s %s' % (label, kind, ', '.join('%s %g' % item for item in results[label][kind].items())), flush=True)
    return results


def excess(results, limits):
    for label, kinds in limits.items():
        for kind, figures in kinds.items():
            for name, most in figures.items():
                value = results.get(label, {}).get(kind, {}).get(name, 0)
                if value > most:
                    yield '%s: %s %g, at most %g' % (label, name, value, most)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--weir', required=True)
    parser.add_argument('--bench', required=True, help='the directory of bench_drive and libbench_count_memory.so')
    parser.add_argument('--only', default=','.join(KINDS))
    parser.add_argument('--json')
    parser.add_argument('--limits')
    options = parser.parse_args()
    began = time.monotonic()
    results = measure(options)
    if options.json:
        with open(options.json, 'w') as file:
            json.dump(results, file, indent=1)
    failed = []
    if options.limits:
        with open(options.limits) as file:
            failed = list(excess(results, json.load(file)))
    for line in failed:
        print('FAIL ' + line)
    print('%d shapes in %.0f s' % (len(results), time.monotonic() - began))
    sys.exit(1 if failed else 0)


if __name__ == '__main__':
    main()
