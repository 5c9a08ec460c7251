# SPDX-License-Identifier: Apache-2.0
"""The judge finds each anomaly in a history that is made to have it, and none in a good one."""
import unittest

import judge
from judge import Record, make_value


def record(producer, transaction, sequence, index=0, count=1, topic='t', partition=0, key='k'):
    return make_value(Record(producer, transaction, sequence, index, count, topic, partition, key), 100)


def transaction(producer, number, outcome, places):
    return [('begin', producer, number), ('end', producer, number, outcome, [list(place) for place in places])]


class Story:
    """A good one: two transactions committed over two partitions, one aborted, one unknown; an idempotent producer; a
    worker that turns its records into outputs; a poller that saw it all."""

    def __init__(self):
        self.history = transaction('p', 0, 'committed', [('t', 0, 0), ('t', 1, 0)])
        self.history += transaction('p', 1, 'aborted', [('t', 0, 1)])
        self.history += transaction('p', 2, 'unknown', [('t', 0, 2)])
        self.history += transaction('p', 3, 'committed', [('t', 0, 3), ('t', 1, 3)])
        self.history += [('sent', 'i', 'in', 0, 0), ('acked', 'i', 'in', 0, 0, 0), ('sent', 'i', 'in', 0, 1)]
        self.history += transaction('w', 0, 'committed', [('out', 0, 0)])
        self.logs = {
            ('t', 0): [(0, record('p', 0, 0, 0, 2)), (6, record('p', 3, 3, 0, 2))],
            ('t', 1): [(0, record('p', 0, 0, 1, 2, partition=1)), (4, record('p', 3, 3, 1, 2, partition=1))],
            ('in', 0): [(0, record('i', -1, 0, topic='in'))],
            ('out', 0): [(0, record('w', 0, 0, topic='out', key='i/in/0/0'))],
        }
        self.history += [('shared', 'in', 0, 0), ('shared', 'in', 0, 0), ('accepted', 'in', 0, 0)]
        self.poll(*[('t', 0, row) for row in self.logs[('t', 0)]])
        self.history += [('watermarks', 't', 0, 8, 8), ('watermarks', 't', 1, 6, 6)]

    def poll(self, *shown):
        for topic, partition, row in shown:
            self.history.append(('polled', 'r', topic, partition, [list(row)]))

    def judge(self):
        return judge.judge(self.history, self.logs, {'out': 'in'}, {'in'})


