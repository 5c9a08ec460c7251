# SPDX-License-Identifier: Apache-2.0
"""Writes what both cleaners are given.  Every record has a timestamp of its own, an interval after the one before it,
so that segment.ms and not the moment of writing decides where segments end.

usage: fill.py first|second ADDRESS START_MS"""
import sys

from confluent_kafka import Producer

INTERVAL_MS = 1000
KEYS = 40
# Markers have the time of their writing, and segments end by time: records ahead of it keep that from being the last word.
AHEAD_MS = 11 * 3600 * 1000
CODECS = ['none', 'gzip', 'snappy', 'lz4', 'zstd']


class Writer:
    """One topic's only partition; the clock goes on from record to record."""

    def __init__(self, address, topic, now_ms, **settings):
        self.topic, self.now_ms, self.failed = topic, now_ms, []
        self.producer = Producer({'bootstrap.servers': address, 'linger.ms': 50, **settings})

    def put(self, key, value, headers=None):
        self.now_ms += INTERVAL_MS
        self.producer.produce(self.topic, partition=0, key=key, value=value, headers=headers or [], timestamp=self.now_ms,
                              on_delivery=lambda error, _: self.failed.append(str(error)) if error else None)

    def flush(self):
        left = self.producer.flush(60)
        if left or self.failed:
            sys.exit('%s: %d not delivered, %s' % (self.topic, left, self.failed[:2]))


def value_of(n):
    return 'value-%d-%s' % (n, 'x' * (n * 7 % 90))


def put_many(writer, first, count, flush_every):
    for n in range(first, first + count):
        key = 'k%d' % (n * 13 % KEYS)
        if n % 17 == 0:
            writer.put(key, None)  # a tombstone
        else:
            writer.put(key, value_of(n), [('n', str(n).encode()), ('empty', None)] if n % 5 == 0 else None)
        if n % flush_every == flush_every - 1:
            writer.flush()
    writer.flush()


def transactions(address, start_ms):
    """Committed and aborted ones in turn; some whose records are all overwritten later, so that only markers are left."""
    writer = Writer(address, 'cmp-txn', start_ms, **{'transactional.id': 'cmp', 'transaction.timeout.ms': 60000})
    writer.producer.init_transactions(30)
    for n in range(24):
        writer.producer.begin_transaction()
        for i in range(1 + n % 4):
            writer.put('t%d' % ((n * 3 + i) % 9), None if (n + i) % 7 == 0 else value_of(n * 10 + i))
        # An abort drops what is still queued, so everything is sent before it.
        writer.producer.flush(60)
        if n % 3 == 1:
            writer.producer.abort_transaction(30)
        else:
            writer.producer.commit_transaction(30)
    return writer.now_ms


def producers_that_stopped(address, start_ms):
    """Each idempotent producer's last batch is needed for its sequence, whatever becomes of its records."""
    now_ms = start_ms
    for n in range(5):
        writer = Writer(address, 'cmp-idempotent', now_ms, **{'enable.idempotence': True})
        for i in range(3):
            writer.put('same', value_of(n * 3 + i))
            writer.flush()
        now_ms = writer.now_ms
    return now_ms


def first(address, start_ms):
    for codec in CODECS:
        put_many(Writer(address, 'cmp-' + codec, start_ms, **{'compression.type': codec}), 0, 1500, 50)
    put_many(Writer(address, 'cmp-now', start_ms), 0, 600, 20)
    put_many(Writer(address, 'cmp-both', start_ms), 0, 600, 20)
    put_many(Writer(address, 'cmp-txn', transactions(address, start_ms + AHEAD_MS)), 0, 400, 20)
    put_many(Writer(address, 'cmp-idempotent', producers_that_stopped(address, start_ms)), 0, 400, 20)


def second(address, start_ms):
    """A batch for each record: both brokers are to get the very same ones."""
    for topic in ['cmp-' + codec for codec in CODECS] + ['cmp-now', 'cmp-both', 'cmp-txn', 'cmp-idempotent']:
        codec = topic[4:] if topic[4:] in CODECS else 'none'
        ahead_ms = AHEAD_MS if topic == 'cmp-txn' else 0
        writer = Writer(address, topic, start_ms + ahead_ms, **{'compression.type': codec, 'linger.ms': 0})
        for n in range(30):
            writer.now_ms += 30 * INTERVAL_MS
            writer.put('k%d' % (n * 3 % KEYS), None if n % 10 == 9 else value_of(n))
            writer.flush()


if __name__ == '__main__':
    {'first': first, 'second': second}[sys.argv[1]](sys.argv[2], int(sys.argv[3]))
