#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Seeds of fuzz_topic_regex: the expressions that Apache Kafka was asked about.  usage: corpus_topic_regex.py OUT_DIR"""
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
out = Path(sys.argv[1])
out.mkdir(parents=True, exist_ok=True)
lines = (ROOT / 'compat-tests' / 'assignors' / 'expressions.txt').read_bytes().splitlines()[1:]
for number, line in enumerate(lines):
    (out / f'{number:03}').write_bytes(b'orders-1\n' + line)
