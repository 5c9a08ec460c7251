# SPDX-License-Identifier: Apache-2.0
"""Settings of single groups, and classic groups that are odd when they are to become consumer groups."""
import struct

import classic_groups
from consumer_groups import Consumer, assignment, described
from world import scenario, wait_until

GROUP, SET, DELETE, APPEND = 32, 0, 1, 2
NAMES = ('consumer.session.timeout.ms', 'consumer.heartbeat.interval.ms', 'streams.session.timeout.ms', 'streams.heartbeat.interval.ms',
         'streams.num.standby.replicas', 'share.session.timeout.ms', 'share.heartbeat.interval.ms', 'share.record.lock.duration.ms',
         'share.auto.offset.reset', 'share.isolation.level', 'share.delivery.count.limit')


def alter(w, label, group, *changes, only_check=False):
    configs = [dict(Name=name, ConfigOperation=operation, Value=value) for name, operation, value in changes]
    return w.ask(label, 'IncrementalAlterConfigs', 1, dict(Resources=[dict(ResourceType=GROUP, ResourceName=group, Configs=configs)], ValidateOnly=only_check))


def configs(w, label, group, names=None):
    return w.ask(label, 'DescribeConfigs', 4, dict(Resources=[dict(ResourceType=GROUP, ResourceName=group, ConfigurationKeys=names)], IncludeSynonyms=True,
                                                  IncludeDocumentation=False))


def session_ms(w, group):
    return configs(w, None, group, ['consumer.session.timeout.ms'])['Results'][0]['Configs'][0]['Value']


@scenario
def group_settings(w):
    group = w.group('g')
    configs(w, 'defaults', group), configs(w, 'one', group, [NAMES[0], 'nope']), configs(w, 'of no group', '')
    for name in NAMES:
        for value in ('-1', '0', '7', '1000', '99999999', 'x', '', None):
            alter(w, '%s to %s' % (name, value), group, (name, SET, value), only_check=True)
    for value in ('latest', 'earliest', 'by_duration:PT1H', 'by_duration:-PT1H', 'by_duration:x', 'none', 'LATEST'):
        alter(w, 'reset to %s' % value, group, ('share.auto.offset.reset', SET, value), only_check=True)
    for value in ('read_committed', 'READ_COMMITTED', 'read_uncommitted', 'x'):
        alter(w, 'isolation %s' % value, group, ('share.isolation.level', SET, value), only_check=True)
    alter(w, 'unknown', group, ('nope', SET, '1')), alter(w, 'no group', '', (NAMES[0], SET, '1000')), alter(w, 'appended', group, (NAMES[0], APPEND, '1000'))
    alter(w, 'heartbeats rarer than the session', group, ('consumer.session.timeout.ms', SET, '1000'), ('consumer.heartbeat.interval.ms', SET, '1000'))
    alter(w, 'two', group, ('consumer.session.timeout.ms', SET, '3000'), ('consumer.heartbeat.interval.ms', SET, '300'))
    wait_until(lambda: session_ms(w, group) == '3000', 'the setting')
    configs(w, 'set', group, ['consumer.session.timeout.ms', 'consumer.heartbeat.interval.ms'])
    w.ask('all of groups', 'ListConfigResources', 1, dict(ResourceTypes=[GROUP]))
    alter(w, 'one is wrong', group, ('consumer.session.timeout.ms', SET, '1'), ('consumer.heartbeat.interval.ms', SET, '400'))
    alter(w, 'back', group, ('consumer.session.timeout.ms', DELETE, None), ('streams.num.standby.replicas', DELETE, None))
    wait_until(lambda: session_ms(w, group) != '3000', 'the default')
    configs(w, 'back', group, ['consumer.session.timeout.ms', 'consumer.heartbeat.interval.ms'])


@scenario
def odd_groups_are_upgraded(w):
    topic = w.topic('t', 2)
    good = classic_groups.subscription(topic)
    for label, metadata, given in (('plain', good, assignment(topic, 0, 1)), ('garbage', b'\xff\xff\xff', b''), ('empty', b'', b''), ('newer version', struct.pack('>h', 9) + good[2:], b''),
                                   ('assignment of garbage', good, b'\xff'), ('no assignment', good, b''), ('partitions that are not there', good, assignment(topic, 0, 7)),
                                   ('a topic that is not there', good, assignment(w.n('none'), 0)), ('bytes behind it', good + b'abc', assignment(topic, 0) + b'abc')):
        old = OddMember(w, 'odd', w.group(label.replace(' ', '-')), metadata)
        old.join(label), old.sync(label, {old: given})
        new = Consumer(w, 'new', old.group, [topic])
        answer = new.join(None)
        w.note('upgrade: ' + label, (answer['ErrorCode'], answer['MemberEpoch']))
        old.beat(label)
        shown = described(w, old.group)
        w.note('upgraded: ' + label, (shown['ErrorCode'], shown['GroupState'], sorted(holding(member) for member in shown['Members'])))


def holding(member):
    """Which partitions a member gets depends on ids that the broker makes up: only how many are compared."""
    return [member['MemberType'], member['SubscribedTopicNames']] + [
        sum(len(item['Partitions']) for item in member[name]['TopicPartitions']) for name in ('Assignment', 'TargetAssignment')]


class OddMember(classic_groups.Member):
    def __init__(self, world, name, group, metadata):
        super().__init__(world, name, group)
        self.metadata = metadata

    def body(self):
        return dict(super().body(), Protocols=[dict(Name='range', Metadata=self.metadata)])
