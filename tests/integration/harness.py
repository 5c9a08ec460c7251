# SPDX-License-Identifier: Apache-2.0
"""The real binary in a temporary directory, and just enough of Kafka's protocol to ask it things.

Each script defines functions whose names are claims and ends with run(globals()).  usage: script.py WEIR [CLAIM]
Nothing sleeps: what has to happen is waited for, with a limit."""
import os
import queue
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
import traceback

import clean_files

START_SECONDS = 60      # sanitizers and a busy machine included
STOP_SECONDS = 5        # what docs/operations.md promises
WAIT_SECONDS = 30

WEIR = os.path.abspath(sys.argv[1]) if len(sys.argv) > 1 else 'weir'


def slack():
    """Sanitized programs are a few times slower; their stop may be as well."""
    with open(WEIR, 'rb') as file:
        return 4 if b'__asan_init' in file.read() or b'__tsan_init' in file.read() else 1


class Broker:
    """One process of weir.  Ends with the block it was made for: with Broker(dir) as broker: ..."""

    def __init__(self, directory, *overrides, command='serve', arguments=(), listen='127.0.0.1:0', ready=True, env=None,
                 launcher=()):
        self.data = os.path.join(directory, 'data')
        self.port_file = os.path.join(directory, 'port')
        self.lines = []
        self._queue = queue.Queue()
        if os.path.exists(self.port_file):
            os.unlink(self.port_file)
        words = list(launcher) + [WEIR, command]
        if '--ephemeral' not in arguments:
            words += ['--override', 'log.dirs=' + self.data, '--override', 'listeners=PLAINTEXT://' + listen]
        words += ['--override', 'weir.port.file=' + self.port_file, *arguments]
        for override in ('offsets.topic.num.partitions=2', 'group.initial.rebalance.delay.ms=0') + overrides:
            words += ['--override', override]
        self.process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                                        text=True, errors='replace', env=dict(os.environ, **(env or {})))
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self.port = None
        if ready:
            self.wait_line(' ready ', START_SECONDS)
            self.port = self.read_port()

    def _read(self):
        for line in self.process.stderr:
            self.lines.append(line.rstrip('\n'))
            self._queue.put(line)
        self._queue.put(None)

    def read_port(self):
        with open(self.port_file) as file:
            words = file.read().split()
        assert words[0] == 'PLAINTEXT' and len(words) == 3, words
        return int(words[2])

    def wait_line(self, part, seconds=WAIT_SECONDS):
        """The first line of the log, from the beginning, that has the part in it."""
        deadline = time.monotonic() + seconds
        while True:
            for line in list(self.lines):
                if part in line:
                    return line
            try:
                if self._queue.get(timeout=max(0.0, deadline - time.monotonic())) is None and \
                        not any(part in line for line in self.lines):
                    raise AssertionError('the broker ended before it said %r; its log:\n%s' % (part, self.log()))
            except queue.Empty:
                raise AssertionError('no line with %r in %d s; the log:\n%s' % (part, seconds, self.log())) from None

    def log(self):
        return '\n'.join(self.lines[-30:])

    def connect(self):
        return Client(self.port)

    def wait(self, seconds=None):
        """-> exit code"""
        code = self.process.wait(STOP_SECONDS * slack() if seconds is None else seconds)
        self._reader.join(WAIT_SECONDS)
        return code

    def stop(self, number=signal.SIGTERM, is_damaged=False):
        """Asks it to stop, and it does: in time, with exit code 0, and with a directory that is as clean as its marker says,
        unless there is damage that the broker can only live with."""
        self.process.send_signal(number)
        code = self.wait()
        assert code == 0, 'exit code %s; the log:\n%s' % (code, self.log())
        if os.path.exists(os.path.join(self.data, clean_files.MARKER)) and not is_damaged:
            clean_files.check(self.data, crc32c, WEIR)

    def kill(self):
        self.process.kill()
        self.process.wait()
        self._reader.join(WAIT_SECONDS)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.kill()
        self.process.stderr.close()


