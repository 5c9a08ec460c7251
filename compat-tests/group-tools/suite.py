# SPDX-License-Identifier: Apache-2.0
"""The tools that look at and steer groups and transactions, beside what they print on Apache Kafka 4.3.0.

Each case brings a broker into a known state, runs a series of commands, and compares all they print and their exit codes
with expected/CASE.txt, once ids, addresses and times are replaced by words and rows are sorted.  With --apache the same
comparison judges the files themselves; WEIR_WRITE_EXPECTED=1 with --apache writes them anew."""
import difflib
import importlib.util
import os
import re
import subprocess

from harness import broker, context, wire
from harness.cases import Failure, Skip, check, check_equal, short, wait_until

SPDX = '# SPDX-License-Identifier: Apache-2.0'
HERE = os.path.dirname(os.path.abspath(__file__))
MASKED = {'ProducerId', 'CurrentTransactionStartTimeMs', 'TransactionDurationMs', 'LastTimestamp', 'CONSUMER-ID', 'MEMBER',
          'MEMBER-ID', 'PROCESS', 'Duration(min)', 'Duration(s)', 'Duration', 'LastUpdated', 'FinalizedEpoch'}
# Log lines, stack traces, and what a tool says when its exit is caught (kafka-tools/ToolServer.java).
NOISE = re.compile(r'\[?\S+\]? .*\b(WARN|ERROR|INFO)\b|\tat |\d+ \[|null$|ToolServer\$ToolExit$')


