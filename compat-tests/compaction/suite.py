# SPDX-License-Identifier: Apache-2.0
"""The same log through weir's and Apache Kafka's cleaner has the same content afterwards, by what kafka-dump-log.sh says of it.

Apache Kafka writes the log with its cleaner off.  Copies of it are cleaned by either broker, get the same further
records (with the cleaner off: how often it runs meanwhile would show), and are cleaned again by both."""
import glob
import os
import re
import shutil
import time

from harness import broker, clients, wire
from harness.cases import Failure, Skip, check, check_equal, short, wait_until

PACKAGE = 'confluent-kafka==2.16.1'
CODECS = ['none', 'gzip', 'snappy', 'lz4', 'zstd']
TOPICS = ['cmp-' + codec for codec in CODECS] + ['cmp-now', 'cmp-both', 'cmp-txn', 'cmp-idempotent']
CLEANING = {'log.cleaner.backoff.ms': '100', 'log.cleaner.threads': '2', 'log.cleaner.dedupe.buffer.size': '16777216'}
HOUR_MS = 3600 * 1000
BATCH = re.compile(r'^(?:\| )?baseOffset: (\d+) lastOffset: (\d+) count: (\d+) baseSequence: (-?\d+) lastSequence: (-?\d+) '
                   r'producerId: (-?\d+) producerEpoch: (-?\d+) partitionLeaderEpoch: (-?\d+) isTransactional: (\w+) '
                   r'isControl: (\w+) deleteHorizonMs: (\S+) position: \d+ (\w+): (-?\d+) size: \d+ magic: (\d+) '
                   r'compresscodec: (\w+)')


def configs_of(topic):
    return {'cleanup.policy': 'compact,delete' if topic == 'cmp-both' else 'compact',
            'retention.ms': '-1', 'segment.ms': str(100 * 1000), 'min.cleanable.dirty.ratio': '0.01',
            'message.timestamp.after.max.ms': str(24 * HOUR_MS),
            'delete.retention.ms': '1' if topic == 'cmp-now' else str(24 * HOUR_MS)}


def cleaned_to(data):
    """{topic: first dirty offset} as the cleaner's checkpoint has it."""
    try:
        with open(os.path.join(data, 'cleaner-offset-checkpoint')) as file:
            lines = file.read().split('\n')[2:]
    except FileNotFoundError:
        return {}
    return {words[0]: int(words[2]) for words in (line.split() for line in lines) if len(words) == 3 and words[0] in TOPICS}


def segments_of(data, topic):
    return sorted(glob.glob(os.path.join(data, topic + '-0', '*.log')))


def active_bases(data):
    return {topic: int(os.path.basename(segments_of(data, topic)[-1])[:20]) for topic in TOPICS}


class Line:
    """A batch or a record as text, without what says only where it lies or when it was cleaned."""

    def __init__(self, text):
        found = BATCH.match(text)
        if found:
            parts = list(found.groups())
            parts[10] = 'no horizon' if parts[10].startswith('OptionalLong.empty') else 'horizon'
            self.text = 'batch ' + ' '.join(parts)
        else:
            self.text = text.strip()


def content_of(ctx, data, topic):
    """The log's batches and records in order, from Apache Kafka's own decoder."""
    paths = segments_of(data, topic)
    result = ctx.tools.run('kafka-dump-log', '--deep-iteration', '--print-data-log', '--files', ','.join(paths), seconds=120).ok()
    lines = []
    for text in result.lines():
        if text.startswith(('Dumping ', 'Log starting offset', 'Starting offset')) or not text.strip():
            continue
        lines.append(Line(text).text)
    check(lines and any(line.startswith('batch ') for line in lines), lambda: 'nothing dumped: ' + short(result.text))
    return lines


def contents(ctx, made):
    return {topic: content_of(ctx, made.data, topic) for topic in TOPICS}


def compare(got, wanted, who):
    for topic in TOPICS:
        for n, (one, other) in enumerate(zip(got[topic] + [None], wanted[topic] + [None])):
            if one != other:
                raise Failure('%s of %s: line %d is "%s", and "%s" with Apache Kafka' % (topic, who, n, short(str(one)), short(str(other))))
            if one is None:
                break
        check_equal(len(got[topic]), len(wanted[topic]), '%s of %s: lines' % (topic, who))


class Copies:
    def __init__(self, ctx):
        self.ctx = ctx
        self.settings = ctx.settings
        self.fill = clients.Client([ctx.settings.python(PACKAGE), ctx.path('compaction', 'fill.py')], [])

    def broker(self, kind, name, origin=None, cleaning=True):
        directory = os.path.join(self.ctx.dir, name)
        overrides = dict(CLEANING, **{'log.cleaner.enable': 'true' if cleaning else 'false'})
        if origin:
            shutil.copytree(origin.data, os.path.join(directory, 'data'))
        if kind == 'weir':
            made = broker.WeirBroker(directory, overrides, binary=self.settings.binary)
            made.port = broker.free_port()
        else:
            made = broker.ApacheBroker(directory, overrides, libs=self.settings.kafka_libs())
        self.ctx.brokers.append(made)
        return made

    def clean(self, made, wanted):
        """Runs the broker until its cleaner has come as far as it can."""
        wait_until(lambda: cleaned_to(made.data) == wanted, 60,
                   lambda: '%s cleaned to %s, wanted %s; its log ends: %s' % (made.kind, cleaned_to(made.data), wanted, made.log_tail()),
                   pause=0.1)
        made.stop()

    def write_more(self, made, start_ms):
        self.fill.call('second', made.address, start_ms, seconds=120)


def run(ctx):
    if ctx.settings.binary is None:
        raise Skip('compares weir with Apache Kafka: needs weir')
    copies = Copies(ctx)
    now_ms = int(time.time() * 1000)
    origin = copies.broker('apache', 'origin', cleaning=False)
    with ctx.case('apache_kafka_fills_%d_logs_with_its_cleaner_off' % len(TOPICS)):
        origin.start()
        wire.create_topics(origin.address, {topic: (1, configs_of(topic)) for topic in TOPICS})
        copies.fill.call('first', origin.address, now_ms - 10 * HOUR_MS, seconds=120)
        origin.stop()
        wanted = active_bases(origin.data)
        check(all(len(segments_of(origin.data, topic)) > 2 for topic in TOPICS), lambda: 'segments: %s' % wanted)
    cleaned = {}
    with ctx.case('both_clean_the_same_log_to_the_same_content'):
        for kind in ('apache', 'weir'):
            made = copies.broker(kind, kind, origin).start()
            copies.clean(made, wanted)
            cleaned[kind] = made
        before, first = contents(ctx, origin), contents(ctx, cleaned['apache'])
        check(all(len(first[topic]) < len(before[topic]) for topic in TOPICS), 'nothing was cleaned')
        compare(contents(ctx, cleaned['weir']), first, 'weir')
    after = {}
    for kind in ('apache', 'weir'):
        with ctx.case('cleaned_by_%s_written_to_and_cleaned_again_by_both_the_content_is_the_same' % kind):
            more = copies.broker('weir', kind + '-more', cleaned[kind], cleaning=False).start()
            copies.write_more(more, now_ms - 4 * HOUR_MS)
            more.stop()
            for then in ('apache', 'weir'):
                made = copies.broker(then, '%s-%s' % (kind, then), more).start()
                copies.clean(made, active_bases(more.data))
                after[kind, then] = contents(ctx, made)
            compare(after[kind, 'weir'], after[kind, 'apache'], '%s, then weir' % kind)
            compare(after[kind, 'apache'], after['apache', 'apache'], '%s, then Apache Kafka' % kind)
