#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The load generator against weir and against the limit server, each kind of work once and small: what is produced is fetched, and the
figures are there.  Measures nothing.

    tests/bench/smoke.py WEIR DIRECTORY-OF-BENCH_DRIVE
"""
import json
import os
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import rows  # noqa: E402
from systems import FlushingLimit, Limit, Weir  # noqa: E402


def drive(system, what, **words):
    command = [os.path.join(sys.argv[2], 'bench_drive'), what, 'port=%d' % system.port] + ['%s=%s' % item for item in words.items()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    if done.returncode != 0:
        sys.exit('%s: %s: %s' % (system.name, ' '.join(command), done.stderr.strip()))
    return json.loads(done.stdout)


def check(system, claim, holds, result):
    if not holds:
        sys.exit('%s: %s: %s' % (system.name, claim, result))


def small(row):
    load = dict(row.load)
    load.update(seconds=0.7) if row.what == 'flow' else load.update(requests=200)
    if 'rate' in load:
        load['rate'] = min(load['rate'], 1000)
    return load


def work(system, row):
    drive(system, 'create', topic='t', partitions=row.partitions)
    if row.what == 'fetch':
        made = drive(system, 'produce', topic='t', requests=200, batch=row.load['batch'], record=row.load['record'])
        result = drive(system, 'fetch', topic='t', bytes=made['bytes_in'], fetch=row.load['fetch'])
        check(system, 'all that was produced is fetched', result['bytes_out'] == made['bytes_in'], result)
    else:
        result = drive(system, row.what, topic='t', **small(row))
        check(system, 'all was produced', result['records_in'] > 0 and result['bytes_in'] > 0, result)
    if row.what == 'flow':
        check(system, 'each group has each record', result['records_out'] == result['records_in'] * row.load.get('groups', 1), result)
        check(system, 'latencies are in order', 0 < result['p50_us'] <= result['p99_us'] <= result['p999_us'] <= result['max_us'], result)
    found = rows.figures(row, result, 1.0)
    check(system, 'the row has its figures', all(name in found for name in row.figures), found)
    drive(system, 'delete', topic='t')


def main():
    limit = os.path.join(sys.argv[2], 'bench_limit')
    for system in Limit(limit), FlushingLimit(limit), Weir(sys.argv[1]):
        system.start()
        try:
            drive(system, 'first')
            for row in rows.ROWS:
                if row.is_flushing or not isinstance(system, FlushingLimit):
                    work(system, row)
        finally:
            system.stop()
    print('ok')


if __name__ == '__main__':
    main()
