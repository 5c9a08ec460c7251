# SPDX-License-Identifier: Apache-2.0
"""Compares what transactional and idempotent clients were told with what consumers were shown.  Pure: histories in,
anomalies out.

A record's value names itself: producer, transaction, sequence, index, count, topic, partition, key, checksum
(make_value, parse_value).  `sequence` rises for each producer and partition; `index` of `count` is its place in its
transaction; transaction -1 is none.  A history is a list of events:

  ('begin', producer, transaction)                   its records may be anywhere from now on
  ('end', producer, transaction, outcome, places)    'committed', 'aborted' or 'unknown'; places: [[topic, partition, sequence]]
  ('sent', producer, topic, partition, sequence)     not transactional, idempotent
  ('acked', producer, topic, partition, sequence, offset)
  ('polled', poller, topic, partition, rows)         rows: [[offset, value]], read_committed, in the order they came
  ('position', poller, topic, partition)             the poller starts anew: what comes next may have come before
  ('shared', topic, partition, offset)               a share group was given the record
  ('accepted', topic, partition, offset)             its acknowledgement was answered
  ('doubted', topic, partition, offset)              its acknowledgement was refused, or not answered: it counts or not
  ('watermarks', topic, partition, high watermark, last stable offset)   after the end

A transaction without an end is 'unknown': all of it may be there, or nothing.  What was read at the end:
  logs  {(topic, partition): [(offset, value), ...]}   read_committed, from the start
An output of consume-transform-produce names its input as its key: "producer/topic/partition/sequence"; outputs are the
topics named in `derived`: {output topic: input topic}; an output of a producer whose name begins with ~ is judged as an
output only.  `shared` are the topics that a share group has read."""
import collections
import zlib

Record = collections.namedtuple('Record', 'producer transaction sequence index count topic partition key')


def make_value(record, size=0):
    text = ' '.join(str(field) for field in record)
    text += ' %08x' % zlib.crc32(text.encode())
    return text + ' ' + 'x' * max(0, size - len(text) - 1)


def parse_value(value):
    """A Record, or None when the value is not what a producer made."""
    words = value.split(' ')
    if len(words) != len(Record._fields) + 2 or set(words[-1]) - {'x'}:
        return None
    if '%08x' % zlib.crc32(' '.join(words[:-2]).encode()) != words[-2]:
        return None
    producer, transaction, sequence, index, count, topic, partition, key = words[:-2]
    return Record(producer, int(transaction), int(sequence), int(index), int(count), topic, int(partition), key)


