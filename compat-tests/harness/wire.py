# SPDX-License-Identifier: Apache-2.0
"""A few requests spoken by hand, so that the harness needs no client library to prepare and to look.

All in versions before the flexible ones: big-endian integers, int16-counted strings, int32-counted arrays."""
import socket
import struct
import threading

API_LIST_OFFSETS, API_METADATA, API_OFFSET_FETCH, API_FIND_COORDINATOR = 2, 3, 9, 10
API_API_VERSIONS, API_CREATE_TOPICS, API_INIT_PRODUCER_ID = 18, 19, 22
LATEST, EARLIEST = -1, -2


class WireError(Exception):
    pass


def text(value):
    if value is None:
        return struct.pack('>h', -1)
    raw = value.encode()
    return struct.pack('>h', len(raw)) + raw


class Reader:
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, code):
        value, = struct.unpack_from('>' + code, self.data, self.at)
        self.at += struct.calcsize('>' + code)
        return value

    def text(self):
        size = self.take('h')
        if size < 0:
            return None
        self.at += size
        return self.data[self.at - size:self.at].decode()

    def array(self, read):
        return [read() for _ in range(self.take('i'))]


def exchange(address, api, version, body, seconds=30):
    host, port = address.rsplit(':', 1)
    with socket.create_connection((host, int(port)), timeout=seconds) as connection:
        frame = struct.pack('>hhi', api, version, 1) + text('weir-compat') + body
        connection.sendall(struct.pack('>i', len(frame)) + frame)
        size, = struct.unpack('>i', receive(connection, 4))
        return Reader(receive(connection, size)[4:])


def receive(connection, size):
    parts = bytearray()
    while len(parts) < size:
        chunk = connection.recv(size - len(parts))
        if not chunk:
            raise WireError('closed after %d of %d bytes' % (len(parts), size))
        parts += chunk
    return bytes(parts)


def is_serving(address):
    """The broker answers ApiVersions and says in Metadata that there is a broker to talk to."""
    try:
        reader = exchange(address, API_API_VERSIONS, 0, b'', seconds=5)
        if reader.take('h') != 0:
            return False
        return len(metadata(address, [])['brokers']) > 0
    except (OSError, WireError, struct.error):
        return False


def api_versions(address):
    reader = exchange(address, API_API_VERSIONS, 0, b'')
    reader.take('h')
    return {key: (low, high) for key, low, high in
            reader.array(lambda: (reader.take('h'), reader.take('h'), reader.take('h')))}


def metadata(address, topics):
    """Metadata v5 of the named topics (None: all), creating none."""
    count = -1 if topics is None else len(topics)
    reader = exchange(address, API_METADATA, 5, struct.pack('>i', count) + b''.join(map(text, topics or [])) + b'\0')
    reader.take('i')
    brokers = reader.array(lambda: (reader.take('i'), reader.text(), reader.take('i'), reader.text()))
    reader.text()
    reader.take('i')

    def partition():
        error, index, leader = reader.take('h'), reader.take('i'), reader.take('i')
        for _ in range(3):
            reader.array(lambda: reader.take('i'))
        return index, error, leader

    def topic():
        error, name, internal = reader.take('h'), reader.text(), reader.take('b')
        return name, {'error': error, 'internal': internal, 'partitions': sorted(reader.array(partition))}

    return {'brokers': brokers, 'topics': dict(reader.array(topic))}


def create_topics(address, topics):
    """topics: {name: (partitions, {config: value})}; returns when all of them can be written."""
    body = struct.pack('>i', len(topics))
    for name, (partitions, configs) in topics.items():
        body += text(name) + struct.pack('>ihi', partitions, 1, 0) + struct.pack('>i', len(configs))
        for key, value in configs.items():
            body += text(key) + text(value)
    reader = exchange(address, API_CREATE_TOPICS, 4, body + struct.pack('>ib', 30000, 0), seconds=60)
    reader.take('i')
    for name, error, message in reader.array(lambda: (reader.text(), reader.take('h'), reader.text())):
        if error not in (0, 36):
            raise WireError('creating %s: error %d %s' % (name, error, message))
    why = ''
    for _ in range(600):
        found = metadata(address, list(topics))['topics']
        if all(found[name]['error'] == 0 and len(found[name]['partitions']) == count and
               all(error == 0 and leader >= 0 for _, error, leader in found[name]['partitions'])
               for name, (count, _) in topics.items()):
            try:
                for name, (count, _) in topics.items():
                    offsets(address, name, count)
                return
            except WireError as error:
                why = str(error)
        threading.Event().wait(0.05)
    raise WireError('topics did not become ready: %s %s' % (', '.join(topics), why))


def create_topic(address, name, partitions, **configs):
    create_topics(address, {name: (partitions, {key.replace('_', '.'): value for key, value in configs.items()})})


def offsets(address, topic, partitions, timestamp=LATEST):
    """ListOffsets v2: {partition: offset} for a timestamp."""
    body = struct.pack('>ib', -1, 0) + struct.pack('>i', 1) + text(topic) + struct.pack('>i', partitions)
    for index in range(partitions):
        body += struct.pack('>iq', index, timestamp)
    reader = exchange(address, API_LIST_OFFSETS, 2, body)
    reader.take('i')
    found = {}

    def partition():
        index, error, _, offset = reader.take('i'), reader.take('h'), reader.take('q'), reader.take('q')
        if error:
            raise WireError('offsets of %s-%d: error %d' % (topic, index, error))
        found[index] = offset

    def one_topic():
        reader.text()
        reader.array(partition)

    reader.array(one_topic)
    return found


def end_total(address, topic, partitions):
    return sum(offsets(address, topic, partitions).values())


GROUP, TRANSACTION = 0, 1
LOADING = (14, 15, 16)  # loading, not available, not the coordinator


def find_coordinator(address, key, kind):
    """FindCoordinator v1; -> error code."""
    reader = exchange(address, API_FIND_COORDINATOR, 1, text(key) + struct.pack('>b', kind))
    reader.take('i')
    return reader.take('h')


def group_error(address, group):
    """OffsetFetch v3 of all of a group's offsets; -> error code."""
    reader = exchange(address, API_OFFSET_FETCH, 3, text(group) + struct.pack('>i', -1))
    reader.take('i')

    def partition():
        return reader.take('i'), reader.take('q'), reader.text(), reader.take('h')

    reader.array(lambda: (reader.text(), reader.array(partition)))
    return reader.take('h')


def init_producer_id(address):
    """InitProducerId v0 without a transaction; -> error code."""
    reader = exchange(address, API_INIT_PRODUCER_ID, 0, text(None) + struct.pack('>i', 60000))
    reader.take('i')
    return reader.take('h')
