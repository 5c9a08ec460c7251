# SPDX-License-Identifier: Apache-2.0
"""What a clean stop leaves of everything a log can go through.  The harness byte-checks the directory after each stop
(clean_files.py); here is what the other scripts do not come by, and that the check itself finds what it should."""
import os
import shutil
import struct

from harness import WEIR, Broker, array, crc32c, run, string, wait_until

import clean_files
from disk import (ABORT, COMMIT, INDEX, LOG, SNAPSHOT, TIME_INDEX, TRANSACTIONAL, TXN_INDEX, Fetched, Files, build, delete_records,
                  is_clean, make, marker, now_ms, produce, top)

SMALL = (('segment.bytes', '1048576'), ('index.interval.bytes', '512'))
DELETE_TOPICS = 20


def _fill(client, topic, megabytes, timestamp=None):
    for i in range(megabytes * 8):
        assert produce(client, topic, build([b'%d' % i + b'x' * 1000] * 128, timestamp=timestamp))[0] == 0


def _delete_topic(client, topic):
    reader = client.call(DELETE_TOPICS, 1, array([string(topic)]) + struct.pack('>i', 30000))
    reader.take('i')
    assert reader.array(lambda: (reader.string(), reader.take('h'))) == [(topic, 0)]


def rolls_retention_and_deletion_of_records(directory):
    files = make(directory, 't', SMALL + (('retention.bytes', '2200000'), ('file.delete.delay.ms', '0')), partitions=3)
    with Broker(directory, 'log.retention.check.interval.ms=100', 'log.initial.task.delay.ms=10') as broker:
        with broker.connect() as client:
            _fill(client, 't', 4)
            wait_until(lambda: files.bases()[0] > 0, what='retention')
            inside = files.bases()[1] - 3
            assert delete_records(client, 't', inside) == (0, inside)
        broker.stop()
    assert len(files.bases()) >= 2
    with Broker(directory) as broker:   # nothing is written
        broker.stop()
    assert clean_files.checkpoint(files.data, 'log-start-offset-checkpoint').get(('t', 0), files.bases()[0]) >= inside


def transactions_in_several_segments(directory):
    files = make(directory, 't', SMALL)
    with Broker(directory) as broker:
        with broker.connect() as client:
            _fill(client, 't', 1)
        broker.stop()
    end, epoch = files.end(), files.batches()[-1].epoch
    # As Apache Kafka wrote them before it was killed.
    files.append(build([b'no'], end, epoch, (9000, 0, 0), TRANSACTIONAL),
                 build([b'yes'], end + 1, epoch, (9001, 0, 0), TRANSACTIONAL),
                 marker(ABORT, end + 2, 9000, 0, epoch), marker(COMMIT, end + 3, 9001, 0, epoch),
                 build([b'open'], end + 4, epoch, (9002, 0, 0), TRANSACTIONAL))
    os.unlink(top(directory, clean_files.MARKER))
    for _ in range(2):
        with Broker(directory) as broker:
            with broker.connect() as client:
                _fill(client, 't', 2)
            broker.stop()
    owner = max(base for base in files.bases() if base <= end + 2)
    assert [entry[:3] for entry in files.txn_index(owner)] == [(9000, end, end + 2)]
    assert len(files.bases()) >= 4 and 9002 in files.snapshot(files.end())


def deleted_topics_and_partitions_that_were_never_written(directory):
    with Broker(directory, 'log.segment.delete.delay.ms=600000') as broker:
        with broker.connect() as client:
            for i in range(3):
                assert client.create_topic('t%d' % i, 4) == 0
            assert produce(client, 't1', build([b'a']))[0] == 0
            _delete_topic(client, 't0')
            _delete_topic(client, 't1')
            wait_until(lambda: sum(name.endswith('-delete') for name in os.listdir(top(directory, ''))) == 8)
        broker.stop()
    with Broker(directory, 'log.segment.delete.delay.ms=600000') as broker:
        broker.stop()
    # Their time has not come yet.
    assert sum(name.endswith('-delete') for name in os.listdir(top(directory, ''))) == 8


def a_stop_after_a_kill_leaves_as_much(directory):
    files = make(directory, 't', SMALL)
    with Broker(directory) as broker:
        with broker.connect() as client:
            _fill(client, 't', 2)
        broker.kill()
    with open(files.path('leader-epoch-checkpoint.tmp'), 'w') as file:
        file.write('0\n')
    with Broker(directory) as broker:
        with broker.connect() as client:
            _fill(client, 't', 1)
        broker.stop()
    assert is_clean(directory)


def a_doubt_about_one_log_is_said_and_leaves_its_directory_unmarked(directory):
    files = make(directory, 't', partitions=2)
    with Broker(directory) as broker:
        with broker.connect() as client:
            for i in range(2):
                assert produce(client, 't', build([b'a', b'b']), i) == (0, 0)
        files.write(0, b'half', LOG + '.swap')
        broker.process.terminate()
        assert broker.wait() == 1
        said = [line for line in broker.lines if ' log_not_clean ' in line]
        assert len(said) == 1 and '%020d.log.swap' % 0 in said[0] and 'partition=0' in said[0], broker.log()
    assert not is_clean(directory)
    assert clean_files.checkpoint(files.data, clean_files.CHECKPOINTS[0]) == {('t', 0): 0, ('t', 1): 2}
    os.unlink(files.path(0, LOG + '.swap'))
    with Broker(directory) as broker:
        with broker.connect() as client:
            assert Fetched(client, 't').values() == [b'a', b'b']
        broker.stop()
    assert is_clean(directory)


def what_is_not_clean_is_found(directory):
    files = make(directory, 't', SMALL)
    now = now_ms()
    files.append(build([b'no'], 0, 0, (9000, 0, 0), TRANSACTIONAL, timestamp=now), marker(ABORT, 1, 9000, 0, timestamp=now))
    os.unlink(top(directory, clean_files.MARKER))
    with Broker(directory) as broker:
        with broker.connect() as client:
            _fill(client, 't', 2)
        broker.stop()
    first, last = files.bases()[0], files.bases()[-1]

    def cut(name, suffix, size):
        return lambda: files.write(name, files.read(name, suffix)[:size], suffix)

    def longer(name, suffix, data):
        return lambda: files.write(name, files.read(name, suffix) + data, suffix)

    def text(name, before, after):
        return lambda: files.write(name, files.read(name).replace(before, after))
    whole = os.path.join(directory, 'whole')
    shutil.copytree(files.data, whole)
    for damage in (longer(first, INDEX, bytes(8)), longer(first, TIME_INDEX, bytes(12)), longer(last, LOG, b'half'),
                   cut(first, TIME_INDEX, -12), cut(first, TXN_INDEX, 0), cut(files.end(), SNAPSHOT, -1),
                   lambda: files.remove(SNAPSHOT), lambda: os.unlink(files.path('partition.metadata')),
                   lambda: files.write('x.tmp', b''), cut('leader-epoch-checkpoint', '', 4),
                   text('../recovery-point-offset-checkpoint', b't 0 ', b't 0 1'),
                   lambda: os.unlink(top(directory, clean_files.CHECKPOINTS[1]))):
        damage()
        try:
            clean_files.check(files.data, crc32c, WEIR)
            found = False
        except Exception:   # whichever way it is met
            found = True
        assert found, damage
        shutil.rmtree(files.data)
        shutil.copytree(whole, files.data)
    clean_files.check(files.data, crc32c, WEIR)


if __name__ == '__main__':
    run(globals())
