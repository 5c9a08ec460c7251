# SPDX-License-Identifier: Apache-2.0
"""Brokers under test: weir, or Apache Kafka as the judge of the tests themselves.

Both are started on a port of their own with a data directory of their own, and die with the runner."""
import os
import shutil
import signal
import socket
import subprocess
import time

from . import cases, wire

COMMON = {
    'node.id': '1',
    'num.partitions': '4',
    'offsets.topic.num.partitions': '4',
    'offsets.topic.replication.factor': '1',
    'transaction.state.log.num.partitions': '4',
    'transaction.state.log.replication.factor': '1',
    'transaction.state.log.min.isr': '1',
    'group.initial.rebalance.delay.ms': '0',
}


def free_port():
    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        return probe.getsockname()[1]


def with_parent(command):
    """The command, arranged to die with the runner however the runner ends."""
    return ['setpriv', '--pdeathsig', 'KILL', '--'] + command if shutil.which('setpriv') else command


class Broker:
    """One broker process.  start() may be called again after stop() or kill(): same port, same data."""
    kind = ''

    def __init__(self, directory, overrides=None, advertised=None):
        self.dir = directory
        self.data = os.path.join(directory, 'data')
        os.makedirs(self.data, exist_ok=True)
        self.more_dirs = []  # further log directories, before the first start
        self.overrides = dict(COMMON, **(overrides or {}))
        self.advertised = advertised
        self.port = 0
        self.process = None
        self.log_path = os.path.join(directory, 'broker.log')
        self.started_s = 0.0

    @property
    def log_dirs(self):
        return ','.join([self.data] + self.more_dirs)

    @property
    def address(self):
        return '127.0.0.1:%d' % self.port

    def is_running(self):
        return self.process is not None and self.process.poll() is None

    def log_text(self):
        try:
            with open(self.log_path, errors='replace') as file:
                return file.read()
        except FileNotFoundError:
            return ''

    def log_tail(self):
        return ' | '.join(self.log_text().splitlines()[-5:])

    def launch(self, command, env=None):
        with open(self.log_path, 'ab') as log:
            self.process = subprocess.Popen(with_parent(command), stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=env)

    def start(self, seconds=60):
        began = time.monotonic()
        self.run()
        cases.wait_until(self.is_answering, seconds, lambda: 'broker start; its log ends: ' + self.log_tail(), pause=0.02)
        self.started_s = time.monotonic() - began
        return self

    def is_answering(self):
        cases.check(self.is_running(), lambda: 'the broker ended with %s; its log ends: %s' % (self.process.returncode, self.log_tail()))
        return self.has_port() and wire.is_serving(self.address)

    def stop(self, seconds=30):
        """SIGTERM; -> (seconds it took, exit code)."""
        began = time.monotonic()
        if not self.is_running():
            return 0.0, self.process.returncode if self.process else 0
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        return time.monotonic() - began, self.process.returncode

    def kill(self):
        """SIGKILL, as if the process crashed."""
        if self.is_running():
            self.process.kill()
            self.process.wait()


class WeirBroker(Broker):
    kind = 'weir'

    def __init__(self, directory, overrides=None, advertised=None, binary=None):
        super().__init__(directory, overrides, advertised)
        self.binary = binary
        self.port_file = os.path.join(directory, 'port')

    def run(self):
        if os.path.exists(self.port_file):
            os.unlink(self.port_file)
        settings = dict(self.overrides)
        settings['listeners'] = 'PLAINTEXT://127.0.0.1:%d' % self.port
        settings['log.dirs'] = self.log_dirs
        settings['weir.port.file'] = self.port_file
        if self.advertised:
            settings['advertised.listeners'] = 'PLAINTEXT://' + self.advertised
        command = [self.binary, 'serve']
        for key, value in settings.items():
            command += ['--override', '%s=%s' % (key, value)]
        env = dict(os.environ, ASAN_OPTIONS='detect_leaks=1:abort_on_error=0', UBSAN_OPTIONS='print_stacktrace=1')
        self.launch(command, env)

    def has_port(self):
        try:
            with open(self.port_file) as file:
                words = [line.split() for line in file if line.endswith('\n')]
        except FileNotFoundError:
            return False
        for word in words:
            if len(word) == 3 and word[0] == 'PLAINTEXT':
                self.port = int(word[2])
                return True
        return False


class ApacheBroker(Broker):
    kind = 'apache'

    def __init__(self, directory, overrides=None, advertised=None, libs=None):
        super().__init__(directory, overrides, advertised)
        self.libs = libs
        self.port = free_port()
        self.controller_port = free_port()
        self.config = os.path.join(directory, 'server.properties')

    def run(self):
        is_new = not os.path.exists(os.path.join(self.data, 'meta.properties'))
        settings = dict(self.overrides)
        settings.update({
            'process.roles': 'broker,controller', 'node.id': '1',
            'controller.quorum.voters': '1@127.0.0.1:%d' % self.controller_port,
            'listeners': 'PLAINTEXT://127.0.0.1:%d,CONTROLLER://127.0.0.1:%d' % (self.port, self.controller_port),
            'advertised.listeners': 'PLAINTEXT://' + (self.advertised or self.address),
            'controller.listener.names': 'CONTROLLER', 'log.dirs': self.log_dirs,
            'listener.security.protocol.map': 'CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT',
            'share.coordinator.state.topic.num.partitions': '4',
            'share.coordinator.state.topic.replication.factor': '1',
            'share.coordinator.state.topic.min.isr': '1',
        })
        with open(self.config, 'w') as file:
            file.writelines('%s=%s\n' % row for row in settings.items())
        java = ['java', '-Xmx512m', '-Dorg.slf4j.simpleLogger.defaultLogLevel=warn', '-cp', self.libs + '/*']
        if is_new:
            subprocess.run(java + ['kafka.tools.StorageTool', 'format', '-t', 'MkU3OEVBNTcwNTJENDM2Qg', '-c', self.config],
                           check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.launch(java + ['kafka.Kafka', self.config])

    def has_port(self):
        return True
