# SPDX-License-Identifier: Apache-2.0
"""Asks the share coordinator, request by request."""
import struct

import harness
from harness import wait_until
from txn_client import FlexReader, compact, compact_array

FIND_COORDINATOR, METADATA = 10, 3
SHARE_FETCH, SHARE_ACKNOWLEDGE = 78, 79
INITIALIZE, READ, WRITE, DELETE, SUMMARY = 83, 84, 85, 86, 87
GAP, ACCEPT, RELEASE, REJECT, RENEW = 0, 1, 2, 3, 4
NONE, UNKNOWN_TOPIC_OR_PARTITION, INVALID_REQUEST, FENCED_LEADER_EPOCH, FENCED_STATE_EPOCH = 0, 3, 42, 74, 124
COORDINATOR_LOAD_IN_PROGRESS, COORDINATOR_NOT_AVAILABLE, NOT_COORDINATOR = 14, 15, 16
ACKNOWLEDGED = 2
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

    def state(self, api, version, group, topic_id, partition, fields, read=lambda reader: ()):
        """One partition's result: (error, message, what read makes of the rest)."""
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

    def begin(self, group, topic_id, state_epoch=0, start=0):
        """Initializes, once the coordinator is there and has loaded."""
        busy = (COORDINATOR_LOAD_IN_PROGRESS, COORDINATOR_NOT_AVAILABLE, NOT_COORDINATOR)
        last = []

        def is_done():
            last[:] = self.initialize(group, topic_id, state_epoch, start)
            return last[0] not in busy
        wait_until(is_done, what='the share coordinator')
        assert last[0] == NONE, last
