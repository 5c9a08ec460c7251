# SPDX-License-Identifier: Apache-2.0
"""Transactions of both versions: what a producer may do when, who fences whom, what ends by itself, what can be seen of it."""
from classic_groups import Member
from consumer_groups import Consumer
from streams_groups import StreamsMember, rest, topology
from world import CONCURRENT_TRANSACTIONS, LOADING, TRANSACTIONAL, pause, scenario, wait_until

COMMITTED = 1
DONE = ('CompleteCommit', 'CompleteAbort', 'Empty', 'Dead')


class Producer:
    """A producer; `new` ones speak transaction version 2 (EndTxn v5, Produce v12), others version 1."""

    def __init__(self, world, name, transaction, is_new=True, timeout_ms=60000):
        self.world, self.name, self.transaction, self.is_new, self.timeout_ms = world, name, transaction, is_new, timeout_ms
        self.id, self.epoch, self.sequences = -1, -1, {}

    def init(self, label, producer=(-1, -1), timeout_ms=None, version=5):
        """InitProducerId, again and again while an earlier transaction ends."""
        body = dict(TransactionalId=self.transaction, TransactionTimeoutMs=timeout_ms or self.timeout_ms,
                    ProducerId=producer[0], ProducerEpoch=producer[1])

        def asked():
            answer = self.world.ask(None, 'InitProducerId', version, body)
            return None if answer['ErrorCode'] in LOADING + (CONCURRENT_TRANSACTIONS,) else answer

        answer = wait_until(asked, 'a producer id')
        if answer['ErrorCode'] == 0:
            self.world.call_it(answer['ProducerId'], 'id of ' + self.name)
            self.id, self.epoch, self.sequences = answer['ProducerId'], answer['ProducerEpoch'], {}
        return self.world.note('InitProducerId %s: %s' % (self.name, label), answer)

    def write(self, label, topic, *values, partition=0, epoch=None, version=None):
        version = version or (12 if self.is_new else 11)
        place = (topic, partition)
        sequence = self.sequences.get(place, 0)
        answer = self.world.produce(label and '%s: %s' % (self.name, label), topic, values, (self.id, self.epoch if epoch is None else epoch),
                                    sequence, self.transaction, partition, version)
        if answer['Responses'][0]['PartitionResponses'][0]['ErrorCode'] == 0:
            self.sequences[place] = sequence + len(values)
        return answer

    def add(self, label, *places, version=3, **more):
        body = dict(V3AndBelowTransactionalId=self.transaction, V3AndBelowProducerId=self.id, V3AndBelowProducerEpoch=self.epoch,
                    V3AndBelowTopics=[dict(Name=topic, Partitions=list(partitions)) for topic, partitions in places])
        return self.world.ask('%s: %s' % (self.name, label), 'AddPartitionsToTxn', version, dict(body, **more))

    def add_offsets(self, label, group, version=4, **more):
        body = dict(TransactionalId=self.transaction, ProducerId=self.id, ProducerEpoch=self.epoch, GroupId=group)
        return self.world.ask('%s: %s' % (self.name, label), 'AddOffsetsToTxn', version, dict(body, **more))

    def commit_offset(self, label, group, topic, offset, version=None, **more):
        parts = [dict(PartitionIndex=0, CommittedOffset=offset, CommittedMetadata='by ' + self.name)]
        body = dict(TransactionalId=self.transaction, GroupId=group, ProducerId=self.id, ProducerEpoch=self.epoch,
                    Topics=[dict(Name=topic, Partitions=parts)])
        version = version if version is not None else 5 if self.is_new else 4
        return self.world.ask('%s: %s' % (self.name, label), 'TxnOffsetCommit', version, dict(body, **more))

    def end(self, label, is_commit=True, version=None, **more):
        body = dict(TransactionalId=self.transaction, ProducerId=self.id, ProducerEpoch=self.epoch, Committed=is_commit)
        answer = self.world.ask('%s: %s' % (self.name, label), 'EndTxn', version or (5 if self.is_new else 4), dict(body, **more))
        if answer['ErrorCode'] == 0 and self.is_new and not more:
            self.id, self.epoch, self.sequences = answer['ProducerId'], answer['ProducerEpoch'], {}
        return answer


def describe(w, label, *transactions):
    return w.ask(label, 'DescribeTransactions', 0, dict(TransactionalIds=list(transactions)))


