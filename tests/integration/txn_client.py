# SPDX-License-Identifier: Apache-2.0
"""A producer of transactions, request by request, in the versions of old clients (transaction version 1) and new ones (2)."""
import struct
import time

import harness
from harness import Client, Reader, WAIT_SECONDS, array, crc32c, string, varint

INIT_PRODUCER_ID, ADD_PARTITIONS, ADD_OFFSETS, END_TXN, WRITE_MARKERS, TXN_OFFSET_COMMIT = 22, 24, 25, 26, 27, 28
DELETE_TOPICS, OFFSET_FETCH, DESCRIBE_PRODUCERS, DESCRIBE_TRANSACTIONS, LIST_TRANSACTIONS = 20, 9, 61, 65, 66

NONE, UNKNOWN_TOPIC_OR_PARTITION, COORDINATOR_LOAD_IN_PROGRESS, COORDINATOR_NOT_AVAILABLE, NOT_COORDINATOR = 0, 3, 14, 15, 16
INVALID_PRODUCER_EPOCH, INVALID_TXN_STATE, INVALID_PRODUCER_ID_MAPPING, INVALID_TRANSACTION_TIMEOUT = 47, 48, 49, 50
CONCURRENT_TRANSACTIONS, OPERATION_NOT_ATTEMPTED, UNSTABLE_OFFSET_COMMIT, PRODUCER_FENCED = 51, 55, 88, 90
TRANSACTIONAL_ID_NOT_FOUND, TRANSACTION_ABORTABLE, INVALID_REQUEST, INVALID_REGULAR_EXPRESSION = 105, 120, 42, 128

RETRIABLE = (COORDINATOR_LOAD_IN_PROGRESS, COORDINATOR_NOT_AVAILABLE, NOT_COORDINATOR, CONCURRENT_TRANSACTIONS)


# ---- Versions with tagged fields ----

def uvarint(value):
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes(out + bytes([value]))


def compact(data):
    """A compact string or bytes; None is null."""
    if data is None:
        return b'\0'
    data = data.encode() if isinstance(data, str) else data
    return uvarint(len(data) + 1) + data


def compact_array(items):
    return uvarint(len(items) + 1) + b''.join(items)


class FlexReader(Reader):
    def uvarint(self):
        value = shift = 0
        while True:
            byte = self.take('B')
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    def string(self):
        size = self.uvarint()
        return None if size == 0 else self.bytes(size - 1).decode()

    def array(self, item):
        return [item() for _ in range(max(0, self.uvarint() - 1))]

    def tags(self):
        for _ in range(self.uvarint()):
            self.uvarint()
            self.bytes(self.uvarint())


def txn_batch(values, producer_id, epoch, sequence, timestamp=None):
    """One transactional record batch with these values, no keys."""
    records = b''
    for i, value in enumerate(values):
        body = b'\0' + varint(0) + varint(i) + varint(-1) + varint(len(value)) + value + varint(0)
        records += varint(len(body)) + body
    now = int(time.time() * 1000) if timestamp is None else timestamp
    tail = struct.pack('>hiqqqhii', 0x10, len(values) - 1, now, now, producer_id, epoch, sequence, len(values)) + records
    return struct.pack('>qiibI', 0, len(tail) + 9, -1, 2, crc32c(tail)) + tail


def data_batches(data):
    """The whole batches that are not control batches, in one."""
    out = b''
    while len(data) >= 61:
        size = struct.unpack_from('>i', data, 8)[0] + 12
        if size > len(data):
            break
        if not struct.unpack_from('>h', data, 21)[0] & 0x20:
            out += data[:size]
        data = data[size:]
    return out


def without_aborted(data, aborted):
    """What a read_committed consumer keeps: aborted is [(producer id, first offset)]."""
    out, skipping = b'', set()
    waiting = sorted(aborted, key=lambda item: item[1])
    while len(data) >= 61:
        size = struct.unpack_from('>i', data, 8)[0] + 12
        if size > len(data):
            break
        base, attributes, producer = (struct.unpack_from('>q', data, 0)[0], struct.unpack_from('>h', data, 21)[0],
                                      struct.unpack_from('>q', data, 43)[0])
        while waiting and waiting[0][1] <= base:
            skipping.add(waiting.pop(0)[0])
        if attributes & 0x20:
            skipping.discard(producer)
        elif not (attributes & 0x10 and producer in skipping):
            out += data[:size]
        data = data[size:]
    return out


