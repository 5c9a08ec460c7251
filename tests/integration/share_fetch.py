# SPDX-License-Identifier: Apache-2.0
"""ShareFetch and ShareAcknowledge, request by request: who gets which records, for how long, how often, and that what was
acknowledged stays so.  What is expected here is what Apache Kafka 4.3.0 answers."""
import struct

import harness
from disk import delete_records
from harness import run, wait_until
from share_client import (ACCEPT, FENCED_STATE_EPOCH, GAP, INVALID_RECORD_STATE, INVALID_REQUEST, INVALID_SHARE_SESSION_EPOCH, NONE,
                          NOT_LEADER_OR_FOLLOWER, OFFSET_NOT_AVAILABLE, RECORD_LIMIT, REJECT, RELEASE, RENEW, SHARE_SESSION_LIMIT_REACHED,
                          SHARE_SESSION_NOT_FOUND, UNKNOWN_TOPIC_ID, UNKNOWN_TOPIC_OR_PARTITION, Member, ShareClient)
from txn_client import TxnClient

SETTINGS = ('share.coordinator.state.topic.num.partitions=2', 'group.share.min.record.lock.duration.ms=1000',
            'transaction.state.log.num.partitions=2')
LOCK_MS = 15000


class _Broker(harness.Broker):
    def __init__(self, directory, *overrides):
        super().__init__(directory, *SETTINGS, *overrides)

    def connect(self, kind=ShareClient):
        return kind(self.port)


class _Story:
    """One topic, one group of the same name, whose state begins at 0."""

    def __init__(self, broker, name, partitions=1, start=0, configs=(), topic_configs=()):
        self.broker, self.name, self.ends = broker, name, {}
        self.client = broker.connect()
        assert self.client.create_topic(name, partitions, topic_configs) == NONE
        self.topic_id = self.client.topic_id(name)
        for key, value in configs:
            assert self.client.set_group_config(name, key, value) == NONE
        for partition in range(partitions):
            self.client.begin(name, self.topic_id, 0, start, partition)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.client.socket.close()

    def member(self, name='one', **kwargs):
        return Member(self.broker.connect(), self.name, self.topic_id, name, **kwargs)

    def produce(self, *batches, partition=0):
        """Each batch so many records; the values are their offsets, as long as nobody else writes."""
        for count in batches:
            at = self.ends.get(partition, 0)
            self.ends[partition] = count + self.client.produce(self.name, [b'%d' % (at + i) for i in range(count)], partition)

    def stored(self, partition=0):
        """(start offset, deliveries complete) as the share coordinator has them"""
        error, _, (_, _, start, complete) = self.client.summary(self.name, self.topic_id, partition)
        assert error == NONE, error
        return start, complete


_ONE_SEGMENT = (('segment.ms', '9223372036854775807'),)     # produced records are old, transactions are of now


def _values(first, last):
    return [b'%d' % offset for offset in range(first, last + 1)]


def _joined(acquired):
    """Neighbours as one: whether they are told as one or as several says nothing."""
    found = []
    for first, last, count in sorted(acquired):
        if found and found[-1][1:] == (first - 1, count):
            first = found.pop()[0]
        found.append((first, last, count))
    return found


def _take_all(member, first, last):
    """Takes until it has all of these. -> as taken"""
    found = []
    while sum(row[1] - row[0] + 1 for row in found) < last - first + 1:
        more = member.take()
        found += more
    return _joined(found)


# ---- Acquiring ----

def records_are_acquired_by_one_member_at_a_time(directory):
    with _Broker(directory) as broker, _Story(broker, 'one-at-a-time') as story, story.member('one') as one, \
            story.member('two') as two:
        story.produce(5)
        assert one.take() == [(0, 4, 1)] and one.values == _values(0, 4) and one.lock_ms in (30000, LOCK_MS), one.lock_ms
        assert two.take(wait_ms=0) == []
        story.produce(3)
        assert two.take() == [(5, 7, 1)] and two.values == _values(5, 7)


def whole_batches_are_acquired_in_batch_mode(directory):
    with _Broker(directory) as broker, _Story(broker, 'whole-batches') as story, story.member() as one:
        story.produce(4, 4, 4, 4)
        assert one.take(max_records=6, batch_size=500) == [(0, 7, 1)]
        assert one.take(max_records=1, batch_size=500) == [(8, 11, 1)]
        assert one.values == _values(8, 11)


