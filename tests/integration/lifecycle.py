# SPDX-License-Identifier: Apache-2.0
"""A broker starts, says where it is, stops in time, and finds its things again."""
import os
import re
import signal
import socket
import struct

from harness import Broker, fails_to_start, run


def start_says_ready_and_writes_the_port_file(directory):
    with Broker(directory) as broker:
        line = broker.wait_line(' ready ')
        assert re.search(r'listener=PLAINTEXT://127\.0\.0\.1:%d\b' % broker.port, line), line
        assert re.search(r'cluster_id=[A-Za-z0-9_-]{22}\b', line), line
        with broker.connect() as client:
            assert client.api_versions()[18][1] >= 4
        broker.stop()


def second_broker_on_the_same_directory_is_refused_with_a_sentence(directory):
    with Broker(directory) as broker, broker.connect() as client:
        os.rename(broker.port_file, broker.port_file + '.first')
        code, log = fails_to_start(directory)
        assert code == 1, code
        line = [line for line in log.splitlines() if 'start_failed' in line][0]
        assert broker.data in line and re.search('another|lock', line), line
        assert client.api_versions()
        broker.stop()


def sigterm_stops_within_five_seconds_with_code_0(directory):
    with Broker(directory) as broker:
        broker.stop(signal.SIGTERM)
        assert broker.wait_line(' stopped')


def sigint_stops_within_five_seconds_with_code_0(directory):
    with Broker(directory) as broker:
        broker.stop(signal.SIGINT)
        assert broker.wait_line('signal=SIGINT')


def stop_does_not_wait_for_open_long_polls_and_joins(directory):
    with Broker(directory) as broker, broker.connect() as poll, broker.connect() as first, broker.connect() as second:
        assert poll.create_topic('t') == 0
        first.coordinate('g')
        error, _, _ = first.join_group('g')
        assert error == 0, error
        poll.send_fetch('t', 0, wait_ms=600000)
        # The first member does not come back, so the second waits for the rebalance timeout.
        second.send_join_group('g', rebalance_ms=600000)
        broker.stop()
        assert poll.is_closed() and second.is_closed()


def stop_during_idle_and_half_sent_requests_is_clean(directory):
    with Broker(directory) as broker, broker.connect() as idle, broker.connect() as half:
        assert idle.api_versions()
        half.socket.sendall(b'\0\0\1\0\0\x12')
        broker.stop()


def restart_keeps_topics_and_records(directory):
    with Broker(directory) as broker, broker.connect() as client:
        assert client.create_topic('kept', 3) == 0
        for i in range(20):
            assert client.produce('kept', [b'%d' % i]) == i
        broker.stop()
    with Broker(directory) as broker, broker.connect() as client:
        assert client.metadata('kept')['kept'] == (0, 3)
        assert client.fetch_all('kept') == [b'%d' % i for i in range(20)]
        assert client.produce('kept', [b'next']) == 20
        broker.stop()


def restart_keeps_the_cluster_id(directory):
    ids = set()
    for _ in range(2):
        with Broker(directory) as broker:
            ids.add(re.search(r'cluster_id=(\S+)', broker.wait_line(' ready ')).group(1))
            broker.stop()
    assert len(ids) == 1, ids


def kill_9_loses_nothing_that_was_acknowledged(directory):
    told = []
    for round_number in range(3):
        with Broker(directory, 'log.segment.bytes=1048576') as broker, broker.connect() as client:
            if round_number == 0:
                assert client.create_topic('t') == 0
            assert client.fetch_all('t') == told
            for i in range(50):
                value = b'%d/%d' % (round_number, i) * 100
                assert client.produce('t', [value]) == len(told)
                told.append(value)
            broker.kill()
    with Broker(directory) as broker, broker.connect() as client:
        assert client.fetch_all('t') == told
        broker.stop()


def garbage_at_the_end_of_a_log_is_cut_after_kill_9_and_told(directory):
    with Broker(directory) as broker, broker.connect() as client:
        assert client.create_topic('t') == 0
        client.produce('t', [b'good'])
        broker.kill()
        log = os.path.join(broker.data, 't-0', '0' * 20 + '.log')
    with open(log, 'rb') as file:
        size = 12 + struct.unpack('>i', file.read(12)[8:])[0]
    with open(log, 'r+b') as file:
        file.seek(size)
        file.write(bytes(range(1, 101)))
    with Broker(directory) as broker, broker.connect() as client:
        assert 't-0' in broker.wait_line('log_repaired')
        assert client.fetch_all('t') == [b'good']
        broker.stop()


def unwritable_directory_gives_a_sentence(directory):
    # A file in the way: permissions mean nothing to root, who may run this.
    with open(os.path.join(directory, 'data'), 'w'):
        pass
    code, log = fails_to_start(directory)
    assert code == 1 and 'start_failed' in log and os.path.join(directory, 'data') in log, log


def read_only_directory_gives_a_sentence(directory):
    if os.geteuid() == 0:
        return
    data = os.path.join(directory, 'data')
    os.mkdir(data, 0o500)
    code, log = fails_to_start(directory)
    assert code == 1 and data in log and 'denied' in log, log


def port_in_use_gives_a_sentence(directory):
    with socket.socket() as taken:
        taken.bind(('127.0.0.1', 0))
        taken.listen()
        port = taken.getsockname()[1]
        code, log = fails_to_start(directory, listen='127.0.0.1:%d' % port)
    assert code == 1, code
    line = [line for line in log.splitlines() if 'start_failed' in line][0]
    assert str(port) in line and 'in use' in line, line


def start_after_a_failed_start_works(directory):
    with socket.socket() as taken:
        taken.bind(('127.0.0.1', 0))
        taken.listen()
        fails_to_start(directory, listen='127.0.0.1:%d' % taken.getsockname()[1])
    with Broker(directory) as broker:
        broker.stop()


def start_and_stop_many_times_in_a_row(directory):
    for _ in range(10):
        with Broker(directory) as broker:
            broker.stop()


if __name__ == '__main__':
    run(globals())
