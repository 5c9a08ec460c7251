#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes the table of docs/differences.md from allowed.json; with --check says whether it is up to date instead."""
import json
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
PAGE = os.path.join(os.path.dirname(os.path.dirname(HERE)), 'docs', 'differences.md')
BEGIN = '<!-- from allowed.json -->\n'
END = '<!-- to here -->\n'


def page(text):
    """The page with its table written anew."""
    head, rest = text.split(BEGIN)
    return head + BEGIN + table() + END + rest.split(END)[1]


def table():
    with open(os.path.join(HERE, 'allowed.json')) as file:
        rows = json.load(file)
    if not rows:
        return 'There are none.\n'
    body = '| request | field | Apache Kafka | weir | reason |\n|---|---|---|---|---|\n'
    for row in rows:
        values = ['`%s`' % json.dumps(row[side]) if side in row else 'any' for side in ('from', 'to')]
        body += '| `%s` | `%s` | %s | %s | %s |\n' % (row['id'], row['path'], *values, row['reason'])
    return body


def main():
    with open(PAGE) as file:
        text = file.read()
    wanted = page(text)
    if '--check' in sys.argv:
        sys.exit(0 if text == wanted else 'docs/differences.md is not what allowed.json says: run compat-tests/difftest/differences.py')
    with open(PAGE, 'w') as file:
        file.write(wanted)


main()
