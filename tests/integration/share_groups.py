# SPDX-License-Identifier: Apache-2.0
"""Share groups (KIP-932), request by request: members and what they are assigned, what administrators do with offsets, all of
it through kills; and that a group begins where it was told to."""
import struct

import harness
from harness import run, wait_until
from share_client import BUSY, INVALID_REQUEST, NONE, TAGS, UNKNOWN_TOPIC_OR_PARTITION, Member, ShareClient
from txn_client import compact, compact_array

HEARTBEAT, DESCRIBE, DESCRIBE_OFFSETS, ALTER_OFFSETS, DELETE_OFFSETS = 76, 77, 90, 91, 92
LIST_GROUPS, DELETE_GROUPS, UPDATE_FEATURES = 16, 42, 57
UNKNOWN_MEMBER_ID, UNSUPPORTED_VERSION, NON_EMPTY_GROUP, GROUP_ID_NOT_FOUND, FENCED_MEMBER_EPOCH = 25, 35, 68, 69, 110
SAFE_DOWNGRADE, UPGRADE = 2, 1
LEAVE = -1
SETTINGS = ('share.coordinator.state.topic.num.partitions=2', 'group.share.min.heartbeat.interval.ms=100',
            'group.share.heartbeat.interval.ms=200', 'group.share.min.session.timeout.ms=1000',
            'group.share.assignment.interval.ms=0')


class _Client(ShareClient):
    def heartbeat(self, group, member, epoch, topics=None):
        """Again while the coordinator is not ready. -> (error, member epoch, {topic id: partitions} or None)"""
        answers = []

        def is_answered():
            answers.append(self._beat(group, member, epoch, topics))
            return answers[-1][0] not in BUSY
        wait_until(is_answered, what='the coordinator')
        return answers[-1]

    def _beat(self, group, member, epoch, topics):
        names = b'\0' if topics is None else compact_array([compact(name) for name in topics])
        reader = self.flex(HEARTBEAT, 1, compact(group) + compact(member) + struct.pack('>i', epoch) + compact(None) + names)
        reader.tags()
        reader.take('i')
        error, self.message = reader.take('h'), reader.string()
        reader.string()
        member_epoch, self.interval_ms = reader.take('ii')
        assigned = None
        if reader.take('b') != -1:
            assigned = {}

            def topic():
                topic_id = reader.bytes(16)
                assigned[topic_id] = sorted(reader.array(lambda: reader.take('i')))
                reader.tags()
            reader.array(topic)
        return error, member_epoch, assigned

    def described(self, group):
        """-> (error, state, group epoch, {member: {topic name: partitions}})"""
        reader = self.flex(DESCRIBE, 1, compact_array([compact(group)]) + b'\0')
        reader.tags()
        reader.take('i')
        members = {}

        def member():
            name = reader.string()
            reader.string(), reader.take('i'), reader.string(), reader.string(), reader.array(reader.string)
            held = {}

            def topic():
                reader.bytes(16)
                topic_name = reader.string()
                held[topic_name] = sorted(reader.array(lambda: reader.take('i')))
                reader.tags()
            reader.array(topic)
            reader.tags(), reader.tags()
            members[name] = held

        def one():
            error = reader.take('h')
            reader.string(), reader.string()
            state = reader.string()
            epoch = reader.take('ii')[0]
            reader.string()
            reader.array(member)
            reader.take('i'), reader.tags()
            return error, state, epoch, members
        return reader.array(one)[0]

    def offsets(self, group):
        """-> {(topic, partition): (start offset, lag)} of all that are known"""
        reader = self.flex(DESCRIBE_OFFSETS, 1, compact_array([compact(group) + b'\0' + TAGS]))
        reader.tags()
        reader.take('i')
        found = {}

        def topic():
            name = reader.string()
            reader.bytes(16)

            def partition():
                index, start, _, lag = reader.take('iqiq')
                assert reader.take('h') == NONE
                reader.string(), reader.tags()
                found[name, index] = start, lag
            reader.array(partition)
            reader.tags()

        def one():
            reader.string()
            reader.array(topic)
            error = reader.take('h')
            reader.string(), reader.tags()
            assert error == NONE, error
        reader.array(one)
        return found

    def alter(self, group, topic, starts):
        """starts: {partition: offset}. -> (error, {partition: error})"""
        body = compact(topic) + compact_array([struct.pack('>iq', *row) + TAGS for row in starts.items()]) + TAGS
        reader = self.flex(ALTER_OFFSETS, 0, compact(group) + compact_array([body]))
        reader.tags()
        reader.take('i')
        error, self.message = reader.take('h'), reader.string()
        found = {}

        def one():
            reader.string(), reader.bytes(16)

            def partition():
                index, code = reader.take('ih')
                found[index] = code
                reader.string(), reader.tags()
            reader.array(partition)
            reader.tags()
        reader.array(one)
        return error, found

    def forget(self, group, *topics):
        """DeleteShareGroupOffsets. -> (error, {topic: error})"""
        reader = self.flex(DELETE_OFFSETS, 0, compact(group) + compact_array([compact(name) + TAGS for name in topics]))
        reader.tags()
        reader.take('i')
        error, self.message = reader.take('h'), reader.string()
        found = {}

        def one():
            name = reader.string()
            reader.bytes(16)
            found[name] = reader.take('h')
            reader.string(), reader.tags()
        reader.array(one)
        return error, found

    def delete_group(self, group):
        """-> error"""
        reader = self.flex(DELETE_GROUPS, 2, compact_array([compact(group)]))
        reader.tags()
        reader.take('i')
        return reader.array(lambda: (reader.string(), reader.take('h'), reader.tags())[1])[0]

    def groups(self):
        """-> {group: (state, type)}"""
        reader = self.flex(LIST_GROUPS, 5, compact_array([]) + compact_array([]))
        reader.tags()
        reader.take('ih')

        def one():
            name = reader.string()
            reader.string()
            row = name, (reader.string(), reader.string())
            reader.tags()
            return row
        return dict(reader.array(one))

    def set_feature(self, name, level, kind):
        """-> error"""
        update = compact(name) + struct.pack('>hb', level, kind) + TAGS
        reader = self.flex(UPDATE_FEATURES, 2, struct.pack('>i', 60000) + compact_array([update]) + b'\0')
        reader.tags()
        return reader.take('ih')[1]


