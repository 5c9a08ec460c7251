# SPDX-License-Identifier: Apache-2.0
"""Files of a log directory as a stopped broker left them - to read, to damage, to add to - and the requests that show what
a broker makes of them.  The formats are Apache Kafka's; nothing here asks weir's own code."""
import glob
import json
import os
import re
import struct
import time

from harness import Broker, WAIT_SECONDS, array, crc32c, string, varint, wait_until

(PRODUCE, FETCH, LIST_OFFSETS, OFFSET_COMMIT, OFFSET_FETCH, FIND_COORDINATOR, DELETE_RECORDS, INIT_PRODUCER_ID,
 OFFSET_FOR_LEADER_EPOCH) = 0, 1, 2, 8, 9, 10, 21, 22, 23
ABORT, COMMIT = 0, 1
LOG, INDEX, TIME_INDEX, TXN_INDEX, SNAPSHOT = '.log', '.index', '.timeindex', '.txnindex', '.snapshot'
MARKER = '.kafka_cleanshutdown'
CONTROL, TRANSACTIONAL, SNAPPY = 0x20, 0x10, 2


def now_ms():
    return int(time.time() * 1000)


# ---- Batches ----

def record(key, value, offset=0, timestamp=0, headers=()):
    def part(data):
        return varint(-1) if data is None else varint(len(data)) + data
    body = b'\0' + varint(timestamp) + varint(offset) + part(key) + part(value) + varint(len(headers))
    for name, data in headers:
        body += varint(len(name)) + name + part(data)
    return varint(len(body)) + body


def build(values, base=0, epoch=0, producer=(-1, -1, -1), attributes=0, timestamp=None, step=0, pack=None):
    """A batch with these values, or with (key, value) pairs; pack compresses the records."""
    timestamp = now_ms() if timestamp is None else timestamp
    pairs = [value if isinstance(value, tuple) else (None, value) for value in values]
    records = b''.join(record(key, value, i, i * step) for i, (key, value) in enumerate(pairs))
    tail = struct.pack('>hiqqqhii', attributes, len(pairs) - 1, timestamp, timestamp + step * (len(pairs) - 1), *producer,
                       len(pairs)) + (pack(records) if pack else records)
    return struct.pack('>qiibI', base, len(tail) + 9, epoch, 2, crc32c(tail)) + tail


def marker(kind, base, producer_id, producer_epoch, epoch=0, coordinator_epoch=0, timestamp=None):
    return build([(struct.pack('>hh', 0, kind), struct.pack('>hi', 0, coordinator_epoch))], base, epoch,
                 (producer_id, producer_epoch, -1), TRANSACTIONAL | CONTROL, timestamp)


def raw_snappy(data):
    """One unframed block of literals, as librdkafka sends it (without finding repetitions)."""
    out = bytearray()
    size = len(data)
    while size > 127:
        out.append(size & 127 | 128)
        size >>= 7
    out.append(size)
    for at in range(0, len(data), 60):
        piece = data[at:at + 60]
        out += bytes([(len(piece) - 1) << 2]) + piece
    return bytes(out)


class Batch:
    """One batch at its place in a file or an answer."""

    def __init__(self, data, at):
        (self.base, length, self.epoch, magic, self.crc, self.attributes, self.last_delta, self.first_timestamp,
         self.max_timestamp, self.producer_id, self.producer_epoch, self.sequence, self.count) = struct.unpack_from(
             '>qiibIhiqqqhii', data, at)
        assert magic == 2, magic
        self.at, self.size, self.last = at, length + 12, self.base + self.last_delta
        self.data = data[at:at + self.size]
        assert len(self.data) == self.size, 'a batch at byte %d of %d ends at byte %d' % (at, len(data), at + self.size)
        assert crc32c(self.data[21:]) == self.crc, 'the batch at byte %d has a wrong checksum' % at

    @property
    def is_control(self):
        return self.attributes & CONTROL != 0

    def records(self):
        """(offset, key, value) of an uncompressed batch"""
        at = 61

        def number():
            nonlocal at
            value = shift = 0
            while True:
                byte = self.data[at]
                at += 1
                value |= (byte & 127) << shift
                shift += 7
                if byte < 128:
                    return value >> 1 ^ -(value & 1)

        def part():
            nonlocal at
            size = number()
            at += max(0, size)
            return None if size < 0 else self.data[at - size:at]
        found = []
        for _ in range(self.count):
            end = number() + at
            at += 1
            number()
            found.append((self.base + number(), part(), part()))
            at = end
        return found