def weir(*words, env=None):
    """Runs a command that ends by itself. -> (exit code, output of both kinds)"""
    done = subprocess.run([WEIR, *words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          timeout=START_SECONDS, env=dict(os.environ, **(env or {})), errors='replace')
    return done.returncode, done.stdout


def fails_to_start(directory, *overrides, **kwargs):
    """Starts a broker that must not come up. -> (exit code, log)"""
    with Broker(directory, *overrides, ready=False, **kwargs) as broker:
        return broker.wait(START_SECONDS), broker.log()


# ---- The protocol: versions without tagged fields, big-endian ----

API_VERSIONS, METADATA, PRODUCE, FETCH, LIST_OFFSETS, FIND_COORDINATOR, JOIN_GROUP, CREATE_TOPICS = 18, 3, 0, 1, 2, 10, 11, 19


def string(text):
    data = text.encode()
    return struct.pack('>h', len(data)) + data


def array(items):
    return struct.pack('>i', len(items)) + b''.join(items)


class Reader:
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, layout):
        values = struct.unpack_from('>' + layout, self.data, self.at)
        self.at += struct.calcsize('>' + layout)
        return values[0] if len(values) == 1 else values

    def bytes(self, size):
        assert size <= len(self.data) - self.at
        self.at += size
        return self.data[self.at - size:self.at]

    def string(self):
        size = self.take('h')
        return None if size < 0 else self.bytes(size).decode()

    def array(self, item):
        return [item() for _ in range(self.take('i'))]


def _crc_table():
    table = []
    for value in range(256):
        for _ in range(8):
            value = value >> 1 ^ (0x82F63B78 if value & 1 else 0)
        table.append(value)
    return table


CRC_TABLE = _crc_table()


def crc32c(data):
    crc = 0xffffffff
    for byte in data:
        crc = crc >> 8 ^ CRC_TABLE[(crc ^ byte) & 255]
    return crc ^ 0xffffffff


def varint(value):
    value = value << 1 ^ value >> 63
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes(out + bytes([value]))


def batch(values, timestamp=1700000000000):
    """One record batch with these values, no keys."""
    records = b''
    for i, value in enumerate(values):
        body = b'\0' + varint(0) + varint(i) + varint(-1) + varint(len(value)) + value + varint(0)
        records += varint(len(body)) + body
    tail = struct.pack('>hiqqqhii', 0, len(values) - 1, timestamp, timestamp, -1, -1, -1, len(values)) + records
    return struct.pack('>qiibI', 0, len(tail) + 9, -1, 2, crc32c(tail)) + tail


def batch_values(data):
    """The values of all whole batches (uncompressed, without keys)."""
    values = []
    while len(data) >= 61:
        size = struct.unpack_from('>i', data, 8)[0] + 12
        if size > len(data):
            break
        assert crc32c(data[21:size]) == struct.unpack_from('>I', data, 17)[0], 'a fetched batch has a wrong checksum'
        at = 61
        for _ in range(struct.unpack_from('>i', data, 57)[0]):
            def number():
                nonlocal at
                value = shift = 0
                while True:
                    byte = data[at]
                    at += 1
                    value |= (byte & 127) << shift
                    shift += 7
                    if byte < 128:
                        return value >> 1 ^ -(value & 1)
            end = number() + at
            at += 1
            number(), number()
            assert number() == -1
            length = number()
            values.append(data[at:at + length])
            at = end
        data = data[size:]
    return values


