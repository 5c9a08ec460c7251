# SPDX-License-Identifier: Apache-2.0
"""Groups of the consumer protocol (KIP-848), request by request, and what the operator sees of them."""
import os
import signal
import struct

from harness import Broker, run, wait_until
from txn_client import (INVALID_REGULAR_EXPRESSION, INVALID_REQUEST, NONE, RETRIABLE, TxnClient, compact, compact_array)

HEARTBEAT, DESCRIBE, UPDATE_FEATURES = 68, 69, 57
UNSUPPORTED_VERSION, GROUP_ID_NOT_FOUND, UNSUPPORTED_ASSIGNOR = 35, 69, 112
UPGRADE, SAFE_DOWNGRADE = 1, 2


class _Client(TxnClient):
    def heartbeat(self, group, member, epoch, **request):
        """Again while the coordinator is not ready. -> (error, member epoch, number of assigned partitions or None)"""
        answers = []

        def is_answered():
            answers.append(self._beat(group, member, epoch, **request))
            return answers[-1][0] not in RETRIABLE
        wait_until(is_answered, what='the coordinator')
        return answers[-1]

    def _beat(self, group, member, epoch, topics=None, regex=None, owned=(), assignor=None):
        """Version 1."""
        body = (compact(group) + compact(member) + struct.pack('>i', epoch) + compact(None) + compact(None) +
                struct.pack('>i', 60000 if epoch == 0 else -1) +
                (b'\0' if topics is None else compact_array([compact(name) for name in topics])) +
                compact(regex) + compact(assignor) +
                (b'\0' if owned is None else compact_array([topic + compact_array([struct.pack('>i', p) for p in parts]) +
                                                            b'\0' for topic, parts in owned])) + b'\0')
        reader = self.flex(HEARTBEAT, 1, body)
        error = reader.take('ih')[1]
        self.message = reader.string()
        reader.string()
        member_epoch, self.interval_ms = reader.take('ii')
        if reader.take('b') == -1:
            return error, member_epoch, None

        def topic():
            out = bytes(reader.bytes(16)), reader.array(lambda: reader.take('i'))
            reader.tags()
            return out
        self.assigned = reader.array(topic)
        return error, member_epoch, sum(len(parts) for _, parts in self.assigned)

    def describe(self, group):
        """-> (error, state)"""
        reader = self.flex(DESCRIBE, 1, compact_array([compact(group)]) + b'\0' + b'\0')
        reader.take('i')
        assert reader.uvarint() == 2
        error = reader.take('h')
        reader.string()
        reader.string()
        return error, reader.string()

    def set_feature(self, name, level, kind):
        """-> error"""
        update = compact(name) + struct.pack('>hb', level, kind) + b'\0'
        return self.flex(UPDATE_FEATURES, 2, struct.pack('>i', 60000) + compact_array([update]) + b'\0\0').take('ih')[1]


class _Broker(Broker):
    def connect(self):
        return _Client(self.port)


def _join(client, group, member, **subscription):
    """Joins and beats until the member has an assignment. -> its number of partitions"""
    client.coordinate(group)
    error, epoch, count = client.heartbeat(group, member, 0, **subscription)
    assert error == NONE, (error, client.message)
    found = [count]

    def has_some():
        if found[0]:
            return True
        found[0] = client.heartbeat(group, member, epoch, owned=())[2] or found[0]
        return bool(found[0])
    wait_until(has_some, what='an assignment')
    return found[0]


def a_member_gets_the_partitions_of_names_and_of_an_expression(directory):
    with _Broker(directory) as broker, broker.connect() as client:
        client.create_topic('orders-1', 3)
        client.create_topic('orders-2', 2)
        assert _join(client, 'g', 'a', topics=['orders-1']) == 3
        assert _join(client, 'r', 'b', topics=[], regex='orders-[0-9]') == 5
        assert client.describe('g')[0] == NONE
        assert client.describe('nobody')[0] == GROUP_ID_NOT_FOUND
        broker.stop()


def what_is_wrong_with_a_heartbeat_is_said(directory):
    with _Broker(directory) as broker, broker.connect() as client:
        client.coordinate('g')
        assert client.heartbeat('g', 'a', 0, topics=[], regex='(')[0] == INVALID_REGULAR_EXPRESSION
        assert 'missing closing )' in client.message, client.message
        assert client.heartbeat('g', 'a', 0, topics=['t'], assignor='nope')[0] == UNSUPPORTED_ASSIGNOR
        assert client.heartbeat('', 'a', 0, topics=['t'])[0] == INVALID_REQUEST
        assert client.heartbeat('g', 'a', -3, topics=['t'])[0] == INVALID_REQUEST
        broker.stop()


def a_classic_group_that_may_not_become_a_consumer_group_says_why(directory):
    with _Broker(directory, 'group.consumer.migration.policy=disabled') as broker, broker.connect() as client:
        client.coordinate('old')
        assert client.join_group('old')[0] == NONE
        assert client.heartbeat('old', 'a', 0, topics=['t'])[0] == GROUP_ID_NOT_FOUND
        assert client.message == 'Cannot upgrade classic group old to consumer group because online upgrade is disabled.', client.message
        broker.stop()


def without_the_feature_the_protocol_is_not_served(directory):
    with _Broker(directory) as broker, broker.connect() as client:
        client.coordinate('g')
        assert client.set_feature('group.version', 0, UPGRADE) != NONE
        assert client.set_feature('group.version', 0, SAFE_DOWNGRADE) == NONE
        assert client.heartbeat('g', 'a', 0, topics=['t'])[0] == UNSUPPORTED_VERSION
        assert client.describe('g')[0] == UNSUPPORTED_VERSION
        assert client.set_feature('group.version', 1, UPGRADE) == NONE
        assert client.heartbeat('g', 'a', 0, topics=['t'])[0] == NONE
        broker.stop()


def a_signal_writes_the_last_rebalances_into_the_log(directory):
    with _Broker(directory) as broker, broker.connect() as client:
        client.create_topic('t', 2)
        _join(client, 'seen', 'a', topics=['t'])
        os.kill(broker.process.pid, signal.SIGUSR1)
        line = broker.wait_line('groups_listed')
        assert 'groups=1' in line and 'status=OK' in line, line
        kept = [text for text in broker.log().splitlines() if ' group_past_rebalance ' in text]
        assert len(kept) >= 1 and 'group=seen' in kept[0] and 'member a joined' in kept[0], kept
        broker.stop()


if __name__ == '__main__':
    run(globals())
