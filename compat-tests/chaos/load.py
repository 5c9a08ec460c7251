# SPDX-License-Identifier: Apache-2.0
"""Bank transfers and their witnesses through librdkafka, while brokers die and stand still under them.

usage: load.py run ADDRESS PREFIX HISTORY    until a line comes on stdin; then prints REQUESTED when nothing more is sent,
                                             and OK when all was answered
       load.py create ADDRESS PREFIX
       load.py read ADDRESS PREFIX           waits until all transactions are over; prints, as JSON lines, what there is

The clients of one run: transfers (transactions over several partitions, a fifth of them aborted), a pair that fence each
other, idempotent producers of requests, workers that answer each request once (consume-transform-produce), pollers."""
import json
import random
import sys
import threading
import time

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from judge import Record, make_value

TOPICS = {'accounts': 4, 'audit': 2, 'requests': 3, 'answers': 3, 'janswers': 3, 'sanswers': 3}
TIMEOUT_MS = 15000  # transaction.timeout.ms of all
QUICK = {'reconnect.backoff.ms': 10, 'reconnect.backoff.max.ms': 100, 'socket.timeout.ms': 10000,
         'topic.metadata.refresh.interval.ms': 5000,
         # librdkafka 2.16 may go on with a broker it has given up when it bootstraps anew: its request is never sent
         'metadata.recovery.strategy': 'none'}


class History:
    def __init__(self, path):
        self.file, self.lock = open(path, 'a', buffering=1 << 16), threading.Lock()

    def add(self, *event):
        with self.lock:
            self.file.write(json.dumps(event) + '\n')

    def close(self):
        with self.lock:
            self.file.close()


class Fenced(Exception):
    """The transactional producer is of no use any more."""


class Actor:
    """A transactional id and what is known of its transactions.  sequences live as long as the name."""

    def __init__(self, load, name, transactional_id):
        self.load, self.name, self.id = load, name, transactional_id
        self.number, self.sequences = 0, {}
        self.producer = None

    def start(self):
        while not self.load.is_late():
            producer = Producer(self.load.client(**{'transactional.id': self.id, 'transaction.timeout.ms': TIMEOUT_MS, 'linger.ms': 2,
                                                    'retry.backoff.ms': 10, 'retry.backoff.max.ms': 100}))
            try:
                producer.init_transactions(20)
                self.producer = producer
                return True
            except KafkaException:
                pass  # a new one tries
        return False

    def retry(self, action):
        """Until it is done; raises KafkaException when the transaction has to be aborted, Fenced when all is over."""
        while True:
            try:
                return action()
            except KafkaException as error:
                reason = error.args[0]
                if reason.txn_requires_abort():
                    raise
                if not reason.retriable() or self.load.is_late():
                    raise Fenced(str(reason)) from error

    def outcome_of(self, body, is_wanted):
        try:
            self.producer.begin_transaction()
            try:
                body()
                if is_wanted:
                    self.retry(lambda: self.producer.commit_transaction(30))
                    return 'committed'
            except BufferError:
                pass
            except KafkaException as error:
                if not error.args[0].txn_requires_abort():
                    raise Fenced(str(error)) from error
            self.retry(lambda: self.producer.abort_transaction(30))
            return 'aborted'
        except (KafkaException, Fenced):
            self.producer = None
            return 'unknown'

    def transact(self, places, is_wanted, more=None):
        """One transaction with a record for each (topic, partition, key, size); more is called before the end."""
        if self.producer is None and not self.start():
            return 'unknown'
        number, self.number = self.number, self.number + 1
        named = []

        def body():
            for index, (topic, partition, key, size) in enumerate(places):
                sequence = self.sequences.get((topic, partition), 0)
                self.sequences[(topic, partition)] = sequence + 1
                named.append((topic, partition, sequence))
                value = make_value(Record(self.name, number, sequence, index, len(places), topic, partition, key), size)
                self.producer.produce(topic, value=value, key=key, partition=partition)
                self.producer.poll(0)
            if more:
                more(self.producer)

        self.load.history.add('begin', self.name, number)
        outcome = self.outcome_of(body, is_wanted)
        self.load.history.add('end', self.name, number, outcome, named)
        self.load.count(outcome)
        return outcome


