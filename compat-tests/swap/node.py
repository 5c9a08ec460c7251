# SPDX-License-Identifier: Apache-2.0
"""One node whose directory is served by Apache Kafka and by weir in turn, with the same server.properties."""
import os
import subprocess

from harness import broker

SETTINGS = {
    'process.roles': 'broker,controller',
    'node.id': '1',
    'controller.listener.names': 'CONTROLLER',
    'listener.security.protocol.map': 'CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT',
    'auto.create.topics.enable': 'false',
    'offsets.topic.num.partitions': '3',
    'offsets.topic.replication.factor': '1',
    'transaction.state.log.num.partitions': '3',
    'transaction.state.log.replication.factor': '1',
    'transaction.state.log.min.isr': '1',
    'share.coordinator.state.topic.replication.factor': '1',
    'share.coordinator.state.topic.min.isr': '1',
    'group.initial.rebalance.delay.ms': '0',
    # Members that are gone stay members for the length of a run.
    'group.consumer.session.timeout.ms': '1800000',
    'group.consumer.max.session.timeout.ms': '1800000',
    'transaction.abort.timed.out.transaction.cleanup.interval.ms': '1000',
    'group.consumer.heartbeat.interval.ms': '500',
    'group.consumer.min.heartbeat.interval.ms': '500',
    'group.consumer.assignment.interval.ms': '0',
    # A node that was killed is waited for as long before it may register again.
    'broker.session.timeout.ms': '2000',
    'broker.heartbeat.interval.ms': '500',
    'log.cleaner.backoff.ms': '500',
    # What DeleteRecords did is durable with the next checkpoint.
    'log.flush.start.offset.checkpoint.interval.ms': '500',
    'log.initial.task.delay.ms': '500',
}
JAVA = ['java', '-Xmx256m', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1', '-Dorg.slf4j.simpleLogger.defaultLogLevel=warn']


class Node(broker.Broker):
    """`kind` says who serves it at the next start."""

    def __init__(self, directory, settings, libs, binary, is_dynamic=False, dirs=1):
        super().__init__(directory)
        self.dirs = [os.path.join(directory, 'node-%d' % n) for n in range(dirs)]  # not `data`: its compacted topics are not for the suite dump-log
        self.libs, self.binary = libs, binary
        self.port, self.controller_port = broker.free_port(), broker.free_port()
        self.config = os.path.join(directory, 'server.properties')
        self.kind = 'apache'
        self.settings = dict(SETTINGS, **settings)
        place = '127.0.0.1:%d' % self.controller_port
        quorum = {'controller.quorum.bootstrap.servers': place} if is_dynamic else {'controller.quorum.voters': '1@' + place}
        self.settings.update(quorum)
        self.write_config()

    def write_config(self):
        self.settings['listeners'] = 'PLAINTEXT://127.0.0.1:%d,CONTROLLER://127.0.0.1:%d' % (self.port, self.controller_port)
        self.settings['log.dirs'] = ','.join(self.dirs)
        with open(self.config, 'w') as file:
            file.writelines('%s=%s\n' % row for row in self.settings.items())

    def format(self, *flags):
        done = subprocess.run(JAVA + ['-cp', self.libs + '/*', 'kafka.tools.StorageTool', 'format', '-t', 'MkU3OEVBNTcwNTJENDM2Qg',
                                      '-c', self.config, *flags], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if done.returncode != 0:
            raise RuntimeError('format: ' + done.stdout[-800:])

    def run(self):
        if self.kind == 'apache':
            self.launch(JAVA + ['-cp', self.libs + '/*', 'kafka.Kafka', self.config])
        else:
            self.launch([self.binary, 'serve', self.config])

    def has_port(self):
        return True

    def place_of(self, partition):
        """The partition's directory."""
        return next(path for path in (os.path.join(one, partition) for one in self.dirs) if os.path.isdir(path))

    def start_as(self, kind):
        self.kind = kind
        with open(self.log_path, 'a') as log:
            log.write('---- %s\n' % kind)
        return self.start(120)
