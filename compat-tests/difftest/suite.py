# SPDX-License-Identifier: Apache-2.0
"""The stored answers of Apache Kafka 4.3.0, beside ours to the same requests: scenarios of our own (groups.py), and those
of the differential tester.

Of the latter those are compared whose APIs the broker advertises.  allowed.json lists each difference that is meant, with its reason;
docs/differences.md is the same list for people (difftest/differences.py writes it)."""
import collections
import fnmatch
import importlib.util
import json
import os
import re
import subprocess

from harness import wire
from harness.cases import Failure, Skip, check, short, wait_until

SHOWN = 6
# The answers to these were recorded from a broker with an authorizer, which the broker under test does not have.
WITH_AUTHORIZER = {'DescribeAcls', 'CreateAcls', 'DeleteAcls'}
# Lists of all there is: {API: (list, name)}; groups and topics of the scenarios, and groups made through APIs that are
# not advertised, are left out of both sides.
LISTS = {'ListGroups': ('groups', 'groupId'), 'ListTransactions': ('transactionStates', 'transactionalId'),
         'ListConfigResources': ('configResources', 'resourceName')}
CORPUS_NAME = re.compile(r'^(?:RUN-(?:g\d|gx|t\d|x\d|xx|warm|g-([A-Za-z]+)-\d+-\d+))?$')


class Allowed:
    def __init__(self, path):
        with open(path) as file:
            self.rows = json.load(file)
        self.used = set()

    def covers(self, identity, path, wanted, value):
        """Rows may say which value became which ("from", "to"); without that any difference there is meant."""
        for number, row in enumerate(self.rows):
            if fnmatch.fnmatchcase(identity, row['id']) and fnmatch.fnmatchcase(path, row['path']) and \
                    row.get('from', wanted) == wanted and row.get('to', value) == value:
                self.used.add(number)
                return True
        return False


def load_module(directory, name):
    spec = importlib.util.spec_from_file_location('difftest_' + name, os.path.join(directory, name + '.py'))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def load_rows(path):
    rows = collections.OrderedDict()
    with open(path) as file:
        for line in file:
            row = json.loads(line)
            rows[row['id']] = row
    return rows


def api_keys(path):
    """{API: key} of the requests in reference/protocol.tsv."""
    keys = {}
    with open(path) as file:
        for line in file:
            words = line.split('\t')
            if words[2] == 'request':
                keys[words[1][:-len('Request')]] = int(words[3])
    return keys


def differences(walk, allowed, reference, got, identity):
    if reference['resp'].get('_outcome') == 'TIMEOUT' and '_outcome' not in got['resp']:
        found = [('._outcome', 'TIMEOUT', 'answered')]
    else:
        found = all_differences(walk, reference, got)
    return ['%s %s: %s | %s' % (identity, path, short(json.dumps(wanted), 160), short(json.dumps(value), 160))
            for path, wanted, value in found if not allowed.covers(identity, path, wanted, value)]


def all_differences(walk, reference, got):
    return list(walk(reference['resp'], got['resp'])) + list(walk(reference.get('msgs'), got.get('msgs'), '(messages)'))


def without_absent_apis(row, advertised):
    """The reference's ApiVersions answer less the APIs that the broker does not have; what is there must be the same."""
    if row['api'] == 'ApiVersions' and isinstance(row['resp'].get('apiKeys'), list):
        row['resp']['apiKeys'] = [api for api in row['resp']['apiKeys'] if api['apiKey'] in advertised]
    return row


def without_scenarios(row, names):
    """ListConfigResources lists the topics of earlier scenarios; those of scenarios cut short are left out."""
    if row['api'] == 'ListConfigResources':
        prefixes = tuple('RUN-' + name.replace('_', '-') for name in names)
        row['resp']['configResources'] = [entry for entry in row['resp']['configResources']
                                          if not entry['resourceName'].startswith(prefixes)]
    return row


def only_of_the_corpus(row, advertised, keys):
    if row['api'] in LISTS:
        field, name = LISTS[row['api']]

        def is_ours(entry):
            match = CORPUS_NAME.match(entry.get(name) or '')
            return match and (match.group(1) is None or keys[match.group(1)] in advertised)

        row['resp'][field] = [entry for entry in row['resp'].get(field) or [] if is_ours(entry)]
    return row


def warm_up(ctx):
    """Internal topics exist, coordinators are loaded, the first producer id is taken: as when the answers were recorded."""
    wait_until(lambda: wire.find_coordinator(ctx.address, 'warm', wire.GROUP) == 0, 30, 'a group coordinator')
    for n in range(24):
        wait_until(lambda: wire.group_error(ctx.address, 'warm-%d' % n) not in wire.LOADING, 30, 'loaded coordinators')
    wait_until(lambda: wire.init_producer_id(ctx.address) == 0, 30, 'a producer id')
    if not ctx.settings.is_apache and 24 not in wire.api_versions(ctx.address):
        return
    wait_until(lambda: wire.find_coordinator(ctx.address, 'warm', wire.TRANSACTION) == 0, 30, 'a transaction coordinator')


def report_case(ctx, name, compared, bad):
    with ctx.case(name):
        if not compared:
            raise Skip('none of its APIs is advertised')
        if bad:
            raise Failure('%d differences in %d answers: %s' % (len(bad), compared, ' ## '.join(bad[:SHOWN])))