class Load:
    def __init__(self, address, prefix, history):
        self.address, self.prefix, self.history = address, prefix, History(history)
        self.stopping, self.requested = threading.Event(), threading.Event()  # requested: the last request is there
        self.failed, self.counts, self.lock = [], {}, threading.Lock()
        self.ends_at = float('inf')

    def client(self, **more):
        return dict({'bootstrap.servers': self.address}, **QUICK, **more)

    def topic(self, word):
        return '%s-%s' % (self.prefix, word)

    def count(self, word):
        with self.lock:
            self.counts[word] = self.counts.get(word, 0) + 1

    def is_late(self):
        return time.monotonic() > self.ends_at

    def transfer(self, name):
        choice = random.Random(name)
        actor = Actor(self, name, '%s-%s' % (self.prefix, name))
        while not self.stopping.is_set():
            places = []
            for _ in range(choice.choice((1, 2, 2, 5))):
                places.append((self.topic('accounts'), choice.randrange(TOPICS['accounts']), 'account%d' % choice.randrange(1000),
                               choice.choice((0, 200, 2000))))
            places.append((self.topic('audit'), choice.randrange(TOPICS['audit']), name, 0))
            actor.transact(places, choice.random() > 0.2)
            self.stopping.wait(choice.uniform(0, 0.02))

    def fence(self, name):
        """Two producers of one transactional id take it from each other, in the middle of transactions."""
        choice = random.Random(name)
        actors = [Actor(self, '%s.%d' % (name, side), '%s-%s' % (self.prefix, name)) for side in (0, 1)]
        while not self.stopping.is_set():
            actor, other = actors[0], actors[1]
            places = [(self.topic('accounts'), choice.randrange(TOPICS['accounts']), name, 100) for _ in range(2)]
            is_taken = choice.random() < 0.5

            def take(producer, is_taken=is_taken, other=other):
                producer.flush(5)
                if is_taken:
                    other.producer = None
                    other.start()

            actor.transact(places, True, take)
            actors.reverse()
            self.stopping.wait(0.2)

    def request(self, name, rate):
        topic, sequences = self.topic('requests'), [0] * TOPICS['requests']
        producer = Producer(self.client(**{'enable.idempotence': True, 'linger.ms': 5, 'message.timeout.ms': 300000,
                                           'retry.backoff.ms': 10, 'retry.backoff.max.ms': 100}))
        choice = random.Random(name)

        def delivered(partition, sequence):
            def note(error, message):
                if error is None:
                    self.history.add('acked', name, topic, partition, sequence, message.offset())
                else:
                    self.failed.append('%s: %s' % (name, error))
            return note

        while not self.stopping.is_set() and not self.failed:
            for _ in range(max(1, rate // 20)):
                partition = choice.randrange(len(sequences))
                sequence = sequences[partition]
                value = make_value(Record(name, -1, sequence, 0, 1, topic, partition, 'request'), choice.choice((0, 500)))
                try:
                    producer.produce(topic, value=value, key='request', partition=partition, on_delivery=delivered(partition, sequence))
                except BufferError:
                    break
                self.history.add('sent', name, topic, partition, sequence)
                sequences[partition] += 1
            producer.poll(0)
            self.stopping.wait(0.05)
        left = producer.flush(120)
        if left:
            self.failed.append('%s: %d records were never answered' % (name, left))

    def work(self, name):
        """Answers each request once.  Ends when the requests end and all are answered: the caller says how far they go."""
        actor = Actor(self, name, '%s-%s' % (self.prefix, name))
        choice = random.Random(name)
        consumer = self.subscribe()
        while not self.is_late():
            messages = [m for m in consumer.consume(choice.choice((1, 5, 50)), 0.3) if m.error() is None]
            if not messages:
                if self.requested.is_set() and self.is_answered():
                    break
                continue
            places = []
            for message in messages:
                words = message.value().decode().split(' ')
                partition = choice.randrange(TOPICS['answers'])
                places.append((self.topic('answers'), partition, '%s/%s/%d/%s' % (words[0], message.topic(), message.partition(), words[2]),
                               0))
            def send_offsets(producer, messages=messages, consumer=consumer):
                last = {}
                for message in messages:
                    last[message.partition()] = message.offset() + 1
                offsets = [TopicPartition(self.topic('requests'), partition, offset) for partition, offset in last.items()]
                actor.retry(lambda: producer.send_offsets_to_transaction(offsets, consumer.consumer_group_metadata(), 20))

            if actor.transact(places, choice.random() > 0.1, send_offsets) != 'committed':
                consumer.close()  # start again from what was committed
                consumer = self.subscribe()
        consumer.close()

    def subscribe(self):
        consumer = Consumer(self.client(**{'group.id': self.topic('workers'), 'enable.auto.commit': False, 'session.timeout.ms': 6000,
                                           'isolation.level': 'read_committed', 'auto.offset.reset': 'earliest',
                                           'fetch.wait.max.ms': 50}))
        consumer.subscribe([self.topic('requests')])
        return consumer

    def is_answered(self):
        """Whether the workers' group has committed all there is."""
        try:
            consumer = Consumer(self.client(**{'group.id': self.topic('workers'), 'enable.auto.commit': False}))
            places = [TopicPartition(self.topic('requests'), partition) for partition in range(TOPICS['requests'])]
            ends = [consumer.get_watermark_offsets(place, timeout=5)[1] for place in places]
            committed = consumer.committed(places, timeout=5)
            consumer.close()
            return all(max(0, place.offset) >= end for place, end in zip(committed, ends))
        except KafkaException:
            return False

    def poll(self, name, words):
        choice = random.Random(name)
        places = [TopicPartition(self.topic(word), partition, 0) for word in words for partition in range(TOPICS[word])]
        consumer = Consumer(self.client(**{'group.id': name, 'enable.auto.commit': False, 'isolation.level': 'read_committed',
                                           'auto.offset.reset': 'error', 'check.crcs': True, 'fetch.wait.max.ms': 50}))
        consumer.assign(places)
        while not self.stopping.is_set():
            rows = {}
            for message in consumer.consume(500, 0.2):
                if message.error() is None:
                    rows.setdefault((message.topic(), message.partition()), []).append((message.offset(), message.value().decode()))
                elif message.error().code() in (KafkaError.OFFSET_OUT_OF_RANGE, KafkaError._AUTO_OFFSET_RESET):
                    self.failed.append('%s: %s' % (name, message.error()))
            for (topic, partition), found in rows.items():
                self.history.add('polled', name, topic, partition, found)
            if choice.random() < 0.002:  # look again at what was shown before
                place = choice.choice(places)
                self.history.add('position', name, place.topic, place.partition)
                try:
                    consumer.seek(TopicPartition(place.topic, place.partition, 0))
                except KafkaException:
                    pass
        consumer.close()

    def run(self):
        plan = [(self.transfer, 'transfer%d' % n) for n in range(3)] + [(self.fence, 'fenced'), (self.request, 'request0', 60)]
        plan += [(self.poll, 'poller0', ['accounts', 'audit']), (self.poll, 'poller1', ['answers', 'accounts'])]
        threads = [threading.Thread(target=self.guard, args=row) for row in plan]
        workers = [threading.Thread(target=self.guard, args=(self.work, 'worker%d' % n)) for n in range(2)]
        for thread in threads + workers:
            thread.start()
        sys.stdin.readline()
        self.ends_at = time.monotonic() + 120
        self.stopping.set()
        for thread in threads:
            thread.join()
        self.requested.set()
        print('REQUESTED', flush=True)
        for thread in workers:
            thread.join()
        self.history.close()
        print('COUNTS %s' % json.dumps(self.counts))
        print('FAILED %s' % self.failed[:3] if self.failed else 'OK', flush=True)

    def guard(self, target, *args):
        try:
            target(*args)
        except Exception as error:
            self.failed.append('%s: %s: %s' % (args[0], type(error).__name__, error))
            raise


def create(address, prefix):
    admin = AdminClient({'bootstrap.servers': address})
    futures = admin.create_topics([NewTopic('%s-%s' % (prefix, word), count, 1, config={'segment.bytes': '4194304'})
                                   for word, count in TOPICS.items()])
    for future in futures.values():
        future.result(30)


def watermarks(address, prefix, isolation):
    consumer = Consumer({'bootstrap.servers': address, 'group.id': prefix + '-ends', 'isolation.level': isolation})
    found = {}
    for word, count in TOPICS.items():
        for partition in range(count):
            name = '%s-%s' % (prefix, word)
            found[(name, partition)] = consumer.get_watermark_offsets(TopicPartition(name, partition), timeout=30)[1]
    consumer.close()
    return found


def read(address, prefix, seconds):
    """Until every transaction is over: its timeout and 10 s; then everything."""
    deadline = time.monotonic() + seconds
    while True:
        high, stable = watermarks(address, prefix, 'read_uncommitted'), watermarks(address, prefix, 'read_committed')
        if high == stable or time.monotonic() > deadline:
            break
        threading.Event().wait(0.5)
    consumer = Consumer({'bootstrap.servers': address, 'group.id': prefix + '-reader', 'enable.auto.commit': False,
                         'isolation.level': 'read_committed', 'check.crcs': True, 'auto.offset.reset': 'error'})
    for (topic, partition), end in stable.items():
        print(json.dumps(['watermarks', topic, partition, high[(topic, partition)], end]))
        consumer.assign([TopicPartition(topic, partition, 0)])
        rows, patience = [], time.monotonic() + 120
        while end > 0 and consumer.position([TopicPartition(topic, partition)])[0].offset < end and time.monotonic() < patience:
            for message in consumer.consume(5000, 0.5):
                if message.error():
                    raise KafkaException(message.error())
                rows.append((message.offset(), message.value().decode()))
        print(json.dumps(['log', topic, partition, rows]))
    consumer.close()


def main():
    verb, address, prefix = sys.argv[1:4]
    if verb == 'run':
        Load(address, prefix, sys.argv[4]).run()
    elif verb == 'create':
        create(address, prefix)
    else:
        read(address, prefix, TIMEOUT_MS / 1000 + 10)


main()
