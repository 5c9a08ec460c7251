#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes the seeds of fuzz_framing: scripts and streams, see fuzz_framing.c.

    corpus_framing.py OUT_DIR
"""
import sys
from pathlib import Path

SCRIPTS = [bytes([0, 255, 0, 255]), bytes([255, 0, 2, 255]), bytes([3, 1, 1, 1]), bytes([40, 9, 5, 16])]


def frame(key, version, correlation, body, client=b't', tags=None):
    head = key.to_bytes(2, 'big', signed=True) + version.to_bytes(2, 'big', signed=True)
    head += correlation.to_bytes(4, 'big')
    head += b'\xff\xff' if client is None else len(client).to_bytes(2, 'big') + client
    head += tags if tags is not None else b''
    return len(head + body).to_bytes(4, 'big') + head + body


def main(out):
    out.mkdir(parents=True, exist_ok=True)
    streams = {
        'echo': b''.join(frame(3, 4, i, b'e%d' % i) for i in range(5)),
        'pending': b''.join(frame(3, 4, i, b'p' * (i + 1)) for i in range(12)),
        'blocking': b''.join(frame(0, 7, i, b'pes'[i % 3:i % 3 + 1]) for i in range(12)),
        'silent': b''.join(frame(0, 7, i, b's') for i in range(20)),
        'close': frame(3, 4, 1, b'p') + frame(3, 4, 2, b'c') + frame(3, 4, 3, b'e'),
        'tags': frame(18, 3, 1, b'', tags=b'\2\5\1x\5\2yz') + frame(3, 12, 2, b'e', client=None, tags=b'\0'),
        'unknown_version': frame(18, 99, 1, b'?', tags=b'\0') + frame(18, -1, 2, b''),
        'large': frame(3, 4, 1, b'e' * 20000) + frame(3, 4, 2, b'e' * 70000),
        'bad_key': frame(3, 4, 1, b'p') + frame(999, 0, 2, b''),
        'too_large': frame(3, 4, 1, b'e') + b'\x7f\xff\xff\xff',
        'negative': b'\xff\xff\xff\xff',
        'half': frame(3, 4, 1, b'e')[:-1],
        'http': b'GET / HTTP/1.1\r\nHost: x\r\n\r\n',
        'tls': bytes.fromhex('1603010200010001fc0303') + bytes(60),
    }
    for name, stream in streams.items():
        for index, script in enumerate(SCRIPTS):
            (out / f'{name}_{index}').write_bytes(script + stream)


if __name__ == '__main__':
    main(Path(sys.argv[1]))
