# SPDX-License-Identifier: Apache-2.0
"""The traps of a log directory that lie in what belongs to the node as a whole: names of directories, ids, locks, the
internal topics, the metadata log, other brokers (docs/traps.md)."""
import base64
import fcntl
import os
import shutil
import struct
import subprocess
import tempfile

from harness import Broker, run, string, wait_until

from disk import (LOG, SNAPPY, Fetched, Files, build, clean_epoch, commit_offset, fetch_offset, init_producer_id, is_clean,
                  is_quiet, java_hash, list_offset, make, metadata_records, now_ms, produce,
                  properties, raw_snappy, refused, told, top)
from txn_client import TRANSACTIONAL_ID_NOT_FOUND, TxnClient

REGISTER_BROKER, CONFIG, PRODUCER_IDS = 0, 4, 15
PARTITION_COUNT = 2     # of __consumer_offsets, as the harness sets it


def _with_records(directory, topic='t'):
    files = make(directory, topic)
    with Broker(directory) as broker:
        with broker.connect() as client:
            assert produce(client, topic, build([b'a', b'b', b'c'])) == (0, 0)
        broker.stop()
    return files


# ---- 5, 6: directories ----

def trap_05_a_partition_whose_metadata_file_is_lost_is_not_set_aside(directory):
    files = _with_records(directory)
    whole = files.read('partition.metadata')
    os.unlink(files.path('partition.metadata'))
    with Broker(directory) as broker:
        told(broker, 'partition_metadata_restored', 't-0')
        with broker.connect() as client:
            assert Fetched(client, 't').values() == [b'a', b'b', b'c']
        broker.stop()
    assert files.read('partition.metadata') == whole
    assert not [name for name in os.listdir(files.data) if name.endswith('-stray')]


def trap_05_another_topics_partition_is_kept_aside_and_said(directory):
    files = _with_records(directory)
    other = base64.urlsafe_b64encode(b'0123456789abcdef').decode().rstrip('=')
    files.write('partition.metadata', b'version: 0\ntopic_id: ' + other.encode())
    kept = files.read(0, LOG)
    with Broker(directory) as broker:
        line = told(broker, 'partition_is_stray', 't-0', other)
        (stray,) = [name for name in os.listdir(files.data) if name.endswith('-stray')]
        assert stray in line
        with open(top(directory, stray) + '/%020d.log' % 0, 'rb') as file:
            assert file.read() == kept
        broker.stop()
    assert os.path.exists(top(directory, stray))


def _everything(directory):
    found = {}
    for parent, _, names in os.walk(top(directory, '')):
        for name in names:
            with open(os.path.join(parent, name), 'rb') as file:
                found[os.path.join(parent, name)] = file.read()
    return found


def _starts_as_after_a_clean_stop(directory, epoch):
    """The marker was left where it was, and its epoch is what is registered."""
    with Broker(directory) as broker:
        with broker.connect() as client:
            assert Fetched(client, 't').values() == [b'a', b'b', b'c']
        is_quiet(broker)
        assert not is_clean(directory)
        broker.stop()
    assert is_clean(directory) and clean_epoch(directory) > epoch


def trap_06_a_foreign_directory_is_refused_by_name_and_nothing_is_lost(directory):
    files = _with_records(directory)
    os.mkdir(top(directory, 'lost+found'))
    before, epoch = _everything(directory), clean_epoch(directory)
    code, log = refused(directory)
    assert code == 1 and 'lost+found' in log, log
    assert _everything(directory) == before and clean_epoch(directory) == epoch
    os.rmdir(top(directory, 'lost+found'))
    _starts_as_after_a_clean_stop(directory, epoch)


# ---- 8, 23: coordinator records ----

def _groups():
    """two groups of different partitions of __consumer_offsets"""
    names = ['group-%d' % i for i in range(8)]
    return [next(name for name in names if java_hash(name) % PARTITION_COUNT == i) for i in range(PARTITION_COUNT)]


def _offset_key(group, topic, partition=0):
    return struct.pack('>h', 1) + string(group) + string(topic) + struct.pack('>i', partition)


