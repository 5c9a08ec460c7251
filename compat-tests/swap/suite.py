# SPDX-License-Identifier: Apache-2.0
"""Apache Kafka and weir take one node's directory from each other, and each says what the other one said.

The load is Load.java, the questions are Tell.java, the rules of the comparison compare.py, the byte checks files.py."""
import importlib.util
import os
import random
import shutil
import tarfile

from harness import context, tools
from harness.cases import Skip, check, check_equal, short, wait_until

QUICK, FULL = 3, 20  # how often the directory changes hands: ten times there and back
SEED = 4300
COMPACTED = ('keyed', 'both')


def sibling(name):
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), name + '.py')
    spec = importlib.util.spec_from_file_location('swap_' + name, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


node, files, compare, dump, shares = sibling('node'), sibling('files'), sibling('compare'), sibling('dump'), sibling('shares')


class Clients:
    """Load.java and Tell.java beside Kafka's tools in one JVM, which lives as long as the run: so do its producers."""

    def __init__(self, ctx):
        libs = ctx.settings.kafka_libs()
        sources = [ctx.path('swap', name + '.java') for name in ('Wire', 'Tell', 'Around', 'Load', 'Flood')]
        classes = ctx.settings.once('swap-clients', sources, lambda directory: context.run_quiet(
            ['javac', '-cp', libs + '/*', '-d', directory, *sources]))
        self.tools = tools.Tools(libs, ctx.settings.tool_classes() + ':' + classes, ctx.dir)

    def run(self, *words, seconds=120):
        return self.tools.run(*words, seconds=seconds).ok().out

    def tell(self, broker):
        """What the broker says when it says it twice: the cleaner and the end of a transaction come between two questions."""
        answers = [None]

        def is_settled():
            answers.append(self.run('Tell', broker.address, 'true' if broker.kind == 'apache' else 'false'))
            return answers[-1] == answers[-2]

        wait_until(is_settled, 60, '%s says the same twice' % broker.kind)
        return compare.parse(answers[-1])


class Story:
    """One node, and what was last said about it."""

    def __init__(self, ctx, clients, name, flags, is_dynamic, dirs=1):
        self.ctx, self.clients, self.name = ctx, clients, name
        self.node = node.Node(os.path.join(ctx.dir, name), {}, ctx.settings.kafka_libs(), ctx.settings.binary, is_dynamic, dirs)
        ctx.brokers.append(self.node)
        self.flags = flags
        self.random = random.Random(SEED)
        self.said, self.said_by_apache = None, None
        self.kills = 0

    def case(self, text):
        return self.ctx.case('%s_%s' % (self.name, text))

    def load(self, verb, *words):
        return self.clients.run('Load', verb, self.node.address, *words)

    def begin(self):
        with self.case('apache_is_filled'):
            self.node.format(*self.flags)
            self.node.start_as('apache')
            self.load('fill')
            wait_until(lambda: files.checkpoints(self.node.dirs, 'cleaner-offset-checkpoint').get('keyed-0', 0) > 0, 60,
                       'the cleaner has run', pause=0.2)
            self.load('late')
            self.remember()
            self.check_fill()
        with self.case('the_comparison_misses_no_kind_of_change'):
            missed = compare.missed_changes(self.said, COMPACTED)
            check(not missed, 'missed: %s' % missed)

    def check_fill(self):
        """The directory holds what the swap is about."""
        said = self.said
        check(int(said[('latest_committed', 'open-0')]) < int(said[('latest_uncommitted', 'open-0')]), 'no open transaction')
        check_equal(said[('aborted', 'tx-0')].count('@'), 3, 'aborted transactions of tx-0: ' + said[('aborted', 'tx-0')])
        codecs = said[('content_uncommitted', 'codec-0')]
        check(all('/%s/' % name in codecs for name in ('none', 'gzip', 'snappy', 'lz4', 'zstd')), 'codecs: ' + short(codecs))
        check_equal(said[('earliest', 'cut-0')], '9', 'the start of cut-0')
        check(len(files.bases(self.node.place_of('plain-0'), 'log')) > 2, 'few segments')
        check('88' in said[('stable_offsets', 'g-open')], 'no pending offset: ' + said[('stable_offsets', 'g-open')])
        check_equal(said[('group', 'g-new')].split()[0], 'consumer', 'type of g-new')

    def remember(self):
        self.said = self.clients.tell(self.node)
        if self.node.kind == 'apache':
            self.said_by_apache = self.said

    def swap(self, number):
        """Hands the directory over, asks, works."""
        is_killed = number % 2 == 1 if number < 2 else self.kills * 2 < number and self.random.random() < 0.75
        old, new = self.node.kind, 'weir' if self.node.kind == 'apache' else 'apache'
        label = '%d_%s_%s_then_%s' % (number + 1, old, 'killed' if is_killed else 'stopped', new)
        with self.case(label + '_left_sound_files'):
            if is_killed:
                self.kill()
            else:
                self.stop()
            self.dump(is_killed)
        with self.case(label + '_says_the_same'):
            self.node.start_as(new)
            said = self.clients.tell(self.node)
            compare.equal(self.said, said)
            if new == 'apache':
                compare.equal({key: value for key, value in self.said_by_apache.items() if key[0] in compare.ONLY_APACHE},
                              {key: value for key, value in said.items() if key[0] in compare.ONLY_APACHE})
        if new == 'apache' and number < 2:
            self.transaction_ends(label)
        with self.case(label + '_writes'):
            if is_killed:
                self.load('calm')
            self.load('work', number, 'true' if new == 'apache' else 'false')
            self.remember()

    def kill(self):
        self.kills += 1
        self.load('flood')
        wait_until(self.are_starts_kept, 30, 'the log starts are in their checkpoint')
        wait_until(lambda: int(self.load('flooded')) > 1000, 60, 'the flood runs', pause=0.1)
        self.node.kill()

    def are_starts_kept(self):
        kept = files.checkpoints(self.node.dirs, 'log-start-offset-checkpoint')
        return all(str(kept.get(name, files.bases(self.node.place_of(name), 'log')[0])) == self.said[('earliest', name)]
                   for name in ('cut-0', 'cut-1'))

    def stop(self):
        kind = self.node.kind
        _, code = self.node.stop(60)
        check(code in (0, 143), '%s ended with %s: %s' % (kind, code, self.node.log_tail()))
        if kind == 'weir':
            for data in self.node.dirs:
                files.check_clean_stop(data)

    def dump(self, is_killed):
        dump.check_data(self.clients.tools, self.node.dirs, is_killed, COMPACTED)

    def rebuilt(self):
        """After weir's clean stop Apache Kafka says the same with its files as with all that can be rebuilt from the logs."""
        with self.case('apache_reads_weirs_files_as_it_would_rebuild_them'):
            self.stop()
            self.dump(False)
            plain = self.node.dirs[0]
            kept = plain + '-stripped'
            shutil.copytree(plain, kept)
            files.strip(kept, COMPACTED)
            # One copy's cleaner would begin anew.
            self.node.settings['log.cleaner.enable'] = 'false'
            self.node.write_config()
            self.node.start_as('apache')
            as_left = self.clients.tell(self.node)
            self.node.stop(60)
            shutil.rmtree(plain)
            os.rename(kept, plain)
            self.node.start_as('apache')
            compare.equal(as_left, self.clients.tell(self.node), is_rebuilt=True)

    def transaction_ends(self, label):
        with self.case(label + '_ends_the_transaction_whose_time_is_over'):
            place = compare.MORTAL + '-0'
            wait_until(lambda: self.are_ends_equal(place), 90, 'the transaction of %s is aborted' % place, pause=0.5)
            check(int(self.said[('latest_committed', 'open-0')]) < int(self.said[('latest_uncommitted', 'open-0')]),
                  'the transaction that has time left is still open')

    def end(self):
        self.load('end')
        self.node.stop(60)

    def are_ends_equal(self, place):
        self.remember()
        return self.said[('latest_committed', place)] == self.said[('latest_uncommitted', place)]


def stored_fixture(ctx, clients):
    """A directory that was stored long ago: nothing in it may be too old."""
    archive = os.path.join(ctx.settings.shared, 'fixtures', 'kafka-4.3.0-log-dirs.tgz')
    said = {}
    with ctx.case('stored_fixture_opens_with_the_figures_of_its_description'):
        if not os.path.exists(archive):
            raise Skip('%s is not there' % archive)
        for kind in ('weir', 'apache'):
            said[kind] = tell_fixture(ctx, clients, archive, kind)
        found = said['weir']
        check_equal([found[(what, 'ty-0')] for what in ('latest_uncommitted', 'latest_committed')], ['9', '8'], 'end and stable end of ty')
        check_equal([span for span in compare.spans(found[('content_committed', 'ty-0')])], [(0, 0), (4, 4)], 'read_committed of ty')
        check_equal(found[('latest_uncommitted', 't2-0')], '15', 'end of t2')
        check(all('/%s/' % codec in found[('content_uncommitted', 't2-0')] for codec in ('none', 'gzip', 'snappy', 'lz4', 'zstd')),
              'codecs of t2: ' + found[('content_uncommitted', 't2-0')])
        check_equal([found[('latest_uncommitted', '__transaction_state-%d' % n)] for n in range(5)], ['17', '0', '0', '0', '13'],
                    'ends of __transaction_state')
        check_equal({place: (text.split()[0], found[('offsets', place)]) for (what, place), text in found.items() if what == 'group'},
                    {'g-classic': ('classic', '{t2-0=3,e0,m}'), 'g-new': ('consumer', '{t2-0=15,e0,}')}, 'groups and their offsets')
    with ctx.case('stored_fixture_is_the_same_to_apache'):
        if not said:
            raise Skip('%s is not there' % archive)
        compare.equal({key: value for key, value in said['apache'].items() if key[0] not in compare.ONLY_APACHE}, said['weir'])


def tell_fixture(ctx, clients, archive, kind):
    place = node.Node(os.path.join(ctx.dir, 'fixture-' + kind), {
        'log.retention.ms': '-1', 'producer.id.expiration.ms': '2147483647', 'transactional.id.expiration.ms': '2147483647',
        'offsets.retention.minutes': '2147483647', 'offsets.topic.num.partitions': '5', 'transaction.state.log.num.partitions': '5',
        'transaction.abort.timed.out.transaction.cleanup.interval.ms': '600000'}, ctx.settings.kafka_libs(), ctx.settings.binary)
    ctx.brokers.append(place)
    with tarfile.open(archive) as packed:
        packed.extractall(place.dir)
    os.rename(os.path.join(place.dir, 'disk-base'), place.dirs[0])
    said = clients.tell(place.start_as(kind))
    place.stop(60)
    if kind == 'weir':
        files.check_clean_stop(place.dirs[0])
    dump.check_data(clients.tools, place.dirs, False, COMPACTED + ('cmp',))
    return said


def swapped(ctx, clients):
    quick = not ctx.settings.is_full
    story = Story(ctx, clients, 'static', ['--feature', 'transaction.version=1'], False)
    story.begin()
    for number in range(QUICK if quick else FULL - 1):
        story.swap(number)  # the last of them gives it to weir
    story.rebuilt()
    story.end()
    other = Story(ctx, clients, 'dynamic', ['--feature', 'transaction.version=1', '--standalone'], True, dirs=2)
    other.begin()
    for number in range(2 if quick else 4):
        other.swap(number)
    other.end()


def share_groups(ctx, clients):
    place = node.Node(os.path.join(ctx.dir, 'shares'), shares.SETTINGS, ctx.settings.kafka_libs(), ctx.settings.binary)
    ctx.brokers.append(place)
    shares.change_hands(ctx, clients, place, 6 if ctx.settings.is_full else 3)


def run(ctx):
    if ctx.settings.binary is None:
        raise Skip('the swap needs weir and Apache Kafka, one after the other')
    try:
        libs = ctx.settings.kafka_libs()
    except (RuntimeError, OSError) as error:
        raise Skip('Apache Kafka is not here: %s' % short(str(error)))
    if not os.path.isdir(libs):
        raise Skip('KAFKA_LIBS names %s, which is not there' % libs)
    tools.CLASSES.update({'Load': 'Load', 'Tell': 'Tell'})
    clients = Clients(ctx)
    try:
        stored_fixture(ctx, clients)
        share_groups(ctx, clients)
        swapped(ctx, clients)
    finally:
        clients.tools.stop()
