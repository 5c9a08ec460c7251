# SPDX-License-Identifier: Apache-2.0
"""Transactions of both versions, request by request: what read_committed sees, fencing, time-outs, verification, offsets,
markers, and a kill -9 in the middle."""
import os
import threading

import harness
from harness import run, wait_until
from txn_client import (COORDINATOR_LOAD_IN_PROGRESS, INVALID_REGULAR_EXPRESSION, INVALID_PRODUCER_EPOCH, INVALID_PRODUCER_ID_MAPPING, INVALID_REQUEST,
                        INVALID_TRANSACTION_TIMEOUT, INVALID_TXN_STATE, NONE, OPERATION_NOT_ATTEMPTED, PRODUCER_FENCED,
                        TRANSACTIONAL_ID_NOT_FOUND, TRANSACTION_ABORTABLE, UNKNOWN_TOPIC_OR_PARTITION,
                        UNSTABLE_OFFSET_COMMIT, TxnClient)

SMALL = ('transaction.state.log.num.partitions=2',)


class _Broker(harness.Broker):
    def __init__(self, directory, *overrides):
        super().__init__(directory, *SMALL, *overrides)

    def connect(self):
        return TxnClient(self.port)


def _open_version_1(client, name='x', topic='t', values=(b'a',), **kwargs):
    """A transaction of an old client, with these values in it. -> (producer id, epoch)"""
    producer = client.begin(name, version=1, **kwargs)
    client.insist(lambda: (client.add_partitions(name, producer, {topic: [0]})[topic, 0], None))
    assert client.produce_txn(name, producer, 0, topic, list(values))[0] == NONE
    return producer


def _wait_for_marker(client, topic='t'):
    """Nothing is open any more."""
    def is_done():
        stable, high_watermark, _ = client.read(topic)
        return stable == high_watermark
    wait_until(is_done, what='a marker in ' + topic)


def a_committed_transaction_of_version_1_is_read_when_it_is_committed(directory):
    with _Broker(directory) as broker, broker.connect() as client:
        client.create_topic('t')
        producer = _open_version_1(client, values=[b'a', b'b'])
        assert client.read('t') == (0, 2, []), client.read('t')
        assert client.read('t', isolation=0)[2] == [b'a', b'b']
        assert client.describe('x')[1:] == ('Ongoing', *producer, {'t': [0]})
        assert client.list() == {'x': 'Ongoing'} and client.list(['Empty']) == {}
        assert client.end('x', producer, True) == NONE
        _wait_for_marker(client)
        assert client.read('t') == (3, 3, [b'a', b'b'])
        wait_until(lambda: client.describe('x')[1] == 'CompleteCommit')
        assert client.describe('x')[2:] == (*producer, {}), 'version 1 keeps its epoch'
        assert client.end('x', producer, True) == NONE, 'a retry'
        assert client.end('x', producer, False) == INVALID_TXN_STATE
        broker.stop()


def an_aborted_transaction_is_never_read(directory):
    with _Broker(directory) as broker, broker.connect() as client:
        client.create_topic('t')
        producer = _open_version_1(client, values=[b'gone'])
        assert client.end('x', producer, False) == NONE
        _wait_for_marker(client)
        client.produce('t', [b'plain'])
        assert client.read('t') == (3, 3, [b'plain'])
        assert client.read('t', isolation=0)[2] == [b'gone', b'plain']
        broker.stop()
    with _Broker(directory) as broker, broker.connect() as client:
        assert client.read('t') == (3, 3, [b'plain']), 'and not after a restart either'


def a_transaction_of_version_2_adds_its_partitions_by_producing_and_bumps_the_epoch(directory):
    with _Broker(directory) as broker, broker.connect() as client:
        client.create_topic('t', 2)
        first = client.begin('x')
        assert client.produce_txn('x', first, 0, 't', [b'a'], version=12)[0] == NONE
        assert client.produce_txn('x', first, 0, 't', [b'b'], partition=1, version=12)[0] == NONE
        assert client.describe('x')[1:] == ('Ongoing', *first, {'t': [0, 1]})
        second = client.insist(lambda: client.end('x', first, True, version=5))
        assert second == (first[0], first[1] + 1), (first, second)
        assert client.end('x', first, True, version=5) == (NONE, *second), 'a retry gets the same answer'
        wait_until(lambda: client.describe('x')[1] == 'CompleteCommit')
        assert client.produce_txn('x', second, 0, 't', [b'gone'], version=12)[0] == NONE
        third = client.insist(lambda: client.end('x', second, False, version=5))
        assert third == (second[0], second[1] + 1)
        _wait_for_marker(client)
        assert client.read('t')[2] == [b'a'] and client.read('t', partition=1)[2] == [b'b']
        assert client.produce_txn('x', second, 1, 't', [b'late'], version=12)[0] == INVALID_PRODUCER_EPOCH
        broker.stop()