def state_of(w, transaction):
    return describe(w, None, transaction)['TransactionStates'][0]['TransactionState']


def producers(w, label, topic, *partitions):
    return w.ask(label, 'DescribeProducers', 0, dict(Topics=[dict(Name=topic, PartitionIndexes=list(partitions or (0,)))]))


def listed(w, label, version=2, **filters):
    return w.ask(label, 'ListTransactions', version, filters)


def settled(w, transaction, *topics):
    """The transaction is over, and its markers are in the topics."""
    wait_until(lambda: state_of(w, transaction) in DONE, transaction + ' is over')
    for topic in topics:
        def is_stable():
            part = w.partition_of(topic)
            return part['LastStableOffset'] == part['HighWatermark']
        wait_until(is_stable, 'the marker in ' + topic)


def transaction(w, word):
    name = w.n(word)
    w.coordinator(name, 1)
    wait_until(lambda: describe(w, None, name)['TransactionStates'][0]['ErrorCode'] not in LOADING, 'coordinator of ' + name)
    return name


@scenario
def txn_version_2(w):
    topic, x = w.topic('t', 3), transaction(w, 'x')
    p = Producer(w, 'p', x)
    describe(w, 'before anybody', x)
    p.init('first')
    describe(w, 'empty', x)
    p.end('nothing to commit'), p.end('nothing to abort', False)
    settled(w, x)
    describe(w, 'still empty', x)
    p.write('adds its partition', topic, 'a', 'b')
    describe(w, 'ongoing', x), producers(w, 'ongoing', topic), listed(w, 'ongoing', StateFilters=['Ongoing'])
    w.fetch('committed, ongoing', topic, isolation=COMMITTED), w.fetch('all, ongoing', topic)
    p.write('another partition', topic, 'c', partition=1)
    describe(w, 'two partitions', x)
    before = dict(ProducerId=p.id, ProducerEpoch=p.epoch)
    p.end('commit')
    settled(w, x, topic)
    describe(w, 'committed', x), producers(w, 'committed', topic, 0, 1)
    p.end('commit repeated', **before), p.end('abort of a commit', False, **before)
    p.end('empty commit after a commit')
    describe(w, 'after an empty commit', x)
    p.end('empty abort after a commit', False)
    settled(w, x, topic)
    describe(w, 'after an empty abort', x)
    p.write('with the new epoch', topic, 'd')
    p.write('with an old epoch', topic, 'e', epoch=0), p.write('with one of the future', topic, 'e', epoch=p.epoch + 5)
    before = dict(ProducerId=p.id, ProducerEpoch=p.epoch)
    p.end('abort', False)
    settled(w, x, topic)
    p.end('abort repeated', False, **before), p.end('commit of an abort', **before)
    w.fetch('committed, aborted', topic, isolation=COMMITTED), w.fetch('all, aborted', topic)
    p.end('of another id', ProducerId=p.id + 100000), p.end('of an epoch too high', ProducerEpoch=p.epoch + 1)
    p.end('of an unknown id', TransactionalId=w.n('none')), p.end('of no id', TransactionalId='')
    describe(w, 'at last', x)


@scenario
def txn_version_1(w):
    topic, x = w.topic('t', 3), transaction(w, 'x')
    p = Producer(w, 'p', x, is_new=False)
    p.init('first')
    p.end('nothing begun'), p.end('nothing begun', False)
    p.write('not added', topic, 'a')
    p.add('one', (topic, [0, 1]))
    describe(w, 'ongoing without records', x), producers(w, 'ongoing without records', topic)
    p.add('again', (topic, [0])), p.add('nothing')
    p.write('added', topic, 'a', 'b'), p.write('not added', topic, 'c', partition=2)
    w.fetch('committed, ongoing', topic, isolation=COMMITTED)
    p.end('commit')
    settled(w, x, topic)
    p.end('commit repeated'), p.end('abort of a commit', False)
    describe(w, 'committed', x), producers(w, 'committed', topic, 0, 1, 2)
    p.write('after the end, not added again', topic, 'd')
    p.add('second', (topic, [0])), p.write('second', topic, 'd')
    w.produce('beside it', topic, ['plain'])
    p.end('abort', False)
    settled(w, x, topic)
    p.end('abort repeated', False), p.end('commit of an abort')
    for version in (4, 11, 12):
        w.fetch('aborted', topic, isolation=COMMITTED, version=version)
    p.add('unknown topic', (w.n('none'), [0])), p.add('unknown partition beside a good one', (topic, [0, 9]))
    describe(w, 'nothing was added', x)
    p.add('another id', (topic, [0]), V3AndBelowProducerId=p.id + 100000), p.add('an older epoch', (topic, [0]), V3AndBelowProducerEpoch=p.epoch - 1)
    p.add('a newer epoch', (topic, [0]), V3AndBelowProducerEpoch=p.epoch + 1)
    p.init('the next one')
    p.write('not added', topic, 'e')
    p.add('third', (topic, [0])), p.write('third', topic, 'e'), p.end('third')
    settled(w, x, topic)
    w.fetch('all', topic)


