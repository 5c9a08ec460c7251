# SPDX-License-Identifier: Apache-2.0
"""The traps of a log directory that lie in the files of one partition (docs/traps.md).  Each test stops weir cleanly, does to
the files what would make Apache Kafka lose data in silence, starts weir again and sees that nothing is lost and that the
repair is said."""
import os
import shutil
import struct

from harness import Broker, run, wait_until

from disk import (ABORT, COMMIT, INDEX, LOG, SNAPSHOT, TIME_INDEX, TRANSACTIONAL, TXN_INDEX, Fetched, Files, batches, build,
                  checkpoint, delete_records, epoch_end, init_producer_id, is_clean, is_quiet, list_offset, make, marker, now_ms,
                  produce, told, top)

SMALL = [('segment.bytes', '1048576')]
SOON = ('log.retention.check.interval.ms=50', 'log.initial.task.delay.ms=50')
WEEK_MS = 7 * 24 * 3600 * 1000


def _fill(client, topic, count=40, records=5, size=500, start=0):
    """Batches large enough that the index gets entries."""
    for i in range(start, start + count):
        assert produce(client, topic, build([b'%d-%d-' % (i, j) + b'x' * size for j in range(records)]))[0] == 0


def _filled(directory, topic='t', configs=(), **kwargs):
    files = make(directory, topic, configs)
    with Broker(directory) as broker:
        with broker.connect() as client:
            _fill(client, topic, **kwargs)
        broker.stop()
    assert is_clean(directory)
    return files


def _end(client, topic='t'):
    return list_offset(client, topic, -1)[1]


def trap_01_zero_padded_indexes_do_not_delete_the_log(directory):
    files = _filled(directory)
    wanted = [batch.data for batch in files.batches()]
    whole = files.read(0, INDEX), files.read(0, TIME_INDEX)
    files.write(0, whole[0].ljust(10485760, b'\0'), INDEX)
    files.write(0, whole[1].ljust(10485756, b'\0'), TIME_INDEX)
    make_old = build([b'old'], timestamp=now_ms() - 2 * WEEK_MS)
    with Broker(directory, *SOON) as broker, broker.connect() as client:
        told(broker, 'log_repaired', 't-0', '00000000000000000000.index')
        assert client.create_topic('gone') == 0
        assert produce(client, 'gone', make_old) == (0, 0)
        told(broker, 'log_expired', 'gone')     # so retention has gone round, and is there to go round again
        assert produce(client, 'gone', make_old) == (0, 1)
        wait_until(lambda: list_offset(client, 'gone', -2)[1] == 2)
        found = Fetched(client, 't')
        assert found.start == 0 and [batch.data for batch in found.batches] == wanted
        assert list_offset(client, 't', -2)[1] == 0
        broker.stop()
    assert (files.read(0, INDEX), files.read(0, TIME_INDEX)) == whole


def trap_02_a_torn_tail_is_cut_in_spite_of_the_marker(directory):
    files = _filled(directory)
    end, whole = files.end(), files.read(0, LOG)
    for torn in 7, 60, 61, 300:
        assert is_clean(directory)
        files.append(build([b'y' * 400], end)[:torn])
        with Broker(directory) as broker, broker.connect() as client:
            told(broker, 'log_repaired', 't-0', 'cut_bytes=%d' % torn, 'byte %d' % len(whole))
            assert produce(client, 't', build([b'after %d' % torn])) == (0, end)
            assert Fetched(client, 't', end).values() == [b'after %d' % torn]
            broker.stop()
        assert files.end() == end + 1
        whole = files.read(0, LOG)
        end += 1


def trap_03_without_snapshots_producers_and_open_transactions_are_still_known(directory):
    files = make(directory, 't')
    with Broker(directory) as broker:
        with broker.connect() as client:
            producer, epoch = init_producer_id(client)
            assert produce(client, 't', build([b'a', b'b'], producer=(producer, epoch, 0))) == (0, 0)
        broker.stop()
    files.append(build([b'open'], 2, files.batches()[-1].epoch, (9000, 0, 0), TRANSACTIONAL))
    with Broker(directory) as broker:
        broker.stop()
    assert files.snapshot(3)[9000]['txn_first_offset'] == 2
    assert files.remove(SNAPSHOT) > 0 and is_clean(directory)
    with Broker(directory) as broker:
        told(broker, 'log_repaired', 't-0', 'no producer snapshot')
        with broker.connect() as client:
            found = Fetched(client, 't', committed=True)
            assert (found.stable, found.high_watermark, found.committed_values()) == (2, 3, [b'a', b'b'])
            assert produce(client, 't', build([b'a', b'b'], producer=(producer, epoch, 0))) == (0, 0)   # a repetition
            assert produce(client, 't', build([b'z'], producer=(producer, epoch, 5)))[0] == 45          # a gap
            assert _end(client) == 3
        broker.stop()
    assert set(files.snapshot(3)) == {9000, producer}


