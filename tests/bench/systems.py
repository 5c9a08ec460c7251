# SPDX-License-Identifier: Apache-2.0
"""What limits.py measures and how it looks at it: the brokers and the limit server as processes, their CPU, the machine's."""
import os
import shutil
import signal
import subprocess
import tempfile
import time

from run import free_port

TICKS = os.sysconf('SC_CLK_TCK')
PAGE = os.sysconf('SC_PAGE_SIZE')
KERNEL_THREAD = 0x00200000
QUIET = dict(stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

# The same for both brokers.  Deleted topics go at once, so that their pages are free before the next run.
COMMON = ['log.segment.delete.delay.ms=100', 'log.retention.ms=-1', 'offsets.topic.replication.factor=1',
          'transaction.state.log.replication.factor=1', 'transaction.state.log.min.isr=1']


class System:
    """A process that is measured.  cpu: where it is pinned to, None: nowhere."""
    name = ''

    def __init__(self, cpu=None, work=None):
        self.cpu, self.work = cpu, work

    def start(self):
        self.dir = tempfile.mkdtemp(prefix='bench-%s-' % self.name, dir=self.work)
        self.port = free_port()
        pin = ['taskset', '-c', str(self.cpu)] if self.cpu is not None else []
        self.prepare()
        self.process = subprocess.Popen(['setpriv', '--pdeathsig', 'KILL', '--'] + pin + self.command(), **QUIET)
        self.pid = self.process.pid

    def prepare(self):
        pass

    def unpin(self):
        for task in os.listdir('/proc/%d/task' % self.pid):
            try:
                os.sched_setaffinity(int(task), range(os.cpu_count()))
            except ProcessLookupError:
                pass

    def pin(self):
        for task in os.listdir('/proc/%d/task' % self.pid):
            try:
                os.sched_setaffinity(int(task), [self.cpu])
            except ProcessLookupError:
                pass

    def wake(self):
        pass

    def rest(self):
        pass

    def cpu_seconds(self):
        """Of all threads, those that ended too, in nanoseconds' steps: the clock of another process."""
        return time.clock_gettime((~self.pid << 3) | 2)

    def resident_mb(self):
        with open('/proc/%d/statm' % self.pid) as file:
            return int(file.read().split()[1]) * PAGE / 1e6

    def wakeups(self):
        total = 0
        for task in os.listdir('/proc/%d/task' % self.pid):
            with open('/proc/%d/task/%s/status' % (self.pid, task)) as file:
                total += sum(int(line.split()[1]) for line in file if line.startswith('voluntary_ctxt_switches'))
        return total

    def stop(self):
        self.wake()
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        shutil.rmtree(self.dir, ignore_errors=True)


class Limit(System):
    name = 'limit'
    words = []

    def __init__(self, binary, **more):
        super().__init__(**more)
        self.binary = binary

    def command(self):
        return [self.binary, str(self.port), self.dir] + self.words


class FlushingLimit(Limit):
    name = 'limit'
    words = ['flush']


class Weir(System):
    name = 'weir'

    def __init__(self, binary, **more):
        super().__init__(**more)
        self.binary = binary

    def command(self):
        words = [self.binary, 'serve']
        for setting in COMMON + ['log.dirs=' + self.dir, 'listeners=PLAINTEXT://127.0.0.1:%d' % self.port]:
            words += ['--override', setting]
        return words


class Apache(System):
    """Stopped by a signal while others are measured: idle it takes some percent of a core."""
    name = 'apache'

    def __init__(self, home, **more):
        super().__init__(**more)
        self.libs = os.path.join(home, 'libs', '*')

    def java(self, *words):
        return ['java', '-Xmx1g', '-Xms1g', '-Dorg.slf4j.simpleLogger.defaultLogLevel=error', '-cp', self.libs] + list(words)

    def prepare(self):
        controller = free_port()
        self.properties = os.path.join(self.dir, 'server.properties')
        with open(self.properties, 'w') as file:
            file.write('\n'.join(COMMON + [
                'process.roles=broker,controller', 'node.id=1', 'controller.quorum.voters=1@127.0.0.1:%d' % controller,
                'listeners=PLAINTEXT://127.0.0.1:%d,CONTROLLER://127.0.0.1:%d' % (self.port, controller),
                'controller.listener.names=CONTROLLER', 'listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT',
                # The stops are no reason to fence it.
                'broker.session.timeout.ms=3600000', 'log.dirs=%s/data' % self.dir]) + '\n')
        subprocess.run(self.java('kafka.tools.StorageTool', 'format', '-t', 'MkU3OEVBNTcwNTJENDM2Qg', '-c', self.properties),
                       check=True, **QUIET)

    def command(self):
        return self.java('kafka.Kafka', self.properties)

    def wake(self):
        os.kill(self.pid, signal.SIGCONT)
        time.sleep(0.5)  # its timers catch up

    def rest(self):
        os.kill(self.pid, signal.SIGSTOP)


class Machine:
    """The machine between two looks: what everybody else used of it."""

    def __init__(self):
        self.wall = time.monotonic()
        self.own = time.process_time()
        with open('/proc/stat') as file:
            words = [int(word) for word in file.readline().split()[1:9]]
        self.busy = (words[0] + words[1] + words[2] + words[5] + words[6] + words[7]) / TICKS
        self.steal = words[7] / TICKS
        self.kernel = kernel_threads()

    def since(self, before, ours):
        """Shares of the machine: of foreign processes, stolen, of kernel threads (they write back what was measured)."""
        window = (self.wall - before.wall) * os.cpu_count()
        kernel = max(0.0, self.kernel - before.kernel)
        busy = self.busy - before.busy
        foreign = max(0.0, busy - kernel - ours - (self.own - before.own) - (self.steal - before.steal))
        return {'foreign': foreign / window, 'steal': (self.steal - before.steal) / window, 'kernel_cpu_s': kernel,
                'system_cpu_s': busy}


def kernel_threads():
    total = 0
    for entry in os.listdir('/proc'):
        if not entry.isdigit():
            continue
        try:
            with open('/proc/%s/stat' % entry) as file:
                words = file.read().rsplit(')', 1)[1].split()
        except OSError:
            continue
        if int(words[6]) & KERNEL_THREAD:
            total += int(words[11]) + int(words[12])
    return total / TICKS


def touch_pages(directory, size):
    """Pages that were free for some seconds have gone back to the host and are dear to touch again: touches as many as
    the run will, just before it."""
    path = os.path.join(directory, 'scratch')
    block = b'x' * (1 << 20)
    with open(path, 'wb', buffering=0) as file:
        for _ in range(int(size * 1.2) >> 20):
            file.write(block)
    os.unlink(path)


def sync_us(directory, count=300, size=1100):
    """Median of an append and its fdatasync, in microseconds."""
    path, taken = os.path.join(directory, 'synced'), []
    fd = os.open(path, os.O_CREAT | os.O_RDWR | os.O_TRUNC, 0o600)
    try:
        os.posix_fallocate(fd, 0, 1)
        for i in range(count):
            os.pwrite(fd, b'x' * size, i * size)
            began = time.perf_counter()
            os.fdatasync(fd)
            taken.append((time.perf_counter() - began) * 1e6)
    finally:
        os.close(fd)
        os.unlink(path)
    return sorted(taken)[count // 2]