@scenario
def txn_from_one_version_to_the_other(w):
    topic, x = w.topic('t', 2), transaction(w, 'x')
    p = Producer(w, 'p', x, is_new=False)
    p.init('first')
    p.add('old', (topic, [0])), p.write('old', topic, 'a')
    p.is_new = True
    p.write('new, another partition', topic, 'b', partition=1)
    describe(w, 'both', x)
    p.end('new')
    settled(w, x, topic)
    describe(w, 'after the new end', x)
    p.is_new = False
    p.add('old again', (topic, [0])), p.write('old again', topic, 'c'), p.end('old again', False)
    settled(w, x, topic)
    describe(w, 'after the old end', x), producers(w, 'after the old end', topic, 0, 1)
    p.is_new = True
    p.write('new again', topic, 'd')
    p.end('new again', False)
    settled(w, x, topic)
    describe(w, 'after the second new end', x)
    w.fetch('all', topic)


def fencing(w, is_new):
    topic, group, x = w.topic('t'), w.group('g'), transaction(w, 'x')
    zombie, next_one = (Producer(w, name, x, is_new) for name in ('zombie', 'next'))
    zombie.init('first')
    if not is_new:
        zombie.add('open', (topic, [0]))
    zombie.write('open', topic, 'a')
    next_one.init('while it is open')
    settled(w, x, topic)
    describe(w, 'fenced', x), producers(w, 'fenced', topic)
    zombie.write('fenced', topic, 'b'), zombie.add('fenced', (topic, [0])), zombie.add_offsets('fenced', group)
    zombie.end('fenced'), zombie.end('fenced', False), zombie.commit_offset('fenced', group, topic, 1)
    zombie.init('goes on as it was', producer=(zombie.id, zombie.epoch))
    if not is_new:
        next_one.add('its own', (topic, [0]))
    next_one.write('its own', topic, 'c')
    zombie.write('in between', topic, 'd')
    next_one.write('goes on', topic, 'e')
    zombie.end('in between', False)
    describe(w, 'untouched', x)
    next_one.end('its own')
    settled(w, x, topic)
    w.fetch('committed', topic, isolation=COMMITTED)
    next_one.init('goes on as it was', producer=(next_one.id, next_one.epoch))
    next_one.init('with an epoch too high', producer=(next_one.id, next_one.epoch + 1))
    next_one.init('with another id', producer=(next_one.id + 100000, 0))
    next_one.init('with another time', timeout_ms=12345)
    describe(w, 'another time', x)
    Producer(w, 'nobody', transaction(w, 'y'), is_new).init('unknown, but with an id', producer=(next_one.id, 3))
    describe(w, 'unknown, but with an id', w.n('y'))
    for label, timeout_ms in (('no time', -1), ('too long', 900001), ('longest', 900000)):
        Producer(w, label, transaction(w, 'z'), is_new).init(label, timeout_ms=timeout_ms)
    Producer(w, 'empty id', '', is_new).init('refused')
    Producer(w, 'half an id', x, is_new).init('refused', producer=(5, -1)), Producer(w, 'other half', x, is_new).init('refused', producer=(-1, 5))


@scenario
def txn_fencing_version_1(w):
    fencing(w, False)


@scenario
def txn_fencing_version_2(w):
    fencing(w, True)


