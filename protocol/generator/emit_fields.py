# SPDX-License-Identifier: Apache-2.0
"""A description of every struct and field (tests/unit/protocol/fields.h), so that the tests can
fill any message with random values and compare two of them."""
from emit_message import SPDX
from emit_tables import NOTICE, includes
from names import field_name, message_name, struct_name

GROUPS = {'requests': lambda message: message.kind == 'request',
          'responses': lambda message: message.kind in ('response', 'header'),
          'records': lambda message: message.is_record}


def field_row(message, struct, field):
    name = struct_name(message, struct)
    versions = field.versions.clip(struct.effective)
    nullable = field.nullable.clip(versions)
    kind = 'STRUCT' if field.struct is not None else field.elem.upper()
    inner = '&info_%s' % struct_name(message, field.struct) if field.struct is not None else 'NULL'
    return '    {"%s", FIELD_%s, %s, %s, offsetof(struct %s, %s), %d, %d, %d, %d, %d, %s},' % (
        field.name, kind, 'true' if field.is_array else 'false',
        'true' if field.is_ignorable else 'false', name, field_name(field.name),
        versions.low if versions else 0, versions.high if versions else -1,
        nullable.low if nullable else 0, nullable.high if nullable else -1,
        -1 if field.tag is None else field.tag, inner)


def struct_lines(message, struct):
    name = struct_name(message, struct)
    lines = []
    fields = 'NULL'
    if struct.fields:
        fields = 'fields_' + name
        lines.append('static const struct field_info %s[] = {' % fields)
        lines += [field_row(message, struct, field) for field in struct.fields]
        lines.append('};')
    lines.append('static void init_%s(void *at) { %s_init(at); }' % (name, name))
    tags = 'offsetof(struct %s, unknown_tags)' % name \
        if message.flexible.clip(struct.effective) else 'NO_TAGS'
    lines += ['static const struct struct_info info_%s = {' % name,
              '    "%s", %s, %d, sizeof(struct %s), %s, init_%s};'
              % (name, fields, len(struct.fields), name, tags, name), '']
    return lines


def sources(messages):
    """Group name -> text."""
    out = {}
    for group, belongs in GROUPS.items():
        chosen = [message for message in messages if message.valid and belongs(message)]
        lines = [SPDX, NOTICE, '#include "fields.h"', ''] + includes(chosen) + ['']
        for message in chosen:
            for struct in message.structs:
                lines += struct_lines(message, struct)
        lines += ['const struct message_info %s_info[] = {' % group]
        lines += ['    {&%s_codec, &info_%s},' % (message_name(message), message_name(message))
                  for message in chosen]
        lines += ['};', 'const size_t %s_info_count = %d;' % (group, len(chosen)), '']
        out[group] = '\n'.join(lines)
    return out
