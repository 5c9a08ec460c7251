# SPDX-License-Identifier: Apache-2.0
"""Reads weir's .msg files into a model of messages, structs and fields.

The notation is described in protocol/README.md.  Anything the notation does not allow stops the
build with file and line.
"""
import re
from pathlib import Path

VERSION_MAX = 32766
PRIMITIVES = {'bool', 'int8', 'int16', 'uint16', 'int32', 'uint32', 'int64', 'float64', 'uuid',
              'string', 'bytes', 'records'}
LISTENERS = {'broker', 'controller'}
RECORD_SETS = ('metadata', 'group', 'txn', 'share', 'remote')


class SchemaError(Exception):
    pass


class Range:
    """A run of versions; empty when low > high."""

    def __init__(self, low, high):
        self.low, self.high = low, high

    @staticmethod
    def parse(text):
        if text == 'none':
            return Range(0, -1)
        match = re.fullmatch(r'(\d+)(?:(\+)|-(\d+))?', text)
        if not match:
            raise SchemaError('"%s" is no version range' % text)
        low = int(match[1])
        high = VERSION_MAX if match[2] else int(match[3]) if match[3] else low
        if high < low:
            raise SchemaError('"%s" runs backwards' % text)
        return Range(low, high)

    def __bool__(self):
        return self.low <= self.high

    def __eq__(self, other):
        return (self.low, self.high) == (other.low, other.high) or (not self and not other)

    def __contains__(self, version):
        return self.low <= version <= self.high

    def clip(self, other):
        return Range(max(self.low, other.low), min(self.high, other.high))

    def hull(self, other):
        if not self:
            return other
        if not other:
            return self
        return Range(min(self.low, other.low), max(self.high, other.high))

    def covers(self, other):
        return not other or (self.low <= other.low and other.high <= self.high)

    def versions(self):
        return range(self.low, self.high + 1)

    def text(self):
        if not self:
            return 'none'
        return str(self.low) if self.low == self.high else '%d-%d' % (self.low, self.high)


NONE = Range(0, -1)


class Field:
    """name, elem (the type without []), is_array, declared and nullable versions as written,
    tag, default (text or None), is_key, is_ignorable, entity, never_flexible, struct."""

    def __init__(self, name, where):
        self.name, self.where = name, where
        self.tag = self.default = self.entity = self.struct = None
        self.is_key = self.is_ignorable = self.never_flexible = False
        self.effective = NONE  # versions in which it is on the wire


class Struct:
    def __init__(self, name):
        self.name = name
        self.fields = []
        self.effective = NONE  # versions in which it can be on the wire
        self.is_common = False


class Message:
    """kind: request, response, header, data, or <set>, <set>-key, <set>-value of a record."""

    def __init__(self, kind, name, key):
        self.kind, self.name, self.key = kind, name, key
        self.valid = self.flexible = NONE
        self.listeners = []
        self.latest_unstable = False
        self.root = Struct(name)
        self.common = {}
        self.structs = []  # every struct once, inner ones before those that hold them, root last

    @property
    def is_record(self):
        return self.kind not in ('request', 'response', 'header')


def parse_type(field, text):
    match = re.fullmatch(r'(\[\])?([A-Za-z][A-Za-z0-9]*)(\?)?([0-9+-]*)', text)
    if not match or (match[4] and not match[3]):
        raise SchemaError('"%s" is no type' % text)
    field.is_array, field.elem = bool(match[1]), match[2]
    field.nullable = NONE
    if match[3]:
        field.nullable = Range.parse(match[4]) if match[4] else field.versions
    if field.elem not in PRIMITIVES and not field.elem[0].isupper():
        raise SchemaError('"%s" is no type' % field.elem)