class _Broker(harness.Broker):
    def __init__(self, directory, *overrides):
        super().__init__(directory, *SETTINGS, *overrides)

    def connect(self):
        return _Client(self.port)


class _Sharer:
    """A member as its client keeps it."""

    def __init__(self, client, group, name, *topics):
        self.client, self.group, self.name, self.held, self.epoch = client, group, name, {}, 0
        client.coordinate(group)
        self.beat(topics)

    def beat(self, topics=None):
        error, epoch, assigned = self.client.heartbeat(self.group, self.name, self.epoch, topics)
        assert error == NONE, (error, self.client.message)
        self.epoch = epoch
        self.held = self.held if assigned is None else assigned
        return self.held

    def count(self):
        return sum(len(partitions) for partitions in self.beat().values())

    def wait(self, count):
        wait_until(lambda: self.count() == count, what='%s has %d partitions' % (self.name, count))

    def leave(self):
        assert self.client.heartbeat(self.group, self.name, LEAVE)[:2] == (NONE, LEAVE)


def members_share_partitions_and_pass_them_on(directory):
    with _Broker(directory, 'group.share.session.timeout.ms=1000') as broker, broker.connect() as client:
        client.create_topic('t', 4)
        one = _Sharer(client, 'g', 'one', 't')
        one.wait(4)
        two = _Sharer(client, 'g', 'two', 't')
        wait_until(lambda: (one.count(), two.count()) == (2, 2), what='each has half')
        assert sorted(one.held[client.topic_id('t')] + two.held[client.topic_id('t')]) == [0, 1, 2, 3]
        error, state, epoch, members = client.described('g')
        assert (error, state, epoch) == (NONE, 'Stable', one.epoch) and sorted(members) == ['one', 'two'], members
        assert client.groups() == {'g': ('Stable', 'share')}
        assert client.heartbeat('g', 'one', one.epoch + 1)[0] == FENCED_MEMBER_EPOCH
        assert client.heartbeat('g', 'none', 3)[0] == UNKNOWN_MEMBER_ID
        assert client.heartbeat('g', '', 0, ['t'])[0] == INVALID_REQUEST
        one.wait(4)     # the other is silent for its session
        assert client.heartbeat('g', 'two', two.epoch)[0] == UNKNOWN_MEMBER_ID
        one.leave()
        assert client.described('g')[1] == 'Empty' and client.groups() == {'g': ('Empty', 'share')}
        broker.stop()


def a_group_survives_a_kill(directory):
    with _Broker(directory) as broker, broker.connect() as client:
        client.create_topic('t', 3)
        one = _Sharer(client, 'g', 'one', 't')
        one.wait(3)
        before = client.described('g')
        broker.kill()
    with _Broker(directory) as broker, broker.connect() as client:
        assert client.heartbeat('g', 'one', one.epoch) == (NONE, one.epoch, None)
        assert client.described('g') == before
        assert sorted(client.offsets('g')) == [('t', 0), ('t', 1), ('t', 2)]
        broker.stop()


