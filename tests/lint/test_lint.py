#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Each check finds what it is for, and leaves alone what is right."""
import os
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.dont_write_bytecode = True
import lint  # noqa: E402

SPDX = '/* SPDX-License-Identifier: Apache-2.0 */\n'


class LintTest(unittest.TestCase):
    def found(self, check, **files):
        """Findings of a check in a tree of these files; __ in a name is a slash, _DOT_ a dot."""
        with tempfile.TemporaryDirectory() as root:
            for name, text in files.items():
                path = os.path.join(root, name.replace('__', '/').replace('_DOT_', '.'))
                os.makedirs(os.path.dirname(path), exist_ok=True)
                with open(path, 'w') as file:
                    file.write(text)
            os.makedirs(os.path.join(root, 'src'), exist_ok=True)
            return [text for _, _, text in check(lint.Tree(root))]

    def test_layers(self):
        table = 'base:\nnet: base\n'
        good = self.found(lint.layers, docs__layers_DOT_txt=table, src__net__a_DOT_c='#include "weir/base/x.h"\n')
        bad = self.found(lint.layers, docs__layers_DOT_txt=table, src__base__a_DOT_c='#include "weir/net/x.h"\n')
        self.assertEqual((len(good), len(bad)), (0, 1))

    def test_file_sizes(self):
        self.assertEqual(len(self.found(lint.file_sizes, src__a__a_DOT_c='\n' * 801)), 1)
        self.assertEqual(self.found(lint.file_sizes, src__a__a_DOT_c='\n' * 800), [])

    def test_function_sizes(self):
        long_one = 'static int f(void)\n{\n' + '    x();\n' * 71 + '}\n'
        self.assertEqual(len(self.found(lint.function_sizes, src__a__a_DOT_c=long_one)), 1)
        self.assertEqual(self.found(lint.function_sizes, src__a__a_DOT_c=long_one.replace('    x();\n', '', 1)), [])

    def test_banned_functions(self):
        self.assertEqual(len(self.found(lint.banned_functions, src__a__a_DOT_c='void *p = malloc(3);\n')), 1)
        right = 'x->free(p); weir_free(p); /* malloc(3) */ const char *s = "time(0)";\n'
        self.assertEqual(self.found(lint.banned_functions, src__a__a_DOT_c=right), [])
        said = '/* lint: banned, the parser was run on the digits above */\nint n = atoi(text);\n'
        self.assertEqual(self.found(lint.banned_functions, src__a__a_DOT_c=said), [])

    def test_spdx_lines(self):
        self.assertEqual(len(self.found(lint.spdx_lines, src__a__a_DOT_c='int x(void);\n')), 1)
        self.assertEqual(self.found(lint.spdx_lines, src__a__a_DOT_c=SPDX), [])

    def test_no_mutable_globals(self):
        for wrong in ('static int count;\n', 'int table[3] = {1, 2, 3};\n', 'static const char *name = "x";\n',
                      'static struct thing things[] = {\n    {1},\n};\n', 'static void (*hook)(int);\n'):
            self.assertEqual(len(self.found(lint.no_mutable_globals, src__a__a_DOT_c=wrong)), 1, wrong)
        for right in ('static const int table[] = {1, 2};\n', 'static const char *const names[] = {"a"};\n',
                      'struct thing {\n    int x;\n};\n', 'enum weir_x {\n    A,\n};\n', 'int f(void (*run)(int));\n',
                      'typedef int weir_f(int);\n', '#define X int y = 3;\n', 'static int f(int a)\n{\n    static_assert(1, "");\n    int b = a;\n    return b;\n}\n',
                      'static int n; /* lint: mutable-global, a counter of tests */\n', 'extern const int x;\n'):
            self.assertEqual(self.found(lint.no_mutable_globals, src__a__a_DOT_c=right), [], right)

    def test_machine_paths(self):
        self.assertEqual(len(self.found(lint.machine_paths, src__a__a_DOT_c='/* see ' + '/root' + '/x */\n')), 1)
        self.assertEqual(self.found(lint.machine_paths, src__a__a_DOT_c='/* see docs/x and src/root/y */\n'), [])

    def test_todos_have_issues(self):
        self.assertEqual(len(self.found(lint.todos_have_issues, src__a__a_DOT_c='/* TO' + 'DO later */\n')), 1)
        self.assertEqual(self.found(lint.todos_have_issues, src__a__a_DOT_c='/* TO' + 'DO (issue 7) later */\n'), [])

    def test_traps_page(self):
        rows = ''.join('| %d | a | b | c | `trap_%02d_x` |\n' % (i, i) for i in range(1, 26))
        tests = ''.join('def trap_%02d_x(directory):\n    pass\n' % i for i in range(1, 26))
        for page, code, count in ((rows, tests, 0), (rows, tests + 'def trap_03_y(directory):\n    pass\n', 1),
                                  (rows.replace('`trap_07_x`', 'none'), tests, 2), (rows.replace('| 9 |', '| 90 |'), tests, 2)):
            self.assertEqual(len(self.found(lint.traps_page, **{'docs/traps.md': page, 'tests/integration/traps_a.py': code})), count)

    def test_readmes(self):
        self.assertEqual(len(self.found(lint.readmes, src__a__a_DOT_c=SPDX)), 1)


if __name__ == '__main__':
    unittest.main()
