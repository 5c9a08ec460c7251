#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The rules of the house that a program can check.  usage: lint.py ROOT CHECK... | lint.py --list

An exception is one line at the spot, on the line itself or next to it: /* lint: RULE, the reason */ with the rules
mutable-global, banned and function-size."""
import os
import re
import subprocess
import sys

FILE_LINES, FUNCTION_LINES = 800, 70
CODE_DIRS = ('src', 'include', 'protocol', 'tests', 'compat-tests', 'tools', 'cmake', '.ci')
CODE_ENDS = ('.c', '.h', '.py', '.java', '.go', '.js', '.cmake', '.txt', '.msg', '.sh', '.xml', '.properties')
BANNED = {
    'strcpy': 'base/slice.h or snprintf', 'strcat': 'snprintf', 'sprintf': 'snprintf', 'vsprintf': 'vsnprintf', 'strtok': 'a loop',
    'gets': 'nothing', 'alloca': 'an arena', 'malloc': 'base/memory.h', 'calloc': 'base/memory.h', 'realloc': 'base/memory.h',
    'free': 'base/memory.h', 'strdup': 'base/memory.h', 'strndup': 'base/memory.h',
    'time': 'env', 'gettimeofday': 'env', 'clock_gettime': 'env', 'localtime': 'env', 'gmtime': 'env', 'rand': 'env',
    'srand': 'env', 'random': 'env', 'getrandom': 'env', 'sleep': 'a timer', 'usleep': 'a timer', 'nanosleep': 'a timer',
    'system': 'nothing', 'setjmp': 'goto out',
    'longjmp': 'goto out',
}
# Where the seam itself is: these files are what the others are told to use.
ALLOWED = {
    'src/base/memory.c': {'malloc', 'calloc', 'realloc', 'free'},
    'src/runtime/': {'clock_gettime', 'gettimeofday', 'getrandom', 'nanosleep', 'time'},
}


class Tree:
    def __init__(self, root):
        self.root = root

    def files(self, *tops, ends=('.c', '.h')):
        for top in tops:
            for place, folders, names in os.walk(os.path.join(self.root, top)):
                folders[:] = sorted(name for name in folders if name not in ('target', 'node_modules', '__pycache__', 'build'))
                for name in sorted(names):
                    if name.endswith(ends):
                        yield os.path.relpath(os.path.join(place, name), self.root)

    def read(self, path):
        with open(os.path.join(self.root, path), errors='replace') as file:
            return file.read()


def blank(text):
    """C code with comments, strings and character constants replaced by spaces; lines stay where they are."""
    pattern = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)

    def spaces(match):
        found = match.group(0)
        if found.startswith(('"', "'")):
            return found[0] + ' ' * (len(found) - 2) + found[0]
        return re.sub(r'[^\n]', ' ', found)

    return pattern.sub(spaces, text)


def is_allowed(lines, number, rule):
    """Is there an exception with a reason at line `number` (from 1)?"""
    near = '\n'.join(lines[max(0, number - 2):number + 1])
    return re.search(r'lint: %s, \S+ \S+' % rule, near) is not None


def layer_table(tree):
    table = {}
    for line in tree.read('docs/layers.txt').splitlines():
        if line.strip() and not line.startswith('#'):
            name, _, knows = line.partition(':')
            table[name.strip()] = set(knows.split()) | {name.strip()}
    return table


def layers(tree):
    """A file includes headers of its own folder and of the folders it may know."""
    table = layer_table(tree)
    for path in tree.files('src', 'include/weir'):
        parts = path.split(os.sep)
        layer = parts[1] if parts[0] == 'src' else parts[2]
        if layer not in table:
            yield path, 1, 'folder %s is not in docs/layers.txt' % layer
            continue
        for number, line in enumerate(tree.read(path).splitlines(), 1):
            match = re.match(r'\s*#\s*include\s*"([^"]+)"', line)
            if not match:
                continue
            found = re.match(r'weir/([a-z_]+)/', match.group(1))
            if found and found.group(1) not in table[layer]:
                yield path, number, '%s may not include %s' % (layer, match.group(1))
            elif not found and not os.path.exists(os.path.join(tree.root, os.path.dirname(path), match.group(1))):
                yield path, number, '%s is neither a header of this folder nor weir/...' % match.group(1)
            elif found and parts[0] == 'include' and match.group(1).endswith('_int.h'):
                yield path, number, 'a public header includes a private one'


def file_sizes(tree):
    for path in tree.files('src', 'include', 'tests', 'protocol', 'compat-tests', ends=('.c', '.h', '.py')):
        count = tree.read(path).count('\n')
        if count > FILE_LINES:
            yield path, count, '%d lines; look for the second idea (at most %d)' % (count, FILE_LINES)


def functions(text):
    """(line of the opening brace, line of the closing one, head) of each function; braces of functions stand alone."""
    lines = blank(text).splitlines()
    start = None
    for number, line in enumerate(lines, 1):
        if line.startswith('{') and number > 1 and lines[number - 2].rstrip().endswith((')', ',')):
            start = number
        elif line.startswith('}') and start:
            yield start, number, text.splitlines()[start - 2].strip()
            start = None


def function_sizes(tree):
    for path in tree.files('src', 'include', 'tests'):
        text = tree.read(path)
        for start, end, head in functions(text):
            if end - start - 1 > FUNCTION_LINES and not is_allowed(text.splitlines(), start - 1, 'function-size'):
                yield path, start, '%d lines in %s (at most %d)' % (end - start - 1, head[:60], FUNCTION_LINES)


def banned_functions(tree):
    pattern = re.compile(r'(?<![A-Za-z0-9_.>])(%s)\s*\(' % '|'.join(BANNED))
    for path in tree.files('src', 'include'):
        text = tree.read(path)
        allowed = set().union(*(names for place, names in ALLOWED.items() if path.startswith(place)), set())
        lines = text.splitlines()
        for number, line in enumerate(blank(text).splitlines(), 1):
            for match in pattern.finditer(line):
                name = match.group(1)
                if name not in allowed and not is_allowed(lines, number, 'banned'):
                    yield path, number, '%s(): use %s' % (name, BANNED[name])


def spdx_lines(tree):
    for path in tracked(tree):
        if not path.startswith(CODE_DIRS) or not (path.endswith(CODE_ENDS) or '.' not in os.path.basename(path)):
            continue
        text = tree.read(path)
        is_fixture = path.startswith('tests/golden/') or '/corpus/' in path or path.endswith(('go.mod', 'go.sum'))
        if text.strip() and not is_fixture and 'SPDX-License-Identifier: Apache-2.0' not in '\n'.join(text.splitlines()[:4]):
            yield path, 1, 'no SPDX line in the first four lines'


def readmes(tree):
    """Each folder of src explains itself; there is no folder that is not in the layer table."""
    for folder in sorted(os.listdir(os.path.join(tree.root, 'src'))):
        if not os.listdir(os.path.join(tree.root, 'src', folder)):
            continue
        path = os.path.join('src', folder, 'README.md')
        if not os.path.exists(os.path.join(tree.root, path)):
            yield path, 1, 'is missing'
        elif len(tree.read(path).split()) < 20:
            yield path, 1, 'says next to nothing'


def no_mutable_globals(tree):
    """Data at file scope is const.  A declaration at depth 0 that is no function, type or extern is data."""
    for path in tree.files('src', 'include'):
        text = tree.read(path)
        lines = text.splitlines()
        clean = re.sub(r'^[ \t]*#(?:[^\n\\]|\\\n|\\.)*', lambda m: re.sub(r'[^\n]', ' ', m.group(0)), blank(text), flags=re.M)
        for number, head in file_scope_statements(clean):
            head = re.sub(r'\[[^\]]*\]', ' ', head)
            head = re.sub(r'_Alignas\s*\([^)]*\)|__attribute__\s*\(\(.*?\)\)', ' ', head)
            if not re.match(r'\s*(static|_Thread_local|[A-Za-z_])', head) or re.match(
                    r'\s*(typedef|extern|struct\s+\w+\s*$|enum\s+\w+\s*$|union\s+\w+\s*$|enum\s*$|static_assert|_Static_assert)', head):
                continue
            before = head.split('=')[0]
            if '(' in before and not re.match(r'[^(]*\(\s*\*', before):
                continue  # a function; a pointer to one has its star right after the first parenthesis
            if path.endswith('.h') and '=' not in head and not re.match(r'\s*static\b', head):
                continue  # a function declared by its type's name; data here would be defined twice and not link
            is_const = re.search(r'\bconst\b', before) and ('*' not in before or re.search(r'\*\s*const\b', before))
            if not is_const and len(before.split()) >= 2 and not is_allowed(lines, number, 'mutable-global'):
                yield path, number, 'mutable data at file scope: ' + ' '.join(before.split())[:70]


def file_scope_statements(clean):
    """(line, text up to ; { or =) of what stands outside of all braces."""
    depth, start, head = 0, None, ''
    line = 1
    for char in clean:
        if char == '\n':
            line += 1
        if depth == 0 and char not in ';{}':
            if start is None and not char.isspace():
                start, head = line, ''
            head += char
        elif depth == 0 and char in ';{':
            if start is not None:
                is_body = char == '{' and head.rstrip().endswith(')')
                if not is_body and not (char == '{' and '=' not in head):
                    yield start, head
            start, head = None, ''
        if char == '{':
            depth += 1
        elif char == '}':
            depth = max(0, depth - 1)


def tracked(tree):
    done = subprocess.run(['git', '-C', tree.root, 'ls-files', '-co', '--exclude-standard'], stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL, text=True)
    if done.returncode != 0:
        return sorted(set(tree.files('.', ends=('',))))
    return [path for path in done.stdout.splitlines() if os.path.isfile(os.path.join(tree.root, path))]


def machine_paths(tree):
    """No path of one machine, no address of a registry."""
    pattern = re.compile(r'(?<![\w.-])/(?:work|root|home|farm|Users)/[\w.]+|'
                         r'https?://(?:repo\d?\.maven|registry\.npmjs|pypi\.org|files\.pythonhosted|proxy\.golang|deb\.debian)')
    for path in tracked(tree):
        if path.endswith(('.hex', '.bin', '.tgz')) or path.startswith('tests/lint/'):
            continue
        for number, line in enumerate(tree.read(path).splitlines(), 1):
            match = pattern.search(line)
            if match:
                yield path, number, match.group(0)


def todos_have_issues(tree):
    for path in tracked(tree):
        if path.startswith(('LICENSE', 'tests/lint/')):
            continue
        for number, line in enumerate(tree.read(path).splitlines(), 1):
            match = re.search(r'\b(TODO|FIXME|XXX|HACK)\b', line)
            if match and not re.search(match.group(1) + r'\s*\(?(issue|#)\s*\d+', line):
                yield path, number, '%s without an issue' % match.group(1)


def differences_page(tree):
    program = os.path.join(tree.root, 'compat-tests', 'difftest', 'differences.py')
    done = subprocess.run([sys.executable, program, '--check'], stderr=subprocess.PIPE, text=True)
    if done.returncode != 0:
        yield 'docs/differences.md', 1, done.stderr.strip()


def traps_page(tree):
    """docs/traps.md names each trap's tests, and all of them."""
    page = 'docs/traps.md'
    tests = {}
    for path in tree.files('tests/integration', 'tests/unit/storage', ends=('.py', '.c')):
        if os.path.basename(path).startswith(('traps_', 'test_traps')):
            for name in re.findall(r'^def (trap_\w+)\(|^Test\(traps, (trap_\w+)\)', tree.read(path), re.M):
                tests[name[0] or name[1]] = path
    told, numbers = set(), []
    for number, line in enumerate(tree.read(page).splitlines(), 1):
        row = re.match(r'\| (\d+) \|', line)
        if not row:
            continue
        numbers.append(int(row.group(1)))
        names = re.findall(r'`(trap_\w+)`', line)
        told |= set(names)
        for name in names:
            if name not in tests:
                yield page, number, 'there is no test %s' % name
            if not name.startswith('trap_%02d_' % numbers[-1]):
                yield page, number, '%s is not of trap %d' % (name, numbers[-1])
        if not names:
            yield page, number, 'a trap without a test'
    if numbers != list(range(1, 26)):
        yield page, 1, 'the rows are not the traps 1 to 25'
    for name in sorted(set(tests) - told):
        yield tests[name], 1, '%s is not in %s' % (name, page)


CHECKS = {check.__name__: check for check in (layers, file_sizes, function_sizes, banned_functions, spdx_lines, readmes,
                                              no_mutable_globals, machine_paths, todos_have_issues, differences_page,
                                              traps_page)}


def main():
    if '--list' in sys.argv:
        print('\n'.join(CHECKS))
        return 0
    tree = Tree(sys.argv[1])
    findings = 0
    for name in sys.argv[2:] or CHECKS:
        for path, line, text in CHECKS[name](tree):
            print('%s:%d: %s: %s' % (path, line, name, text))
            findings += 1
    return 1 if findings else 0


if __name__ == '__main__':
    sys.exit(main())
