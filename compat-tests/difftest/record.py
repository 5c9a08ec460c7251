#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Asks Apache Kafka 4.3.0 (its jars in KAFKA_LIBS) the scenarios of groups.py and writes answers/."""
import os
import sys
import tempfile

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
import groups  # noqa: E402
from harness import broker  # noqa: E402

with tempfile.TemporaryDirectory() as directory:
    apache = broker.ApacheBroker(directory, dict(groups.SETTINGS, **groups.SETTINGS_OF_APACHE), libs=os.environ['KAFKA_LIBS']).start()
    try:
        answers = groups.ask_all(apache.address)
    finally:
        apache.stop()
stopped = [name for name, rows in answers.items() if rows[-1][0].endswith('stopped')]
if stopped:
    sys.exit('not written, these stopped: %s' % ', '.join('%s (%s)' % (name, answers[name][-1][1]) for name in stopped))
groups.write(answers)
print('%d scenarios, %d answers' % (len(answers), sum(map(len, answers.values()))))
