# SPDX-License-Identifier: Apache-2.0
"""The judge finds each anomaly in a history that is made to have it, and none in a good one."""
import unittest

import judge

PLACE = ('t', 0)


def history():
    events = []
    for number in range(6):
        events += [('sent', *PLACE, number), ('acked', *PLACE, number, number)]
    events += [('tried', 'g', 't', 0, 3), ('committed', 'g', 't', 0, 3), ('tried', 'g', 't', 0, 4)]
    return events + [('creating', 'a'), ('created', 'a'), ('created', 'b'), ('deleting', 'b'), ('deleted', 'b'), ('creating', 'c')]


def log():
    return [(offset, offset, 'k') for offset in range(6)]


def anomalies(found=None, start=0, committed=3, topics=('t', 'a'), events=None, place=PLACE):
    return judge.judge(history() if events is None else events, {place: (start, log() if found is None else found)},
                       {('g', 't', 0): committed}, set(topics))


class JudgeTest(unittest.TestCase):
    def finds(self, word, found):
        self.assertTrue(any(word in line for line in found), found)

    def test_a_good_history_has_none(self):
        self.assertEqual(anomalies(), [])
        self.assertEqual(anomalies(committed=4), [])
        self.assertEqual(anomalies(topics=('t', 'a', 'c')), [])

    def test_what_was_sent_and_not_acknowledged_may_be_there(self):
        events = history() + [('sent', *PLACE, 6)]
        self.assertEqual(anomalies(log() + [(6, 6, 'k')], events=events), [])
        self.assertEqual(anomalies(log(), events=events), [])

    def test_a_lost_record(self):
        self.finds('LOST 5', anomalies(log()[:-1]))
        self.finds('LOST 2', anomalies(log()[:2] + log()[3:]))

    def test_a_doubled_record(self):
        self.finds('DOUBLED 5', anomalies(log() + [(6, 5, 'k')]))

    def test_records_in_another_order(self):
        found = log()
        found[2], found[3] = (2, 3, 'k'), (3, 2, 'k')
        self.finds('REORDERED', anomalies(found))

    def test_a_record_elsewhere_than_was_said(self):
        self.finds('MOVED', anomalies([(offset + 1, number, key) for offset, number, key in log()]))

    def test_a_record_nobody_sent(self):
        self.finds('INVENTED 9', anomalies(log() + [(6, 9, 'k')]))

    def test_what_retention_took_is_not_missed(self):
        self.assertEqual(anomalies(log()[3:], start=3), [])
        self.finds('LOST 3', anomalies(log()[4:], start=3))

    def test_a_committed_offset_that_goes_back(self):
        self.finds('BACK', anomalies(committed=2))
        self.finds('BACK', anomalies(committed=-1))
        self.finds('nobody', anomalies(committed=5))

    def test_topics_that_are_lost_or_come_back(self):
        self.finds('a: LOST', anomalies(topics=('t',)))
        self.finds('b: is BACK', anomalies(topics=('t', 'a', 'b')))

    def test_the_last_value_of_a_key_is_missed(self):
        place = ('compacted', 0)
        events = []
        for number in range(2 * judge.KEYS):
            events += [('sent', *place, number), ('acked', *place, number, number)]
        good = [(n, n, n % judge.KEYS) for n in range(judge.KEYS, 2 * judge.KEYS)]
        self.assertEqual(judge.judge(events, {place: (0, good)}, {}, set()), [])
        self.finds('LOST key 0', judge.judge(events, {place: (0, good[1:])}, {}, set()))


if __name__ == '__main__':
    unittest.main()