# The prefix of a run's names is replaced wherever it stands before a dash; with a letter that is no hexadecimal digit it
# does not occur in a UUID.
def run_tester(ctx, directory, program, prefix, out, *more):
    env = dict(os.environ, KAFKA_LIBS=ctx.settings.kafka_libs(), PYTHONDONTWRITEBYTECODE='1')
    done = subprocess.run(['python3', os.path.join(directory, program), ctx.address, prefix, out, *more], env=env,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=550)
    with open(out + '.txt', 'w') as file:
        file.write(done.stdout)
    check(done.returncode == 0, lambda: '%s ended with %d: %s' % (program, done.returncode, done.stdout[-600:]))
    return load_rows(out)


def scenarios(ctx, directory, walk, allowed, advertised, names):
    reference = load_rows(os.path.join(directory, 'reference', 'scenarios-4.3.0-plain.jsonl'))
    by_scenario = collections.OrderedDict()
    for identity, row in reference.items():
        by_scenario.setdefault(identity.split('/')[0], []).append(row)
    usable = {}
    for name, rows in by_scenario.items():
        until = next((n for n, row in enumerate(rows) if row['api'] in names and names[row['api']] not in advertised), len(rows))
        # Without transactions their scenarios would only wait for a coordinator that never comes.
        usable[name] = [] if name.startswith('txn_') and names['EndTxn'] not in advertised else rows[:until]
    wanted = ','.join(name for name in usable if usable[name])
    got = run_tester(ctx, directory, 'scenarios.py', 'w11', os.path.join(ctx.dir, 'scenarios.jsonl'), '--only', wanted)
    cut = [name for name in usable if len(usable[name]) < len(by_scenario[name])]
    for name, rows in usable.items():
        bad = []
        for row in rows:
            if row['id'] not in got:
                bad.append('%s was not reached: %s' % (row['id'], short(stopped(got, name), 200)))
                break
            both = [without_scenarios(without_absent_apis(side, advertised), cut) for side in (row, got[row['id']])]
            bad += differences(walk, allowed, *both, row['id'])
        report_case(ctx, 'scenario_' + name, len(rows), bad)


def stopped(got, name):
    return [row['resp'] for row in got.values() if row['id'].startswith(name + '/') and row['api'] == 'error']


def corpus(ctx, directory, walk, allowed, advertised, names):
    reference = load_rows(os.path.join(directory, 'reference', 'corpus-4.3.0.jsonl'))
    apis = [api for api in dict.fromkeys(row['api'] for row in reference.values()) if names.get(api) in advertised and api not in WITH_AUTHORIZER]
    got = run_tester(ctx, directory, 'run_corpus.py', 'w12', os.path.join(ctx.dir, 'corpus.jsonl'), '4', '--apis', ','.join(apis))
    for api in apis:
        rows = [row for row in reference.values() if row['api'] == api]
        bad = []
        for row in rows:
            if row['id'] not in got:
                bad.append('%s was not sent: its version is not advertised' % row['id'])
            else:
                both = [only_of_the_corpus(without_absent_apis(side, advertised), advertised, names) for side in (row, got[row['id']])]
                bad += differences(walk, allowed, *both, row['id'])
        report_case(ctx, 'corpus_' + api, len(rows), bad)


def check_never_answered(ctx, address):
    for what, deserved, got in load_module(ctx.path('difftest'), 'never_answered').outcomes(address):
        with ctx.case('never_answered_by_apache_' + re.sub('[^a-z0-9]+', '_', what)):
            wanted = None if ctx.settings.is_apache else deserved
            check(got == wanted, lambda: 'error code %s, not %s' % (got, wanted))


def own_scenarios(ctx, allowed):
    groups = load_module(ctx.path('difftest'), 'groups')
    settings = dict(groups.SETTINGS, **(groups.SETTINGS_OF_APACHE if ctx.settings.is_apache else {}))
    broker = ctx.new_broker('groups', settings).start()
    answers = groups.ask_all(broker.address)
    for name, rows in groups.read().items():
        bad = list(groups.differences(allowed, name, rows, answers.get(name, [])))
        report_case(ctx, name, len(rows), bad)
    check_never_answered(ctx, broker.address)
    with ctx.case('each_scenario_has_stored_answers'):
        check(set(answers) == set(groups.read()), 'compat-tests/difftest/record.py was not run')


def run(ctx):
    allowed = Allowed(ctx.path('difftest', 'allowed.json'))
    if not ctx.settings.address:
        own_scenarios(ctx, allowed)
    directory = os.path.join(ctx.settings.shared, 'difftest')
    if not os.path.isdir(directory):
        raise Skip('the differential tester is not beside this checkout (../shared/difftest)')
    walk = load_module(directory, 'diff').walk
    advertised = wire.api_versions(ctx.address)
    names = api_keys(os.path.join(ctx.settings.shared, 'reference', 'protocol.tsv'))
    warm_up(ctx)
    scenarios(ctx, directory, walk, allowed, advertised, names)
    corpus(ctx, directory, walk, allowed, advertised, names)
    if not ctx.settings.is_apache:
        with ctx.case('each_allowed_difference_occurs'):
            unused = [row for number, row in enumerate(allowed.rows) if number not in allowed.used]
            check(not unused, lambda: 'listed but gone: %s' % unused)