def _with_commits(directory):
    files = make(directory, 't')
    groups = _groups()
    with Broker(directory) as broker:
        with broker.connect() as client:
            for i, group in enumerate(groups):
                client.coordinate(group)
                wait_until(lambda: commit_offset(client, group, 't', 10 + i) == 0)  # until it is loaded
        broker.stop()
    return files, groups, [Files(directory, '__consumer_offsets', i) for i in range(PARTITION_COUNT)]


def trap_08_an_offset_of_an_unknown_version_stops_its_partition_and_is_said(directory):
    _, groups, logs = _with_commits(directory)
    bad = build([(_offset_key(groups[0], 'u'), struct.pack('>hqi', 9, 77, -1))], logs[0].end())
    logs[0].append(bad)
    with Broker(directory) as broker, broker.connect() as client:
        line = told(broker, 'coordinator_load_failed', '__consumer_offsets', 'partition=0')
        assert 'NOT_COORDINATOR' in line and 'type 1' in line, line
        assert fetch_offset(client, groups[0], 't')[0] == 16      # an offset that is not known is not made up
        assert fetch_offset(client, groups[1], 't') == (0, 11)
        broker.stop(is_damaged=True)
    assert bad in logs[0].read(logs[0].bases()[-1], LOG)        # for the broker that knows the version


def trap_08_a_transaction_of_an_unknown_version_is_passed_over_and_said(directory):
    def connect(broker):
        return TxnClient(broker.port)

    with Broker(directory, 'transaction.state.log.num.partitions=1') as broker:
        with connect(broker) as client:
            producer = client.begin('x')
        broker.stop()
    log = Files(directory, '__transaction_state')
    log.append(build([(struct.pack('>h', 0) + string('y'), struct.pack('>hq', 9, 77))], log.end(), producer=(-1, -1, -1)))
    with Broker(directory, 'transaction.state.log.num.partitions=1') as broker, connect(broker) as client:
        told(broker, 'transaction_records_unknown', 'partition=0')
        assert client.describe('x')[:4] == (0, 'Empty', *producer)
        assert client.describe('y')[0] == TRANSACTIONAL_ID_NOT_FOUND
        broker.stop(is_damaged=True)


def trap_23_records_without_topic_ids_or_with_odd_times_load(directory):
    _, (group, _), (log, _) = _with_commits(directory)
    nothing = struct.pack('>h', -1)
    added, base = [], log.end()
    for version, extra in (1, struct.pack('>q', -1)), (2, b''), (3, b''):
        value = struct.pack('>hq', version, 100 + version) + (struct.pack('>i', -1) if version == 3 else b'')
        value += string('') + struct.pack('>q', now_ms()) + extra
        added.append(build([(_offset_key(group, 'v%d' % version), value)], base))
        base += 1
    for name, changed_ms in ('at-minus-one', -1), ('in-the-future', now_ms() + 10 ** 12):
        name += next(str(i) for i in range(100) if java_hash(name + str(i)) % PARTITION_COUNT == 0)
        added.append(build([(struct.pack('>h', 2) + string(name),
                             struct.pack('>h', 3) + string('consumer') + struct.pack('>i', 4) + nothing + nothing +
                             struct.pack('>qi', changed_ms, 0)),
                            (_offset_key(name, 't'),
                             struct.pack('>hqi', 3, 55, -1) + string('') + struct.pack('>q', now_ms()))], base))
        base += 2
    log.append(*added)
    with Broker(directory) as broker, broker.connect() as client:
        for version in 1, 2, 3:
            assert fetch_offset(client, group, 'v%d' % version) == (0, 100 + version)
        assert fetch_offset(client, group, 't') == (0, 10)
        for batch in log.batches()[-2:]:
            (_, key, _), _ = batch.records()
            assert fetch_offset(client, key[4:].decode(), 't') == (0, 55)
        assert 'coordinator_load_failed' not in '\n'.join(broker.lines)


# ---- 10, 11, 17, 21, 24: who this node is ----

