# SPDX-License-Identifier: Apache-2.0
"""Seeds for fuzz_inspect: corpus_inspect.py OUT_DIR.  Files of each kind, and a record of each type in a log."""
import re
import struct
import sys
from pathlib import Path

sys.dont_write_bytecode = True

from corpus_record_batch import batch, log_recovery_seeds, marker, record  # noqa: E402

ROOT = Path(__file__).resolve().parent.parent.parent
LOG, INDEX, TIME_INDEX, TXN_INDEX, SNAPSHOT, CHECKPOINT, EPOCHS, PARTITION, QUORUM, META, OFFSETS = range(11)
TOPICS = {'group': 1, 'txn': 2, 'share': 3, 'metadata': 4, 'remote': 5}
FIX_CHECKSUMS, RECORDS = 0x80, 0x40


def uvarint(value):
    return bytes([value]) if value < 128 else bytes([value & 127 | 128, value >> 7])


def golden(name):
    """Version and bytes of the first example of each version."""
    path = ROOT / 'tests' / 'golden' / 'protocol' / (name + '.hex')
    found = {}
    for line in path.read_text().splitlines() if path.exists() else []:
        words = line.split()
        if len(words) == 3 and not line.startswith('#'):
            found.setdefault(int(words[1]), bytes.fromhex(words[2]))
    return found


def record_types():
    """(set, type) -> {'key': name, 'value': name}."""
    types = {}
    for path in sorted((ROOT / 'protocol' / 'records').glob('*.msg')):
        for kind, part, key, name in re.findall(r'^(group|txn|share|metadata|remote)(-key|-value)? (\d+) (\w+)',
                                                path.read_text(), re.M):
            types.setdefault((kind, int(key)), {})[part[1:] or 'value'] = name
    return types


def records():
    for (kind, number), names in sorted(record_types().items()):
        for version, value in sorted(golden(names.get('value', '')).items()):
            if 'key' in names:
                keys = golden(names['key'])
                key = struct.pack('>h', number) + (keys[min(keys)] if keys else b'')
                value = struct.pack('>h', version) + value
            else:
                key, value = None, b'\1' + uvarint(number) + uvarint(version) + value
            yield bytes([FIX_CHECKSUMS | RECORDS | LOG, TOPICS[kind]]) + batch(0, 1, 0, record(0, key, value))


def control():
    for number, name in ((2, 'LeaderChangeMessage'), (3, 'SnapshotHeaderRecord'), (4, 'SnapshotFooterRecord'),
                         (5, 'KRaftVersionRecord'), (6, 'VotersRecord')):
        for value in golden(name).values():
            payload = record(0, struct.pack('>hh', 0, number), value)
            yield bytes([FIX_CHECKSUMS | RECORDS | CHECKPOINT, 4]) + batch(0, 1, 0x20, payload)


def files():
    for seed in log_recovery_seeds():
        if not seed[0] & 4:
            yield bytes([FIX_CHECKSUMS | RECORDS | LOG, 0]) + seed[1:]
    log = batch(0, 2, 0x10, None, (8, 0, 0)) + marker(2, 8, 0)
    yield bytes([FIX_CHECKSUMS | LOG, 0]) + log + b'\0' * 80
    yield bytes([LOG, 0]) + log
    yield bytes([INDEX, 0]) + struct.pack('>iiii', 4, 100, 8, 200) + b'\0' * 24
    yield bytes([TIME_INDEX, 0]) + struct.pack('>qiqi', 1000, 4, 2000, 8)
    yield bytes([TXN_INDEX, 0]) + struct.pack('>hqqqq', 0, 8, 0, 2, 3)
    producer = struct.pack('>qhiqiqiq', 8, 0, 1, 1, 1, 1000, -1, 0)
    yield bytes([FIX_CHECKSUMS | SNAPSHOT, 0]) + struct.pack('>hIi', 1, 0, 1) + producer
    yield bytes([EPOCHS, 0]) + b'0\n2\n0 0\n3 10\n'
    yield bytes([PARTITION, 0]) + b'version: 0\ntopic_id: V75ybwxFT3u9PGzu-uhuZQ'
    yield bytes([QUORUM, 4]) + b'{"leaderId":1,"leaderEpoch":7,"votedId":1,"data_version":1}'
    yield bytes([META, 0]) + b'#\nversion=1\ncluster.id=c\nnode.id=1\n'
    yield bytes([OFFSETS, 0]) + b'0\n1\nt 0 12\n'


def main():
    out = Path(sys.argv[1])
    out.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate([*files(), *control(), *records()]):
        (out / ('seed%03d' % number)).write_bytes(seed)


if __name__ == '__main__':
    main()
