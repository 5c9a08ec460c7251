# SPDX-License-Identifier: Apache-2.0
"""Kafka's names turned into C's."""
import re

KEYWORDS = {'default', 'register', 'int', 'long', 'short', 'char', 'const', 'static', 'switch',
            'case', 'if', 'else', 'for', 'do', 'while', 'return', 'struct', 'union', 'enum',
            'signed', 'unsigned', 'volatile', 'void', 'goto', 'break', 'continue', 'auto', 'double',
            'float', 'inline', 'restrict', 'sizeof', 'typedef', 'extern', 'bool', 'true', 'false'}


def snake(name):
    name = name.replace('KRaft', 'Kraft')
    name = re.sub(r'([a-z0-9])([A-Z])', r'\1_\2', name)
    name = re.sub(r'([A-Z]+)([A-Z][a-z])', r'\1_\2', name)
    return name.lower()


def field_name(name):
    name = snake(name)
    return name + '_' if name in KEYWORDS else name


def message_name(message):
    return 'weir_' + snake(message.name)


def struct_name(message, struct):
    if struct is message.root:
        return message_name(message)
    return '%s_%s' % (message_name(message), snake(struct.name))


def folder(message):
    return 'records' if message.is_record else 'messages'


def header_path(message):
    return 'weir/protocol/%s/%s.h' % (folder(message), snake(message.name))