def trap_10_the_directory_id_is_kept_and_another_one_is_said(directory):
    files = _with_records(directory)
    before = properties(directory)
    with Broker(directory) as broker:
        broker.stop()
    assert properties(directory) == before
    with open(top(directory, 'meta.properties')) as file:
        text = file.read()
    other = base64.urlsafe_b64encode(os.urandom(16)).decode().rstrip('=').replace('-', 'a')
    with open(top(directory, 'meta.properties'), 'w') as file:
        file.write(text.replace(before['directory.id'], other))
    with Broker(directory) as broker:
        told(broker, 'log_dir_id_is_new', files.data, other)
        with broker.connect() as client:
            assert Fetched(client, 't').values() == [b'a', b'b', b'c']
            assert produce(client, 't', build([b'd'])) == (0, 3)
        broker.stop()
    assert properties(directory)['directory.id'] == other
    with Broker(directory) as broker, broker.connect() as client:
        is_quiet(broker)
        assert Fetched(client, 't').values() == [b'a', b'b', b'c', b'd']


def trap_11_the_lock_is_the_one_that_java_takes(directory):
    _with_records(directory)
    with Broker(directory) as broker:
        inode = os.stat(top(directory, '.lock')).st_ino
        with open('/proc/locks') as file:
            locks = [line for line in file if ':%d ' % inode in line]
        assert locks and all('POSIX' in line and 'WRITE' in line and line.rstrip().endswith('0 EOF') for line in locks), locks
        with open(top(directory, '.lock'), 'r+b') as file:
            try:
                fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                raise AssertionError('the lock was free')
            except BlockingIOError:
                pass
        second = tempfile.mkdtemp(dir=directory)
        os.symlink(top(directory, ''), os.path.join(second, 'data'))
        code, log = refused(second)
        assert code == 1 and 'Failed to acquire lock on file .lock' in log, log
        broker.stop()
    with open(top(directory, '.lock'), 'r+b') as file:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        assert is_clean(directory)
        code, log = refused(directory)
        assert code == 1 and 'Failed to acquire lock on file .lock' in log, log
        assert is_clean(directory)      # the marker of the other one is not touched


def trap_11_apache_kafka_is_kept_out(directory):
    libs = os.environ.get('KAFKA_LIBS')
    if not libs or shutil.which('java') is None:
        print('       without KAFKA_LIBS and java Apache Kafka is not tried')
        return
    _with_records(directory)
    with Broker(directory) as broker:
        settings = os.path.join(directory, 'server.properties')
        with open(settings, 'w') as file:
            file.write('process.roles=broker,controller\nnode.id=%s\ncontroller.quorum.voters=%s@localhost:1\n'
                       'listeners=PLAINTEXT://127.0.0.1:0,CONTROLLER://127.0.0.1:0\ncontroller.listener.names=CONTROLLER\n'
                       'log.dirs=%s\n' % (properties(directory)['node.id'], properties(directory)['node.id'],
                                          top(directory, '')))
        kafka = subprocess.run(['java', '-Xmx256m', '-XX:+UseSerialGC', '-cp', libs + '/*', 'kafka.Kafka', settings],
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120, check=False)
        assert kafka.returncode != 0 and 'Failed to acquire lock' in kafka.stdout, kafka.stdout[-3000:]
        with broker.connect() as client:
            assert Fetched(client, 't').values() == [b'a', b'b', b'c']
        broker.stop()
    assert is_clean(directory)


def _blocks(directory):
    return [struct.unpack('>iqq', body[:20])[2] for _, kind, _, body in metadata_records(directory) if kind == PRODUCER_IDS]


def trap_17_a_start_takes_a_new_block_of_producer_ids(directory):
    given = []
    for kill in False, True, False:
        with Broker(directory) as broker:
            with broker.connect() as client:
                given += [init_producer_id(client)[0] for _ in range(3)]
            if kill:
                broker.kill()
            else:
                broker.stop()
        ends = _blocks(directory)
        assert len(ends) == len(given) // 3 and ends[-1] - 1000 <= given[-3] < given[-1] < ends[-1], (given, ends)
    assert given == sorted(set(given))


def _registrations(directory):
    """[(offset, incarnation id, broker epoch)]"""
    found = []
    for offset, kind, version, body in metadata_records(directory):
        if kind == REGISTER_BROKER:
            at = 4 + (version >= 2)     # the node's id, whether it migrates
            found.append((offset, body[at:at + 16], struct.unpack_from('>q', body, at + 16)[0]))
    return found


def trap_21_the_marker_has_the_epoch_of_the_last_registration(directory):
    for kill in False, True, False:
        with Broker(directory) as broker:
            assert not is_clean(directory)
            if kill:
                broker.kill()
                assert not is_clean(directory)
            else:
                broker.stop()
                offset, _, epoch = _registrations(directory)[-1]
                assert clean_epoch(directory) == epoch == offset


