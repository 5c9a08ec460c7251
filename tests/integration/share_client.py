# SPDX-License-Identifier: Apache-2.0
"""Asks the share coordinator, request by request."""
import base64
import struct

import harness
from harness import wait_until
from txn_client import FlexReader, compact, compact_array

FIND_COORDINATOR, METADATA, INCREMENTAL_ALTER_CONFIGS = 10, 3, 44
SHARE_FETCH, SHARE_ACKNOWLEDGE = 78, 79
INITIALIZE, READ, WRITE, DELETE, SUMMARY = 83, 84, 85, 86, 87
GAP, ACCEPT, RELEASE, REJECT, RENEW = 0, 1, 2, 3, 4
NONE, UNKNOWN_TOPIC_OR_PARTITION, INVALID_REQUEST, FENCED_LEADER_EPOCH, FENCED_STATE_EPOCH = 0, 3, 42, 74, 124
COORDINATOR_LOAD_IN_PROGRESS, COORDINATOR_NOT_AVAILABLE, NOT_COORDINATOR = BUSY = 14, 15, 16
NOT_LEADER_OR_FOLLOWER, OFFSET_NOT_AVAILABLE, INVALID_RECORD_STATE, UNKNOWN_TOPIC_ID = 6, 78, 121, 100
SHARE_SESSION_NOT_FOUND, INVALID_SHARE_SESSION_EPOCH, SHARE_SESSION_LIMIT_REACHED = 122, 123, 133
ACKNOWLEDGED = 2
BATCHES, RECORD_LIMIT = 0, 1     # how a fetch may acquire
TAGS = b'\0'


