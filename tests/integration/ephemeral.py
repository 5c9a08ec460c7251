# SPDX-License-Identifier: Apache-2.0
"""--ephemeral: a broker for one test leaves nothing behind, however it ends."""
import os
import re
import signal
import subprocess
import sys

from harness import START_SECONDS, WEIR, Broker, run, wait_until


def _left(directory):
    return [name for name in os.listdir(directory) if name.startswith('weir-ephemeral')]


def ephemeral_broker_works_and_leaves_nothing(directory):
    with Broker(directory, arguments=['--ephemeral'], env={'TMPDIR': directory}) as broker, broker.connect() as client:
        assert len(_left(directory)) == 2, os.listdir(directory)
        assert client.create_topic('t') == 0
        assert client.produce('t', [b'x']) == 0
        assert client.fetch_all('t') == [b'x']
        broker.stop()
    assert not _left(directory), os.listdir(directory)


def two_ephemeral_brokers_live_side_by_side(directory):
    with Broker(directory, arguments=['--ephemeral'], env={'TMPDIR': directory}) as first:
        other = os.path.join(directory, 'other')
        os.mkdir(other)
        with Broker(other, arguments=['--ephemeral'], env={'TMPDIR': directory}) as second:
            assert first.port != second.port
            second.stop()
        with first.connect() as client:
            assert client.api_versions()
        first.stop()
    assert not _left(directory)


def after_kill_9_the_next_one_clears_up(directory):
    with Broker(directory, arguments=['--ephemeral'], env={'TMPDIR': directory}) as broker:
        broker.kill()
    assert len(_left(directory)) == 2
    with Broker(directory, arguments=['--ephemeral'], env={'TMPDIR': directory}) as broker:
        assert len(_left(directory)) == 2
        broker.stop()
    assert not _left(directory)


# Starts a broker, says its process id once it is ready, and waits.
_PARENT = '''
import subprocess, sys
broker = subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
for line in broker.stderr:
    if " ready " in line:
        break
print(broker.pid, flush=True)
sys.stdin.read()
'''


def _is_running(pid):
    try:
        with open('/proc/%d/stat' % pid) as file:
            return re.search(r'\) (\S)', file.read()).group(1) != 'Z'
    except FileNotFoundError:
        return False


def ephemeral_broker_ends_when_its_parent_is_killed(directory):
    parent = subprocess.Popen([sys.executable, '-c', _PARENT, WEIR, 'serve', '--ephemeral'], stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE, text=True, env=dict(os.environ, TMPDIR=directory))
    try:
        pid = int(parent.stdout.readline())
        assert _is_running(pid) and len(_left(directory)) == 2
        parent.send_signal(signal.SIGKILL)
        parent.wait()
        wait_until(lambda: not _is_running(pid), START_SECONDS, 'the broker has ended')
        wait_until(lambda: not _left(directory), START_SECONDS, 'nothing is left')
    finally:
        parent.kill()
        parent.wait()
        parent.stdin.close()
        parent.stdout.close()


if __name__ == '__main__':
    run(globals())
