# SPDX-License-Identifier: Apache-2.0
"""The traps of docs/traps.md on a directory that Apache Kafka 4.3.0 itself closed cleanly.  Skipped where the stored
fixtures do not lie beside the source."""
import os
import tarfile

from harness import Broker, run

from disk import SNAPSHOT, TXN_INDEX, Fetched, Files, is_clean, is_quiet, list_offset, told

FIXTURE = os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', '..', '..', 'shared', 'fixtures',
                       'kafka-4.3.0-log-dirs.tgz')


def _unpack(directory):
    """-> whether it is there"""
    if not os.path.exists(FIXTURE):
        print('       skipped: there is no stored fixture')
        return False
    with tarfile.open(FIXTURE) as archive:
        archive.extractall(directory)
    os.rename(os.path.join(directory, 'disk-base'), os.path.join(directory, 'data'))
    assert is_clean(directory)
    return True


def _start(directory):
    # Its records are of a time when retention would take them, its producers expired.
    return Broker(directory, 'log.retention.ms=-1', 'producer.id.expiration.ms=2147483647')


def _check_transactions(client):
    found = Fetched(client, 'ty', committed=True)
    assert (found.high_watermark, found.stable) == (9, 8), (found.high_watermark, found.stable)
    shown = [batch.base for batch in found.batches if not batch.is_control and batch.producer_id not in
             {producer for producer, first in found.aborted if first == batch.base}]
    assert shown == [0, 4], (shown, found.aborted)
    assert list_offset(client, 'ty', -1, committed=True)[1] == 8


def what_apache_kafka_closed_cleanly_needs_no_repair(directory):
    if not _unpack(directory):
        return
    with _start(directory) as broker:
        with broker.connect() as client:
            _check_transactions(client)
        is_quiet(broker)
        broker.stop()


def trap_03_apache_kafkas_open_transaction_is_known_without_snapshots(directory):
    if not _unpack(directory):
        return
    assert Files(directory, 'ty').remove(SNAPSHOT) == 1
    with _start(directory) as broker, broker.connect() as client:
        told(broker, 'log_repaired', 'ty-0', 'no producer snapshot')
        _check_transactions(client)


def trap_04_apache_kafkas_aborted_records_stay_hidden_without_their_index(directory):
    if not _unpack(directory):
        return
    files = Files(directory, 'ty')
    wanted = files.txn_index(0)
    assert files.remove(TXN_INDEX) == 1
    with _start(directory) as broker:
        with broker.connect() as client:
            _check_transactions(client)
        told(broker, 'log_damage_found', 'ty', '.txnindex')
        broker.stop()
    assert [entry[:3] for entry in files.txn_index(0)] == [entry[:3] for entry in wanted]


def trap_04_a_stop_leaves_apache_kafkas_lost_index_made_anew_though_nobody_read(directory):
    if not _unpack(directory):
        return
    files = Files(directory, 'ty')
    wanted = files.txn_index(0)
    assert files.remove(TXN_INDEX) == 1
    with _start(directory) as broker:
        broker.stop()
    assert [entry[:3] for entry in files.txn_index(0)] == [entry[:3] for entry in wanted]


if __name__ == '__main__':
    run(globals())
