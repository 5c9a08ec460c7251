# SPDX-License-Identifier: Apache-2.0
"""kafka-dump-log.sh reads every file that the brokers of the other suites left, without a complaint."""
import glob
import os
import re

from harness.cases import Failure, Skip, check, short

# What DumpLogSegments prints about a file it does not like.
COMPLAINTS = re.compile(r'Mismatches in|Non-consecutive offsets|timestamp mismatch|out of order timestamp|isvalid: false|'
                        r'Exception|Could not find|is corrupt|Index offset|Indexed offset|not valid|unknown type|Failed to decode')
CHUNK = 40
PRINTED_BYTES = 4 << 20


def chunks(paths):
    return [paths[n:n + CHUNK] for n in range(0, len(paths), CHUNK)]


def dump(ctx, paths, *flags):
    for some in chunks(paths):
        result = ctx.tools.run('kafka-dump-log', *flags, '--files', ','.join(some), seconds=180)
        found = COMPLAINTS.search(result.text)
        if found or result.code != 0:
            at = found.start() if found else 0
            before = result.text.rfind('Dumping ', 0, at)
            raise Failure('exit code %d: %s ... %s' % (result.code, result.text[before:].split('\n', 1)[0], short(result.text[at:], 500)))
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


def run(ctx):
    found = sorted(glob.glob(os.path.join(ctx.settings.work, '*', '*', 'data')))
    if not found:
        raise Skip('no other suite ran')
    for data in found:
        parts = data.split(os.sep)
        data_of(ctx, data, '%s_%s' % (parts[-3], parts[-2]))