class TxnClient(Client):
    def flex(self, key, version, body):
        self.correlation += 1
        frame = struct.pack('>hhi', key, version, self.correlation) + string('integration') + b'\0' + body
        self.socket.sendall(struct.pack('>i', len(frame)) + frame)
        data = self.read_exactly(struct.unpack('>i', self.read_exactly(4))[0])
        reader = FlexReader(data)
        assert reader.take('i') == self.correlation
        reader.tags()
        return reader

    def find_txn_coordinator(self, transactional_id):
        """-> error"""
        reader = self.call(harness.FIND_COORDINATOR, 1, string(transactional_id) + b'\1')
        return reader.take('ih')[1]

    # -- Producer ids --

    def init(self, transactional_id, timeout_ms=60000, producer=(-1, -1), version=4):
        """-> (error, producer id, epoch)"""
        if version < 2:
            reader = self.call(INIT_PRODUCER_ID, version, string(transactional_id) + struct.pack('>i', timeout_ms))
        else:
            reader = self.flex(INIT_PRODUCER_ID, version, compact(transactional_id) + struct.pack('>i', timeout_ms) +
                               (struct.pack('>qh', *producer) if version >= 3 else b'') + b'\0')
        return reader.take('ihqh')[1:]

    def begin(self, transactional_id, **kwargs):
        """-> (producer id, epoch), once the coordinator is there and done with what was open"""
        return self.insist(lambda: self._find_and_init(transactional_id, kwargs))

    def _find_and_init(self, transactional_id, kwargs):
        error = self.find_txn_coordinator(transactional_id)
        if error:
            return error, None
        error, *producer = self.init(transactional_id, **kwargs)
        return error, tuple(producer)

    def insist(self, ask):
        """Asks until the error is not one of those that pass. -> the rest of the answer"""
        deadline = time.monotonic() + WAIT_SECONDS
        while True:
            error, *rest = ask()
            if error not in RETRIABLE or time.monotonic() > deadline:
                assert error == 0, 'error %d' % error
                return rest[0] if len(rest) == 1 else tuple(rest)

    # -- Within a transaction --

    def add_partitions(self, transactional_id, producer, partitions, version=2):
        """partitions: {topic: [index]} -> {(topic, index): error}"""
        body = struct.pack('>qh', *producer)
        if version < 3:
            reader = self.call(ADD_PARTITIONS, version, string(transactional_id) + body + array(
                [string(topic) + array([struct.pack('>i', index) for index in indexes]) for topic, indexes in partitions.items()]))
        else:
            reader = self.flex(ADD_PARTITIONS, version, compact(transactional_id) + body + compact_array(
                [compact(topic) + compact_array([struct.pack('>i', index) for index in indexes]) + b'\0'
                 for topic, indexes in partitions.items()]) + b'\0')
        reader.take('i')
        return self._partition_errors(reader, version >= 3)

    @staticmethod
    def _partition_errors(reader, is_flex):
        found = {}

        def topic():
            name = reader.string()

            def partition():
                index, error = reader.take('ih')
                if is_flex:
                    reader.tags()
                found[name, index] = error
            reader.array(partition)
            if is_flex:
                reader.tags()
        reader.array(topic)
        return found

    def add_many(self, transactions, version=4):
        """transactions: [(transactional id, producer, is verify only, {topic: [index]})] -> {id: {(topic, index): error}}"""
        reader = self.flex(ADD_PARTITIONS, version, compact_array(
            [compact(name) + struct.pack('>qhb', *producer, verify) + compact_array(
                [compact(topic) + compact_array([struct.pack('>i', index) for index in indexes]) + b'\0'
                 for topic, indexes in partitions.items()]) + b'\0'
             for name, producer, verify, partitions in transactions]) + b'\0')
        assert reader.take('ih')[1] == 0
        found = {}

        def transaction():
            name = reader.string()
            found[name] = self._partition_errors(reader, True)
            reader.tags()
        reader.array(transaction)
        return found

    def produce_txn(self, transactional_id, producer, sequence, topic, values, partition=0, version=7, timestamp=None):
        """-> (error, base offset)"""
        data = txn_batch(values, *producer, sequence, timestamp)
        if version < 9:
            reader = self.call(harness.PRODUCE, version, string(transactional_id) + struct.pack('>hi', -1, 30000) + array(
                [string(topic) + array([struct.pack('>ii', partition, len(data)) + data])]))
            layout = 'ihqq' if version < 5 else 'ihqqq'
            ((_, (answer,)),) = reader.array(lambda: (reader.string(), reader.array(lambda: reader.take(layout))))
            return answer[1], answer[2]
        reader = self.flex(harness.PRODUCE, version, compact(transactional_id) + struct.pack('>hi', -1, 30000) + compact_array(
            [compact(topic) + compact_array([struct.pack('>i', partition) + compact(data) + b'\0']) + b'\0']) + b'\0')
        assert reader.uvarint() == 2
        reader.string()
        assert reader.uvarint() == 2
        _, error, base = reader.take('ihq')
        return error, base

    def end(self, transactional_id, producer, is_commit, version=2):
        """-> error; from version 5 on (error, producer id, epoch)"""
        body = struct.pack('>qhb', *producer, is_commit)
        if version < 3:
            return self.call(END_TXN, version, string(transactional_id) + body).take('ih')[1]
        reader = self.flex(END_TXN, version, compact(transactional_id) + body + b'\0')
        return reader.take('ihqh')[1:] if version >= 5 else reader.take('ih')[1]

    # -- Offsets --

    def add_offsets(self, transactional_id, producer, group, version=2):
        """-> error"""
        return self.call(ADD_OFFSETS, version, string(transactional_id) + struct.pack('>qh', *producer) + string(group)).take('ih')[1]

    def txn_offset_commit(self, transactional_id, producer, group, topic, offset, version=2):
        """-> error"""
        if version < 3:
            reader = self.call(TXN_OFFSET_COMMIT, version, string(transactional_id) + string(group) + struct.pack('>qh', *producer) +
                               array([string(topic) + array([struct.pack('>iq', 0, offset) + (
                                   struct.pack('>i', -1) if version >= 2 else b'') + string('')])]))
            reader.take('i')
            ((_, ((_, error),)),) = reader.array(lambda: (reader.string(), reader.array(lambda: reader.take('ih'))))
            return error
        reader = self.flex(TXN_OFFSET_COMMIT, version, compact(transactional_id) + compact(group) + struct.pack('>qh', *producer) +
                           struct.pack('>i', -1) + compact('') + compact(None) +
                           compact_array([compact(topic) + compact_array(
                               [struct.pack('>iqi', 0, offset, -1) + compact('') + b'\0']) + b'\0']) + b'\0')
        reader.take('i')
        (error,) = self._partition_errors(reader, True).values()
        return error

    def committed_offset(self, group, topic, is_stable=False):
        """-> (error, offset)"""
        reader = self.flex(OFFSET_FETCH, 7, compact(group) + compact_array(
            [compact(topic) + compact_array([struct.pack('>i', 0)]) + b'\0']) + struct.pack('>b', is_stable) + b'\0')
        reader.take('i')

        def partition():
            _, offset, _ = reader.take('iqi')
            reader.string()
            error = reader.take('h')
            reader.tags()
            return error, offset

        def topics():
            reader.string()
            found = reader.array(partition)
            reader.tags()
            return found
        ((answer,),) = reader.array(topics)
        return answer

    # -- Looking --

    def delete_topic(self, topic):
        """-> error"""
        reader = self.call(DELETE_TOPICS, 1, array([string(topic)]) + struct.pack('>i', 30000))
        reader.take('i')
        ((_, error),) = reader.array(lambda: (reader.string(), reader.take('h')))
        return error

    def read(self, topic, isolation=1, partition=0, offset=0):
        """-> (last stable offset, high watermark, values); without control batches and, when committed, aborted ones"""
        body = struct.pack('>iiiib', -1, 0, 1, 50 << 20, isolation) + array(
            [string(topic) + array([struct.pack('>iqi', partition, offset, 50 << 20)])])
        reader = self.call(harness.FETCH, 4, body)
        reader.take('i')

        def answer():
            _, error, high_watermark, stable = reader.take('ihqq')
            assert error == 0, error
            aborted = [reader.take('qq') for _ in range(max(0, reader.take('i')))]
            data = reader.bytes(max(0, reader.take('i')))
            return stable, high_watermark, harness.batch_values(data_batches(without_aborted(data, aborted)))
        ((_, (found,)),) = reader.array(lambda: (reader.string(), reader.array(answer)))
        return found

    def write_markers(self, producer, is_commit, topic, partitions=(0,), coordinator_epoch=0):
        """-> {(topic, index): error}"""
        reader = self.flex(WRITE_MARKERS, 1, compact_array([struct.pack('>qhb', *producer, is_commit) + compact_array(
            [compact(topic) + compact_array([struct.pack('>i', index) for index in partitions]) + b'\0']) +
            struct.pack('>i', coordinator_epoch) + b'\0']) + b'\0')
        assert reader.uvarint() == 2 and reader.take('q') == producer[0]
        return self._partition_errors(reader, True)

    def describe(self, transactional_id):
        """-> (error, state, producer id, epoch, {topic: [index]})"""
        reader = self.flex(DESCRIBE_TRANSACTIONS, 0, compact_array([compact(transactional_id)]) + b'\0')
        reader.take('i')
        assert reader.uvarint() == 2
        error = reader.take('h')
        reader.string()
        state = reader.string()
        _, _, producer_id, epoch = reader.take('iqqh')
        topics = {}

        def topic():
            name = reader.string()
            topics[name] = reader.array(lambda: reader.take('i'))
            reader.tags()
        reader.array(topic)
        return error, state, producer_id, epoch, topics

    def list(self, states=(), pattern=None):
        """-> {transactional id: state}, or the error"""
        reader = self.flex(LIST_TRANSACTIONS, 2, compact_array([compact(state) for state in states]) + compact_array([]) +
                           struct.pack('>q', -1) + compact(pattern) + b'\0')
        error = reader.take('ih')[1]
        if error:
            return error
        reader.array(reader.string)

        def one():
            name, _, state = reader.string(), reader.take('q'), reader.string()
            reader.tags()
            return name, state
        return dict(reader.array(one))
