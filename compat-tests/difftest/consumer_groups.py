# SPDX-License-Identifier: Apache-2.0
"""Groups of the consumer protocol (KIP-848): epochs, partitions that go from one member to another, fencing, static members,
expressions, time-outs, and both protocols in one group."""
import uuid

import classic_groups
from world import scenario, wait_until

JOIN, LEAVE, LEAVE_STATIC = 0, -1, -2
QUICK_MS, SLOW_MS = 1500, 30000


def parts(world, topic, *partitions):
    return dict(TopicId=world.id_of(topic), Partitions=list(partitions))


class Consumer:
    """A member: what it was told, and what it says it has."""

    def __init__(self, world, name, group, topics=None, instance=None, regex=None, assignor=None, rack=None, rebalance_ms=SLOW_MS):
        self.world, self.name, self.group, self.instance = world, name, group, instance
        self.id, self.epoch, self.owned, self.target = 'member-' + name, 0, [], []
        self.topics, self.regex, self.assignor, self.rack, self.rebalance_ms = topics, regex, assignor, rack, rebalance_ms

    def beat(self, label, version=1, **more):
        """A heartbeat that says nothing new, unless it is told what to say; the answer is taken over."""
        body = dict(dict(GroupId=self.group, MemberId=self.id, MemberEpoch=self.epoch, InstanceId=self.instance), **more)
        answer = self.world.ask(label and '%s: %s' % (self.name, label), 'ConsumerGroupHeartbeat', version, body)
        if answer['ErrorCode'] == 0:
            self.epoch = answer['MemberEpoch']
            if answer['Assignment'] is not None:
                self.target = answer['Assignment']['TopicPartitions']
        return answer

    def join(self, label, version=1, **more):
        said = dict(MemberEpoch=JOIN, RebalanceTimeoutMs=self.rebalance_ms, SubscribedTopicNames=self.topics, RackId=self.rack,
                    ServerAssignor=self.assignor, TopicPartitions=[])
        if version >= 1:
            said['SubscribedTopicRegex'] = self.regex
        return self.beat(label, version, **dict(said, **more))

    def acknowledge(self, label):
        """Has what it was told to have."""
        self.owned = self.target
        return self.beat(label, TopicPartitions=self.owned)

    def leave(self, label, epoch=LEAVE, **more):
        return self.beat(label, MemberEpoch=epoch, **more)

    def wait_assigned(self, count):
        """Beats until it has that many partitions, and the group has come to rest."""
        def has_them():
            answer = self.beat(None, TopicPartitions=self.target)
            return answer['ErrorCode'] == 0 and sum(len(item['Partitions']) for item in self.target) == count
        wait_until(has_them, '%s has %d partitions' % (self.name, count))

    def commit(self, label, topic, offset, version=9, **more):
        body = dict(GroupId=self.group, GenerationIdOrMemberEpoch=self.epoch, MemberId=self.id, GroupInstanceId=self.instance,
                    Topics=[dict(Name=topic, Partitions=[dict(PartitionIndex=0, CommittedOffset=offset)])])
        return self.world.ask('%s: %s' % (self.name, label), 'OffsetCommit', version, dict(body, **more))


def describe(world, label, *groups):
    return world.ask(label, 'ConsumerGroupDescribe', 1, dict(GroupIds=list(groups), IncludeAuthorizedOperations=True))


def described(world, group):
    return describe(world, None, group)['Groups'][0]


