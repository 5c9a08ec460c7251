# SPDX-License-Identifier: Apache-2.0
"""The input of each application and, computed in plain loops, what has to come out of it.

An input is {topic: {partition: [(timestamp, key, value)]}}, in the order it is fed; partition '-' is the one the client's
own partitioner chooses.  An output is a list of (key, value).  None stands for a null value.  The numbers are those of Topologies.java."""
import collections
import random

SIZE, ADVANCE, GRACE, GAP = 10000, 5000, 5000, 3000
JOIN = 2000
FLUSH = 1800 * 1000  # a record this much later closes every window


class Words:
    """Lines of words; the count of each word after each of its occurrences."""
    topics = {'lines': 2, 'counts-out': 2}

    def __init__(self, base, count=400):
        seeded = random.Random(7)
        vocabulary = ['weir', 'dam', 'sluice', 'lock', 'mill', 'race', 'pond', 'Strom', 'wehr', 'ford', 'quay', 'Pier']
        self.input = {'lines': {0: [], 1: []}}
        self.counts = collections.Counter()
        for n in range(count):
            words = [seeded.choice(vocabulary) for _ in range(1 + seeded.randrange(6))]
            self.input['lines'][n % 2].append((base + n * 100, 'k%d' % n, ' '.join(words)))
            self.counts.update(word.lower() for word in words)

    def output(self, rounds=1):
        """After `rounds` runs over the same input with counts that began anew each time."""
        return {'counts-out': [(word, str(n)) for word, total in self.counts.items() for n in range(1, total + 1)] * rounds}


class Windows:
    """Clicks out of order, some too late; tumbling, hopping and session windows, and the final count of each tumbling one."""
    topics = {'clicks': 2, 'tumbling-out': 2, 'hopping-out': 2, 'sessions-out': 2, 'final-out': 2}

    def __init__(self, base, count=500):
        seeded = random.Random(11)
        self.input = {'clicks': {0: [], 1: []}}
        self.late = 0
        for n in range(count):
            user = seeded.randrange(6)
            jitter = seeded.choice([0, 0, 0, -1500, -4000, -9000, -25000])
            stamp = base + 30000 + n * 400 + jitter
            self.input['clicks'][user % 2].append((stamp, 'u%d' % user, 'c%d' % n))
        for partition in (0, 1):
            self.input['clicks'][partition].append((base + FLUSH, 'flush%d' % partition, 'c'))

    def counted(self, advance):
        """[(key, window start, count)] after each click, and the final {(key, start): count} of each partition."""
        rows, finals = [], []
        for clicks in self.input['clicks'].values():
            stream_time, counts = -1, collections.Counter()
            for stamp, key, _ in clicks:
                stream_time = max(stream_time, stamp)
                first = (stamp - SIZE + advance) // advance * advance
                for start in range(first, stamp + 1, advance):
                    if start + SIZE <= stream_time - GRACE:
                        self.late += 1
                        continue
                    counts[key, start] += 1
                    rows.append((key, start, counts[key, start]))
            finals.append({place: n for place, n in counts.items() if place[1] + SIZE + GRACE <= stream_time})
        return rows, finals

    def sessions(self):
        rows = []
        for clicks in self.input['clicks'].values():
            stream_time, open_sessions = -1, collections.defaultdict(dict)
            for stamp, key, _ in clicks:
                stream_time = max(stream_time, stamp)
                of_key = open_sessions[key]
                near = [(start, end) for start, end in of_key if end >= stamp - GAP and start <= stamp + GAP]
                merged = (min([stamp] + [row[0] for row in near]), max([stamp] + [row[1] for row in near]))
                if merged[1] < stream_time - GRACE - GAP:
                    self.late += 1
                    continue
                count = 1 + sum(of_key[row] for row in near)
                if merged != (stamp, stamp):
                    for row in near:
                        del of_key[row]
                        rows.append(('%s@%d-%d' % (key, *row), None))
                of_key[merged] = count
                rows.append(('%s@%d-%d' % (key, *merged), str(count)))
        return rows

    def output(self):
        def shown(rows):
            return [('%s@%d-%d' % (key, start, start + SIZE), str(n)) for key, start, n in rows]

        tumbling, finals = self.counted(SIZE)
        hopping, _ = self.counted(ADVANCE)
        return {'tumbling-out': shown(tumbling), 'hopping-out': shown(hopping), 'sessions-out': self.sessions(),
                'final-out': shown((*place, n) for final in finals for place, n in final.items())}


