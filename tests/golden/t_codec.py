#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Has the differential tester's codec write 20 random values of each message and version, some
12,000 frames, and weir's read them and write them again.

    t_codec.py FRAMES_PROGRAM SOURCE_DIR

Exits with 77 (skipped) where the differential tester or Apache Kafka's jars are not there.  The jars
are looked for in $KAFKA_LIBS, then where compat-tests/run puts them."""
import os
import subprocess
import sys
import tempfile
from pathlib import Path

SKIPPED = 77
VALUES = 20


def find_libs(source):
    for folder in (os.environ.get('KAFKA_LIBS'), source / 'build' / 'compat' / 'apache-kafka'):
        if folder and list(Path(folder).glob('kafka-clients-*.jar')):
            return Path(folder)
    return None


def main(program, source):
    script = Path(source).resolve().parent / 'shared' / 'difftest' / 't_codec.py'
    libs = find_libs(Path(source))
    if not script.exists():
        print('skipped: the differential tester is not beside the sources')
        return SKIPPED
    if libs is None:
        print('skipped: no Apache Kafka jars; set KAFKA_LIBS')
        return SKIPPED
    with tempfile.TemporaryDirectory() as folder:
        frames = Path(folder, 'frames.txt')
        environment = dict(os.environ, KAFKA_LIBS=str(libs), PYTHONDONTWRITEBYTECODE='1')
        subprocess.run([sys.executable, str(script), str(VALUES), str(frames)], env=environment, check=True)
        return subprocess.run([program, str(frames)]).returncode


if __name__ == '__main__':
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    sys.exit(main(sys.argv[1], sys.argv[2]))