def batches(data, may_be_cut=False):
    found, at = [], 0
    while at < len(data):
        if may_be_cut and (at + 61 > len(data) or at + 12 + struct.unpack_from('>i', data, at + 8)[0] > len(data)):
            break
        found.append(Batch(data, at))
        at += found[-1].size
    return found


# ---- Files ----

class Files:
    """A partition's directory in the data directory of a broker."""

    def __init__(self, directory, topic, partition=0):
        self.data = os.path.join(directory, 'data')
        self.dir = os.path.join(self.data, '%s-%d' % (topic, partition))

    def path(self, name, suffix=''):
        return os.path.join(self.dir, ('%020d' % name if isinstance(name, int) else name) + suffix)

    def bases(self, suffix=LOG):
        return sorted(int(os.path.basename(path)[:20]) for path in glob.glob(os.path.join(self.dir, '*' + suffix))
                      if re.fullmatch(r'\d{20}' + re.escape(suffix), os.path.basename(path)))

    def read(self, name, suffix=''):
        with open(self.path(name, suffix), 'rb') as file:
            return file.read()

    def write(self, name, data, suffix=''):
        with open(self.path(name, suffix), 'wb') as file:
            file.write(data)

    def append(self, *data):
        """Behind the end of the last segment."""
        with open(self.path(self.bases()[-1], LOG), 'ab') as file:
            file.write(b''.join(data))

    def remove(self, suffix):
        """All files that end so. -> how many there were"""
        paths = glob.glob(os.path.join(self.dir, '*' + suffix))
        for path in paths:
            os.unlink(path)
        return len(paths)

    def batches(self):
        return [batch for base in self.bases() for batch in batches(self.read(base, LOG))]

    def end(self):
        found = self.batches()
        return found[-1].last + 1 if found else self.bases()[-1]

    def epochs(self):
        lines = self.read('leader-epoch-checkpoint').decode().split('\n')[2:]
        return [tuple(map(int, line.split())) for line in lines if line]

    def snapshot(self, offset):
        """-> {producer id: the other fields}, after checking the file as Apache Kafka does"""
        data = self.read(offset, SNAPSHOT)
        version, crc, count = struct.unpack_from('>hIi', data)
        assert version == 1 and crc == crc32c(data[6:]) and len(data) == 10 + 46 * count, 'no valid snapshot'
        entries = [struct.unpack_from('>qhiqiqiq', data, 10 + 46 * i) for i in range(count)]
        return {entry[0]: dict(zip(('epoch', 'last_sequence', 'last_offset', 'offset_delta', 'timestamp', 'coordinator_epoch',
                                    'txn_first_offset'), entry[1:])) for entry in entries}

    def index(self, base):
        data = self.read(base, INDEX)
        assert len(data) % 8 == 0
        return [(base + offset, pos) for offset, pos in struct.iter_unpack('>ii', data)]

    def time_index(self, base):
        data = self.read(base, TIME_INDEX)
        assert len(data) % 12 == 0
        return [(timestamp, base + offset) for timestamp, offset in struct.iter_unpack('>qi', data)]

    def txn_index(self, base):
        data = self.read(base, TXN_INDEX)
        assert len(data) % 34 == 0
        return [entry[1:] for entry in struct.iter_unpack('>hqqqq', data)]


def top(directory, name):
    return os.path.join(directory, 'data', name)


def is_clean(directory):
    return os.path.exists(top(directory, MARKER))