def acquired_runs_are_cut_at_the_batch_size(directory):
    with _Broker(directory) as broker, _Story(broker, 'batch-size') as story, story.member() as one:
        story.produce(4, 4, 4, 4)
        assert one.take(batch_size=5) == [(0, 7, 1), (8, 15, 1)]


def no_more_than_the_limit_is_acquired_in_record_limit_mode(directory):
    with _Broker(directory) as broker, _Story(broker, 'record-limit') as story, story.member() as one, story.member('two') as two:
        story.produce(4, 4)
        assert one.take(max_records=3, mode=RECORD_LIMIT) == [(0, 2, 1)]
        assert one.values == _values(0, 3)      # whole batches all the same
        assert _joined(two.take(max_records=3, mode=RECORD_LIMIT)) == [(3, 5, 1)]
        assert two.take(mode=RECORD_LIMIT) == [(6, 7, 1)]


def partitions_are_read_in_turn(directory):
    with _Broker(directory) as broker, _Story(broker, 'turns', 2) as story, story.member(partitions=(0, 1)) as one:
        story.produce(5, partition=0)
        story.produce(5, partition=1)
        first = one.fetch(max_records=1, wait_ms=15000)
        second = one.fetch(max_records=1, wait_ms=15000)
        got = sorted(partition for found in (first, second) for partition, answer in found.items() if answer[3])
        assert got == [0, 1], (first, second)


def a_fetch_that_waited_is_answered_with_what_ended_its_wait(directory):
    with _Broker(directory) as broker, _Story(broker, 'one-by-one', 2) as story, story.member(partitions=(0, 1)) as one:
        story.produce(5, partition=0)
        story.produce(5, partition=1)
        first = one.fetch(wait_ms=15000)    # it waits until a share partition is loaded
        second = one.fetch(wait_ms=15000)
        assert len(first) == len(second) == 1 and set(first) | set(second) == {0, 1}, (first, second)
        assert one.acknowledge((0, 4, RELEASE), partition=0) == one.acknowledge((0, 4, RELEASE), partition=1) == NONE
        third = one.fetch(wait_ms=15000)
        assert set(third) == {0, 1} and all(_joined(answer[3]) == [(0, 4, 2)] for answer in third.values()), third


def no_more_are_in_flight_than_may_be(directory):
    configs = (('share.partition.max.record.locks', '100'),)
    with _Broker(directory, 'group.share.min.partition.max.record.locks=100') as broker, \
            _Story(broker, 'in-flight', configs=configs) as story, story.member() as one, story.member('two') as two:
        story.produce(60, 60, 60)
        assert one.take() == [(0, 119, 1)]
        assert two.take(wait_ms=100) == []
        assert one.acknowledge((0, 119, ACCEPT)) == NONE
        assert two.take() == [(120, 179, 1)]


def a_fetch_waits_for_records(directory):
    with _Broker(directory) as broker, _Story(broker, 'waits') as story, story.member() as one:
        assert one.take(wait_ms=50) == []
        one.send(wait_ms=harness.WAIT_SECONDS * 1000)
        story.produce(2)
        assert one.receive()[0][3] == [(0, 1, 1)]


def a_fetch_waits_for_records_that_are_released(directory):
    with _Broker(directory) as broker, _Story(broker, 'waits-released') as story, story.member('one') as one, \
            story.member('two') as two:
        story.produce(2)
        assert one.take() == [(0, 1, 1)]
        two.send(wait_ms=harness.WAIT_SECONDS * 1000)
        assert one.acknowledge((0, 1, RELEASE)) == NONE
        assert two.receive()[0][3] == [(0, 1, 2)]


def a_fetch_waits_for_as_many_bytes_as_it_wants(directory):
    with _Broker(directory) as broker, _Story(broker, 'min-bytes') as story, story.member('one') as one:
        story.produce(2)
        one.send(wait_ms=harness.WAIT_SECONDS * 1000, min_bytes=200)
        story.produce(2, 40)
        found = one.receive()[0][3]
        assert found[0][0] == 0 and found[-1][1] > 1, found


# ---- Acknowledging ----

