# SPDX-License-Identifier: Apache-2.0
"""The client program of harness/clients.py on confluent-kafka; `flood` and `worker` are those of the delivery cases."""
import os
import signal
import sys

from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition

STOPPED = []


def say(*words):
    print(*words, flush=True)


def produce(address, topic, codec, count, prefix, **settings):
    acked = []

    def on_delivery(error, _):
        if error is None:
            acked.append(1)
        else:
            print(error, file=sys.stderr)

    producer = Producer({'bootstrap.servers': address, 'compression.type': codec, **settings})
    for n in range(int(count)):
        value = '%s-%d %s' % (prefix, n, 'weir ' * 8)
        while True:
            try:
                producer.produce(topic, key='k%d' % n, value=value, on_delivery=on_delivery)
                break
            except BufferError:
                producer.poll(0.1)
        producer.poll(0)
    producer.flush(30)
    say('OK', len(acked))


def consumer_of(address, topic, group, offset=None, **settings):
    # The new group protocol leaves the timeouts to the broker.
    timeouts = {'session.timeout.ms': 6000, 'heartbeat.interval.ms': 500}
    protocol = {'group.protocol': 'consumer'} if os.environ.get('GROUP_PROTOCOL') == 'consumer' else timeouts
    consumer = Consumer({'bootstrap.servers': address, 'group.id': group, 'auto.offset.reset': 'earliest',
                         'auto.commit.interval.ms': 200, 'fetch.wait.max.ms': 100, 'check.crcs': True, **protocol, **settings})

    has = set()
    is_incremental = 'group.protocol' in protocol  # the new group protocol tells what is added and what is taken away

    def show():
        say('A', ','.join(str(partition) for partition in sorted(has)))

    def on_assign(them, partitions):
        if offset is not None:
            for partition in partitions:
                partition.offset = offset
        if is_incremental:
            them.incremental_assign(partitions)
        else:
            them.assign(partitions)
            has.clear()
        has.update(p.partition for p in partitions)
        show()

    def on_revoke(them, partitions):
        if is_incremental:
            them.incremental_unassign(partitions)
        has.difference_update([p.partition for p in partitions])
        show()

    consumer.subscribe([topic], on_assign=on_assign, on_revoke=on_revoke)
    return consumer


def show_record(message):
    say('R', message.partition(), message.offset(), message.key().decode(), message.value().decode().split()[0])


def poll(consumer):
    """The next record, or None after a while or on SIGTERM."""
    message = consumer.poll(0.1)
    if message is not None and message.error():
        print(message.error(), file=sys.stderr)
        return None
    return message


def consume(address, topic, group, count, offset=None):
    consumer = consumer_of(address, topic, group, offset)
    got = 0
    while not STOPPED and (count is None or got < count):
        message = poll(consumer)
        if message is not None:
            show_record(message)
            got += 1
    consumer.close()


def worker(address, topic, group, when):
    """Handles records one by one as told on standard input; `when` says whether it commits before or after a record.

    It prints the record when it has it in hand and "DONE value" when it has handled it, and then waits for a line."""
    consumer = consumer_of(address, topic, group, **{'enable.auto.commit': False})
    while not STOPPED:
        message = poll(consumer)
        if message is None:
            continue
        next_offset = [TopicPartition(topic, message.partition(), message.offset() + 1)]
        if when == 'before':
            consumer.commit(offsets=next_offset, asynchronous=False)
        show_record(message)
        if not sys.stdin.readline():
            break
        say('DONE', message.value().decode().split()[0])
        if when == 'after':
            consumer.commit(offsets=next_offset, asynchronous=False)
    consumer.close()


def transactional(address, name):
    producer = Producer({'bootstrap.servers': address, 'transactional.id': name, 'linger.ms': 1})
    producer.init_transactions(30)
    return producer


def write(producer, topic, prefix, numbers):
    for n in numbers:
        producer.produce(topic, key='k%d' % n, value='%s-%d' % (prefix, n))
    producer.flush(30)


def fence(address, sink, name):
    """A producer whose id another one takes is refused what it goes on to do."""
    zombie = transactional(address, name)
    zombie.begin_transaction()
    write(zombie, sink, 'z', [0])
    heir = transactional(address, name)
    heir.begin_transaction()
    write(heir, sink, 'y', range(10))
    try:
        zombie.commit_transaction(30)
    except KafkaException as error:
        if error.args[0].fatal():
            say('FENCED')
        else:
            print(error, file=sys.stderr)
    heir.commit_transaction(30)
    return heir


def transform(address, source, sink, group, producer):
    consumer = consumer_of(address, source, group, **{'enable.auto.commit': False})
    committed, is_aborted = 0, False
    while committed < 100:
        batch = []
        while len(batch) < 10:
            message = poll(consumer)
            if message is not None:
                batch.append(message)
        producer.begin_transaction()
        write(producer, sink, 'x', [int(message.value().decode().split()[0].split('-')[1]) for message in batch])
        next_offset = batch[-1].offset() + 1
        producer.send_offsets_to_transaction([TopicPartition(source, 0, next_offset)], consumer.consumer_group_metadata(), 30)
        if committed == 30 and not is_aborted:
            producer.abort_transaction(30)
            is_aborted = True
            consumer.seek(TopicPartition(source, 0, batch[0].offset()))
        else:
            producer.commit_transaction(30)
            committed += 10
    say('COMMITTED', consumer.committed([TopicPartition(source, 0)], 30)[0].offset)
    consumer.close()


def read_all(address, topic):
    """The whole topic, read_committed."""
    consumer = Consumer({'bootstrap.servers': address, 'group.id': topic + '-reader', 'isolation.level': 'read_committed',
                         'auto.offset.reset': 'earliest', 'enable.auto.commit': False, 'enable.partition.eof': True})
    consumer.assign([TopicPartition(topic, partition, 0) for partition in range(3)])
    ended = set()
    while len(ended) < 3:
        message = consumer.poll(0.2)
        if message is not None and message.error():
            ended.add(message.partition())
        elif message is not None:
            show_record(message)
    consumer.close()


def transactions(address, source, sink, group, name):
    producer = transactional(address, name)
    producer.begin_transaction()
    write(producer, sink, 'c', range(50))
    producer.commit_transaction(30)
    producer.begin_transaction()
    write(producer, sink, 'a', range(50))
    producer.abort_transaction(30)
    transform(address, source, sink, group, fence(address, sink, name))
    read_all(address, sink)


def main():
    signal.signal(signal.SIGTERM, lambda *_: STOPPED.append(1))
    verb, rest = sys.argv[1], sys.argv[2:]
    if verb == 'produce':
        produce(*rest)
    elif verb == 'produce-acks':
        produce(*rest[:5], acks=rest[5])
    elif verb == 'consume':
        consume(*rest[:3], count=int(rest[3]))
    elif verb == 'replay':
        consume(*rest[:3], count=int(rest[4]), offset=int(rest[3]))
    elif verb == 'member':
        consume(*rest, count=None)
    elif verb == 'transactions':
        transactions(*rest)
    elif verb == 'worker':
        worker(*rest)
    else:
        sys.exit('usage: see harness/clients.py')


main()
