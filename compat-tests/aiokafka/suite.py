# SPDX-License-Identifier: Apache-2.0
"""aiokafka: a client written in Python, with its own protocol code."""
from harness import clients

PACKAGE = 'aiokafka[lz4,snappy,zstd]==0.14.0'


def run(ctx):
    client = clients.Client([ctx.settings.python(PACKAGE), ctx.path('aiokafka', 'client.py')],
                            ['none', 'gzip', 'snappy', 'lz4', 'zstd'])
    clients.run_all(ctx, client)