@scenario
def consumer_two_members(w):
    topic, group = w.topic('t', 4), w.group('g')
    a, b = Consumer(w, 'a', group, [topic]), Consumer(w, 'b', group, [topic])
    a.join('first')
    describe(w, 'before the first says what it has', group)
    a.acknowledge('has all'), a.beat('nothing new')
    describe(w, 'one', group)
    b.join('second')
    describe(w, 'the first is to give some up', group)
    b.beat('must wait')
    a.beat('is told to give some up')
    a.commit('in between', topic, 1), a.commit('with the epoch before', topic, 2, GenerationIdOrMemberEpoch=a.epoch - 1)
    a.beat('still has all', TopicPartitions=a.owned)
    describe(w, 'still has all', group)
    a.acknowledge('gave some up')
    describe(w, 'the first is through', group)
    b.beat('gets them'), b.acknowledge('has them')
    describe(w, 'both are through', group)
    for states in (['Stable'], ['stable', 'Reconciling'], ['Assigning', 'Empty', 'Dead']):
        w.ask('states %s' % states, 'ListGroups', 5, dict(StatesFilter=states))
    a.beat('of an epoch before', MemberEpoch=a.epoch - 1), a.beat('of an epoch before, with what it has', MemberEpoch=a.epoch - 1, TopicPartitions=a.owned)
    a.beat('of an epoch before, with more', MemberEpoch=a.epoch - 1, TopicPartitions=[parts(w, topic, 0, 1, 2, 3)])
    a.beat('of two epochs before', MemberEpoch=a.epoch - 2), a.beat('of an epoch to come', MemberEpoch=a.epoch + 1)
    a.beat('a stranger', MemberId='stranger'), a.beat('a stranger joins with an epoch', MemberId='stranger', MemberEpoch=1)
    a.commit('of an epoch before', topic, 3, GenerationIdOrMemberEpoch=a.epoch - 1), a.commit('of an epoch before, old version', topic, 3, 8, GenerationIdOrMemberEpoch=a.epoch - 1)
    a.commit('of an epoch to come', topic, 3, GenerationIdOrMemberEpoch=a.epoch + 1), a.commit('a stranger', topic, 3, MemberId='stranger')
    a.commit('nobody', topic, 3, MemberId='', GenerationIdOrMemberEpoch=-1), a.commit('now', topic, 4)
    for who in (dict(MemberId=a.id, MemberEpoch=a.epoch), dict(MemberId=a.id, MemberEpoch=a.epoch - 1), dict(MemberId='stranger', MemberEpoch=1),
                dict(MemberId=None, MemberEpoch=-1), dict(MemberId='', MemberEpoch=3)):
        w.offsets('by %s' % who, group, [dict(Name=topic, PartitionIndexes=[0, 3])], version=9, stable=True, **who)
    a.join('again, it forgot all')
    a.acknowledge('again')
    b.beat('meanwhile')
    describe(w, 'joined again', group)
    b.leave('second')
    b.leave('again')
    describe(w, 'the second left', group)
    a.beat('gets all back')
    a.acknowledge('has all')
    w.ask('while somebody is there', 'DeleteGroups', 2, dict(GroupsNames=[group]))
    w.ask('subscribed', 'OffsetDelete', 0, dict(GroupId=group, Topics=[dict(Name=topic, Partitions=[dict(PartitionIndex=0)])]))
    a.leave('first')
    describe(w, 'empty', group), w.ask('empty', 'DescribeGroups', 6, dict(Groups=[group])), w.ask('empty', 'ListGroups', 5, dict(TypesFilter=['consumer']))
    w.ask('empty', 'OffsetDelete', 0, dict(GroupId=group, Topics=[dict(Name=topic, Partitions=[dict(PartitionIndex=0)])]))
    w.ask('empty', 'DeleteGroups', 2, dict(GroupsNames=[group]))
    describe(w, 'deleted', group, '', group)
    a.beat('deleted'), a.leave('deleted')


@scenario
def consumer_three_members_of_two_topics(w):
    first, second, group = w.topic('t1', 3), w.topic('t2', 2), w.group('g')
    a = Consumer(w, 'a', group, [first, second], assignor='range')
    b, c = Consumer(w, 'b', group, [first]), Consumer(w, 'c', group, [second, w.n('none')], assignor='uniform')
    a.join('both topics'), a.acknowledge('both topics')
    b.join('one topic'), a.beat('gives up'), a.acknowledge('gave up'), b.beat('gets some'), b.acknowledge('has some')
    describe(w, 'range', group)
    c.join('another topic, another assignor')
    describe(w, 'the assignor of most', group)
    for _ in range(3):
        for member in (a, b, c):
            member.beat(None), member.acknowledge(None)
    describe(w, 'at rest', group)
    b.beat('other topics', SubscribedTopicNames=[first, second])
    for _ in range(3):
        for member in (a, b, c):
            member.beat(None), member.acknowledge(None)
    describe(w, 'at rest with other topics', group)
    b.beat('the same topics again', SubscribedTopicNames=[second, first]), b.beat('another assignor', ServerAssignor='uniform')
    describe(w, 'two for uniform', group)
    b.beat('an assignor nobody has', ServerAssignor='nobody'), b.beat('no topics', SubscribedTopicNames=[])
    describe(w, 'one without topics', group)
    for _ in range(3):
        for member in (a, b, c):
            member.beat(None), member.acknowledge(None)
    b.beat('another time', RebalanceTimeoutMs=7777), b.beat('another rack', RackId='r2')
    describe(w, 'racks', group)
    w.ask('grows', 'CreatePartitions', 3, dict(Topics=[dict(Name=second, Count=4, Assignments=None)], TimeoutMs=10000))
    w.wait_topic(second, 4)
    wait_until(lambda: [member.beat(None) for member in (a, b, c)] and sum(len(item['Partitions']) for item in a.target + c.target) == 7, 'new partitions')
    for _ in range(3):
        for member in (a, b, c):
            member.beat(None), member.acknowledge(None)
    describe(w, 'after a topic grew', group)


