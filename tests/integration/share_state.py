# SPDX-License-Identifier: Apache-2.0
"""The share coordinator, request by request: it is found by key, keeps what leaders of share partitions tell it through a
kill -9, and fences older leaders and older states."""
import base64

import harness
from harness import run, wait_until
from share_client import (ACKNOWLEDGED, FENCED_LEADER_EPOCH, FENCED_STATE_EPOCH, INVALID_REQUEST, NONE, READ,
                          UNKNOWN_TOPIC_OR_PARTITION, ShareClient as _ShareClient)
from txn_client import compact, uvarint


class _Broker(harness.Broker):
    def __init__(self, directory, *overrides):
        super().__init__(directory, 'share.coordinator.state.topic.num.partitions=3', *overrides)

    def connect(self):
        return _ShareClient(self.port)


def _text(topic_id):
    return base64.urlsafe_b64encode(topic_id).decode().rstrip('=')


def _start(client):
    client.create_topic('t')
    topic_id = client.topic_id('t')
    wait_until(lambda: client.find('g:%s:0' % _text(topic_id)) == NONE, what='the coordinator of a share partition')
    return topic_id


def a_share_partition_has_a_coordinator(directory):
    with _Broker(directory) as broker, broker.connect() as client:
        topic_id = _start(client)
        assert client.find('g:with:colons:%s:0' % _text(topic_id)) in (NONE, INVALID_REQUEST)
        for bad in ('', 'g', 'g:t:0', 'g:%s:x' % _text(topic_id), ' :%s:0' % _text(topic_id)):
            assert client.find(bad) == INVALID_REQUEST, bad
        assert client.find('g:%s:0' % _text(topic_id), version=5) == INVALID_REQUEST


def state_is_kept_through_a_kill(directory):
    with _Broker(directory) as broker, broker.connect() as client:
        topic_id = _start(client)
        client.begin('g', topic_id, 1, 10)
        assert client.read('g', topic_id, 4) == (NONE, None, (1, 10, [])) or client.read('g', topic_id, 4)[0] == NONE
        assert client.write('g', topic_id, 4, 1, 12, [(12, 14, 0, 1), (15, 20, ACKNOWLEDGED, 1)], 6)[0] == NONE
        assert client.write('g', topic_id, 4, 1, 12, [(13, 13, ACKNOWLEDGED, 2)], 7)[0] == NONE
        broker.kill()
    with _Broker(directory) as broker, broker.connect() as client:
        wait_until(lambda: client.read('g', topic_id, 4)[0] == NONE, what='the state after a kill')
        assert client.read('g', topic_id, 4)[2] == (1, 12, [(12, 12, 0, 1), (13, 13, ACKNOWLEDGED, 2), (14, 14, 0, 1),
                                                            (15, 20, ACKNOWLEDGED, 1)])
        assert client.summary('g', topic_id)[2] == (1, 4, 12, 7)


def older_leaders_and_older_states_are_fenced(directory):
    with _Broker(directory) as broker, broker.connect() as client:
        topic_id = _start(client)
        client.begin('g', topic_id, 3)
        assert client.read('g', topic_id, 5)[0] == NONE
        assert client.read('g', topic_id, 4)[0] == FENCED_LEADER_EPOCH
        assert client.write('g', topic_id, 4, 3, 1, [])[0] == FENCED_LEADER_EPOCH
        assert client.write('g', topic_id, 5, 2, 1, [])[0] == FENCED_STATE_EPOCH
        assert client.initialize('g', topic_id, 2, 0)[0] == FENCED_STATE_EPOCH
        assert client.initialize('g', topic_id, 4, 100)[0] == NONE
        assert client.read('g', topic_id, 5)[2] == (4, 100, [])


def one_request_may_name_many_partitions(directory):
    with _Broker(directory) as broker, broker.connect() as client:
        topic_id = _start(client)
        client.create_topic('wide', 20)
        wide = client.topic_id('wide')
        client.begin('g', topic_id)
        many = {topic_id: [0], wide: list(range(21)), b'x' * 16: [0, 1]}
        wanted = {(wide, i): NONE if i < 20 else UNKNOWN_TOPIC_OR_PARTITION for i in range(21)}
        wanted.update({(topic_id, 0): NONE, (b'x' * 16, 0): UNKNOWN_TOPIC_OR_PARTITION, (b'x' * 16, 1): UNKNOWN_TOPIC_OR_PARTITION})
        wait_until(lambda: client.initialize_many('g', many, 1, 5) == wanted, what='all shards')
        assert all(client.summary('g', wide, i)[2] == (1, 0, 5, 0) for i in range(20))


def what_cannot_be_is_refused_in_words(directory):
    with _Broker(directory) as broker, broker.connect() as client:
        topic_id = _start(client)
        client.begin('g', topic_id)
        assert client.read('other', topic_id, 0)[:2] == \
            (INVALID_REQUEST, 'Read operation on uninitialized share partition not allowed.')
        assert client.write('other', topic_id, 0, 0, 0, [])[:2] == \
            (INVALID_REQUEST, 'Write operation on uninitialized share partition not allowed.')
        assert client.initialize('g', topic_id, 0, 0, partition=-1)[:2] == \
            (INVALID_REQUEST, 'The partition id cannot be a negative number.')
        assert client.initialize('g', topic_id, 0, 0, partition=7)[0] == UNKNOWN_TOPIC_OR_PARTITION
        assert client.write('g', topic_id, 0, 0, 0, [(9, 8, 0, 1)])[0] == INVALID_REQUEST
        assert client.summary('other', topic_id)[2] == (0, 0, -1, -1)
        assert client.delete('g', topic_id)[0] == NONE and client.delete('g', topic_id)[0] == NONE
        assert client.read('g', topic_id, 0)[0] == INVALID_REQUEST
        assert client.flex(READ, 0, compact('') + uvarint(1)).array(lambda: None) == []


if __name__ == '__main__':
    run(globals())
