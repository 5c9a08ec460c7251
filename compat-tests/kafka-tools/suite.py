# SPDX-License-Identifier: Apache-2.0
"""Apache Kafka's own command line tools, as a person at a shell uses them."""
import datetime
import json
import os
import re

from harness import wire
from harness.cases import Failure, check, check_equal, wait_until

LINES = 100000


class Shell:
    """The tools of one suite, with --bootstrap-server filled in."""

    def __init__(self, ctx):
        self.ctx = ctx

    def run(self, tool, *arguments, **options):
        return self.ctx.tools.run(tool, '--bootstrap-server', self.ctx.address, *arguments, **options)

    def ok(self, tool, *arguments, **options):
        return self.run(tool, *arguments, **options).ok()

    def create(self, word, partitions, *more):
        name = self.ctx.name(word)
        self.ok('kafka-topics', '--create', '--topic', name, '--partitions', partitions, '--replication-factor', 1, *more)
        return name

    def produce(self, topic, path, *more):
        self.ok('kafka-console-producer', '--topic', topic, *more, stdin=path, seconds=120)

    def consume(self, topic, count, *more):
        result = self.ok('kafka-console-consumer', '--topic', topic, '--max-messages', count, '--timeout-ms', 30000,
                         *more, seconds=120)
        check_equal(len(result.lines()), count, 'lines consumed')
        return result.lines()

    def write(self, name, lines):
        path = os.path.join(self.ctx.dir, name)
        with open(path, 'w') as file:
            file.write('\n'.join(lines) + '\n')
        return path


def topics(ctx, shell):
    with ctx.case('topics_create_describe_list_alter_delete'):
        name = 'kafkaTest'
        made = shell.ok('kafka-topics', '--create', '--topic', name, '--partitions', 4, '--replication-factor', 1)
        check('Created topic kafkaTest.' in made.text, 'create says: ' + made.text)
        again = shell.run('kafka-topics', '--create', '--topic', name, '--partitions', 4, '--replication-factor', 1)
        check(again.code == 1 and 'already exists' in again.text, 'a second create says: ' + again.text)
        text = shell.ok('kafka-topics', '--describe', '--topic', name).out
        check('PartitionCount: 4' in text and 'ReplicationFactor: 1' in text, 'describe says: ' + text)
        check_equal(len(re.findall(r'Partition: \d+\tLeader: \d+\tReplicas: \d+\tIsr: \d+', text)), 4, 'described partitions')
        check(name in shell.ok('kafka-topics', '--list').lines(), 'not listed')
        shell.ok('kafka-topics', '--alter', '--topic', name, '--partitions', 6)
        text = shell.ok('kafka-topics', '--describe', '--topic', name).out
        check('PartitionCount: 6' in text, 'describe after alter says: ' + text)
        fewer = shell.run('kafka-topics', '--alter', '--topic', name, '--partitions', 2)
        check(fewer.code == 1 and 'InvalidPartitionsException' in fewer.text, 'alter to fewer says: ' + fewer.text)
        shell.ok('kafka-topics', '--delete', '--topic', name)
        wait_until(lambda: name not in shell.ok('kafka-topics', '--list').lines(), 20, 'the topic is gone')
    with ctx.case('topics_create_with_configs_and_describe_shows_them'):
        name = shell.create('configs', 2, '--config', 'retention.ms=3600000', '--config', 'cleanup.policy=compact')
        text = shell.ok('kafka-topics', '--describe', '--topic', name).out
        check('retention.ms=3600000' in text and 'cleanup.policy=compact' in text, 'describe says: ' + text)
        bad = shell.run('kafka-topics', '--create', '--topic', ctx.name('bad'), '--config', 'no.such=1')
        check(bad.code == 1 and 'no.such' in bad.text, 'unknown config: ' + bad.text)