def a_topic_that_comes_and_goes_is_followed(directory):
    with _Broker(directory) as broker, broker.connect() as client:
        one = _Sharer(client, 'g', 'one', 't', 'u')
        assert one.held == {}
        client.create_topic('t', 2)
        one.wait(2)
        client.create_topic('u', 3)
        one.wait(5)
        _delete_topic(client, 'u')
        one.wait(2)
        wait_until(lambda: sorted(client.offsets('g')) == [('t', 0), ('t', 1)], what='its offsets are gone')
        broker.stop()


def _delete_topic(client, name):
    reader = client.call(20, 1, harness.array([harness.string(name)]) + struct.pack('>i', 10000))
    reader.take('i')
    assert reader.array(lambda: (reader.string(), reader.take('h'))[1]) == [NONE]


def offsets_are_set_looked_at_and_forgotten(directory):
    with _Broker(directory) as broker, broker.connect() as client:
        client.create_topic('t', 2)
        client.produce('t', [b'%d' % i for i in range(10)])
        client.coordinate('g')
        wait_until(lambda: client.alter('g', 't', {0: 4, 1: 0, 7: 1}) ==
                   (NONE, {0: NONE, 1: NONE, 7: UNKNOWN_TOPIC_OR_PARTITION}), what='the offsets are set')
        assert client.offsets('g') == {('t', 0): (4, 6), ('t', 1): (0, 0)}
        with Member(ShareClient(broker.port), 'g', client.topic_id('t'), 'one') as member:
            assert _first_offset(member) == 4
        one = _Sharer(client, 'g', 'one', 't')
        assert client.alter('g', 't', {0: 1})[0] == NON_EMPTY_GROUP
        assert client.forget('g', 't')[0] == NON_EMPTY_GROUP and client.delete_group('g') == NON_EMPTY_GROUP
        one.leave()
        assert client.alter('g', 't', {0: 7}) == (NONE, {0: NONE})
        with Member(ShareClient(broker.port), 'g', client.topic_id('t'), 'two') as member:
            assert _first_offset(member) == 7, 'what the broker remembered of the group is gone'
        assert client.forget('g', 't', 'nosuch') == (NONE, {'t': NONE, 'nosuch': UNKNOWN_TOPIC_OR_PARTITION})
        assert client.offsets('g') == {}
        broker.kill()
    with _Broker(directory) as broker, broker.connect() as client:
        wait_until(lambda: client.groups() == {'g': ('Empty', 'share')}, what='the group after a kill')
        assert client.offsets('g') == {}
        assert client.delete_group('g') == NONE and client.groups() == {}
        assert client.delete_group('g') == GROUP_ID_NOT_FOUND and client.described('g')[0] == GROUP_ID_NOT_FOUND
        broker.stop()


def _first_offset(member):
    """The first record that the member acquires; its session is over afterwards."""
    found = []

    def has_some():
        member.send(wait_ms=100)
        for code, _, _, acquired in member.receive().values():
            found.extend(first for first, _, _ in acquired if code == NONE)
        return found
    wait_until(has_some, what='records')
    member.leave()
    return found[0]


def without_the_feature_there_are_no_share_groups(directory):
    with _Broker(directory) as broker, broker.connect() as client:
        client.coordinate('g')
        assert client.set_feature('share.version', 0, SAFE_DOWNGRADE) == NONE
        assert client.heartbeat('g', 'one', 0, ['t'])[0] == UNSUPPORTED_VERSION
        assert client.described('g')[0] == UNSUPPORTED_VERSION
        assert client.alter('g', 't', {0: 1})[0] == UNSUPPORTED_VERSION and client.forget('g', 't')[0] == UNSUPPORTED_VERSION
        assert client.set_feature('share.version', 1, UPGRADE) == NONE
        assert client.heartbeat('g', 'one', 0, ['t'])[0] == NONE
        broker.stop()


def a_group_has_settings_of_its_own(directory):
    with _Broker(directory) as broker, broker.connect() as client:
        assert client.set_group_config('g', 'share.heartbeat.interval.ms', '300') == NONE
        for group, interval_ms in (('g', 300), ('h', 200)):
            client.coordinate(group)
            assert client.heartbeat(group, 'one', 0, ['t'])[0] == NONE and client.interval_ms == interval_ms
        broker.stop()


if __name__ == '__main__':
    run(globals())
