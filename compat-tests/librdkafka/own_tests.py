# SPDX-License-Identifier: Apache-2.0
"""librdkafka's own test suite: where its sources come from, how it is built, and one run of it against one broker.

Each test number is a process of its own: a test that hangs or dies takes no other one with it, and each has a log.  The
sources are the project's own, untouched, and stay below build/compat."""
import concurrent.futures
import glob
import json
import os
import re
import shutil
import signal
import subprocess
import threading
import time

from harness import broker, cases, context

DEBIAN, NEWEST = '2.0.2', '2.15.1'
NPM_PACKAGE = '@confluentinc/kafka-javascript@1.10.1'  # bundles librdkafka 2.15.1 with its tests

# What one plain node cannot show, whoever made it: these say nothing about a difference.
LEFT_OUT = {
    '0081': 'wants an authorizer', '0109': 'wants an authorizer', '0115': 'wants an authorizer', '0119': 'wants an authorizer',
    '0076': 'wants three brokers', '0091': 'wants three brokers', '0098': 'wants three brokers', '0101': 'wants three brokers',
    '0103': 'wants three brokers', '0107': 'wants three brokers', '0111': 'wants three brokers',
}

# These fail on Apache Kafka 4.3.0 as well: they ask for what it no longer has.  They run only beside Apache Kafka.
FAIL_ON_APACHE = {
    DEBIAN: {'0052': 'wants message format 1', '0077': 'wants segment.bytes=10000', '0092': 'wants message format 1',
             '0129': 'wants segment.bytes=20000'},
    NEWEST: {},
}

# What the suite wants of a broker; the harness's settings hold besides.  Two of them keep a race out of the tests that
# has nothing to do with the broker's make: consumers that subscribe one after the other and are polled one after the
# other need one common first rebalance (0089, 0118), and some records are from 1970 and must not expire (0059).
OVERRIDES = {
    'auto.create.topics.enable': 'true',
    'group.initial.rebalance.delay.ms': '500',
    'group.share.min.record.lock.duration.ms': '1000',
    'log.retention.ms': '-1',
}

SECONDS_MOST = {True: 300, False: 900}  # of one test number, by is_quick; the suite's own limits end it earlier, most times

# Those that take longest start first, so that the last ones end together.  Only the order depends on it.
SLOW = ('0184', '0139', '0150', '0113', '0170', '0174', '0178', '0077', '0185', '0176', '0173', '0172', '0171', '0033', '0102', '0056', '0089', '0015', '0045', '0030', '0017')

TOOL_SCRIPT = """#!/bin/sh
exec java -Xmx256m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Dorg.slf4j.simpleLogger.defaultLogLevel=warn \\
    -cp "${CLASSPATH:+$CLASSPATH:}%s/*" %s"$@"
"""


class Test:
    """One row of the suite's own list: name, flags, and the scenario (the kind of cluster) it belongs to."""

    def __init__(self, name, flags, scenario):
        self.name, self.number, self.flags, self.scenario = name, name[:4], flags, scenario

    @property
    def is_about_broker(self):
        return 'TEST_F_LOCAL' not in self.flags and 'TEST_F_MANUAL' not in self.flags


class Result:
    def __init__(self, name, state, seconds, why=''):
        self.name, self.state, self.seconds, self.why = name, state, seconds, why


def debian_archive():
    """(URI, suite) of the Debian archive that has the librdkafka wanted, in the words of apt's own configuration."""
    rows = []
    for is_second in (False, True):
        if is_second:
            context.run_quiet(['apt-get', 'update', '-q'])
        for line in context.run_quiet(['apt-cache', 'madison', 'librdkafka-dev']).splitlines():
            words = [word.strip() for word in line.split('|')]
            if len(words) == 3 and words[1].startswith(DEBIAN + '-'):
                rows.append((words[1], *words[2].split()[:2]))
        if rows:
            version, uri, suite = rows[0]
            return version, uri, suite.partition('/')[0]
    raise cases.Skip('no package archive here has librdkafka %s' % DEBIAN)


def take_debian(directory):
    version, uri, suite = debian_archive()
    lists = os.path.join(directory, 'apt')
    os.makedirs(os.path.join(lists, 'lists', 'partial'))
    source_list = os.path.join(directory, 'sources.list')
    with open(source_list, 'w') as file:
        file.write('deb-src %s %s main\n' % (uri, suite))
    apt = ['apt-get', '-q', '-o', 'APT::Sandbox::User=' + os.environ.get('USER', 'root'), '-o', 'Dir::Etc::SourceList=' + source_list,
           '-o', 'Dir::Etc::SourceParts=/dev/null', '-o', 'Dir::State::Lists=' + os.path.join(lists, 'lists'), '-o', 'Dir::Cache=' + lists]
    context.run_quiet(apt + ['update'], cwd=directory)
    context.run_quiet(apt + ['source', '--only-source', 'librdkafka=' + version], cwd=directory)
    return os.path.join(directory, 'librdkafka-' + DEBIAN)