@scenario
def consumer_bad_requests(w):
    topic, group = w.topic('t'), w.group('g')
    a = Consumer(w, 'a', group, [topic])
    for label, more in (('no group', dict(GroupId='')), ('no member', dict(MemberId='')), ('epoch too low', dict(MemberEpoch=-3)),
                        ('no time', dict(RebalanceTimeoutMs=-1)), ('zero time', dict(RebalanceTimeoutMs=0)), ('has some', dict(TopicPartitions=[parts(w, topic, 0)])),
                        ('says nothing of what it has', dict(TopicPartitions=None)), ('no topics', dict(SubscribedTopicNames=None)),
                        ('empty instance', dict(InstanceId='')), ('empty rack', dict(RackId='')), ('empty assignor', dict(ServerAssignor='')),
                        ('empty expression', dict(SubscribedTopicNames=None, SubscribedTopicRegex='')),
                        ('assignor of another kind', dict(ServerAssignor='simple')), ('blank member', dict(MemberId=' ')), ('blank group', dict(GroupId=' ')), ('blank instance', dict(InstanceId='  ')), ('blank rack', dict(RackId=' ')),
                        ('blank assignor', dict(ServerAssignor=' ')), ('blank expression', dict(SubscribedTopicRegex=' ')), ('long member', dict(MemberId='m' * 37))):
        Consumer(w, 'a', w.n('bad'), [topic]).join(label, **more)
    Consumer(w, 'a', w.n('leave'), [topic]).leave('static without instance', LEAVE_STATIC)
    Consumer(w, 'a', w.n('leave'), [topic], instance='i').leave('static, unknown group', LEAVE_STATIC)
    for version in (0, 1):
        fresh = Consumer(w, 'made %d' % version, w.group('v%d' % version), [topic])
        answer = fresh.join(None, version, MemberId='' if version == 0 else str(uuid.uuid4()))
        w.call_it(answer['MemberId'], 'made up')
        w.note('made up', answer)
    classic = classic_groups.Member(w, 'c', w.group('classic'), kind='connect', topics=())
    classic.join('first'), classic.sync('first', {classic: b''})
    Consumer(w, 'a', classic.group, [topic]).join('a classic group of another kind'), Consumer(w, 'a', classic.group).beat('classic', MemberEpoch=3)
    Consumer(w, 'a', classic.group).leave('classic')
    a.join('first'), a.acknowledge('first')
    stranger = classic_groups.Member(w, 's', group, topics=(topic,), instance='s')
    stranger.join('on a consumer group'), stranger.beat('on a consumer group'), stranger.sync('on a consumer group'), stranger.commit('on a consumer group', topic, 1)
    classic_groups.leave(w, 'on a consumer group', group, ('stranger', None), ('', 'i'), (a.id, None))
    describe(w, 'all', group, classic.group, '', w.n('none'))


