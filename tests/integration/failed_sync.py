# SPDX-License-Identifier: Apache-2.0
"""A disk whose syncs fail, made by strace's fault injection.  Where strace is missing or may not trace, nothing is tested and
a sentence says so."""
import glob
import os
import shutil
import signal
import struct
import subprocess
import sys

from harness import Broker, METADATA, PRODUCE, array, batch, run, string, wait_until

KAFKA_STORAGE_ERROR = 56
CONFIGS = (('flush.messages', '1'), ('retention.ms', '-1'))


def _may_trace():
    return shutil.which('strace') and subprocess.run(
        ['strace', '-e', 'inject=fdatasync:error=EIO', '-o', '/dev/null', 'true'], stderr=subprocess.DEVNULL,
        check=False).returncode == 0


def _error_of(client, topic, acks):
    data = batch([b'value'])
    body = struct.pack('>h', -1) + struct.pack('>hi', acks, 30000) + array(
        [string(topic) + array([struct.pack('>ii', 0, len(data)) + data])])
    reader = client.call(PRODUCE, 3, body)
    ((_, ((_, error, _, _),)),) = reader.array(lambda: (reader.string(), reader.array(lambda: reader.take('ihqq'))))
    return error


def _leader_of(client, topic):
    """Of its only partition, by Metadata v4."""
    reader = client.call(METADATA, 4, array([string(topic)]) + b'\0')
    reader.take('i')
    reader.array(lambda: (reader.take('i'), reader.string(), reader.take('i'), reader.string()))
    reader.string(), reader.take('ii'), reader.take('h'), reader.string(), reader.take('b')
    _, _, _, leader = reader.take('ihii')
    return leader


def a_failed_sync_takes_its_directory_offline_and_no_other(directory):
    dirs = [os.path.join(directory, name) for name in ('a', 'b')]
    override = 'log.dirs=' + ','.join(dirs)
    with Broker(directory, override) as broker, broker.connect() as client:
        for topic in 't0', 't1':
            assert client.create_topic(topic, configs=CONFIGS) == 0
            client.produce(topic, [b'durable'])
        # The metadata log is in the first directory, and without it there is no broker.
        (bad_file,) = glob.glob(directory + '/b/t?-0/*.log')
        (good_file,) = glob.glob(directory + '/a/t?-0/*.log')
        bad, good = (os.path.basename(os.path.dirname(path))[:2] for path in (bad_file, good_file))
        broker.stop()
    launcher = ('strace', '-f', '-q', '-P', bad_file, '-e', 'inject=fdatasync,fsync:error=EIO', '-o', '/dev/null')
    with Broker(directory, override, launcher=launcher) as broker:
        (weir,) = [int(pid) for pid in
                   open('/proc/%d/task/%d/children' % (broker.process.pid, broker.process.pid)).read().split()]
        try:
            with broker.connect() as client:
                assert _error_of(client, good, -1) == 0
                assert _error_of(client, bad, 1) == KAFKA_STORAGE_ERROR, 'acks=1 was answered before the sync'
                for acks in 1, -1:
                    assert _error_of(client, bad, acks) == KAFKA_STORAGE_ERROR, 'tried again as if it had worked'
                    assert _error_of(client, good, acks) == 0, 'the other directory went offline as well'
                error, _, values = client.fetch(good)
                assert (error, values) == (0, [b'durable'] + [b'value'] * 3), (error, values)
                wait_until(lambda: any('log_dir_failed' in line or 'log_dir_offline' in line for line in broker.lines),
                           what=broker.log())
                # The metadata names no leader any more, and the answer is the same.
                wait_until(lambda: _leader_of(client, bad) == -1, what=broker.log())
                assert _error_of(client, bad, 1) == KAFKA_STORAGE_ERROR
                assert client.fetch(bad)[0] == KAFKA_STORAGE_ERROR
        finally:
            os.kill(weir, signal.SIGKILL)
            broker.process.wait()
    with Broker(directory, override) as broker, broker.connect() as client:
        assert client.fetch_all(bad)[:1] == [b'durable']
        assert client.fetch_all(good) == [b'durable'] + [b'value'] * 3
        broker.stop()


if __name__ == '__main__':
    if not _may_trace():
        print('skipped: strace cannot make system calls fail here')
        sys.exit(0)
    run(globals())
