# SPDX-License-Identifier: Apache-2.0
"""Our schemas, error codes and API table beside those inside Apache Kafka's own jars.  Starts no broker."""
import importlib.util
import os
import re
import subprocess

from harness import cases


def load_compare(ctx):
    spec = importlib.util.spec_from_file_location('schemas_compare', ctx.path('schemas', 'compare.py'))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def facts(ctx, libs):
    """The lines Facts.java prints, as lists of words, by their first."""
    classes = os.path.join(ctx.dir, 'classes')
    for command in (['javac', '-cp', libs + '/*', '-d', classes, ctx.path('schemas', 'Facts.java')],
                    ['java', '-cp', classes + ':' + libs + '/*', 'Facts']):
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True)
        cases.check(done.returncode == 0, lambda: '%s: %s' % (command[0], cases.short(done.stderr)))
    out = {'error': [], 'api': []}
    for line in done.stdout.splitlines():
        words = line.split()
        if words and words[0] in out:
            out[words[0]].append(words[1:])
    return out


def our_errors(ctx):
    with open(ctx.path('..', 'include', 'weir', 'protocol', 'errors.h')) as file:
        return re.findall(r'^ +X\((\w+), (-?\d+), (true|false)\)', file.read(), flags=re.M)


def our_apis(compare):
    messages, apis = compare.schema.load(compare.ROOT / 'protocol')
    requests = {message.name: message for message in messages if message.kind == 'request' and message.valid}
    for key, name in apis:
        message = requests.get(name + 'Request')
        if message is None:
            continue
        versions = message.valid.versions()
        flexible = [version in message.flexible for version in versions]
        yield [str(key), name, str(versions[0]), str(versions[-1]), ''.join('2' if one else '1' for one in flexible),
               ''.join('1' if one and name != 'ApiVersions' else '0' for one in flexible)]


def run(ctx):
    libs = ctx.settings.kafka_libs()
    compare = load_compare(ctx)
    with ctx.case('every_message_is_that_of_the_jars'):
        count, found = compare.compare(libs)
        cases.check(count > 200, 'only %d schemas in the jars' % count)
        cases.check(not found, lambda: '%d differences: %s' % (len(found), '; '.join(found[:5])))
    known = facts(ctx, libs)
    with ctx.case('every_error_code_is_that_of_the_jars'):
        ours = sorted([code, name, retriable] for name, code, retriable in our_errors(ctx))
        cases.check_equal(ours, sorted(known['error']), 'error codes')
    with ctx.case('every_api_has_the_headers_of_the_jars'):
        cases.check_equal(sorted(our_apis(compare)), sorted(known['api']), 'APIs')