def parse_field(words, where):
    if len(words) < 3:
        raise SchemaError('a field has a name, a type and versions')
    field = Field(words[0], where)
    field.versions = Range.parse(words[2])
    parse_type(field, words[1])
    rest = words[3:]
    while rest:
        word = rest.pop(0)
        if word == 'tag' and rest:
            field.tag = int(rest.pop(0))
        elif word == '=' and rest:
            field.default = rest.pop(0)
        elif word == 'key':
            field.is_key = True
        elif word == 'ignorable':
            field.is_ignorable = True
        elif word == 'never-flexible':
            field.never_flexible = True
        elif word.startswith('@'):
            field.entity = word[1:]
        else:
            raise SchemaError('"%s" is not understood' % word)
    return field


def parse_head(words, api):
    """The first line of a message: what it is, its name, its versions."""
    kind = words.pop(0)
    if kind in ('request', 'response'):
        if api is None:
            raise SchemaError('%s without an api line before it' % kind)
        message = Message(kind, api[1] + kind.capitalize(), api[0])
    elif kind in ('header', 'data'):
        message = Message(kind, words.pop(0), None)
    else:
        key = int(words.pop(0))
        message = Message(kind, words.pop(0), key)
    message.valid = Range.parse(words.pop(0))
    while words:
        word = words.pop(0)
        if word == 'flexible':
            message.flexible = Range.parse(words.pop(0))
        elif word == 'listeners':
            message.listeners = words.pop(0).split(',')
            if not set(message.listeners) <= LISTENERS:
                raise SchemaError('unknown listener')
        elif word == 'latest-unstable':
            message.latest_unstable = True
        else:
            raise SchemaError('"%s" is not understood' % word)
    return message


HEADS = {'request', 'response', 'header', 'data', 'metadata', 'remote'} | {
    '%s-%s' % (record_set, part) for record_set in RECORD_SETS for part in ('key', 'value')}


def parse_lines(path, messages, apis):
    api = message = None
    stack = []  # (depth, list the fields of that depth go to)
    for number, line in enumerate(path.read_text().split('\n'), 1):
        where = '%s:%d' % (path.name, number)
        text = line.split('#')[0].rstrip()
        if not text:
            continue
        indent = len(text) - len(text.lstrip())
        words = text.split()
        try:
            if indent == 0 and words[0] == 'api':
                api = (int(words[1]), words[2])
                apis.append(api)
            elif indent == 0:
                if words[0] not in HEADS:
                    raise SchemaError('"%s" begins no message' % words[0])
                message = parse_head(words, api)
                messages.append(message)
                stack = [(1, message.root.fields)]
            elif message is None:
                raise SchemaError('a field outside of a message')
            elif words[0] == 'struct' and indent == 2 and len(words) == 2:
                common = Struct(words[1])
                common.is_common = True
                if words[1] in message.common:
                    raise SchemaError('struct %s twice' % words[1])
                message.common[words[1]] = common
                stack = [(2, common.fields)]
            else:
                add_field(stack, indent, parse_field(words, where))
        except (SchemaError, ValueError, IndexError) as error:
            raise SchemaError('%s: %s' % (where, error)) from None


def add_field(stack, indent, field):
    depth, odd = divmod(indent, 2)
    if odd or depth > stack[-1][0] + 1:
        raise SchemaError('indented by neither the field before it nor one step more')
    if depth == stack[-1][0] + 1:
        parent = stack[-1][1][-1] if stack[-1][1] else None
        if parent is None or parent.elem in PRIMITIVES:
            raise SchemaError('nothing before it holds fields')
        parent.struct = Struct(parent.elem)
        stack.append((depth, parent.struct.fields))
    while stack[-1][0] > depth:
        stack.pop()
        if not stack:
            raise SchemaError('indented too little')
    stack[-1][1].append(field)


def resolve(message):
    """Binds struct names, computes effective versions, orders structs."""
    def bind(struct):
        for field in struct.fields:
            if field.elem in PRIMITIVES:
                continue
            if field.struct is None:
                field.struct = message.common.get(field.elem)
                if field.struct is None:
                    raise SchemaError('%s: no struct %s' % (field.where, field.elem))
            else:
                bind(field.struct)

    bind(message.root)
    for common in message.common.values():
        bind(common)

    order = []

    def visit(struct, versions, path):
        if struct in path:
            raise SchemaError('%s: struct %s holds itself' % (message.name, struct.name))
        struct.effective = struct.effective.hull(versions)
        for field in struct.fields:
            field.effective = field.effective.hull(field.versions.clip(versions))
            if field.struct is not None:
                visit(field.struct, field.versions.clip(versions), path + [struct])
        if struct not in order:
            order.append(struct)

    visit(message.root, message.valid, [])
    message.structs = order
    names = [struct.name for struct in order]
    if len(set(names)) != len(names):
        raise SchemaError('%s: two structs have one name' % message.name)
    for struct in order:
        check_struct(message, struct)


def check_struct(message, struct):
    tags = [field.tag for field in struct.fields if field.tag is not None]
    if sorted(tags) != list(range(len(tags))):
        raise SchemaError('%s %s: tags are not 0 to %d' % (message.name, struct.name, len(tags) - 1))
    for field in struct.fields:
        if field.nullable and field.elem not in ('string', 'bytes', 'records') and \
                not field.is_array and field.struct is None:
            raise SchemaError('%s: a %s is never null' % (field.where, field.elem))
        if field.struct is not None and not field.is_array and field.nullable and \
                not field.nullable.covers(field.effective):
            raise SchemaError('%s: a struct is nullable in all versions or in none' % field.where)
        if field.tag is not None and not message.flexible.covers(field.effective):
            raise SchemaError('%s: tagged in a version that is not flexible' % field.where)


def min_wire_bytes(message, struct):
    """The least a struct can take on the wire in any version it is in."""
    fixed = {'bool': 1, 'int8': 1, 'int16': 2, 'uint16': 2, 'int32': 4, 'uint32': 4, 'int64': 8,
             'float64': 8, 'uuid': 16}

    def field_bytes(field, version):
        flexible = version in message.flexible and not field.never_flexible
        if field.is_array:
            return 1 if flexible else 4
        if field.struct is not None:
            return 1 if field.nullable else struct_bytes(field.struct, version)
        if field.elem in fixed:
            return fixed[field.elem]
        if flexible:
            return 1
        return 2 if field.elem == 'string' else 4

    def struct_bytes(inner, version):
        total = 1 if version in message.flexible else 0
        for field in inner.fields:
            if version in field.versions and field.tag is None:
                total += field_bytes(field, version)
        return total

    return max(1, min((struct_bytes(struct, version) for version in struct.effective.versions()),
                      default=1))


def load(root):
    """(messages, apis) of all .msg files below root, in the order of their names."""
    messages, apis = [], []
    for folder in ('messages', 'records'):
        for path in sorted(Path(root, folder).glob('*.msg')):
            parse_lines(path, messages, apis)
    for message in messages:
        if message.valid:
            resolve(message)
    names = [message.name for message in messages]
    if len(set(names)) != len(names):
        raise SchemaError('two messages have one name')
    apis.sort()
    if len({key for key, _ in apis}) != len(apis):
        raise SchemaError('two APIs have one key')
    return messages, apis


def load_advertised(root, apis, messages):
    """Name -> Range of protocol/advertised.txt."""
    out = {}
    valid = {message.name[:-len('Request')]: message.valid for message in messages
             if message.kind == 'request'}
    for number, line in enumerate(Path(root, 'advertised.txt').read_text().split('\n'), 1):
        words = line.split('#')[0].split()
        if not words:
            continue
        name = words[0]
        if len(words) != 2 or name not in valid or name in out:
            raise SchemaError('advertised.txt:%d: API and versions, each API once' % number)
        out[name] = Range.parse(words[1])
        if out[name].high > valid[name].high:
            raise SchemaError('advertised.txt:%d: %s ends at version %d'
                              % (number, name, valid[name].high))
    return out
