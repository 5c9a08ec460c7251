# SPDX-License-Identifier: Apache-2.0
"""Two log directories: where partitions are put, moves between them, and one that fails."""
import glob
import os
import shutil
import signal
import struct
import threading

from failed_sync import _error_of, _may_trace
from harness import Broker, array, fails_to_start, run, string, wait_until, weir

ALTER_REPLICA_LOG_DIRS, DESCRIBE_LOG_DIRS, INCREMENTAL_ALTER_CONFIGS = 34, 35, 44
METADATA, DELETE_TOPICS = 3, 20
LOG_DIR_NOT_FOUND, UNKNOWN_TOPIC_OR_PARTITION, KAFKA_STORAGE_ERROR = 57, 3, 56
WITHOUT_LEADER = (5, 6, KAFKA_STORAGE_ERROR)
RATE = 'replica.alter.log.dirs.io.max.bytes.per.second'
MARKER = '.kafka_cleanshutdown'


def _dirs(directory):
    paths = [os.path.join(directory, name) for name in ('a', 'b')]
    return paths, 'log.dirs=' + ','.join(paths)


def _move(client, path, topic, *partitions):
    """-> error codes"""
    wanted = array([struct.pack('>i', n) for n in partitions])
    reader = client.call(ALTER_REPLICA_LOG_DIRS, 1, array([string(path) + array([string(topic) + wanted])]))
    reader.take('i')
    ((_, rows),) = reader.array(lambda: (reader.string(), reader.array(lambda: reader.take('ih'))))
    return [error for _, error in rows]


def _replicas(client, topic):
    """-> ({partition: [(directory, is future)]}, {directory: error})"""
    reader = client.call(DESCRIBE_LOG_DIRS, 1, struct.pack('>i', -1))
    reader.take('i')
    found, errors = {}, {}

    def place():
        error, path = reader.take('h'), reader.string()
        errors[path] = error
        for name, rows in reader.array(lambda: (reader.string(), reader.array(lambda: reader.take('iqqb')))):
            for number, _, _, is_future in rows if name == topic else ():
                found.setdefault(number, []).append((path, bool(is_future)))
    reader.array(place)
    return {number: sorted(rows) for number, rows in found.items()}, errors


def _throttle(client, value):
    """value None: no limit"""
    entry = string(RATE) + (struct.pack('>bh', 1, -1) if value is None else b'\0' + string(str(value)))
    reader = client.call(INCREMENTAL_ALTER_CONFIGS, 0, array([b'\4' + string('1') + array([entry])]) + b'\0')
    reader.take('i')
    assert reader.take('i') == 1 and reader.take('h') == 0


def _leader(client, topic):
    reader = client.call(METADATA, 4, array([string(topic)]) + b'\0')
    reader.take('i')
    reader.array(lambda: (reader.take('i'), reader.string(), reader.take('i'), reader.string()))
    reader.string(), reader.take('i'), reader.take('i')
    assert reader.take('h') == 0 and reader.string() == topic
    reader.take('b')
    assert reader.take('i') == 1
    return reader.take('hii')[2]


def _is_whole(directory, paths):
    for path in paths:
        code, text = weir('verify', path)
        assert code == 0, text
        assert os.path.exists(os.path.join(path, MARKER)), 'no clean marker in ' + path


class _Writer(threading.Thread):
    """Writes numbers one after the other until it is told to stop, or the broker is gone."""

    def __init__(self, broker, topic, first=0):
        super().__init__(daemon=True)
        self.broker, self.topic, self.next, self.error = broker, topic, first, None
        self.has_stopped = threading.Event()
        self.start()

    def run(self):
        try:
            with self.broker.connect() as client:
                while not self.has_stopped.is_set():
                    offset = client.produce(self.topic, [b'%09d' % self.next])
                    assert offset == self.next, 'record %d is at offset %d' % (self.next, offset)
                    self.next += 1
        except (OSError, ConnectionError):
            pass  # it was killed
        except AssertionError as error:
            self.error = error

    def end(self):
        self.has_stopped.set()
        self.join()
        assert self.error is None, self.error
        return self.next


def _values(client, topic, least):
    values = client.fetch_all(topic)
    assert values == [b'%09d' % n for n in range(len(values))], 'content or order'
    assert len(values) >= least, (len(values), least)
    return len(values)


