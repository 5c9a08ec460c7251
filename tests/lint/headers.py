#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Each header compiles alone, public, private and generated.  usage: headers.py ROOT BUILD COMPILER"""
import concurrent.futures
import glob
import os
import subprocess
import sys

FLAGS = ['-std=c11', '-D_GNU_SOURCE', '-Wall', '-Wextra', '-Werror', '-fsyntax-only', '-x', 'c']
CHUNK = 40


def headers(root, build):
    found = glob.glob(os.path.join(root, 'include', '**', '*.h'), recursive=True)
    found += glob.glob(os.path.join(root, 'src', '**', '*.h'), recursive=True)
    found += glob.glob(os.path.join(build, '**', 'weir', 'protocol', '**', '*.h'), recursive=True)
    return sorted(found)


def include_dirs(root, build):
    generated = {path[:path.index(os.sep + 'weir' + os.sep + 'protocol')] for path in
                 glob.glob(os.path.join(build, '**', 'weir', 'protocol', '*.h'), recursive=True) +
                 glob.glob(os.path.join(build, '**', 'weir', 'protocol', '*', '*.h'), recursive=True)}
    return [os.path.join(root, 'include')] + sorted(generated)


def compile_some(compiler, includes, paths):
    """Compiles several headers in one run of the compiler, each a translation unit of its own; -> what it complains of."""
    done = subprocess.run([compiler, *FLAGS, *('-I' + place for place in includes), *paths],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    text = '\n'.join(line for line in done.stdout.splitlines() if 'pragma once in main file' not in line)
    return text if done.returncode != 0 else ''


def main():
    root, build, compiler = sys.argv[1:4]
    FLAGS.insert(0, '-Wno-pragma-once-outside-header' if 'clang' in compiler else '-w')
    includes = include_dirs(root, build)
    paths = headers(root, build)
    bad = 0
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count() or 2) as pool:
        chunks = [paths[n:n + CHUNK] for n in range(0, len(paths), CHUNK)]
        for text in pool.map(lambda some: compile_some(compiler, includes, some), chunks):
            if text:
                bad += 1
                print(text)
    print('%d headers' % len(paths))
    return 1 if bad or not paths else 0


if __name__ == '__main__':
    sys.exit(main())
