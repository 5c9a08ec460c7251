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

from harness import Broker, PRODUCE, array, batch, run, string, wait_until

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


def a_failed_sync_takes_its_directory_offline_and_no_other(directory):
    dirs = [os.path.join(directory, name) for name in ('a', 'b')]
    override = 'log.dirs=' + ','.join(dirs)
    with Broker(directory, override) as broker, broker.connect() as client:
        for topic in 't0', 't1':
            assert client.create_topic(topic, configs=CONFIGS) == 0
            client.produce(topic, [b'durable'])
        (bad_file,) = glob.glob(directory + '/?/t0-0/*.log')
        (good_file,) = glob.glob(directory + '/?/t1-0/*.log')
        assert os.path.dirname(os.path.dirname(bad_file)) != os.path.dirname(os.path.dirname(good_file))
        broker.stop()
    launcher = ('strace', '-f', '-q', '-P', bad_file, '-e', 'inject=fdatasync,fsync:error=EIO', '-o', '/dev/null')
    with Broker(directory, override, launcher=launcher) as broker:
        (weir,) = [int(pid) for pid in
                   open('/proc/%d/task/%d/children' % (broker.process.pid, broker.process.pid)).read().split()]
        try:
            with broker.connect() as client:
                assert _error_of(client, 't1', -1) == 0
                assert _error_of(client, 't0', 1) == KAFKA_STORAGE_ERROR, 'acks=1 was answered before the sync'
                for acks in 1, -1:
                    assert _error_of(client, 't0', acks) == KAFKA_STORAGE_ERROR, 'tried again as if it had worked'
                    assert _error_of(client, 't1', acks) == 0, 'the other directory went offline as well'
                error, _, values = client.fetch('t1')
                assert (error, values) == (0, [b'durable'] + [b'value'] * 3), (error, values)
                wait_until(lambda: any('log_dir_failed' in line or 'log_dir_offline' in line for line in broker.lines),
                           what=broker.log())
        finally:
            os.kill(weir, signal.SIGKILL)
            broker.process.wait()
    with Broker(directory, override) as broker, broker.connect() as client:
        assert client.fetch_all('t0')[:1] == [b'durable']
        assert client.fetch_all('t1') == [b'durable'] + [b'value'] * 3
        broker.stop()


if __name__ == '__main__':
    if not _may_trace():
        print('skipped: strace cannot make system calls fail here')
        sys.exit(0)
    run(globals())
