# SPDX-License-Identifier: Apache-2.0
"""Seeds for fuzz_record_batch (corpus_log_recovery.py takes its own from here): corpus_record_batch.py OUT_DIR"""
import gzip
import os
import struct
import sys


def varint(value):
    value = (value << 1) ^ (value >> 63)
    out = bytearray()
    while value > 127:
        out.append((value & 127) | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


def record(index, key, value, headers=()):
    body = b"\0" + varint(index) + varint(index)
    for part in (key, value):
        body += varint(-1) if part is None else varint(len(part)) + part
    body += varint(len(headers))
    for name, content in headers:
        body += varint(len(name)) + name + (varint(-1) if content is None else varint(len(content)) + content)
    return varint(len(body)) + body


def batch(base_offset, count, attributes=0, payload=None, producer=(-1, -1, -1)):
    records = b"".join(record(i, b"k%d" % i, b"value" * 5, [(b"h", None)]) for i in range(count))
    if attributes & 7 == 1:
        records = gzip.compress(records, mtime=0)
    if payload is not None:
        records = payload
    tail = struct.pack(">hiqqqhii", attributes, count - 1, 1000, 1000 + count - 1, *producer, count) + records
    # The targets put the checksum right themselves.
    return struct.pack(">qiibI", base_offset, len(tail) + 9, 0, 2, 0) + tail


def marker(offset, producer_id, epoch):
    payload = bytes.fromhex("20000000080000000" + "0" + "0c00000000000000")
    return batch(offset, 1, 0x30, payload, (producer_id, epoch, -1))


def record_batch_seeds():
    yield b"\x09" + batch(0, 3)
    yield b"\x01" + batch(0, 3, 1)
    yield b"\x29" + batch(0, 2, 0, None, (7, 0, 0))
    yield b"\x0b" + batch(0, 1, 2, b"\x05\x10hello")
    yield b"\x09" + marker(0, 7, 0)
    yield b"\x09" + batch(0, 1) + batch(1, 1)
    old = struct.pack(">bb", 1, 0) + struct.pack(">q", 5) + struct.pack(">i", -1) + struct.pack(">i", 2) + b"vv"
    yield b"\x08" + struct.pack(">qiI", 0, len(old) + 4, 0) + old


def log_recovery_seeds():
    log = b""
    for i in range(10):
        log += batch(i * 3, 2, i % 2, None, (7, 0, i * 2) if i % 3 == 0 else (-1, -1, -1))
    txn = batch(30, 2, 0x10, None, (8, 0, 0)) + marker(32, 8, 0)
    yield b"\x02" + log + txn
    yield b"\x03" + log + txn
    yield b"\x02" + log[:-7]
    yield b"\x03" + log + b"\0" * 40
    index = struct.pack(">ii", 4, len(batch(0, 2, 0, None, (7, 0, 0))))
    snapshot = b"\0\1" + struct.pack(">I", 0x8C28B28A) + b"\0\0\0\0"
    yield b"\x07" + struct.pack(">HH", len(index), len(snapshot)) + index + snapshot + log


def main():
    out = sys.argv[1]
    os.makedirs(out, exist_ok=True)
    seeds = log_recovery_seeds() if sys.argv[2:] == ["log_recovery"] else record_batch_seeds()
    for number, seed in enumerate(seeds):
        with open(os.path.join(out, "seed%02d" % number), "wb") as file:
            file.write(seed)


if __name__ == "__main__":
    main()
