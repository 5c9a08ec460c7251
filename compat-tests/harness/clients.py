# SPDX-License-Identifier: Apache-2.0
"""The cases that every client library has to pass, over one small command line that each client's program offers:

  PROGRAM produce ADDRESS TOPIC CODEC COUNT PREFIX   keys k0.., values "PREFIX-0 ..." (see value()); prints "OK COUNT"
                                                     when all of them are acknowledged
  PROGRAM consume ADDRESS TOPIC GROUP COUNT          in a group, from its committed offset or the earliest; prints COUNT
                                                     records, commits, leaves the group
  PROGRAM replay ADDRESS TOPIC GROUP OFFSET COUNT    as consume, but first moves every partition to OFFSET
  PROGRAM member ADDRESS TOPIC GROUP                 a member that consumes and commits until it is killed; prints its
                                                     assignment whenever it changes

and, if it knows transactions:
  PROGRAM transactions ADDRESS IN OUT GROUP ID       see transaction_case()

A record is the line "R partition offset key value"; only the value's first word is printed.  An assignment is the line
"A 0,1,2" with every partition the member now has.  Session timeout is 6 s, the least Kafka's default broker allows.
"""
import os
import queue
import signal
import subprocess
import threading

from . import broker, wire
from .cases import Skip, check, check_equal, short, wait_until

RECORDS = 600
PARTITIONS = 6
API_END_TXN, API_CONSUMER_GROUP_HEARTBEAT = 26, 68


class Client:
    """A client program; codecs are those it can write and read."""

    def __init__(self, command, codecs, env=None):
        self.command, self.codecs, self.env = command, codecs, env

    def call(self, *arguments, seconds=60):
        command = self.command + [str(word) for word in arguments]
        done = subprocess.run(broker.with_parent(command), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True, errors='replace', timeout=seconds, env=self.env)
        check(done.returncode == 0, lambda: '%s ended with %d: %s' % (
            arguments[0], done.returncode, short(done.stdout[-200:] + done.stderr[-600:], 800)))
        return done.stdout.splitlines()

    def produce(self, address, topic, codec, count, prefix):
        lines = self.call('produce', address, topic, codec, count, prefix)
        check('OK %d' % count in lines, lambda: 'not all acknowledged: ' + short(lines))

    def consume(self, address, topic, group, count):
        return records(self.call('consume', address, topic, group, count))

    def replay(self, address, topic, group, offset, count):
        return records(self.call('replay', address, topic, group, offset, count))

    def member(self, address, topic, group):
        return Member(self.command + ['member', address, topic, group], self.env)


def records(lines):
    """[(partition, offset, key, value)]"""
    found = []
    for line in lines:
        words = line.split()
        if len(words) == 5 and words[0] == 'R':
            found.append((int(words[1]), int(words[2]), words[3], words[4]))
    return found


