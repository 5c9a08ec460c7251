# SPDX-License-Identifier: Apache-2.0
"""The two programs of this suite as Python objects: an application (StreamsApp.java) and the hands that feed it and
read what it writes (Hands.java)."""
import collections
import os
import queue
import subprocess
import threading

from harness import broker, context
from harness.cases import Failure, check, short, wait_until

JAVA = ['java', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1', '-Dorg.slf4j.simpleLogger.defaultLogLevel=warn',
        '-Dorg.slf4j.simpleLogger.showDateTime=true']


def class_path(settings):
    """The jars of Kafka Streams and our programs, compiled."""
    here = os.path.join(settings.here, 'kafka-streams')
    sources = [os.path.join(here, name) for name in ('Hands.java', 'StreamsApp.java', 'Topologies.java')]

    def install(directory):
        context.run_quiet(['mvn', '-q', '-B', '-f', os.path.join(here, 'pom.xml'), 'dependency:copy-dependencies',
                           '-DoutputDirectory=' + os.path.join(directory, 'libs')])
        context.run_quiet(['javac', '-cp', os.path.join(directory, 'libs', '*'), '-d', os.path.join(directory, 'classes')] + sources)

    directory = settings.once('kafka-streams', [os.path.join(here, 'pom.xml')] + sources, install)
    return os.path.join(directory, 'classes') + ':' + os.path.join(directory, 'libs', '*')


class Program:
    """A Java program that answers requests line by line; other lines it says are kept as events."""

    def __init__(self, command, log_path):
        self.log = open(log_path, 'ab')
        self.process = subprocess.Popen(broker.with_parent(command), text=True, errors='replace', bufsize=1,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.log)
        self.lines = queue.Queue()
        self.events = collections.deque(maxlen=1000)
        self.thread = threading.Thread(target=self.read, daemon=True)
        self.thread.start()

    def read(self):
        for line in self.process.stdout:
            line = line.rstrip('\n')
            if line.split(' ')[0] in ('STATE', 'UNCAUGHT', 'CLOSED', 'STUCK'):
                self.events.append(line)
            else:
                self.lines.put(line)
        self.lines.put(None)

    def ask(self, *words, seconds=60):
        self.process.stdin.write('\t'.join(str(word) for word in words) + '\n')
        self.process.stdin.flush()
        return self.answer(words, seconds)

    def answer(self, words, seconds):
        found = []
        while True:
            try:
                line = self.lines.get(timeout=seconds)
            except queue.Empty:
                raise Failure('no answer within %g s to %s' % (seconds, words))
            check(line is not None, lambda: 'the program ended with %s at %s' % (self.process.wait(), words))
            if line == 'END':
                return found
            check(not line.startswith('failed'), lambda: '%s: %s' % (words, line))
            found.append(line)

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.thread.join(10)
        self.process.stdin.close()
        self.process.stdout.close()
        self.log.close()


class Hands(Program):
    def __init__(self, ctx, address):
        self.dir = ctx.dir
        super().__init__(JAVA + ['-Xmx192m', '-cp', class_path(ctx.settings), 'Hands', address], os.path.join(ctx.dir, 'hands.log'))

    def write_feed(self, prefix, given):
        path = os.path.join(self.dir, prefix + '.feed')
        with open(path, 'w') as file:
            for topic, partitions in given.items():
                rows = [(stamp, n, partition, key, value) for partition, rows in partitions.items() for n, (stamp, key, value) in enumerate(rows)]
                # in turns over the partitions, so that a slow feed reaches all of them from its start
                for stamp, _, partition, key, value in sorted(rows, key=lambda row: (row[1], row[2])):
                    file.write('%s-%s\t%s\t%d\t%s\t%s\n' % (prefix, topic, partition, stamp, key, '\\N' if value is None else value))
        return path

    def feed(self, prefix, given, rate=0, seconds=60):
        said = self.ask('feed', self.write_feed(prefix, given), rate, seconds=seconds)
        check(said and said[-1].startswith('OK'), lambda: 'feed: %s' % said)

    def drain(self, topic, isolation='read_committed'):
        """[(key, value)] of the whole topic, each partition in its order."""
        rows = [line.split('\t') for line in self.ask('drain', topic, isolation)]
        return [(row[3], None if row[4] == '\\N' else row[4]) for row in rows]

    def offsets(self, verb, topic):
        return {int(line.split('\t')[0]): int(line.split('\t')[1]) for line in self.ask(verb, topic)}


class App(Program):
    """A running application; `name` is its application id."""

    def __init__(self, ctx, address, topology, prefix, name, config, directory=None):
        self.name = name
        self.directory = directory or os.path.join(ctx.dir, 'state-' + name)
        settings = {'bootstrap.servers': address, 'application.id': name, 'commit.interval.ms': '100',
                    'statestore.cache.max.bytes': '0', 'num.stream.threads': '2', 'auto.offset.reset': 'earliest',
                    'replication.factor': '1', 'metadata.max.age.ms': '5000', 'fetch.max.wait.ms': '100',
                    'enable.metrics.push': 'false'}
        settings.update(config)
        self.log_path = os.path.join(ctx.dir, name + '.log')
        super().__init__(JAVA + ['-Xmx320m', '-cp', class_path(ctx.settings), 'StreamsApp', topology, prefix, self.directory] +
                         ['%s=%s' % row for row in settings.items()], self.log_path)

    def tail(self):
        with open(self.log_path, errors='replace') as file:
            return ' | '.join(file.read().splitlines()[-4:])

    def story(self):
        return short('; '.join(self.events) + '; its log ends: ' + self.tail(), 900)

    def wait_running(self, seconds=60):
        def running():
            check(self.process.poll() is None, lambda: 'the application ended with %s: %s' % (self.process.returncode, self.story()))
            return self.events and 'STATE RUNNING' in self.events and self.events[-1] == 'STATE RUNNING'

        wait_until(running, seconds, lambda: 'the application runs: ' + self.story())
        return self

    def check_no_failure(self):
        check(not any(line.startswith('UNCAUGHT') for line in list(self.events)), self.story)

    def close(self, seconds=60):
        """Leaves its group and ends."""
        self.process.stdin.write('close\n')
        self.process.stdin.flush()
        try:
            code = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise Failure('the application does not close: ' + self.story())
        self.thread.join(10)
        check(code == 0 and 'CLOSED' in self.events, lambda: 'closing ended with %d: %s' % (code, self.story()))