def _with_aborted(directory):
    """a transaction that was committed, one that was aborted, and plain records"""
    files = make(directory, 't')
    files.append(build([b'no', b'no'], 0, 0, (9000, 0, 0), TRANSACTIONAL), build([b'yes'], 2, 0, (9001, 0, 0), TRANSACTIONAL),
                 marker(ABORT, 3, 9000, 0), marker(COMMIT, 4, 9001, 0), build([b'plain'], 5))
    with Broker(directory) as broker:       # the first open makes snapshot and transaction index of it
        broker.stop()
    return files


def trap_04_a_lost_transaction_index_is_rebuilt(directory):
    files = _with_aborted(directory)
    os.unlink(top(directory, '.kafka_cleanshutdown'))
    with Broker(directory) as broker:
        broker.stop()
    wanted = files.txn_index(0)
    assert wanted == [(9000, 0, 3, 2)], wanted
    assert files.remove(TXN_INDEX) == 1 and is_clean(directory)
    with Broker(directory) as broker:
        with broker.connect() as client:
            found = Fetched(client, 't', committed=True)
            assert found.aborted == [(9000, 0)] and found.committed_values() == [b'yes', b'plain'], found.aborted
        told(broker, 'log_damage_found', 't-0', '00000000000000000000.txnindex')
        broker.stop()
    assert files.txn_index(0) == wanted


def trap_04_a_lost_transaction_index_that_nobody_asks_for_is_back_after_a_stop(directory):
    files = _with_aborted(directory)
    os.unlink(top(directory, '.kafka_cleanshutdown'))
    for _ in range(2):
        with Broker(directory) as broker:
            broker.stop()
    wanted = files.txn_index(0)
    for data in None, files.read(0, TXN_INDEX)[:0]:
        assert files.remove(TXN_INDEX) == 1 and is_clean(directory)
        if data is not None:
            files.write(0, data, TXN_INDEX)
        with Broker(directory) as broker:
            broker.stop()
        assert any('log_damage_found' in line and '.txnindex' in line for line in broker.lines), broker.log()
        assert files.txn_index(0) == wanted and files.index(0) == []
    files.remove(TXN_INDEX)
    with Broker(directory, 'log.initial.task.delay.ms=10') as broker:
        told(broker, 'log_damage_found', 't-0', '.txnindex')        # in the background
        wait_until(lambda: files.bases(TXN_INDEX) == [0] and files.txn_index(0) == wanted)
        broker.stop()


def trap_04_records_that_a_clean_broker_did_not_index_are_indexed(directory):
    files = _with_aborted(directory)
    with Broker(directory) as broker, broker.connect() as client:
        found = Fetched(client, 't', committed=True)
        assert found.aborted == [(9000, 0)] and found.committed_values() == [b'yes', b'plain'], found.aborted
    assert files.txn_index(0) == [(9000, 0, 3, 2)]


def trap_07_lost_leader_epochs_are_read_from_the_batches(directory):
    files = make(directory, 't')
    for i in range(3):
        with Broker(directory) as broker:
            with broker.connect() as client:
                assert produce(client, 't', build([b'a', b'b'])) == (0, 2 * i)
            broker.stop()
    wanted = files.epochs()
    assert len(wanted) == 3 and [start for _, start in wanted] == [0, 2, 4], wanted
    os.unlink(files.path('leader-epoch-checkpoint'))
    assert is_clean(directory)
    with Broker(directory) as broker:
        told(broker, 'log_repaired', 't-0', 'leader-epoch-checkpoint')
        with broker.connect() as client:
            assert [epoch_end(client, 't', epoch) for epoch, _ in wanted[:2]] == [
                (0, wanted[0][0], 2), (0, wanted[1][0], 4)]
        broker.stop()
    assert files.epochs()[:3] == wanted


