# SPDX-License-Identifier: Apache-2.0
"""kafka-dump-log.sh over every file of a stopped node."""
import os
import re

from harness.cases import Failure, check, short

COMPLAINTS = re.compile(r'Mismatches in|timestamp mismatch|out of order timestamp|isvalid: false|'
                        r'Exception:|Could not find|is corrupt|Index offset|Indexed offset|not valid|unknown type|Failed to decode|'
                        r'invalid bytes|Found [1-9]\d* ')
DECODERS = {'__consumer_offsets': '--offsets-decoder', '__transaction_state': '--transaction-log-decoder',
            '__share_group_state': '--share-group-state-decoder', '__cluster_metadata': '--cluster-metadata-decoder'}
GAP = re.compile(r'^ *(\d+) is followed by (\d+)$', re.MULTILINE)  # the tool counts a log that begins at 7 as -1, 7
CHUNK = 100
PRINTED_BYTES = 1 << 20


def files_of(dirs, kinds):
    found = []
    for place, _, names in (row for data in dirs for row in os.walk(data)):
        if place.endswith(('-delete', '-stray')):
            continue
        found += [os.path.join(place, name) for name in names if name.rsplit('.', 1)[-1] in kinds]
    return sorted(path for path in found if os.path.dirname(path) not in dirs)


def is_last(path):
    base = os.path.basename(path).split('.')[0]
    return base == max(name.split('.')[0] for name in os.listdir(os.path.dirname(path)) if name.endswith('.log'))


def dump(tools, paths, *flags, is_torn=False, has_gaps=True):
    for at in range(0, len(paths), CHUNK):
        some = paths[at:at + CHUNK]
        result = tools.run('kafka-dump-log', *flags, '--files', ','.join(some), seconds=180)
        found = COMPLAINTS.search(result.out) or (not has_gaps and GAP.search(result.out))
        if found and is_torn and found.group(0) == 'invalid bytes':
            found = None
        if found or result.code != 0:
            place = found.start() if found else 0
            begun = result.out.rfind('Dumping ', 0, place)
            raise Failure('exit code %d: %s ... %s' % (
                result.code, result.out[begun:].split('\n', 1)[0], short(result.out[max(0, place - 100):], 500)))
        check(result.out.count('Dumping ') == len(some), 'dumped %d of %d' % (result.out.count('Dumping '), len(some)))


def check_data(tools, dirs, is_killed, compacted):
    """After a kill the last segment's indexes are as long as they were made, and its last batch may be half a batch."""
    logs = files_of(dirs, ('log',))
    for topic, decoder in DECODERS.items():
        dump(tools, [path for path in logs if '/%s-' % topic in path], '--deep-iteration', decoder, is_torn=is_killed)
    others = [path for path in logs if not any('/%s-' % topic in path for topic in DECODERS)]
    large = [path for path in others if os.path.getsize(path) > PRINTED_BYTES]
    dump(tools, large, '--deep-iteration', is_torn=is_killed, has_gaps=False)
    others = sorted(set(others) - set(large))
    cleaned = [path for path in others if os.path.basename(os.path.dirname(path)).rsplit('-', 1)[0] in compacted]
    dump(tools, cleaned, '--deep-iteration', '--print-data-log', is_torn=is_killed)
    dump(tools, sorted(set(others) - set(cleaned)), '--deep-iteration', '--print-data-log', is_torn=is_killed, has_gaps=False)
    indexes = [path for path in files_of(dirs, ('index', 'timeindex')) if not (is_killed and is_last(path))]
    dump(tools, indexes, '--index-sanity-check')
    dump(tools, indexes, '--verify-index-only')
    dump(tools, [path for path in files_of(dirs, ('snapshot', 'txnindex')) if '/__cluster_metadata-' not in path])
    dump(tools, files_of(dirs, ('checkpoint',)), '--cluster-metadata-decoder')
