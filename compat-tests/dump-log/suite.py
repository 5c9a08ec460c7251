# SPDX-License-Identifier: Apache-2.0
"""kafka-dump-log.sh reads every file that the brokers of the other suites left, without a complaint; weir verify finds
nothing wrong with them either, and weir dump prints the same batches and index entries."""
import glob
import os
import re
import subprocess

from harness.cases import Failure, Skip, check, short

# What DumpLogSegments prints about a file it does not like.
COMPLAINTS = re.compile(r'Mismatches in|Non-consecutive offsets|timestamp mismatch|out of order timestamp|isvalid: false|'
                        r'Exception|Could not find|is corrupt|Index offset|Indexed offset|not valid|unknown type|Failed to decode')
CHUNK = 40
PRINTED_BYTES = 4 << 20


# It says so of each segment that does not begin at 0, and of those that were compacted.
GAPS = re.compile(r'^Non-consecutive offsets in (.*)\n((?: +-?\d+ is followed by \d+\n?)+)', re.M)


def compacted(data):
    """Directories of the partitions that the cleaner has been at."""
    try:
        with open(os.path.join(data, 'cleaner-offset-checkpoint')) as file:
            rows = [line.split() for line in file.read().split('\n')[2:]]
    except FileNotFoundError:
        return set()
    return {'%s-%s' % (row[0], row[1]) for row in rows if len(row) == 3}


def without_known_gaps(text):
    def judge(found):
        place = os.path.dirname(found.group(1))
        pairs = [line.split() for line in found.group(2).splitlines()]
        is_known = os.path.basename(place) in compacted(os.path.dirname(place)) or all(pair[0] == '-1' for pair in pairs)
        return '' if is_known else found.group(0)
    return GAPS.sub(judge, text)


def chunks(paths):
    return [paths[n:n + CHUNK] for n in range(0, len(paths), CHUNK)]


def dump(ctx, paths, *flags):
    for some in chunks(paths):
        result = ctx.tools.run('kafka-dump-log', *flags, '--files', ','.join(some), seconds=180)
        text = without_known_gaps(result.text)
        found = COMPLAINTS.search(text)
        if found or result.code != 0:
            at = found.start() if found else 0
            before = text.rfind('Dumping ', 0, at)
            raise Failure('exit code %d: %s ... %s' % (result.code, text[before:].split('\n', 1)[0], short(text[at:], 500)))
        seen = result.text.count('Dumping ')
        check(seen == len(some), 'dumped %d of %d files: %s' % (seen, len(some), short(result.text)))


def kind_of(path):
    place = os.path.basename(os.path.dirname(path))
    for prefix, kind in (('__consumer_offsets-', 'offsets'), ('__transaction_state-', 'transactions'),
                         ('__share_group_state-', 'shares'), ('__cluster_metadata-', 'metadata')):
        if place.startswith(prefix):
            return kind
    return 'records'


DECODERS = {'offsets': ['--offsets-decoder'], 'transactions': ['--transaction-log-decoder'],
            'shares': ['--share-group-state-decoder'], 'metadata': ['--cluster-metadata-decoder'], 'records': ['--print-data-log']}


def data_of(ctx, data, name):
    # What is about to be deleted is not written to any more, and not tidied up either.
    files = {ext: [path for path in sorted(glob.glob(os.path.join(data, '*', '*.' + ext)))
                   if not os.path.dirname(path).endswith(('-delete', '-stray'))]
             for ext in ('log', 'index', 'timeindex', 'txnindex', 'snapshot', 'checkpoint')}
    for kind, decoder in DECODERS.items():
        logs = [path for path in files['log'] if kind_of(path) == kind]
        small = [path for path in logs if os.path.getsize(path) <= PRINTED_BYTES]
        large = [path for path in logs if os.path.getsize(path) > PRINTED_BYTES]
        if logs:
            with ctx.case('%s_%d_logs_of_%s' % (name, len(logs), kind)):
                dump(ctx, small, '--deep-iteration', *decoder)
                dump(ctx, large, '--deep-iteration')
    if files['index']:
        with ctx.case('%s_%d_offset_and_time_indexes' % (name, len(files['index'] + files['timeindex']))):
            dump(ctx, files['index'] + files['timeindex'], '--index-sanity-check')
            dump(ctx, files['index'] + files['timeindex'], '--verify-index-only')
    snapshots = [path for path in files['snapshot'] if kind_of(path) != 'metadata']
    if snapshots or files['txnindex']:
        with ctx.case('%s_%d_producer_snapshots_and_transaction_indexes' % (name, len(snapshots + files['txnindex']))):
            dump(ctx, snapshots + files['txnindex'])
    if files['checkpoint']:
        with ctx.case('%s_%d_metadata_checkpoints' % (name, len(files['checkpoint']))):
            dump(ctx, files['checkpoint'], '--cluster-metadata-decoder')