def _with_start_inside(directory):
    files = make(directory, 't')
    with Broker(directory) as broker:
        with broker.connect() as client:
            for i in range(6):
                assert produce(client, 't', build([b'%d' % (2 * i), b'%d' % (2 * i + 1)])) == (0, 2 * i)
            assert delete_records(client, 't', 5) == (0, 5)
        broker.stop()
    assert checkpoint(directory, 'log-start-offset-checkpoint') == {('t', '0'): 5}
    return files


def trap_09_missing_checkpoints_do_not_bring_deleted_records_back(directory):
    files = _with_start_inside(directory)
    names = ['log-start-offset-checkpoint', 'recovery-point-offset-checkpoint', 'replication-offset-checkpoint']
    for name in names:
        os.unlink(top(directory, name))
    with Broker(directory) as broker:
        for name in names:
            told(broker, 'checkpoint_missing', name)
        told(broker, 'log_repaired', 't-0', 'log start', ' 5')
        with broker.connect() as client:
            assert list_offset(client, 't', -2)[1] == 5 and _end(client) == 12
            assert Fetched(client, 't', 4).error == 1       # OFFSET_OUT_OF_RANGE
            assert Fetched(client, 't', 5).values(5) == [b'%d' % i for i in range(5, 12)]
        broker.stop()
    assert checkpoint(directory, 'log-start-offset-checkpoint') == {('t', '0'): 5}
    assert files.epochs()[0][1] == 5


def trap_09_an_empty_checkpoint_is_as_good_as_none(directory):
    _with_start_inside(directory)
    for name in 'log-start-offset-checkpoint', 'recovery-point-offset-checkpoint', 'replication-offset-checkpoint':
        with open(top(directory, name), 'w'):
            pass
    with Broker(directory) as broker:
        told(broker, 'checkpoint_missing', 'log-start-offset-checkpoint')
        told(broker, 'log_repaired', 't-0', 'log start', ' 5')
        with broker.connect() as client:
            assert list_offset(client, 't', -2)[1] == 5 and _end(client) == 12


def trap_09_with_nothing_that_tells_the_start_the_records_are_shown_and_it_is_said(directory):
    files = _with_start_inside(directory)
    os.unlink(top(directory, 'log-start-offset-checkpoint'))
    os.unlink(files.path('leader-epoch-checkpoint'))
    with Broker(directory) as broker:
        told(broker, 'checkpoint_missing', 'log-start-offset-checkpoint', 'deleted')
        told(broker, 'log_repaired', 't-0', 'leader-epoch-checkpoint')
        with broker.connect() as client:
            assert list_offset(client, 't', -2)[1] == 0     # rather too many records than too few
            assert len(Fetched(client, 't').values()) == 12


def trap_12_a_load_touches_no_log_file(directory):
    files = _filled(directory, configs=SMALL, count=500)
    bases = files.bases()
    assert len(bases) > 1
    for base in bases:
        os.utime(files.path(base, LOG), (1500000000, 1500000000 + base))
    for clean in True, False, True:
        with Broker(directory, 'log.retention.ms=-1') as broker:
            if clean:
                broker.stop()
            else:
                broker.kill()
    assert [os.stat(files.path(base, LOG)).st_mtime for base in bases] == [1500000000 + base for base in bases]


def trap_13_records_with_old_timestamps_go_and_the_log_says_which_and_why(directory):
    newest = now_ms() - WEEK_MS - 5000
    with Broker(directory, *SOON) as broker, broker.connect() as client:
        assert client.create_topic('t') == 0
        assert produce(client, 't', build([b'%d' % i for i in range(10)], timestamp=newest - 9, step=1)) == (0, 0)
        line = told(broker, 'log_expired', 'topic=t ', 'partition=0', 'segments=1', 'records=10', 'newest_timestamp=%d' % newest,
                    'retention_ms=%d' % WEEK_MS)
        assert 'CreateTime' in line, line
        assert list_offset(client, 't', -2)[1] == _end(client) == 10


