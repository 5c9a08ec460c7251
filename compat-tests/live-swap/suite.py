# SPDX-License-Identifier: Apache-2.0
"""Apache Kafka and weir take one node's directory from each other in the middle of open transactions and live groups of
every type: the clients go on, and the judge of `chaos` finds nothing lost, doubled, torn or hanging.  Four hand-overs;
with --full twenty.  Half of the stops are kill -9."""
import importlib.util
import os
import random
import threading

from harness.cases import Skip, check, short
from harness.context import run_quiet

SETTINGS = {'group.consumer.session.timeout.ms': '10000', 'group.consumer.min.session.timeout.ms': '10000',
            'transaction.abort.timed.out.transaction.cleanup.interval.ms': '1000',
            'log.initial.task.delay.ms': '500',
            'group.streams.session.timeout.ms': '10000', 'group.streams.min.session.timeout.ms': '10000'}


def sibling(ctx, suite, name):
    spec = importlib.util.spec_from_file_location('%s_%s' % (suite, name), ctx.path(suite, name + '.py'))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def hand_over(node, choice, number):
    old = node.kind
    if choice.random() < 0.5:
        node.kill()
    else:
        _, code = node.stop(60)
        check(code in (0, 143), '%s ended with %s: %s' % (old, code, node.log_tail()))
    node.start_as('weir' if old == 'apache' else 'apache')


def answerer(ctx):
    source = ctx.path('live-swap', 'Answerer.java')
    jars = sibling(ctx, 'kafka-streams', 'programs').class_path(ctx.settings)
    classes = ctx.settings.once('live-swap', [source], lambda directory: run_quiet(['javac', '-cp', jars, '-d', directory, source]))
    return ['java', '-Xmx192m', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1', '-Dorg.slf4j.simpleLogger.defaultLogLevel=error', '-cp',
            classes + ':' + jars, 'Answerer']


def run(ctx):
    if ctx.settings.binary is None:
        raise Skip('the swap needs weir and Apache Kafka, one after the other')
    try:
        libs = ctx.settings.kafka_libs()
    except (RuntimeError, OSError) as error:
        raise Skip('Apache Kafka is not here: %s' % short(str(error)))
    chaos, swap = sibling(ctx, 'chaos', 'suite'), sibling(ctx, 'swap', 'node')
    count = 20 if ctx.settings.is_full else 4
    seed = random.SystemRandom().randrange(1 << 32)
    with ctx.case('live_clients_go_on_over_%d_hand_overs' % count):
        node = swap.Node(os.path.join(ctx.dir, 'node'), dict(SETTINGS, **chaos.SHARE_SETTINGS), libs, ctx.settings.binary)
        ctx.brokers.append(node)
        node.format()
        node.start_as('apache')

        def swap_it(check_alive):
            choice = random.Random(seed)
            for number in range(count):
                threading.Event().wait(choice.uniform(2, 5))
                hand_over(node, choice, number)
                check_alive()
            threading.Event().wait(3)
            return 'seed %d, %d hand-overs' % (seed, count)

        chaos.play(ctx, node, 'live', ['consumer', 'share'], swap_it, [(answerer(ctx), 'sanswers')])
        node.stop(60)
