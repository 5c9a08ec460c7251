# SPDX-License-Identifier: Apache-2.0
"""Builds and runs every test (tools/test installs what is missing first); the last line is "N passed, N failed[, N skipped]".

usage: tools/test [--full] [--asan] [--only SUITE,...]

  --full        the long forms of everything: 10,000 sampled power losses and damages, 500 kills, ten swaps; also the asan
                and tsan builds with their unit tests, all of clang-tidy, and the client suites under asan
  --asan        the client suites run against the asan build instead of the release
  --only X,...  only these: build, unit, lint, cppcheck, clang-tidy, or suites of compat-tests (kafka-tools, kcat, ...)

Suites that compare with ../shared are skipped, with a sentence, where it is not there.
"""
import argparse
import glob
import json
import os
import re
import subprocess
import sys
import time
import xml.etree.ElementTree

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
JOBS = str(os.cpu_count() or 2)
TIDY_SECONDS = 240


class Table:
    def __init__(self):
        self.rows = []

    def add(self, suite, passed, failed, skipped, seconds):
        self.rows.append((suite, passed, failed, skipped, seconds))

    def total(self, column):
        return sum(row[column] for row in self.rows)

    def show(self):
        print('\n%-24s %7s %7s %8s %9s' % ('suite', 'passed', 'failed', 'skipped', 'seconds'))
        for row in self.rows:
            print('%-24s %7d %7d %8d %9.1f' % row)
        line = '%d passed, %d failed' % (self.total(1), self.total(2))
        print(line + (', %d skipped' % self.total(3) if self.total(3) else ''), flush=True)
        return 1 if self.total(2) or not self.total(1) else 0


def call(command, **kwargs):
    print('+ ' + ' '.join(command), flush=True)
    return subprocess.run(command, cwd=ROOT, stdin=subprocess.DEVNULL, **kwargs)


def step(table, name, command):
    """One command that passes or fails as a whole."""
    began = time.monotonic()
    is_good = call(command).returncode == 0
    table.add(name, int(is_good), int(not is_good), 0, time.monotonic() - began)
    return is_good


def build(table, preset, *targets):
    began = time.monotonic()
    is_good = call(['cmake', '--preset', preset], stdout=subprocess.DEVNULL).returncode == 0
    is_good = is_good and call(['cmake', '--build', 'build/' + preset] + (['--target', *targets] if targets else [])).returncode == 0
    table.add('build ' + preset, int(is_good), int(not is_good), 0, time.monotonic() - began)
    return is_good


def ctest(table, preset, *more):
    """CTest in parallel; each of its tests is a row's count."""
    began = time.monotonic()
    report = os.path.join(ROOT, 'build', preset, 'ctest.xml')
    if os.path.exists(report):
        os.unlink(report)
    done = call(['ctest', '--test-dir', 'build/' + preset, '-j', JOBS, '--output-on-failure', '--output-junit', report, *more])
    passed = failed = skipped = 0
    if os.path.exists(report):
        for case in xml.etree.ElementTree.parse(report).getroot().iter('testcase'):
            if case.get('status') == 'run':
                passed += 1
            elif case.get('status') in ('notrun', 'disabled'):
                skipped += 1
            else:
                failed += 1
    if done.returncode != 0 and failed == 0:
        failed = 1
    table.add('ctest ' + preset, passed, failed, skipped, time.monotonic() - began)


def long_forms(table):
    """The programs of the dev build that take --full."""
    for name in ('sim_crash_append', 'sim_crash_move', 'sim_damage'):
        step(table, name, [os.path.join(ROOT, 'build', 'dev', 'tests', 'sim', name), '--full'])
    step(table, 'compaction', ['/usr/bin/python3', 'tests/integration/compaction.py', 'build/release/weir', '--full'])
    step(table, 'open files', ['/usr/bin/python3', 'tests/integration/open_files.py', 'build/release/weir', '--full'])