def accepted_records_are_not_delivered_again(directory):
    with _Broker(directory) as broker, _Story(broker, 'accepted') as story, story.member() as one:
        story.produce(6)
        one.take()
        assert one.acknowledge((0, 2, ACCEPT)) == NONE
        assert story.stored() == (0, 3), story.stored()
        one.leave()
        assert _joined(one.take()) == [(3, 5, 2)]
        assert one.take({0: [(3, 5, ACCEPT)]}, wait_ms=0) == []
        assert story.stored() == (3, 3), story.stored()


def acknowledgements_come_with_a_fetch(directory):
    with _Broker(directory) as broker, _Story(broker, 'with-a-fetch') as story, story.member() as one:
        story.produce(3)
        one.take()
        story.produce(3)
        assert one.take({0: [(0, 2, ACCEPT)]}) == [(3, 5, 1)]
        assert story.stored() == (0, 3), story.stored()


def released_records_are_delivered_again_and_counted(directory):
    with _Broker(directory) as broker, _Story(broker, 'released') as story, story.member('one') as one, story.member('two') as two:
        story.produce(4)
        one.take()
        assert one.acknowledge((1, 2, RELEASE)) == NONE
        assert _joined(two.take()) == [(1, 2, 2)]
        assert one.acknowledge((0, 0, ACCEPT), (3, 3, ACCEPT)) == NONE
        assert two.acknowledge((1, 2, REJECT)) == NONE
        assert story.stored() == (1, 3), story.stored()


def each_offset_may_have_a_type_of_its_own(directory):
    with _Broker(directory) as broker, _Story(broker, 'types') as story, story.member() as one:
        story.produce(6)
        one.take()
        assert one.acknowledge((0, 5, ACCEPT, RELEASE, REJECT, GAP, RELEASE, ACCEPT)) == NONE
        assert story.stored() == (0, 4), story.stored()
        assert _joined(one.take()) == [(1, 1, 2), (4, 4, 2)]


def after_the_last_delivery_a_record_is_given_up(directory):
    configs = (('share.delivery.count.limit', '2'),)
    with _Broker(directory, 'group.share.min.delivery.count.limit=2') as broker, \
            _Story(broker, 'given-up', configs=configs) as story, story.member() as one:
        story.produce(1)
        assert one.take() == [(0, 0, 1)]
        assert one.take({0: [(0, 0, RELEASE)]}) == [(0, 0, 2)]
        assert one.take({0: [(0, 0, RELEASE)]}, wait_ms=0) == []
        assert story.stored() == (0, 1), story.stored()


def nobody_acknowledges_what_he_does_not_hold(directory):
    with _Broker(directory) as broker, _Story(broker, 'not-held') as story, story.member('one') as one, story.member('two') as two:
        story.produce(4, 4)
        assert one.take(max_records=1) == [(0, 3, 1)]
        assert two.take() == [(4, 7, 1)]
        assert two.acknowledge((0, 3, ACCEPT)) == INVALID_RECORD_STATE
        assert two.acknowledge((4, 4, ACCEPT), (3, 3, ACCEPT)) == INVALID_REQUEST
        assert two.acknowledge((4, 9, ACCEPT)) == INVALID_REQUEST
        assert two.acknowledge((4, 5, 9)) == INVALID_REQUEST
        assert two.acknowledge((4, 6, ACCEPT, ACCEPT)) == INVALID_REQUEST
        assert two.acknowledge((4, 6)) == INVALID_REQUEST
        assert two.acknowledge((4, 7, ACCEPT)) == NONE
        assert two.acknowledge((4, 7, ACCEPT)) == INVALID_RECORD_STATE
        assert two.fetch({0: [(4, 7, ACCEPT)]})[0][:2] == (NONE, INVALID_RECORD_STATE)
        assert one.acknowledge((0, 3, ACCEPT)) == NONE
        assert story.stored() == (0, 8), story.stored()


def renewing_keeps_records_and_fetches_nothing(directory):
    with _Broker(directory) as broker, _Story(broker, 'renews') as story, story.member() as one:
        story.produce(4, 4)
        assert one.take(max_records=1) == [(0, 3, 1)]
        assert one.acknowledge((0, 3, RENEW), is_renew=True) == NONE
        assert one.acknowledge((0, 3, RENEW)) == INVALID_REQUEST
        nothing = {'wait_ms': 0, 'min_bytes': 0, 'max_bytes': 0, 'max_records': 0, 'is_renew': True}
        assert one.fetch({0: [(0, 1, RENEW), (2, 3, ACCEPT)]}, **nothing) == {0: (NONE, NONE, [], [])}
        assert one.client.share_fetch(story.name, 'one', one.epoch, is_renew=True)[0] == INVALID_REQUEST
        assert one.acknowledge((0, 1, ACCEPT)) == NONE
        assert story.stored() == (0, 4), story.stored()


