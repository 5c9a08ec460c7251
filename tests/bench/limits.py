#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""weir, Apache Kafka 4.3.0 and the limit server in turn, in one run: the broker's CPU for each GB and each request, latencies end to
end at a fixed rate, memory; and the medians and the spread of the ratios of each round.

    tests/bench/limits.py --weir build/release/weir --bench build/release/tests/bench [--apache DIR] [--rounds N]
                          [--only KEY,...] [--warm-seconds N] [--json FILE] [--write-docs FILE]

DIR is an installation of Apache Kafka with its jars in DIR/libs.  The broker runs on CPU 0 and the generator on CPU 1; latencies are
measured without that.  A round in which others used, or the host took, more than --foreign-max of the machine is repeated, and
discarded when that does not help; a row with less than half of its rounds is not reported.  Nothing here fails for being slow.
"""
import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import rows  # noqa: E402
from systems import Apache, FlushingLimit, Limit, Machine, Weir, sync_us, touch_pages  # noqa: E402

BEGIN, END = '<!-- measured: begin -->', '<!-- measured: end -->'


class Refused(Exception):
    """The machine was too busy."""


def drive(options, system, what, **words):
    command = [os.path.join(options.bench, 'bench_drive'), what, 'port=%d' % system.port]
    command += ['%s=%s' % item for item in words.items() if item[1] is not None]
    done = subprocess.run(['taskset', '-c', str(options.drive_cpu)] + command, capture_output=True, text=True, timeout=600)
    if done.returncode != 0:
        sys.exit('%s: %s: %s' % (system.name, ' '.join(command), done.stderr.strip()))
    return json.loads(done.stdout)


def load_words(row):
    words = dict(row.load, topic='t')
    if 'requests' not in words and row.what != 'flow':
        words['bytes'] = row.size
    return words


def run_once(options, system, row):
    """One run on a topic of its own, which is deleted afterwards.  -> (figures, the machine's shares)"""
    drive(options, system, 'create', topic='t', partitions=row.partitions, configs=row.configs)
    if row.what == 'fetch':
        words = {name: value for name, value in load_words(row).items() if name in ('topic', 'batch', 'record')}
        drive(options, system, 'produce', bytes=int(row.size * 1.05), **words)
    else:
        touch_pages(system.dir, row.size)
    machine, cpu = Machine(), system.cpu_seconds()
    result = drive(options, system, row.what, **load_words(row))
    cpu = system.cpu_seconds() - cpu
    shares = Machine().since(machine, cpu + result['driver_cpu'])
    drive(options, system, 'delete', topic='t')
    time.sleep(0.3)  # bench: the deletion's work belongs to no run
    return rows.figures(row, result, cpu), shares


def run_quietly(options, system, row):
    """Repeats a run that was disturbed."""
    for _ in range(1 + options.retries):
        system.wake()
        figures, shares = run_once(options, system, row)
        system.rest()
        if max(shares['foreign'], shares['steal']) <= options.foreign_max:
            return figures, shares
    raise Refused('%s, %s: others used %.0f %% of the machine, the host %.0f %%'
                  % (row.key, system.name, shares['foreign'] * 100, shares['steal'] * 100))


def warm(options, systems, row):
    """Apache Kafka wants a minute and 2 GB for each path; for the others a run is plenty."""
    for system in systems:
        began, gb = time.monotonic(), 0.0
        system.wake()
        seconds, wanted = (options.warm_seconds, options.warm_gb) if system.name == 'apache' else (0, 0)
        while True:
            figures, _ = run_once(options, system, row)
            gb += row.size / 1e9
            if time.monotonic() - began >= seconds and (gb >= wanted or time.monotonic() - began >= 2 * seconds):
                break
        system.rest()


def measure_row(options, systems, row):
    warm(options, systems, row)
    measured = []
    for i in range(options.rounds):
        one = {}
        try:
            for system in systems if i % 2 == 0 else systems[::-1]:
                figures, shares = run_quietly(options, system, row)
                one[system.name] = dict(figures, **shares)
        except Refused as refused:
            print('discarded: %s' % refused, file=sys.stderr, flush=True)
            continue
        measured.append(one)
    if len(measured) * 2 < options.rounds:
        print('not reported, the machine was too busy: %s' % row.label, file=sys.stderr, flush=True)
        return None
    return summary(row, measured)


def spread(values):
    return {'median': statistics.median(values), 'min': min(values), 'max': max(values)}


def least(measured, name, figure):
    return min(one[name][figure] for one in measured)


def summary(row, measured):
    names = list(measured[0])
    out = {'key': row.key, 'label': row.label, 'unit': row.unit, 'rounds': measured, 'ratios': {},
           'against_limit': row.against_limit, 'against_apache': row.against_apache,
           'figures': {name: {f: spread([one[name][f] for one in measured]) for f in row.figures + ['cpu_s', 'foreign', 'system_cpu_s']}
                       for name in names}}
    first = row.figures[0]
    for other in ('limit', 'apache'):
        if other in names:
            out['ratios'][other] = spread([one['weir'][first] / one[other][first] for one in measured])
            out['ratios'][other]['least'] = least(measured, 'weir', first) / least(measured, other, first)
    if 'apache' in names:
        out['ratios']['apache_limit'] = spread([one['apache'][first] / one['limit'][first] for one in measured])
    return out


# --- What needs no rounds. ---

def idle(options, kinds):
    """Start, memory and CPU of processes that nobody uses; what a connection and a partition add to weir."""
    out = {}
    for kind in kinds:
        took = []
        for i in range(1 if kind.name == 'apache' else 5):
            system = kind()
            began = time.monotonic()
            system.start()
            drive(options, system, 'first')
            took.append((time.monotonic() - began) * 1000)
            if i < 4 and kind.name != 'apache':
                system.stop()
        time.sleep(5 if kind.name == 'apache' else 1)  # bench: the start's own work ends
        cpu, woken, seconds = system.cpu_seconds(), system.wakeups(), options.idle_seconds
        time.sleep(seconds)  # bench: the idle time that is measured
        one = {'start_ms': statistics.median(took), 'resident_mb': system.resident_mb(), 'wakeups_per_s': (system.wakeups() - woken) / seconds,
               'cpu_percent': (system.cpu_seconds() - cpu) / seconds * 100}
        one['connection_kb'] = per_connection(options, system, 1000)
        before = system.resident_mb()
        drive(options, system, 'create', topic='empty', partitions=1000)
        one['partition_kb'] = system.resident_mb() - before
        system.stop()
        out[kind.name] = one
    return out


def per_connection(options, system, count):
    before = system.resident_mb()
    holder = subprocess.Popen([os.path.join(options.bench, 'bench_drive'), 'hold', 'port=%d' % system.port, 'connections=%d' % count],
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    holder.stdout.readline()
    kb = (system.resident_mb() - before) * 1000 / count
    holder.stdin.close()
    holder.wait()
    return kb


# --- Telling. ---

def verdict(value, limit):
    if limit is None:
        return ''
    return ' **met**' if value <= limit else ' missed (%.2f)' % limit


def number(value):
    return '%.0f' % value if value >= 100 else '%.2f' % value if value >= 0.1 else '%.3f' % value


def table(results):
    lines = ['| work | figure | limit | weir | Apache Kafka | weir / limit (min-max; least/least) | weir / Apache (the same) | Apache / limit |',
             '|---|---|---|---|---|---|---|---|']
    for row in results['rows']:
        figure = list(next(iter(row['figures'].values())))[0]
        cells = [row['label'], row['unit']]
        for name in ('limit', 'weir', 'apache'):
            cells.append(number(row['figures'][name][figure]['median']) if name in row['figures'] else '-')
        for other, most in (('limit', row['against_limit']), ('apache', row['against_apache'])):
            ratio = row['ratios'].get(other)
            cells.append('%.2f (%.2f-%.2f; %.2f)%s' % (ratio['median'], ratio['min'], ratio['max'], ratio['least'], verdict(ratio['median'], most)) if ratio else '-')
        ratio = row['ratios'].get('apache_limit')
        cells.append('%.1f' % ratio['median'] if ratio else '-')
        lines.append('| ' + ' | '.join(cells) + ' |')
    return lines


def latency_table(results):
    found = [row for row in results['rows'] if 'p50_us' in next(iter(row['figures'].values()))]
    if not found:
        return []
    lines = ['', '| latency, us | | p50 | p99 | p99.9 |', '|---|---|---|---|---|']
    for row in found:
        for name, values in row['figures'].items():
            lines.append('| %s | %s | %s |' % (row['label'], name, ' | '.join(number(values[f]['median']) for f in ('p50_us', 'p99_us', 'p999_us'))))
    if results['sync_us']:
        lines += ['', 'One `fdatasync` of an appended record on this disk, just before the row that syncs: %.0f us.' % results['sync_us']]
    return lines


def idle_table(results):
    if not results['idle']:
        return []
    names = list(results['idle'])
    lines = ['', '| nobody uses it | ' + ' | '.join(names) + ' |', '|---|' + '---|' * len(names)]
    for key, label in (('start_ms', 'start to first answer, ms'), ('resident_mb', 'memory, MB'), ('cpu_percent', 'CPU, % of a core'),
                       ('wakeups_per_s', 'wake-ups a second'), ('connection_kb', 'a connection, KB'), ('partition_kb', 'an empty partition, KB')):
        lines.append('| %s | %s |' % (label, ' | '.join(number(results['idle'][name][key]) for name in names)))
    lines += ['', 'Memory after the load: ' + ', '.join('%s %.0f MB' % item for item in results['resident_after_mb'].items()) + '.']
    return lines


def report(results):
    lines = ['%s, Linux %s, %d CPUs; %d rounds; %s.' % (results['cpu'], results['kernel'], results['cpus'], results['options']['rounds'],
                                                     results['date']), ''] + table(results)
    return '\n'.join(lines + latency_table(results) + idle_table(results)) + '\n'


def save(options, results):
    if options.json:
        with open(options.json, 'w') as file:
            json.dump(results, file, indent=1)


def write_docs(path, text):
    with open(path) as file:
        before, rest = file.read().split(BEGIN)
    with open(path, 'w') as file:
        file.write(before + BEGIN + '\n' + text + END + rest.split(END)[1])


def cpu_name():
    with open('/proc/cpuinfo') as file:
        return next((line.split(':')[1].strip() for line in file if line.startswith('model name')), platform.machine())


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--weir', required=True)
    parser.add_argument('--bench', required=True, help='the directory of bench_drive and bench_limit')
    parser.add_argument('--apache')
    parser.add_argument('--rounds', type=int, default=7)
    parser.add_argument('--only', help='keys of rows, or "idle"')
    parser.add_argument('--warm-seconds', type=float, default=60)
    parser.add_argument('--warm-gb', type=float, default=2)
    parser.add_argument('--idle-seconds', type=float, default=20)
    parser.add_argument('--foreign-max', type=float, default=0.10)
    parser.add_argument('--retries', type=int, default=3)
    parser.add_argument('--scale', type=float, default=1, help='of the size of each run, for a quick look')
    parser.add_argument('--broker-cpu', type=int, default=0)
    parser.add_argument('--drive-cpu', type=int, default=1)
    parser.add_argument('--work', help='where the data lies')
    parser.add_argument('--json', help='where the results go')
    parser.add_argument('--write-docs', help='the document between whose marks the tables go')
    parser.add_argument('--render', help='measures nothing: the results of this file')
    return parser.parse_args()


def measure(options, results):
    more = dict(cpu=options.broker_cpu, work=options.work)
    wanted = options.only.split(',') if options.only else [row.key for row in rows.ROWS] + ['idle']
    limit_binary = os.path.join(options.bench, 'bench_limit')
    systems = [Limit(limit_binary, **more), Weir(options.weir, **more)] + ([Apache(options.apache, **more)] if options.apache else [])
    flushing = FlushingLimit(limit_binary, **more)
    if 'idle' in wanted:
        kinds = [lambda: Weir(options.weir, work=options.work)] + ([lambda: Apache(options.apache, work=options.work)] if options.apache else [])
        for kind, name in zip(kinds, ('weir', 'apache')):
            kind.name = name
        results['idle'] = idle(options, kinds)
    for system in systems + [flushing]:
        system.start()
        drive(options, system, 'first')
        system.rest()
    try:
        for row in rows.ROWS:
            if row.key not in wanted:
                continue
            row.scale(options.scale)
            if row.is_flushing:
                results['sync_us'] = sync_us(systems[1].dir)
            used = [flushing] + systems[1:] if row.is_flushing else systems
            for system in used:
                (system.unpin if row.is_unpinned else system.pin)()
            result = measure_row(options, used, row)
            if result is not None:
                results['rows'].append(result)
                save(options, results)
                print(table({'rows': [result]})[-1], flush=True)
        results['resident_after_mb'] = {system.name: system.resident_mb() for system in systems}
    finally:
        for system in systems + [flushing]:
            system.stop()


def main():
    options = parse()
    results = {'options': vars(options), 'cpu': cpu_name(), 'kernel': platform.release(), 'cpus': os.cpu_count(),
               'date': time.strftime('%Y-%m-%d'), 'idle': {}, 'rows': [], 'sync_us': 0, 'resident_after_mb': {}}
    if options.render:
        with open(options.render) as file:
            results = json.load(file)
    else:
        os.sched_setaffinity(0, [options.drive_cpu])
        measure(options, results)
    text = report(results)
    print('\n' + text)
    save(options, results)
    if options.write_docs:
        write_docs(options.write_docs, text)


if __name__ == '__main__':
    main()