def timeouts(w, is_new):
    topic, group, x = w.topic('t'), w.group('g'), transaction(w, 'x')
    p = Producer(w, 'p', x, is_new, timeout_ms=1500)
    p.init('first')
    if not is_new:
        p.add('open', (topic, [0]))
    p.write('open', topic, 'a')
    p.add_offsets('open', group), p.commit_offset('open', group, topic, 5)
    settled(w, x, topic)
    describe(w, 'timed out', x), producers(w, 'timed out', topic)
    w.fetch('aborted', topic, isolation=COMMITTED), w.offsets('aborted', group, stable=True)
    p.write('too late', topic, 'b')
    p.add('too late', (topic, [0])), p.add_offsets('too late', group)
    p.end('too late'), p.end('too late', False)
    p.commit_offset('too late', group, topic, 6)
    p.init('keeps its id', producer=(p.id, p.epoch))
    describe(w, 'goes on', x)
    if not is_new:
        p.add('goes on', (topic, [0]))
    p.timeout_ms = 60000
    p.write('goes on', topic, 'c')
    p.end('goes on')
    settled(w, x, topic)
    w.fetch('committed', topic, isolation=COMMITTED)


@scenario
def txn_timeout_version_1(w):
    timeouts(w, False)


@scenario
def txn_timeout_version_2(w):
    timeouts(w, True)


@scenario
def txn_offsets_of_classic_members(w):
    topic, group, x = w.topic('t'), w.group('g'), transaction(w, 'x')
    a, s = Member(w, 'a', group, topics=(topic,)), Member(w, 's', group, topics=(topic,), instance='is')
    a.join('first'), a.sync('first', {a: b'all'})
    s.send_join()
    wait_until(lambda: a.beat(None)['ErrorCode'] == 27, 'a rebalance')
    a.send_join()
    a.joined('both'), s.joined('both')
    s.send_sync()
    a.sync('both', {a: b'1', s: b'2'}), s.synced('both')
    for is_new in (False, True):
        p = Producer(w, 'new' if is_new else 'old', x, is_new)
        p.init('begins')
        p.commit_offset('not added', group, topic, 1)
        p.add_offsets('adds', group)
        describe(w, 'offsets added', x)
        mine = dict(MemberId=a.id, GenerationId=a.generation)
        p.commit_offset('no member', group, topic, 1)
        p.commit_offset('a member', group, topic, 2, **mine)
        p.commit_offset('of an older generation', group, topic, 3, **dict(mine, GenerationId=a.generation - 1))
        p.commit_offset('of a newer generation', group, topic, 3, **dict(mine, GenerationId=a.generation + 1))
        p.commit_offset('without generation', group, topic, 3, MemberId=a.id), p.commit_offset('without member', group, topic, 3, GenerationId=a.generation)
        p.commit_offset('a stranger', group, topic, 3, **dict(mine, MemberId='stranger'))
        p.commit_offset('a static member', group, topic, 4, MemberId=s.id, GenerationId=s.generation, GroupInstanceId='is')
        p.commit_offset('a static member without instance', group, topic, 5, MemberId=s.id, GenerationId=s.generation)
        p.commit_offset('a fenced instance', group, topic, 6, **dict(mine, GroupInstanceId='is'))
        p.commit_offset('an unknown instance', group, topic, 6, **dict(mine, GroupInstanceId='ix'))
        p.commit_offset('another producer', group, topic, 6, ProducerId=p.id + 100000), p.commit_offset('an older epoch', group, topic, 6, ProducerEpoch=p.epoch - 1)
        p.commit_offset('a newer epoch', group, topic, 6, ProducerEpoch=p.epoch + 1)
        p.commit_offset('an unknown transaction', group, topic, 6, TransactionalId=w.n('none'))
        p.commit_offset('an unknown group', w.n('other'), topic, 6), p.commit_offset('no group', '', topic, 6)
        p.commit_offset('an unknown topic', group, w.n('none'), 6)
        for version in (0, 2, 3):
            p.commit_offset('long ago', group, topic, 7 + version, version=version)
        w.offsets('pending', group), w.offsets('pending, stable', group, stable=True), w.offsets('pending, one', group, [dict(Name=topic, PartitionIndexes=[0])], stable=True)
        w.ask('pending', 'OffsetDelete', 0, dict(GroupId=group, Topics=[dict(Name=topic, Partitions=[dict(PartitionIndex=0)])]))
        p.end('ends', is_new)
        settled(w, x)
        wait_until(lambda: all(part['ErrorCode'] == 0 for group_ in w.offsets(None, group, stable=True)['Groups']
                               for top in group_['Topics'] for part in top['Partitions']), 'stable offsets')
        w.offsets('ended', group, stable=True)


