# SPDX-License-Identifier: Apache-2.0
"""Requests that Apache Kafka 4.3.0 never answers, and what a client is told instead.

Run against Apache Kafka it is checked that none of them is answered there."""
import struct
import time

import world

PATIENCE_S = 6
NONE, INVALID_REQUEST, INVALID_RECORD = 0, 42, 87
QUICK_MS = 700


def produce(topic):
    return dict(Acks=-1, TimeoutMs=2000, TopicData=[dict(Name=topic, PartitionData=[dict(Index=0, Records=None)])])


def produced(answer):
    return answer['Responses'][0]['PartitionResponses'][0]['ErrorCode']


def altered(answer):
    return answer['Responses'][0]['ErrorCode']


def join(group, metadata):
    return dict(GroupId=group, SessionTimeoutMs=QUICK_MS, RebalanceTimeoutMs=QUICK_MS, MemberId='', ProtocolType='consumer',
                Protocols=[dict(Name='range', Metadata=metadata)])


def joined(answer):
    return answer['ErrorCode']


def marker(*topics):
    return dict(Markers=[dict(ProducerId=5, ProducerEpoch=0, CoordinatorEpoch=0, TransactionVersion=0,
                              Topics=[dict(Name=name, PartitionIndexes=partitions) for name, partitions in topics])])


def marked(answer):
    return answer['Markers'][0]['Topics'][0]['Partitions'][0]['ErrorCode']


def requests(w):
    """(what it is, API, version, body, the error code it deserves, how the answer says it)"""
    topic, group, other = w.topic('t'), w.group('g'), w.group('other')
    resource = dict(ResourceType=2, ResourceName=topic, Configs=[])
    for version in (3, 6, 9, 12):
        yield 'records that are null, v%d' % version, 'Produce', version, produce(topic), INVALID_RECORD, produced
    for version in (0, 2):
        yield 'a resource named twice, v%d' % version, 'AlterConfigs', version, dict(Resources=[resource, resource], ValidateOnly=True), INVALID_REQUEST, altered
    yield 'a subscription to -5 topics', 'JoinGroup', 3, join(group, struct.pack('>hi', 0, -5)), NONE, joined
    yield 'a subscription to a billion topics', 'JoinGroup', 3, join(other, struct.pack('>hi', 0, 1 << 30)), NONE, joined
    # The first member stays silent: this one gets the group when that one's time is over.
    yield 'a good member after a bad one', 'JoinGroup', 3, join(group, struct.pack('>hihci', 0, 1, 1, b't', -1)), NONE, joined
    yield 'a marker for a topic named twice', 'WriteTxnMarkers', 2, marker((topic, [0]), (topic, [0])), INVALID_REQUEST, marked
    yield 'a marker for a partition named twice', 'WriteTxnMarkers', 2, marker((topic, [0, 0])), INVALID_REQUEST, marked


def outcomes(address):
    """(what it is, the error code it deserves, the one it got or None when nothing came)"""
    w = world.World(address, 'run', 'never_answered')
    waiting = []
    for what, api, version, body, deserved, read in requests(w):
        connection = w.connect()
        connection.send(api, version, body)
        waiting.append((what, deserved, read, connection))
        if api == 'JoinGroup':
            world.pause(0.1)  # the bad member is there before the good one comes
    out, until = [], time.monotonic() + PATIENCE_S
    for what, deserved, read, connection in waiting:
        connection.socket.settimeout(max(0.01, until - time.monotonic()))
        answer = connection.receive()
        out.append((what, deserved, None if 'Outcome' in answer else read(answer)))
    w.close()
    return out
