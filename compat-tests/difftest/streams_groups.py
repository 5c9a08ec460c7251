# SPDX-License-Identifier: Apache-2.0
"""Groups of Kafka Streams (KIP-1071): topologies, tasks that go from one member to another, standbys, fencing."""
from world import scenario, wait_until

JOIN, LEAVE = 0, -1
SLOW_MS = 30000


def tasks(*pairs):
    return [dict(SubtopologyId=name, Partitions=list(partitions)) for name, partitions in pairs]


def topology(source, epoch=1, changelog=None, repartition=None, more=()):
    """Two subtopologies with a repartition topic between them, if there is one; else one."""
    first = dict(SubtopologyId='0', SourceTopics=[source], RepartitionSinkTopics=[repartition] if repartition else [])
    second = dict(SubtopologyId='1', SourceTopics=[], RepartitionSourceTopics=[dict(Name=repartition)])
    last = second if repartition else first
    if changelog:
        last['StateChangelogTopics'] = [dict(Name=changelog, TopicConfigs=[dict(Key='cleanup.policy', Value='compact')])]
    return dict(Epoch=epoch, Subtopologies=([first, second] if repartition else [first]) + list(more))


class StreamsMember:
    def __init__(self, world, name, group, shape, process=None, tags=()):
        self.world, self.name, self.group, self.shape = world, name, group, shape
        self.id, self.epoch, self.process, self.tags = 'member-' + name, 0, process or 'process-' + name, list(tags)
        self.has = {kind: [] for kind in ('ActiveTasks', 'StandbyTasks', 'WarmupTasks')}

    def beat(self, label, **more):
        body = dict(dict(GroupId=self.group, MemberId=self.id, MemberEpoch=self.epoch), **more)
        answer = self.world.ask(label and '%s: %s' % (self.name, label), 'StreamsGroupHeartbeat', 0, body)
        if answer['ErrorCode'] == 0:
            self.epoch = answer['MemberEpoch']
            for kind in self.has:
                if answer[kind] is not None:
                    self.has[kind] = answer[kind]
        return answer

    def join(self, label, **more):
        said = dict(MemberEpoch=JOIN, RebalanceTimeoutMs=SLOW_MS, Topology=self.shape, ActiveTasks=[], StandbyTasks=[], WarmupTasks=[],
                    ProcessId=self.process, ClientTags=self.tags)
        return self.beat(label, **dict(said, **more))

    def acknowledge(self, label, **more):
        return self.beat(label, **dict(self.has, **more))

    def leave(self, label, epoch=LEAVE):
        return self.beat(label, MemberEpoch=epoch)


def describe(world, label, *groups):
    return world.ask(label, 'StreamsGroupDescribe', 0, dict(GroupIds=list(groups), IncludeAuthorizedOperations=True))


def rest(world, group, *members):
    """All say what they have until nobody has anything left to do."""
    def is_at_rest():
        for member in members:
            member.acknowledge(None)
        return describe(world, None, group)['Groups'][0]['GroupState'] == 'Stable'
    wait_until(is_at_rest, group + ' is at rest')


@scenario
def streams_two_members(w):
    source, group = w.topic('source', 4), w.group('g')
    shape = topology(source)
    a, b = StreamsMember(w, 'a', group, shape), StreamsMember(w, 'b', group, shape)
    a.join('first')
    describe(w, 'first', group)
    rest(w, group, a)
    a.beat('nothing new'), describe(w, 'one has all', group)
    b.join('second')
    describe(w, 'the first is to give some up', group)
    b.beat('must wait'), a.beat('is told to give some up')
    a.beat('of an epoch before', MemberEpoch=a.epoch - 1), a.beat('of an epoch to come', MemberEpoch=a.epoch + 1)
    describe(w, 'still has all', group)
    a.acknowledge('gave some up'), b.beat('gets them'), b.acknowledge('has them')
    rest(w, group, a, b)
    describe(w, 'at rest', group)
    b.beat('a stranger', MemberId='stranger'), b.beat('a stranger with an epoch', MemberId='stranger', MemberEpoch=1)
    b.acknowledge('where it runs', UserEndpoint=dict(Host='here', Port=1234))
    a.acknowledge('is told where others run')
    for name in ('OffsetCommit', 'OffsetCommit late'):
        body = dict(GroupId=group, GenerationIdOrMemberEpoch=a.epoch - ('late' in name), MemberId=a.id,
                    Topics=[dict(Name=source, Partitions=[dict(PartitionIndex=0, CommittedOffset=1)])])
        w.ask(name, 'OffsetCommit', 9, body)
    w.ask('by a member', 'OffsetFetch', 9, dict(Groups=[dict(GroupId=group, MemberId=a.id, MemberEpoch=a.epoch, Topics=None)]))
    w.ask('of all kinds', 'ListGroups', 5, {}), w.ask('streams', 'ListGroups', 5, dict(TypesFilter=['streams'], StatesFilter=['Stable']))
    w.ask('as a classic one', 'DescribeGroups', 6, dict(Groups=[group])), w.ask('as a consumer group', 'ConsumerGroupDescribe', 1, dict(GroupIds=[group]))
    w.ask('not empty', 'DeleteGroups', 2, dict(GroupsNames=[group]))
    b.leave('second'), b.beat('after it left')
    describe(w, 'the second left', group)
    rest(w, group, a)
    describe(w, 'the first has all again', group)
    a.leave('first'), describe(w, 'empty', group, group, w.n('none'), '')
    w.ask('empty', 'ListGroups', 5, {}), w.offsets('empty', group)
    w.ask('empty', 'DeleteGroups', 2, dict(GroupsNames=[group]))
    describe(w, 'deleted', group)


