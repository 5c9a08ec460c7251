# SPDX-License-Identifier: Apache-2.0
"""A Spring Boot application with spring-kafka, built with Maven and started as a person starts it."""
import glob
import os
import subprocess

from harness import broker, context
from harness.cases import Failure, short

CASES = 15


def build(settings):
    here = os.path.join(settings.here, 'spring')
    inputs = [os.path.join(here, 'pom.xml')] + sorted(glob.glob(os.path.join(here, 'src', 'main', '**', '*.*'), recursive=True))
    directory = settings.once('spring', inputs, lambda where: context.run_quiet(
        ['mvn', '-q', '-B', '-f', inputs[0], 'package', '-DskipTests', '-Dweir.directory=' + where]))
    return os.path.join(directory, 'spring-1.jar')


def run(ctx):
    jar = build(ctx.settings)
    prefix = ctx.name('app')
    command = ['java', '-Xmx384m', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1', '-jar', jar,
               '--spring.kafka.bootstrap-servers=' + ctx.address, '--weir.prefix=' + prefix]
    done = subprocess.run(broker.with_parent(command), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, errors='replace', timeout=300)
    with open(os.path.join(ctx.dir, 'application.log'), 'w') as file:
        file.write(done.stdout)
    taken = ctx.report.take_lines(ctx.suite, done.stdout)
    with ctx.case('application_starts_and_ends_cleanly'):
        if taken != CASES or done.returncode != 0:
            raise Failure('%d of %d cases ran, exit code %d; it ends with: %s' % (taken, CASES, done.returncode, short(done.stdout[-600:], 600)))
