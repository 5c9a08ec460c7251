# SPDX-License-Identifier: Apache-2.0
"""Classic groups through all their states, with members that come, go, are replaced and are late."""
import struct

from world import scenario, wait_until

ILLEGAL_GENERATION, REBALANCE_IN_PROGRESS, MEMBER_ID_REQUIRED = 22, 27, 79
SLOW_MS, QUICK_MS = 30000, 1000


def subscription(*topics):
    """The metadata of a member, as the clients write it (version 0)."""
    out = struct.pack('>hi', 0, len(topics))
    for topic in topics:
        out += struct.pack('>h', len(topic)) + topic.encode()
    return out + struct.pack('>i', -1)


class Member:
    """A member of a classic group with a connection of its own."""

    def __init__(self, world, name, group, topics=('t',), instance=None, protocols=('range',), session_ms=SLOW_MS, rebalance_ms=SLOW_MS,
                 kind='consumer'):
        self.world, self.name, self.group, self.instance, self.kind = world, name, group, instance, kind
        self.id, self.generation, self.protocols, self.topics = '', -1, protocols, topics
        self.session_ms, self.rebalance_ms = session_ms, rebalance_ms
        self.connection = world.connect()

    def body(self):
        metadata = subscription(*self.topics)
        return dict(GroupId=self.group, SessionTimeoutMs=self.session_ms, RebalanceTimeoutMs=self.rebalance_ms, MemberId=self.id,
                    GroupInstanceId=self.instance, ProtocolType=self.kind,
                    Protocols=[dict(Name=name, Metadata=metadata) for name in self.protocols])

    def send_join(self, version=9):
        """Asks to join and does not wait; a member without an id gets one first."""
        if not self.id and not self.instance and version >= 4:
            answer = self.connection.call('JoinGroup', version, self.body())
            self.take_id(answer)
            assert answer['ErrorCode'] == MEMBER_ID_REQUIRED, answer
        self.connection.send('JoinGroup', version, self.body())

    def take_id(self, answer):
        self.id = answer['MemberId']
        self.world.call_it(self.id, self.name)

    def joined(self, label):
        answer = self.connection.receive()
        if answer.get('ErrorCode') == 0:
            self.take_id(answer)
            self.generation = answer['GenerationId']
        return self.world.note('JoinGroup %s: %s' % (self.name, label), answer)

    def join(self, label, version=9):
        self.send_join(version)
        return self.joined(label)

    def sync_body(self, assignments=None, **more):
        given = [dict(MemberId=member.id, Assignment=what) for member, what in (assignments or {}).items()]
        return dict(dict(GroupId=self.group, GenerationId=self.generation, MemberId=self.id, GroupInstanceId=self.instance,
                         ProtocolType=self.kind, ProtocolName=self.protocols[0], Assignments=given), **more)

    def send_sync(self, assignments=None, **more):
        self.connection.send('SyncGroup', 5, self.sync_body(assignments, **more))

    def synced(self, label):
        return self.world.note('SyncGroup %s: %s' % (self.name, label), self.connection.receive())

    def sync(self, label, assignments=None, **more):
        self.send_sync(assignments, **more)
        return self.synced(label)

    def identity(self, **more):
        return dict(dict(GroupId=self.group, MemberId=self.id, GroupInstanceId=self.instance), **more)

    def beat(self, label, **more):
        body = dict(self.identity(GenerationId=self.generation), **more)
        answer = self.connection.call('Heartbeat', 4, body)
        return answer if label is None else self.world.note('Heartbeat %s: %s' % (self.name, label), answer)

    def commit(self, label, topic, offset, version=9, **more):
        parts = [dict(PartitionIndex=0, CommittedOffset=offset, CommittedMetadata='of ' + self.name)]
        which = dict(TopicId=self.world.id_of(topic)) if version >= 10 else dict(Name=topic)
        body = dict(self.identity(GenerationIdOrMemberEpoch=self.generation, Topics=[dict(which, Partitions=parts)]), **more)
        return self.world.note('OffsetCommit %s: %s' % (self.name, label), self.connection.call('OffsetCommit', version, body))


def describe(world, label, group):
    return world.ask(label, 'DescribeGroups', 6, dict(Groups=[group], IncludeAuthorizedOperations=True))


def state_of(world, group):
    return describe(world, None, group)['Groups'][0]['GroupState']