def trap_24_each_start_is_a_new_incarnation_of_the_same_node(directory):
    _with_records(directory)
    with Broker(directory) as broker:
        broker.stop()
    found = _registrations(directory)
    assert len(found) == 3 and len({incarnation for _, incarnation, _ in found}) == 3
    assert [epoch for _, _, epoch in found] == sorted({epoch for _, _, epoch in found})
    code, log = refused(directory, 'node.id=77')
    assert code == 1 and 'formatted for node 1 ' in log, log
    _starts_as_after_a_clean_stop(directory, clean_epoch(directory))


# ---- 16, 20, 25: what comes over the wire ----

def trap_16_raw_snappy_is_read_and_kept_as_it_came(directory):
    make(directory, 't', [('compression.type', 'producer')])
    now = now_ms()
    data = build([b'value %d' % i * 20 for i in range(50)], timestamp=now, step=1, attributes=SNAPPY, pack=raw_snappy)
    assert b'SNAPPY' not in data
    with Broker(directory) as broker, broker.connect() as client:
        assert produce(client, 't', data) == (0, 0)
        (batch,) = Fetched(client, 't').batches
        assert batch.data[61:] == data[61:]
        assert list_offset(client, 't', now + 20) == (now + 20, 20)     # which has to look inside
        bad = build([b'x'], attributes=SNAPPY, pack=lambda records: raw_snappy(records)[:-3])
        assert produce(client, 't', bad)[0] != 0 and list_offset(client, 't', -1)[1] == 50
        assert client.create_topic('g', 1, [('compression.type', 'gzip')]) == 0
        assert produce(client, 'g', data) == (0, 0)
        (batch,) = Fetched(client, 'g').batches
        assert batch.attributes & 7 == 1 and batch.count == 50


def _config_record(topic, name, value):
    def compact(text):
        return bytes([len(text) + 1]) + text.encode()
    return b'\1' + bytes([CONFIG, 0]) + struct.pack('>b', 2) + compact(topic) + compact(name) + compact(value) + b'\0'


def trap_20_a_topic_in_remote_storage_is_refused(directory):
    files = _with_records(directory)
    with Broker(directory) as broker:
        with broker.connect() as client:
            assert client.create_topic('r', 1, [('remote.storage.enable', 'true')]) == 40      # INVALID_CONFIG
        broker.stop()
    # Apache Kafka had made it so.
    log = Files(directory, '__cluster_metadata')
    last, names = log.batches()[-1], os.listdir(log.dir)
    log.append(build([(None, _config_record('t', 'remote.storage.enable', 'true'))], last.last + 1, last.epoch))
    before = files.read(0, LOG), sorted(os.listdir(files.dir)), log.batches()[-1].last
    epoch = clean_epoch(directory)
    code, output = refused(directory)
    assert code == 1 and 'remote.storage.enable' in output and 'topic t ' in output, output
    # Not even an election is in the metadata log.
    assert (files.read(0, LOG), sorted(os.listdir(files.dir)), log.batches()[-1].last) == before, names
    assert clean_epoch(directory) == epoch
    last = log.batches()[-1]
    log.append(build([(None, _config_record('t', 'remote.storage.enable', 'false'))], last.last + 1, last.epoch))
    _starts_as_after_a_clean_stop(directory, epoch)


def trap_25_the_apis_between_brokers_are_those_of_4_3_0(directory):
    with Broker(directory) as broker, broker.connect() as client:
        versions = client.api_versions()
    # Served on a broker's listener, up to the version that 4.3.0 uses between brokers.
    assert versions[1][1] == 18 and versions[2][1] == 11 and versions[23][1] == 4
    assert versions[27] == (1, 2) and versions[24] == (0, 5)    # WriteTxnMarkers, AddPartitionsToTxn
    # Spoken to controllers only.
    assert not {56: 'AlterPartition', 62: 'BrokerRegistration', 63: 'BrokerHeartbeat', 67: 'AllocateProducerIds',
                73: 'AssignReplicasToDirs'}.keys() & versions.keys()


if __name__ == '__main__':
    run(globals())