# ---- Who holds no longer ----

def records_held_too_long_go_to_others(directory):
    configs = (('share.record.lock.duration.ms', '1000'),)
    with _Broker(directory) as broker, _Story(broker, 'too-long', configs=configs) as story, story.member('one') as one, \
            story.member('two') as two:
        story.produce(4)
        assert one.take() == [(0, 3, 1)] and one.lock_ms == 1000
        assert one.acknowledge((0, 0, ACCEPT)) == NONE
        assert _take_all(two, 1, 3) == [(1, 3, 2)]
        assert one.acknowledge((1, 3, ACCEPT)) == INVALID_RECORD_STATE
        assert two.acknowledge((1, 3, ACCEPT)) == NONE


def renewed_records_are_held_longer(directory):
    configs = (('share.record.lock.duration.ms', '1000'),)
    with _Broker(directory) as broker, _Story(broker, 'longer', configs=configs) as story, story.member('one') as one, \
            story.member('two') as two:
        story.produce(1, 1)
        assert one.take() == [(0, 1, 1)]
        two.send(wait_ms=harness.WAIT_SECONDS * 1000)
        # The second one's lock runs out first, however often the first one's begins anew.
        found = []
        two.client.socket.settimeout(0.2)
        while not found:
            assert one.acknowledge((0, 0, RENEW), is_renew=True) == NONE
            try:
                found = two.receive()[0][3]
            except TimeoutError:
                pass
        two.client.socket.settimeout(harness.WAIT_SECONDS)
        assert found == [(1, 1, 2)], found
        assert one.acknowledge((0, 0, ACCEPT)) == NONE


def records_of_an_ended_session_go_to_others(directory):
    with _Broker(directory) as broker, _Story(broker, 'left') as story, story.member('one') as one, story.member('two') as two:
        story.produce(4)
        assert one.take() == [(0, 3, 1)]
        assert one.leave({0: [(0, 1, ACCEPT)]}) == {0: NONE}
        assert _joined(two.take()) == [(2, 3, 2)]
        assert two.client.share_fetch(story.name, 'two', -1, acks={(story.topic_id, 0): [(2, 2, ACCEPT)]})[0] == NONE
        assert one.take() == [(3, 3, 3)]


def records_of_a_lost_connection_go_to_others(directory):
    with _Broker(directory) as broker, _Story(broker, 'lost') as story, story.member('two') as two:
        story.produce(4)
        with story.member('one') as one:
            assert one.take() == [(0, 3, 1)]
        assert two.take() == [(0, 3, 2)]


def what_is_not_acknowledged_comes_again_after_a_kill(directory):
    with _Broker(directory) as broker, _Story(broker, 'killed') as story, story.member() as one:
        story.produce(6)
        one.take()
        assert one.acknowledge((0, 0, ACCEPT), (2, 2, ACCEPT), (3, 3, RELEASE)) == NONE
        broker.kill()
        topic_id = story.topic_id
    with _Broker(directory) as broker, broker.connect() as client, Member(broker.connect(), 'killed', topic_id, 'one') as one:
        wait_until(lambda: client.summary('killed', topic_id)[0] == NONE, what='the state')
        found = one.take()
        assert found == [(1, 1, 1), (3, 3, 2), (4, 5, 1)], found


# ---- Sessions ----