def configs(ctx, shell):
    with ctx.case('configs_of_a_topic_alter_describe_and_delete'):
        name = shell.create('conf', 1)
        shell.ok('kafka-configs', '--entity-type', 'topics', '--entity-name', name, '--alter', '--add-config',
                 'retention.ms=12345678,max.message.bytes=65536')
        text = shell.ok('kafka-configs', '--entity-type', 'topics', '--entity-name', name, '--describe').out
        check('retention.ms=12345678' in text and 'DYNAMIC_TOPIC_CONFIG:retention.ms=12345678' in text, 'describe says: ' + text)
        text = shell.ok('kafka-configs', '--entity-type', 'topics', '--entity-name', name, '--describe', '--all').out
        check('max.message.bytes=65536' in text and 'segment.bytes=1073741824' in text and 'DEFAULT_CONFIG' in text,
              'describe --all says: ' + text)
        shell.ok('kafka-configs', '--entity-type', 'topics', '--entity-name', name, '--alter', '--delete-config', 'retention.ms')
        text = shell.ok('kafka-configs', '--entity-type', 'topics', '--entity-name', name, '--describe').out
        check('retention.ms' not in text and 'max.message.bytes=65536' in text, 'describe after delete says: ' + text)
        bad = shell.run('kafka-configs', '--entity-type', 'topics', '--entity-name', name, '--alter', '--add-config', 'retention.ms=soon')
        check(bad.code == 1 and 'retention.ms' in bad.text, 'a bad value: ' + bad.text)
    with ctx.case('configs_of_a_broker_alter_and_describe_all'):
        node = wire.metadata(ctx.address, [])['brokers'][0][0]
        text = shell.ok('kafka-configs', '--entity-type', 'brokers', '--entity-name', node, '--describe', '--all').out
        for key in ('log.retention.hours=168', 'num.partitions=4', 'message.max.bytes=1048588', 'node.id='):
            check(key in text, '%s is missing in describe --all of %d characters' % (key, len(text)))
        shell.ok('kafka-configs', '--entity-type', 'brokers', '--entity-name', node, '--alter', '--add-config', 'log.retention.ms=7200000')
        text = shell.ok('kafka-configs', '--entity-type', 'brokers', '--entity-name', node, '--describe').out
        check('log.retention.ms=7200000' in text and 'DYNAMIC_BROKER_CONFIG:log.retention.ms=7200000' in text, 'describe says: ' + text)
        shell.ok('kafka-configs', '--entity-type', 'brokers', '--entity-default', '--alter', '--add-config', 'log.retention.ms=8000000')
        text = shell.ok('kafka-configs', '--entity-type', 'brokers', '--entity-default', '--describe').out
        check('log.retention.ms=8000000' in text, 'describe of the default says: ' + text)
        shell.ok('kafka-configs', '--entity-type', 'brokers', '--entity-name', node, '--alter', '--delete-config', 'log.retention.ms')
        text = shell.ok('kafka-configs', '--entity-type', 'brokers', '--entity-name', node, '--describe').out
        check('DYNAMIC_DEFAULT_BROKER_CONFIG:log.retention.ms=8000000' in text or 'DYNAMIC_BROKER_CONFIG' not in text,
              'describe after delete says: ' + text)
        shell.ok('kafka-configs', '--entity-type', 'brokers', '--entity-default', '--alter', '--delete-config', 'log.retention.ms')