def _fill(client, topic, count, each=500):
    for first in range(0, count, each):
        assert client.produce(topic, [b'%09d' % n for n in range(first, first + each)]) == first


def partitions_are_placed_evenly(directory):
    paths, override = _dirs(directory)
    with Broker(directory, override) as broker, broker.connect() as client:
        assert client.create_topic('t', partitions=6) == 0
        found, errors = _replicas(client, 't')
        assert errors == {path: 0 for path in paths}, errors
        assert sorted(rows[0][0] for rows in found.values()) == [paths[0]] * 3 + [paths[1]] * 3, found
        assert _move(client, directory, 't', 0, 9) == [LOG_DIR_NOT_FOUND] * 2
        assert _move(client, paths[0], 'u', 0) == [UNKNOWN_TOPIC_OR_PARTITION]
        broker.stop()
    _is_whole(directory, paths)
    with Broker(directory, override) as broker, broker.connect() as client:
        assert _replicas(client, 't')[0] == found, 'partitions are where they were'
        broker.stop()


def a_move_under_writes_keeps_content_order_and_offsets(directory):
    paths, override = _dirs(directory)
    with Broker(directory, override) as broker, broker.connect() as client:
        assert client.create_topic('t', configs=(('segment.bytes', '1048576'),)) == 0
        _fill(client, 't', 20000)
        writer = _Writer(broker, 't', 20000)
        here = _replicas(client, 't')[0][0][0][0]
        for _ in range(4):
            there = paths[0] if here == paths[1] else paths[1]
            before = writer.next
            assert _move(client, there, 't', 0) == [0]
            wait_until(lambda: _replicas(client, 't')[0][0] == [(there, False)], what=broker.log())
            wait_until(lambda: writer.next > before + 20 or writer.error, what='the writer goes on')
            here = there
        count = writer.end()
        assert _values(client, 't', count) == count
        broker.stop()
    _is_whole(directory, paths)
    assert not glob.glob(directory + '/?/*-future'), 'a move is over'
    with Broker(directory, override) as broker, broker.connect() as client:
        assert _replicas(client, 't')[0][0] == [(here, False)]
        assert _values(client, 't', count) == count
        assert client.produce('t', [b'%09d' % count]) == count
        broker.stop()


def a_kill_in_the_middle_of_a_move_loses_nothing_and_the_move_ends_after_the_start(directory):
    paths, override = _dirs(directory)
    with Broker(directory, override) as broker, broker.connect() as client:
        assert client.create_topic('t') == 0
        _fill(client, 't', 20000)
        here = _replicas(client, 't')[0][0][0][0]
        there = paths[0] if here == paths[1] else paths[1]
        _throttle(client, 40000)
        writer = _Writer(broker, 't', 20000)
        assert _move(client, there, 't', 0) == [0]
        wait_until(lambda: any(os.path.getsize(path) > 0 for path in glob.glob(there + '/t-0.*-future/*.log')),
                   what='something is copied')
        assert sorted(_replicas(client, 't')[0][0]) == sorted([(here, False), (there, True)])
        broker.kill()
        acknowledged = writer.end()
    with Broker(directory, override) as broker, broker.connect() as client:
        assert sorted(_replicas(client, 't')[0][0]) == sorted([(here, False), (there, True)]), broker.log()
        count = _values(client, 't', acknowledged)
        writer = _Writer(broker, 't', count)
        _throttle(client, None)
        wait_until(lambda: _replicas(client, 't')[0][0] == [(there, False)], what=broker.log())
        wait_until(lambda: writer.next > count + 20 or writer.error, what='the writer goes on')
        count = writer.end()
        assert _values(client, 't', count) == count
        broker.stop()
    _is_whole(directory, paths)


def a_clean_stop_in_the_middle_of_a_move_is_clean_and_the_move_goes_on(directory):
    paths, override = _dirs(directory)
    with Broker(directory, override) as broker, broker.connect() as client:
        assert client.create_topic('t') == 0
        _fill(client, 't', 20000)
        here = _replicas(client, 't')[0][0][0][0]
        there = paths[0] if here == paths[1] else paths[1]
        _throttle(client, 40000)
        assert _move(client, there, 't', 0) == [0]
        wait_until(lambda: any(os.path.getsize(path) > 0 for path in glob.glob(there + '/t-0.*-future/*.log')),
                   what='something is copied')
        broker.stop()
    _is_whole(directory, paths)
    with Broker(directory, override) as broker, broker.connect() as client:
        assert sorted(_replicas(client, 't')[0][0]) == sorted([(here, False), (there, True)]), broker.log()
        assert _values(client, 't', 20000) == 20000
        _throttle(client, None)
        wait_until(lambda: _replicas(client, 't')[0][0] == [(there, False)], what=broker.log())
        assert _values(client, 't', 20000) == 20000
        assert _move(client, here, 't', 0) == [0] and _move(client, there, 't', 0) == [0]
        wait_until(lambda: _replicas(client, 't')[0][0] in ([(there, False)], [(here, False)]), what=broker.log())
        broker.stop()
    _is_whole(directory, paths)