@scenario
def consumer_static_members(w):
    topic, group = w.topic('t', 4), w.group('g')
    a, b = Consumer(w, 'a', group, [topic], instance='ia'), Consumer(w, 'b', group, [topic], instance='ib')
    a.join('first'), a.acknowledge('first')
    b.join('second'), a.beat('gives up'), a.acknowledge('gave up'), b.beat('gets some'), b.acknowledge('has some')
    describe(w, 'two', group)
    twin = Consumer(w, 'twin', group, [topic], instance='ib')
    twin.join('while b is there')
    twin.beat('of an epoch', MemberEpoch=b.epoch), b.beat('of another instance', InstanceId='ia'), b.beat('without instance', InstanceId=None)
    b.beat('of an unknown instance', InstanceId='ix')
    twin.leave('not its place', LEAVE_STATIC), b.leave('for now', LEAVE_STATIC)
    describe(w, 'one is away', group)
    b.beat('away'), b.commit('away', topic, 1), b.leave('away', LEAVE_STATIC)
    a.beat('does not notice')
    twin.join('comes back as another')
    describe(w, 'came back', group)
    twin.acknowledge('has what b had')
    b.beat('was replaced'), b.commit('was replaced', topic, 1), b.leave('was replaced')
    twin.commit('in its place', topic, 2), twin.commit('without instance', topic, 3, GroupInstanceId=None), twin.commit('of another instance', topic, 3, GroupInstanceId='ia')
    twin.leave('for now', LEAVE_STATIC)
    other = Consumer(w, 'other', group, [topic, w.n('later')], instance='ib')
    other.join('with more topics')
    describe(w, 'with more topics', group)
    other.acknowledge('with more topics'), a.beat('nothing for it')
    other.leave('for good')
    describe(w, 'left for good', group)
    a.beat('gets all'), a.acknowledge('has all')
    a.leave('for now', LEAVE_STATIC)
    describe(w, 'nobody but an absent one', group)
    w.ask('nobody but an absent one', 'ListGroups', 5, dict(TypesFilter=['consumer']))
    w.ask('nobody but an absent one', 'DeleteGroups', 2, dict(GroupsNames=[group]))


def holds(w, label, group):
    """What the only member has; epochs depend on when the coordinator hears of topics."""
    member, = described(w, group)['Members']
    w.note(label, [(item['TopicName'], item['Partitions']) for item in member['Assignment']['TopicPartitions']])


@scenario
def consumer_topics_come_and_go(w):
    topic, later, group = w.topic('t', 2), w.n('later'), w.group('g')
    a = Consumer(w, 'a', group, [topic, later])
    a.join(None), a.wait_assigned(2)
    holds(w, 'one of two', group)
    a.commit('kept', topic, 1)
    w.topic('later', 3)
    a.wait_assigned(5)
    holds(w, 'both', group)
    a.commit('kept, too', later, 2)
    w.ask('deletes', 'DeleteTopics', 5, dict(TopicNames=[topic], TimeoutMs=10000))
    a.wait_assigned(3)
    holds(w, 'one is gone', group)
    a.commit('gone', topic, 3)
    wait_until(lambda: all(item['Name'] == later for item in w.offsets(None, group)['Groups'][0]['Topics']), 'its offsets are gone')
    w.offsets('what is left', group)
    again = w.topic('t', 1)
    a.wait_assigned(4)
    holds(w, 'it came back', group)
    w.offsets('of a topic that came back', group, [dict(Name=again, PartitionIndexes=[0])])


@scenario
def consumer_group_is_full(w):
    topic, group = w.topic('t'), w.group('g')
    members = [Consumer(w, str(n), group, [topic]) for n in range(7)]
    for member in members:
        member.join('joins')
    members[0].leave('makes room'), w.note('joins', members[6].join(None)['ErrorCode']), w.note('is there already', members[5].join(None)['ErrorCode'])
    old = w.group('old')
    classic = [classic_groups.Member(w, 'old %d' % n, old, instance='i%d' % n, topics=(topic,), rebalance_ms=1000) for n in range(7)]
    classic[0].join('joins'), classic[0].sync('joins', {classic[0]: assignment(topic, 0)})
    for member in classic[1:6]:
        member.send_join()
    classic_groups.wait_members(w, old, 6)
    classic[6].send_join()
    w.note('is one too many', classic[6].connection.receive()['ErrorCode'])
    new = Consumer(w, 'new', old, [topic])
    classic[0].send_join()
    for member in classic[:6]:
        member.connection.receive()
    new.join('is one too many')


