# SPDX-License-Identifier: Apache-2.0
"""Apache Kafka's Java clients of three generations: transactions, groups on both protocols, and a group whose members
go over from one protocol to the other and back.  One program, compiled against each version and run with that one's jars."""
import os

from harness import clients, context, wire
from harness.cases import check, short, wait_until

VERSIONS = ('2.8.2', '3.9.1', '4.3.0')
SOURCES = ('Client.java', 'Transactions.java')
API_CONSUMER_GROUP_HEARTBEAT, API_END_TXN = 68, 26
PARTITIONS, RECORDS = 6, 200

# The group coordinator notices a killed member of the new protocol, and a transaction that takes too long, within seconds.
OVERRIDES = {
    'group.consumer.session.timeout.ms': '6000', 'group.consumer.min.session.timeout.ms': '6000',
    'group.consumer.heartbeat.interval.ms': '1000', 'group.consumer.min.heartbeat.interval.ms': '1000',
    'transaction.abort.timed.out.transaction.cleanup.interval.ms': '1000',
}
JAVA = ['java', '-Xmx128m', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1', '-Dorg.slf4j.simpleLogger.defaultLogLevel=error']
CLASSIC_RANGE = {'partition.assignment.strategy': 'org.apache.kafka.clients.consumer.RangeAssignor'}
CLASSIC_COOPERATIVE = {'partition.assignment.strategy': 'org.apache.kafka.clients.consumer.CooperativeStickyAssignor'}
CONSUMER = {'group.protocol': 'consumer'}


def build(settings, version):
    pom = os.path.join(settings.here, 'java-clients', 'pom.xml')
    sources = [os.path.join(settings.here, 'java-clients', name) for name in SOURCES]

    def install(directory):
        libs, classes = os.path.join(directory, 'libs'), os.path.join(directory, 'classes')
        context.run_quiet(['mvn', '-q', '-B', '-f', pom, '-Dclients.version=' + version, 'dependency:copy-dependencies', '-DoutputDirectory=' + libs])
        context.run_quiet(['javac', '-nowarn', '-cp', libs + '/*', '-d', classes, *sources])

    return settings.once('java-clients-' + version, [pom] + sources, install, version)


def client_of(settings, version, config=None):
    """The program of one client version; config: what its consumers are told besides."""
    directory = build(settings, version)
    command = JAVA + ['-cp', os.path.join(directory, 'classes') + ':' + os.path.join(directory, 'libs', '*'), 'Client']
    env = dict(os.environ, GROUP_CONFIG=';'.join('%s=%s' % row for row in (config or {}).items()))
    return clients.Client(command, ['none', 'zstd'], env)


class Group:
    """A group whose members come and go.  Whatever they do, every record arrives, and members share all partitions."""

    def __init__(self, ctx, address, word, producer):
        self.address, self.producer = address, producer
        self.topic, self.group = ctx.name(word), ctx.name(word)
        self.members, self.gone, self.sent = [], [], []
        wire.create_topic(address, self.topic, PARTITIONS)

    def shown(self):
        return 'members have %s; %s' % ([sorted(m.assigned) for m in self.members], short(' '.join(m.tail() for m in self.members), 600))

    def is_shared(self):
        parts = [m.assigned for m in self.members]
        return all(parts) and sum(map(len, parts)) == PARTITIONS and set().union(*parts) == set(range(PARTITIONS))

    def settle(self, what, seconds=40):
        """The members share the partitions, and records sent now arrive at them."""
        wait_until(self.is_shared, seconds, lambda: what + ': the partitions are shared: ' + self.shown())
        prefix = 's%d' % len(self.sent)
        self.sent.append(prefix)
        self.producer.produce(self.address, self.topic, 'none', RECORDS, prefix)
        wanted = {clients.value(one, n) for one in self.sent for n in range(RECORDS)}
        wait_until(lambda: wanted <= set().union(*(m.values for m in self.members + self.gone)), 40,
                   lambda: what + ': all records arrive: ' + self.shown())

    def join(self, client):
        member = client.member(self.address, self.topic, self.group)
        self.members.append(member)
        return member

    def leave(self, member):
        self.members.remove(member)
        self.gone.append(member)
        member.end(20)
        check(['LEAVING'] in member.other, lambda: 'a member left in good order: ' + member.tail())

    def kill(self, member):
        self.members.remove(member)
        self.gone.append(member)
        member.kill()

    def close(self):
        for member in self.members:
            member.kill()


def group_case(ctx, address, client, name, word):
    with ctx.case(name):
        group = Group(ctx, address, word, client)
        try:
            first = group.join(client)
            group.settle('one member')
            second = group.join(client)
            group.settle('a second joined')
            third = group.join(client)
            group.settle('a third joined')
            group.leave(first)
            group.settle('the first left', 20)
            group.kill(third)
            group.settle('the third was killed')
            check(second.process.poll() is None, 'the second is there to the end')
        finally:
            group.close()


def mixed_case(ctx, address, name, old, new):
    """Members of the classic protocol are replaced one by one by members of the new one, and back."""
    with ctx.case(name):
        group = Group(ctx, address, 'mixed', new)
        try:
            a = group.join(old)
            b = group.join(old)
            group.settle('two classic members')
            c = group.join(new)
            group.settle('upgrade: the first new one joined')
            group.leave(a)
            group.settle('upgrade: a classic one left')
            d = group.join(new)
            group.settle('upgrade: the second new one joined')
            group.leave(b)
            group.settle('upgrade is done')
            e = group.join(old)
            group.settle('downgrade: a classic one joined')
            group.leave(c)
            group.kill(d)
            group.settle('downgrade is done')
            check(e.process.poll() is None, 'the last member is there to the end')
        finally:
            group.close()


def transaction_cases(ctx, address, version):
    client = client_of(ctx.settings, version)
    lines = client.call('transactions', address, ctx.name('txn'), seconds=240)
    taken = ctx.report.take_lines(ctx.suite, '\n'.join(line.replace(' ', ' %s_' % version, 1) for line in lines))
    check(taken > 0, 'no case ran')


def protocols(version):
    yield 'classic', CLASSIC_RANGE
    yield 'cooperative', CLASSIC_COOPERATIVE
    if version != '2.8.2':
        yield 'consumer', CONSUMER


def run(ctx):
    address = ctx.settings.address or ctx.new_broker('broker', overrides=OVERRIDES).start().address
    offered = wire.api_versions(address)
    has_consumer = API_CONSUMER_GROUP_HEARTBEAT in offered
    for version in VERSIONS:
        with ctx.case(version + '_runs_its_transactions'):
            if API_END_TXN in offered:
                transaction_cases(ctx, address, version)
            else:
                ctx.report.add(ctx.suite, version + '_transactions', 'SKIP', 0.0, 'the broker does not offer EndTxn')
        for word, config in protocols(version):
            name = '%s_%s_group_members_join_leave_and_are_killed' % (version, word)
            if word == 'consumer' and not has_consumer:
                ctx.report.add(ctx.suite, name, 'SKIP', 0.0, 'the broker does not offer the consumer group protocol')
            elif ctx.settings.is_full or word != 'cooperative':
                group_case(ctx, address, client_of(ctx.settings, version, config), name, word)
    new = client_of(ctx.settings, '4.3.0', CONSUMER)
    for version, word, config in (('2.8.2', 'range', CLASSIC_RANGE), ('4.3.0', 'cooperative', CLASSIC_COOPERATIVE)):
        name = 'group_of_%s_%s_members_goes_over_to_the_consumer_protocol_and_back' % (version, word)
        if not has_consumer:
            ctx.report.add(ctx.suite, name, 'SKIP', 0.0, 'the broker does not offer the consumer group protocol')
        else:
            mixed_case(ctx, address, name, client_of(ctx.settings, version, config), new)