@scenario
def txn_offsets_of_consumer_members(w):
    topic, group, x = w.topic('t', 2), w.group('g'), transaction(w, 'x')
    a, s = Consumer(w, 'a', group, [topic]), Consumer(w, 's', group, [topic], instance='is')
    a.join(None), a.acknowledge(None), s.join(None), a.beat(None), a.acknowledge(None), s.beat(None), s.acknowledge(None)
    a.beat('at rest'), s.beat('at rest')
    p = Producer(w, 'p', x)
    p.init('begins')
    mine, static = dict(MemberId=a.id, GenerationId=a.epoch), dict(MemberId=s.id, GenerationId=s.epoch, GroupInstanceId='is')
    p.commit_offset('a member', group, topic, 1, **mine)
    for label, more in (('no member', {}), ('of an older epoch', dict(mine, GenerationId=a.epoch - 1)), ('of a newer epoch', dict(mine, GenerationId=a.epoch + 1)),
                        ('without epoch', dict(MemberId=a.id)), ('without member', dict(GenerationId=a.epoch)), ('a stranger', dict(mine, MemberId='stranger')),
                        ('an instance it does not have', dict(mine, GroupInstanceId='is')), ('a static member', static),
                        ('a static member without instance', dict(static, GroupInstanceId=None)), ('a static member of another instance', dict(static, GroupInstanceId='ix'))):
        for version in (3, 5):
            p.commit_offset(label, group, topic, 2, version=version, **more)
    for partition in (0, 1):
        where = [dict(Name=topic, Partitions=[dict(PartitionIndex=partition, CommittedOffset=4)])]
        p.commit_offset('of an older epoch, partition %d' % partition, group, topic, 0, Topics=where, **dict(mine, GenerationId=a.epoch - 1))
        p.commit_offset('of the oldest epoch, partition %d' % partition, group, topic, 0, Topics=where, **dict(mine, GenerationId=1))
        w.ask('of an older epoch, partition %d' % partition, 'OffsetCommit', 9, dict(
            GroupId=group, MemberId=a.id, GenerationIdOrMemberEpoch=a.epoch - 1, Topics=where))
    w.offsets('pending', group, version=9, stable=True, MemberId=a.id, MemberEpoch=a.epoch)
    s.leave('for now', -2)
    p.commit_offset('an absent member', group, topic, 3, **static)
    p.end('commit')
    settled(w, x)
    w.offsets('after the commit', group)


@scenario
def txn_offsets_of_streams_members(w):
    topic, group, x = w.topic('t', 2), w.group('g'), transaction(w, 'x')
    a, b = (StreamsMember(w, name, group, topology(topic)) for name in 'ab')
    a.join(None), rest(w, group, a), b.join(None), rest(w, group, a, b)
    a.beat('at rest'), b.beat('at rest')
    p = Producer(w, 'p', x)
    p.init('begins')
    mine = dict(MemberId=a.id, GenerationId=a.epoch)
    for label, more in (('a member', mine), ('no member', {}), ('of an older epoch', dict(mine, GenerationId=a.epoch - 1)), ('of a newer epoch', dict(mine, GenerationId=a.epoch + 1)),
                        ('of the oldest epoch', dict(mine, GenerationId=1)), ('without epoch', dict(MemberId=a.id)), ('a stranger', dict(mine, MemberId='stranger')),
                        ('an instance', dict(mine, GroupInstanceId='i'))):
        for partition in (0, 1):
            where = [dict(Name=topic, Partitions=[dict(PartitionIndex=partition, CommittedOffset=4)])]
            p.commit_offset('%s, partition %d' % (label, partition), group, topic, 0, Topics=where, **more)
    where = [dict(Name=w.n('none'), Partitions=[dict(PartitionIndex=0, CommittedOffset=4)])]
    p.commit_offset('of another topic', group, topic, 0, Topics=where, **dict(mine, GenerationId=a.epoch - 1))
    p.end('commit')
    settled(w, x)
    w.offsets('after the commit', group)