@scenario
def consumer_expressions(w):
    one, group = w.topic('re-one', 2), w.group('g')
    for word in ('re-two', 're-three', 'other'):
        w.topic(word)
    expression = w.n('re-') + '.*'
    a = Consumer(w, 'a', group, regex=expression)
    a.join(None)
    a.wait_assigned(4)
    describe(w, 'by expression', group)
    b = Consumer(w, 'b', group, [one], regex=w.n('re-t') + '(wo|hree)')
    b.join(None)
    for member in (a, b) * 12:
        member.beat(None), member.acknowledge(None)
    wait_until(lambda: [m.beat(None) and m.acknowledge(None) for m in (a, b)] and described(w, group)['GroupState'] == 'Stable', 'rest')
    shown = described(w, group)
    w.note('names and expression', [{key: member[key] for key in ('MemberId', 'SubscribedTopicNames', 'SubscribedTopicRegex', 'Assignment', 'TargetAssignment')}
                                    for member in shown['Members']])
    all_of_them = Consumer(w, 'c', w.group('h'), regex='__consumer_off.*|' + w.n('re-one'))
    all_of_them.join(None)
    all_of_them.wait_assigned(3)
    w.note('internal topics, too', [(item['TopicName'], item['Partitions']) for item in described(w, w.n('h'))['Members'][0]['Assignment']['TopicPartitions']])
    for bad in ('[', '(', '*', 'a{2,1}', '\\', '(?<x', 'a**', '[[:nope:]]', '\\pX'):
        b.beat('expression %s' % bad, SubscribedTopicRegex=bad)
    b.beat('no expression any more', SubscribedTopicRegex='')
    wait_until(lambda: [m.beat(None) and m.acknowledge(None) for m in (a, b)] and described(w, group)['GroupState'] == 'Stable', 'rest')
    w.note('names alone', [{key: member[key] for key in ('MemberId', 'SubscribedTopicNames', 'SubscribedTopicRegex', 'Assignment')}
                           for member in described(w, group)['Members']])


@scenario
def consumer_time_outs(w):
    topic, group = w.topic('t', 2), w.group('g')
    w.ask('quick', 'IncrementalAlterConfigs', 1, dict(Resources=[dict(ResourceType=32, ResourceName=group, Configs=[
        dict(Name='consumer.session.timeout.ms', ConfigOperation=0, Value='1500'), dict(Name='consumer.heartbeat.interval.ms', ConfigOperation=0, Value='100')])]))
    a, b = Consumer(w, 'a', group, [topic]), Consumer(w, 'b', group, [topic])
    wait_until(lambda: a.join(None)['HeartbeatIntervalMs'] == 100, 'the setting')
    a.acknowledge('has all')
    b.join('second')
    a.beat('gives up'), a.acknowledge('gave up'), b.beat('gets one'), b.acknowledge('has one')
    wait_until(lambda: a.beat(None)['ErrorCode'] == 0 and len(described(w, group)['Members']) == 1, 'b is put out')
    a.wait_assigned(2)
    describe(w, 'b is put out', group)
    b.beat('put out')
    slow = Consumer(w, 'slow', group, [topic], rebalance_ms=QUICK_MS)
    a.beat('is quick to give up', RebalanceTimeoutMs=QUICK_MS)
    slow.join('makes a give one up')

    def has_gone():
        slow.beat(None)
        a.beat(None, TopicPartitions=[parts(w, topic, 0, 1)])
        return a.id not in [member['MemberId'] for member in described(w, group)['Members']]
    wait_until(has_gone, 'a gave nothing up in time')
    slow.wait_assigned(2)
    describe(w, 'a gave nothing up in time', group)
    a.beat('put out')