class Joins:
    """Two streams within two seconds; orders at the price of their moment; tracks with the artist they name."""
    topics = {'left': 2, 'right': 2, 'stream-stream-out': 2, 'orders': 2, 'prices': 2, 'stream-table-out': 2,
              'tracks': 2, 'artists': 3, 'foreign-key-out': 2}
    last_only = {'foreign-key-out'}  # a table: what counts is the last value of each key

    def __init__(self, base, count=200):
        seeded = random.Random(13)
        self.input = {name: {0: [], 1: []} for name in ('left', 'right', 'orders', 'prices')}
        # Kafka Streams looks for a foreign key where the default partitioner puts it.
        self.input.update({'tracks': {'-': []}, 'artists': {'-': []}})
        for n in range(count):
            for name, shift in (('left', 0), ('right', 350)):
                key = seeded.randrange(8)
                self.input[name][key % 2].append((base + n * 700 + shift, 'k%d' % key, '%s%d' % (name[0], n)))
            for name, shift in (('prices', 10), ('orders', 20)):
                key = seeded.randrange(12)
                self.input[name][key % 2].append((base + n * 100 + shift, 'p%d' % key, '%s%d' % (name[0], n)))
            track, artist = seeded.randrange(40), seeded.randrange(10)
            value = None if seeded.random() < 0.15 else 'a%d/t%d' % (seeded.randrange(10), n)
            self.input['tracks']['-'].append((base + n * 100, 't%02d' % track, value))
            value = None if seeded.random() < 0.25 else 'artist%d' % n
            self.input['artists']['-'].append((base + n * 100, 'a%d' % artist, value))
        for name in ('left', 'right'):
            for partition in (0, 1):
                self.input[name][partition].append((base + FLUSH, 'flush%d' % partition, name[0]))

    def stream_stream(self):
        rows = []
        for partition in (0, 1):
            for stamp, key, value in self.input['left'][partition]:
                near = [other for at, other_key, other in self.input['right'][partition] if key == other_key and abs(at - stamp) <= JOIN]
                rows += [(key, '%s+%s' % (value, other)) for other in near or ['null']]
        return rows

    def stream_table(self):
        rows = []
        for partition in (0, 1):
            moments = [(*row, 'price') for row in self.input['prices'][partition]] + [(*row, 'order') for row in self.input['orders'][partition]]
            price = {}
            for _, key, value, kind in sorted(moments):
                if kind == 'price':
                    price[key] = value
                elif key in price:
                    rows.append((key, '%s*%s' % (value, price[key])))
        return rows

    def foreign_key(self):
        tracks, artists = ({key: value for rows in self.input[name].values() for _, key, value in rows} for name in ('tracks', 'artists'))
        return [(key, '%s=%s' % (value, artists.get(value.split('/')[0]) or 'null')) for key, value in tracks.items() if value]

    def output(self):
        return {'stream-stream-out': self.stream_stream(), 'stream-table-out': self.stream_table(), 'foreign-key-out': self.foreign_key()}


class Tally:
    """Events with a number each; each number once, and the count of each bucket once for each step."""
    topics = {'events': 4, 'seen-out': 4, 'tally-out': 4}

    def __init__(self, base, count):
        self.count = count
        self.input = {'events': {p: [(base + n, 'e%d' % n, str(n)) for n in range(p, count, 4)] for p in range(4)}}

    def output(self):
        buckets = collections.Counter(n % 7 for n in range(self.count))
        return {'seen-out': [('e%d' % n, str(n)) for n in range(self.count)],
                'tally-out': [('b%d' % bucket, str(n)) for bucket, total in buckets.items() for n in range(1, total + 1)]}

    def at_least_once(self, rows):
        """What the rows come to when anything may be counted again: each number, and how far each bucket's count came.  (A count that
        a crash left in the changelog, but not yet in the output, is never put out: the same records count on from there.)"""
        wanted = self.output()
        highest = {}
        for bucket, n in rows['tally-out']:
            highest[bucket] = max(highest.get(bucket, 0), int(n))
        return {'seen-out': sorted(set(rows['seen-out']) & set(wanted['seen-out'])),
                'tally-out': [(bucket, n) for bucket, n in wanted['tally-out'] if int(n) <= highest.get(bucket, 0)]}