def trap_14_markers_of_a_newer_epoch_are_kept_as_they_are(directory):
    files = make(directory, 't')
    added = [build([b'a'], 0, 0, (9000, 0, 0), TRANSACTIONAL), marker(COMMIT, 1, 9000, 1),
             build([b'b'], 2, 0, (9000, 1, 0), TRANSACTIONAL), marker(ABORT, 3, 9000, 2)]
    files.append(*added)
    for clean in True, False:
        if not clean:
            os.unlink(top(directory, '.kafka_cleanshutdown'))
        with Broker(directory) as broker:
            with broker.connect() as client:
                found = Fetched(client, 't', committed=True)
                assert found.committed_values() == [b'a'] and found.aborted == [(9000, 2)]
                assert found.stable == found.high_watermark == 4
            broker.stop()
        assert files.read(0, LOG) == b''.join(added)
        entry = files.snapshot(4)[9000]
        assert (entry['epoch'], entry['last_sequence'], entry['last_offset'], entry['offset_delta'],
                entry['txn_first_offset']) == (2, -1, -1, 0, -1), entry
    with Broker(directory) as broker, broker.connect() as client:
        is_quiet(broker)
        assert produce(client, 't', build([b'old'], producer=(9000, 1, 1)))[0] == 47    # INVALID_PRODUCER_EPOCH
        assert produce(client, 't', build([b'gap'], producer=(9000, 2, 1)))[0] == 45    # OUT_OF_ORDER_SEQUENCE_NUMBER
        assert produce(client, 't', build([b'new'], producer=(9000, 2, 0))) == (0, 4)


def trap_15_index_entries_are_last_offsets_at_starts_of_batches(directory):
    files = _filled(directory, configs=SMALL, count=500, records=4)
    assert len(files.bases()) > 1
    for clean in True, False:       # as appended, and as rebuilt
        if not clean:
            os.unlink(top(directory, '.kafka_cleanshutdown'))
            os.unlink(top(directory, 'recovery-point-offset-checkpoint'))
            with Broker(directory) as broker:
                broker.stop()
        for base in files.bases():
            found = batches(files.read(base, LOG))
            starts = {batch.at: batch.last for batch in found}
            index, times = files.index(base), files.time_index(base)
            assert len(found) < 20 or len(index) > 10
            assert all(starts[pos] == offset for offset, pos in index) and all(pos > 0 for _, pos in index)
            assert index == sorted(index)
            first_of = {}
            for batch in found:
                first_of.setdefault(batch.max_timestamp, batch.last)
            assert all(first_of[timestamp] == offset for timestamp, offset in times)
            assert times[-1][0] == max(batch.max_timestamp for batch in found)


def trap_18_a_longer_stale_snapshot_is_thrown_away_and_said(directory):
    files = make(directory, 't')
    with Broker(directory) as broker:
        with broker.connect() as client:
            producer, epoch = init_producer_id(client)
            assert produce(client, 't', build([b'a'], producer=(producer, epoch, 0))) == (0, 0)
        broker.stop()
    whole = files.read(1, SNAPSHOT)
    files.write(1, whole + b'\0' * 46, SNAPSHOT)        # what was there before, and longer
    with Broker(directory) as broker:
        told(broker, 'log_repaired', 't-0', '00000000000000000001.snapshot')
        with broker.connect() as client:
            assert produce(client, 't', build([b'a'], producer=(producer, epoch, 0))) == (0, 0)
        broker.stop()
    assert files.read(1, SNAPSHOT) == whole


def trap_18_a_snapshot_is_never_written_into_an_older_longer_one(directory):
    files = make(directory, 't')
    with Broker(directory) as broker, broker.connect() as client:
        producer, epoch = init_producer_id(client)
        files.write(2, b'\1' * 4096, SNAPSHOT)          # of the name that the stop will write
        for i in range(2):
            assert produce(client, 't', build([b'a'], producer=(producer, epoch, i))) == (0, i)
        broker.stop()
    assert files.snapshot(2)[producer]['last_sequence'] == 1
    assert files.bases(SNAPSHOT) == [2] and files.remove('.tmp') == 0


