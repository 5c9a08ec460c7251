# SPDX-License-Identifier: Apache-2.0
"""The client program of harness/clients.py on aiokafka."""
import asyncio
import sys

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRebalanceListener


def say(*words):
    print(*words, flush=True)


async def produce(address, topic, codec, count, prefix):
    producer = AIOKafkaProducer(bootstrap_servers=address, compression_type=None if codec == 'none' else codec, linger_ms=5)
    await producer.start()
    try:
        sent = [await producer.send(topic, key=b'k%d' % n, value=('%s-%d %s' % (prefix, n, 'weir ' * 8)).encode())
                for n in range(count)]
        await asyncio.gather(*sent)
        say('OK', len(sent))
    finally:
        await producer.stop()


class Listener(ConsumerRebalanceListener):
    def __init__(self, consumer, offset):
        self.consumer, self.offset = consumer, offset

    async def on_partitions_revoked(self, revoked):
        say('A')

    async def on_partitions_assigned(self, assigned):
        if self.offset is not None:
            for partition in assigned:
                self.consumer.seek(partition, self.offset)
        say('A', ','.join(str(p.partition) for p in assigned))


async def consume(address, topic, group, count=None, offset=None):
    consumer = AIOKafkaConsumer(bootstrap_servers=address, group_id=group, auto_offset_reset='earliest',
                                session_timeout_ms=6000, heartbeat_interval_ms=500, auto_commit_interval_ms=200,
                                fetch_max_wait_ms=100, metadata_max_age_ms=5000)
    await consumer.start()
    try:
        consumer.subscribe([topic], listener=Listener(consumer, offset))
        got = 0
        while count is None or got < count:
            record = await consumer.getone()
            say('R', record.partition, record.offset, record.key.decode(), record.value.decode().split()[0])
            got += 1
    finally:
        await consumer.stop()


def main():
    verb, rest = sys.argv[1], sys.argv[2:]
    if verb == 'produce':
        asyncio.run(produce(rest[0], rest[1], rest[2], int(rest[3]), rest[4]))
    elif verb == 'consume':
        asyncio.run(consume(*rest[:3], count=int(rest[3])))
    elif verb == 'replay':
        asyncio.run(consume(*rest[:3], count=int(rest[4]), offset=int(rest[3])))
    elif verb == 'member':
        asyncio.run(consume(*rest))
    else:
        sys.exit('usage: see harness/clients.py')


main()