def wait_state(world, group, state):
    wait_until(lambda: state_of(world, group) == state, '%s is %s' % (group, state))


def wait_members(world, group, count):
    wait_until(lambda: len(describe(world, None, group)['Groups'][0]['Members']) == count, '%d members' % count)


def leave(world, label, group, *who, version=5):
    members = [dict(MemberId=member, GroupInstanceId=instance, Reason='enough') for member, instance in who]
    return world.ask(label, 'LeaveGroup', version, dict(GroupId=group, Members=members))


def rebalance(world, label, group, first, *others):
    """All join again, and the leader hands out their names."""
    for member in (first,) + others:
        member.send_join()
    for member in (first,) + others:
        member.joined(label)
    for member in others:
        member.send_sync()
    first.sync(label, {member: member.name.encode() for member in (first,) + others})
    for member in others:
        member.synced(label)


@scenario
def classic_three_members(w):
    group, topic = w.group('g'), w.topic('t')
    a, b, c = (Member(w, name, group, topics=(topic,), protocols=('range', 'roundrobin')) for name in 'abc')
    describe(w, 'before anybody', group)
    a.join('first')
    describe(w, 'leader has not synced', group)
    a.beat('before the sync')
    a.commit('before the sync', topic, 1)
    a.sync('alone', {a: b'all'})
    describe(w, 'stable', group)
    b.send_join()
    wait_state(w, group, 'PreparingRebalance')
    describe(w, 'second member waits', group)
    a.beat('rebalance'), a.commit('while it rebalances', topic, 2), a.sync('while it rebalances')
    a.send_join()
    b.joined('both'), a.joined('both')
    a.beat('both joined, none synced'), b.commit('both joined, none synced', topic, 3)
    b.send_sync()
    a.sync('leader', {a: b'one', b: b'two'}), b.synced('follower')
    a.sync('again, stable'), b.sync('again, with assignments', {a: b'x', b: b'y'})
    describe(w, 'two', group)
    c.send_join()
    wait_state(w, group, 'PreparingRebalance')
    rebalance_rest(w, a, b, c)
    describe(w, 'three', group)
    b.commit('in time', topic, 4), b.commit('by id', topic, 5, version=10), b.commit('late', topic, 6, GenerationIdOrMemberEpoch=b.generation - 1)
    b.commit('early', topic, 6, GenerationIdOrMemberEpoch=b.generation + 1), b.commit('who', topic, 6, MemberId='stranger')
    b.commit('no generation', topic, 6, GenerationIdOrMemberEpoch=-1), b.commit('nobody', topic, 6, GenerationIdOrMemberEpoch=-1, MemberId='')
    b.beat('late', GenerationId=b.generation - 1), b.beat('early', GenerationId=b.generation + 1), b.beat('who', MemberId='stranger')
    w.offsets('what was committed', group)
    leave(w, 'two of three, one twice, a stranger, an instance nobody has', group, (b.id, None), (c.id, None), (b.id, None), ('stranger', None), ('', 'i9'))
    describe(w, 'one is left', group)
    a.beat('after they left')
    a.join('alone again'), a.sync('alone again', {a: b'all'})
    leave(w, 'of old', group, (a.id, None), version=3)
    describe(w, 'empty', group)
    for types in ([], ['classic'], ['Classic'], ['consumer']):
        w.ask('types %s' % types, 'ListGroups', 5, dict(StatesFilter=['empty'], TypesFilter=types))
    a.beat('gone'), a.join('gone'), a.sync('gone'), a.commit('gone', topic, 9)


def rebalance_rest(w, a, b, c):
    a.send_join()
    b.send_join()
    for member in (a, b, c):
        member.joined('three')
    b.send_sync()
    c.send_sync()
    a.sync('three', {a: b'one', b: b'two', c: b'three'}), b.synced('three'), c.synced('three')