def console(ctx, shell):
    lines = ['line-%06d %s' % (n, 'weir' * (n % 7)) for n in range(LINES)]
    with ctx.case('console_producer_and_consumer_of_100000_plain_lines'):
        topic = shell.create('plain', 4)
        shell.produce(topic, shell.write('plain.txt', lines))
        check_equal(wire.end_total(ctx.address, topic, 4), LINES, 'records in the log')
        got = shell.consume(topic, LINES, '--from-beginning', '--formatter-property', 'print.partition=true')
        check_equal(sorted(line.split('\t', 1)[1] for line in got), sorted(lines), 'lines')
        check_ordered(got)
    with ctx.case('console_producer_and_consumer_of_100000_keyed_lines'):
        topic = shell.create('keyed', 4)
        shell.produce(topic, shell.write('keyed.txt', ['key-%d:%s' % (n % 1000, line) for n, line in enumerate(lines)]),
                      '--reader-property', 'parse.key=true', '--reader-property', 'key.separator=:')
        got = shell.consume(topic, LINES, '--from-beginning', '--formatter-property', 'print.partition=true',
                            '--formatter-property', 'print.key=true')
        rows = [line.split('\t') for line in got]
        check_equal(sorted(row[2] for row in rows), sorted(lines), 'lines')
        check_ordered(['%s\t%s' % (row[0], row[2]) for row in rows])
        places = {}
        for partition, key, _ in rows:
            places.setdefault(key, set()).add(partition)
        check(len(places) == 1000 and all(len(place) == 1 for place in places.values()), 'a key is in one partition only')
        check_equal(len({place for places_of in places.values() for place in places_of}), 4, 'partitions used')
    for codec in ('gzip', 'snappy', 'lz4', 'zstd'):
        with ctx.case('console_producer_and_consumer_with_' + codec):
            topic = shell.create(codec, 1)
            shell.produce(topic, shell.write('codec.txt', lines[:5000]), '--compression-codec', codec)
            got = shell.consume(topic, 5000, '--from-beginning')
            check_equal(got, lines[:5000], 'lines in order')
    with ctx.case('console_consumer_from_an_offset_of_a_partition'):
        topic = shell.create('offset', 1)
        shell.produce(topic, shell.write('offset.txt', lines[:100]))
        got = shell.consume(topic, 10, '--partition', 0, '--offset', 90)
        check_equal(got, lines[90:100], 'lines')
    with ctx.case('console_producer_creates_a_topic_by_writing_to_it'):
        topic = ctx.name('auto')
        shell.produce(topic, shell.write('auto.txt', lines[:10]))
        check_equal(sorted(shell.consume(topic, 10, '--from-beginning')), lines[:10], 'lines')


def check_ordered(rows):
    """rows: "Partition:N<TAB>line-NNNNNN ..."; the lines were produced in the order of their numbers."""
    last = {}
    for row in rows:
        partition, line = row.split('\t', 1)
        check(last.get(partition, '') < line, lambda: '%s: %s comes after %s' % (partition, line, last[partition]))
        last[partition] = line


def described(shell, group):
    """{partition: (current, end, lag)} as kafka-consumer-groups prints them."""
    rows = {}
    for line in shell.ok('kafka-consumer-groups', '--describe', '--group', group).lines():
        words = line.split()
        if len(words) > 5 and words[0] == group:
            rows[int(words[2])] = tuple(words[3:6])
    return rows


def reset(shell, group, topic, *how):
    """{partition: new offset}"""
    result = shell.ok('kafka-consumer-groups', '--group', group, '--topic', topic, '--reset-offsets', '--execute', *how)
    rows = {}
    for line in result.lines():
        words = line.split()
        if len(words) >= 4 and words[0] == group:
            rows[int(words[2])] = int(words[3])
    if not rows:
        raise Failure('the reset printed: ' + result.text)
    return rows