def requests_out_of_turn_are_refused(directory):
    with _Broker(directory) as broker, _Story(broker, 'epochs') as story, broker.connect() as client:
        wanted = [(story.topic_id, 0)]
        assert client.share_fetch(story.name, 'm', 1, wanted)[0] == SHARE_SESSION_NOT_FOUND
        assert client.share_fetch(story.name, 'm', -1)[0] == SHARE_SESSION_NOT_FOUND
        assert client.share_acknowledge(story.name, 'm', 1, {})[0] == SHARE_SESSION_NOT_FOUND
        assert client.share_acknowledge(story.name, 'm', 0, {})[0] == INVALID_SHARE_SESSION_EPOCH
        assert client.share_fetch(story.name, 'm', 0, wanted)[0] == NONE
        assert client.share_fetch(story.name, 'm', 2)[0] == INVALID_SHARE_SESSION_EPOCH
        assert client.share_fetch(story.name, 'm', 1)[0] == NONE
        assert client.share_fetch(story.name, 'm', 1)[0] == INVALID_SHARE_SESSION_EPOCH
        assert client.share_acknowledge(story.name, 'm', 1, {})[0] == INVALID_SHARE_SESSION_EPOCH
        assert client.share_acknowledge(story.name, 'm', 2, {})[0] == NONE
        assert client.share_acknowledge(story.name, 'm', -1, {})[0] == NONE
        assert client.share_acknowledge(story.name, 'm', 3, {})[0] == SHARE_SESSION_NOT_FOUND
        acks = {(story.topic_id, 0): [(0, 0, ACCEPT)]}
        assert client.share_fetch(story.name, 'm', 0, acks=acks)[0] == INVALID_REQUEST


def names_that_cannot_be_are_refused(directory):
    with _Broker(directory) as broker, _Story(broker, 'names') as story, broker.connect() as client:
        wanted = [(story.topic_id, 0)]
        assert client.share_fetch(None, 'm', 0, wanted)[0] == INVALID_REQUEST
        assert client.share_fetch(story.name, None, 0, wanted)[0] == INVALID_REQUEST
        assert client.share_fetch(story.name, '', 0, wanted)[0] == INVALID_REQUEST
        assert client.share_fetch(story.name, 'm' * 37, 0, wanted)[0] == INVALID_REQUEST
        assert client.share_acknowledge(story.name, '', 1, {})[0] == INVALID_REQUEST


def there_are_no_more_sessions_than_may_be(directory):
    with _Broker(directory, 'group.share.max.share.sessions=10', 'group.share.max.size=10') as broker, \
            _Story(broker, 'sessions') as story, broker.connect() as client, broker.connect() as other:
        wanted = [(story.topic_id, 0)]
        for i in range(10):
            assert client.share_fetch(story.name, 'm%d' % i, 0, wanted)[0] == NONE
        assert other.share_fetch(story.name, 'late', 0, wanted)[0] == SHARE_SESSION_LIMIT_REACHED
        assert client.share_fetch(story.name, 'm3', -1)[0] == NONE
        assert other.share_fetch(story.name, 'late', 0, wanted)[0] == NONE


def a_partition_that_is_not_there_has_an_error_of_its_own(directory):
    with _Broker(directory) as broker, _Story(broker, 'not-there') as story, broker.connect() as client:
        story.produce(1)
        missing, behind, here = (b'\7' * 16, 0), (story.topic_id, 5), (story.topic_id, 0)
        error, _, found = client.share_fetch(story.name, 'm', 0, [missing, behind, here], wait_ms=5000)
        assert error == NONE
        assert found[missing][0] == UNKNOWN_TOPIC_ID and found[behind][0] == UNKNOWN_TOPIC_OR_PARTITION, found
        if not found.get(here, (0, 0, 0, ()))[3]:
            found = client.share_fetch(story.name, 'm', 1, wait_ms=5000)[2]
        assert found[here][3] == [(0, 0, 1)]
        acks = {missing: [(0, 0, ACCEPT)], behind: [(0, 0, ACCEPT)], here: [(0, 0, ACCEPT)]}
        found = client.share_acknowledge(story.name, 'm', -1, acks)[2]
        assert found == {missing: UNKNOWN_TOPIC_ID, behind: UNKNOWN_TOPIC_OR_PARTITION, here: NONE}, found


def a_forgotten_partition_is_not_read(directory):
    with _Broker(directory) as broker, _Story(broker, 'forgotten', 2) as story, broker.connect() as client:
        story.produce(1, partition=1)
        both = [(story.topic_id, 0), (story.topic_id, 1)]
        assert client.share_fetch(story.name, 'm', 0, both[:1])[0] == NONE
        assert client.share_fetch(story.name, 'm', 1, both[1:], wait_ms=15000)[2][both[1]][3] == [(0, 0, 1)]
        story.produce(1, partition=1)
        assert both[1] not in client.share_fetch(story.name, 'm', 2, forgotten=both[1:], wait_ms=100)[2]


# ---- The log ----

