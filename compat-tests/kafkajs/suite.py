# SPDX-License-Identifier: Apache-2.0
"""kafkajs on Node.js, with snappy, lz4 and zstd plugged in."""
import os
import shutil

from harness import clients, context


def run(ctx):
    package = ctx.path('kafkajs', 'package.json')

    def install(where):
        shutil.copy(package, where)
        context.run_quiet(['npm', 'install', '--no-package-lock', '--no-audit', '--no-fund', '--silent'], cwd=where)

    where = ctx.settings.once('kafkajs', [package], install)
    env = dict(os.environ, NODE_PATH=os.path.join(where, 'node_modules'), KAFKAJS_NO_PARTITIONER_WARNING='1')
    client = clients.Client(['node', ctx.path('kafkajs', 'client.js')], ['none', 'gzip', 'snappy', 'lz4', 'zstd'], env)
    clients.run_all(ctx, client)