class JudgeTest(unittest.TestCase):
    def setUp(self):
        self.story = Story()

    def finds(self, *words):
        found = self.story.judge()
        for word in words:
            self.assertTrue(any(word in line for line in found), found)

    def test_a_good_history_has_none(self):
        self.assertEqual(self.story.judge(), [])

    def test_an_unknown_transaction_may_be_there(self):
        self.story.logs[('t', 0)].insert(1, (3, record('p', 2, 2)))
        self.assertEqual(self.story.judge(), [])

    def test_a_poller_may_start_again(self):
        self.story.history.append(('position', 'r', 't', 0))
        self.story.poll(('t', 0, self.story.logs[('t', 0)][0]))
        self.assertEqual(self.story.judge(), [])

    def test_a_lost_transaction(self):
        self.story.logs[('t', 0)].pop(0)
        self.story.logs[('t', 1)].pop(0)
        self.finds('LOST transaction p 0')

    def test_a_torn_transaction(self):
        self.story.logs[('t', 1)].pop(0)
        self.finds('TORN transaction p 0 (committed)')

    def test_a_torn_transaction_of_unknown_outcome(self):
        self.story.logs[('t', 0)].insert(1, (3, record('p', 2, 2, 0, 2)))
        self.finds('TORN transaction p 2 (unknown): 1 of 2')

    def test_an_aborted_transaction_that_can_be_read(self):
        self.story.logs[('t', 0)].insert(1, (2, record('p', 1, 1)))
        self.finds('ABORTED transaction p 1')

    def test_an_aborted_record_that_a_poller_was_shown(self):
        self.story.history.append(('position', 'r', 't', 0))
        self.story.poll(('t', 0, (2, record('p', 1, 1))))
        self.finds('t-0: ABORTED but shown to r at offset 2')

    def test_an_unknown_record_that_was_shown_and_went(self):
        self.story.history.append(('position', 'r', 't', 0))
        self.story.poll(('t', 0, (3, record('p', 2, 2))))
        self.finds('t-0: ABORTED but shown to r at offset 3')

    def test_a_committed_record_that_was_shown_and_went(self):
        shown = self.story.logs[('t', 0)].pop()
        self.finds('t-0: LOST but shown to r at offset 6: p 3')
        self.assertEqual(shown[0], 6)

    def test_a_transaction_nobody_began(self):
        self.story.logs[('t', 0)].append((9, record('p', 9, 9)))
        self.finds('INVENTED transaction p 9')

    def test_a_doubled_record(self):
        self.story.logs[('t', 0)].append((9, record('p', 3, 3, 0, 2)))
        self.finds('DOUBLED p 3 at offset 9')

    def test_records_in_another_order(self):
        first, second = self.story.logs[('t', 1)]
        self.story.logs[('t', 1)] = [(0, second[1]), (4, first[1])]
        self.finds('REORDERED p 0', 'REORDERED transaction p 0')

    def test_offsets_that_go_back(self):
        self.story.logs[('t', 1)].reverse()
        self.finds('t-1: offset 0 comes after 4')

    def test_a_lost_idempotent_record(self):
        self.story.logs[('in', 0)] = []
        self.finds('in-0: LOST i 0')

    def test_a_record_elsewhere_than_was_said(self):
        self.story.logs[('in', 0)] = [(5, record('i', -1, 0, topic='in'))]
        self.finds('in-0: MOVED i 0 is at offset 5')

    def test_a_record_nobody_sent(self):
        self.story.logs[('in', 0)].append((2, record('i', -1, 7, topic='in')))
        self.finds('INVENTED i 7')

    def test_a_value_that_is_not_whole(self):
        self.story.logs[('t', 0)][0] = (0, record('p', 0, 0, 0, 2).replace('p 0', 'p 1', 1))
        self.finds('BROKEN value at offset 0')
        self.story.logs[('t', 0)][0] = (0, record('p', 0, 0, 0, 2)[:20])
        self.finds('BROKEN value at offset 0')

    def test_a_record_of_another_partition(self):
        self.story.logs[('t', 0)][0] = (0, record('p', 0, 0, 0, 2, partition=1))
        self.finds('t-0: MISPLACED at offset 0')

    def test_a_poller_that_goes_back(self):
        self.story.poll(('t', 0, self.story.logs[('t', 0)][0]))
        self.finds('r was shown offset 0 after 6')

    def test_an_offset_that_changes(self):
        self.story.history.append(('polled', 'q', 't', 0, [[6, record('p', 2, 2)]]))
        self.finds('t-0: CHANGED at offset 6')

    def test_an_input_that_was_not_counted(self):
        self.story.logs[('out', 0)] = []
        self.finds('out: LOST output of i/in/0/0')

    def test_an_input_that_was_counted_twice(self):
        self.story.history += transaction('w', 1, 'committed', [('out', 0, 1)])
        self.story.logs[('out', 0)].append((2, record('w', 1, 1, topic='out', key='i/in/0/0')))
        self.finds('out: DOUBLED output of i/in/0/0: 2 times')

    def test_an_output_of_nothing(self):
        self.story.history += transaction('w', 1, 'committed', [('out', 0, 1)])
        self.story.logs[('out', 0)].append((2, record('w', 1, 1, topic='out', key='i/in/0/5')))
        self.finds('out: INVENTED output of i/in/0/5')

    def test_a_record_the_share_group_did_not_get(self):
        self.story.history = [event for event in self.story.history if event[0] not in ('shared', 'accepted')]
        self.finds('in-0: LOST offset 0 was never given')
        self.story.history.append(('shared', 'in', 0, 0))
        self.finds('in-0: LOST offset 0 was not accepted')

    def test_a_record_the_share_group_got_again(self):
        self.story.history.append(('shared', 'in', 0, 0))
        self.finds('in-0: DOUBLED offset 0 was given')

    def test_a_record_whose_acceptance_is_in_doubt(self):
        self.story.history = [event for event in self.story.history if event[0] != 'accepted'] + [('doubted', 'in', 0, 0)]
        self.assertEqual(self.story.judge(), [])
        self.story.history.append(('shared', 'in', 0, 0))
        self.finds('in-0: LOST offset 0 was not accepted')

    def test_an_output_of_who_tells_nothing(self):
        self.story.logs[('out', 0)] = [(0, record('~s', -1, 0, topic='out', key='i/in/0/0'))]
        self.story.history = [event for event in self.story.history if event[1] != 'w']
        self.assertEqual(self.story.judge(), [])
        self.story.logs[('out', 0)].append((2, record('~s', -1, 0, topic='out', key='i/in/0/0')))
        self.finds('DOUBLED output')

    def test_a_transaction_that_hangs(self):
        self.story.history.append(('watermarks', 't', 0, 8, 6))
        self.finds('t-0: HANGING')


if __name__ == '__main__':
    unittest.main()
