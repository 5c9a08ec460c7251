# SPDX-License-Identifier: Apache-2.0
"""Mixed load that goes on while brokers die under it, and the reading of what is left.

usage: load.py run ADDRESS PREFIX HISTORY     until a line comes on stdin; then prints OK when all was answered
       load.py read ADDRESS PREFIX            prints, as JSON lines, what the broker has"""
import json
import random
import sys
import threading
import time

from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

import judge

# topic, partitions, idempotent, codec, config, records a second
TOPICS = [
    ('idem', 3, True, 'zstd', {'segment.bytes': '1048576'}, 300),
    ('fast', 2, True, 'none', {'segment.bytes': '1048576'}, 300),
    ('plain', 2, False, 'lz4', {'segment.bytes': '1048576'}, 100),
    ('retained', 1, True, 'snappy', {'segment.bytes': '1048576', 'retention.bytes': '2097152'}, 150),
    ('compacted', 1, True, 'gzip', {'segment.bytes': '1048576', 'cleanup.policy': 'compact', 'min.cleanable.dirty.ratio': '0.1'}, 150),
]
GROUPS = 3
QUICK = {'reconnect.backoff.ms': 10, 'reconnect.backoff.max.ms': 60, 'socket.timeout.ms': 10000, 'topic.metadata.refresh.interval.ms': 5000}


class History:
    def __init__(self, path):
        self.file, self.lock = open(path, 'a', buffering=1), threading.Lock()

    def add(self, *event):
        with self.lock:
            self.file.write(json.dumps(event) + '\n')


class Load:
    def __init__(self, address, prefix, history):
        self.address, self.prefix, self.history = address, prefix, History(history)
        self.stopping = threading.Event()
        self.failed = []

    def client(self, **more):
        return dict({'bootstrap.servers': self.address}, **QUICK, **more)

    def produce(self, topic, partitions, is_idempotent, codec, rate):
        name = '%s-%s' % (self.prefix, topic)
        config = self.client(**{'compression.type': codec, 'acks': 'all', 'linger.ms': 5, 'message.timeout.ms': 300000,
                                'enable.idempotence': is_idempotent, 'retry.backoff.ms': 10, 'retry.backoff.max.ms': 60})
        if not is_idempotent:
            config.update({'retries': 0, 'max.in.flight.requests.per.connection': 1, 'message.timeout.ms': 5000})
        producer = Producer(config)
        choice = random.Random(topic)
        numbers = [0] * partitions

        def delivered(partition, number):
            def note(error, message):
                if error is None:
                    self.history.add('acked', name, partition, number, message.offset())
                elif is_idempotent:
                    self.failed.append('%s: %s' % (name, error))
            return note

        while not self.stopping.is_set() and not self.failed:
            for _ in range(max(1, rate // 50)):
                partition = choice.randrange(partitions)
                number = numbers[partition]
                value = b'%d ' % number + choice.randbytes(choice.choice((20, 200, 900)))
                try:
                    producer.produce(name, value=value, key=b'%d' % (number % judge.KEYS), partition=partition,
                                     on_delivery=delivered(partition, number))
                except BufferError:
                    break
                self.history.add('sent', name, partition, number)
                numbers[partition] += 1
            producer.poll(0.02)
        left = producer.flush(120)
        if left and is_idempotent:
            self.failed.append('%s: %d records were never answered' % (name, left))

    def commit(self, number):
        group, topic = '%s-g%d' % (self.prefix, number), '%s-idem' % self.prefix
        consumer = Consumer(self.client(**{'group.id': group, 'enable.auto.commit': False}))
        offset = 0
        while not self.stopping.is_set():
            offset += 1
            self.history.add('tried', group, topic, 0, offset)
            try:
                done = consumer.commit(offsets=[TopicPartition(topic, 0, offset)], asynchronous=False)
                if done and done[0].error is None:
                    self.history.add('committed', group, topic, 0, offset)
            except KafkaException:
                pass  # not answered: it may be there or not
            self.stopping.wait(0.02)
        consumer.close()

    def administer(self):
        admin = AdminClient(self.client())
        number = 0
        while not self.stopping.is_set():
            name = '%s-made-%d' % (self.prefix, number)
            number += 1
            self.history.add('creating', name)
            if self.answered(admin.create_topics([NewTopic(name, 2, 1)], operation_timeout=5)):
                self.history.add('created', name)
            if number % 2 == 0:
                self.history.add('deleting', name)
                if self.answered(admin.delete_topics([name], operation_timeout=5)):
                    self.history.add('deleted', name)
            self.stopping.wait(0.2)

    @staticmethod
    def answered(futures):
        try:
            for future in futures.values():
                future.result(15)
            return True
        except Exception:  # a broker that dies answers in many ways
            return False

    def run(self):
        threads = [threading.Thread(target=self.produce, args=(topic, partitions, idem, codec, rate))
                   for topic, partitions, idem, codec, _, rate in TOPICS]
        threads += [threading.Thread(target=self.commit, args=(n,)) for n in range(GROUPS)] + [threading.Thread(target=self.administer)]
        for thread in threads:
            thread.start()
        sys.stdin.readline()
        self.stopping.set()
        for thread in threads:
            thread.join()
        print('FAILED %s' % self.failed[:3] if self.failed else 'OK', flush=True)


def create(address, prefix):
    admin = AdminClient({'bootstrap.servers': address})
    futures = admin.create_topics([NewTopic('%s-%s' % (prefix, topic), partitions, 1, config=config)
                                   for topic, partitions, _, _, config, _ in TOPICS])
    for future in futures.values():
        future.result(30)


def read_place(consumer, name, partition):
    low, high = consumer.get_watermark_offsets(TopicPartition(name, partition), timeout=30)
    consumer.assign([TopicPartition(name, partition, low)])
    found, deadline = [], time.monotonic() + 120
    # The position moves over what compaction or markers left out, too.
    while consumer.position([TopicPartition(name, partition)])[0].offset < high and low < high and time.monotonic() < deadline:
        for message in consumer.consume(5000, 0.5):
            if message.error():
                raise KafkaException(message.error())
            found.append((message.offset(), int(message.value().split(b' ', 1)[0]), int(message.key())))
    return low, high, found


def read(address, prefix):
    admin = AdminClient({'bootstrap.servers': address})
    topics = [name for name in admin.list_topics(timeout=30).topics if name.startswith(prefix)]
    print(json.dumps(['topics', topics]))
    consumer = Consumer({'bootstrap.servers': address, 'group.id': prefix + '-reader', 'enable.auto.commit': False,
                         'check.crcs': True, 'auto.offset.reset': 'error'})
    for topic, partitions, _, _, _, _ in TOPICS:
        for partition in range(partitions):
            name = '%s-%s' % (prefix, topic)
            low, high, found = read_place(consumer, name, partition)
            print(json.dumps(['log', name, partition, low, high, found]))
    consumer.close()
    for number in range(GROUPS):
        group, topic = '%s-g%d' % (prefix, number), '%s-idem' % prefix
        consumer = Consumer({'bootstrap.servers': address, 'group.id': group})
        print(json.dumps(['committed', group, topic, 0, consumer.committed([TopicPartition(topic, 0)], timeout=30)[0].offset]))
        consumer.close()


def main():
    verb, address, prefix = sys.argv[1:4]
    if verb == 'run':
        Load(address, prefix, sys.argv[4]).run()
    elif verb == 'create':
        create(address, prefix)
    else:
        read(address, prefix)


main()
