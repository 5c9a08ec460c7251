# SPDX-License-Identifier: Apache-2.0
"""One message -> one header and one C file."""
import re

from names import field_name, header_path, message_name, snake, struct_name
from schema import min_wire_bytes

C_TYPES = {'bool': 'bool', 'int8': 'int8_t', 'int16': 'int16_t', 'uint16': 'uint16_t',
           'int32': 'int32_t', 'uint32': 'uint32_t', 'int64': 'int64_t', 'float64': 'double',
           'uuid': 'struct weir_uuid', 'string': 'struct weir_slice', 'bytes': 'struct weir_slice',
           'records': 'struct weir_records'}
WIRE = {'bool': 'bool', 'int8': 'i8', 'int16': 'i16', 'uint16': 'u16', 'int32': 'i32',
        'uint32': 'u32', 'int64': 'i64', 'float64': 'f64', 'uuid': 'uuid', 'string': 'string',
        'bytes': 'bytes', 'records': 'records'}
ARRAYS = {'int8', 'int16', 'int32', 'int64', 'uuid', 'string', 'bytes'}
SIZED = {'string', 'bytes', 'records'}
LIMITS = {'int8': 7, 'int16': 15, 'int32': 31, 'int64': 63}
SPDX = '/* SPDX-License-Identifier: Apache-2.0 */'
NOTICE = '/* Written by protocol/generator from a file of protocol/%s; change that one. */'


def c_type(message, field):
    if field.is_array:
        if field.struct is not None:
            return 'struct %s_array' % struct_name(message, field.struct)
        assert field.elem in ARRAYS, field.where
        return 'struct weir_%s_array' % WIRE[field.elem]
    if field.struct is not None:
        name = 'struct ' + struct_name(message, field.struct)
        return 'const %s *' % name if field.nullable else name
    return C_TYPES[field.elem]


def integer(elem, value):
    bits = LIMITS.get(elem)
    if bits and value == -(1 << bits):
        return 'INT%d_MIN' % (bits + 1)
    if bits and value == (1 << bits) - 1:
        return 'INT%d_MAX' % (bits + 1)
    if elem == 'int64' and abs(value) > 0x7fffffff:
        return 'INT64_C(%d)' % value
    return str(value) + ('u' if elem == 'uint32' else '')


def default_value(message, field, is_static=False):
    """The initialiser of the default, or None when that is all zero bits."""
    default = field.default
    if field.is_array:
        return '{NULL, -1}' if default == 'null' else None
    if field.struct is not None:
        if not field.nullable:
            return None if all_zero(message, field.struct) else 'struct'
        return None if default == 'null' else '&default_' + short(message, field.struct)
    if field.elem == 'bool':
        return 'true' if default == 'true' else None
    if field.elem == 'float64':
        return None if default is None else repr(float(default))
    if field.elem in ('string', 'bytes'):
        if default == 'null':
            return None
        text = default or ''
        assert re.fullmatch(r'[A-Za-z0-9_.-]*', text), field.where
        braces = '{(const uint8_t *)"%s", %d}' % (text, len(text))
        return braces
    if field.elem in ('uuid', 'records'):
        assert default in (None, 'null'), field.where
        return None
    value = int(default, 0) if default is not None else 0
    return integer(field.elem, value) if value else None


def all_zero(message, struct):
    return all(default_value(message, field) is None for field in struct.fields)


def short(message, struct):
    return struct_name(message, struct)[len('weir_'):]


def initialiser(message, struct):
    parts = []
    for field in struct.fields:
        value = default_value(message, field)
        if value == 'struct':
            value = initialiser(message, field.struct)
        if value is not None:
            parts.append('.%s = %s' % (field_name(field.name), value))
    return '{%s}' % ', '.join(parts) if parts else '{0}'


