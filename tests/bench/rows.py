# SPDX-License-Identifier: Apache-2.0
"""The work that limits.py measures: each row a shape of load, its figure, and how far weir may be from the limit and from Apache
Kafka."""
MB = 1 << 20


class Row:
    """against_limit: weir/limit at most this; against_apache: weir/apache at most this.  None: told, not demanded."""

    def __init__(self, key, label, unit, size, against_limit, against_apache, figures, **load):
        self.key, self.label, self.unit, self.size = key, label, unit, size
        self.against_limit, self.against_apache = against_limit, against_apache
        self.figures = figures  # of the result, the first is the one that is judged
        self.load = load
        self.configs = load.pop('configs', None)
        self.is_flushing = load.pop('flushing', False)
        self.is_unpinned = load.pop('unpinned', False)
        self.what = load.pop('what')

    def scale(self, factor):
        self.size = int(self.size * factor)
        for name in ('requests', 'seconds'):
            if name in self.load:
                self.load[name] = type(self.load[name])(max(self.load[name] * factor, 1))

    @property
    def partitions(self):
        return self.load.get('partitions', 1)


def produce(key, label, size, limit, apache, **load):
    load = dict(dict(what='produce', partitions=1, connections=1, in_flight=5, batch=65536, record=1024), **load)
    return Row(key, label, 'CPU-s/GB', size, limit, apache, ['cpu_per_gb', 'mb_per_s'], **load)


def single(key, label, requests, limit, apache, **load):
    load = dict(dict(what='produce', partitions=1, connections=1, in_flight=1, batch=1, record=1024, requests=requests), **load)
    return Row(key, label, 'us/request', requests * 1200, limit, apache, ['us_per_request', 'requests_per_s'], **load)


def tail(groups, limit, apache):
    return Row('tail-%d' % groups, 'tail consume at 10 MB/s, %d group%s' % (groups, 's' if groups > 1 else ''), 'CPU-s/GB out', 64 * MB,
               limit, apache, ['cpu_per_gb_out', 'p99_us'],
               what='flow', rate=10240, record=1024, batch=16384, linger_us=5000, groups=groups, seconds=5)


def latency(key, label, limit, apache, **load):
    load = dict(dict(what='flow', record=1024, batch=16384, linger_us=0, seconds=5, unpinned=True), **load)
    return Row(key, label, 'p99 us', 128 * MB, limit, apache, ['p99_us', 'p50_us', 'p999_us', 'max_us'], **load)


# Four connections wherever the shape does not say otherwise: one alone measures the sleeping as well.
ROWS = [
    produce('1mb', 'produce 1 KB records, 1 MB batches', 1024 * MB, 1.25, 1 / 2.5, batch=1000000, partitions=4, connections=4),
    produce('1mb-idempotent', 'the same, idempotent', 1024 * MB, 1.25, 1 / 2.5, batch=1000000, partitions=4, connections=4, idempotent=1),
    produce('64kb', 'produce 1 KB records, 64 KB batches, 1 partition', 768 * MB, 1.25, 1 / 3.5, connections=4),
    produce('64kb-16', 'the same, 16 partitions', 768 * MB, 1.25, 1 / 3.5, connections=4, partitions=16),
    produce('100b', 'produce 100 B records, 16 KB batches', 384 * MB, 1.3, 1 / 7, batch=16384, record=100, connections=4, partitions=4),
    single('one-1', 'one record a request, 1 in flight', 20000, 1.3, 1 / 2.8),
    single('one-5', 'one record a request, 5 in flight', 60000, 1.3, 1 / 8, in_flight=5),
    single('one-100', 'one record a request, 100 connections', 60000, 1.3, 1 / 3, connections=100),
    Row('fetch', 'consume from the start, 1 MB fetches', 'CPU-s/GB', 768 * MB, 1.15, 1.0, ['cpu_per_gb_out', 'mb_out_per_s'],
        what='fetch', batch=65536, record=1024, fetch=MB),
    tail(1, 1.4, 1 / 3),
    tail(10, 1.4, 1 / 3),
    produce('lz4', 'produce 1 KB records, 64 KB batches, lz4', 256 * MB, None, 1 / 2, connections=4, codec='lz4'),
    produce('zstd', 'produce 1 KB records, 64 KB batches, zstd', 256 * MB, None, 1 / 2, connections=4, codec='zstd'),
    latency('e2e-5k', 'end to end, 5,000 records of 1 KB a second', 2.0, 1 / 10, rate=5000),
    latency('e2e-20k', 'end to end, 20,000 records of 1 KB a second', 2.0, 1 / 10, rate=20000),
    Row('flush', 'end to end with flush.messages=1, 500 a second', 'p50 us', 16 * MB, None, None, ['p50_us', 'p99_us', 'p999_us'],
        what='flow', rate=500, record=1024, batch=16384, linger_us=0, seconds=5, configs='flush.messages:1', flushing=True, unpinned=True),
]


def figures(row, result, cpu):
    """What a run says in the row's figures."""
    gb_in, gb_out = result['bytes_in'] / 1e9, result['bytes_out'] / 1e9
    out = {'cpu_s': cpu, 'driver_cpu_s': result['driver_cpu'], 'seconds': result['seconds']}
    if gb_in:
        out.update(cpu_per_gb=cpu / gb_in, mb_per_s=gb_in * 1000 / result['seconds'])
    if gb_out:
        out.update(cpu_per_gb_out=cpu / gb_out, mb_out_per_s=gb_out * 1000 / result['seconds'])
    if result['records_in']:
        out['cpu_per_million'] = cpu / result['records_in'] * 1e6
    if result['requests']:
        out.update(us_per_request=cpu / result['requests'] * 1e6, requests_per_s=result['requests'] / result['seconds'])
    out.update({name: result[name] for name in ('p50_us', 'p99_us', 'p999_us', 'max_us') if name in result})
    return out
