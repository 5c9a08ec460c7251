# SPDX-License-Identifier: Apache-2.0
"""What acknowledgements and commits promise: at least once, at most once, acks 0, 1 and all."""
from harness import clients, wire
from harness.cases import check, check_equal, wait_until

PACKAGE = 'confluent-kafka==2.16.1'
RECORDS = 20


class Worker(clients.Member):
    """Handles one record for each allow(); see worker() in confluent-kafka/client.py."""

    def __init__(self, command):
        self.in_hand, self.done = [], []
        super().__init__(command, has_input=True)

    def read(self):
        for line in self.process.stdout:
            words = line.split()
            if words[0] == 'R':
                self.in_hand.append(words[4])
            elif words[0] == 'DONE':
                self.done.append(words[1])

    def allow(self):
        self.process.stdin.write('go\n')
        self.process.stdin.flush()


def commits(ctx, client, when):
    """Kills a consumer that has the sixth record in hand; -> (handled by the first, first record of the second)."""
    topic, group = ctx.name(when), ctx.name(when)
    wire.create_topic(ctx.address, topic, 1)
    client.produce(ctx.address, topic, 'none', RECORDS, 'v')
    command = client.command + ['worker', ctx.address, topic, group, when]
    first = Worker(command)
    second = None
    try:
        for n in range(5):
            wait_until(lambda: len(first.in_hand) == n + 1, 30, lambda: 'record %d arrives; %s' % (n, first.tail()))
            first.allow()
        wait_until(lambda: len(first.in_hand) == 6, 30, lambda: 'the sixth record arrives; ' + first.tail())
        first.kill()
        second = Worker(command)
        while len(second.done) < RECORDS - (5 if when == 'after' else 6):
            had = len(second.in_hand)
            wait_until(lambda: len(second.in_hand) > len(second.done), 60, lambda: 'more records arrive; ' + second.tail())
            second.allow()
            wait_until(lambda: len(second.done) >= max(had, 1), 30, 'the record is handled')
        return first.done, second.done
    finally:
        first.kill()
        if second:
            second.kill()


def run(ctx):
    client = clients.Client([ctx.settings.python(PACKAGE), ctx.path('confluent-kafka', 'client.py')], [])
    everything = ['v-%d' % n for n in range(RECORDS)]
    with ctx.case('commit_after_handling_is_at_least_once_when_killed_between'):
        before, after = commits(ctx, client, 'after')
        check_equal(before, everything[:5], 'handled before')
        check_equal(after, everything[5:], 'handled after: the one in hand comes again')
    with ctx.case('commit_before_handling_is_at_most_once_when_killed_between'):
        before, after = commits(ctx, client, 'before')
        check_equal(before, everything[:5], 'handled before')
        check_equal(after, everything[6:], 'handled after: the one in hand is lost, none comes twice')
    for acks in ('0', '1', 'all'):
        with ctx.case('acks_%s_writes_every_record_in_order' % acks):
            topic = ctx.name('acks')
            wire.create_topic(ctx.address, topic, 1)
            lines = client.call('produce-acks', ctx.address, topic, 'none', 5000, 'a', acks)
            check('OK 5000' in lines, lambda: 'acknowledged: %s' % lines)
            wait_until(lambda: wire.end_total(ctx.address, topic, 1) == 5000, 20, '5000 records in the log')
            got = client.consume(ctx.address, topic, ctx.name('acks'), 5000)
            check_equal([row[3] for row in got], ['a-%d' % n for n in range(5000)], 'values')
