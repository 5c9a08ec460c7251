# SPDX-License-Identifier: Apache-2.0
"""Compares what clients were told with what a broker has.  Pure: histories in, anomalies out.

A history is a list of events:
  ('sent', topic, partition, number)               number rises for each partition
  ('acked', topic, partition, number, offset)
  ('tried', group, topic, partition, offset)       a commit was sent; offsets of a place rise
  ('committed', group, topic, partition, offset)   and answered
  ('creating', name), ('created', name), ('deleting', name), ('deleted', name)

What is found:
  logs       {(topic, partition): (log start offset, [(offset, number, key)])}
  committed  {(group, topic, partition): offset}
  topics     a set of names
A topic whose name holds 'compacted' keeps the last record of each key only (the key is number modulo KEYS); of one
with a log start offset above 0 only what is above it is judged."""

KEYS = 50


def judge_log(place, told, sent, start, found):
    anomalies = []
    topic, partition = place
    numbers = [number for _, number, _ in found]
    for before, after in zip(found, found[1:]):
        if after[0] <= before[0]:
            anomalies.append('%s-%d: offset %d comes after %d' % (topic, partition, after[0], before[0]))
        if after[1] == before[1]:
            continue
        if after[1] < before[1]:
            anomalies.append('%s-%d: REORDERED %d at offset %d comes after %d' % (topic, partition, after[1], after[0], before[1]))
    seen = set()
    for number in numbers:
        if number in seen:
            anomalies.append('%s-%d: DOUBLED %d' % (topic, partition, number))
        seen.add(number)
    anomalies += ['%s-%d: INVENTED %d was never sent' % (topic, partition, number) for number in sorted(seen - sent)]
    if 'compacted' in topic:
        return anomalies + judge_compacted(place, told, found)
    by_offset = {offset: number for offset, number, _ in found}
    for number, offset in told.items():
        if offset < start:
            continue
        if number not in seen:
            anomalies.append('%s-%d: LOST %d, acknowledged at offset %d' % (topic, partition, number, offset))
        elif by_offset.get(offset) != number:
            anomalies.append('%s-%d: MOVED %d is not at offset %d' % (topic, partition, number, offset))
    return anomalies


def judge_compacted(place, told, found):
    anomalies = []
    last = {}
    for _, number, key in found:
        last[key] = max(number, last.get(key, -1))
    wanted = {}
    for number in told:
        wanted[number % KEYS] = max(number, wanted.get(number % KEYS, -1))
    for key, number in wanted.items():
        if last.get(key, -1) < number:
            anomalies.append('%s-%d: LOST key %d is at %s, acknowledged was %d' % (*place, key, last.get(key), number))
    return anomalies


def judge(history, logs, committed, topics):
    told, sent, answered, tried, names = {}, {}, {}, {}, {}
    for event in history:
        kind = event[0]
        if kind == 'sent':
            sent.setdefault(event[1:3], set()).add(event[3])
        elif kind == 'acked':
            told.setdefault(event[1:3], {})[event[3]] = event[4]
        elif kind == 'tried':
            tried[event[1:4]] = max(event[4], tried.get(event[1:4], -1))
        elif kind == 'committed':
            answered[event[1:4]] = max(event[4], answered.get(event[1:4], -1))
        else:
            names[event[1]] = kind
    anomalies = []
    for place in sorted(set(sent) | set(logs)):
        start, found = logs.get(place, (0, []))
        anomalies += judge_log(place, told.get(place, {}), sent.get(place, set()), start, found)
    for place, offset in sorted(answered.items()):
        now = committed.get(place, -1)
        if now < offset:
            anomalies.append('%s %s-%d: the committed offset went BACK from %d to %d' % (*place, offset, now))
        elif now > tried.get(place, offset):
            anomalies.append('%s %s-%d: nobody committed %d' % (*place, now))
    for name, state in sorted(names.items()):
        if state == 'created' and name not in topics:
            anomalies.append('%s: LOST, its creation was acknowledged' % name)
        if state == 'deleted' and name in topics:
            anomalies.append('%s: is BACK, its deletion was acknowledged' % name)
    return anomalies
