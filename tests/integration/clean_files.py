# SPDX-License-Identifier: Apache-2.0
"""What a clean stop must leave, byte by byte: after the marker Apache Kafka checks nothing of it.  The harness looks after
each clean stop of a broker.  Nothing here asks weir's own code, but for `weir verify`, which has to find nothing either."""
import json
import os
import re
import struct
import subprocess

MARKER, METADATA_LOG = '.kafka_cleanshutdown', '__cluster_metadata-0'
CHECKSUM_BYTES = 1 << 18    # of a segment's end; checksums in Python take their time
CONTROL, TRANSACTIONAL = 0x20, 0x10
CHECKPOINTS = ('recovery-point-offset-checkpoint', 'log-start-offset-checkpoint', 'replication-offset-checkpoint',
               'cleaner-offset-checkpoint')


def _read(*path):
    with open(os.path.join(*path), 'rb') as file:
        return file.read()


class _Header:
    def __init__(self, data, at):
        (self.base, length, self.epoch, self.magic, self.crc, self.attributes, delta, _, self.timestamp, self.producer, _, _,
         self.count) = struct.unpack_from('>qiibIhiqqqhii', data, at)
        assert self.magic == 2, 'magic %d at byte %d' % (self.magic, at)
        self.at, self.end, self.last = at, at + 12 + length, self.base + delta
        assert self.end <= len(data), 'a batch at byte %d of %d ends at byte %d' % (at, len(data), self.end)


def _batches(path, crc32c):
    data, found, at = _read(path), [], 0
    while at < len(data):
        batch = _Header(data, at)
        if at >= len(data) - CHECKSUM_BYTES:
            assert crc32c(data[at + 21:batch.end]) == batch.crc, (path, at)
        if batch.attributes & CONTROL and batch.count:
            # length, attributes, two deltas of one byte each, key length, key: version and type
            batch.is_abort = struct.unpack_from('>h', data, at + 61 + 7)[0] == 0
        assert not found or batch.base > found[-1].last, (path, at, 'offsets do not rise')
        found.append(batch)
        at = batch.end
    return found


def checkpoint(data, name):
    lines = _read(data, name).decode().split('\n')
    assert lines[0] == '0' and lines[-1] == '' and int(lines[1]) == len(lines) - 3, (name, lines)
    found = {}
    for line in lines[2:-1]:
        topic, partition, offset = line.split(' ')
        assert (topic, int(partition)) not in found, (name, line)
        found[topic, int(partition)] = int(offset)
    return found


def _offset_index(path, base, batches):
    data = _read(path)
    assert len(data) % 8 == 0, (path, len(data))
    lasts = {batch.at: batch.last for batch in batches}
    before = (-1, 0)
    for offset, at in struct.iter_unpack('>ii', data):
        assert offset > before[0] and at > before[1], (path, 'entries do not rise', offset, at)
        assert lasts.get(at) == base + offset, (path, 'an entry is of no batch', offset, at)
        before = offset, at


def _time_index(path, base, batches):
    data = _read(path)
    assert len(data) % 12 == 0, (path, len(data))
    firsts = {}     # of each greatest time so far: the batch that has it
    for batch in batches:
        if batch.timestamp >= 0 and batch.timestamp > max(firsts, default=-1):
            firsts[batch.timestamp] = batch.last
    before = -1, -1
    for timestamp, offset in struct.iter_unpack('>qi', data):
        assert timestamp > before[0] and offset >= before[1], (path, 'entries do not rise', timestamp, offset)
        assert firsts.get(timestamp) == base + offset, (path, 'an entry is of no batch', timestamp, offset)
        before = timestamp, offset
    assert not firsts or before[0] == max(firsts), (path, 'the last entry', before, max(firsts))


def _snapshot(path, crc32c):
    data = _read(path)
    version, crc, count = struct.unpack_from('>hIi', data)
    assert (version, crc, len(data)) == (1, crc32c(data[6:]), 10 + 46 * count), path


class _Transactions:
    """What the batches say was aborted, by the segment that has the marker.  A transaction that began before the first batch,
    or whose batches compaction took, is known by its marker only."""

    def __init__(self):
        self.open = {}

    def of(self, batches):
        found = []
        for batch in batches:
            if batch.attributes & CONTROL and batch.count:
                first = self.open.pop(batch.producer, None)
                if batch.is_abort and first is not None:
                    found.append((batch.producer, first, batch.last))
            elif batch.attributes & TRANSACTIONAL:
                self.open.setdefault(batch.producer, batch.base)
        return found