class Judge:
    def __init__(self, history, logs, derived, shared):
        self.history, self.logs, self.derived, self.shared = history, logs, derived, shared
        self.anomalies = []
        self.begun, self.ended = set(), {}
        self.sent, self.acked = set(), {}
        self.shown = {}  # (topic, partition) -> {offset: value}
        self.visible = collections.Counter()  # (producer, topic, partition, sequence)
        self.transactions = collections.defaultdict(dict)  # (producer, transaction) -> {index: Record}

    def found(self, text, *words):
        self.anomalies.append(text % words if words else text)

    def take_history(self):
        for event in self.history:
            kind = event[0]
            if kind == 'begin':
                self.begun.add(event[1:3])
            elif kind == 'end':
                self.ended[event[1:3]] = event[3:5]
            elif kind == 'sent':
                self.sent.add(event[1:5])
            elif kind == 'acked':
                self.acked[event[1:5]] = event[5]

    def read_record(self, topic, partition, offset, value, who):
        record = parse_value(value)
        if record is None:
            self.found('%s-%d: BROKEN value at offset %d, %s: %s', topic, partition, offset, who, value[:60])
        elif (record.topic, record.partition) != (topic, partition):
            self.found('%s-%d: MISPLACED at offset %d, %s: the record is of %s-%d', topic, partition, offset, who, record.topic,
                       record.partition)
        else:
            return record
        return None

    def judge_log(self, place, rows):
        last_offset, last_sequence, last_transaction = -1, {}, {}
        for offset, value in rows:
            record = self.read_record(*place, offset, value, 'at the end')
            if offset <= last_offset:
                self.found('%s-%d: offset %d comes after %d', *place, offset, last_offset)
            last_offset = offset
            if record is None:
                continue
            if record.producer.startswith('~'):
                continue
            name = (record.producer, *place, record.sequence)
            self.visible[name] += 1
            if self.visible[name] > 1:
                self.found('%s-%d: DOUBLED %s %d at offset %d', *place, record.producer, record.sequence, offset)
            elif record.sequence < last_sequence.get(record.producer, -1):
                self.found('%s-%d: REORDERED %s %d at offset %d', *place, record.producer, record.sequence, offset)
            last_sequence[record.producer] = max(record.sequence, last_sequence.get(record.producer, -1))
            if record.transaction >= 0:
                if record.transaction < last_transaction.get(record.producer, -1):
                    self.found('%s-%d: REORDERED transaction %s %d at offset %d', *place, record.producer, record.transaction, offset)
                last_transaction[record.producer] = record.transaction
                self.transactions[(record.producer, record.transaction)][record.index] = record
            elif name not in self.sent:
                self.found('%s-%d: INVENTED %s %d at offset %d was never sent', *place, record.producer, record.sequence, offset)
            elif name in self.acked and self.acked[name] != offset:
                self.found('%s-%d: MOVED %s %d is at offset %d, acknowledged at %d', *place, record.producer, record.sequence, offset,
                           self.acked[name])

    def judge_transactions(self):
        for name, records in sorted(self.transactions.items()):
            outcome, _ = self.ended.get(name, ('unknown', []))
            if name not in self.begun:
                self.found('INVENTED transaction %s %d was never begun', *name)
            if outcome == 'aborted':
                self.found('ABORTED transaction %s %d can be read: %d records', *name, len(records))
            count = next(iter(records.values())).count
            if len(records) != count:
                self.found('TORN transaction %s %d (%s): %d of %d records', *name, outcome, len(records), count)
        for name, (outcome, places) in sorted(self.ended.items()):
            if outcome != 'committed':
                continue
            missing = [place for place in places if not self.visible[(name[0], *place)]]
            if missing and len(missing) == len(places):
                self.found('LOST transaction %s %d, its commit was acknowledged', *name)
            elif missing:
                self.found('TORN transaction %s %d (committed): %d of %d records are lost', *name, len(missing), len(places))

    def judge_acked(self):
        for name, offset in sorted(self.acked.items()):
            if not self.visible[name]:
                self.found('%s-%d: LOST %s %d, acknowledged at offset %d', name[1], name[2], name[0], name[3], offset)

    def judge_polls(self):
        """What anybody was ever shown is there at the end, at the same place, and each poller goes forward."""
        final = {place: dict(rows) for place, rows in self.logs.items()}
        position = {}
        for event in self.history:
            if event[0] == 'position':
                position.pop(event[1:4], None)
            elif event[0] == 'polled':
                poller, topic, partition, rows = event[1:5]
                for offset, value in rows:
                    if offset <= position.get((poller, topic, partition), -1):
                        self.found('%s-%d: %s was shown offset %d after %d', topic, partition, poller, offset,
                                   position[(poller, topic, partition)])
                    position[(poller, topic, partition)] = offset
                    self.judge_shown((topic, partition), poller, offset, value, final.get((topic, partition), {}))

    def judge_shown(self, place, poller, offset, value, final):
        known = self.shown.setdefault(place, {})
        if known.get(offset) == value:
            return
        if offset in known:
            self.found('%s-%d: CHANGED at offset %d, %s was shown something else than before', *place, offset, poller)
        known[offset] = value
        record = self.read_record(*place, offset, value, 'shown to ' + poller)
        if final.get(offset) == value or record is None:
            return
        outcome = self.ended.get((record.producer, record.transaction), ('unknown',))[0]
        word = 'ABORTED' if record.transaction >= 0 and outcome != 'committed' else 'LOST'
        self.found('%s-%d: %s but shown to %s at offset %d: %s %d', *place, word, poller, offset, record.producer, record.sequence)

    def judge_derived(self):
        for output, source in sorted(self.derived.items()):
            made = collections.Counter()
            for (topic, _), rows in self.logs.items():
                if topic == output:
                    made.update(record.key for record in (parse_value(value) for _, value in rows) if record)
            inputs = {'%s/%s/%d/%d' % name for name in self.visible if name[1] == source}
            for key, times in sorted(made.items()):
                if key not in inputs:
                    self.found('%s: INVENTED output of %s, which is no input', output, key)
                elif times > 1:
                    self.found('%s: DOUBLED output of %s: %d times', output, key, times)
            for key in sorted(inputs - set(made)):
                self.found('%s: LOST output of %s', output, key)

    def judge_shared(self):
        """Each record is given until it is accepted, and not once more; in doubt it may be given again, or not."""
        given, accepted, doubted = set(), set(), set()
        for event in self.history:
            place = event[1:4]
            if event[0] == 'accepted':
                accepted.add(place)
            elif event[0] == 'doubted':
                doubted.add(place)
            elif event[0] == 'shared':
                given.add(place)
                doubted.discard(place)
                if place in accepted:
                    self.found('%s-%d: DOUBLED offset %d was given to the share group after it was accepted', *place)
        for (topic, partition), rows in sorted(self.logs.items()):
            for offset, _ in rows if topic in self.shared else ():
                if (topic, partition, offset) not in accepted | doubted:
                    word = 'not accepted' if (topic, partition, offset) in given else 'never given to the share group'
                    self.found('%s-%d: LOST offset %d was %s', topic, partition, offset, word)

    def judge_watermarks(self):
        for event in self.history:
            if event[0] == 'watermarks' and event[3] != event[4]:
                self.found('%s-%d: HANGING, the last stable offset %d is not the high watermark %d', event[1], event[2], event[4], event[3])

    def run(self):
        self.take_history()
        for place, rows in sorted(self.logs.items()):
            self.judge_log(place, rows)
        self.judge_transactions()
        self.judge_acked()
        self.judge_polls()
        self.judge_derived()
        self.judge_shared()
        self.judge_watermarks()
        return self.anomalies


def judge(history, logs, derived, shared=()):
    return Judge(history, logs, derived, shared).run()
