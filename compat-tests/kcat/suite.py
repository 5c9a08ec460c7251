# SPDX-License-Identifier: Apache-2.0
"""kcat, as Debian ships it."""
import re
import subprocess

from harness import broker, clients
from harness.cases import check, check_equal, short

FORMAT = 'R %p %o %k %s\n'
GROUP = ['-X', 'auto.offset.reset=earliest', '-X', 'session.timeout.ms=6000', '-X', 'heartbeat.interval.ms=500',
         '-X', 'auto.commit.interval.ms=200', '-X', 'check.crcs=true']


class Member(clients.Member):
    """kcat tells its assignments on standard error."""

    def read_errors(self):
        for line in self.process.stderr:
            if 'rebalanced' in line:
                now = line.partition('assigned:')[2]
                self.assigned = {int(word) for word in re.findall(r'\[(\d+)\]', now)}
            self.errors.put(line)


class Kcat(clients.Client):
    def call_with(self, text, *arguments):
        done = subprocess.run(broker.with_parent(['kcat'] + [str(word) for word in arguments]), input=text, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60)
        check(done.returncode == 0, lambda: 'kcat ended with %d: %s' % (done.returncode, short(done.stderr)))
        return done.stdout.splitlines()

    def produce(self, address, topic, codec, count, prefix):
        rows = ''.join('k%d:%s %s\n' % (n, clients.value(prefix, n), 'weir ' * 8) for n in range(count))
        self.call_with(rows, '-P', '-b', address, '-t', topic, '-z', codec, '-K', ':', '-X', 'partitioner=murmur2_random')

    def consume(self, address, topic, group, count):
        lines = self.call_with('', '-b', address, '-f', FORMAT, '-c', count, *GROUP, '-G', group, topic)
        return first_words(lines)

    def replay(self, address, topic, group, offset, count):
        return first_words(self.call_with('', '-C', '-b', address, '-t', topic, '-p', 0, '-o', offset, '-c', count, '-f', FORMAT))

    def member(self, address, topic, group):
        return Member(['kcat', '-b', address, '-u', '-f', FORMAT, *GROUP, '-G', group, topic])


def first_words(lines):
    return clients.records(' '.join(line.split()[:5]) for line in lines)


def looks(ctx, client):
    with ctx.case('lists_metadata_and_queries_offsets'):
        topic = ctx.name('meta')
        clients.wire.create_topic(ctx.address, topic, 3)
        client.produce(ctx.address, topic, 'none', 30, 'meta')
        text = '\n'.join(client.call_with('', '-L', '-b', ctx.address, '-t', topic))
        check('topic "%s" with 3 partitions' % topic in text, 'kcat -L says: ' + text)
        got = client.call_with('', '-Q', '-b', ctx.address, '-t', topic + ':0:-2')
        check(got and 'offset 0' in got[0], 'kcat -Q says: %s' % got)
        got = client.call_with('', '-C', '-b', ctx.address, '-t', topic, '-o', 's@1000', '-e', '-f', '%s\n')
        check_equal(len(got), 30, 'records since a timestamp')


def run(ctx):
    client = Kcat(['kcat'], ['none', 'gzip', 'snappy', 'lz4', 'zstd'])
    clients.run_all(ctx, client)
    looks(ctx, client)