def _txn_index(path, base, end, wanted):
    data = _read(path) if os.path.exists(path) else b''
    assert len(data) % 34 == 0, (path, len(data))
    found = [entry[1:] for entry in struct.iter_unpack('>hqqqq', data)]
    lasts = [last for _, _, last, _ in found]
    assert lasts == sorted(set(lasts)) and all(base <= last < end for last in lasts), (path, found)
    assert set(wanted) <= {entry[:3] for entry in found}, (path, 'lacks', wanted, found)


def _epochs(path, batches, start, end):
    """The history of the file has to be that of the batches; a leader without batches is known to the file only."""
    lines = _read(path, 'leader-epoch-checkpoint').decode().split('\n')
    assert lines[0] == '0' and int(lines[1]) == len(lines) - 3, (path, lines)
    found = [tuple(map(int, line.split(' '))) for line in lines[2:-1]]
    assert found == sorted(found) and all(a[1] <= b[1] for a, b in zip(found, found[1:])), (path, found)
    for batch in batches:
        if batch.last < start or batch.epoch < 0:
            continue
        epoch = [epoch for epoch, first in found if first <= max(batch.base, start)]
        assert epoch and epoch[-1] == batch.epoch, (path, 'the epoch at', batch.base, batch.epoch, found)
    assert all(first <= end for _, first in found), (path, found, end)


def _partition(path, points, starts, watermarks, cleaned, key, crc32c):
    names = os.listdir(path)
    bad = [name for name in names if name.endswith(('.tmp', '.cleaned', '.swap'))]
    assert not bad, (path, bad)
    assert re.fullmatch(rb'version: 0\ntopic_id: [\w-]{22}\n?', _read(path, 'partition.metadata')), path
    bases = sorted(int(name[:20]) for name in names if re.fullmatch(r'\d{20}\.log', name))
    assert bases, (path, names)
    transactions, everything, end = _Transactions(), [], bases[-1]
    for i, base in enumerate(bases):
        stem = os.path.join(path, '%020d' % base)
        batches = _batches(stem + '.log', crc32c)
        next_base = bases[i + 1] if i + 1 < len(bases) else 1 << 62
        assert all(base <= batch.base and batch.last < next_base for batch in batches), stem
        _offset_index(stem + '.index', base, batches)
        _time_index(stem + '.timeindex', base, batches)
        _txn_index(stem + '.txnindex', base, next_base, transactions.of(batches))
        everything += batches
        end = batches[-1].last + 1 if batches else end
    snapshots = sorted(int(name[:20]) for name in names if re.fullmatch(r'\d{20}\.snapshot', name))
    for offset in snapshots:
        _snapshot(os.path.join(path, '%020d.snapshot' % offset), crc32c)
    start = starts.get(key, bases[0])
    point = points[key]
    if everything:
        assert snapshots and snapshots[-1] == point, (path, 'no snapshot at the end', snapshots, point)
        assert point == end or (key in cleaned and point > end), (path, point, end)
    assert key not in starts or bases[0] < start <= point, (path, start, bases)
    assert start <= watermarks[key] <= point, (path, watermarks[key], start, point)
    assert cleaned.get(key, 0) <= point, (path, cleaned)
    if everything:
        _epochs(path, everything, start, point)


def check(data, crc32c, weir):
    """Of a directory that is marked as clean: AssertionError names the file that is not what it must be."""
    found = json.loads(_read(data, MARKER))
    assert found['version'] == 0 and found['brokerEpoch'] >= 0, found
    points, starts, watermarks, cleaned = (checkpoint(data, name) for name in CHECKPOINTS)
    keys = {}
    for name in os.listdir(data):
        match = re.fullmatch(r'(.+)-(\d+)', name)
        assert not name.endswith('.tmp'), name
        if match and name != METADATA_LOG and os.path.isdir(os.path.join(data, name)):
            keys[match[1], int(match[2])] = os.path.join(data, name)
    assert points.keys() == keys.keys() == watermarks.keys(), (points, sorted(keys), watermarks)
    assert starts.keys() | cleaned.keys() <= keys.keys(), (starts, cleaned)
    for key, path in keys.items():
        _partition(path, points, starts, watermarks, cleaned, key, crc32c)
    result = subprocess.run([weir, 'verify', data], capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr
