# SPDX-License-Identifier: Apache-2.0
"""Requests and responses as dictionaries, read and written from the definitions in protocol/.

Names of fields are Kafka's.  A field that a request does not mention has its default; numbers and texts are checked by
nobody, so that a request may be as wrong as a scenario wants it."""
import os
import struct
import sys
import uuid

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, 'protocol', 'generator'))
import schema  # noqa: E402

FIXED = {'int8': 'b', 'int16': 'h', 'uint16': 'H', 'int32': 'i', 'uint32': 'I', 'int64': 'q', 'float64': 'd', 'bool': '?'}
NO_UUID = uuid.UUID(int=0)


class DecodeError(Exception):
    pass


def uvarint(value):
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


def default(field):
    if field.is_array or field.struct is not None:
        if field.default == 'null':
            return None
        return [] if field.is_array else {}
    if field.elem == 'uuid':
        return NO_UUID
    if field.elem in ('string', 'bytes', 'records'):
        if field.default == 'null':
            return None
        return b'' if field.elem != 'string' else (field.default or '').strip('"')
    if field.elem == 'bool':
        return field.default == 'true'
    return float(field.default or 0) if field.elem == 'float64' else int(field.default or '0', 0)


class Writer:
    def __init__(self, message, version):
        self.version, self.is_flexible = version, version in message.flexible

    def size(self, count, code, is_flexible):
        if is_flexible:
            return uvarint(0 if count is None else count + 1)
        return struct.pack('>' + code, -1 if count is None else count)

    def scalar(self, field, value):
        if field.elem in FIXED:
            return struct.pack('>' + FIXED[field.elem], value)
        if field.elem == 'uuid':
            return value.bytes
        is_flexible = self.is_flexible and not field.never_flexible
        raw = value.encode() if isinstance(value, str) else value
        head = self.size(None if raw is None else len(raw), 'h' if field.elem == 'string' else 'i', is_flexible)
        return head + (raw or b'')

    def value(self, field, value):
        if field.is_array:
            head = self.size(None if value is None else len(value), 'i', self.is_flexible)
            return head + b''.join(self.element(field, item) for item in value or [])
        if field.struct is not None and field.nullable:
            return b'\xff' if value is None else b'\1' + self.struct(field.struct, value)
        return self.element(field, value)

    def element(self, field, value):
        return self.struct(field.struct, value) if field.struct is not None else self.scalar(field, value)

    def struct(self, struct_, values):
        unknown = set(values) - {field.name for field in struct_.fields}
        assert not unknown, 'no such fields in %s: %s' % (struct_.name, ', '.join(unknown))
        out, tagged = b'', []
        for field in struct_.fields:
            if self.version not in field.versions:
                continue
            value = values.get(field.name, default(field))
            if field.tag is None:
                out += self.value(field, value)
            elif value != default(field):
                tagged.append((field.tag, self.value(field, value)))
        if self.is_flexible:
            out += uvarint(len(tagged))
            for tag, raw in sorted(tagged):
                out += uvarint(tag) + uvarint(len(raw)) + raw
        return out


class Reader:
    def __init__(self, message, version, data):
        self.version, self.is_flexible, self.data, self.at = version, version in message.flexible, data, 0

    def take(self, count):
        if count < 0 or self.at + count > len(self.data):
            raise DecodeError('%d bytes wanted at %d of %d' % (count, self.at, len(self.data)))
        self.at += count
        return self.data[self.at - count:self.at]

    def uvarint(self):
        value = shift = 0
        while True:
            byte = self.take(1)[0]
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    def size(self, code, is_flexible):
        if is_flexible:
            return self.uvarint() - 1
        return struct.unpack('>' + code, self.take(struct.calcsize(code)))[0]

    def scalar(self, field):
        if field.elem in FIXED:
            code = FIXED[field.elem]
            return struct.unpack('>' + code, self.take(struct.calcsize(code)))[0]
        if field.elem == 'uuid':
            return uuid.UUID(bytes=self.take(16))
        count = self.size('h' if field.elem == 'string' else 'i', self.is_flexible and not field.never_flexible)
        if count < 0:
            return None
        raw = self.take(count)
        return raw.decode() if field.elem == 'string' else raw

    def value(self, field):
        if field.is_array:
            count = self.size('i', self.is_flexible)
            return None if count < 0 else [self.element(field) for _ in range(count)]
        if field.struct is not None and field.nullable and self.take(1) == b'\xff':
            return None
        return self.element(field)

    def element(self, field):
        return self.struct(field.struct) if field.struct is not None else self.scalar(field)

    def struct(self, struct_):
        values, tagged = {}, {}
        for field in struct_.fields:
            if self.version not in field.versions:
                continue
            if field.tag is None:
                values[field.name] = self.value(field)
            else:
                tagged[field.tag] = field
                values[field.name] = default(field)
        for _ in range(self.uvarint() if self.is_flexible else 0):
            tag, count = self.uvarint(), self.uvarint()
            if tag in tagged:
                values[tagged[tag].name] = self.value(tagged[tag])
            else:
                self.take(count)
        return values


class Codec:
    """Every API of protocol/, by name."""

    def __init__(self):
        messages, apis = schema.load(os.path.join(ROOT, 'protocol'))
        self.by_name = {message.name: message for message in messages}
        self.keys = {name: key for key, name in apis}

    def request(self, api, version, correlation, client_id, body):
        request = self.by_name[api + 'Request']
        header = self.by_name['RequestHeader']
        head = dict(RequestApiKey=self.keys[api], RequestApiVersion=version, CorrelationId=correlation, ClientId=client_id)
        return Writer(header, 2 if version in request.flexible else 1).struct(header.root, head) + \
            Writer(request, version).struct(request.root, body)

    def response(self, api, version, data):
        """(correlation id, the body)"""
        response = self.by_name[api + 'Response']
        header = self.by_name['ResponseHeader']
        # ApiVersions is answered with the old header in every version: the client may not know what to expect.
        reader = Reader(header, 1 if version in response.flexible and api != 'ApiVersions' else 0, data)
        correlation = reader.struct(header.root)['CorrelationId']
        body = Reader(response, version, data[reader.at:])
        values = body.struct(response.root)
        if body.at != len(body.data):
            raise DecodeError('%d bytes are left' % (len(body.data) - body.at))
        return correlation, values
