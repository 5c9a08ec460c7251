# SPDX-License-Identifier: Apache-2.0
"""What a scenario is given: connections, batches, waiting, and a list of what the broker answered.

What differs from run to run gets a name: ids that the broker makes, times, the run's prefix.  Everything else in an answer
is kept as it is, and is what two brokers are compared by."""
import re
import socket
import struct
import sys
import time
import uuid

from codec import Codec

CODEC = Codec()
WAIT_S = 20
LOADING = (14, 15, 16)
UNKNOWN_TOPIC_OR_PARTITION, NOT_LEADER_OR_FOLLOWER, CONCURRENT_TRANSACTIONS = 3, 6, 51
TRANSACTIONAL, CONTROL = 0x10, 0x20
MAY_DIFFER = {'ThrottleTimeMs', 'TransactionStartTimeMs', 'LastTimestamp', 'MaxTimestamp', 'LogAppendTimeMs', 'CoordinatorEpoch', 'LeaderEpoch'}
LISTS_OF_ALL = {'Groups': 'GroupId', 'ConfigResources': 'ResourceName', 'TransactionStates': 'TransactionalId'}
UUID = re.compile(r'[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}')
SCENARIOS = {}


def scenario(function):
    SCENARIOS[function.__name__] = function
    return function


def pause(seconds=0.02):
    time.sleep(seconds)


def wait_until(condition, what):
    deadline = time.monotonic() + WAIT_S
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise RuntimeError('not within %d s: %s' % (WAIT_S, what))
        pause()


# ---- Records ----

def crc_table():
    table = []
    for n in range(256):
        for _ in range(8):
            n = n >> 1 ^ (0x82F63B78 if n & 1 else 0)
        table.append(n)
    return table


CRC_TABLE = crc_table()


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ CRC_TABLE[(crc ^ byte) & 255]
    return crc ^ 0xFFFFFFFF


def varint(value):
    value = value << 1 ^ value >> 63
    out = bytearray()
    while value & ~127:
        out.append(value & 127 | 128)
        value = value >> 7 & (1 << 57) - 1
    return bytes(out) + bytes([value])


def batch(values, producer=(-1, -1), sequence=-1, attributes=0):
    records = b''
    for i, value in enumerate(values):
        body = b'\0' + varint(0) + varint(i) + varint(-1) + varint(len(value)) + value.encode() + varint(0)
        records += varint(len(body)) + body
    now = int(time.time() * 1000)
    tail = struct.pack('>hiqqqhii', attributes, len(values) - 1, now, now, *producer, sequence, len(values)) + records
    return struct.pack('>qiibI', 0, len(tail) + 9, -1, 2, crc32c(tail)) + tail


class Bytes:
    def __init__(self, data):
        self.data, self.at = data, 0

    def varint(self):
        value = shift = 0
        while True:
            byte = self.data[self.at]
            self.at += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value >> 1 ^ -(value & 1)

    def sized(self):
        size = self.varint()
        if size < 0:
            return None
        self.at += size
        return self.data[self.at - size:self.at]


def batches(data):
    """What is in record batches, less what depends on the time."""
    out = []
    while len(data) >= 61:
        size = struct.unpack_from('>i', data, 8)[0] + 12
        if size > len(data):
            break
        base, = struct.unpack_from('>q', data, 0)
        attributes, last, _, _, pid, epoch, sequence, count = struct.unpack_from('>hiqqqhii', data, 21)
        reader, values = Bytes(data[61:size]), []
        for _ in range(count):
            end = reader.varint() + reader.at
            reader.at += 1
            reader.varint(), reader.varint()
            key, value = reader.sized(), reader.sized()
            values.append((key if attributes & CONTROL else value or b'').decode('latin-1'))
            reader.at = end
        kinds = {b'\0\0\0\0': 'ABORT', b'\0\0\0\1': 'COMMIT'}
        if attributes & CONTROL:
            values = [kinds.get(value.encode('latin-1'), value) for value in values]
        out.append({'Base': base, 'Last': base + last, 'Attributes': attributes, 'ProducerId': pid, 'Epoch': epoch,
                    'Sequence': sequence, 'Values': values})
        data = data[size:]
    return out