def compat(table, binary, only, is_full):
    """The client suites; their own closing line and table are taken over."""
    command = [os.path.join(ROOT, 'compat-tests', 'run'), '--weir', binary] + (['--full'] if is_full else [])
    if only:
        command += ['--only', ','.join(only)]
    print('+ ' + ' '.join(command), flush=True)
    process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, errors='replace')
    rows, began = {}, time.monotonic()
    is_table = False
    for line in process.stdout:
        words = line.split()
        is_table = is_table and len(words) == 5 or line.startswith('suite  ')
        if is_table and words and words[0] != 'suite':
            rows[words[0]] = [int(word) for word in words[1:4]] + [float(words[4])]
        if not re.fullmatch(r'\d+ passed, \d+ failed(, \d+ skipped)?\s*', line):
            print(line, end='', flush=True)
    code = process.wait()
    for suite, counts in rows.items():
        table.add('compat ' + suite, *counts)
    if not rows or (code != 0 and not any(row[1] for row in rows.values())):
        table.add('compat', 0, 1, 0, time.monotonic() - began)


def sources():
    return sorted(glob.glob(os.path.join(ROOT, 'src', '**', '*.c'), recursive=True))


def cppcheck(table):
    step(table, 'cppcheck', ['cppcheck', '--quiet', '-j', JOBS, '--enable=warning,portability', '--inline-suppr', '--std=c11',
                             '--error-exitcode=1', '--suppressions-list=tests/lint/cppcheck.txt', '-I', 'include', *(os.path.relpath(path, ROOT) for path in sources())])


def newest_first(paths):
    return sorted(paths, key=lambda path: -os.path.getmtime(path))


def clang_tidy(table, is_full):
    """All files with --full; else those changed last, as many as fit into the time."""
    began = time.monotonic()
    passed = failed = 0
    running = []
    todo = newest_first(sources())
    total = len(todo)
    with open(os.path.join(ROOT, 'build', 'dev', 'compile_commands.json')) as file:
        known = {os.path.realpath(row['file']) for row in json.load(file)}
    todo = [path for path in todo if os.path.realpath(path) in known]
    while todo or running:
        is_late = not is_full and time.monotonic() - began > TIDY_SECONDS
        while todo and not is_late and len(running) < int(JOBS):
            path = todo.pop(0)
            command = ['clang-tidy', '-p', os.path.join(ROOT, 'build', 'dev'), '--quiet', '--extra-arg=-Wno-unknown-warning-option', path]
            running.append((path, subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)))
        if not running:
            break
        path, process = running.pop(0)
        text = process.communicate()[0]
        if process.returncode != 0 or 'warning:' in text or 'error:' in text:
            failed += 1
            print('clang-tidy %s\n%s' % (os.path.relpath(path, ROOT), text[-3000:]))
        else:
            passed += 1
    print('clang-tidy looked at %d of %d files' % (passed + failed, total))
    table.add('clang-tidy', passed, failed, 0, time.monotonic() - began)


def main():
    parser = argparse.ArgumentParser(description='Installs what is missing, builds, and runs every test.')
    parser.add_argument('--full', action='store_true')
    parser.add_argument('--asan', action='store_true')
    parser.add_argument('--only', default='')
    options = parser.parse_args()
    only = [word for word in options.only.split(',') if word]
    table = Table()

    def wants(name):
        return not only or name in only

    suites = [word for word in only if word not in ('build', 'unit', 'lint', 'cppcheck', 'clang-tidy')]
    is_built = build(table, 'release', 'weir', 'bench_load')  # tests are built once, without link-time optimisation
    if (wants('unit') or wants('lint') or wants('clang-tidy')) and build(table, 'dev'):
        if wants('unit'):
            ctest(table, 'dev')
        elif wants('lint'):
            ctest(table, 'dev', '-R', '^lint')
        if wants('clang-tidy'):
            clang_tidy(table, options.full)
    if wants('cppcheck'):
        cppcheck(table)
    if is_built and (suites or not only):
        if (options.asan or options.full) and build(table, 'asan', 'weir'):
            compat(table, os.path.join(ROOT, 'build', 'asan', 'weir'), suites, False)
        if not options.asan:
            compat(table, os.path.join(ROOT, 'build', 'release', 'weir'), suites, options.full)
    if options.full:
        if wants('unit') and (os.path.exists(os.path.join(ROOT, 'build', 'dev', 'tests'))):
            long_forms(table)
        for preset in ('asan', 'tsan'):
            if build(table, preset):
                ctest(table, preset)
    return table.show()


if __name__ == '__main__':
    sys.exit(main())
