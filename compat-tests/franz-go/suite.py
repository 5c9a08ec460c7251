# SPDX-License-Identifier: Apache-2.0
"""franz-go: a client written in Go, with its own protocol code."""
import os

from harness import clients, context


def build(settings):
    source = os.path.join(settings.here, 'franz-go')

    def install(where):
        env = dict(os.environ, GOFLAGS='-mod=readonly', GOTOOLCHAIN='local', CGO_ENABLED='0')
        context.run_quiet(['go', 'build', '-o', os.path.join(where, 'client'), '.'], cwd=source, env=env)

    inputs = [os.path.join(source, name) for name in ('go.mod', 'go.sum', 'main.go', 'transactions.go')]
    return os.path.join(settings.once('franz-go', inputs, install), 'client')


def run(ctx):
    client = clients.Client([build(ctx.settings)], ['none', 'gzip', 'snappy', 'lz4', 'zstd'])
    clients.run_all(ctx, client)
    clients.transaction_case(ctx, client)