# ---- Connections ----

class Connection:
    def __init__(self, address, client_id='difftest'):
        host, port = address.rsplit(':', 1)
        self.socket = socket.create_connection((host, int(port)), timeout=WAIT_S)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.client_id, self.correlation, self.asked = client_id, 0, []

    def close(self):
        self.socket.close()

    def send(self, api, version, body):
        self.correlation += 1
        self.asked.append((api, version, self.correlation))
        frame = CODEC.request(api, version, self.correlation, self.client_id, body)
        self.socket.sendall(struct.pack('>i', len(frame)) + frame)

    def exactly(self, size):
        parts = bytearray()
        while len(parts) < size:
            chunk = self.socket.recv(size - len(parts))
            if not chunk:
                raise ConnectionError('closed after %d of %d bytes' % (len(parts), size))
            parts += chunk
        return bytes(parts)

    def receive(self):
        """The answer to the oldest request that has none."""
        api, version, sent = self.asked.pop(0)
        try:
            data = self.exactly(struct.unpack('>i', self.exactly(4))[0])
        except ConnectionError:
            return {'Outcome': 'closed'}
        except TimeoutError:
            return {'Outcome': 'not answered within %d s' % WAIT_S}
        correlation, answer = CODEC.response(api, version, data)
        assert correlation == sent
        return answer

    def call(self, api, version, body):
        self.send(api, version, body)
        return self.receive()