@scenario
def consumer_and_classic_members(w):
    topic, group = w.topic('t', 4), w.group('g')
    old = classic_groups.Member(w, 'old', group, topics=(topic,))
    old.join('alone'), old.sync('alone', {old: assignment(topic, 0, 1, 2, 3)})
    old.commit('before', topic, 1)
    new = Consumer(w, 'new', group, [topic])
    new.join('on a classic group')
    describe(w, 'both protocols', group), w.ask('both protocols', 'DescribeGroups', 6, dict(Groups=[group])), w.ask('both protocols', 'ListGroups', 5, {})
    old.beat('is to rejoin'), new.beat('must wait')
    old.commit('still allowed', topic, 2)
    old.join('in a consumer group'), old.sync('is told what it has'), old.beat('then')
    describe(w, 'the old one knows', group)
    new.beat('gets some'), new.acknowledge('has some')
    describe(w, 'both have some', group)
    old.beat('stable'), old.beat('late', GenerationId=old.generation - 1), old.beat('stranger', MemberId='stranger')
    old.commit('of its generation', topic, 3), old.commit('late', topic, 3, GenerationIdOrMemberEpoch=old.generation - 1)
    new.leave('the last of the new protocol')
    describe(w, 'classic again', group), w.ask('classic again', 'DescribeGroups', 6, dict(Groups=[group])), w.ask('classic again', 'ListGroups', 5, {})
    old.beat('is to rejoin'), old.join('classic again'), old.sync('classic again', {old: assignment(topic, 0, 1, 2, 3)}), old.beat('classic again')
    w.offsets('all along', group)
    classic_groups.leave(w, 'the last', group, (old.id, None))
    fresh = Consumer(w, 'fresh', group, [topic])
    fresh.join('on an empty classic group')
    w.offsets('kept', group), describe(w, 'a consumer group now', group)
    fresh.leave('the last')
    last = classic_groups.Member(w, 'last', group, topics=(topic,))
    last.join('on an empty consumer group'), last.sync('on an empty consumer group', {last: b''})
    w.ask('at last', 'DescribeGroups', 6, dict(Groups=[group])), describe(w, 'at last', group)


@scenario
def consumer_and_two_classic_members(w):
    """Which partitions a member gets depends on ids that the broker makes up: only how many are compared."""
    topic, group = w.topic('t', 6), w.group('g')
    one, two = (classic_groups.Member(w, name, group, topics=(topic,), instance=instance) for name, instance in (('one', None), ('two', 'i2')))
    new = Consumer(w, 'new', group, [topic])
    one.join('alone'), one.sync('alone', {one: assignment(topic, 0, 1, 2, 3, 4, 5)})
    new.join('on a classic group')
    two.join('static, in a consumer group')
    for _ in range(8):
        for member in (one, two):
            if member.beat(None)['ErrorCode']:
                member.send_join()
                member.generation = member.connection.receive()['GenerationId']
                member.connection.call('SyncGroup', 5, member.sync_body())
        new.beat(None), new.acknowledge(None)
    one.beat('at rest'), two.beat('at rest'), new.beat('at rest')
    members = described(w, group)['Members']
    w.note('partitions of each', [(member['MemberType'], [len(item['Partitions']) for item in member['Assignment']['TopicPartitions']]) for member in members])
    classic_groups.leave(w, 'by instance', group, ('', 'i2'))
    one.beat('after it'), new.beat(None), two.beat('left')
    classic_groups.leave(w, 'the new one by the old request', group, (new.id, None))
    w.ask('classic again', 'ListGroups', 5, {})
    w.note('protocol', described_classic(w, group))


def described_classic(w, group):
    found = classic_groups.describe(w, None, group)['Groups'][0]
    return {name: found[name] for name in ('GroupState', 'ProtocolType', 'ProtocolData')}


def assignment(topic, *partitions):
    """What a leader hands out, as the clients write it (version 0)."""
    raw = topic.encode()
    return b'\0\0' + (1).to_bytes(4, 'big') + len(raw).to_bytes(2, 'big') + raw + len(partitions).to_bytes(4, 'big') + \
        b''.join(partition.to_bytes(4, 'big') for partition in partitions) + (-1).to_bytes(4, 'big', signed=True)


@scenario
def consumer_leaves_by_the_classic_request(w):
    topic, group = w.topic('t', 2), w.group('g')
    a, b = Consumer(w, 'a', group, [topic], assignor='uniform'), Consumer(w, 'b', group, [topic], instance='ib', assignor='range')
    c = Consumer(w, 'c', group, [topic], instance='ic')
    for member in (a, b, c):
        member.join('joins')
    describe(w, 'one vote each', group)
    leave = classic_groups.leave
    leave(w, 'wrong pairs', group, ('stranger', None), ('', 'ix'), (a.id, 'ib'), (b.id, 'ic'), ('stranger', 'ib'))
    leave(w, 'static, without its instance', group, (b.id, None))
    leave(w, 'static, by instance', group, ('', 'ic'))
    leave(w, 'by id, twice', group, (a.id, None), (a.id, None))
    leave(w, 'of old', group, (a.id, None), version=3)
    describe(w, 'who is left', group)
    for member in (a, b, c):
        member.beat('after it')