# What both print of a batch and of an entry, as the same tuple.
APACHE = {
    'log': re.compile(r'^baseOffset: (?P<base>\d+) lastOffset: (?P<last>\d+) count: (?P<count>\d+) .*? producerId: (?P<producer>-?\d+)'
                      r' producerEpoch: (?P<epoch>-?\d+) partitionLeaderEpoch: (?P<leader>-?\d+) .*? position: (?P<pos>\d+)'
                      r' \w+: -?\d+ size: (?P<size>\d+) magic: 2 compresscodec: (?P<codec>\w+)', re.M),
    'index': re.compile(r'^offset: (?P<offset>\d+) position: (?P<pos>\d+)', re.M),
    'timeindex': re.compile(r'^timestamp: (?P<time>\d+) offset: (?P<offset>\d+)', re.M)}
WEIR = {
    'log': re.compile(r'^batch at byte (?P<pos>\d+), (?P<size>\d+) bytes: offsets (?P<base>\d+)-(?P<last>\d+), (?P<count>\d+) records'
                      r'(?:, leader epoch (?P<leader>\d+))?.*?, codec (?P<codec>\w+)'
                      r'(?:, producer (?P<producer>\d+) epoch (?P<epoch>-?\d+))?', re.M),
    'index': re.compile(r'^offset (?P<offset>\d+) at byte (?P<pos>\d+)', re.M),
    'timeindex': re.compile(r'^timestamp (?P<time>\d+) \([^)]*\), offset (?P<offset>\d+)', re.M)}


def row_of(found):
    row = {name: value if value is not None else '-1' for name, value in found.groupdict().items()}
    if row.get('producer') == '-1':
        row['epoch'] = '-1'  # some clients send an epoch of no producer; it is not printed
    return tuple(sorted(row.items()))


def seen(patterns, ext, text):
    return [row_of(found) for found in patterns[ext].finditer(text)]


def by_file(text, head):
    parts = re.split(head, text, flags=re.M)
    return dict(zip(parts[1::2], parts[2::2]))


def agree(ctx, binary, paths, ext):
    """-> how many batches or entries both printed."""
    compared = 0
    for some in chunks(paths):
        theirs = by_file(ctx.tools.run('kafka-dump-log', '--files', ','.join(some), seconds=180).text, r'^Dumping (.*)$')
        result = subprocess.run([binary, 'dump', *some], capture_output=True, text=True, timeout=180)
        check(result.returncode == 0, 'weir dump: exit code %d: %s' % (result.returncode, short(result.stdout)))
        ours = by_file(result.stdout, r'^== (.*?): .*$')
        for path in some:
            wanted, got = seen(APACHE, ext, theirs[path]), seen(WEIR, ext, ours[path])
            check(wanted == got, '%s: Apache Kafka prints %s, weir %s' % (
                path, short(str([item for item in wanted if item not in got] or len(wanted))),
                short(str([item for item in got if item not in wanted] or len(got)))))
            compared += len(got)
    return compared


def looked_at_by_weir(ctx, data, name):
    binary = ctx.settings.binary or os.path.join(ctx.settings.root, 'build', 'release', 'weir')
    if not os.path.exists(binary):
        return
    with ctx.case('%s_verify_finds_nothing' % name):
        result = subprocess.run([binary, 'verify', '--quiet', data], capture_output=True, text=True, timeout=180)
        check(result.returncode == 0, 'exit code %d: %s' % (result.returncode, short(result.stdout)))
    with ctx.case('%s_dump_prints_what_kafka_dump_log_prints' % name):
        compared = {}
        for ext in APACHE:
            paths = [path for path in sorted(glob.glob(os.path.join(data, '*', '*.' + ext)))
                     if not os.path.dirname(path).endswith(('-delete', '-stray')) and 0 < os.path.getsize(path) <= PRINTED_BYTES]
            compared[ext] = agree(ctx, binary, paths, ext)
        check(compared['log'] > 0 and compared['timeindex'] > 0, 'nothing was compared: %s' % compared)


def run(ctx):
    # The swap suite looks at its own, after each stop.
    found = [path for path in sorted(glob.glob(os.path.join(ctx.settings.work, '*', '*', 'data')))
             if os.path.exists(os.path.join(path, 'meta.properties'))]
    if not found:
        raise Skip('no other suite ran')
    for data in found:
        parts = data.split(os.sep)
        data_of(ctx, data, '%s_%s' % (parts[-3], parts[-2]))
        looked_at_by_weir(ctx, data, '%s_%s' % (parts[-3], parts[-2]))