def a_directory_that_fails_leaves_the_others_and_comes_back_repaired(directory):
    if not _may_trace():
        print('skipped: strace cannot make system calls fail here')
        return
    paths, override = _dirs(directory)
    topics = ('t0', 't1')
    with Broker(directory, override) as broker, broker.connect() as client:
        for topic in topics:
            assert client.create_topic(topic, configs=(('flush.messages', '1'),)) == 0
            _fill(client, topic, 500)
        place = {topic: _replicas(client, topic)[0][0][0][0] for topic in topics}
        assert place['t0'] != place['t1']
        # The metadata is in the first directory, without which weir stops.
        bad = next(topic for topic in topics if place[topic] == paths[1])
        good = next(topic for topic in topics if place[topic] == paths[0])
        broker.stop()
    (bad_file,) = glob.glob(paths[1] + '/' + bad + '-0/*.log')
    launcher = ('strace', '-f', '-q', '-P', bad_file, '-e', 'inject=fdatasync,fsync:error=EIO', '-o', '/dev/null')
    with Broker(directory, override, launcher=launcher) as broker:
        (pid,) = [int(word) for word in
                  open('/proc/%d/task/%d/children' % (broker.process.pid, broker.process.pid)).read().split()]
        try:
            with broker.connect() as client:
                assert _error_of(client, bad, -1) == KAFKA_STORAGE_ERROR
                wait_until(lambda: _leader(client, bad) == -1, what='nobody leads it: ' + broker.log())
                assert _leader(client, good) == 1
                assert _error_of(client, bad, -1) in WITHOUT_LEADER, broker.log()
                assert client.fetch(bad)[0] in WITHOUT_LEADER
                assert client.produce(good, [b'%09d' % 500]) == 500
                assert _values(client, good, 501) == 501
                assert _replicas(client, good)[1] == {paths[0]: 0, paths[1]: KAFKA_STORAGE_ERROR}
                assert _move(client, paths[1], good, 0) == [KAFKA_STORAGE_ERROR]
                assert client.create_topic('new', partitions=2) == 0
                assert {rows[0][0] for rows in _replicas(client, 'new')[0].values()} == {paths[0]}
            os.kill(pid, signal.SIGTERM)
            assert broker.wait(60) == 1, 'a stop with a directory offline is told by the exit code'
        finally:
            if broker.process.poll() is None:
                os.kill(pid, signal.SIGKILL)
    assert os.path.exists(os.path.join(paths[0], MARKER)), 'the good directory was closed cleanly'
    assert not os.path.exists(os.path.join(paths[1], MARKER)), 'nothing is promised about the bad one'
    with Broker(directory, override) as broker, broker.connect() as client:
        assert client.fetch_all(bad)[:500] == [b'%09d' % n for n in range(500)]
        assert _values(client, good, 501) == 501
        assert _leader(client, bad) == 1
        broker.stop()
    _is_whole(directory, paths)


def a_start_with_one_broken_directory_serves_the_others(directory):
    paths, override = _dirs(directory)
    with Broker(directory, override) as broker, broker.connect() as client:
        assert client.create_topic('t', partitions=2) == 0
        for partition in 0, 1:
            client.produce('t', [b'value'], partition=partition)
        found = _replicas(client, 't')[0]
        broker.stop()
    (bad,) = [number for number, rows in found.items() if rows[0][0] == paths[1]]
    os.rename(paths[1], paths[1] + '.away')
    with open(paths[1], 'w'):
        pass
    with Broker(directory, override) as broker:
        with broker.connect() as client:
            assert client.fetch('t', partition=1 - bad) == (0, 1, [b'value'])
            assert client.fetch('t', partition=bad)[0] in WITHOUT_LEADER
            assert _replicas(client, 't')[1][paths[0]] == 0
        broker.process.send_signal(signal.SIGTERM)
        assert broker.wait() == 1
    os.unlink(paths[1])
    os.rename(paths[1] + '.away', paths[1])
    with Broker(directory, override) as broker, broker.connect() as client:
        for partition in 0, 1:
            assert client.fetch('t', partition=partition) == (0, 1, [b'value'])
        broker.stop()
    _is_whole(directory, paths)