class Client:
    """One connection."""

    def __init__(self, port, host='127.0.0.1'):
        self.socket = socket.create_connection((host, port), WAIT_SECONDS)
        self.socket.settimeout(WAIT_SECONDS)
        self.correlation = 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, key, version, body):
        self.correlation += 1
        frame = struct.pack('>hhi', key, version, self.correlation) + string('integration') + body
        self.socket.sendall(struct.pack('>i', len(frame)) + frame)

    def read_exactly(self, size):
        data = b''
        while len(data) < size:
            more = self.socket.recv(size - len(data))
            if not more:
                raise ConnectionError('the broker closed the connection')
            data += more
        return data

    def receive(self):
        data = self.read_exactly(struct.unpack('>i', self.read_exactly(4))[0])
        reader = Reader(data)
        correlation = reader.take('i')
        assert correlation == self.correlation, (correlation, self.correlation)
        return reader

    def call(self, key, version, body):
        self.send(key, version, body)
        return self.receive()

    def is_closed(self):
        """Waits for the broker to close; whatever it says before is read away."""
        try:
            while self.socket.recv(4096):
                pass
            return True
        except ConnectionError:
            return True
        except TimeoutError:
            return False

    def api_versions(self):
        reader = self.call(API_VERSIONS, 0, b'')
        error = reader.take('h')
        assert error == 0, error
        return {key: (low, high) for key, low, high in reader.array(lambda: reader.take('hhh'))}

    def metadata(self, *topics):
        """-> {topic: (error, partition count)}"""
        reader = self.call(METADATA, 4, array([string(topic) for topic in topics]) + b'\0')
        reader.take('i')
        reader.array(lambda: (reader.take('i'), reader.string(), reader.take('i'), reader.string()))
        reader.string(), reader.take('i')

        def partition():
            values = reader.take('hii')
            reader.array(lambda: reader.take('i')), reader.array(lambda: reader.take('i'))
            return values

        def topic():
            error, name = reader.take('h'), reader.string()
            reader.take('b')
            return name, (error, len(reader.array(partition)))
        return dict(reader.array(topic))

    def create_topic(self, name, partitions=1, configs=()):
        entries = [string(key) + string(value) for key, value in configs]
        body = array([string(name) + struct.pack('>ih', partitions, 1) + array([]) + array(entries)])
        reader = self.call(CREATE_TOPICS, 2, body + struct.pack('>ib', 30000, 0))
        reader.take('i')
        (error,) = reader.array(lambda: (reader.string(), reader.take('h'), reader.string())[1])
        return error

    def produce(self, topic, values, partition=0, acks=-1):
        """-> base offset"""
        data = batch(values)
        body = struct.pack('>h', -1) + struct.pack('>hi', acks, 30000) + array(
            [string(topic) + array([struct.pack('>ii', partition, len(data)) + data])])
        reader = self.call(PRODUCE, 3, body)
        ((_, ((_, error, offset, _),)),) = reader.array(lambda: (reader.string(), reader.array(lambda: reader.take('ihqq'))))
        assert error == 0, 'produce: error %d' % error
        return offset

    def send_fetch(self, topic, offset, wait_ms=0, bytes_min=1, partition=0):
        body = struct.pack('>iiiib', -1, wait_ms, bytes_min, 50 << 20, 0) + array(
            [string(topic) + array([struct.pack('>iqi', partition, offset, 50 << 20)])])
        self.send(FETCH, 4, body)

    def fetch(self, topic, offset=0, **kwargs):
        """-> (error, high watermark, values)"""
        self.send_fetch(topic, offset, **kwargs)
        reader = self.receive()
        reader.take('i')

        def answer():
            _, error, high_watermark, _ = reader.take('ihqq')
            aborted = reader.take('i')
            reader.bytes(max(0, aborted) * 16)
            return error, high_watermark, batch_values(reader.bytes(max(0, reader.take('i'))))
        ((_, (found,)),) = reader.array(lambda: (reader.string(), reader.array(answer)))
        return found

    def fetch_all(self, topic):
        values, offset = [], 0
        while True:
            error, high_watermark, more = self.fetch(topic, offset)
            assert error == 0, error
            values += more
            offset += len(more)
            if offset >= high_watermark:
                return values
            assert more, 'nothing at %d, the high watermark is %d' % (offset, high_watermark)

    def send_join_group(self, group, member='', session_ms=30000, rebalance_ms=60000):
        protocol = string('range') + struct.pack('>i', 0)
        self.send(JOIN_GROUP, 2, string(group) + struct.pack('>ii', session_ms, rebalance_ms) + string(member) +
                  string('consumer') + array([protocol]))

    def join_group(self, group, **kwargs):
        """-> (error, generation, member id), once the coordinator has loaded its partition"""
        deadline = time.monotonic() + WAIT_SECONDS
        while True:
            self.send_join_group(group, **kwargs)
            reader = self.receive()
            reader.take('i')
            error, generation = reader.take('hi')
            if error != 14 or time.monotonic() > deadline:  # COORDINATOR_LOAD_IN_PROGRESS
                break
        reader.string(), reader.string()
        return error, generation, reader.string()

    def coordinate(self, group):
        """Waits until the group has a coordinator."""
        deadline = time.monotonic() + WAIT_SECONDS
        while time.monotonic() < deadline:
            error = self.call(FIND_COORDINATOR, 0, string(group)).take('h')
            if error == 0:
                return
            assert error == 15, error
        raise AssertionError('the group has no coordinator')


# ---- Running ----

def wait_until(claim, seconds=WAIT_SECONDS, what=''):
    """For what no line and no answer tells: asks again and again, giving the processor away in between."""
    deadline = time.monotonic() + seconds
    pause = threading.Event()
    while not claim():
        assert time.monotonic() < deadline, 'still not so after %d s: %s' % (seconds, what or claim)
        pause.wait(0.01)


def run(names):
    wanted = sys.argv[2:]
    claims = [(name, value) for name, value in names.items()
              if callable(value) and getattr(value, '__module__', '') == '__main__' and not name.startswith('_')]
    failed = []
    for name, claim in claims:
        if wanted and name not in wanted:
            continue
        directory = tempfile.mkdtemp(prefix='weir-integration-')
        began = time.monotonic()
        try:
            claim(directory)
            outcome = 'ok'
        except Exception:
            traceback.print_exc(file=sys.stdout)
            failed.append(name)
            outcome = 'FAILED'
        finally:
            subprocess.run(['chmod', '-R', 'u+rwx', directory], check=False)
            shutil.rmtree(directory, ignore_errors=True)
        print('%-6s %6.2f s  %s' % (outcome, time.monotonic() - began, name), flush=True)
    sys.exit(1 if failed else 0)
