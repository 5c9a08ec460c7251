# SPDX-License-Identifier: Apache-2.0
"""What one broker said (Tell.java) beside what the other one says about the same directory."""
import re

from harness.cases import check, short

# An open transaction with a short timeout: Apache Kafka ends it when it is time, also between two questions.
MORTAL = 'late'
INTERNAL = ('__consumer_offsets', '__transaction_state', '__share_group_state')
CONTENT = ('content_uncommitted', 'content_committed')
ONLY_APACHE = ('transaction', 'quotas', 'credentials', 'consumer_group')


def parse(text):
    """{(what, place): value}"""
    found = {}
    for line in text.splitlines():
        what, place, value = line.split('\t')
        found[(what, place)] = value
    return found


def topic_of(place):
    return place.split(' ')[0].rsplit('-', 1)[0]


class Comparison:
    """`why` is the list of differences that have no reason."""

    def __init__(self, old, new, is_rebuilt=False):
        self.old, self.new, self.is_rebuilt = old, new, is_rebuilt
        self.why = []
        self.count = 0
        for key in sorted(set(old) | set(new)):
            self.one(key, old.get(key), new.get(key))

    def differs(self, key):
        return self.old.get(key) != self.new.get(key)

    def grew(self, partition):
        return any(self.differs((kind, partition)) for kind in CONTENT)  # one of the two may be asked before

    def is_compacted(self, topic):
        return 'cleanup.policy=compact' in self.old.get(('config', topic), '')

    def one(self, key, was, now):
        what, place = key
        self.count += 1
        if was == now:
            return
        if what in ONLY_APACHE and (was is None or now is None or place == MORTAL):
            return  # the other broker was not asked
        if what in ('offsets', 'stable_offsets') and place == 'g-' + MORTAL:
            return
        if what == 'epoch' and self.is_epoch_right(place, was, now):
            return
        partition = place.split(' ')[0]
        topic = topic_of(place)
        if topic in INTERNAL + (MORTAL,) and self.grew(partition) and self.is_longer(what, partition, was, now):
            return
        if self.is_compacted(topic) and topic not in INTERNAL and self.grew(partition) and self.is_cleaned(what, was, now):
            return
        if what == 'producer' and self.is_rebuilt and now is None:
            return  # its batches are deleted; only the snapshot knew it
        self.why.append('%s %s: %s, was %s' % (what, place, first_difference(now, was), first_difference(was, now)))

    def is_longer(self, what, partition, was, now):
        """An internal log that was written to on its own: what was there is there."""
        if what in CONTENT:
            return now is not None and now.startswith(was or '')
        return what not in ('topic', 'config', 'earliest')

    @staticmethod
    def is_cleaned(what, was, now):
        """The cleaner ran between the two questions: only what it may take is gone."""
        if what in CONTENT:
            before, after = (spans(text) for text in (was, now))
            return all(any(low <= first and last <= high for low, high in before) for first, last in after)
        return what in ('time', 'max_timestamp', 'aborted') or what.startswith('keys_') and keys_remain(was, now)

    def is_epoch_right(self, place, was, now):
        """An epoch nobody wrote in may be replaced by the next leader's; an epoch that was not there yet is new."""
        if was is None:
            return True
        if now is None:
            return False
        partition = place.split(' ')[0]
        (old_end, old_epoch), (end, epoch) = (map(int, text.split()) for text in (was, now))
        if topic_of(place) in INTERNAL + (MORTAL,) and self.grew(partition):
            return end >= old_end
        return end == old_end and (epoch <= old_epoch or self.is_rebuilt)


def spans(text):
    return [tuple(map(int, word.split('/')[0].split('..'))) for word in text.split()]


def keys_remain(was, now):
    """Only keys whose latest value was null may be gone."""
    def rows(text):
        return dict(row.split('=') for row in text.strip('{}').split(', ') if row)
    before, after = rows(was), rows(now)
    return all(after.get(key) == value or (key not in after and value.split(':')[1] == 'null') for key, value in before.items())


def first_difference(text, other):
    """The part of a long value where it leaves the other one."""
    if text is None or other is None or len(text) < 200:
        return short(text)
    at = next((n for n, (one, two) in enumerate(zip(text, other)) if one != two), min(len(text), len(other)))
    return '(%d characters) ...%s' % (len(text), text[max(0, at - 60):at + 120])


def equal(old, new, is_rebuilt=False):
    result = Comparison(old, new, is_rebuilt)
    check(not result.why, lambda: '%d of %d differ: %s' % (len(result.why), result.count, short(' | '.join(result.why[:12]), 2500)))


def missed_changes(said, compacted):
    """The kinds of facts of which one, with its first digit changed or left out, would pass for what was said."""
    missed, tried = [], set()
    for (what, place), text in sorted(said.items()):
        if what in tried or topic_of(place) in INTERNAL + (MORTAL,) + compacted or MORTAL in place or not re.search(r'\d', text):
            continue
        tried.add(what)
        changed = re.sub(r'\d', lambda found: str((int(found.group(0)) + 1) % 10), text, count=1)
        without = {key: value for key, value in said.items() if key != (what, place)}
        if not Comparison(said, said | {(what, place): changed}).why:
            missed.append('%s %s: %s' % (what, place, short(changed)))
        if what not in ONLY_APACHE and not Comparison(said, without).why:
            missed.append('%s %s left out' % (what, place))
    return missed
