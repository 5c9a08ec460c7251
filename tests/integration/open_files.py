# SPDX-License-Identifier: Apache-2.0
"""Many more partitions than the process may have files open.  usage: open_files.py WEIR [CLAIM] (--full as the claim: 10,000
partitions under a hard limit of 1024)."""
import os
import sys

from harness import Broker, run, wait_until

FULL = '--full' in sys.argv
if FULL:
    sys.argv.remove('--full')
LIMIT, TOPICS, PARTITIONS = (1024, 10, 1000) if FULL else (256, 2, 300)


def _limited(files):
    return ('sh', '-c', 'ulimit -Sn %d && ulimit -Hn %d && exec "$@"' % (min(files, 200), files), 'sh')


def _produced(client, topic, partition, value, offset):
    """False while the partition is not served yet."""
    try:
        return client.produce(topic, [value], partition=partition) == offset
    except AssertionError:
        return False


def _open_count(broker):
    return len(os.listdir('/proc/%d/fd' % broker.process.pid))


def many_partitions_are_written_read_and_found_again_under_a_low_limit(directory):
    topics = ['t%d' % i for i in range(TOPICS)]
    probes = range(0, PARTITIONS, 1 if not FULL else 7)
    with Broker(directory, launcher=_limited(LIMIT)) as broker, broker.connect() as client:
        line = broker.wait_line('open_files_limit_low')
        assert 'limit=%d' % LIMIT in line and 'segments=%d' % (LIMIT // 2) in line, line
        for topic in topics:
            assert client.create_topic(topic, partitions=PARTITIONS) == 0
        for topic in topics:
            for partition in probes:
                wait_until(lambda t=topic, p=partition: _produced(client, t, p, b'%d' % p, 0))
        assert _open_count(broker) < LIMIT * 3 // 4, _open_count(broker)
        assert 'log_dir_offline' not in broker.log(), broker.log()
        broker.stop()
    with Broker(directory, launcher=_limited(LIMIT)) as broker, broker.connect() as client:
        for topic in topics:
            for partition in probes:
                assert client.fetch(topic, partition=partition) == (0, 1, [b'%d' % partition]), (topic, partition)
                assert client.produce(topic, [b'more'], partition=partition) == 1
        assert _open_count(broker) < LIMIT * 3 // 4, _open_count(broker)
        broker.kill()
    with Broker(directory, launcher=_limited(LIMIT)) as broker, broker.connect() as client:
        for topic in topics:
            for partition in probes:
                assert client.produce(topic, [b'again'], partition=partition) == 2, (topic, partition)
        assert 'log_dir_offline' not in broker.log(), broker.log()
        broker.stop()


def clients_above_the_limit_are_refused_and_the_log_goes_on(directory):
    with Broker(directory, launcher=_limited(220)) as broker, broker.connect() as client:
        assert client.create_topic('t', partitions=150) == 0
        others = []
        try:
            for _ in range(200):
                others.append(broker.connect())
            for partition in range(150):
                wait_until(lambda p=partition: _produced(client, 't', p, b'x', 0))
        finally:
            for other in others:
                other.socket.close()
        assert 'log_dir_offline' not in broker.log(), broker.log()
        broker.stop()


if __name__ == '__main__':
    run(globals())
