# SPDX-License-Identifier: Apache-2.0
"""The log cleaner of the real binary: the last value of each key stays, through restarts and kills.
usage: compaction.py WEIR [CLAIM] (--full as the claim: only the kills, a hundred of them)"""
import glob
import os
import random
import struct
import sys
import time

from harness import Broker, PRODUCE, array, crc32c, run, string, varint, wait_until, weir

FULL = '--full' in sys.argv
if FULL:
    sys.argv.remove('--full')
KILLS = 100 if FULL else 8
KEYS = 20
CONFIGS = (('cleanup.policy', 'compact'), ('segment.ms', '1000'), ('min.cleanable.dirty.ratio', '0.01'),
           ('delete.retention.ms', '0'), ('file.delete.delay.ms', '0'))
CLEANER = ('log.cleaner.backoff.ms=50', 'log.initial.task.delay.ms=50')
FIRST_MS = 1700000000000
# So slow that a round lasts for some tenths of a second; the names of its steps, and how far beyond each the kill comes.
SLOW = ('log.cleaner.backoff.ms=1', 'log.initial.task.delay.ms=50', 'log.cleaner.io.max.bytes.per.second=400000',
        'log.cleaner.io.buffer.size=32768', 'log.cleaner.dedupe.buffer.size=2097152', 'log.cleaner.threads=1')
STEPS = (('', 0.5), ('.cleaned', 0.1), ('.cleaned', 0.0), ('.swap', 0.0), ('.swap', 0.002), ('.deleted', 0.0), ('.deleted', 0.05))
STEP_SECONDS = 3


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


def _write(client, rounds, expected, first=0, filler=b''):
    for i in range(first, first + rounds):
        records = [(b'key-%d' % key, b'%d-%d' % (i, key) + filler) for key in range(KEYS) if (i + key) % 3]
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


def _names(directory):
    try:
        return os.listdir(os.path.join(directory, 'data', 'table-0'))
    except FileNotFoundError:
        return []


def _kill_at(broker, directory, before, step, late_seconds):
    """Kills it when a round gets to the step (a suffix of new names), and so long after."""
    deadline = time.monotonic() + STEP_SECONDS
    while step and time.monotonic() < deadline and not any(name.endswith(step) and name not in before for name in _names(directory)):
        pass
    time.sleep(late_seconds)
    broker.kill()


def _state(directory):
    """What the kill left: the step of the round that shows."""
    names = _names(directory)
    for suffix in ('.swap', '.cleaned', '.deleted'):
        if any(name.endswith(suffix) for name in names):
            return suffix
    return 'no trace'


def kills_during_compaction_lose_nothing(directory):
    expected, left, chance = {}, {}, random.Random(KILLS)
    for life in range(KILLS):
        with Broker(directory, *SLOW) as broker:
            with broker.connect() as client:
                if life == 0:
                    assert client.create_topic('table', configs=CONFIGS) == 0
                assert _read(client, 'table')[0] == expected, 'after kill %d' % life
                before = set(_names(directory))
                _write(client, 8, expected, life * 8, b'.' * 400)
            step, late_seconds = STEPS[chance.randrange(len(STEPS))]
            _kill_at(broker, directory, before, step, late_seconds * chance.random())
        left[_state(directory)] = left.get(_state(directory), 0) + 1
    with Broker(directory, *CLEANER) as broker, broker.connect() as client:
        assert _read(client, 'table')[0] == expected
        wait_until(lambda: len(_logs(directory)) <= 3, what='segments are joined')
        assert _read(client, 'table')[0] == expected
        broker.stop()
    assert not [name for name in _names(directory) if name.endswith(('.swap', '.cleaned'))]
    code, said = weir('verify', os.path.join(directory, 'data'))
    assert code == 0, said
    print('%d kills left: %s' % (KILLS, ', '.join('%s %d' % item for item in sorted(left.items()))))


def cleaner_that_is_switched_off_cleans_nothing(directory):
    with Broker(directory, 'log.cleaner.enable=false', *CLEANER) as broker:
        with broker.connect() as client:
            assert client.create_topic('table', configs=CONFIGS) == 0
            _write(client, 10, {})
            assert len(_logs(directory)) == 10
        broker.stop()
    assert len(_logs(directory)) == 10


if __name__ == '__main__':
    if FULL:
        sys.argv.append('kills_during_compaction_lose_nothing')
    run(globals())