@scenario
def classic_static_members(w):
    group, topic = w.group('g'), w.topic('t')
    a, b = (Member(w, name, group, topics=(topic,), instance='i' + name) for name in 'ab')
    a.join('first'), a.sync('first', {a: b'all'})
    b.send_join()
    wait_state(w, group, 'PreparingRebalance')
    a.send_join()
    a.joined('both'), b.joined('both')
    b.send_sync()
    a.sync('both', {a: b'one', b: b'two'}), b.synced('both')
    old_b = Member(w, 'old b', group, topics=(topic,), instance='ib')
    old_b.id, old_b.generation = b.id, b.generation
    b.id = ''
    new_b = Member(w, 'new b', group, topics=(topic,), instance='ib')
    new_b.join('replaces b'), new_b.sync('takes over')
    describe(w, 'no rebalance', group)
    old_b.beat('fenced'), old_b.sync('fenced'), old_b.commit('fenced', topic, 1), old_b.join('fenced')
    leave(w, 'fenced', group, (old_b.id, 'ib'))
    old_b.beat('another instance', GroupInstanceId='ia'), old_b.beat('unknown instance', GroupInstanceId='ix')
    old_b.beat('without instance', GroupInstanceId=None)
    new_b.commit('by the new one', topic, 2)
    new_a = Member(w, 'new a', group, topics=(topic,), instance='ia')
    new_a.join('replaces the leader'), new_a.sync('leader again')
    describe(w, 'leader replaced', group)
    third_b = Member(w, 'third b', group, topics=(topic, 'more'), instance='ib')
    third_b.join('another subscription'), third_b.sync('another subscription')
    describe(w, 'another subscription alone makes no rebalance', group)
    new_a.send_join()
    wait_state(w, group, 'PreparingRebalance')
    describe(w, 'but the leader does', group)
    third_b.beat('rebalance'), new_b.beat('fenced too')
    third_b.send_join()
    new_a.joined('rebalance'), third_b.joined('rebalance')
    third_b.send_sync()
    new_a.sync('rebalance', {new_a: b'1', third_b: b'2'}), third_b.synced('rebalance')
    w.ask('while members are there', 'DeleteGroups', 2, dict(GroupsNames=[group]))
    leave(w, 'by instance', group, ('', 'ia'), ('', 'ib'), ('', 'ia'), ('', 'ix'))
    describe(w, 'empty', group)


@scenario
def classic_static_member_comes_while_it_rebalances(w):
    group = w.group('g')
    a, b = (Member(w, name, group, instance='i' + name) for name in 'ab')
    a.join('first'), a.sync('first', {a: b'all'})
    b.send_join()
    wait_state(w, group, 'PreparingRebalance')
    again = Member(w, 'b again', group, instance='ib')
    again.send_join()
    b.joined('its twin came')
    a.send_join()
    a.joined('both'), again.joined('both')
    again.send_sync()
    third = Member(w, 'b a third time', group, instance='ib')
    third.send_join()
    again.synced('its twin came')
    a.beat('the third twin makes a rebalance')
    a.send_join()
    a.joined('again'), third.joined('again')
    describe(w, 'before the sync', group)


@scenario
def classic_late_members(w):
    group = w.group('g')
    a = Member(w, 'a', group, session_ms=SLOW_MS, rebalance_ms=QUICK_MS)
    b = Member(w, 'b', group, session_ms=SLOW_MS, rebalance_ms=QUICK_MS)
    a.join('first'), a.sync('first', {a: b'all'})
    b.send_join()
    wait_state(w, group, 'PreparingRebalance')
    b.joined('a did not come in time')
    a.beat('put out'), a.sync('put out'), a.join('put out')
    b.sync('alone', {b: b'all'})
    quick = Member(w, 'quick', group, session_ms=QUICK_MS, rebalance_ms=QUICK_MS)
    quick.send_join()
    wait_state(w, group, 'PreparingRebalance')
    b.send_join()
    b.joined('with quick'), quick.joined('with quick')
    quick.send_sync()
    b.sync('with quick', {b: b'1', quick: b'2'}), quick.synced('with quick')
    wait_until(lambda: b.beat(None)['ErrorCode'] == REBALANCE_IN_PROGRESS, 'quick is put out')
    b.join('after quick'), b.sync('after quick', {b: b'all'})
    quick.beat('put out')
    describe(w, 'b', group)
    late = Member(w, 'late', group, session_ms=SLOW_MS, rebalance_ms=QUICK_MS)
    b.rebalance_ms = QUICK_MS
    late.send_join()
    wait_state(w, group, 'PreparingRebalance')
    b.send_join()
    b.joined('with late'), late.joined('with late')
    b.send_sync({b: b'1', late: b'2'})
    b.synced('late never syncs')
    wait_until(lambda: b.beat(None)['ErrorCode'] == REBALANCE_IN_PROGRESS, 'late is waited for no longer')
    wait_members(w, group, 1)
    describe(w, 'without late', group)


