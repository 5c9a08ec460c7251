# SPDX-License-Identifier: Apache-2.0
"""A disk that fills up: a file system of some MB of its own (tmpfs in a mount namespace).  Where the machine does not allow
that, nothing is tested and a sentence says so."""
import os
import shutil
import struct
import subprocess
import sys

import disk
from harness import Broker, PRODUCE, array, batch, run, string, wait_until

KAFKA_STORAGE_ERROR = 56
VALUE_BYTES = 60000
TOPIC_CONFIGS = (('segment.bytes', '1048576'), ('file.delete.delay.ms', '0'), ('retention.ms', '-1'))


def _enter_namespace():
    """Runs this script again where it may mount; comes back when that was done."""
    if os.environ.get('IN_OWN_MOUNTS'):
        return
    may = shutil.which('unshare') and subprocess.run(
        ['unshare', '-rm', 'mount', '-t', 'tmpfs', 'none', '/mnt'], stderr=subprocess.DEVNULL, check=False).returncode == 0
    if not may:
        print('skipped: this machine does not let us mount a small file system')
        sys.exit(0)
    os.environ['IN_OWN_MOUNTS'] = '1'
    os.execvp('unshare', ['unshare', '-rm', sys.executable, '-B'] + sys.argv)


def _mount(directory, megabytes):
    os.mkdir(os.path.join(directory, 'data'))
    subprocess.run(['mount', '-t', 'tmpfs', '-o', 'size=%dm' % megabytes, 'none', os.path.join(directory, 'data')], check=True)


def _unmount(directory):
    subprocess.run(['umount', '-l', os.path.join(directory, 'data')], check=False)


def _value(number):
    return (b'%08d' % number).ljust(VALUE_BYTES, b'.')


def _produce(client, topic, number):
    """-> (error, offset, the sentence)"""
    data = batch([_value(number)])
    body = struct.pack('>h', -1) + struct.pack('>hi', -1, 30000) + array(
        [string(topic) + array([struct.pack('>ii', 0, len(data)) + data])])
    reader = client.call(PRODUCE, 8, body)

    def partition():
        _, error, offset, _, _ = reader.take('ihqqq')
        reader.array(lambda: (reader.take('i'), reader.string()))
        return error, offset, reader.string()
    ((_, (answer,)),) = reader.array(lambda: (reader.string(), reader.array(partition)))
    return answer


def _fill(client, topic, accepted):
    """Until one is refused -> the sentence"""
    while True:
        error, offset, words = _produce(client, topic, len(accepted))
        if error != 0:
            assert error == KAFKA_STORAGE_ERROR, error
            return words
        assert offset == len(accepted), (offset, len(accepted))
        accepted.append(_value(len(accepted)))
        assert len(accepted) < 10000


def _check(client, topic, accepted, start):
    at = start
    while at < len(accepted):
        error, _, values = client.fetch(topic, at)
        assert error == 0, error
        assert values, 'nothing at %d of %d' % (at, len(accepted))
        assert values == accepted[at:at + len(values)], 'other records at %d' % at
        at += len(values)


def _resume(client, topic, accepted):
    """Gives space back, and waits until writing goes on by itself."""
    start = len(accepted) - 20
    error, low = disk.delete_records(client, topic, start)
    assert (error, low) == (0, start), (error, low)
    answers = []

    def is_taken():
        answers.append(_produce(client, topic, len(accepted)))
        return answers[-1][0] == 0
    wait_until(is_taken, 30, 'a producer is taken again')
    assert answers[-1][1] == len(accepted), answers[-1]
    accepted.append(_value(len(accepted)))
    return start


OVERRIDES = ('log.retention.check.interval.ms=500', 'log.initial.task.delay.ms=0', 'num.network.threads=1')


def below_the_watermark_producers_are_refused_and_all_else_goes_on(directory):
    _mount(directory, 32)
    try:
        accepted = []
        with Broker(directory, 'weir.log.dir.free.percent.min=25', *OVERRIDES) as broker, broker.connect() as client:
            assert client.create_topic('t', configs=TOPIC_CONFIGS) == 0
            client.coordinate('g')
            words = _fill(client, 't', accepted)
            assert words and 'nearly full' in words, words
            broker.wait_line('log_dir_nearly_full')
            free = os.statvfs(broker.data)
            assert free.f_bavail / free.f_blocks > 0.05, 'the disk was filled far beyond the watermark'
            _check(client, 't', accepted, 0)
            assert client.create_topic('u') == 0
            wait_until(lambda: disk.commit_offset(client, 'g', 't', 7) == 0, what='an offset commit')
            start = _resume(client, 't', accepted)
            broker.wait_line('log_dir_has_space_again')
            assert len([line for line in broker.lines if 'log_dir_nearly_full' in line]) == 1, broker.log()
            _check(client, 't', accepted, start)
            broker.stop()
        with Broker(directory, *OVERRIDES) as broker, broker.connect() as client:
            _check(client, 't', accepted, start)
            broker.stop()
    finally:
        _unmount(directory)


def a_full_disk_leaves_no_half_batch_and_no_log_fails(directory):
    _mount(directory, 16)
    try:
        accepted = []
        with Broker(directory, 'weir.log.dir.free.percent.min=0', *OVERRIDES) as broker, broker.connect() as client:
            assert client.create_topic('t', configs=TOPIC_CONFIGS) == 0
            _fill(client, 't', accepted)
            for _ in range(20):
                assert _produce(client, 't', len(accepted))[0] == KAFKA_STORAGE_ERROR
            _check(client, 't', accepted, 0)
            start = _resume(client, 't', accepted)
            _fill(client, 't', accepted)
            _check(client, 't', accepted, start)
            broker.kill()
        with Broker(directory, 'weir.log.dir.free.percent.min=0', *OVERRIDES) as broker, broker.connect() as client:
            _check(client, 't', accepted, start)
            start = _resume(client, 't', accepted)
            _check(client, 't', accepted, start)
            assert not any('log_dir_failed' in line or 'ERROR' in line for line in broker.lines), broker.log()
            broker.stop()
    finally:
        _unmount(directory)


if __name__ == '__main__':
    _enter_namespace()
    run(globals())
