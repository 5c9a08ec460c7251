# SPDX-License-Identifier: Apache-2.0
"""Kafka's own command line tools, run in one JVM (kafka-tools/ToolServer.java)."""
import os
import select
import subprocess
import time

from . import broker, cases

CLASSES = {
    'kafka-topics': 'org.apache.kafka.tools.TopicCommand',
    'kafka-configs': 'kafka.admin.ConfigCommand',
    'kafka-console-producer': 'org.apache.kafka.tools.ConsoleProducer',
    'kafka-console-consumer': 'org.apache.kafka.tools.consumer.ConsoleConsumer',
    'kafka-consumer-groups': 'org.apache.kafka.tools.consumer.group.ConsumerGroupCommand',
    'kafka-groups': 'org.apache.kafka.tools.GroupsCommand',
    'kafka-get-offsets': 'org.apache.kafka.tools.GetOffsetShell',
    'kafka-reassign-partitions': 'org.apache.kafka.tools.reassign.ReassignPartitionsCommand',
    'kafka-log-dirs': 'org.apache.kafka.tools.LogDirsCommand',
    'kafka-delete-records': 'org.apache.kafka.tools.DeleteRecordsCommand',
    'kafka-broker-api-versions': 'org.apache.kafka.tools.BrokerApiVersionsCommand',
    'kafka-producer-perf-test': 'org.apache.kafka.tools.ProducerPerformance',
    'kafka-consumer-perf-test': 'org.apache.kafka.tools.ConsumerPerformance',
    'kafka-verifiable-producer': 'org.apache.kafka.tools.VerifiableProducer',
    'kafka-transactions': 'org.apache.kafka.tools.TransactionsCommand',
    'kafka-features': 'org.apache.kafka.tools.FeatureCommand',
    'kafka-share-groups': 'org.apache.kafka.tools.consumer.group.ShareGroupCommand',
    'kafka-streams-groups': 'org.apache.kafka.tools.streams.StreamsGroupCommand',
    'kafka-streams-application-reset': 'org.apache.kafka.tools.StreamsResetter',
    'kafka-console-share-consumer': 'org.apache.kafka.tools.consumer.ConsoleShareConsumer',
    'kafka-dump-log': 'org.apache.kafka.tools.DumpLogSegments',
}


class Result:
    def __init__(self, name, code, out, err):
        self.name, self.code, self.out, self.err = name, code, out, err

    @property
    def text(self):
        return self.out + self.err

    def lines(self):
        return self.out.splitlines()

    def ok(self):
        cases.check(self.code == 0, lambda: '%s ended with %d: %s' % (self.name, self.code, cases.short(self.text)))
        return self


class Tools:
    def __init__(self, libs, classes, directory):
        self.libs, self.classes, self.dir = libs, classes, directory
        self.process = None

    def start(self):
        self.log = open(os.path.join(self.dir, 'tools.log'), 'ab')
        self.process = subprocess.Popen(
            broker.with_parent(['java', '-Xmx384m', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1',
                                '-Dorg.slf4j.simpleLogger.defaultLogLevel=warn',
                                '-cp', self.classes + ':' + self.libs + '/*', 'ToolServer']),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.log, bufsize=0)

    def stop(self):
        if self.process:
            self.process.kill()
            self.process.wait()
            self.process.stdin.close()
            self.process.stdout.close()
            self.log.close()
            self.process = None

    def receive(self, parts, deadline):
        left = deadline - time.monotonic()
        if left <= 0 or not select.select([self.process.stdout], [], [], left)[0]:
            raise TimeoutError
        chunk = os.read(self.process.stdout.fileno(), 1 << 16)
        if not chunk:
            raise EOFError
        parts += chunk

    def run(self, tool, *arguments, stdin='', seconds=60):
        """Runs one tool; stdin is a file's path."""
        if self.process is None:
            self.start()
        words = [stdin, CLASSES[tool]] + [str(word) for word in arguments]
        cases.check(not any('\n' in word or '\x1f' in word for word in words), 'an argument holds a separator')
        deadline = time.monotonic() + seconds
        answer = bytearray()
        try:
            self.process.stdin.write(('\x1f'.join(words) + '\n').encode())
            while b'\n' not in answer:
                self.receive(answer, deadline)
            head, _, rest = bytes(answer).partition(b'\n')
            code, out_bytes, err_bytes = map(int, head.split())
            rest = bytearray(rest)
            while len(rest) < out_bytes + err_bytes:
                self.receive(rest, deadline)
        except (TimeoutError, EOFError, BrokenPipeError) as error:
            self.stop()
            raise cases.Failure('%s %s: no answer within %g s (%s)' % (
                tool, cases.short(' '.join(words[2:])), seconds, type(error).__name__))
        return Result(tool, code, rest[:out_bytes].decode(errors='replace'), rest[out_bytes:].decode(errors='replace'))

    def run_alone(self, tool, *arguments, seconds=60):
        """Runs one tool in a JVM of its own, for those that do their work in a JVM's shutdown hook."""
        done = subprocess.run(['java', '-Xmx256m', '-Dorg.slf4j.simpleLogger.defaultLogLevel=warn', '-cp', self.libs + '/*',
                               CLASSES[tool]] + [str(word) for word in arguments],
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=seconds)
        return Result(tool, done.returncode, done.stdout, done.stderr)