def clean_epoch(directory):
    with open(top(directory, MARKER)) as file:
        return json.load(file)['brokerEpoch']


def checkpoint(directory, name):
    with open(top(directory, name)) as file:
        lines = file.read().split('\n')[2:]
    return {tuple(line.split()[:2]): int(line.split()[2]) for line in lines if line}


def properties(directory):
    with open(top(directory, 'meta.properties')) as file:
        return dict(line.strip().split('=', 1) for line in file if '=' in line and not line.startswith('#'))


def java_hash(text):
    value = 0
    for char in text:
        value = value * 31 + ord(char) & 0xffffffff
    value -= (value & 0x80000000) << 1
    return 0 if value == -1 << 31 else abs(value)


def metadata_records(directory):
    """(offset, type, bytes behind type and version) of every record of the metadata log"""
    found = []
    for batch in Files(directory, '__cluster_metadata').batches():
        for offset, _, value in [] if batch.is_control else batch.records():
            assert value[0] == 1 and value[1] < 128 and value[2] < 128, value
            found.append((offset, value[1], value[2], value[3:]))
    return found


# ---- Stops and starts ----

def make(directory, topic, configs=(), partitions=1, overrides=()):
    """A clean directory with a topic that has no records yet."""
    with Broker(directory, *overrides) as broker:
        with broker.connect() as client:
            assert client.create_topic(topic, partitions, configs) == 0
        broker.stop()
    assert is_clean(directory)
    return Files(directory, topic)


def refused(directory, *overrides):
    """A start that must not come up. -> (exit code, log)"""
    with Broker(directory, *overrides, ready=False) as broker:
        wait_until(lambda: broker.process.poll() is not None or any(' ready ' in line for line in broker.lines))
        assert not any(' ready ' in line for line in broker.lines), broker.log()
        return broker.wait(), broker.log()


def told(broker, event, *parts):
    """The line of the log with this event and all these parts."""
    def line():
        return [line for line in broker.lines if ' ' + event + ' ' in line + ' ' and all(part in line for part in parts)]
    wait_until(line, 10, 'the event %s with %s in the log:\n%s' % (event, parts, broker.log()))
    return line()[0]


def is_quiet(broker):
    """Nothing was repaired or refused."""
    bad = [line for line in broker.lines if re.search(r'\b(WARN|ERROR)\b', line, re.I)]
    assert not bad, bad


# ---- Requests ----

def produce(client, topic, data, partition=0, transactional_id=None):
    """-> (error, base offset)"""
    head = struct.pack('>h', -1) if transactional_id is None else string(transactional_id)
    reader = client.call(PRODUCE, 3, head + struct.pack('>hi', -1, 30000) + array(
        [string(topic) + array([struct.pack('>ii', partition, len(data)) + data])]))
    ((_, ((_, error, offset, _),)),) = reader.array(lambda: (reader.string(), reader.array(lambda: reader.take('ihqq'))))
    return error, offset