def _with_properties(directory, change):
    """Starts and stops, and then changes the second directory's meta.properties."""
    paths, override = _dirs(directory)
    with Broker(directory, override) as broker:
        broker.stop()
    path = os.path.join(paths[1], 'meta.properties')
    with open(path) as file:
        text = file.read()
    with open(path, 'w') as file:
        file.write(change(text))
    return paths, override, path, text


def a_directory_of_another_cluster_is_refused_at_the_start(directory):
    _, override, path, text = _with_properties(
        directory, lambda text: '\n'.join('cluster.id=AAAAAAAAAAAAAAAAAAAAAA' if line.startswith('cluster.id') else line
                                          for line in text.splitlines()) + '\n')
    code, log = fails_to_start(directory, override)
    assert code == 1 and 'cluster' in log, log
    with open(path, 'w') as file:
        file.write(text)
    with Broker(directory, override) as broker:
        broker.stop()


def a_directory_of_another_node_is_refused_at_the_start(directory):
    _, override, _, _ = _with_properties(
        directory, lambda text: text.replace('node.id=1', 'node.id=2'))
    code, log = fails_to_start(directory, override)
    assert code == 1 and 'node' in log, log


def a_damaged_meta_properties_is_refused_with_its_name(directory):
    for number, text in enumerate(('\0\1\2 no properties', '', 'version=1\n', 'version=7\ncluster.id=x\nnode.id=1\n',
                                   'version=1\ncluster.id=\nnode.id=one\n')):
        place = os.path.join(directory, str(number))
        os.mkdir(place)
        _, override, path, _ = _with_properties(place, lambda _, text=text: text)
        code, log = fails_to_start(place, override)
        assert code == 1 and path in log, log


def an_empty_directory_in_the_place_of_one_does_not_make_its_partitions_empty(directory):
    paths, override = _dirs(directory)
    with Broker(directory, override) as broker, broker.connect() as client:
        for topic in 't', 'given-up':
            assert client.create_topic(topic, partitions=2) == 0
        for partition in 0, 1:
            client.produce('t', [b'value'], partition=partition)
        (lost,) = [number for number, rows in _replicas(client, 't')[0].items() if rows[0][0] == paths[1]]
        broker.stop()
    os.rename(paths[1], paths[1] + '.away')
    with Broker(directory, override) as broker, broker.connect() as client:
        broker.wait_line('partition_log_unavailable')
        assert client.fetch('t', partition=1 - lost) == (0, 1, [b'value'])
        assert client.fetch('t', partition=lost)[0] in WITHOUT_LEADER
        reader = client.call(DELETE_TOPICS, 1, array([string('given-up')]) + struct.pack('>i', 30000))
        assert reader.take('i') == 0 and reader.array(lambda: (reader.string(), reader.take('h'))) == [('given-up', 0)]
        assert client.create_topic('given-up', partitions=2) == 0
        assert {rows[0][0] for rows in _replicas(client, 'given-up')[0].values()} == set(paths)
        for partition in 0, 1:
            assert client.produce('given-up', [b'anew'], partition=partition) == 0
        broker.stop()
    _is_whole(directory, paths)
    shutil.rmtree(paths[1])
    os.rename(paths[1] + '.away', paths[1])
    with Broker(directory, override) as broker, broker.connect() as client:
        for partition in 0, 1:
            assert client.fetch('t', partition=partition) == (0, 1, [b'value'])
        broker.stop()
    _is_whole(directory, paths)


def the_directory_of_another_is_not_taken_twice(directory):
    paths, override = _dirs(directory)
    with Broker(directory, override) as broker:
        broker.stop()
    shutil.copy(os.path.join(paths[0], 'meta.properties'), os.path.join(paths[1], 'meta.properties'))
    code, log = fails_to_start(directory, override)
    assert code == 1 and 'directory id' in log, log


if __name__ == '__main__':
    run(globals())