def groups(ctx, shell):
    topic = shell.create('groups', 1)
    group = ctx.name('group')
    with ctx.case('consumer_groups_list_and_describe_with_lag'):
        shell.produce(topic, shell.write('groups.txt', ['early %d' % n for n in range(100)]))
        shell.consume(topic, 100, '--from-beginning', '--group', group)
        shell.produce(topic, shell.write('groups.txt', ['later %d' % n for n in range(50)]))
        check(group in shell.ok('kafka-consumer-groups', '--list').lines(), 'not listed')
        check_equal(described(shell, group), {0: ('100', '150', '50')}, 'current, end, lag')
        text = shell.ok('kafka-consumer-groups', '--describe', '--group', group, '--state').out
        check('Empty' in text, 'the state: ' + text)
        text = shell.ok('kafka-consumer-groups', '--describe', '--group', group, '--members').text
        check('has no active members' in text, 'the members: ' + text)
    with ctx.case('consumer_groups_reset_to_earliest_by_shift_and_to_latest'):
        check_equal(reset(shell, group, topic, '--to-earliest'), {0: 0}, 'earliest')
        check_equal(reset(shell, group, topic, '--shift-by', 70), {0: 70}, 'shift by 70')
        check_equal(reset(shell, group, topic, '--shift-by', -20), {0: 50}, 'shift by -20')
        check_equal(described(shell, group), {0: ('50', '150', '100')}, 'current, end, lag')
        check_equal(reset(shell, group, topic, '--to-latest'), {0: 150}, 'latest')
    with ctx.case('consumer_groups_reset_by_timestamp'):
        moment = datetime.datetime.now(datetime.timezone.utc)
        shell.produce(topic, shell.write('groups.txt', ['last %d' % n for n in range(25)]))
        shown = moment.strftime('%Y-%m-%dT%H:%M:%S.') + '%03d' % (moment.microsecond // 1000)
        check_equal(reset(shell, group, topic, '--to-datetime', shown), {0: 150}, 'to the moment between')
        got = shell.consume(topic, 25, '--group', group)
        check_equal(got, ['last %d' % n for n in range(25)], 'lines after the reset')
    with ctx.case('consumer_groups_delete_offsets_and_delete'):
        shell.ok('kafka-consumer-groups', '--delete-offsets', '--group', group, '--topic', topic)
        check_equal(described(shell, group), {}, 'offsets after their deletion')
        shell.consume(topic, 5, '--from-beginning', '--group', group)
        shell.ok('kafka-consumer-groups', '--delete', '--group', group)
        check(group not in shell.ok('kafka-consumer-groups', '--list').lines(), 'still listed')
        gone = shell.run('kafka-consumer-groups', '--delete', '--group', group)
        check('GroupIdNotFoundException' in gone.text or 'not found' in gone.text, 'a second delete says: ' + gone.text)


def looking(ctx, shell):
    with ctx.case('get_offsets_of_latest_earliest_timestamp_and_max_timestamp'):
        topic = shell.create('offsets', 1)
        shell.produce(topic, shell.write('offsets.txt', ['row %d' % n for n in range(40)]))
        for time, wanted in ((-1, '40'), (-2, '0'), ('latest', '40'), ('earliest', '0'), (1000, '0')):
            got = shell.ok('kafka-get-offsets', '--topic', topic, '--time', time).lines()
            check_equal(got, ['%s:0:%s' % (topic, wanted)], 'time %s' % time)
        got = shell.ok('kafka-get-offsets', '--topic', topic, '--time', 'max-timestamp').lines()
        check(got and got[0].startswith(topic + ':0:'), 'max-timestamp: %s' % got)
    with ctx.case('delete_records_moves_the_log_start'):
        path = os.path.join(ctx.dir, 'delete.json')
        with open(path, 'w') as file:
            json.dump({'version': 1, 'partitions': [{'topic': topic, 'partition': 0, 'offset': 30}]}, file)
        text = shell.ok('kafka-delete-records', '--offset-json-file', path).out
        check('low_watermark: 30' in text, 'delete-records says: ' + text)
        check_equal(shell.ok('kafka-get-offsets', '--topic', topic, '--time', -2).lines(), [topic + ':0:30'], 'earliest')
        check_equal(shell.consume(topic, 10, '--from-beginning'), ['row %d' % n for n in range(30, 40)], 'lines left')
    with ctx.case('log_dirs_describes_sizes'):
        text = shell.ok('kafka-log-dirs', '--describe', '--topic-list', topic).out
        body = json.loads(text[text.index('{'):].splitlines()[0])
        found = [part for broker in body['brokers'] for place in broker['logDirs'] for part in place['partitions']]
        check(len(found) == 1 and found[0]['partition'] == topic + '-0' and found[0]['size'] > 400, 'log-dirs says: ' + text)
    with ctx.case('broker_api_versions_lists_every_api'):
        text = shell.ok('kafka-broker-api-versions').out
        for api in ('Produce(0): 0 to 13', 'Fetch(1): 4 to 18', 'Metadata(3): 0 to 13', 'ApiVersions(18): 0 to 4'):
            check(api in text, '%s is missing in: %s' % (api, text[:2000]))
        check('UNKNOWN' not in text, 'unknown apis: ' + text)


class Moves:
    """kafka-reassign-partitions and kafka-log-dirs on a node with two directories."""

    def __init__(self, ctx, broker):
        self.ctx, self.broker, self.topic = ctx, broker, ctx.name('moves')
        self.plan = os.path.join(ctx.dir, 'plan.json')

    def ok(self, tool, *arguments, **options):
        return self.ctx.tools.run(tool, '--bootstrap-server', self.broker.address, *arguments, **options).ok()

    def replicas(self):
        """{partition: [(directory, isFuture, offsetLag, size)]}"""
        text = self.ok('kafka-log-dirs', '--describe', '--topic-list', self.topic).out
        found = {}
        for place in json.loads(text[text.index('{'):].splitlines()[0])['brokers'][0]['logDirs']:
            check_equal(place['error'], None, 'error of ' + place['logDir'])
            for row in place['partitions']:
                found.setdefault(int(row['partition'].rsplit('-', 1)[1]), []).append(
                    (place['logDir'], row['isFuture'], row['offsetLag'], row['size']))
        return found

    def write_plan(self, directories):
        rows = [{'topic': self.topic, 'partition': n, 'replicas': [1], 'log_dirs': [place]} for n, place in directories.items()]
        with open(self.plan, 'w') as file:
            json.dump({'version': 1, 'partitions': rows}, file)

    def execute(self, *more):
        return self.ok('kafka-reassign-partitions', '--reassignment-json-file', self.plan, '--execute', *more).text

    def verify(self, *more):
        return self.ok('kafka-reassign-partitions', '--reassignment-json-file', self.plan, '--verify', *more).text

    def throttle(self):
        text = self.ok('kafka-configs', '--entity-type', 'brokers', '--entity-name', 1, '--describe').out
        return re.findall(r'replica.alter.log.dirs.io.max.bytes.per.second=(\d+)', text)


def moves(ctx):
    if ctx.settings.address:
        return  # the broker is not ours to give it a second directory
    broker = ctx.new_broker('two-directories')
    second = os.path.join(broker.dir, 'second')
    os.makedirs(second)
    broker.more_dirs = [second]
    broker.start()
    tool = Moves(ctx, broker)
    tool.ok('kafka-topics', '--create', '--topic', tool.topic, '--partitions', 2, '--replication-factor', 1)
    lines = os.path.join(ctx.dir, 'moves.txt')
    with open(lines, 'w') as file:
        file.writelines('row-%06d %s\n' % (n, os.urandom(150).hex()) for n in range(20000))
    tool.ok('kafka-console-producer', '--topic', tool.topic, stdin=lines, seconds=120)
    before = tool.replicas()
    there = {n: second if rows[0][0] == broker.data else broker.data for n, rows in before.items()}
    with ctx.case('reassign_partitions_generates_a_plan'):
        topics_file = os.path.join(ctx.dir, 'topics.json')
        with open(topics_file, 'w') as file:
            json.dump({'version': 1, 'topics': [{'topic': tool.topic}]}, file)
        text = tool.ok('kafka-reassign-partitions', '--topics-to-move-json-file', topics_file, '--broker-list', '1',
                       '--generate').out
        plans = [json.loads(line) for line in text.splitlines() if line.startswith('{')]
        check_equal(len(plans), 2, 'plans printed')
        for plan in plans:
            check_equal(sorted((row['partition'], tuple(row['replicas'])) for row in plan['partitions']),
                        [(0, (1,)), (1, (1,))], 'plan')
        check('No partition reassignments found.' in tool.ok('kafka-reassign-partitions', '--list').out, '--list')
    with ctx.case('a_move_between_directories_is_throttled_and_shown'):
        tool.write_plan(there)
        text = tool.execute('--replica-alter-log-dirs-throttle', 20000)
        check(text.count('Successfully started moving log directory to') == 2, 'execute says: ' + text)
        check_equal(tool.throttle(), ['20000'] * len(tool.throttle()) or ['20000'], 'throttle')
        shown = tool.replicas()
        for number, rows in shown.items():
            check_equal(sorted((row[0], row[1]) for row in rows),
                        sorted([(before[number][0][0], False), (there[number], True)]), 'replicas of %d' % number)
        check(any(row[2] > 0 for rows in shown.values() for row in rows if row[1]), 'offset lag: %s' % shown)
        text = tool.verify('--preserve-throttles')
        check('is still in progress' in text, 'verify says: ' + text)
        check(any(len(rows) > 1 for rows in tool.replicas().values()), 'the throttle is not kept to')
    with ctx.case('a_move_ends_when_the_throttle_is_raised'):
        text = tool.execute('--replica-alter-log-dirs-throttle', 1 << 30, '--additional')
        check(text.count('Successfully started moving log directory to') == 2, 'execute says: ' + text)
        wait_until(lambda: {n: [row[:2] for row in rows] for n, rows in tool.replicas().items()} ==
                   {n: [(place, False)] for n, place in there.items()}, 60, lambda: 'moved: %s' % tool.replicas())
        text = tool.verify()
        check(text.count('is complete') >= 2 and 'Clearing broker-level throttles' in text, 'verify says: ' + text)
        check_equal(tool.throttle(), [], 'throttle after verify')
        check_equal(sorted(row[3] for rows in tool.replicas().values() for row in rows),
                    sorted(row[3] for rows in before.values() for row in rows), 'sizes')
        result = tool.ok('kafka-console-consumer', '--topic', tool.topic, '--max-messages', 20000, '--timeout-ms', 30000,
                         '--from-beginning', seconds=120)
        with open(lines) as file:
            check_equal(sorted(result.lines()), sorted(file.read().splitlines()), 'lines')


def load(ctx, shell):
    with ctx.case('producer_perf_test_then_consumer_perf_test'):
        topic = shell.create('perf', 4)
        text = shell.ok('kafka-producer-perf-test', '--topic', topic, '--num-records', 100000, '--record-size', 200,
                        '--throughput', -1, seconds=120).out
        check('100000 records sent' in text, 'producer-perf-test says: ' + text)
        text = shell.ok('kafka-consumer-perf-test', '--topic', topic, '--num-records', 100000, seconds=120).out
        numbers = text.strip().splitlines()[-1].split(', ')
        check(float(numbers[4]) >= 100000, 'consumer-perf-test says: ' + text)
    with ctx.case('verifiable_producer_acknowledges_everything'):
        topic = shell.create('verifiable', 4)
        for acks in (-1, 1, 0):
            text = ctx.tools.run_alone('kafka-verifiable-producer', '--bootstrap-server', ctx.address, '--topic', topic,
                                       '--max-messages', 1000, '--acks', acks).ok().out
            check('"sent":1000,"acked":1000' in text.replace(' ', ''), 'acks %d: %s' % (acks, text[-400:]))
        wait_until(lambda: wire.end_total(ctx.address, topic, 4) == 3000, 10, '3000 records in the log')


def run(ctx):
    shell = Shell(ctx)
    topics(ctx, shell)
    configs(ctx, shell)
    console(ctx, shell)
    groups(ctx, shell)
    looking(ctx, shell)
    moves(ctx)
    load(ctx, shell)