class Fetched:
    """Everything from an offset on."""

    def __init__(self, client, topic, offset=0, committed=False, partition=0):
        self.error, self.high_watermark, self.stable, self.start = 0, 0, 0, 0
        self.aborted, self.batches = [], []
        while self._more(client, topic, offset, committed, partition):
            offset = self.batches[-1].last + 1

    def _more(self, client, topic, offset, committed, partition):
        body = struct.pack('>iiiib', -1, 0, 1, 50 << 20, committed) + array(
            [string(topic) + array([struct.pack('>iqqi', partition, offset, -1, 1 << 20)])])
        reader = client.call(FETCH, 5, body)
        reader.take('i')

        def answer():
            _, error, *offsets = reader.take('ihqqq')
            aborted = reader.array(lambda: reader.take('qq'))
            return error, offsets, aborted, reader.bytes(max(0, reader.take('i')))
        ((_, ((self.error, (self.high_watermark, self.stable, self.start), aborted, data),)),) = reader.array(
            lambda: (reader.string(), reader.array(answer)))
        self.aborted += [txn for txn in aborted if txn not in self.aborted]
        more = batches(data, may_be_cut=True) if self.error == 0 else []
        self.batches += more
        return more

    def values(self, from_offset=0):
        return [value for batch in self.batches if not batch.is_control
                for offset, _, value in batch.records() if offset >= from_offset]

    def committed_values(self):
        """What a read_committed consumer hands out: without transactions that are named as aborted."""
        waiting, aborted, values = sorted(self.aborted, key=lambda txn: txn[1]), set(), []
        for batch in self.batches:
            while waiting and waiting[0][1] <= batch.last:
                aborted.add(waiting.pop(0)[0])
            if batch.is_control:
                ((_, key, _),) = batch.records()
                if struct.unpack('>hh', key)[1] == ABORT:
                    aborted.discard(batch.producer_id)
            elif not (batch.attributes & TRANSACTIONAL and batch.producer_id in aborted):
                values += [value for _, _, value in batch.records()]
        return values


def list_offset(client, topic, timestamp, committed=False, partition=0):
    """-> (timestamp, offset)"""
    reader = client.call(LIST_OFFSETS, 2, struct.pack('>ib', -1, committed) + array(
        [string(topic) + array([struct.pack('>iq', partition, timestamp)])]))
    reader.take('i')
    ((_, ((_, error, found, offset),)),) = reader.array(lambda: (reader.string(), reader.array(lambda: reader.take('ihqq'))))
    assert error == 0, error
    return found, offset


def epoch_end(client, topic, epoch, partition=0):
    """OffsetForLeaderEpoch -> (error, epoch, end offset)"""
    reader = client.call(OFFSET_FOR_LEADER_EPOCH, 3, struct.pack('>i', -1) + array(
        [string(topic) + array([struct.pack('>iii', partition, -1, epoch)])]))
    reader.take('i')
    ((_, ((error, _, found, end),)),) = reader.array(lambda: (reader.string(), reader.array(lambda: reader.take('hiiq'))))
    return error, found, end


def delete_records(client, topic, offset, partition=0):
    """-> (error, new start)"""
    reader = client.call(DELETE_RECORDS, 1, array([string(topic) + array([struct.pack('>iq', partition, offset)])]) +
                         struct.pack('>i', 30000))
    reader.take('i')
    ((_, ((_, start, error),)),) = reader.array(lambda: (reader.string(), reader.array(lambda: reader.take('iqh'))))
    return error, start


def init_producer_id(client):
    """-> (producer id, epoch)"""
    reader = client.call(INIT_PRODUCER_ID, 1, struct.pack('>hi', -1, 60000))
    _, error, producer_id, epoch = reader.take('ihqh')
    assert error == 0, error
    return producer_id, epoch


def commit_offset(client, group, topic, offset, partition=0):
    """-> error"""
    reader = client.call(OFFSET_COMMIT, 2, string(group) + struct.pack('>i', -1) + string('') + struct.pack('>q', -1) + array(
        [string(topic) + array([struct.pack('>iq', partition, offset) + string('')])]))
    ((_, ((_, error),)),) = reader.array(lambda: (reader.string(), reader.array(lambda: reader.take('ih'))))
    return error


def fetch_offset(client, group, topic, partition=0):
    """-> (error, offset), once the coordinator has loaded its partition"""
    answers = []

    def is_loaded():
        reader = client.call(OFFSET_FETCH, 1, string(group) + array([string(topic) + array([struct.pack('>i', partition)])]))
        ((_, ((_, offset, _, error),)),) = reader.array(
            lambda: (reader.string(), reader.array(lambda: (reader.take('i'), reader.take('q'), reader.string(),
                                                            reader.take('h')))))
        answers[:] = [(error, offset)]
        return error != 14  # COORDINATOR_LOAD_IN_PROGRESS
    wait_until(is_loaded, WAIT_SECONDS, 'the coordinator has loaded')
    return answers[0]
