# SPDX-License-Identifier: Apache-2.0
"""The log cleaner of the real binary: the last value of each key stays, through restarts and kills."""
import glob
import os
import struct

from harness import Broker, PRODUCE, array, crc32c, run, string, varint, wait_until, weir

KEYS = 20
CONFIGS = (('cleanup.policy', 'compact'), ('segment.ms', '1000'), ('min.cleanable.dirty.ratio', '0.01'),
           ('delete.retention.ms', '0'), ('file.delete.delay.ms', '0'))
CLEANER = ('log.cleaner.backoff.ms=50', 'log.initial.task.delay.ms=50')
FIRST_MS = 1700000000000


def _varint_at(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            return value >> 1 ^ -(value & 1), at


def _batch(records, timestamp):
    """One batch; a value of None is a tombstone."""
    body = b''
    for i, (key, value) in enumerate(records):
        record = b'\0' + varint(0) + varint(i) + varint(len(key)) + key
        record += (varint(-1) if value is None else varint(len(value)) + value) + varint(0)
        body += varint(len(record)) + record
    tail = struct.pack('>hiqqqhii', 0, len(records) - 1, timestamp, timestamp, -1, -1, -1, len(records)) + body
    return struct.pack('>qiibI', 0, len(tail) + 9, -1, 2, crc32c(tail)) + tail


def _records(data):
    """-> [(offset, key, value)] of whole, uncompressed batches"""
    found = []
    while len(data) >= 61:
        size = struct.unpack_from('>i', data, 8)[0] + 12
        if size > len(data):
            break
        assert crc32c(data[21:size]) == struct.unpack_from('>I', data, 17)[0]
        base = struct.unpack_from('>q', data, 0)[0]
        last = base + struct.unpack_from('>i', data, 23)[0]
        at = 61
        for _ in range(struct.unpack_from('>i', data, 57)[0]):
            size_of, at = _varint_at(data, at)
            end = at + size_of
            _, at = _varint_at(data, at + 1)
            delta, at = _varint_at(data, at)
            key_size, at = _varint_at(data, at)
            key, at = data[at:at + key_size], at + key_size
            value_size, at = _varint_at(data, at)
            found.append((base + delta, key, None if value_size < 0 else data[at:at + value_size]))
            at = end
        data = data[size:]
        found.append((last, None, None))
    return found


def _produce(client, topic, records, timestamp):
    data = _batch(records, timestamp)
    body = struct.pack('>hhi', -1, -1, 30000) + array(
        [string(topic) + array([struct.pack('>ii', 0, len(data)) + data])])
    reader = client.call(PRODUCE, 3, body)
    ((_, ((_, error, _, _),)),) = reader.array(lambda: (reader.string(), reader.array(lambda: reader.take('ihqq'))))
    assert error == 0, error


def _read(client, topic):
    """-> ({key: value}, number of records)"""
    state, count, offset = {}, 0, 0
    while True:
        client.send_fetch(topic, offset)
        reader = client.receive()
        reader.take('i')

        def answer():
            _, error, high_watermark, _ = reader.take('ihqq')
            reader.bytes(max(0, reader.take('i')) * 16)
            return error, high_watermark, reader.bytes(max(0, reader.take('i')))
        ((_, ((error, high_watermark, data),)),) = reader.array(lambda: (reader.string(), reader.array(answer)))
        assert error == 0, error
        for at, key, value in _records(data):
            assert at >= offset
            offset = at + (key is None)
            if key is not None:
                state[key] = value
                count += 1
        if offset >= high_watermark or not data:
            return {key: value for key, value in state.items() if value is not None}, count


def _write(client, rounds, expected, first=0):
    for i in range(first, first + rounds):
        records = [(b'key-%d' % key, b'%d-%d' % (i, key)) for key in range(KEYS) if (i + key) % 3]
        if i % 4 == 3:
            records.append((b'key-%d' % (i % KEYS), None))
        _produce(client, 'table', records, FIRST_MS + i * 2000)
        for key, value in records:
            if value is None:
                expected.pop(key, None)
            else:
                expected[key] = value


def _logs(directory):
    return sorted(glob.glob(os.path.join(directory, 'data', 'table-0', '*.log')))


def last_value_of_each_key_stays(directory):
    expected = {}
    with Broker(directory, *CLEANER) as broker:
        with broker.connect() as client:
            assert client.create_topic('table', configs=CONFIGS) == 0
            _write(client, 30, expected)
            wait_until(lambda: _read(client, 'table')[1] < 3 * KEYS, what='old values go')
            wait_until(lambda: len(_logs(directory)) <= 3, what='segments are joined')
            assert _read(client, 'table')[0] == expected
        broker.stop()
    with open(os.path.join(directory, 'data', 'cleaner-offset-checkpoint'), encoding='utf-8') as file:
        assert 'table 0 ' in file.read()
    code, said = weir('verify', os.path.join(directory, 'data'))
    assert code == 0, said
    with Broker(directory, *CLEANER) as broker, broker.connect() as client:
        assert _read(client, 'table')[0] == expected
        broker.stop()


def kills_during_compaction_lose_nothing(directory):
    expected = {}
    for life in range(8):
        with Broker(directory, *CLEANER) as broker:
            with broker.connect() as client:
                if life == 0:
                    assert client.create_topic('table', configs=CONFIGS) == 0
                assert _read(client, 'table')[0] == expected
                _write(client, 12, expected, life * 12)
            broker.kill()
    with Broker(directory, *CLEANER) as broker, broker.connect() as client:
        assert _read(client, 'table')[0] == expected
        broker.stop()
    left = glob.glob(os.path.join(directory, 'data', 'table-0', '*.swap')) + \
        glob.glob(os.path.join(directory, 'data', 'table-0', '*.cleaned'))
    assert not left, left


def cleaner_that_is_switched_off_cleans_nothing(directory):
    with Broker(directory, 'log.cleaner.enable=false', *CLEANER) as broker:
        with broker.connect() as client:
            assert client.create_topic('table', configs=CONFIGS) == 0
            _write(client, 10, {})
            assert len(_logs(directory)) == 10
        broker.stop()
    assert len(_logs(directory)) == 10


if __name__ == '__main__':
    run(globals())