class World:
    """One run of one scenario."""

    def __init__(self, address, prefix, name):
        self.address, self.prefix, self.scenario = address, prefix, name
        self.rows, self.names, self.connections = [], {}, []
        self.main = self.connect()

    # -- names --

    def n(self, word):
        """A name of this scenario's own."""
        return '%s-%s-%s' % (self.prefix, self.scenario, word)

    def call_it(self, value, name):
        """From here on the value is shown as <name>."""
        if value not in (None, '', -1):
            self.names.setdefault(value, '<%s>' % name)
        return value

    def shown(self, value, field=''):
        if field in MAY_DIFFER and isinstance(value, int) and value >= 0:
            return '~'
        if isinstance(value, dict):
            return {name: self.shown(item, name) for name, item in value.items()}
        if isinstance(value, list):
            mine = [item for item in value if self.is_mine(item, field)]
            items = [self.shown(item, field) for item in mine]
            return items if field in ('Batches', 'Values') else sorted(items, key=repr)
        if isinstance(value, bytes):
            if field == 'Records':
                return self.shown(batches(value), 'Batches')
            return self.text(value.decode('latin-1'))
        if isinstance(value, uuid.UUID):
            return self.names.get(value, 'no id' if value.int == 0 else str(value))
        if isinstance(value, str):
            return self.text(value)
        if field in ('ProducerId', 'ProducerIds') and value in self.names:
            return self.names[value]
        return value

    def is_mine(self, item, field):
        """Lists of all there is also have what other scenarios made."""
        name = LISTS_OF_ALL.get(field)
        if name is None or not isinstance(item, dict) or name not in item:
            return True
        return item[name] in ('', None) or item[name].startswith('%s-%s-' % (self.prefix, self.scenario))

    def text(self, text):
        for value, name in self.names.items():
            if isinstance(value, str):
                text = text.replace(value, name)
        return UUID.sub('<uuid>', text.replace('%s-%s-' % (self.prefix, self.scenario), ''))

    # -- requests --

    def connect(self, client_id='difftest'):
        self.connections.append(Connection(self.address, client_id))
        return self.connections[-1]

    def close(self):
        for connection in self.connections:
            connection.close()

    def note(self, label, answer):
        self.rows.append(('%02d %s' % (len(self.rows) + 1, label), answer))
        return answer

    def ask(self, label, api, version, body, on=None):
        """Sends, waits, and keeps the answer (unless the label is None)."""
        answer = (on or self.main).call(api, version, body)
        return answer if label is None else self.note('%s v%d: %s' % (api, version, label), answer)

    def transcript(self):
        return [(label, self.shown(answer)) for label, answer in self.rows]

    # -- topics --

    def topic(self, word, partitions=1):
        """Makes a topic that can be written; -> its name, and its id is known by it."""
        name = self.n(word)
        made = self.ask(None, 'CreateTopics', 7, dict(timeoutMs=10000, Topics=[dict(
            Name=name, NumPartitions=partitions, ReplicationFactor=1)]))
        assert made['Topics'][0]['ErrorCode'] in (0, 36), made
        self.call_it(self.wait_topic(name, partitions), 'id of ' + word)
        return name

    def wait_topic(self, name, partitions):
        def ready():
            topic = self.ask(None, 'Metadata', 12, dict(Topics=[dict(Name=name)], AllowAutoTopicCreation=False))['Topics'][0]
            if topic['ErrorCode'] or len(topic['Partitions']) < partitions:
                return None
            ask = [dict(PartitionIndex=i, CurrentLeaderEpoch=-1, Timestamp=-1) for i in range(partitions)]
            ends = self.ask(None, 'ListOffsets', 6, dict(ReplicaId=-1, Topics=[dict(Name=name, Partitions=ask)]))
            if any(part['ErrorCode'] for part in ends['Topics'][0]['Partitions']):
                return None
            return topic['TopicId']

        return wait_until(ready, 'topic ' + name)

    def id_of(self, topic):
        return next(value for value, name in self.names.items()
                    if isinstance(value, uuid.UUID) and name == '<id of %s>' % topic[len(self.n('')):])

    def produce(self, label, topic, values, producer=(-1, -1), sequence=-1, transaction=None, partition=0, version=9, attributes=None):
        if attributes is None:
            attributes = TRANSACTIONAL if transaction else 0
        data = [dict(Index=partition, Records=batch(values, producer, sequence, attributes))]
        which = dict(TopicId=self.id_of(topic)) if version >= 13 else dict(Name=topic)
        return self.ask(label, 'Produce', version, dict(TransactionalId=transaction, Acks=-1, TimeoutMs=5000,
                                                        TopicData=[dict(which, PartitionData=data)]))

    def fetch(self, label, topic, offset=0, partition=0, isolation=0, version=12):
        what = dict(Partition=partition, FetchOffset=offset, PartitionMaxBytes=1 << 20, CurrentLeaderEpoch=-1)
        return self.ask(label, 'Fetch', version, dict(MaxWaitMs=0, MaxBytes=1 << 20, IsolationLevel=isolation, SessionEpoch=-1,
                                                      Topics=[dict(Topic=topic, Partitions=[what])]))

    def partition_of(self, topic, partition=0):
        """Its part of a fetch."""
        return self.fetch(None, topic, partition=partition)['Responses'][0]['Partitions'][0]

    # -- coordinators --

    def group(self, word):
        """A group whose coordinator is loaded; -> its name."""
        name = self.n(word)
        self.coordinator(name, 0)
        wait_until(lambda: self.offsets(None, name)['Groups'][0]['ErrorCode'] not in LOADING, 'coordinator of ' + name)
        return name

    def coordinator(self, key, kind):
        wait_until(lambda: self.ask(None, 'FindCoordinator', 4, dict(KeyType=kind, CoordinatorKeys=[key]))
                   ['Coordinators'][0]['ErrorCode'] == 0, 'coordinator of ' + key)

    def offsets(self, label, group, topics=None, version=8, stable=False, **member):
        return self.ask(label, 'OffsetFetch', version, dict(Groups=[dict(GroupId=group, Topics=topics, **member)], RequireStable=stable))


def run(address, prefix, names=None):
    """{scenario: rows} in order; a scenario that stops has a last row that says why."""
    out = {}
    for name, function in SCENARIOS.items():
        if names and name not in names:
            continue
        world, began = World(address, prefix, name), time.monotonic()
        try:
            function(world)
        except Exception as error:  # whatever it is, it is what this run has to say
            world.note('stopped', {'error': '%s: %s' % (type(error).__name__, error)})
            if sys.flags.dev_mode:
                raise
        world.close()
        out[name] = world.transcript()
        if time.monotonic() - began > 5:
            print('slow: %s %.1f s' % (name, time.monotonic() - began), file=sys.stderr)
    return out