def take_newest(directory):
    context.run_quiet(['npm', 'pack', '--silent', NPM_PACKAGE], cwd=directory)
    archive, = glob.glob(os.path.join(directory, '*.tgz'))
    context.run_quiet(['tar', '-xzf', archive, '-C', directory, 'package/deps/librdkafka'])
    return os.path.join(directory, 'package', 'deps', 'librdkafka')


def install(version, directory, kafka_path):
    """Takes the sources anew and builds the library and its test program; <directory>/source is then the source tree."""
    shutil.rmtree(directory, ignore_errors=True)
    os.makedirs(directory)
    source = (take_newest if version == NEWEST else take_debian)(directory)
    for path in ['configure', 'lds-gen.py'] + [os.path.relpath(path, source) for path in glob.glob(os.path.join(source, 'tests', '*', '*.sh'))]:
        os.chmod(os.path.join(source, path), 0o755)  # an npm archive keeps no mode
    os.symlink(os.path.relpath(source, directory), os.path.join(directory, 'source'))
    context.run_quiet(['./configure', '--disable-gssapi', '--disable-curl'], cwd=source)
    with open(os.path.join(source, 'config.h')) as file:
        cases.check('define WITH_RAPIDJSON 1' in file.read(), 'rapidjson is not there: install rapidjson-dev')
    context.run_quiet(['nice', 'make', '-j2', 'libs'], cwd=source)
    context.run_quiet(['nice', 'make', '-j2', '-C', 'tests', 'build'], cwd=source)
    context.run_quiet(['make', '-s', '-C', 'tests', 'java'], cwd=source, env=dict(os.environ, KAFKA_PATH=kafka_path))


def make_kafka_path(settings):
    """A directory such as the suite expects in KAFKA_PATH: the scripts it calls, over the jars that are there."""
    libs = settings.kafka_libs()

    def write(directory):
        os.makedirs(os.path.join(directory, 'bin'), exist_ok=True)
        link = os.path.join(directory, 'libs')
        if os.path.lexists(link):
            os.unlink(link)
        os.symlink(libs, link)
        for name, main in (('kafka-topics.sh', 'org.apache.kafka.tools.TopicCommand '),
                           ('kafka-configs.sh', 'kafka.admin.ConfigCommand '), ('kafka-run-class.sh', '')):
            path = os.path.join(directory, 'bin', name)
            with open(path, 'w') as file:
                file.write(TOOL_SCRIPT % (libs, main))
            os.chmod(path, 0o755)

    return settings.once('kafka-path', [], write, libs + TOOL_SCRIPT)


class Suite:
    """The built suite of one librdkafka version."""

    def __init__(self, settings, version):
        self.version = version
        self.kafka_path = make_kafka_path(settings)
        directory = settings.once('librdkafka-' + version, [],
                                  lambda where: install(version, where, self.kafka_path), NPM_PACKAGE if version == NEWEST else version)
        self.source = os.path.join(directory, 'source')
        self.dir = os.path.join(self.source, 'tests')
        self.tests = self.read_list()

    def read_list(self):
        with open(os.path.join(self.dir, 'test.c')) as file:
            text = file.read()
        text = text[text.index('struct test tests[] = {'):]
        rows = re.findall(r'_TEST\((\w+),\s*([A-Z0-9_ |]+)((?:[^()]|\([^()]*\))*)\)', text[:text.index('\n};')])
        cases.check(len(rows) > 100, 'the list of tests in test.c was not understood')
        made = []
        for name, flags, more in rows:
            scenario = re.search(r'\.scenario = "([^"]*)"', more)
            made.append(Test(name, flags, scenario.group(1) if scenario else 'default'))
        return made

    def chosen(self, scenario='default', only=(), is_compared=False):
        """The tests that say something about one plain broker; only: a list of test numbers that is taken as it is;
        is_compared: Apache Kafka runs them too, so that what it fails says nothing about weir."""
        left_out = set(LEFT_OUT) | (set() if is_compared else set(FAIL_ON_APACHE[self.version]))
        return [test for test in self.tests if test.is_about_broker and scenario in test.scenario.split(',') and
                (test.number in only if only else test.number not in left_out)]


