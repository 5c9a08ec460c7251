# SPDX-License-Identifier: Apache-2.0
"""Share groups when the directory changes hands: their members' work goes on where the other broker's consumers left it."""
import os
import re

from harness.cases import check, check_equal, wait_until

TOPIC, GROUP, OTHER = 'parcels', 'couriers', 'planners'
RECORDS = 12
SETTINGS = {'auto.create.topics.enable': 'true', 'share.coordinator.state.topic.num.partitions': '3', 'num.partitions': '1',
            'group.share.heartbeat.interval.ms': '300', 'group.share.min.heartbeat.interval.ms': '200',
            'group.share.session.timeout.ms': '5000', 'group.share.min.session.timeout.ms': '1000'}


class Shares:
    def __init__(self, ctx, clients, node):
        self.ctx, self.tools, self.node = ctx, clients.tools, node
        self.written, self.read = 0, []

    def run(self, tool, *words, **options):
        return self.tools.run(tool, '--bootstrap-server', self.node.address, *words, **options).ok().out

    def produce(self, count):
        lines = ['r%d' % (self.written + i) for i in range(count)]
        self.written += count
        path = os.path.join(self.ctx.dir, 'parcels.txt')
        with open(path, 'w') as file:
            file.writelines(line + '\n' for line in lines)
        self.run('kafka-console-producer', '--topic', TOPIC, stdin=path)

    def consume(self, count):
        """Another member reads so many records; which, is remembered."""
        out = self.run('kafka-console-share-consumer', '--topic', TOPIC, '--group', GROUP, '--max-messages', count, '--timeout-ms', 30000)
        lines = [line for line in out.splitlines() if re.fullmatch(r'r\d+', line)]
        check_equal(len(lines), count, 'records read')
        self.read += lines
        wait_until(lambda: 'Empty' in self.run('kafka-share-groups', '--describe', '--group', GROUP, '--state'), 30, 'the group is empty')

    def tell(self):
        """All that the tools say of share groups, without log lines and blanks."""
        said = []
        for words in (['kafka-groups', '--list'], *(['kafka-share-groups', '--describe', '--group', group, *way] for group in (GROUP, OTHER)
                      for way in (['--offsets', '--verbose'], ['--state', '--verbose'], ['--members']))):
            said += [' '.join(line.split()) for line in sorted(self.run(*words).splitlines()) if line.strip()]
        said += self.run('kafka-configs', '--describe', '--entity-type', 'groups', '--entity-name', GROUP).splitlines()
        return said

    def steady(self):
        """Twice the same: what a consumer acknowledged last may be on its way."""
        answers = [None]

        def is_settled():
            answers.append(self.tell())
            return answers[-1] == answers[-2]
        wait_until(is_settled, 30, 'the share groups are steady')
        return answers[-1]

    def fill(self):
        self.run('kafka-configs', '--alter', '--entity-type', 'groups', '--entity-name', GROUP, '--add-config', 'share.auto.offset.reset=earliest')
        self.produce(RECORDS)
        self.consume(5)
        self.run('kafka-share-groups', '--reset-offsets', '--group', OTHER, '--topic', TOPIC, '--to-earliest', '--execute')


def change_hands(ctx, clients, node, swaps):
    """The same directory with one broker and then the other, after a stop and after a kill."""
    shares = Shares(ctx, clients, node)
    with ctx.case('share_groups_are_filled'):
        node.format()
        node.start_as('apache')
        shares.fill()
    for number in range(swaps):
        old, new = node.kind, 'weir' if node.kind == 'apache' else 'apache'
        with ctx.case('share_groups_%d_%s_then_%s' % (number + 1, old, new)):
            said = shares.steady()
            if number % 2 == 0:
                node.stop(60)
            else:
                node.kill()
            node.start_as(new)
            wait_until(lambda: shares.tell() == said, 60, lambda: 'the same is said: %s; %s' % (said, shares.tell()), pause=0.3)
            shares.produce(3)
            shares.consume(4)
    with ctx.case('share_groups_read_each_record_once'):
        shares.consume(shares.written - len(shares.read))
        check_equal(sorted(shares.read), sorted('r%d' % i for i in range(shares.written)), 'all that was read')
        wait_until(lambda: re.search(r'(?m)^couriers +parcels +0 +\d+ +0 *$', shares.run('kafka-share-groups', '--describe', '--group', GROUP)),
                   30, 'no lag is left', pause=0.3)
        shares.run('kafka-share-groups', '--delete', '--group', OTHER)
        check(OTHER not in shares.run('kafka-groups', '--list'), '%s is still there' % OTHER)
        node.stop(60)