def default_expression(message, field):
    """The default as something that can be assigned."""
    value = default_value(message, field)
    ctype = c_type(message, field)
    if field.is_array or (field.struct is None and field.elem in SIZED | {'uuid'}):
        if value is None and field.elem == 'uuid' and not field.is_array:
            return '(struct weir_uuid){{0}}'
        return '(%s)%s' % (ctype, value or '{0}')
    if field.struct is not None:
        if field.nullable:
            return value or 'NULL'
        return '(%s)%s' % (ctype, initialiser(message, field.struct))
    return value or ('false' if field.elem == 'bool' else '0')


def is_default(message, field, what, lenient):
    """lenient: a null string passes for an empty one (the version has no such field anyway)."""
    default = field.default
    if field.is_array:
        return '%s.count < 0' % what if default == 'null' else '%s.count == 0' % what
    if field.struct is not None:
        test = 'is_default_%s' % short(message, field.struct)
        if not field.nullable:
            return '%s(&%s)' % (test, what)
        if default == 'null':
            return '%s == NULL' % what
        return '(%s != NULL && %s(%s))' % (what, test, what)
    if field.elem in ('string', 'bytes'):
        if default == 'null':
            return '%s.data == NULL' % what
        if default:
            return 'weir_slice_is(%s, "%s")' % (what, default)
        if field.nullable and not lenient:
            return '(%s.data != NULL && %s.size == 0)' % (what, what)
        return '%s.size == 0' % what
    if field.elem == 'records':
        return '(%s.bytes.data == NULL && %s.source_count == 0)' % (what, what)
    if field.elem == 'uuid':
        return 'weir_uuid_is_zero(%s)' % what
    if field.elem == 'bool':
        return what if default == 'true' else '!' + what
    return '%s == %s' % (what, default_value(message, field) or '0')


def condition(versions, within):
    """versions as a test on `version`, which is known to be in within; '' when always true."""
    versions = versions.clip(within)
    tests = []
    if versions.low > within.low:
        tests.append('version >= %d' % versions.low)
    if versions.high < within.high:
        tests.append('version <= %d' % versions.high)
    if len(tests) == 2 and versions.low == versions.high:
        return 'version == %d' % versions.low
    return ' && '.join(tests)


def truth(versions, within):
    if not versions.clip(within):
        return 'false'
    return condition(versions, within) or 'true'


