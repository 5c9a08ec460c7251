#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes the protocol code.  Python's standard library only.

    generate.py list OUT            the files `code` would write, one a line
    generate.py code OUT            headers, codecs and tables below OUT
    generate.py fields OUT          C files with a description of every field, for the tests
    generate.py support [FILE]      docs/protocol-support.md; with --check it only compares
"""
import sys
from pathlib import Path

sys.dont_write_bytecode = True

import emit_fields  # noqa: E402
import emit_tables  # noqa: E402
from emit_message import Emitter  # noqa: E402
from names import folder, header_path, snake  # noqa: E402
from schema import SchemaError, load, load_advertised  # noqa: E402

ROOT = Path(__file__).resolve().parent.parent


def source_path(message):
    return '%s/%s.c' % (folder(message), snake(message.name))


TABLES = ['weir/protocol/api_key_enum.h', 'weir/protocol/record_type_enums.h', 'api_table.c',
          'record_table.c']


def outputs(messages):
    files = list(TABLES)
    for message in messages:
        if message.valid:
            files += [header_path(message), source_path(message)]
    return files


def write(path, text):
    """Leaves the file alone when nothing changed, so that nothing is compiled again."""
    path = Path(path)
    if path.exists() and path.read_text() == text:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def code(out):
    messages, apis = load(ROOT)
    advertised = load_advertised(ROOT, apis, messages)
    texts = [emit_tables.api_enum(apis), emit_tables.record_enums(messages),
             emit_tables.api_table(apis, messages, advertised), emit_tables.record_table(messages)]
    for path, text in zip(TABLES, texts):
        write(out / path, text)
    for message in messages:
        if message.valid:
            write(out / header_path(message), Emitter(message).header())
            write(out / source_path(message), Emitter(message).source())


def support(arguments):
    messages, apis = load(ROOT)
    text = emit_tables.support(apis, messages, load_advertised(ROOT, apis, messages))
    check = '--check' in arguments
    files = [argument for argument in arguments if argument != '--check']
    path = Path(files[0]) if files else ROOT.parent / 'docs' / 'protocol-support.md'
    if check:
        if not path.exists() or path.read_text() != text:
            raise SchemaError('%s is out of date: run protocol/generator/generate.py support' % path.name)
    else:
        write(path, text)


def main(arguments):
    if len(arguments) == 2 and arguments[0] == 'list':
        messages, _ = load(ROOT)
        print('\n'.join(str(Path(arguments[1]) / path) for path in outputs(messages)))
    elif len(arguments) == 2 and arguments[0] == 'code':
        code(Path(arguments[1]))
    elif len(arguments) == 2 and arguments[0] == 'fields':
        messages, _ = load(ROOT)
        for group, text in emit_fields.sources(messages).items():
            write(Path(arguments[1]) / ('fields_%s.c' % group), text)
    elif arguments and arguments[0] == 'support':
        support(arguments[1:])
    else:
        print(__doc__, file=sys.stderr)
        return 2
    return 0


if __name__ == '__main__':
    try:
        sys.exit(main(sys.argv[1:]))
    except (SchemaError, OSError) as error:
        print('generate.py: %s' % error, file=sys.stderr)
        sys.exit(1)