def trap_19_leftovers_of_deletion_go_with_their_snapshots(directory):
    files = _filled(directory, configs=SMALL, count=500)
    wanted = [batch.data for batch in files.batches()]
    for suffix in LOG, INDEX, TIME_INDEX, TXN_INDEX, SNAPSHOT:
        files.write(0, b'x', suffix + '.deleted')
        files.write(7, b'x', suffix + '.deleted')
    gone = files.dir[:-len('t-0')] + 'old-0.0123456789abcdef0123456789abcdef-delete'
    shutil.copytree(files.dir, gone)
    with Broker(directory) as broker, broker.connect() as client:
        assert [batch.data for batch in Fetched(client, 't').batches] == wanted
        assert files.remove('.deleted') == 0
        told(broker, 'log_leftovers', 't-0', 'files=10')
        assert set(client.metadata('t')) == {'t'} and os.path.exists(gone)     # it waits for file.delete.delay.ms


def trap_19_a_compaction_that_was_still_writing_is_forgotten(directory):
    files = _filled(directory, configs=SMALL, count=500)
    wanted = [batch.data for batch in files.batches()]
    for suffix in LOG, INDEX, TIME_INDEX, TXN_INDEX:
        files.write(0, b'half', suffix + '.cleaned')
        files.write(files.bases()[1], b'whole', suffix + '.swap')
    with Broker(directory) as broker, broker.connect() as client:
        assert [batch.data for batch in Fetched(client, 't').batches] == wanted
        assert files.remove('.cleaned') == files.remove('.swap') == 0
        told(broker, 'log_leftovers', 't-0', 'files=8')


def trap_19_a_compaction_that_had_written_is_finished(directory):
    files = _filled(directory, configs=SMALL + [('cleanup.policy', 'compact')], count=0)
    with Broker(directory) as broker:
        with broker.connect() as client:
            for i in range(500):
                assert produce(client, 't', build([(b'k%d' % (i % 3), b'v' * 3000)]))[0] == 0
        broker.stop()
    first, second, *_ = files.bases()
    before = files.batches()
    # The cleaner kept the last batch of each of two segments and was about to put them in place of both.
    kept = batches(files.read(first, LOG))[-1:] + batches(files.read(second, LOG))[-1:]
    files.write(first, b''.join(batch.data for batch in kept), LOG + '.swap')
    files.write(first, b'', INDEX + '.swap')
    files.write(first, struct.pack('>qi', max(batch.max_timestamp for batch in kept), kept[-1].last - first),
                TIME_INDEX + '.swap')
    os.rename(files.path(second, LOG), files.path(second, LOG + '.deleted'))
    wanted = [batch.data for batch in kept] + [batch.data for batch in before if batch.base > kept[-1].last]
    with Broker(directory) as broker, broker.connect() as client:
        told(broker, 'log_leftovers', 't-0', 'compaction')
        assert [batch.data for batch in Fetched(client, 't').batches] == wanted
        assert [batch.data for batch in files.batches()] == wanted and second not in files.bases()
        assert files.remove('.swap') == files.remove('.deleted') == 0


def trap_22_the_time_index_rises_when_the_clock_steps_back(directory):
    files = make(directory, 't')
    now = now_ms()
    with Broker(directory) as broker:
        with broker.connect() as client:
            for i in range(60):
                step = 1000000 if i < 20 else 0     # then the clock is put back, and never reaches that time again
                assert produce(client, 't', build([b'x' * 1500], timestamp=now - 2000000 + step + i)) == (0, i)
        broker.stop()
    times = files.time_index(0)
    assert len(times) > 3 and all(a < b for a, b in zip(times, times[1:])) and times == sorted(times), times
    assert times[-1] == (now - 1000000 + 19, 19)
    with Broker(directory) as broker, broker.connect() as client:
        is_quiet(broker)
        assert list_offset(client, 't', now - 1000000 + 5)[1] == 5
        assert produce(client, 't', build([b'on'], timestamp=now - 2000000)) == (0, 60)


def trap_22_an_index_whose_last_time_is_wrong_is_rebuilt(directory):
    files = _filled(directory)
    future = now_ms() + WEEK_MS
    for timestamp, ahead in (1000, -1), (future, -1), (future, 5):      # goes back, is of no batch, is behind the end
        files.write(0, files.read(0, TIME_INDEX) + struct.pack('>qi', timestamp, files.end() + ahead), TIME_INDEX)
        with Broker(directory) as broker:
            told(broker, 'log_repaired', 't-0', 'index')
            with broker.connect() as client:
                _fill(client, 't', 4)       # Apache Kafka throws at the next entry
            broker.stop()
        times = files.time_index(0)
        assert times == sorted(times) and times[-1][0] <= now_ms()


if __name__ == '__main__':
    run(globals())