class Emitter:
    def __init__(self, message):
        self.message = message
        self.lines = []

    def out(self, text='', indent=0):
        self.lines.append('    ' * indent + text if text else '')

    def is_flexible(self, struct):
        return bool(self.message.flexible.clip(struct.effective))

    def flexible(self, struct, field=None):
        if field is not None and field.never_flexible:
            return 'false'
        return truth(self.message.flexible, struct.effective)

    def name(self, struct):
        return struct_name(self.message, struct)

    def short(self, struct):
        return short(self.message, struct)

    # ---- header ----
    def header(self):
        message, out = self.message, self.out
        name = message_name(message)
        out(SPDX)
        out(NOTICE % ('records' if message.is_record else 'messages'))
        out('#pragma once')
        out()
        out('#include "weir/protocol/arrays.h"')
        out('#include "weir/protocol/codec.h"')
        out()
        out('/* %s, versions %s. */' % (message.name, message.valid.text()))
        out()
        arrays = {id(field.struct) for struct in message.structs for field in struct.fields
                  if field.is_array}
        for struct in message.structs:
            self.struct_definition(struct)
            if id(struct) in arrays:
                out('WEIR_ARRAY_STRUCT(%s_array, struct %s);' % (self.name(struct), self.name(struct)))
                out()
        for struct in message.structs:
            self.capabilities(struct)
        out('/* All fields get their defaults. */')
        for struct in message.structs:
            out('void %s_init(struct %s *out);' % (self.name(struct), self.name(struct)))
        out()
        out('/* UNSUPPORTED when there is no such version; see wire_reader.h for the rest. */')
        out('void %s_read(struct weir_reader *reader, int16_t version, struct %s *out);' % (name, name))
        out('/* UNSUPPORTED also when a field is set that the version lacks and that may not be dropped. */')
        out('void %s_write(struct weir_writer *writer, int16_t version, const struct %s *message);'
            % (name, name))
        out()
        out('extern const struct weir_message_codec %s_codec;' % name)
        return '\n'.join(self.lines) + '\n'

    def struct_definition(self, struct):
        out = self.out
        out('struct %s {' % self.name(struct))
        for field in struct.fields:
            ctype = c_type(self.message, field)
            notes = []
            if field.effective != struct.effective:
                notes.append(field.effective.clip(self.message.valid).text())
            if field.tag is not None:
                notes.append('tag %d' % field.tag)
            if field.nullable:
                notes.append('nullable' if field.nullable.covers(field.effective) else
                             'nullable ' + field.nullable.clip(self.message.valid).text())
            note = ' /* %s */' % ', '.join(notes) if notes else ''
            glue = '' if ctype.endswith('*') else ' '
            out('%s%s%s;%s' % (ctype, glue, field_name(field.name), note), 1)
        if self.is_flexible(struct):
            out('struct weir_tags unknown_tags;', 1)
        elif not struct.fields:
            out('uint8_t has_no_fields;', 1)
        out('};')
        out()

    def capabilities(self, struct):
        for field in struct.fields:
            versions = field.versions.clip(struct.effective)
            if versions.covers(struct.effective):
                continue
            self.out('static inline bool %s_has_%s(int16_t version)'
                     % (self.name(struct), snake(field.name)))
            self.out('{')
            if versions:
                self.out('return %s;' % condition(versions, struct.effective), 1)
            else:
                self.out('(void)version;', 1)
                self.out('return false;', 1)
            self.out('}')
            self.out()

    # ---- source ----
    def source(self):
        message, out = self.message, self.out
        out(SPDX)
        out(NOTICE % ('records' if message.is_record else 'messages'))
        out('#include "%s"' % header_path(message))
        out()
        if message.is_record:
            out('#include "weir/protocol/printer.h"')
        out('#include "weir/protocol/tagged_fields.h"')
        out()
        tested = self.tested_structs()
        arrays = {id(field.struct): field for struct in message.structs for field in struct.fields
                  if field.is_array and field.struct is not None}
        defaults = {id(field.struct) for struct in message.structs for field in struct.fields
                    if (default_value(message, field) or '').startswith('&')}
        for struct in message.structs:
            if id(struct) in defaults:
                out('static const struct %s default_%s = %s;'
                    % (self.name(struct), self.short(struct), initialiser(message, struct)))
                out()
            self.init(struct)
            if id(struct) in tested:
                self.is_default_function(struct)
            self.function('read', struct, self.read_body)
            if id(struct) in arrays:
                self.array_functions('read', struct)
            self.function('write', struct, self.write_body)
            if id(struct) in arrays:
                self.array_functions('write', struct)
            if message.is_record:
                self.function('print', struct, self.print_body)
                if id(struct) in arrays:
                    self.array_functions('print', struct)
        self.entry_points()
        return '\n'.join(self.lines) + '\n'

    def tested_structs(self):
        """Structs whose default-ness is asked for: tagged ones, ones a version lacks, and what
        these hold."""
        wanted = set()

        def want(struct):
            if id(struct) in wanted:
                return
            wanted.add(id(struct))
            for field in struct.fields:
                if needs(field):
                    want(field.struct)

        def needs(field):
            return field.struct is not None and not field.is_array and \
                not (field.nullable and field.default == 'null')

        for struct in self.message.structs:
            for field in struct.fields:
                lacking = not field.versions.covers(struct.effective) and not field.is_ignorable
                if needs(field) and (field.tag is not None or lacking):
                    want(field.struct)
        return wanted

    def init(self, struct):
        self.out('void %s_init(struct %s *out)' % (self.name(struct), self.name(struct)))
        self.out('{')
        self.out('*out = (struct %s)%s;' % (self.name(struct), initialiser(self.message, struct)), 1)
        self.out('}')
        self.out()

    def is_default_function(self, struct):
        tests = [is_default(self.message, field, 'message->' + field_name(field.name), False)
                 for field in struct.fields]
        if self.is_flexible(struct):
            tests.append('message->unknown_tags.count == 0')
        self.out('static bool is_default_%s(const struct %s *message)'
                 % (self.short(struct), self.name(struct)))
        self.out('{')
        self.out('return %s;' % ' &&\n           '.join(tests), 1)
        self.out('}')
        self.out()

    def function(self, verb, struct, body):
        heads = {'read': 'static void read_%s(struct weir_reader *reader, int16_t version, struct %s *out)',
                 'write': 'static void write_%s(struct weir_writer *writer, int16_t version, const struct %s *message)',
                 'print': 'static void print_%s(struct weir_printer *printer, int16_t version, const struct %s *message)'}
        self.out(heads[verb] % (self.short(struct), self.name(struct)))
        self.out('{')
        start = len(self.lines)
        body(struct)
        text = '\n'.join(self.lines[start:])
        handles = {'read': ('reader', 'out'), 'write': ('writer', 'message'),
                   'print': ('printer', 'message')}[verb]
        unused = [word for word in handles + ('version',) if not re.search(r'(?<![>.])\b%s\b' % word, text)]
        self.lines[start:start] = ['    (void)%s;' % word for word in unused]
        self.out('}')
        self.out()

    def array_functions(self, verb, struct):
        out, name, short_name = self.out, self.name(struct), self.short(struct)
        flexible = self.flexible(struct)
        if verb == 'read':
            out('static void read_%s_array(struct weir_reader *reader, int16_t version, bool nullable,'
                % short_name)
            out('    struct %s_array *out)' % name)
            out('{')
            out('const int32_t count = weir_read_array_count(reader, %s, nullable, %d);'
                % (flexible, min_wire_bytes(self.message, struct)), 1)
            out('struct %s *items = weir_reader_alloc(reader, count, sizeof(*items));' % name, 1)
            out('*out = (struct %s_array){items, items == NULL && count > 0 ? 0 : count};' % name, 1)
            out('for (int32_t i = 0; i < out->count && weir_reader_status(reader) == WEIR_OK; i++)', 1)
            out('read_%s(reader, version, &items[i]);' % short_name, 2)
        elif verb == 'print':
            out('static void print_%s_array(struct weir_printer *printer, int16_t version,' % short_name)
            out('    const struct %s_array *value)' % name)
            out('{')
            out('weir_print_begin(printer, value->count < 0 ? WEIR_PRINT_NULL : WEIR_PRINT_ARRAY);', 1)
            out('for (int32_t i = 0; i < value->count; i++)', 1)
            out('print_%s(printer, version, &value->items[i]);' % short_name, 2)
            out('weir_print_end(printer, value->count < 0 ? WEIR_PRINT_NULL : WEIR_PRINT_ARRAY);', 1)
        else:
            out('static void write_%s_array(struct weir_writer *writer, int16_t version, bool nullable,'
                % short_name)
            out('    const struct %s_array *value)' % name)
            out('{')
            out('weir_write_array_count(writer, value->count, %s, nullable);' % flexible, 1)
            out('for (int32_t i = 0; i < value->count; i++)', 1)
            out('write_%s(writer, version, &value->items[i]);' % short_name, 2)
        out('}')
        out()

    def nullable(self, struct, field):
        return truth(field.nullable, field.versions.clip(struct.effective))

    def read_field(self, struct, field, indent, is_tagged):
        out = self.out
        target = 'out->' + field_name(field.name)
        flexible = self.flexible(struct, field)
        nullable = self.nullable(struct, field)
        if field.is_array and field.struct is not None:
            out('read_%s_array(reader, version, %s, &%s);'
                % (self.short(field.struct), nullable, target), indent)
        elif field.is_array:
            out('%s = weir_read_%s_array(reader, %s, %s);'
                % (target, WIRE[field.elem], flexible, nullable), indent)
        elif field.struct is not None and field.nullable:
            # The mark of a null struct differs: a varint inside a tagged field, else one byte.
            absent = 'weir_read_uvarint(reader) == 0' if is_tagged else 'weir_read_i8(reader) < 0'
            inner = field_name(field.name)
            out('%s = NULL;' % target, indent)
            out('if (!(%s)) {' % absent, indent)
            out('struct %s *%s = weir_reader_alloc(reader, 1, sizeof(*%s));'
                % (self.name(field.struct), inner, inner), indent + 1)
            out('if (%s != NULL)' % inner, indent + 1)
            out('read_%s(reader, version, %s);' % (self.short(field.struct), inner), indent + 2)
            out('%s = %s;' % (target, inner), indent + 1)
            out('}', indent)
        elif field.struct is not None:
            out('read_%s(reader, version, &%s);' % (self.short(field.struct), target), indent)
        elif field.elem == 'records':
            out('%s = (struct weir_records){.bytes = weir_read_bytes(reader, %s, %s)};'
                % (target, flexible, nullable), indent)
        elif field.elem in SIZED:
            out('%s = weir_read_%s(reader, %s, %s);'
                % (target, WIRE[field.elem], flexible, nullable), indent)
        else:
            out('%s = weir_read_%s(reader);' % (target, WIRE[field.elem]), indent)

    def read_body(self, struct):
        out = self.out
        tagged = sorted((field for field in struct.fields if field.tag is not None),
                        key=lambda field: field.tag)
        for field in struct.fields:
            if field.tag is not None:
                self.read_default(field, 1)
                continue
            versions = field.versions.clip(struct.effective)
            test = condition(versions, struct.effective) if versions else 'never'
            if test == 'never':
                self.read_default(field, 1)
            elif not test:
                self.read_field(struct, field, 1, False)
            else:
                out('if (%s) {' % test, 1)
                self.read_field(struct, field, 2, False)
                out('} else {', 1)
                self.read_default(field, 2)
                out('}', 1)
        if not self.is_flexible(struct):
            return
        out('out->unknown_tags = (struct weir_tags){NULL, 0};', 1)
        indent = 1
        test = condition(self.message.flexible, struct.effective)
        if test:
            out('if (%s) {' % test, 1)
            indent = 2
        out('struct weir_tag_reader tags;', indent)
        out('weir_tag_reader_begin(&tags, reader);', indent)
        out('while (weir_tag_reader_next(&tags, reader)) {', indent)
        word = 'if'
        for field in tagged:
            test_field = condition(field.versions, struct.effective)
            out('%s (tags.tag == %d%s) {' % (word, field.tag, ' && ' + test_field if test_field else ''),
                indent + 1)
            self.read_field(struct, field, indent + 2, True)
            word = '} else if'
        if tagged:
            out('} else {', indent + 1)
            out('weir_tag_reader_keep(&tags, reader, &out->unknown_tags);', indent + 2)
            out('}', indent + 1)
        else:
            out('weir_tag_reader_keep(&tags, reader, &out->unknown_tags);', indent + 1)
        out('}', indent)
        if test:
            out('}', 1)

    def read_default(self, field, indent):
        target = 'out->' + field_name(field.name)
        self.out('%s = %s;' % (target, default_expression(self.message, field)), indent)

    def write_field(self, struct, field, indent, is_tagged):
        out = self.out
        value = 'message->' + field_name(field.name)
        flexible = self.flexible(struct, field)
        nullable = self.nullable(struct, field)
        if field.is_array and field.struct is not None:
            out('write_%s_array(writer, version, %s, &%s);'
                % (self.short(field.struct), nullable, value), indent)
        elif field.is_array:
            out('weir_write_%s_array(writer, %s, %s, %s);'
                % (WIRE[field.elem], value, flexible, nullable), indent)
        elif field.struct is not None and field.nullable:
            null, present = ('weir_write_uvarint(writer, 0)', 'weir_write_uvarint(writer, 1)') \
                if is_tagged else ('weir_write_i8(writer, -1)', 'weir_write_i8(writer, 1)')
            out('if (%s == NULL) {' % value, indent)
            out('%s;' % null, indent + 1)
            out('} else {', indent)
            out('%s;' % present, indent + 1)
            out('write_%s(writer, version, %s);' % (self.short(field.struct), value), indent + 1)
            out('}', indent)
        elif field.struct is not None:
            out('write_%s(writer, version, &%s);' % (self.short(field.struct), value), indent)
        elif field.elem in SIZED:
            out('weir_write_%s(writer, %s, %s, %s);'
                % (WIRE[field.elem], value, flexible, nullable), indent)
        else:
            out('weir_write_%s(writer, %s);' % (WIRE[field.elem], value), indent)

    def write_body(self, struct):
        out, message = self.out, self.message
        for field in struct.fields:
            versions = field.versions.clip(struct.effective)
            test = condition(versions, struct.effective) if versions else 'never'
            value = 'message->' + field_name(field.name)
            lacking = '!(%s)' % is_default(message, field, value, True)
            if field.tag is None and test != 'never':
                if test:
                    out('if (%s) {' % test, 1)
                    self.write_field(struct, field, 2, False)
                    out('}', 1)
                else:
                    self.write_field(struct, field, 1, False)
            if test and not field.is_ignorable:
                if test == 'never':
                    out('if (%s)' % lacking, 1)
                else:
                    out('if (!(%s) && %s)' % (test, lacking), 1)
                out('weir_writer_fail(writer, WEIR_UNSUPPORTED);', 2)
        if not self.is_flexible(struct):
            return
        test = condition(message.flexible, struct.effective)
        if test:
            out('if (!(%s)) {' % test, 1)
            out('if (message->unknown_tags.count != 0)', 2)
            out('weir_writer_fail(writer, WEIR_UNSUPPORTED);', 3)
            out('return;', 2)
            out('}', 1)
        self.write_tags(struct)

    def print_field(self, field, indent):
        out = self.out
        value = 'message->' + field_name(field.name)
        out('weir_print_name(printer, "%s");' % field.name, indent)
        if field.is_array and field.struct is not None:
            out('print_%s_array(printer, version, &%s);' % (self.short(field.struct), value), indent)
        elif field.is_array:
            out('weir_print_%s_array(printer, %s);' % (WIRE[field.elem], value), indent)
        elif field.struct is not None and field.nullable:
            out('if (%s == NULL)' % value, indent)
            out('weir_print_null(printer);', indent + 1)
            out('else', indent)
            out('print_%s(printer, version, %s);' % (self.short(field.struct), value), indent + 1)
        elif field.struct is not None:
            out('print_%s(printer, version, &%s);' % (self.short(field.struct), value), indent)
        elif field.elem == 'records':
            out('weir_print_bytes(printer, %s.bytes);' % value, indent)
        elif field.elem in LIMITS or field.elem in ('uint16', 'uint32'):
            out('weir_print_integer(printer, %s);' % value, indent)
        else:
            out('weir_print_%s(printer, %s);' % (WIRE[field.elem], value), indent)

    def print_body(self, struct):
        out = self.out
        out('weir_print_begin(printer, WEIR_PRINT_STRUCT);', 1)
        for field in struct.fields:
            versions = field.versions.clip(struct.effective)
            if not versions:
                continue
            test = condition(versions, struct.effective)
            if test:
                out('if (%s) {' % test, 1)
            self.print_field(field, 2 if test else 1)
            if test:
                out('}', 1)
        if self.is_flexible(struct):
            out('weir_print_tags(printer, &message->unknown_tags);', 1)
        out('weir_print_end(printer, WEIR_PRINT_STRUCT);', 1)

    def write_tags(self, struct):
        out = self.out
        tagged = sorted((field for field in struct.fields
                         if field.tag is not None and field.versions.clip(struct.effective)),
                        key=lambda field: field.tag)
        for field in tagged:
            test = condition(field.versions, struct.effective)
            present = '!(%s)' % is_default(self.message, field,
                                           'message->' + field_name(field.name), False)
            out('const bool has_%s = %s%s;'
                % (snake(field.name), test + ' && ' if test else '', present), 1)
        count = ' + '.join(['message->unknown_tags.count']
                           + ['(has_%s ? 1 : 0)' % snake(field.name) for field in tagged])
        out('weir_write_uvarint(writer, (uint32_t)(%s));' % count, 1)
        out('int32_t next = 0;', 1)
        for field in tagged:
            out('if (has_%s) {' % snake(field.name), 1)
            out('weir_write_tags_below(writer, &message->unknown_tags, &next, %d);' % field.tag, 2)
            out('const size_t begin = weir_write_tag_begin(writer, %d);' % field.tag, 2)
            self.write_field(struct, field, 2, True)
            out('weir_write_tag_end(writer, begin);', 2)
            out('}', 1)
        out('weir_write_tags_rest(writer, &message->unknown_tags, &next);', 1)

    def entry_points(self):
        out, message = self.out, self.message
        root = message.root
        name, short_name = self.name(root), self.short(root)
        low, high = message.valid.low, message.valid.high
        bad = 'version != %d' % low if low == high else 'version < %d || version > %d' % (low, high)
        out('void %s_read(struct weir_reader *reader, int16_t version, struct %s *out)' % (name, name))
        out('{')
        out('if (%s) {' % bad, 1)
        out('weir_reader_fail(reader, WEIR_UNSUPPORTED);', 2)
        out('%s_init(out);' % name, 2)
        out('return;', 2)
        out('}', 1)
        out('read_%s(reader, version, out);' % short_name, 1)
        out('}')
        out()
        out('void %s_write(struct weir_writer *writer, int16_t version, const struct %s *message)'
            % (name, name))
        out('{')
        out('if (%s)' % bad, 1)
        out('weir_writer_fail(writer, WEIR_UNSUPPORTED);', 2)
        out('else', 1)
        out('write_%s(writer, version, message);' % short_name, 2)
        out('}')
        out()
        out('static void codec_init_%s(void *message)' % short_name)
        out('{')
        out('%s_init(message);' % name, 1)
        out('}')
        out()
        out('static void codec_read_%s(struct weir_reader *reader, int16_t version, void *out)'
            % short_name)
        out('{')
        out('%s_read(reader, version, out);' % name, 1)
        out('}')
        out()
        out('static void codec_write_%s(struct weir_writer *writer, int16_t version, const void *message)'
            % short_name)
        out('{')
        out('%s_write(writer, version, message);' % name, 1)
        out('}')
        out()
        if message.is_record:
            out('static void codec_print_%s(struct weir_printer *printer, int16_t version, const void *message)'
                % short_name)
            out('{')
            out('print_%s(printer, version, message);' % short_name, 1)
            out('}')
            out()
        out('const struct weir_message_codec %s_codec = {' % name)
        out('.name = "%s",' % message.name, 1)
        out('.version_min = %d,' % low, 1)
        out('.version_max = %d,' % high, 1)
        flexible = message.flexible.clip(message.valid)
        out('.flexible_from = %s,' % (flexible.low if flexible else 'WEIR_NEVER_FLEXIBLE'), 1)
        out('.size = sizeof(struct %s),' % name, 1)
        out('.init = codec_init_%s,' % short_name, 1)
        out('.read = codec_read_%s,' % short_name, 1)
        out('.write = codec_write_%s,' % short_name, 1)
        if message.is_record:
            out('.print = codec_print_%s,' % short_name, 1)
        out('};')