class ShareClient(harness.Client):
    def flex(self, key, version, body):
        reader = FlexReader(self.call(key, version, TAGS + body + TAGS).data)
        reader.take('i')    # the correlation id
        return reader

    def topic_id(self, name):
        body = compact_array([b'\0' * 16 + compact(name) + TAGS]) + b'\0\0'
        reader = self.flex(METADATA, 12, body)
        reader.tags()
        reader.take('i')

        def broker():
            reader.take('i'), reader.string(), reader.take('i'), reader.string(), reader.tags()
        reader.array(broker)
        reader.string(), reader.take('i')

        def partition():
            reader.take('h'), reader.take('i'), reader.take('i'), reader.take('i')
            for _ in range(3):
                reader.array(lambda: reader.take('i'))
            reader.tags()

        def topic():
            reader.take('h'), reader.string()
            topic_id = reader.bytes(16)
            reader.take('b'), reader.array(partition), reader.take('i'), reader.tags()
            return topic_id
        return reader.array(topic)[0]

    def find(self, key, version=6):
        reader = self.flex(FIND_COORDINATOR, version, struct.pack('>b', 2) + compact_array([compact(key)]))
        reader.tags()
        reader.take('i')

        def coordinator():
            reader.string(), reader.take('i'), reader.string(), reader.take('i')
            error = reader.take('h')
            reader.string(), reader.tags()
            return error
        return reader.array(coordinator)[0]

    def state(self, *request, **more):
        """One partition's result, once its coordinator has loaded: (error, message, what read makes of the rest)."""
        last = []

        def is_done():
            last[:] = self._state(*request, **more)
            return last[0] not in BUSY
        wait_until(is_done, what='the share coordinator')
        return tuple(last)

    def _state(self, api, version, group, topic_id, partition, fields, read=lambda reader: ()):
        one = struct.pack('>i', partition) + fields + TAGS
        reader = self.flex(api, version, compact(group) + compact_array([topic_id + compact_array([one]) + TAGS]))
        reader.tags()

        def result():
            found = reader.take('i')
            assert found == partition
            error, message = reader.take('h'), reader.string()
            rest = read(reader)
            reader.tags()
            return error, message, rest

        def topic():
            assert reader.bytes(16) == topic_id
            results = reader.array(result)
            reader.tags()
            return results
        return reader.array(topic)[0][0]

    def initialize_many(self, group, topics, state_epoch, start):
        """topics: {topic id: partitions}. -> {(topic id, partition): error}"""
        body = compact_array([topic_id + compact_array([struct.pack('>iiq', partition, state_epoch, start) + TAGS
                                                        for partition in partitions]) + TAGS
                              for topic_id, partitions in topics.items()])
        reader = self.flex(INITIALIZE, 0, compact(group) + body)
        reader.tags()
        errors = {}

        def topic():
            topic_id = reader.bytes(16)

            def result():
                partition, error = reader.take('i'), reader.take('h')
                errors[topic_id, partition] = error
                reader.string(), reader.tags()
            reader.array(result)
            reader.tags()
        reader.array(topic)
        return errors

    def initialize(self, group, topic_id, state_epoch, start, partition=0):
        return self.state(INITIALIZE, 0, group, topic_id, partition, struct.pack('>iq', state_epoch, start))

    def delete(self, group, topic_id, partition=0):
        return self.state(DELETE, 0, group, topic_id, partition, b'')

    def read(self, group, topic_id, leader_epoch, partition=0):
        def rest(reader):
            head = reader.take('i'), reader.take('q')

            def batch():
                values = reader.take('q'), reader.take('q'), reader.take('b'), reader.take('h')
                reader.tags()
                return values
            return (*head, reader.array(batch))
        return self.state(READ, 0, group, topic_id, partition, struct.pack('>i', leader_epoch), rest)

    def write(self, group, topic_id, leader_epoch, state_epoch, start, batches, done=0, partition=0):
        fields = struct.pack('>iiqi', state_epoch, leader_epoch, start, done)
        fields += compact_array([struct.pack('>qqbh', *batch) + TAGS for batch in batches])
        return self.state(WRITE, 1, group, topic_id, partition, fields)

    def summary(self, group, topic_id, partition=0):
        def rest(reader):
            return reader.take('i'), reader.take('i'), reader.take('q'), reader.take('i')
        return self.state(SUMMARY, 1, group, topic_id, partition, struct.pack('>i', 0), rest)

    def _ack_batches(self, batches):
        return compact_array([struct.pack('>qq', first, last) + compact_array([struct.pack('>b', kind) for kind in kinds]) + TAGS
                              for first, last, *kinds in batches])

    def _error_tail(self, reader):
        """What both answers begin and end with: (error, message, lock timeout)."""
        reader.tags()
        reader.take('i')
        return reader.take('h'), reader.string(), reader.take('i')

    def share_fetch(self, group, member, epoch, partitions=(), acks=(), forgotten=(), wait_ms=0, min_bytes=1, max_bytes=1 << 20,
                    max_records=500, batch_size=500, mode=0, is_renew=False, version=2):
        """partitions: [(topic id, partition)]; acks: {(topic id, partition): [(first, last, type, ...)]}.
        -> (error, lock timeout, {(topic id, partition): (error, acknowledge error, records, acquired)})"""
        self.send_share_fetch(group, member, epoch, partitions, acks, forgotten, wait_ms, min_bytes, max_bytes, max_records,
                              batch_size, mode, is_renew, version)
        return self.receive_share_fetch()

    def send_share_fetch(self, group, member, epoch, partitions=(), acks=(), forgotten=(), wait_ms=0, min_bytes=1,
                         max_bytes=1 << 20, max_records=500, batch_size=500, mode=0, is_renew=False, version=2):
        acks = dict(acks)
        wanted = list(partitions) + [key for key in acks if key not in partitions]
        topics = compact_array([topic_id + compact_array([
            struct.pack('>i', partition) + self._ack_batches(acks.get((topic_id, partition), ())) + TAGS]) + TAGS
            for topic_id, partition in wanted])
        body = compact(group) + compact(member) + struct.pack('>iiiiii', epoch, wait_ms, min_bytes, max_bytes, max_records, batch_size)
        if version >= 2:
            body += struct.pack('>b?', mode, is_renew)
        body += topics + compact_array([topic_id + compact_array([struct.pack('>i', partition)]) + TAGS
                                        for topic_id, partition in forgotten])
        self.send(SHARE_FETCH, version, TAGS + body + TAGS)

    def receive_share_fetch(self):
        reader = FlexReader(self.receive().data)
        reader.take('i')
        error, self.message, lock_ms = self._error_tail(reader)
        found = {}
        self.messages = {}
        self.leaders = {}

        def acquired():
            values = reader.take('qqh')
            reader.tags()
            return values

        def topic():
            topic_id = reader.bytes(16)

            def partition():
                index, code, message = reader.take('i'), reader.take('h'), reader.string()
                ack_code, ack_message = reader.take('h'), reader.string()
                leader = reader.take('ii')
                reader.tags()
                size = reader.uvarint()
                records = None if size == 0 else reader.bytes(size - 1)
                found[topic_id, index] = code, ack_code, records, reader.array(acquired)
                self.messages[topic_id, index] = message, ack_message
                self.leaders[topic_id, index] = leader
                reader.tags()
            reader.array(partition)
            reader.tags()
        reader.array(topic)
        return error, lock_ms, found

    def share_acknowledge(self, group, member, epoch, acks, is_renew=False, version=2):
        """-> (error, lock timeout, {(topic id, partition): error})"""
        topics = compact_array([topic_id + compact_array([struct.pack('>i', partition) + self._ack_batches(batches) + TAGS]) + TAGS
                                for (topic_id, partition), batches in dict(acks).items()])
        body = compact(group) + compact(member) + struct.pack('>i', epoch)
        if version >= 2:
            body += struct.pack('>?', is_renew)
        reader = self.flex(SHARE_ACKNOWLEDGE, version, body + topics)
        reader.tags()
        reader.take('i')
        error, self.message = reader.take('h'), reader.string()
        lock_ms = reader.take('i') if version >= 2 else None
        found = {}
        self.messages = {}

        def topic():
            topic_id = reader.bytes(16)

            def partition():
                index, code, message = reader.take('i'), reader.take('h'), reader.string()
                reader.take('ii'), reader.tags()
                found[topic_id, index] = code
                self.messages[topic_id, index] = message
                reader.tags()
            reader.array(partition)
            reader.tags()
        reader.array(topic)
        return error, lock_ms, found

    def begin(self, group, topic_id, state_epoch=0, start=0, partition=0):
        """Initializes, once the coordinator is there and has loaded."""
        key = '%s:%s:%d' % (group, base64.urlsafe_b64encode(topic_id).decode().rstrip('='), partition)
        wait_until(lambda: self.find(key) == NONE, what='a share coordinator')
        found = self.initialize(group, topic_id, state_epoch, start, partition)
        assert found[0] == NONE, found

    def set_group_config(self, group, name, value):
        """-> error"""
        entry = harness.string(name) + b'\0' + harness.string(value)
        reader = self.call(INCREMENTAL_ALTER_CONFIGS, 0,
                           harness.array([b'\x20' + harness.string(group) + harness.array([entry])]) + b'\0')
        reader.take('i')
        ((error, _),) = reader.array(lambda: (reader.take('h'), (reader.string(), reader.take('b'), reader.string())))
        return error


