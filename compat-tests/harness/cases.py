# SPDX-License-Identifier: Apache-2.0
"""Cases and their results; waiting is always polling against a deadline."""
import contextlib
import sys
import threading
import time
import traceback


class Failure(Exception):
    """A claim did not hold; the text is what the report shows."""


class Skip(Exception):
    """The case cannot run here; the text says why."""


def check(condition, message):
    if not condition:
        raise Failure(message() if callable(message) else message)


def check_equal(got, wanted, what):
    check(got == wanted, lambda: '%s: got %s, wanted %s' % (what, short(got), short(wanted)))


def short(value, limit=300):
    text = value if isinstance(value, str) else repr(value)
    return text if len(text) <= limit else text[:limit] + '... (%d characters)' % len(text)


def wait_until(condition, seconds, what, pause=0.05):
    """Polls until condition() is true and returns its value; fails with `what` at the deadline."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        check(time.monotonic() < deadline, lambda: 'not within %g s: %s' % (seconds, what() if callable(what) else what))
        threading.Event().wait(pause)


class Report:
    """All results of one run; safe to use from several suites at once."""

    def __init__(self):
        self.rows = []
        self.lock = threading.Lock()

    def add(self, suite, case, outcome, seconds=0.0, text=''):
        with self.lock:
            self.rows.append((suite, case, outcome, seconds, text))
            line = '%s %s/%s (%.1f s)' % (outcome, suite, case, seconds)
            print(line + (': ' + text if text else ''), flush=True)

    def count(self, outcome, suite=None):
        return sum(1 for row in self.rows if row[2] == outcome and suite in (None, row[0]))

    @contextlib.contextmanager
    def case(self, suite, name):
        began = time.monotonic()
        outcome, text = 'PASS', ''
        try:
            yield
        except Skip as skip:
            outcome, text = 'SKIP', str(skip)
        except Failure as failure:
            outcome, text = 'FAIL', str(failure)
        except Exception as error:  # a broken case is a failed case; the others still run
            outcome, text = 'FAIL', '%s: %s' % (type(error).__name__, short(str(error)))
            traceback.print_exc(file=sys.stderr)
        self.add(suite, name, outcome, time.monotonic() - began, text)

    def take_lines(self, suite, text):
        """Takes the lines `PASS name`, `FAIL name: why`, `SKIP name: why` a client program printed; returns how many."""
        taken = 0
        for line in text.splitlines():
            outcome, _, rest = line.strip().partition(' ')
            if outcome in ('PASS', 'FAIL', 'SKIP') and rest:
                name, _, why = rest.partition(': ')
                self.add(suite, name, outcome, 0.0, why)
                taken += 1
        return taken

    def table(self):
        suites = []
        for row in self.rows:
            if row[0] not in suites:
                suites.append(row[0])
        lines = ['%-16s %7s %7s %8s %9s' % ('suite', 'passed', 'failed', 'skipped', 'seconds')]
        for suite in suites:
            seconds = sum(row[3] for row in self.rows if row[0] == suite)
            lines.append('%-16s %7d %7d %8d %9.1f' % (
                suite, self.count('PASS', suite), self.count('FAIL', suite), self.count('SKIP', suite), seconds))
        return '\n'.join(lines)

    def closing_line(self):
        line = '%d passed, %d failed' % (self.count('PASS'), self.count('FAIL'))
        skipped = self.count('SKIP')
        return line + (', %d skipped' % skipped if skipped else '')
