#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes the seeds of fuzz_request_decode from tests/golden/protocol.

    corpus_request_decode.py OUT_DIR
"""
import sys
from pathlib import Path

sys.dont_write_bytecode = True
ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / 'protocol' / 'generator'))

import schema  # noqa: E402

SETS = ['metadata', 'group', 'txn', 'share', 'remote', 'data']


def number(value):
    return value.to_bytes(2, 'big', signed=True)


def seed(message, version, body, index):
    """The bytes in front of a body: see fuzz_request_decode.c."""
    if message.kind == 'request':
        header = bytes(4) + number(-1)
        if version in message.flexible:
            header += b'\0'
        return b'\0' + number(message.key) + number(version) + header + body
    if message.kind == 'response':
        return b'\1' + number(message.key) + number(version) + body
    record_set, _, part = message.kind.partition('-')
    what = 2 + 2 * SETS.index(record_set) + (1 if part == 'key' else 0)
    return bytes([what]) + number(index if message.key is None else message.key) + number(version) + body


def main(out):
    out.mkdir(parents=True, exist_ok=True)
    messages, _ = schema.load(ROOT / 'protocol')
    by_name = {message.name: message for message in messages}
    # The order of record types in the generated table: as they first come up.
    order = []
    for message in messages:
        if message.is_record and message.valid:
            entry = (message.kind.split('-')[0], message.key if message.key is not None else message.name)
            if entry not in order:
                order.append(entry)
    for path in sorted((ROOT / 'tests' / 'golden' / 'protocol').glob('*.hex')):
        for count, line in enumerate(path.read_text().splitlines()):
            name, version, text = (line.split() + [''])[:3]
            message = by_name[name]
            if message.kind == 'header':
                continue
            index = order.index(('data', name)) if message.kind == 'data' else 0
            Path(out, '%s_%d' % (name, count)).write_bytes(seed(message, int(version), bytes.fromhex(text), index))


if __name__ == '__main__':
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(Path(sys.argv[1]))