def load_programs():
    """The application of the kafka-streams suite."""
    path = os.path.join(os.path.dirname(HERE), 'kafka-streams', 'programs.py')
    spec = importlib.util.spec_from_file_location('kafka_streams_programs', path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


programs = load_programs()


class Actors:
    def __init__(self, ctx):
        source, libs = os.path.join(HERE, 'Actors.java'), ctx.settings.kafka_libs()
        classes = ctx.settings.once('group-actors', [source], lambda directory: context.run_quiet(
            ['javac', '-cp', libs + '/*', '-d', directory, source]))
        self.log = open(os.path.join(ctx.dir, 'actors.log'), 'ab')
        self.process = subprocess.Popen(
            broker.with_parent(['java', '-Xmx256m', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1',
                                '-Dorg.slf4j.simpleLogger.defaultLogLevel=warn', '-cp', classes + ':' + libs + '/*', 'Actors', ctx.address]),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.log, text=True, bufsize=1)

    def ask(self, line):
        self.process.stdin.write(line + '\n')
        answer = self.process.stdout.readline().strip()
        check(answer.startswith('OK'), lambda: '%s: %s' % (line, answer or 'the program ended'))
        return answer[2:].strip()

    def wait(self, line, wanted):
        wait_until(lambda: self.ask(line) == str(wanted), 40, lambda: '%s is %s, not %s' % (line, self.ask(line), wanted))

    def end(self):
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()
        self.log.close()


def masked(lines):
    """Tables with some columns replaced by words; a table ends where a line has another number of words."""
    shown, header = [], None
    for line in lines:
        words = line.split()
        if set(words) & MASKED and all(word[:1].isupper() for word in words):
            header = words
        elif header and len(words) in (len(header), len(header) - 1):  # the last column may be empty
            words = ['*' if name in MASKED else word for name, word in zip(header, words)]
        shown.append(' '.join(words))
    return shown


def as_id(found):
    """Twenty-two characters are a UUID as Kafka writes it, unless they are words."""
    return found[0] if re.fullmatch(r'([A-Z]?[a-z]+)+|[a-z-]+', found[0]) else 'ID'


def normal(ctx, text):
    text = text.replace(ctx.address, 'ADDRESS').replace(ctx.dir, 'DIR')
    text = re.sub(r'[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}', 'UUID', text)
    text = re.sub(r'(?<![\w.-])[\w-]{22}(?![\w-])', as_id, text)
    text = re.sub(r'\b1[6-9]\d{11}\b', 'TIME', text)
    text = re.sub(r'\d{4}-\d\d-\d\dT[\d:.]+(Z|[+-]\d\d:?\d\d)?', 'TIME', text)
    text = re.sub(r'(?m)\bparcels:\d *$', 'parcels:*', text)  # whose it is depends on hashes of random ids
    text = re.sub(r'Epoch: \d+', 'Epoch: *', text)
    text = re.sub(r'Valid states are: .*', 'Valid states are: *', text)
    return masked([line for line in text.splitlines() if line.strip() and not NOISE.match(line)])


class Script:
    """The commands of one case and all they print."""

    def __init__(self, ctx, name):
        self.ctx, self.name, self.lines = ctx, name, []

    def raw(self, tool, *arguments, **options):
        return self.ctx.tools.run(tool, '--bootstrap-server', self.ctx.address, *arguments, **options)

    def run(self, tool, *arguments, until=None, only=''):
        """`until`: a text that the output has to hold first, as the state may be a moment away; `only`: lines without it
        are left out, of a page of usage."""
        def done():
            result = self.raw(tool, *arguments)
            return result if until is None or re.search(until, result.text) else None

        result = wait_until(done, 30, lambda: '%s %s does not say %s but %s' % (
            tool, ' '.join(map(str, arguments)), until, short(self.raw(tool, *arguments).text, 600)), pause=0.2)
        self.lines.append('$ %s %s' % (tool, ' '.join(normal(self.ctx, str(word))[0] for word in arguments)))
        for text in (result.out, result.err):
            self.lines += sorted(line for line in normal(self.ctx, text) if only in line)
        self.lines.append('exit %d' % result.code)
        return result

    def judge(self):
        path = os.path.join(HERE, 'expected', self.name + '.txt')
        if self.ctx.settings.is_apache and os.environ.get('WEIR_WRITE_EXPECTED'):
            with open(path, 'w') as file:
                file.write('\n'.join([SPDX] + self.lines) + '\n')
        with open(path) as file:
            wanted = file.read().splitlines()[1:]
        if self.lines != wanted:
            rows = [line for line in difflib.unified_diff(wanted, self.lines, 'Apache Kafka', 'here', lineterm='', n=1)]
            raise Failure('; '.join(rows[2:])[:3000])


def transactions(ctx, actors):
    script = Script(ctx, 'transactions')
    tool = 'kafka-transactions'
    wire.create_topic(ctx.address, 'ledger', 3)
    actors.ask('begin open tx-open ledger 0 3')
    actors.ask('begin committed tx-committed ledger 0 2')
    actors.ask('offsets committed tx-group ledger 0 2')
    actors.ask('commit committed')
    actors.ask('begin aborted tx-aborted ledger 1 1')
    actors.ask('abort aborted')
    script.run(tool, 'list', until='(?s)CompleteAbort.*CompleteCommit|CompleteCommit.*CompleteAbort')
    script.run(tool, 'list', '--duration-filter', 3600000)
    script.run(tool, 'list', '--transactional-id-pattern', 'tx-(open|aborted)')
    script.run(tool, 'list', '--transactional-id-pattern', '(')
    for word in ('open', 'committed', 'aborted', 'nobody'):
        script.run(tool, 'describe', '--transactional-id', 'tx-' + word)
    for partition in (0, 1, 2):
        script.run(tool, 'describe-producers', '--topic', 'ledger', '--partition', partition)
    script.run(tool, 'find-hanging', '--broker-id', 1)
    script.run(tool, 'forceTerminateTransaction', '--transactionalId', 'tx-open')
    script.run(tool, 'list', until='tx-open.*Empty')
    script.run(tool, 'describe-producers', '--topic', 'ledger', '--partition', 0)
    for word in ('open', 'committed', 'aborted'):
        actors.ask('close ' + word)
    script.run('kafka-consumer-groups', '--describe', '--group', 'tx-group')
    script.run('kafka-consumer-groups', '--delete', '--group', 'tx-group')
    script.judge()


def hanging(ctx, actors):
    """A transaction that its coordinator does not know: found, and ended by its place in the log."""
    script = Script(ctx, 'hanging')
    tool = 'kafka-transactions'
    wire.create_topic(ctx.address, 'hung', 2)
    actors.ask('produce hung 1 5')
    offset = actors.ask('orphan hung 1 1700000000000')
    actors.ask('produce hung 1 5')
    script.run(tool, 'find-hanging', '--broker-id', 1, '--max-transaction-timeout', 1)
    script.run(tool, 'find-hanging', '--topic', 'hung', '--partition', 1)
    script.run('kafka-get-offsets', '--topic-partitions', 'hung:1', '--time', 'latest')
    script.run(tool, 'describe-producers', '--topic', 'hung', '--partition', 1)
    script.run(tool, 'abort', '--topic', 'hung', '--partition', 1, '--start-offset', 99)
    script.run(tool, 'abort', '--topic', 'hung', '--partition', 1, '--start-offset', offset)
    script.run(tool, 'find-hanging', '--topic', 'hung', '--partition', 1)
    script.run(tool, 'describe-producers', '--topic', 'hung', '--partition', 1)
    script.run('kafka-console-consumer', '--topic', 'hung', '--partition', 1, '--offset', 'earliest', '--isolation-level', 'read_committed',
               '--max-messages', 10, '--timeout-ms', 15000)
    script.judge()


def consumer_groups(ctx, actors, protocol):
    script = Script(ctx, 'consumer-groups-' + protocol)
    tool = 'kafka-consumer-groups'
    topic, group = 'orders-' + protocol, 'group-' + protocol
    wire.create_topic(ctx.address, topic, 4)
    for partition in range(4):
        actors.ask('produce %s %d 10' % (topic, partition))
    more = 'group.protocol=%s%s' % (protocol, '' if protocol == 'consumer' else ' session.timeout.ms=6000 heartbeat.interval.ms=300')
    actors.ask('consumer first %s %s client.id=alpha group.instance.id=one %s' % (group, topic, more))
    actors.wait('assigned first', 4)
    actors.wait('read first', 40)
    actors.ask('consumer second %s %s client.id=beta group.instance.id=two %s' % (group, topic, more))
    actors.wait('assigned first', 2)
    actors.wait('assigned second', 2)
    script.run(tool, '--list', until=group)
    script.run(tool, '--list', '--state', until=group + '.*Stable')
    script.run(tool, '--list', '--state', 'stable,empty')
    script.run(tool, '--list', '--type')
    script.run(tool, '--list', '--type', protocol)
    script.run(tool, '--list', '--type', 'consumer,classic', '--state', 'Empty')
    script.run(tool, '--list', '--state', 'nosuch', only='Invalid')
    for way in ([], ['--offsets', '--verbose'], ['--members'], ['--members', '--verbose'], ['--state'], ['--state', '--verbose']):
        script.run(tool, '--describe', '--group', group, *way)
    script.run(tool, '--reset-offsets', '--group', group, '--all-topics', '--to-earliest', '--execute')
    script.run(tool, '--delete-offsets', '--group', group, '--topic', topic)
    script.run(tool, '--delete', '--group', group)
    actors.ask('close first')
    actors.ask('close second')
    # a static member stays until its session ends
    wait_until(lambda: 'Empty' in script.raw(tool, '--describe', '--group', group, '--state').out, 60, 'the group is empty', pause=0.3)
    for way in ([], ['--members'], ['--state']):
        script.run(tool, '--describe', '--group', group, *way)
    script.run(tool, '--reset-offsets', '--group', group, '--topic', topic, '--to-offset', 4, '--dry-run')
    script.run(tool, '--reset-offsets', '--group', group, '--topic', topic + ':0,1', '--shift-by', -3, '--execute')
    script.run(tool, '--reset-offsets', '--group', group, '--all-topics', '--to-current', '--export', '--dry-run')
    script.run(tool, '--reset-offsets', '--group', group, '--topic', topic, '--by-duration', 'PT1H', '--execute')
    script.run(tool, '--describe', '--group', group)
    script.run(tool, '--delete-offsets', '--group', group, '--topic', topic + ':3')
    script.run(tool, '--delete-offsets', '--group', group, '--topic', 'nosuch')
    script.run(tool, '--describe', '--group', group)
    script.run(tool, '--delete', '--group', group)
    script.run(tool, '--delete', '--group', group)
    script.run(tool, '--describe', '--group', group)
    script.judge()


def share_groups(ctx, actors):
    script = Script(ctx, 'share-groups')
    tool = 'kafka-share-groups'
    wire.create_topic(ctx.address, 'parcels', 2)
    script.run('kafka-configs', '--alter', '--entity-type', 'groups', '--entity-name', 'couriers', '--add-config', 'share.auto.offset.reset=earliest')
    script.run('kafka-configs', '--describe', '--entity-type', 'groups', '--entity-name', 'couriers')
    for partition in range(2):
        actors.ask('produce parcels %d 10' % partition)
    actors.ask('share first couriers parcels client.id=alpha')
    actors.wait('read first', 20)
    actors.ask('share second couriers parcels client.id=beta')
    wait_until(lambda: len(re.findall(r'(?m)parcels:\d *$', script.raw(tool, '--describe', '--group', 'couriers', '--members').out)) == 2, 30,
               'each member has a partition')
    wait_until(lambda: len(re.findall(r'(?m)^couriers +parcels +\d +\d+ +0 *$', script.raw(tool, '--describe', '--group', 'couriers').out)) == 2, 30,
               'no lag is left', pause=0.3)
    script.run(tool, '--list')
    script.run(tool, '--list', '--state')
    script.run(tool, '--list', '--state', 'empty')
    for way in ([], ['--offsets', '--verbose'], ['--members'], ['--members', '--verbose'], ['--state'], ['--state', '--verbose']):
        script.run(tool, '--describe', '--group', 'couriers', *way)
    script.run(tool, '--reset-offsets', '--group', 'couriers', '--topic', 'parcels', '--to-earliest', '--execute')
    script.run(tool, '--delete', '--group', 'couriers')
    actors.ask('close first')
    actors.ask('close second')
    script.run(tool, '--describe', '--group', 'couriers', '--state', until='Empty')
    script.run(tool, '--describe', '--group', 'couriers', '--members')
    script.run(tool, '--reset-offsets', '--group', 'couriers', '--topic', 'parcels', '--to-earliest', '--dry-run')
    script.run(tool, '--reset-offsets', '--group', 'couriers', '--topic', 'parcels', '--to-earliest', '--execute')
    script.run(tool, '--describe', '--group', 'couriers')
    script.run('kafka-console-share-consumer', '--topic', 'parcels', '--group', 'couriers', '--max-messages', 20, '--timeout-ms', 20000)
    script.run(tool, '--describe', '--group', 'couriers', '--state', until='Empty')
    script.run(tool, '--delete-offsets', '--group', 'couriers', '--topic', 'parcels')
    script.run(tool, '--delete-offsets', '--group', 'couriers', '--topic', 'nosuch')
    script.run(tool, '--describe', '--group', 'couriers')
    script.run(tool, '--delete', '--group', 'couriers')
    script.run(tool, '--delete', '--group', 'couriers')
    script.judge()


def kinds(ctx, actors):
    """kafka-groups lists all kinds of groups with one of each there."""
    script = Script(ctx, 'kinds')
    tool = 'kafka-groups'
    wire.create_topic(ctx.address, 'kinds', 1)
    actors.ask('consumer first kinds-classic kinds group.protocol=classic')
    actors.ask('consumer second kinds-consumer kinds group.protocol=consumer')
    actors.ask('share third kinds-share kinds')
    actors.wait('assigned first', 1)
    actors.wait('assigned second', 1)
    wait_until(lambda: 'Stable' in script.raw('kafka-share-groups', '--describe', '--group', 'kinds-share', '--state').out, 30, 'the share group is stable')
    for way in ([], ['--consumer'], ['--share'], ['--streams'], ['--group-type', 'classic'], ['--group-type', 'consumer'],
                ['--group-type', 'nosuch'], ['--protocol', 'consumer'], ['--protocol', 'nosuch']):
        script.run(tool, '--list', *way)
    for name in ('first', 'second', 'third'):
        actors.ask('close ' + name)
    script.raw('kafka-consumer-groups', '--delete', '--group', 'kinds-classic', '--group', 'kinds-consumer')
    script.raw('kafka-share-groups', '--delete', '--group', 'kinds-share')
    script.judge()


def streams_groups(ctx, actors):
    script = Script(ctx, 'streams-groups')
    tool = 'kafka-streams-groups'
    wire.create_topics(ctx.address, {'plant-lines': (2, {}), 'plant-counts-out': (2, {})})
    for partition in (0, 1):
        actors.ask('produce plant-lines %d 10' % partition)
    app = programs.App(ctx, ctx.address, 'words', 'plant', 'plant-app', {
        'group.protocol': 'streams', 'num.stream.threads': '1', 'repartition.purge.interval.ms': '600000', 'client.id': 'alpha'})
    try:
        app.wait_running()
        script.run(tool, '--describe', '--group', 'plant-app', '--state', until='Stable')
        wait_until(lambda: wire.end_total(ctx.address, 'plant-counts-out', 2) == 20, 30, 'all is counted')
        wait_until(lambda: len(re.findall(r'(?m)^plant-app .* 0 *$', script.raw(tool, '--describe', '--group', 'plant-app').out)) == 4, 30,
                   'no lag is left', pause=0.3)
        script.run(tool, '--list')
        script.run(tool, '--list', '--state')
        script.run(tool, '--list', '--state', 'empty')
        for way in ([], ['--offsets', '--verbose'], ['--members'], ['--members', '--verbose'], ['--state', '--verbose']):
            script.run(tool, '--describe', '--group', 'plant-app', *way)
        script.run('kafka-groups', '--list', '--streams')
        script.run(tool, '--reset-offsets', '--group', 'plant-app', '--all-input-topics', '--to-earliest', '--execute')
        script.run(tool, '--delete', '--group', 'plant-app')
        app.close()
    finally:
        app.kill()
    script.run(tool, '--describe', '--group', 'plant-app', '--state', until='Empty')
    script.run(tool, '--describe', '--group', 'plant-app', '--members')
    script.run(tool, '--reset-offsets', '--group', 'plant-app', '--input-topic', 'plant-lines', '--to-offset', 4, '--dry-run')
    script.run(tool, '--reset-offsets', '--group', 'plant-app', '--all-input-topics', '--to-earliest', '--execute', '--delete-all-internal-topics')
    script.run('kafka-topics', '--list', '--topic', 'plant-.*')
    script.run(tool, '--describe', '--group', 'plant-app')
    script.run(tool, '--delete-offsets', '--group', 'plant-app', '--input-topic', 'plant-lines')
    script.run(tool, '--delete', '--group', 'plant-app')
    script.run(tool, '--delete', '--group', 'plant-app')
    script.judge()


def group_configs(ctx, actors):
    script = Script(ctx, 'group-configs')
    tool = 'kafka-configs'
    where = ['--entity-type', 'groups', '--entity-name', 'configured']
    script.run(tool, '--describe', *where)
    script.run(tool, '--alter', *where, '--add-config', 'consumer.session.timeout.ms=50000,consumer.heartbeat.interval.ms=6000')
    script.run(tool, '--describe', *where)
    script.run(tool, '--describe', '--all', *where)
    script.run(tool, '--alter', *where, '--add-config', 'consumer.session.timeout.ms=1')
    script.run(tool, '--alter', *where, '--add-config', 'consumer.session.timeout.ms=soon')
    script.run(tool, '--alter', *where, '--add-config', 'no.such.key=1')
    script.run(tool, '--alter', '--group', 'configured', '--add-config', 'share.auto.offset.reset=earliest')
    script.run(tool, '--alter', '--group', 'configured', '--add-config', 'share.auto.offset.reset=nowhere')
    script.run(tool, '--alter', *where, '--delete-config', 'consumer.session.timeout.ms')
    script.run(tool, '--describe', '--group', 'configured')
    script.judge()


def features(ctx, actors):
    script = Script(ctx, 'features')
    tool = 'kafka-features'
    script.run(tool, 'describe')
    script.run(tool, 'upgrade', '--feature', 'transaction.version=2', '--dry-run')
    script.run(tool, 'downgrade', '--feature', 'transaction.version=1', '--dry-run')
    script.run(tool, 'upgrade', '--feature', 'no.such=2')
    script.run(tool, 'downgrade', '--feature', 'group.version=0', '--dry-run')
    script.run(tool, 'version-mapping')
    script.judge()


def run(ctx):
    if ctx.settings.address:
        raise Skip('wants a broker without other groups')
    ctx.shared_broker = ctx.new_broker('broker', {'transaction.partition.verification.enable': 'false', 'group.min.session.timeout.ms': '1000',
        'group.consumer.session.timeout.ms': '3000', 'group.consumer.min.session.timeout.ms': '1000', 'group.consumer.heartbeat.interval.ms': '300',
        'group.consumer.min.heartbeat.interval.ms': '200', 'group.share.heartbeat.interval.ms': '300', 'group.share.min.heartbeat.interval.ms': '200'}).start()
    actors = Actors(ctx)
    try:
        for name, case in (('transactions_listed_described_and_ended', transactions), ('hanging_transactions_found_and_aborted', hanging),
                           ('consumer_groups_classic', lambda *given: consumer_groups(*given, 'classic')),
                           ('consumer_groups_consumer', lambda *given: consumer_groups(*given, 'consumer')),
                           ('share_groups', share_groups), ('streams_groups', streams_groups), ('groups_of_all_kinds', kinds), ('group_configs', group_configs),
                           ('features', features)):
            with ctx.case(name):
                case(ctx, actors)
    finally:
        actors.end()
