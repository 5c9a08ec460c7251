# SPDX-License-Identifier: Apache-2.0
"""Fills a broker with records and committed offsets, or tells as JSON what it holds.

usage: state.py fill|tell ADDRESS PREFIX TOPICS PARTITIONS GROUPS"""
import json
import sys
import time

from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, ConfigResource


def records_of(topic, partition):
    return (topic * 7 + partition) % 5 + 1


def fill(address, prefix, topics, partitions, groups):
    failed = []
    producer = Producer({'bootstrap.servers': address, 'enable.idempotence': True})
    for topic in range(topics):
        for partition in range(partitions):
            for n in range(records_of(topic, partition)):
                producer.produce('%s-t%d' % (prefix, topic), value='%d-%d-%d' % (topic, partition, n), partition=partition,
                                 on_delivery=lambda error, _: failed.append(str(error)) if error else None)
    producer.flush(60)
    if failed or len(producer):
        sys.exit('not delivered: %s' % failed[:3])
    for group in range(groups):
        consumer = Consumer({'bootstrap.servers': address, 'group.id': '%s-g%d' % (prefix, group)})
        offsets = [TopicPartition('%s-t%d' % (prefix, topic), partition, (group + partition) % (records_of(topic, partition) + 1))
                   for topic in range(group % 5, topics, 5) for partition in range(partitions)]
        for done in consumer.commit(offsets=offsets, asynchronous=False):
            if done.error:
                sys.exit('not committed: %s' % done)
        consumer.close()


def committed_of(consumer, asked):
    """The committed offsets; a coordinator that is still loading is asked again."""
    deadline = time.monotonic() + 60
    while True:
        try:
            return consumer.committed(asked, timeout=30)
        except KafkaException as error:
            if time.monotonic() > deadline or error.args[0].name() not in ('NOT_COORDINATOR', 'COORDINATOR_LOAD_IN_PROGRESS'):
                raise
            consumer.poll(0.1)


def tell(address, prefix, topics, partitions, groups):
    admin = AdminClient({'bootstrap.servers': address})
    found = {name: len(topic.partitions) for name, topic in admin.list_topics(timeout=30).topics.items() if name.startswith(prefix)}
    configs = {}
    for resource, future in admin.describe_configs([ConfigResource('topic', '%s-t0' % prefix)]).items():
        configs[resource.name] = future.result(30)['retention.ms'].value
    committed, values = {}, {}
    for group in range(groups):
        consumer = Consumer({'bootstrap.servers': address, 'group.id': '%s-g%d' % (prefix, group)})
        asked = [TopicPartition('%s-t%d' % (prefix, topic), partition) for topic in range(topics) for partition in range(partitions)]
        for place in committed_of(consumer, asked):
            if place.offset >= 0:
                committed['%d %s %d' % (group, place.topic, place.partition)] = place.offset
        consumer.close()
    listed = sorted(g.group_id for g in admin.list_consumer_groups().result(30).valid if g.group_id.startswith(prefix))
    consumer = Consumer({'bootstrap.servers': address, 'group.id': prefix + '-reader', 'enable.auto.commit': False,
                         'auto.offset.reset': 'earliest', 'check.crcs': True})
    asked = [TopicPartition('%s-t%d' % (prefix, topic), partition, 0) for topic in range(topics) for partition in range(partitions)]
    wanted = sum(records_of(topic, partition) for topic in range(topics) for partition in range(partitions))
    consumer.assign(asked)
    got = 0
    while got < wanted:
        batch = consumer.consume(1000, 20)
        if not batch:
            break
        for message in batch:
            if not message.error():
                values.setdefault('%s %d' % (message.topic(), message.partition()), []).append(message.value().decode())
                got += 1
    consumer.close()
    print(json.dumps({'topics': found, 'groups': listed, 'configs': configs, 'committed': committed, 'values': values}, sort_keys=True))


def main():
    verb, address, prefix = sys.argv[1:4]
    {'fill': fill, 'tell': tell}[verb](address, prefix, *map(int, sys.argv[4:7]))


main()
