# SPDX-License-Identifier: Apache-2.0
"""The tables over all messages: APIs, record types, docs/protocol-support.md."""
from emit_message import SPDX
from names import header_path, message_name, snake

NOTICE = '/* Written by protocol/generator from protocol/; change the files there. */'


def api_enum(apis):
    lines = [SPDX, NOTICE, '#pragma once', '', 'enum weir_api_key {']
    lines += ['    WEIR_API_%s = %d,' % (snake(name).upper(), key) for key, name in apis]
    lines += ['};', '']
    return '\n'.join(lines)


def record_enums(messages):
    lines = [SPDX, NOTICE, '#pragma once', '']
    for record_set in ('metadata', 'group', 'txn', 'share', 'remote'):
        types = {}
        for message in messages:
            if message.kind.split('-')[0] == record_set and message.key is not None:
                types.setdefault(message.key, message.name)
        lines.append('enum weir_%s_record_type {' % record_set)
        for key, name in sorted(types.items()):
            lines.append('    WEIR_%s_RECORD_%s = %d,'
                         % (record_set.upper(), snake(record_base(name)).upper(), key))
        lines += ['};', '']
    return '\n'.join(lines)


def record_base(name):
    for end in ('Record', 'Key', 'Value'):
        if name.endswith(end):
            return name[:-len(end)]
    return name


def includes(messages):
    return ['#include "%s"' % header_path(message) for message in messages]


def pointer(message):
    return '&%s_codec' % message_name(message) if message is not None else 'NULL'


def api_table(apis, messages, advertised):
    by_name = {message.name: message for message in messages if message.valid}
    used, rows = [], []
    for key, name in apis:
        request, response = by_name.get(name + 'Request'), by_name.get(name + 'Response')
        used += [message for message in (request, response) if message is not None]
        row = ['.key = WEIR_API_%s' % snake(name).upper(), '.name = "%s"' % name]
        if request is None:
            row += ['.version_min = 0', '.version_max = -1', '.flexible_from = WEIR_NEVER_FLEXIBLE']
        else:
            flexible = request.flexible.clip(request.valid)
            row += ['.version_min = %d' % request.valid.low, '.version_max = %d' % request.valid.high,
                    '.flexible_from = %s' % (flexible.low if flexible else 'WEIR_NEVER_FLEXIBLE')]
            if request.latest_unstable:
                row.append('.latest_is_unstable = true')
            if request.listeners:
                row.append('.listeners = ' + ' | '.join('WEIR_LISTENER_' + kind.upper()
                                                        for kind in sorted(request.listeners)))
        served = advertised.get(name)
        row += ['.advertised_min = %d' % (served.low if served else 0),
                '.advertised_max = %d' % (served.high if served else -1)]
        row += ['.request = ' + pointer(request), '.response = ' + pointer(response)]
        rows.append('    {%s},' % ',\n     '.join(row))
    lines = [SPDX, NOTICE, '#include "weir/protocol/tables.h"', ''] + includes(used)
    lines += ['', 'const struct weir_api_spec weir_api_table[] = {'] + rows + ['};', '']
    lines += ['const size_t weir_api_table_count = sizeof(weir_api_table) / sizeof(weir_api_table[0]);', '']
    return '\n'.join(lines)


def record_table(messages):
    rows, used, entries = [], [], {}
    for message in messages:
        if not message.is_record or not message.valid:
            continue
        used.append(message)
        record_set, _, part = message.kind.partition('-')
        entry = entries.setdefault((record_set, message.key, message.name if message.key is None else ''),
                                   {'name': message.name if message.key is None
                                    else record_base(message.name)})
        entry['key' if part == 'key' else 'value'] = message
    for (record_set, key, _), entry in entries.items():
        rows.append('    {.set = WEIR_RECORD_SET_%s,\n     .type = %d,\n     .name = "%s",\n'
                    '     .key = %s,\n     .value = %s},'
                    % (record_set.upper(), -1 if key is None else key, entry['name'],
                       pointer(entry.get('key')), pointer(entry.get('value'))))
    lines = [SPDX, NOTICE, '#include "weir/protocol/tables.h"', ''] + includes(used)
    lines += ['', 'const struct weir_record_type weir_record_table[] = {'] + rows + ['};', '']
    lines += ['const size_t weir_record_table_count =',
              '    sizeof(weir_record_table) / sizeof(weir_record_table[0]);', '']
    return '\n'.join(lines)


SUPPORT_HEAD = '''# Protocol support

Every API of Apache Kafka 4.3.0, the versions weir can read and write, and those it advertises to clients and serves.
An API without an entry in the last column is known to the codec only, and not advertised. Produce 0 to 2 are
advertised, as Apache Kafka does for the sake of old librdkafka, and answered with UNSUPPORTED_VERSION.
This file is written by `protocol/generator/generate.py support`; a test fails when it is out of date.

| key | API | versions | flexible from | listeners | advertised |
|---:|---|---|---:|---|---|
'''


def support(apis, messages, advertised):
    by_name = {message.name: message for message in messages}
    text = SUPPORT_HEAD
    for key, name in apis:
        request = by_name[name + 'Request']
        if not request.valid:
            text += '| %d | %s | none: removed in 4.0 | | | |\n' % (key, name)
            continue
        flexible = request.flexible.clip(request.valid)
        served = advertised.get(name)
        unstable = ' (latest unstable)' if request.latest_unstable else ''
        text += '| %d | %s | %s%s | %s | %s | %s |\n' % (
            key, name, request.valid.text(), unstable, flexible.low if flexible else '',
            ', '.join(sorted(request.listeners)), served.text() if served else '')
    sets = [('metadata', 'metadata records', '`__cluster_metadata`'),
            ('group', 'group coordinator records', '`__consumer_offsets`'),
            ('txn', 'transaction coordinator records', '`__transaction_state`'),
            ('share', 'share coordinator records', '`__share_group_state`'),
            ('remote', 'remote log records', '`__remote_log_metadata`'),
            ('data', 'other data', 'control records, principals, consumer protocol, files')]
    text += '\nRecords:\n\n| set | where | types |\n|---|---|---|\n'
    for record_set, title, where in sets:
        names = {}
        for message in messages:
            if message.kind.split('-')[0] == record_set:
                base = record_base(message.name) if message.key is not None else message.name
                names[(-1 if message.key is None else message.key, base)] = message.valid.text()
        listed = ', '.join('%s%s (v%s)' % ('%d ' % key if key >= 0 else '', name, versions)
                           for (key, name), versions in sorted(names.items()))
        text += '| %s | %s | %s |\n' % (title, where, listed)
    return text
