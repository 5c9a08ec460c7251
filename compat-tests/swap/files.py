# SPDX-License-Identifier: Apache-2.0
"""What lies in a stopped node's directory: byte checks after weir's clean stop, and what may be thrown away of it."""
import glob
import json
import os
import re
import struct

from harness import cases

HEADER = struct.Struct('>qiibIhiqqqhii')


def partitions(data):
    return [path for path in sorted(glob.glob(os.path.join(data, '*-[0-9]*')))
            if re.search(r'-\d+$', path) and os.path.isdir(path)]


def bases(partition, kind):
    return sorted(int(os.path.basename(path).split('.')[0]) for path in glob.glob(os.path.join(partition, '*.' + kind)))


def crc32c(data, table=[]):
    if not table:
        for n in range(256):
            for _ in range(8):
                n = (n >> 1) ^ 0x82F63B78 if n & 1 else n >> 1
            table.append(n)
    crc = 0xffffffff
    for byte in data:
        crc = (crc >> 8) ^ table[(crc ^ byte) & 0xff]
    return crc ^ 0xffffffff


def read(path):
    with open(path, 'rb') as file:
        return file.read()


def end_of(partition):
    """The log end offset by the last segment's batches, which have to fill it to the last byte."""
    base = bases(partition, 'log')[-1]
    data = read(os.path.join(partition, '%020d.log' % base))
    at, end = 0, base
    while at < len(data):
        cases.check(at + HEADER.size <= len(data), 'a torn batch at %d of %s' % (at, partition))
        head = HEADER.unpack_from(data, at)
        size = 12 + head[1]
        cases.check(head[3] == 2 and at + size <= len(data), 'a batch that does not fit at %d of %s' % (at, partition))
        cases.check(crc32c(data[at + 21:at + size]) == head[4], 'a wrong CRC at %d of %s' % (at, partition))
        end, at = head[0] + head[6] + 1, at + size
    return end


def checkpoint(data, name):
    path = os.path.join(data, name)
    text = read(path).decode() if os.path.exists(path) else ''
    if not text:
        return {}
    lines = text.splitlines()
    cases.check(lines[0] == '0' and int(lines[1]) == len(lines) - 2, name + ' counts wrong: ' + cases.short(text))
    return {'%s-%s' % tuple(line.split()[:2]): int(line.split()[2]) for line in lines[2:]}


def checkpoints(dirs, name):
    found = {}
    for data in dirs:
        found.update(checkpoint(data, name))
    return found


def check_index(path, base, entry, code):
    data = read(path)
    cases.check(len(data) % entry == 0, '%s has %d bytes' % (path, len(data)))
    rows = [struct.unpack_from(code, data, at) for at in range(0, len(data), entry)]
    cases.check(all(one[0] < two[0] and one[1] <= two[1] for one, two in zip(rows, rows[1:])), path + ' does not increase')
    cases.check(not rows or rows[-1][0] > 0, path + ' ends with an entry of zeros')


def check_snapshot(path):
    data = read(path)
    version, crc, count = struct.unpack_from('>hIi', data)
    cases.check(version == 1 and len(data) == 10 + 46 * count and crc == crc32c(data[6:]), 'snapshot %s is not sound' % path)


def check_partition(path):
    name = os.path.basename(path)
    cases.check(os.path.getsize(os.path.join(path, 'partition.metadata')) == 43, name + ' has no partition.metadata')
    for base in bases(path, 'log'):
        check_index(os.path.join(path, '%020d.index' % base), base, 8, '>ii')
        check_index(os.path.join(path, '%020d.timeindex' % base), base, 12, '>qi')
    for base in bases(path, 'snapshot'):
        check_snapshot(os.path.join(path, '%020d.snapshot' % base))
    end = end_of(path)
    snapshots = bases(path, 'snapshot')
    cases.check(all(at <= end for at in snapshots), '%s ends at %d, snapshots %s' % (name, end, snapshots))
    starts = {0, bases(path, 'log')[0]}
    cases.check(end in starts or end in snapshots, '%s ends at %d, snapshots %s' % (name, end, snapshots))
    return name, end


def check_clean_stop(data):
    """Everything Apache Kafka relies on without looking when it finds the marker."""
    leftover = [path for path in glob.glob(os.path.join(data, '**'), recursive=True) if path.endswith(('.tmp', '.swap', '.cleaned'))]
    cases.check(not leftover, 'left over: %s' % leftover)
    marker = json.loads(read(os.path.join(data, '.kafka_cleanshutdown')))
    cases.check(marker['version'] == 0 and marker['brokerEpoch'] > 0, 'marker: %s' % marker)
    points, marks = checkpoint(data, 'recovery-point-offset-checkpoint'), checkpoint(data, 'replication-offset-checkpoint')
    checkpoint(data, 'log-start-offset-checkpoint')
    checkpoint(data, 'cleaner-offset-checkpoint')
    for path in partitions(data):
        if os.path.basename(path) == '__cluster_metadata-0':
            continue
        name, end = check_partition(path)
        cases.check_equal((points.get(name, 0), marks.get(name, 0)), (end, end), 'recovery point and high watermark of ' + name)


def strip(data, compacted):
    """Leaves what Apache Kafka has to read everything anew from: the logs and what is nowhere else, as the log start that
    DeleteRecords set, and the epochs whose batches compaction may have taken."""
    for name in ('.kafka_cleanshutdown', 'recovery-point-offset-checkpoint', 'replication-offset-checkpoint',
                 'cleaner-offset-checkpoint'):
        if os.path.exists(os.path.join(data, name)):
            os.unlink(os.path.join(data, name))
    for path in partitions(data):
        if os.path.basename(path) == '__cluster_metadata-0':
            continue
        for kind in ('index', 'timeindex', 'txnindex', 'snapshot'):
            for base in bases(path, kind):
                os.unlink(os.path.join(path, '%020d.%s' % (base, kind)))
        epochs = os.path.join(path, 'leader-epoch-checkpoint')
        if os.path.exists(epochs) and os.path.basename(path).rsplit('-', 1)[0] not in compacted:
            os.unlink(epochs)