def a_new_producer_fences_the_old_one_and_its_transaction_is_aborted(directory):
    with _Broker(directory) as broker, broker.connect() as client:
        client.create_topic('t')
        old = _open_version_1(client, values=[b'gone'])
        new = client.begin('x')
        assert new[0] == old[0] and new[1] > old[1], (old, new)
        _wait_for_marker(client)
        assert client.read('t')[2] == []
        assert client.end('x', old, True, version=1) == INVALID_PRODUCER_EPOCH
        assert client.end('x', old, True, version=2) == PRODUCER_FENCED
        assert client.add_partitions('x', old, {'t': [0]}, version=1)['t', 0] == INVALID_PRODUCER_EPOCH
        assert client.add_partitions('x', old, {'t': [0]}, version=3)['t', 0] == PRODUCER_FENCED
        assert client.produce_txn('x', old, 1, 't', [b'zombie'])[0] == INVALID_PRODUCER_EPOCH
        assert client.init('x', producer=old, version=3)[0] == INVALID_PRODUCER_EPOCH
        assert client.init('x', producer=old)[0] == PRODUCER_FENCED
        assert client.end('x', (old[0] + 1, 0), True) == INVALID_PRODUCER_ID_MAPPING
        broker.stop()


def a_transaction_that_takes_too_long_is_aborted(directory):
    with _Broker(directory, 'transaction.abort.timed.out.transaction.cleanup.interval.ms=20') as broker, \
            broker.connect() as client:
        client.create_topic('t')
        producer = _open_version_1(client, values=[b'gone'], timeout_ms=100)
        _wait_for_marker(client)
        assert client.read('t') == (2, 2, [])
        assert client.end('x', producer, True) == PRODUCER_FENCED
        broker.stop()


def time_outs_and_ids_that_are_not_allowed_are_refused(directory):
    with _Broker(directory) as broker, broker.connect() as client:
        client.begin('x')
        assert client.init('x', timeout_ms=0)[0] == INVALID_TRANSACTION_TIMEOUT
        assert client.init('x', timeout_ms=900001)[0] == INVALID_TRANSACTION_TIMEOUT
        assert client.init('')[0] == INVALID_REQUEST
        assert client.init('x', producer=(5, -1))[0] == INVALID_REQUEST
        assert client.describe('unknown')[0] == TRANSACTIONAL_ID_NOT_FOUND
        broker.stop()


def a_partition_that_does_not_exist_keeps_the_others_out(directory):
    with _Broker(directory) as broker, broker.connect() as client:
        client.create_topic('t')
        producer = client.begin('x')
        assert client.add_partitions('x', producer, {'t': [0, 7], 'none': [0]}) == {
            ('t', 0): OPERATION_NOT_ATTEMPTED, ('t', 7): UNKNOWN_TOPIC_OR_PARTITION, ('none', 0): UNKNOWN_TOPIC_OR_PARTITION}
        assert client.describe('x')[1] == 'Empty'
        broker.stop()


def transactions_are_listed_by_state_and_pattern(directory):
    with _Broker(directory) as broker, broker.connect() as client:
        for name in ('app-1', 'app-2', 'other'):
            client.begin(name)
        assert client.list(['Empty'], 'app-.*') == {'app-1': 'Empty', 'app-2': 'Empty'}
        assert client.list(['Ongoing'], 'app-.*') == {}
        assert client.list(pattern='app') == {}, 'the whole id must match'
        assert len(client.list(pattern='')) == 3
        assert client.list(pattern='(') == INVALID_REGULAR_EXPRESSION
        broker.stop()


def brokers_add_and_verify_many_transactions_at_a_time(directory):
    with _Broker(directory) as broker, broker.connect() as client:
        client.create_topic('t', 2)
        x, y = client.begin('x'), client.begin('y')
        assert client.add_partitions('x', x, {'t': [0]})['t', 0] == NONE
        assert client.add_many([('x', x, True, {'t': [0, 1]}), ('y', y, False, {'t': [1]}), ('z', y, True, {'t': [0]})]) == {
            'x': {('t', 0): NONE, ('t', 1): TRANSACTION_ABORTABLE},
            'y': {('t', 1): NONE},
            'z': {('t', 0): INVALID_PRODUCER_ID_MAPPING}}
        assert client.add_many([]) == {}
        broker.stop()


def a_batch_that_is_in_no_transaction_is_not_written(directory):
    with _Broker(directory) as broker, broker.connect() as client:
        client.create_topic('t')
        producer = client.begin('x')
        assert client.produce_txn('x', producer, 0, 't', [b'hanging'], version=7)[0] == INVALID_TXN_STATE
        assert client.produce_txn('x', producer, 0, 't', [b'hanging'], version=11)[0] == TRANSACTION_ABORTABLE
        assert client.read('t') == (0, 0, [])
        _open_version_1(client, values=[b'gone'])
        zombie = client.describe('x')[2:4]
        client.insist(lambda: (client.end('x', zombie, False), None))
        _wait_for_marker(client)
        assert client.produce_txn('x', zombie, 1, 't', [b'late'], version=7)[0] == INVALID_TXN_STATE
        _wait_for_marker(client)
        broker.stop()


def without_verification_a_transaction_may_hang_and_an_operator_can_end_it(directory):
    with _Broker(directory, 'transaction.partition.verification.enable=false') as broker, broker.connect() as client:
        client.create_topic('t')
        producer = client.begin('x')
        assert client.produce_txn('x', producer, 0, 't', [b'hanging'])[0] == NONE
        assert client.read('t') == (0, 1, [])
        assert client.write_markers(producer, False, 't', [0, 0, 5]) == {('t', 0): INVALID_REQUEST, ('t', 5): INVALID_REQUEST}
        assert client.read('t') == (0, 1, []), 'a partition that is named twice'
        assert client.write_markers(producer, False, 't', [0, 5]) == {('t', 0): NONE, ('t', 5): UNKNOWN_TOPIC_OR_PARTITION}
        assert client.read('t') == (2, 2, [])
        assert client.write_markers((producer[0], -1), False, 't')['t', 0] == INVALID_PRODUCER_EPOCH
        broker.stop()


def without_verification_version_2_still_adds_what_it_writes(directory):
    with _Broker(directory, 'transaction.partition.verification.enable=false') as broker, broker.connect() as client:
        client.create_topic('t')
        client.coordinate('g')
        producer = client.begin('x')
        assert client.produce_txn('x', producer, 0, 't', [b'a'], version=12)[0] == NONE
        assert client.describe('x')[1:] == ('Ongoing', *producer, {'t': [0]})
        client.insist(lambda: (client.txn_offset_commit('x', producer, 'g', 't', 5, version=5), None))
        client.insist(lambda: client.end('x', producer, True, version=5))
        _wait_for_marker(client)
        assert client.read('t')[2] == [b'a']
        wait_until(lambda: client.committed_offset('g', 't', is_stable=True) == (NONE, 5))
        broker.stop()


def a_marker_counts_when_it_is_durable(directory):
    with _Broker(directory, 'log.flush.interval.messages=1') as broker, broker.connect() as client:
        client.create_topic('t')
        client.coordinate('g')
        producer = client.begin('x')
        for i in range(20):
            client.insist(lambda: client.produce_txn('x', producer, 0, 't', [b'%d' % i], version=12))
            client.insist(lambda: (client.txn_offset_commit('x', producer, 'g', 't', i, version=5), None))
            producer = client.insist(lambda: client.end('x', producer, i % 2 == 0, version=5))
        _wait_for_marker(client)
        assert client.read('t')[2] == [b'%d' % i for i in range(0, 20, 2)]
        wait_until(lambda: client.committed_offset('g', 't', is_stable=True) == (NONE, 18))
        broker.stop()


def a_marker_that_needs_a_new_segment_waits_for_it(directory):
    with _Broker(directory) as broker, broker.connect() as client:
        client.create_topic('t', configs=[('segment.ms', '1000')])
        producer = client.begin('x', version=1)
        assert client.add_partitions('x', producer, {'t': [0]})['t', 0] == NONE
        assert client.produce_txn('x', producer, 0, 't', [b'old'], timestamp=1700000000000)[0] == NONE
        assert client.end('x', producer, True) == NONE
        _wait_for_marker(client)
        assert client.read('t')[2] == [b'old']
        broker.stop()
    logs = sorted(name for name in os.listdir(os.path.join(directory, 'data', 't-0')) if name.endswith('.log'))
    assert logs == ['%020d.log' % offset for offset in (0, 1)], logs


def offsets_of_version_1_count_when_the_transaction_commits(directory):
    with _Broker(directory) as broker, broker.connect() as client:
        client.create_topic('t')
        client.coordinate('g')
        producer = client.begin('x')
        assert client.txn_offset_commit('x', producer, 'g', 't', 5) == INVALID_TXN_STATE, 'the group is not in the transaction'
        client.insist(lambda: (client.add_offsets('x', producer, 'g'), None))
        client.insist(lambda: (client.txn_offset_commit('x', producer, 'g', 't', 5), None))
        assert client.committed_offset('g', 't') == (NONE, -1)
        assert client.committed_offset('g', 't', is_stable=True)[0] == UNSTABLE_OFFSET_COMMIT
        assert client.end('x', producer, True) == NONE
        wait_until(lambda: client.committed_offset('g', 't', is_stable=True) == (NONE, 5))
        broker.stop()


