#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes tests/golden/protocol/*.hex: random values of each message and version, encoded by the
differential tester's codec, which shares nothing with weir's and reads Apache Kafka's own schemas.

    make_protocol.py DIFFTEST_DIR KAFKA_LIBS_DIR

Needed only when a new release of Kafka is taken up; the files are kept in the repository.
"""
import json
import re
import sys
import tempfile
import zipfile
from pathlib import Path

VALUES = 2


def normalise(schema):
    """A field that names only the versions in which it is tagged is there in these."""
    def walk(fields):
        for field in fields:
            field.setdefault('versions', field.get('taggedVersions', ''))
            if field['type'][0].isupper() and field.get('taggedVersions'):
                # How null is written in such a place is a test of its own (test_tagged_fields.c).
                field.pop('nullableVersions', None)
            walk(field.get('fields', []))
    walk(schema.get('fields', []))
    for common in schema.get('commonStructs', []):
        walk(common['fields'])
    return schema


def extract(libs, into):
    for jar in sorted(Path(libs).glob('kafka*.jar')):
        with zipfile.ZipFile(jar) as archive:
            for name in archive.namelist():
                if re.fullmatch(r'(common/)?(message|metadata)/\w+\.json', name):
                    text = re.sub(r'^\s*//.*$', '', archive.read(name).decode(), flags=re.M)
                    Path(into, Path(name).name).write_text(json.dumps(normalise(json.loads(text))))


def main(difftest, libs):
    sys.path.insert(0, difftest)
    from kgen import Gen
    from kproto import Schemas
    out = Path(__file__).resolve().parent / 'protocol'
    out.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        extract(libs, folder)
        schemas = Schemas(folder)
    for name, message in sorted(schemas.by_name.items()):
        lines = []
        for version in message.versions():
            gen = Gen(schemas, seed='golden/%s/%d' % (name, version), mode='raw')
            lines += ['%s %d %s' % (name, version, message.encode(gen.message(message, version), version).hex())
                      for _ in range(VALUES)]
        if lines:
            (out / (name + '.hex')).write_text('\n'.join(lines) + '\n')


if __name__ == '__main__':
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(sys.argv[1], sys.argv[2])
