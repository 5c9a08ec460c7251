#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Compares protocol/*.msg with the schemas inside Apache Kafka's own jars, field by field.

    compare.py KAFKA_LIBS_DIR

Both sides are brought into one plain form (a list of facts per message) and must be equal: names,
order, types, versions, null, tags, defaults, map keys, ignorable, entity types, listeners.  Texts of
Apache Kafka's schemas (what a field is about) are not compared, and not in ours.
"""
import json
import re
import sys
import zipfile
from pathlib import Path

sys.dont_write_bytecode = True
ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / 'protocol' / 'generator'))

import schema  # noqa: E402

SETS = {'kafka-metadata': {'metadata': 'metadata'},
        'kafka-storage': {'metadata': 'remote'},
        'kafka-group-coordinator': {'coordinator-key': 'group-key', 'coordinator-value': 'group-value'},
        'kafka-transaction-coordinator': {'coordinator-key': 'txn-key', 'coordinator-value': 'txn-value'},
        'kafka-share-coordinator': {'coordinator-key': 'share-key', 'coordinator-value': 'share-value'}}


def official_schemas(libs):
    """Name -> (artifact, schema) of every schema in every Kafka jar."""
    out = {}
    for jar in sorted(Path(libs).glob('kafka*.jar')):
        artifact = re.sub(r'-\d.*', '', jar.name)
        with zipfile.ZipFile(jar) as archive:
            for name in archive.namelist():
                if re.fullmatch(r'(common/)?(message|metadata)/\w+\.json', name):
                    text = re.sub(r'^\s*//.*$', '', archive.read(name).decode(), flags=re.M)
                    loaded = json.loads(text)
                    out[loaded['name']] = (artifact, loaded)
    return out


def span(text):
    """Kafka's notation of versions as a pair; None for none."""
    parsed = schema.Range.parse(text or 'none')
    return (parsed.low, parsed.high) if parsed else None


def clip(inner, outer):
    if inner is None or outer is None:
        return None
    low, high = max(inner[0], outer[0]), min(inner[1], outer[1])
    return (low, high) if low <= high else None


def plain_default(elem, default):
    """Defaults that mean the same look the same: 0x7fffffff and 2147483647, false and nothing."""
    if default is None or default == '':
        return None
    text = str(default).lower() if isinstance(default, bool) else str(default)
    if text == 'null':
        return 'null'
    if elem == 'bool':
        return 'true' if text == 'true' else None
    if re.fullmatch(r'-?(0x[0-9a-fA-F]+|\d+)', text):
        number = int(text, 0)
        return number or None
    return text


def official_field(field):
    versions = span(field.get('versions', field.get('taggedVersions')))
    tagged = span(field.get('taggedVersions'))
    is_array = field['type'].startswith('[]')
    elem = field['type'][2:] if is_array else field['type']
    return {'name': field['name'], 'array': is_array, 'elem': elem, 'versions': versions,
            'nullable': clip(span(field.get('nullableVersions')), versions),
            'tag': field.get('tag') if tagged else None, 'tagged': tagged,
            'default': plain_default(elem, field.get('default')), 'key': bool(field.get('mapKey')),
            'ignorable': bool(field.get('ignorable')), 'entity': field.get('entityType'),
            'flexible': field.get('flexibleVersions'),
            'fields': [official_field(inner) for inner in field['fields']] if 'fields' in field else None}


def official_message(artifact, loaded):
    kind = SETS.get(artifact, {}).get(loaded['type'], loaded['type'])
    return {'kind': kind, 'key': loaded.get('apiKey'), 'valid': span(loaded['validVersions']),
            'flexible': span(loaded.get('flexibleVersions')),
            'listeners': tuple(sorted(loaded.get('listeners') or [])),
            'unstable': bool(loaded.get('latestVersionUnstable')),
            'fields': [official_field(field) for field in loaded.get('fields', [])],
            'common': {common['name']: [official_field(field) for field in common['fields']]
                       for common in loaded.get('commonStructs', [])}}


def pair(versions):
    return (versions.low, versions.high) if versions else None


def our_field(field):
    versions = pair(field.versions)
    is_inline = field.struct is not None and not field.struct.is_common
    return {'name': field.name, 'array': field.is_array, 'elem': field.elem, 'versions': versions,
            'nullable': pair(field.nullable), 'tag': field.tag,
            'tagged': versions if field.tag is not None else None,
            'default': plain_default(field.elem, field.default), 'key': field.is_key,
            'ignorable': field.is_ignorable, 'entity': field.entity,
            'flexible': 'none' if field.never_flexible else None,
            'fields': [our_field(inner) for inner in field.struct.fields] if is_inline else None}


def our_message(message):
    return {'kind': message.kind, 'key': message.key, 'valid': pair(message.valid),
            'flexible': pair(message.flexible), 'listeners': tuple(sorted(message.listeners)),
            'unstable': message.latest_unstable,
            'fields': [our_field(field) for field in message.root.fields],
            'common': {name: [our_field(field) for field in common.fields]
                       for name, common in message.common.items()}}


def differences(path, ours, official):
    if isinstance(ours, dict) and isinstance(official, dict):
        for key in sorted(set(ours) | set(official)):
            yield from differences('%s.%s' % (path, key), ours.get(key), official.get(key))
    elif isinstance(ours, list) and isinstance(official, list):
        for index in range(max(len(ours), len(official))):
            here = ours[index] if index < len(ours) else None
            there = official[index] if index < len(official) else None
            name = (here or there)['name']
            yield from differences('%s[%s]' % (path, name), here, there)
    elif ours != official:
        yield '%s: ours %r, Apache Kafka %r' % (path, ours, official)


def compare(libs):
    """(messages compared, list of differences)."""
    official = official_schemas(libs)
    messages, _ = schema.load(ROOT / 'protocol')
    ours = {message.name: our_message(message) for message in messages}
    found = []
    for name in sorted(set(ours) | set(official)):
        if name not in ours or name not in official:
            found.append('%s is only %s' % (name, 'ours' if name in ours else "Apache Kafka's"))
            continue
        found += differences(name, ours[name], official_message(*official[name]))
    return len(official), found


def main(libs):
    count, found = compare(libs)
    for line in found:
        print(line)
    print('%d messages compared, %d differences' % (count, len(found)))
    return 0 if count and not found else 1


if __name__ == '__main__':
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    sys.exit(main(sys.argv[1]))
