#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes docs/differences.md from allowed.json; with --check says whether it is up to date instead."""
import json
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
PAGE = os.path.join(os.path.dirname(os.path.dirname(HERE)), 'docs', 'differences.md')
HEAD = '''<!-- SPDX-License-Identifier: Apache-2.0 -->
# Where weir answers differently from Apache Kafka 4.3.0

Written by `compat-tests/difftest/differences.py` from `compat-tests/difftest/allowed.json`; change that file, not this one.
The differential tester fails on any difference that is not listed here, and on a listed one that no longer occurs.
An API that weir does not have yet is not advertised and not compared; `protocol-support.md` lists them all.

'''


def page():
    with open(os.path.join(HERE, 'allowed.json')) as file:
        rows = json.load(file)
    if not rows:
        return HEAD + 'There are none.\n'
    body = '| request | field | Apache Kafka | weir | reason |\n|---|---|---|---|---|\n'
    for row in rows:
        values = ['`%s`' % json.dumps(row[side]) if side in row else 'any' for side in ('from', 'to')]
        body += '| `%s` | `%s` | %s | %s | %s |\n' % (row['id'], row['path'], *values, row['reason'])
    return HEAD + body


def main():
    wanted = page()
    if '--check' in sys.argv:
        try:
            with open(PAGE) as file:
                is_same = file.read() == wanted
        except FileNotFoundError:
            is_same = False
        sys.exit(0 if is_same else 'docs/differences.md is not what allowed.json says: run compat-tests/difftest/differences.py')
    with open(PAGE, 'w') as file:
        file.write(wanted)


main()