def offsets_of_version_2_need_no_adding_and_go_with_an_abort(directory):
    with _Broker(directory) as broker, broker.connect() as client:
        client.create_topic('t')
        client.coordinate('g')
        producer = client.begin('x')
        client.insist(lambda: (client.txn_offset_commit('x', producer, 'g', 't', 5, version=5), None))
        producer = client.insist(lambda: client.end('x', producer, True, version=5))
        wait_until(lambda: client.committed_offset('g', 't', is_stable=True) == (NONE, 5))
        client.insist(lambda: (client.txn_offset_commit('x', producer, 'g', 't', 9, version=5), None))
        producer = client.insist(lambda: client.end('x', producer, False, version=5))
        wait_until(lambda: client.committed_offset('g', 't', is_stable=True) == (NONE, 5))
        assert client.txn_offset_commit('x', producer, 'g', 'none', 9, version=5) == UNKNOWN_TOPIC_OR_PARTITION
        broker.stop()


def a_transaction_ends_though_one_of_its_topics_was_deleted(directory):
    with _Broker(directory) as broker, broker.connect() as client:
        client.create_topic('t')
        client.create_topic('gone')
        producer = _open_version_1(client)
        assert client.add_partitions('x', producer, {'gone': [0]})['gone', 0] == NONE
        assert client.produce_txn('x', producer, 0, 'gone', [b'a'])[0] == NONE
        assert client.delete_topic('gone') == NONE
        assert client.end('x', producer, True) == NONE
        wait_until(lambda: client.describe('x')[1] == 'CompleteCommit')
        assert client.read('t') == (2, 2, [b'a'])
        broker.stop()


def many_producers_at_once_lose_and_double_nothing(directory):
    topics, committed, failed, lock = ['t0', 't1', 't2'], {}, [], threading.Lock()

    def produce(broker, name):
        with broker.connect() as client:
            producer = client.begin(name)
            for i in range(30):
                values = {topics[(i + k) % 3]: b'%s-%d' % (name.encode(), i) for k in range(2)}
                for topic, value in values.items():
                    client.insist(lambda: client.produce_txn(name, producer, 0, topic, [value], version=12))
                client.insist(lambda: (client.txn_offset_commit(name, producer, 'g', 't0', i, version=5), None))
                producer = client.insist(lambda: client.end(name, producer, i % 3 != 0, version=5))
                if i % 3 != 0:
                    with lock:
                        for topic, value in values.items():
                            committed.setdefault(topic, []).append(value)

    def guarded(broker, name):
        try:
            produce(broker, name)
        except Exception as error:      # told by the claim below
            failed.append((name, error))

    with _Broker(directory) as broker, broker.connect() as client:
        for topic in topics:
            client.create_topic(topic)
        client.coordinate('g')
        threads = [threading.Thread(target=guarded, args=(broker, 'x%d' % i)) for i in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not failed, failed
        for topic in topics:
            _wait_for_marker(client, topic)
            assert sorted(client.read(topic)[2]) == sorted(committed[topic]), topic
        broker.stop()


def an_open_transaction_survives_a_kill_and_can_be_committed(directory):
    with _Broker(directory) as broker, broker.connect() as client:
        client.create_topic('t')
        producer = _open_version_1(client, values=[b'a'])
        broker.kill()
    with _Broker(directory) as broker, broker.connect() as client:
        assert client.read('t') == (0, 1, [])
        assert client.produce_txn('x', producer, 1, 't', [b'b'])[0] == NONE, 'the transaction is open in the partition'
        client.insist(lambda: (client.end('x', producer, True), None))
        _wait_for_marker(client)
        assert client.read('t')[2] == [b'a', b'b']
        broker.stop()


def what_was_decided_before_a_kill_is_carried_out_after_it(directory):
    producers, topics = {}, ['t%d' % i for i in range(8)]
    with _Broker(directory) as broker, broker.connect() as client:
        for topic in topics:
            client.create_topic(topic)
            producers[topic] = _open_version_1(client, topic, topic, [topic.encode()])
        for i, topic in enumerate(topics):
            assert client.end(topic, producers[topic], i % 2 == 0) == NONE
        broker.kill()       # with the markers somewhere on their way
    with _Broker(directory) as broker, broker.connect() as client:
        for i, topic in enumerate(topics):
            _wait_for_marker(client, topic)
            assert client.read(topic)[2] == ([topic.encode()] if i % 2 == 0 else []), topic

            def is_complete(topic=topic, state='CompleteCommit' if i % 2 == 0 else 'CompleteAbort'):
                error, found, *_ = client.describe(topic)
                return error != COORDINATOR_LOAD_IN_PROGRESS and found == state
            wait_until(is_complete, what='the end of ' + topic)
        broker.stop()


if __name__ == '__main__':
    run(globals())