@scenario
def txn_topic_is_deleted(w):
    topic, kept, group, x = w.topic('t'), w.topic('kept'), w.group('g'), transaction(w, 'x')
    p = Producer(w, 'p', x)
    p.init('begins')
    p.write('to be deleted', topic, 'a'), p.write('kept', kept, 'b'), p.commit_offset('to be deleted', group, topic, 1), p.commit_offset('kept', group, kept, 1)
    w.ask('deletes', 'DeleteTopics', 5, dict(TopicNames=[topic], TimeoutMs=10000))
    wait_until(lambda: w.ask(None, 'Metadata', 12, dict(Topics=[dict(Name=topic)], AllowAutoTopicCreation=False))['Topics'][0]['ErrorCode'] == 3, 'the topic is gone')
    describe(w, 'with a topic that is gone', x)
    p.write('gone', topic, 'c'), producers(w, 'gone', topic)
    p.end('commit')
    settled(w, x, kept)
    describe(w, 'over', x), w.fetch('kept', kept, isolation=COMMITTED)
    wait_until(lambda: len(w.offsets(None, group)['Groups'][0]['Topics']) > 0, 'the offsets')
    w.offsets('of what is left', group, [dict(Name=kept, PartitionIndexes=[0])])


@scenario
def txn_offsets_outlive_their_group(w):
    topic, group, x = w.topic('t'), w.group('g'), transaction(w, 'x')
    p = Producer(w, 'p', x)
    p.init('begins')
    p.commit_offset('adds the group', group, topic, 3)
    describe(w, 'added by the offsets', x)
    w.ask('only pending', 'ListGroups', 5, {}), w.ask('only pending', 'DescribeGroups', 6, dict(Groups=[group]))
    w.ask('only pending', 'DeleteGroups', 2, dict(GroupsNames=[group]))
    p.end('commit')
    settled(w, x)
    w.offsets('after the commit', group), w.ask('after the commit', 'DescribeGroups', 6, dict(Groups=[group]))
    p.commit_offset('second', group, topic, 9)
    w.offsets('pending', group), w.ask('with pending ones', 'DeleteGroups', 2, dict(GroupsNames=[group]))
    p.end('after the group is gone')
    settled(w, x)
    w.offsets('after the group is gone', group)
    p.commit_offset('third', group, topic, 11), p.end('aborted', False)
    settled(w, x)
    w.offsets('aborted', group)


@scenario
def txn_visible(w):
    topic = w.topic('t', 2)
    names = [transaction(w, word) for word in ('xa', 'xb', 'xc', 'xd')]
    made = [Producer(w, name[-2:], name) for name in names]
    for p in made:
        p.init('begins')
    a, b, c, d = made
    a.write('ongoing', topic, 'a'), b.write('commits', topic, 'b'), c.write('aborts', topic, 'c')
    b.end('commits'), c.end('aborts', False)
    wait_until(lambda: all(state_of(w, name) in DONE for name in names[1:]), 'both are over')
    listed(w, 'all', StateFilters=[])
    for states in (['Ongoing'], ['CompleteCommit', 'CompleteAbort'], ['Empty'], ['ongoing'], ['Dead'], ['bogus', 'Ongoing', ''], ['PrepareEpochFence']):
        for version in (0, 2):
            listed(w, 'states %s' % states, version, StateFilters=states)
    listed(w, 'by producer', ProducerIdFilters=[a.id, b.id, 99999999]), listed(w, 'by none', ProducerIdFilters=[99999999])
    pause(0.3)
    for duration in (-1, -7, 100, 3600000):
        listed(w, 'longer than %d' % duration, 1, DurationFilter=duration)
    for pattern in ('.*x[ab]', '', 'x', '[', '(?i).*XA', None, '.*'):
        listed(w, 'pattern %s' % pattern, TransactionalIdPattern=pattern)
    listed(w, 'all filters', StateFilters=['Ongoing', 'Empty'], ProducerIdFilters=[a.id, c.id], DurationFilter=100, TransactionalIdPattern='.*a')
    describe(w, 'all', *names, w.n('none'), '', names[0])
    describe(w, 'nothing')
    producers(w, 'all', topic, 0, 1, 7), producers(w, 'unknown', w.n('none'))
    w.ask('twice', 'DescribeProducers', 0, dict(Topics=[dict(Name=topic, PartitionIndexes=[0]), dict(Name=topic, PartitionIndexes=[1])]))
    a.end('at last')
    settled(w, names[0], topic)
    producers(w, 'at last', topic, 0, 1)


