# SPDX-License-Identifier: Apache-2.0
"""Apache Kafka's Java client for share groups (KIP-932): what an application may rely on, and that a group goes on where
it was when its broker was killed."""
import os
import subprocess

from harness import context, wire
from harness.cases import Skip, check

API_SHARE_FETCH = 78

# Members are assigned partitions, locks run out, and killed members are noticed within seconds.
OVERRIDES = {
    'group.share.min.heartbeat.interval.ms': '500', 'group.share.heartbeat.interval.ms': '500',
    'group.share.min.session.timeout.ms': '6000', 'group.share.session.timeout.ms': '6000',
    'group.share.min.record.lock.duration.ms': '1000', 'group.share.min.delivery.count.limit': '2',
}
JAVA = ['java', '-Xmx128m', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1', '-Dorg.slf4j.simpleLogger.defaultLogLevel=error']


def build(settings):
    source, libs = os.path.join(settings.here, 'share-clients', 'Share.java'), settings.kafka_libs()
    return settings.once('share-clients', [source], lambda directory: context.run_quiet(
        ['javac', '-nowarn', '-cp', libs + '/*', '-d', directory, source]))


def run(ctx):
    address = ctx.settings.address or ctx.new_broker('broker', overrides=OVERRIDES).start().address
    with ctx.case('the_program_runs_its_cases'):
        if API_SHARE_FETCH not in wire.api_versions(address):
            raise Skip('the broker does not offer ShareFetch')
        command = JAVA + ['-cp', build(ctx.settings) + ':' + ctx.settings.kafka_libs() + '/*', 'Share', address, ctx.name('share')]
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=280)
        with open(os.path.join(ctx.dir, 'share.log'), 'w') as log:
            log.write(done.stdout + done.stderr)
        check(ctx.report.take_lines(ctx.suite, done.stdout) > 0, lambda: 'no case ran: ' + done.stderr[-600:])