@scenario
def streams_bad_requests(w):
    source, group = w.topic('source', 2), w.group('g')
    shape = topology(source)
    for label, more in (('no group', dict(GroupId='')), ('no member', dict(MemberId='')), ('blank rack', dict(RackId=' ')), ('no time', dict(RebalanceTimeoutMs=-1)),
                        ('no topology', dict(Topology=None)), ('no process', dict(ProcessId=None)), ('no tags', dict(ClientTags=None)), ('no tasks', dict(ActiveTasks=None)),
                        ('has tasks', dict(ActiveTasks=tasks(('0', [0])))), ('has standbys', dict(StandbyTasks=tasks(('0', [0])))), ('instance', dict(InstanceId='i')),
                        ('epoch too low', dict(MemberEpoch=-3)), ('epoch', dict(MemberEpoch=4)), ('leaves', dict(MemberEpoch=-1)), ('leaves for now', dict(MemberEpoch=-2)),
                        ('two of one name', dict(Topology=topology(source, more=[dict(SubtopologyId='0', SourceTopics=[source])]))),
                        ('expressions', dict(Topology=dict(Epoch=1, Subtopologies=[dict(SubtopologyId='0', SourceTopicRegex=['a.*'])]))),
                        ('bad topic', dict(Topology=topology('a/b'))), ('no subtopologies', dict(Topology=dict(Epoch=1, Subtopologies=[])))):
        StreamsMember(w, 'a', w.n('bad-' + label.replace(' ', '-')), shape).join(label, **more)
    a, b = StreamsMember(w, 'a', group, shape), StreamsMember(w, 'b', group, topology(source, changelog=w.n('log')))
    a.join('first'), rest(w, group, a)
    b.join('another topology, same epoch')
    b.shape['Epoch'] = 2
    b.join('another topology, newer epoch')
    describe(w, 'two topologies', group)
    a.beat('topology again', Topology=shape), a.beat('tasks it may not have', ActiveTasks=tasks(('0', [7])), StandbyTasks=[], WarmupTasks=[])
    a.beat('tasks of nothing', ActiveTasks=tasks(('9', [0])), StandbyTasks=[], WarmupTasks=[]), a.beat('half its tasks', ActiveTasks=[])
    a.beat('shutdown', ShutdownApplication=True), a.beat('after the shutdown')
    for api, version, body in (('JoinGroup', 9, dict(GroupId=group, SessionTimeoutMs=10000, ProtocolType='consumer', GroupInstanceId='i', Protocols=[dict(Name='x', Metadata=b'')])),
                               ('ConsumerGroupHeartbeat', 1, dict(GroupId=group, MemberId='m', RebalanceTimeoutMs=1000, SubscribedTopicNames=[source], TopicPartitions=[]))):
        w.ask('on a streams group', api, version, body)


@scenario
def streams_internal_topics(w):
    source, group = w.topic('source', 3), w.group('g')
    names = [group + '-' + word for word in ('log-changelog', 'by-repartition')]
    shape = topology(source, changelog=names[0], repartition=names[1])
    a = StreamsMember(w, 'a', group, shape)
    a.join('without its topics')
    wait_until(lambda: not w.ask(None, 'Metadata', 12, dict(Topics=[dict(Name=names[0])], AllowAutoTopicCreation=False))['Topics'][0]['ErrorCode'], 'the topics')
    wait_until(lambda: not a.acknowledge(None)['Status'], 'no complaints')
    rest(w, group, a)
    described = describe(w, 'with its topics', group)
    assert described
    for name in names:
        made = w.ask(None, 'Metadata', 12, dict(Topics=[dict(Name=name)], AllowAutoTopicCreation=False))['Topics'][0]
        w.note('partitions', (made['ErrorCode'], len(made['Partitions']), made['IsInternal']))
        w.ask('configs', 'DescribeConfigs', 4, dict(Resources=[dict(ResourceType=2, ResourceName=name, ConfigurationKeys=['cleanup.policy', 'retention.ms', 'segment.bytes'])]))
    later = StreamsMember(w, 'later', w.group('missing'), topology(w.n('missing-source')))
    later.join('without a source topic')
    describe(w, 'without a source topic', later.group)
    w.topic('missing-source', 2)
    wait_until(lambda: later.acknowledge(None)['ActiveTasks'] or later.has['ActiveTasks'], 'tasks')
    rest(w, later.group, later)
    w.note('tasks', later.has)


@scenario
def streams_standbys(w):
    source, group = w.topic('source', 2), w.group('g')
    w.ask('standbys', 'IncrementalAlterConfigs', 1, dict(Resources=[dict(ResourceType=32, ResourceName=group, Configs=[
        dict(Name='streams.num.standby.replicas', ConfigOperation=0, Value='1')])]))
    shape = topology(source, changelog=group + '-log-changelog')
    members = [StreamsMember(w, name, group, shape) for name in 'abc']
    members[0].join(None)
    wait_until(lambda: not members[0].acknowledge(None)['Status'], 'its topics')
    members[1].join(None)
    rest(w, group, *members[:2])
    describe(w, 'two', group)
    members[2].join(None)
    rest(w, group, *members)
    shown = describe(w, None, group)['Groups'][0]['Members']
    w.note('three', sorted((sum(len(task['Partitions']) for task in member['Assignment']['ActiveTasks']),
                            sum(len(task['Partitions']) for task in member['Assignment']['StandbyTasks'])) for member in shown))
    same = StreamsMember(w, 'd', group, shape, process='process-a')
    same.join(None)
    rest(w, group, same, *members)
    shown = describe(w, None, group)['Groups'][0]['Members']
    w.note('two of one process', sum(len(task['Partitions']) for member in shown for task in member['Assignment']['ActiveTasks'] + member['Assignment']['StandbyTasks']))