@scenario
def txn_verified_produce(w):
    topic, x = w.topic('t', 2), transaction(w, 'x')
    p = Producer(w, 'p', x)
    p.init('begins')
    for version in (4, 5):
        def verify(label, is_only, *partitions, **more):
            one = dict(dict(TransactionalId=x, ProducerId=p.id, ProducerEpoch=p.epoch, VerifyOnly=is_only,
                            Topics=[dict(Name=topic, Partitions=list(partitions))]), **more)
            return w.ask(label, 'AddPartitionsToTxn', version, dict(Transactions=[one]))
        verify('verify, nothing is open', True, 0)
        verify('add', False, 0)
        verify('verify, added', True, 0), verify('verify, one of two', True, 0, 1), verify('verify, unknown', True, 9)
        verify('another epoch', True, 0, ProducerEpoch=p.epoch + 1), verify('another id', True, 0, ProducerId=p.id + 100000)
        verify('unknown transaction', True, 0, TransactionalId=w.n('none')), verify('no name', True, 0, TransactionalId='')
        verify('add unknown', False, 9), verify('no topics', False, Topics=[])
        both = [dict(TransactionalId=x, ProducerId=p.id, ProducerEpoch=p.epoch, VerifyOnly=is_only, Topics=[dict(Name=topic, Partitions=[1])])
                for is_only in (True, False)]
        w.ask('two, one for each', 'AddPartitionsToTxn', version, dict(Transactions=[both[0], dict(both[1], TransactionalId=w.n('none'))]))
        p.end('abort', False)
        settled(w, x, topic)
    for version in (3, 8, 11, 12, 13):
        p.write('not added', topic, 'v%d' % version, version=version)
        w.produce('without a transaction', topic, ['a'], (p.id, p.epoch), p.sequences.get((topic, 0), 0), None, attributes=TRANSACTIONAL, version=version)
        w.produce('not transactional', topic, ['a'], (p.id, p.epoch), p.sequences.get((topic, 0), 0), x, attributes=0, version=version)
        w.produce('no producer', topic, ['a'], (-1, -1), -1, x, attributes=TRANSACTIONAL, version=version)
    p.end('commit')
    settled(w, x, topic)
    p.write('in sequence', topic, 'a', 'b')
    p.sequences[topic, 0] = 7
    p.write('out of sequence', topic, 'c')
    p.sequences[topic, 0] = 0
    p.write('the same again', topic, 'a', 'b')
    w.produce('an idempotent one with the same id', topic, ['d'], (p.id, p.epoch), 2, None, version=12)
    p.end('commit')
    settled(w, x, topic)
    w.fetch('all', topic)


@scenario
def txn_markers_by_hand(w):
    topic, x = w.topic('t', 2), transaction(w, 'x')
    p = Producer(w, 'p', x)
    p.init('begins'), p.init('begins again')
    p.write('open', topic, 'a')

    def markers(label, version=2, **more):
        one = dict(dict(ProducerId=p.id, ProducerEpoch=p.epoch, TransactionResult=False, CoordinatorEpoch=0,
                        Topics=[dict(Name=topic, PartitionIndexes=[0])]), **more)
        return w.ask(label, 'WriteTxnMarkers', version, dict(Markers=[one]))

    markers('an older epoch', ProducerEpoch=p.epoch - 1), markers('no epoch', ProducerEpoch=-1), markers('the same epoch, version 2', TransactionVersion=2)
    markers('unknown places', Topics=[dict(Name=w.n('none'), PartitionIndexes=[0]), dict(Name=topic, PartitionIndexes=[5])])
    producers(w, 'still open', topic)
    markers('as an administrator does', version=1, CoordinatorEpoch=-1)
    producers(w, 'after the marker', topic)
    w.fetch('aborted from outside', topic, isolation=COMMITTED)
    p.write('goes on', topic, 'b')
    p.end('commit')
    settled(w, x, topic)
    markers('a newer epoch', version=1, ProducerEpoch=p.epoch + 10)
    p.write('fenced by a marker', topic, 'c')
    p.end('fenced by a marker', False)
    w.fetch('all', topic)