class Member:
    """A running group member, read by a thread."""

    def __init__(self, command, env=None, has_input=False):
        self.process = subprocess.Popen(broker.with_parent(command), text=True, errors='replace', env=env,
                                        stdin=subprocess.PIPE if has_input else subprocess.DEVNULL,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.assigned, self.values, self.other, self.errors = set(), set(), [], queue.Queue()
        self.read_thread = threading.Thread(target=self.read, daemon=True)
        self.read_thread.start()
        self.error_thread = threading.Thread(target=self.read_errors, daemon=True)
        self.error_thread.start()

    def read(self):
        for line in self.process.stdout:
            words = line.split()
            if words and words[0] == 'A':
                self.assigned = {int(word) for word in words[1].split(',')} if len(words) > 1 else set()
            elif len(words) >= 5 and words[0] == 'R':
                self.values.add(words[4])
            elif words:
                self.other.append(words)

    def read_errors(self):
        for line in self.process.stderr:
            self.errors.put(line)

    def tail(self):
        lines = []
        while not self.errors.empty():
            lines.append(self.errors.get())
        return ''.join(lines[-5:])

    def end(self, seconds):
        """SIGTERM, and the time to finish what it has begun."""
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
        self.read_thread.join(10)

    def kill(self, how=signal.SIGKILL):
        if self.process.poll() is None:
            self.process.send_signal(how)
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.assigned = set()


def value(prefix, number):
    return '%s-%d' % (prefix, number)


def check_records(got, prefix, count, partitions):
    """All records are there once, each partition's offsets count up, and equal keys lie in one partition in order."""
    check_equal(sorted(row[3] for row in got), sorted(value(prefix, n) for n in range(count)), 'values')
    last, place = {}, {}
    for partition, offset, key, text in got:
        check(0 <= partition < partitions and offset > last.get(partition, -1), 'offset %d of partition %d comes after %d' % (
            offset, partition, last.get(partition, -1)))
        last[partition] = offset
        check_equal('k' + text.rsplit('-', 1)[1], key, 'the key of ' + text)
        check(place.setdefault(key, partition) == partition, 'key %s is in two partitions' % key)


def codec_cases(ctx, client):
    for codec in client.codecs:
        with ctx.case('produces_and_consumes_' + codec):
            topic, group = ctx.name(codec), ctx.name(codec)
            wire.create_topic(ctx.address, topic, 3)
            client.produce(ctx.address, topic, codec, RECORDS, 'a')
            check_equal(wire.end_total(ctx.address, topic, 3), RECORDS, 'records in the log')
            check_records(client.consume(ctx.address, topic, group, RECORDS), 'a', RECORDS, 3)


def group_case(ctx, client, suffix=''):
    with ctx.case('group_of_3_goes_on_when_one_is_killed' + suffix):
        topic, group = ctx.name('group'), ctx.name('group')
        wire.create_topic(ctx.address, topic, PARTITIONS)
        members = [client.member(ctx.address, topic, group) for _ in range(3)]
        everything = set(range(PARTITIONS))
        try:
            def shared(wanted):
                parts = [m.assigned for m in wanted]
                return all(parts) and sum(map(len, parts)) == PARTITIONS and set().union(*parts) == everything

            def shown():
                return 'members have %s; %s' % ([sorted(m.assigned) for m in members], short(' '.join(m.tail() for m in members)))

            wait_until(lambda: shared(members), 60, lambda: 'three members share the partitions: ' + shown())
            client.produce(ctx.address, topic, 'none', RECORDS, 'one')
            wait_until(lambda: sum(len(m.values) for m in members) >= RECORDS, 30, lambda: 'all records arrive: ' + shown())
            members[1].kill()
            client.produce(ctx.address, topic, 'none', RECORDS, 'two')
            wait_until(lambda: shared([members[0], members[2]]), 60, lambda: 'two members share the partitions: ' + shown())
            wanted = {value(prefix, n) for prefix in ('one', 'two') for n in range(RECORDS)}
            wait_until(lambda: wanted <= set().union(*(m.values for m in members)), 30, lambda: 'all records arrive: ' + shown())
        finally:
            for member in members:
                member.kill()


def replay_case(ctx, client):
    with ctx.case('goes_on_at_its_committed_offset_then_resets_and_replays'):
        topic, group = ctx.name('replay'), ctx.name('replay')
        wire.create_topic(ctx.address, topic, 1)
        client.produce(ctx.address, topic, 'none', 100, 'old')
        check_records(client.consume(ctx.address, topic, group, 100), 'old', 100, 1)
        client.produce(ctx.address, topic, 'none', 50, 'new')
        check_records(client.consume(ctx.address, topic, group, 50), 'new', 50, 1)
        got = client.replay(ctx.address, topic, group, 0, 150)
        check_equal([row[1] for row in got], list(range(150)), 'offsets of the whole replay')
        got = client.replay(ctx.address, topic, group, 120, 30)
        check_equal([row[1] for row in got], list(range(120, 150)), 'offsets of the replay from 120')
        client.produce(ctx.address, topic, 'none', 10, 'last')
        check_records(client.consume(ctx.address, topic, group, 10), 'last', 10, 1)


def transaction_case(ctx, client):
    """The program, with the transactional id ID: commits c-0 to c-49 to OUT; writes a-0 to a-49 and aborts; begins z-0, after
    which a second producer with the same id takes over and writes y-0 to y-9, and what the first does then fails: the line
    "FENCED"; then consumes IN (values i-0 to i-99) in GROUP and writes x-N for each i-N to OUT, ten a transaction with the
    offsets in it; the fourth is aborted and done again.  Prints the group's offset, "COMMITTED 100", and OUT read_committed."""
    with ctx.case('transactions_commit_abort_fence_and_consume_transform_produce'):
        if API_END_TXN not in wire.api_versions(ctx.address):
            raise Skip('no transactions here')
        source, sink, group = ctx.name('in'), ctx.name('out'), ctx.name('ctp')
        wire.create_topic(ctx.address, source, 1)
        wire.create_topic(ctx.address, sink, 3)
        client.produce(ctx.address, source, 'none', 100, 'i')
        lines = client.call('transactions', ctx.address, source, sink, group, ctx.name('id'), seconds=90)
        check('FENCED' in lines, lambda: 'the zombie is not fenced: ' + short(lines))
        check('COMMITTED 100' in lines, lambda: 'the offset of the group: ' + short([line for line in lines if 'COMMITTED' in line]))
        wanted = [value(prefix, n) for prefix, count in (('c', 50), ('x', 100), ('y', 10)) for n in range(count)]
        check_equal(sorted(row[3] for row in records(lines)), sorted(wanted), 'what is committed')


def run_all(ctx, client):
    codec_cases(ctx, client)
    replay_case(ctx, client)
    group_case(ctx, client)


def program(ctx, *parts):
    return os.path.join(ctx.settings.here, *parts)
