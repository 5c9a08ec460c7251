# SPDX-License-Identifier: Apache-2.0
"""A TCP proxy that cuts connections: after a drawn number of bytes both directions end at once, so that requests are
lost before the broker saw them, or written and their answers lost."""
import random
import select
import socket
import threading


class Proxy:
    def __init__(self, seed):
        self.random = random.Random(seed)
        self.listener = socket.create_server(('127.0.0.1', 0))
        self.address = '127.0.0.1:%d' % self.listener.getsockname()[1]
        self.target = None
        self.cuts = 0
        self.range = None
        self.lock = threading.Lock()
        self.is_open = True

    def __enter__(self):
        threading.Thread(target=self.accept, daemon=True).start()
        return self

    def __exit__(self, *unused):
        self.is_open = False
        self.listener.close()

    def cut_every(self, least, most):
        """From now on each connection lives for between least and most bytes."""
        self.range = (least, most)

    def cut_never(self):
        self.range = None

    def accept(self):
        while self.is_open:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.carry, args=(client,), daemon=True).start()

    def carry(self, client):
        if self.target is None:  # the broker looks whether its advertised address answers, before anybody knows its port
            client.close()
            return
        host, port = self.target.rsplit(':', 1)
        try:
            server = socket.create_connection((host, int(port)), timeout=10)
        except OSError:
            client.close()
            return
        with client, server:
            self.copy(client, server)

    def copy(self, client, server):
        carried, limit = 0, None
        other = {client: server, server: client}
        while True:
            ready, _, _ = select.select([client, server], [], [], 0.2)
            if self.range and limit is None:
                with self.lock:
                    limit = carried + self.random.randint(*self.range)
            for source in ready:
                try:
                    chunk = source.recv(4096)
                    if not chunk:
                        return
                    carried += len(chunk)
                    is_cut = self.range is not None and carried > limit
                    if is_cut and source is server:
                        self.count_cut()  # the broker's answer is lost
                        return
                    # A request is cut in its middle, or passed on whole with nobody to hear the answer.
                    other[source].sendall(chunk[:len(chunk) // 2] if is_cut and carried % 2 else chunk)
                except OSError:
                    return
                if is_cut:
                    self.count_cut()
                    return

    def count_cut(self):
        with self.lock:
            self.cuts += 1
