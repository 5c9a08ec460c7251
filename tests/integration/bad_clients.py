# SPDX-License-Identifier: Apache-2.0
"""Whatever one client sends, the others notice nothing, and the log says in words what came."""
import random
import struct

from harness import API_VERSIONS, JOIN_GROUP, METADATA, PRODUCE, Broker, Client, run, string

# A TLS 1.2 record with the beginning of a client hello.
TLS_HELLO = bytes.fromhex('16030100f8010000f40303') + bytes(range(32)) + bytes(205)


def http_on_the_kafka_port_is_recognised_and_explained(directory):
    with Broker(directory) as broker, broker.connect() as client:
        client.socket.sendall(b'GET / HTTP/1.1\r\nHost: localhost\r\n\r\n')
        answer = client.socket.recv(4096)
        assert answer.startswith(b'HTTP/1.1 400') and b'Kafka' in answer, answer
        assert client.is_closed()
        assert 'HTTP' in broker.wait_line('connection_closed')
        broker.stop()


def tls_on_the_kafka_port_is_recognised_and_explained(directory):
    with Broker(directory) as broker, broker.connect() as client:
        client.socket.sendall(TLS_HELLO)
        assert client.is_closed()
        assert 'TLS' in broker.wait_line('connection_closed')
        broker.stop()


def frames_that_are_too_large_or_negative_close_their_connection(directory):
    with Broker(directory) as broker, broker.connect() as good:
        for length in (-1, -2147483648, 2147483647, 104857601):
            with broker.connect() as client:
                client.socket.sendall(struct.pack('>i', length) + b'x' * 100)
                assert client.is_closed(), length
            assert good.api_versions()
        assert 'limit' in broker.wait_line('connection_closed')
        broker.stop()


def an_unknown_api_closes_its_connection_and_no_other(directory):
    with Broker(directory) as broker, broker.connect() as good, broker.connect() as client:
        client.send(9999, 0, b'')
        assert client.is_closed()
        assert good.api_versions()
        broker.stop()


def an_unknown_version_of_api_versions_is_answered(directory):
    with Broker(directory) as broker, broker.connect() as client:
        reader = client.call(API_VERSIONS, 99, b'\0')  # the header's empty tagged fields
        assert reader.take('h') == 35  # UNSUPPORTED_VERSION
        assert client.api_versions()
        broker.stop()


def random_bytes_hurt_nobody(directory):
    numbers = random.Random(1)
    with Broker(directory) as broker, broker.connect() as good:
        assert good.create_topic('t') == 0
        for i in range(150):
            with broker.connect() as client:
                size = numbers.randrange(0, 400)
                body = numbers.randbytes(size)
                if i % 3 == 0:  # a plausible header
                    key, version = numbers.choice((0, 1, 2, 3, 8, 9, 10, 11, 19, 36, 60)), numbers.randrange(0, 14)
                    body = struct.pack('>hhi', key, version, i) + string('x') + body
                frame = struct.pack('>i', len(body)) + body if i % 5 else numbers.randbytes(30)
                try:
                    client.socket.sendall(frame)
                except ConnectionError:
                    pass
            if i % 25 == 0:
                assert good.produce('t', [b'x']) >= 0
        assert good.api_versions()
        assert broker.process.poll() is None, broker.log()
        broker.stop()


def counts_beyond_the_frame_are_refused(directory):
    """Arrays and strings that claim more than what follows."""
    bodies = [
        (METADATA, 4, struct.pack('>i', 2147483647)),
        (METADATA, 4, struct.pack('>ih', 1, 32767)),
        (PRODUCE, 3, struct.pack('>hhii', -1, 1, 1000, 2147483647)),
        (PRODUCE, 3, struct.pack('>hhii', -1, 1, 1000, 1) + string('t') + struct.pack('>iii', 1, 0, 2147483647)),
        (JOIN_GROUP, 2, string('g') + struct.pack('>ii', 30000, 30000) + string('') + string('c') + struct.pack('>i', 1 << 30)),
    ]
    with Broker(directory) as broker, broker.connect() as good:
        for key, version, body in bodies:
            with broker.connect() as client:
                client.send(key, version, body)
                assert client.is_closed(), (key, body)
            assert good.api_versions()
        assert broker.wait_line('request_closed_connection')
        broker.stop()


def max_connections_refuses_the_next_and_serves_again_when_one_leaves(directory):
    with Broker(directory, 'max.connections=3') as broker:
        clients = [broker.connect() for _ in range(3)]
        for client in clients:
            assert client.api_versions()
        with broker.connect() as fourth:
            assert _is_refused(fourth)
        assert 'max.connections' in broker.wait_line('connection_refused')
        for client in clients[1:]:
            assert client.api_versions()
        clients[0].socket.close()
        _serve_again(broker)
        for client in clients:
            client.socket.close()
        broker.stop()


def _is_refused(client):
    try:
        client.api_versions()
        return False
    except (ConnectionError, OSError):
        return True


def _serve_again(broker):
    """The broker notices the one that left in its own time."""
    for _ in range(1000):
        with Client(broker.port) as client:
            if not _is_refused(client):
                return
    raise AssertionError('nobody is served any more')


def a_client_that_reads_nothing_does_not_stop_the_others(directory):
    with Broker(directory) as broker, broker.connect() as good, broker.connect() as lazy:
        assert good.create_topic('t') == 0
        for _ in range(20):
            good.produce('t', [b'x' * 100000])
        lazy.socket.setblocking(False)
        try:
            for _ in range(200):
                lazy.send_fetch('t', 0)
        except BlockingIOError:
            pass
        assert len(good.fetch_all('t')) == 20
        broker.stop()


def half_a_request_and_gone_is_nothing_special(directory):
    with Broker(directory) as broker, broker.connect() as good:
        for _ in range(20):
            with broker.connect() as client:
                client.socket.sendall(struct.pack('>ihh', 100, 3, 4))
        assert good.api_versions()
        broker.stop()


if __name__ == '__main__':
    run(globals())