class Run:
    """One run of the suite against one broker."""

    def __init__(self, suite, address, work, is_quick=True, protocol=None, jobs=4, scenario='default'):
        self.suite, self.address, self.work, self.jobs = suite, address, work, jobs
        self.is_quick, self.protocol, self.scenario = is_quick, protocol, scenario
        os.makedirs(work, exist_ok=True)
        self.config = os.path.join(work, 'test.conf')
        with open(self.config, 'w') as file:
            file.write('bootstrap.servers=%s\ntest.timeout.multiplier=2\n' % address)
        self.lock = threading.Lock()

    def environment(self, number, report):
        source = self.suite.source
        more = {
            'TESTS': number, 'TEST_KAFKA_VERSION': '4.3.0', 'TEST_REPORT': report, 'TEST_SCENARIO': self.scenario,
            'RDKAFKA_TEST_CONF': self.config, 'RDKAFKA_GITVER': self.suite.version, 'KAFKA_PATH': self.suite.kafka_path,
            'BROKERS': self.address, 'BROKER_ADDRESS_1': self.address,
            'LD_LIBRARY_PATH': '%s/src:%s/src-cpp' % (source, source),
        }
        if self.protocol:
            more['TEST_CONSUMER_GROUP_PROTOCOL'] = self.protocol
        kept = {key: value for key, value in os.environ.items() if not key.startswith(('TEST', 'SUBTESTS')) and key != 'CI'}
        return dict(kept, **more)

    def run(self, tests, on_result):
        """Runs the tests; on_result(Result) is called for each one as it is known, from several threads, one at a time.

        What fails runs once more, alone, at the end: many of the tests measure time, and a busy machine breaks them on
        any broker.  A result that came that way says so in its why, so that it is not taken for a clean one."""
        numbers = {}
        for test in tests:
            numbers.setdefault(test.number, []).append(test)
        order = sorted(numbers, key=lambda number: (SLOW.index(number) if number in SLOW else len(SLOW), number))

        again = {}

        def one(number):
            made = self.run_number(number, numbers[number])
            with self.lock:
                failed = [result for result in made if result.state == 'FAIL']
                if failed and self.jobs > 1:
                    again[number] = {result.name: result for result in failed}
                for result in made:
                    if number not in again:
                        on_result(result)

        with concurrent.futures.ThreadPoolExecutor(self.jobs) as pool:
            list(pool.map(one, order))
        for number, failed in sorted(again.items()):
            for result in self.run_number(number, numbers[number], suffix='-alone'):
                first = failed.get(result.name)
                if first:
                    result.why = ('alone: %s; ' % result.why if result.state == 'FAIL' else 'only alone; ') + 'beside others: ' + first.why
                on_result(result)

    def run_number(self, number, tests, suffix=''):
        report, log = os.path.join(self.work, number + suffix + '.json'), os.path.join(self.work, number + suffix + '.log')
        command = ['nice', './test-runner', '-p%d' % self.jobs, '-L'] + (['-Q'] if self.is_quick else [])
        began = time.monotonic()
        with open(log, 'wb') as file:
            process = subprocess.Popen(broker.with_parent(command), cwd=self.suite.dir, env=self.environment(number, report), stdin=subprocess.DEVNULL,
                                       stdout=file, stderr=file, start_new_session=True)
        try:
            end = 'ended with %d' % process.wait(SECONDS_MOST[self.is_quick])
        except subprocess.TimeoutExpired:
            end = 'still ran after %d s' % SECONDS_MOST[self.is_quick]
        end_session(process)
        return self.judge(tests, report, log, process.returncode, end, time.monotonic() - began)

    def judge(self, tests, report, log, code, end, seconds):
        with open(log, errors='replace') as file:
            text = re.sub(r'\x1b\[[0-9;]*m', '', file.read())
        try:
            with open(report, errors='replace') as file:
                rows = json.load(file, strict=False)['tests']
        except (OSError, ValueError, KeyError):
            rows = {}
        made = []
        for test in tests:
            row = rows.get(test.name, {'state': 'FAILED', 'duration': seconds})
            state = {'PASSED': 'PASS', 'SKIPPED': 'SKIP', 'DID NOT RUN': 'SKIP'}.get(row['state'], 'FAIL')
            if state == 'PASS' and code != 0 and len(tests) == 1:
                state = 'FAIL'
            took = float(row['duration']) or (seconds / len(tests) if state != 'SKIP' else 0.0)  # some tests do not say it
            made.append(Result(test.name, state, took, why(text, test.name, state, end)))
        return made


def end_session(process):
    """Ends what a test left behind (its Java programs are in its session), then the test itself."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    process.wait()


def why(text, name, state, end):
    """The sentence with which a test says that it failed or was skipped."""
    if state == 'FAIL':
        found = re.search(r'### Test "%s[^\n]* failed at ([^\n]*?):? ###\s*\n([^\n]*)' % re.escape(name), text)
        found = found or re.search(r'### Test "[^"]*" failed at ([^\n]*?):? ###\s*\n([^\n]*)', text)
        return '%s: %s (%s)' % (found.group(1).split(' at ')[0], found.group(2), end) if found else '%s; its log ends: %s' % (end, text[-300:].replace('\n', ' | '))
    if state == 'SKIP':
        found = re.search(r'(?:SKIPPING TEST|Test skipped|SKIP)[^\n]*', text)
        return found.group(0) if found else 'does not belong here'
    return ''