@scenario
def classic_protocols(w):
    group = w.group('g')
    a = Member(w, 'a', group, protocols=('x', 'y', 'z'))
    a.join('first'), a.sync('first', {a: b'all'})
    for name, kind, protocols in (('other kind', 'connect', ('x',)), ('no common one', 'consumer', ('q',)), ('none', 'consumer', ()),
                                  ('no kind', '', ('x',))):
        Member(w, name, group, kind=kind, protocols=protocols, instance='i').join('refused')
    b = Member(w, 'b', group, protocols=('z', 'y'))
    b.send_join()
    wait_state(w, group, 'PreparingRebalance')
    a.send_join()
    a.joined('a choice'), b.joined('a choice')
    a.sync('another kind', ProtocolType='connect'), a.sync('another protocol', ProtocolName='q')
    b.send_sync(ProtocolType=None, ProtocolName=None)
    a.sync('strangers', {a: b'1', b: b'2', Stranger(): b'3'}, ProtocolType=None, ProtocolName=None), b.synced('strangers')
    describe(w, 'the chosen one', group)
    for session in (1, 3600000):
        Member(w, 'session %d' % session, w.group('s'), session_ms=session, instance='i').join('refused')
    Member(w, 'no group', '', instance='i').join('refused')
    stranger = Member(w, 'stranger', w.group('none'))
    stranger.id = 'stranger'
    stranger.join('unknown group'), stranger.beat('unknown group'), stranger.sync('unknown group')
    leave(w, 'unknown group', w.n('none'), ('stranger', None))
    other = Member(w, 'connect', w.group('c'), kind='connect', protocols=('sessioned',), topics=())
    other.join('of another kind'), other.sync('of another kind', {other: b'\1\2'})
    describe(w, 'of another kind', other.group)
    describe(w, 'unknown', w.n('none'))


class Stranger:
    id = 'stranger'


@scenario
def classic_offsets_and_deletes(w):
    group, topic, other = w.group('g'), w.topic('t', 2), w.topic('u')
    where = [dict(Name=topic, Partitions=[dict(PartitionIndex=0), dict(PartitionIndex=1), dict(PartitionIndex=9)]),
             dict(Name=other, Partitions=[dict(PartitionIndex=0)]), dict(Name=w.n('none'), Partitions=[dict(PartitionIndex=0)])]
    w.ask('unknown group', 'OffsetDelete', 0, dict(GroupId=group, Topics=where))
    a = Member(w, 'a', group, topics=(topic,))
    a.join('first'), a.sync('first', {a: b'all'})
    a.commit('subscribed', topic, 5), a.commit('not subscribed', other, 6), a.commit('unknown topic', w.n('none'), 7)
    w.ask('subscribed', 'OffsetDelete', 0, dict(GroupId=group, Topics=where))
    w.offsets('one deleted', group)
    w.ask('not empty, unknown, none', 'DeleteGroups', 2, dict(GroupsNames=[group, w.n('none'), '']))
    leave(w, 'last', group, (a.id, None))
    w.ask('empty', 'OffsetDelete', 0, dict(GroupId=group, Topics=where))
    w.offsets('all deleted', group)
    a.id = ''
    simple = dict(GroupId=group, GenerationIdOrMemberEpoch=-1, MemberId='')
    for offset, metadata in ((1, 'x' * 4096), (2, 'x' * 4097), (-5, None), (0, '')):
        parts = [dict(PartitionIndex=0, CommittedOffset=offset, CommittedMetadata=metadata)]
        w.ask('offset %d' % offset, 'OffsetCommit', 9, dict(simple, Topics=[dict(Name=topic, Partitions=parts)]))
    for version in (1, 2, 7):
        asked = [dict(Name=topic, PartitionIndexes=[0, 1, 9])]
        w.ask('old', 'OffsetFetch', version, dict(GroupId=group, Topics=asked))
    w.offsets('by id', group, [dict(TopicId=w.id_of(topic), PartitionIndexes=[0, 1])], version=10)
    w.offsets('of nobody', w.n('nobody'), [dict(Name=topic, PartitionIndexes=[0])])
    w.ask('now', 'DeleteGroups', 2, dict(GroupsNames=[group, group]))
    w.offsets('deleted', group), describe(w, 'deleted', group)
    a.join('comes back after it was deleted'), a.sync('comes back', {a: b'all'})
    w.ask('stable', 'OffsetDelete', 0, dict(GroupId=group, Topics=where))
