# SPDX-License-Identifier: Apache-2.0
"""What one suite is given: its own broker, its own directory, the installed tools, and the report."""
import fcntl
import os
import subprocess
import threading
import uuid

from . import broker, tools


class Settings:
    """One run: where things are, and which broker is under test."""

    def __init__(self, root, work, binary=None, address=None, is_full=False):
        self.root, self.work, self.binary, self.address, self.is_full = root, work, binary, address, is_full
        self.here = os.path.join(root, 'compat-tests')
        self.cache = os.path.join(root, 'build', 'compat')
        self.shared = os.path.join(os.path.dirname(root), 'shared')
        self.install_lock = threading.Lock()
        os.makedirs(self.cache, exist_ok=True)

    @property
    def is_apache(self):
        return self.binary is None and self.address is None

    def once(self, name, inputs, install, text=''):
        """Installs something below build/compat unless it is there, made from the same inputs; -> its directory."""
        directory = os.path.join(self.cache, name)
        stamp = directory + '.stamp'
        parts = [text]
        for path in inputs:
            with open(path) as file:
                parts.append(file.read())
        wanted = '\n'.join(parts)
        with self.install_lock, open(directory + '.lock', 'w') as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if os.path.exists(stamp):
                with open(stamp) as file:
                    if file.read() == wanted:
                        return directory
            os.makedirs(directory, exist_ok=True)
            install(directory)
            with open(stamp, 'w') as file:
                file.write(wanted)
        return directory

    def kafka_libs(self):
        """Apache Kafka's jars: KAFKA_LIBS if set, else from Maven."""
        if os.environ.get('KAFKA_LIBS'):
            return os.environ['KAFKA_LIBS']
        pom = os.path.join(self.here, 'apache-kafka', 'pom.xml')
        return self.once('apache-kafka', [pom], lambda directory: run_quiet(
            ['mvn', '-q', '-B', '-f', pom, 'dependency:copy-dependencies', '-DoutputDirectory=' + directory]))

    def tool_classes(self):
        source = os.path.join(self.here, 'kafka-tools', 'ToolServer.java')
        libs = self.kafka_libs()
        return self.once('tool-server', [source], lambda directory: run_quiet(
            ['javac', '-cp', libs + '/*', '-d', directory, source]))

    def python(self, *packages):
        """A Python with these packages (name==version), in a virtual environment of their own."""
        name = 'venv-' + packages[0].split('=')[0].split('[')[0]

        def install(directory):
            run_quiet(['/usr/bin/python3', '-m', 'venv', directory])
            run_quiet([os.path.join(directory, 'bin', 'pip'), 'install', '-q', *packages])

        return os.path.join(self.once(name, [], install, ' '.join(packages)), 'bin', 'python')


def run_quiet(command, **kwargs):
    """Runs an installer; its output is shown only when it fails."""
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **kwargs)
    if done.returncode != 0:
        raise RuntimeError('%s failed: %s' % (' '.join(command[:6]), done.stdout[-1500:]))
    return done.stdout


class Context:
    def __init__(self, settings, report, suite):
        self.settings, self.report, self.suite = settings, report, suite
        self.dir = os.path.join(settings.work, suite)
        os.makedirs(self.dir, exist_ok=True)
        self.brokers = []
        self.shared_broker = None
        self.tool_server = None

    def case(self, name):
        return self.report.case(self.suite, name)

    def path(self, *parts):
        return os.path.join(self.settings.here, *parts)

    def new_broker(self, name=None, overrides=None, advertised=None):
        """A broker of the kind under test that nobody else uses; not started yet."""
        directory = os.path.join(self.dir, name or 'broker-%d' % len(self.brokers))
        if self.settings.is_apache:
            made = broker.ApacheBroker(directory, overrides, advertised, libs=self.settings.kafka_libs())
        else:
            made = broker.WeirBroker(directory, overrides, advertised, binary=self.settings.binary)
        self.brokers.append(made)
        return made

    @property
    def address(self):
        """The address of the suite's broker, which is started when first asked for."""
        if self.settings.address:
            return self.settings.address
        if self.shared_broker is None:
            self.shared_broker = self.new_broker('broker').start()
        return self.shared_broker.address

    @property
    def tools(self):
        if self.tool_server is None:
            self.tool_server = tools.Tools(self.settings.kafka_libs(), self.settings.tool_classes(), self.dir)
        return self.tool_server

    def name(self, word):
        """A name for a topic or a group that no other case uses."""
        return '%s-%s-%s' % (self.suite, word, uuid.uuid4().hex[:6])

    def close(self):
        if self.tool_server:
            self.tool_server.stop()
        for made in self.brokers:
            if not made.is_running():
                continue
            with self.case('%s_stops_cleanly_within_5_s' % os.path.basename(made.dir)):
                seconds, code = made.stop()
                limit = 30 if self.settings.is_apache else 5
                codes = (0, 143) if self.settings.is_apache else (0,)
                if seconds > limit or code not in codes:
                    raise AssertionError('took %.1f s, exit code %d; log: %s' % (seconds, code, made.log_tail()))
        for made in self.brokers:
            text = made.log_text()
            for mark in ('ERROR: AddressSanitizer', 'ERROR: LeakSanitizer', 'runtime error:', 'WARNING: ThreadSanitizer', 'assertion failed'):
                if mark in text:
                    self.report.add(self.suite, os.path.basename(made.dir) + '_log_has_no_finding', 'FAIL', 0.0,
                                    text[text.index(mark):][:600].replace('\n', ' | '))
                    break