class Member:
    """A member of a share group on a connection of its own: its requests have the epochs they should have.  It reads one
    topic; partitions are numbers."""

    def __init__(self, client, group, topic_id, name, partitions=(0,)):
        self.client, self.group, self.topic_id, self.name, self.partitions = client, group, topic_id, name, partitions
        self.epoch = 0
        self.lock_ms = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.client.socket.close()

    def _keyed(self, acks):
        return {(self.topic_id, partition): batches for partition, batches in acks.items()}

    def send(self, acks=None, **kwargs):
        partitions = [(self.topic_id, partition) for partition in self.partitions] if self.epoch == 0 else ()
        self.client.send_share_fetch(self.group, self.name, self.epoch, partitions, self._keyed(acks or {}), **kwargs)

    def receive(self):
        """-> {partition: (error, acknowledge error, values, acquired)}"""
        error, self.lock_ms, found = self.client.receive_share_fetch()
        assert error == NONE, error
        self.epoch += 1
        return {partition: (code, ack_code, harness.batch_values(records or b''), acquired)
                for (topic_id, partition), (code, ack_code, records, acquired) in found.items() if topic_id == self.topic_id}

    def fetch(self, acks=None, **kwargs):
        self.send(acks, **kwargs)
        return self.receive()

    def take(self, acks=None, partition=0, wait_ms=harness.WAIT_SECONDS * 500, **kwargs):
        """What it acquired of one partition, [(first, last, delivery count)], waiting for it."""
        code, ack_code, self.values, acquired = self.fetch(acks, wait_ms=wait_ms, **kwargs).get(partition, (0, 0, [], []))
        assert (code, ack_code) == (NONE, NONE), (code, ack_code)
        return acquired

    def acknowledge(self, *batches, partition=0, **kwargs):
        """batches: (first, last, type, ...). -> the partition's error"""
        error, self.lock_ms, found = self.client.share_acknowledge(self.group, self.name, self.epoch,
                                                                   self._keyed({partition: batches}), **kwargs)
        assert error == NONE, error
        self.epoch += 1
        return found[self.topic_id, partition]

    def leave(self, acks=None):
        """Ends the session. -> {partition: error}"""
        error, _, found = self.client.share_acknowledge(self.group, self.name, -1, self._keyed(acks or {}))
        assert error == NONE, error
        self.epoch = 0
        return {partition: code for (_, partition), code in found.items()}