def deleted_records_are_passed_over(directory):
    with _Broker(directory) as broker, _Story(broker, 'deleted') as story, story.member() as one:
        story.produce(4, 4)
        assert one.take(max_records=1) == [(0, 3, 1)]
        assert delete_records(story.client, story.name, 6) == (NONE, 6)
        assert _take_all(one, 6, 7) == [(6, 7, 1)]
        assert one.acknowledge((0, 3, ACCEPT)) == NONE
        assert one.acknowledge((6, 7, ACCEPT)) == NONE
        assert story.stored() == (6, 2), story.stored()


def records_of_aborted_transactions_are_delivered_unless_they_are_not_wanted(directory):
    for isolation, expected in (('read_uncommitted', [(0, 7, 1)]), ('read_committed', [(0, 1, 1), (4, 7, 1)])):
        name = 'aborted-' + isolation
        configs = (('share.isolation.level', isolation),)
        with _Broker(directory) as broker, broker.connect(TxnClient) as producer, \
                _Story(broker, name, configs=configs, topic_configs=_ONE_SEGMENT) as story, story.member() as one:
            story.produce(2)
            who = producer.begin(name)
            assert producer.add_partitions(name, who, {story.name: [0]}) == {(story.name, 0): NONE}
            assert producer.produce_txn(name, who, 0, story.name, [b'2', b'3'])[0] == NONE
            assert producer.end(name, who, False) == NONE
            wait_until(lambda: producer.read(story.name)[0] == 5, what='the end of the transaction')
            story.produce(3)
            found = one.client.share_fetch(story.name, 'one', 0, [(story.topic_id, 0)], wait_ms=15000)[2][story.topic_id, 0][3]
            assert found == expected, found
            acks = {(story.topic_id, 0): [(first, last, ACCEPT) for first, last, _ in found]}
            assert one.client.share_acknowledge(story.name, 'one', 1, acks)[0] == NONE
            start, complete = story.stored()
            assert start + complete == 8, (start, complete)


def where_a_new_group_begins_is_configured(directory):
    with _Broker(directory) as broker:
        for reset, expected in (('earliest', [(0, 3, 1)]), ('latest', [(2, 3, 1)])):
            with _Story(broker, 'reset-' + reset, start=-1, configs=(('share.auto.offset.reset', reset),)) as story, \
                    story.member() as one:
                story.produce(2)
                if reset == 'latest':
                    assert one.take(wait_ms=500) == []
                story.produce(2)
                assert one.take() == expected, reset


def a_new_group_may_begin_at_records_that_are_not_too_old(directory):
    with _Broker(directory) as broker, broker.connect(TxnClient) as producer, \
            _Story(broker, 'by-duration', start=-1, configs=(('share.auto.offset.reset', 'by_duration:PT1H'),)) as story, \
            story.member() as one:
        story.produce(2)    # long ago
        wait_until(lambda: one.fetch().get(0, (NONE,))[0] == OFFSET_NOT_AVAILABLE, what='that nothing is so young')
        who = producer.begin(story.name)
        assert producer.add_partitions(story.name, who, {story.name: [0]}) == {(story.name, 0): NONE}
        assert producer.produce_txn(story.name, who, 0, story.name, [b'2', b'3'])[0] == NONE
        wait_until(lambda: one.fetch(wait_ms=1000).get(0, (0, 0, 0, []))[3] == [(2, 3, 1)], what='records of now')


def a_deleted_topic_is_told(directory):
    with _Broker(directory) as broker, _Story(broker, 'topic-deleted') as story, story.member() as one, \
            broker.connect(TxnClient) as client:
        story.produce(2)
        assert one.take() == [(0, 1, 1)]
        assert client.delete_topic(story.name) == NONE
        wait_until(lambda: one.fetch().get(0, (NONE,))[0] == UNKNOWN_TOPIC_ID, what='the end of the topic')


def a_state_that_was_set_by_others_ends_the_share_partition(directory):
    with _Broker(directory) as broker, _Story(broker, 'fenced') as story, story.member() as one:
        story.produce(6)
        assert one.take() == [(0, 5, 1)]
        assert story.client.initialize(story.name, story.topic_id, 5, 4)[0] == NONE
        assert one.acknowledge((0, 5, ACCEPT)) == NOT_LEADER_OR_FOLLOWER
        assert _joined(one.take()) == [(4, 5, 1)]


if __name__ == '__main__':
    run(globals())
