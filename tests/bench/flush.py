#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Durable produce: how many messages and how many syncs a second with flush.messages=1, for 1, 8 and 64 producers on one
partition and spread over eight.

    tests/bench/flush.py --load build/release/tests/bench/bench_load WEIR [WEIR ...]

Several binaries (before, after) are measured in turn.  Syncs are counted by strace where there is one; the disk is the one
that holds --dir.  Nothing here fails for being slow."""
import argparse
import os
import shutil
import signal
import subprocess
import tempfile
import time

from run import free_port

BATCH_BYTES, RECORD_BYTES, REQUESTS = 1000, 900, 6000


def children(pid):
    return [int(word) for word in open('/proc/%d/task/%d/children' % (pid, pid)).read().split()]


def start(weir, directory, port):
    words = [weir, 'serve', '--override', 'log.dirs=%s/data' % directory, '--override', 'log.flush.interval.messages=1',
             '--override', 'listeners=PLAINTEXT://127.0.0.1:%s' % port, '--override', 'weir.log.level=error']
    if shutil.which('strace'):
        words = ['strace', '-f', '--seccomp-bpf', '-c', '-e', 'trace=fdatasync', '-o', directory + '/calls'] + words
    return subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def count_syncs(directory):
    try:
        lines = [line.split() for line in open(directory + '/calls')]
    except OSError:
        return None
    return sum(int(words[3]) for words in lines if words and words[-1] == 'fdatasync')


def measure(weir, load, parent, producers, partitions):
    directory = tempfile.mkdtemp(prefix='weir-flush-', dir=parent)
    port = str(free_port())
    server = start(weir, directory, port)
    try:
        subprocess.run([load, 'first', '127.0.0.1', port], check=True, stdout=subprocess.DEVNULL)
        for topic in range(partitions):
            subprocess.run([load, 'create', '127.0.0.1', port, 't%d' % topic, '1'], check=True, stdout=subprocess.DEVNULL)
        each = REQUESTS // producers if producers > 1 else REQUESTS // 6
        began = time.monotonic()
        loads = [subprocess.Popen([load, 'produce', '127.0.0.1', port, 't%d' % (i % partitions), str(each * BATCH_BYTES),
                                   str(BATCH_BYTES), str(RECORD_BYTES)], stdout=subprocess.PIPE, text=True)
                 for i in range(producers)]
        requests = sum(int(child.communicate()[0].split()[3]) for child in loads)
        seconds = time.monotonic() - began
    finally:
        for pid in children(server.pid) or [server.pid]:
            os.kill(pid, signal.SIGTERM)
        server.wait(timeout=60)
    syncs = count_syncs(directory)
    shutil.rmtree(directory, ignore_errors=True)
    return requests / seconds, None if syncs is None else syncs / seconds


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('--load', required=True)
    parser.add_argument('--dir', help='parent of the log directories')
    parser.add_argument('weir', nargs='+')
    options = parser.parse_args()
    for partitions in 1, 8:
        for producers in 1, 8, 64:
            for weir in options.weir:
                rate, syncs = measure(weir, options.load, options.dir, producers, partitions)
                print('%-40s %2d producers, %d partitions: %7.0f messages/s, %s syncs/s'
                      % (weir[-40:], producers, partitions, rate, '?' if syncs is None else '%.0f' % syncs), flush=True)


if __name__ == '__main__':
    main()
