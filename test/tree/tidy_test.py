#!/usr/bin/env python3
"""tidy_test.py TIDY CC: planted in a small tree, each fault that tools/tidy looks for is found, once."""
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

CC = sys.argv.pop(2)
TIDY = Path(sys.argv.pop(1)).resolve()

CLEAN = {
    "src/base/low.h": "/* low.h - the bottom. */\nint low(void);\n",
    "src/base/low.c": '/* low.c - the bottom. */\n#include "base/low.h"\n\nint low(void)\n{\n\treturn 1;\n}\n',
    "lab/cli/talk.h": "/* talk.h - a low room. */\nint talk(void);\n",
    "lab/cli/talk.c": '/* talk.c - a low room. */\n#include "base/low.h"\n#include "cli/talk.h"\n\n'
                      "int talk(void)\n{\n\treturn low();\n}\n",
    "lab/show/show.h": "/* show.h - a high room. */\nint show(void);\n",
    "lab/show/show.c": '/* show.c - a high room. */\n#include "inspect/view.h"\n#include "show/show.h"\n\n'
                       "int show(void)\n{\n\treturn view();\n}\n",
    "lab/inspect/view.h": "/* view.h - a room between. */\nint view(void);\n",
    "lab/inspect/view.c": '/* view.c - a room between. */\n#include "cli/talk.h"\n#include "inspect/view.h"\n\n'
                          "int view(void)\n{\n\treturn talk();\n}\n",
}


class Planted(unittest.TestCase):
    def tidy(self, planted):
        """Faults of the small tree with the planted files in it, compiled as CMake would."""
        with tempfile.TemporaryDirectory() as tree:
            for name, text in {**CLEAN, **planted}.items():
                path = Path(tree, name)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text)
            for name in [name for name in {**CLEAN, **planted} if name.endswith(".c")]:
                top, rest = name.split("/", 1)
                out = Path(tree, "build", top, "CMakeFiles/all.dir", rest + ".o")
                out.parent.mkdir(parents=True, exist_ok=True)
                subprocess.run([CC, "-w", "-Isrc", "-Ilab", "-c", name, "-o", out], cwd=tree, check=True)
            Path(tree, ".gitignore").write_text("build\n")
            subprocess.run(["git", "init", "-q"], cwd=tree, check=True)
            done = subprocess.run([TIDY, "build"], cwd=tree, capture_output=True, text=True)
            faults = done.stdout.splitlines()
            self.assertEqual(done.returncode, 1 if faults else 0, done.stderr)
            return faults

    def one(self, planted, pattern):
        faults = self.tidy(planted)
        self.assertEqual(len(faults), 1, faults)
        self.assertRegex(faults[0], pattern)

    def test_nothing_is_wrong_with_the_small_tree(self):
        self.assertEqual(self.tidy({}), [])

    def test_a_circle_of_calls_between_two_files_is_one_fault(self):
        self.one({"lab/show/ping.c": "/* ping.c - calls pong. */\nint pong(int);\n"
                                     "int ping(int n)\n{\n\treturn n ? pong(n - 1) : 0;\n}\n",
                  "lab/show/pong.c": "/* pong.c - calls ping. */\nint ping(int);\n"
                                     "int pong(int n)\n{\n\treturn n ? ping(n - 1) : 1;\n}\n"},
                 r"circle of calls between lab/show/ping\.c, lab/show/pong\.c")

    def test_a_circle_through_three_files_and_a_variable_is_one_fault(self):
        self.one({"src/os/a.c": "/* a.c - calls b. */\nint b(void);\nint a(void)\n{\n\treturn b();\n}\n",
                  "src/os/b.c": "/* b.c - calls c. */\nint c(void);\nint b(void)\n{\n\treturn c();\n}\n",
                  "src/os/c.c": "/* c.c - reads a. */\nextern int (*const p)(void);\nint c(void)\n{\n\treturn p();\n}\n",
                  "src/os/d.c": "/* d.c - points to a. */\nint a(void);\nint (*const p)(void) = a;\n"},
                 r"circle of calls between src/os/a\.c, src/os/b\.c, src/os/c\.c, src/os/d\.c")

    def test_an_include_of_a_room_above_is_one_fault(self):
        self.one({"lab/cli/wrong.c": '/* wrong.c - looks up. */\n#include "show/show.h"\n'},
                 r"wrong\.c:2: include of show/show\.h: lab/show is no room that lab/cli may use")

    def test_an_include_of_a_room_beside_is_one_fault(self):
        self.one({"lab/draw/wrong.c": '/* wrong.c - looks aside. */\n#include "inspect/view.h"\n'},
                 r"lab/inspect is no room that lab/draw may use")

    def test_a_call_upward_without_an_include_is_one_fault(self):
        self.one({"lab/cli/wrong.c": "/* wrong.c - calls up. */\nint show(void);\nint wrong(void)\n{\n\treturn show();\n}\n"},
                 r"wrong\.c:1: call of show in lab/show/show\.c: lab/show is no room that lab/cli may use")

    def test_an_include_of_the_lab_by_the_library_is_one_fault(self):
        self.one({"src/base/wrong.c": '/* wrong.c - looks up. */\n#include "cli/talk.h"\n'}, r"upward: src/base")

    def test_a_command_that_prints_is_one_fault(self):
        self.one({"lab/cmd/wrong.c": '/* wrong.c - prints. */\n#include <stdio.h>\n\n'
                                     'void wrong(void)\n{\n\tputs("x");\n}\n'},
                 r"wrong\.c:6: a command prints in its room")

    def test_a_second_struct_of_one_name_is_one_fault(self):
        self.one({"lab/cli/first.c": "/* first.c - its own walk. */\nstruct walk {\n\tint at;\n};\n",
                  "lab/show/second.c": "/* second.c - another walk. */\nstatic const struct walk {\n\tint at;\n} w;\n"},
                 r"lab/show/second\.c:2: a second definition of walk, a struct: lab/cli/first\.c:2 has that name")

    def test_an_enum_and_a_nested_union_of_one_name_are_one_fault(self):
        self.one({"src/base/first.h": "/* first.h - an enumeration. */\nenum kind { ONE, TWO };\n",
                  "src/base/second.c": "/* second.c - inside another. */\nstruct outer {\n\tunion kind {\n\t\tint a;\n"
                                       "\t} kind;\n};\n"},
                 r"second\.c:3: a second definition of kind, a union: src/base/first\.h:2 has that name")

    def test_a_struct_that_is_declared_and_used_elsewhere_is_none(self):
        self.assertEqual(self.tidy({
            "src/base/first.h": "/* first.h - a walk. */\nstruct walk;\nstruct walk {\n\tint at;\n};\n",
            "src/base/second.c": '/* second.c - makes one. */\n#include "base/first.h"\nstruct walk *here(struct walk *w)\n'
                                 "{\n\t*w = (struct walk){0};\n\treturn w;\n}\n"}), [])

    def test_a_line_of_101_columns_is_one_fault(self):
        self.one({"lab/cli/wide.c": "/* wide.c - one column too many. */\n/* " + "x" * 95 + " */\n"},
                 r"wide\.c:2: 101 columns, at most 100")

    def test_a_line_of_100_columns_is_none(self):
        self.assertEqual(self.tidy({"lab/cli/wide.c": "/* wide.c - just fits. */\n/* " + "x" * 94 + " */\n"}), [])

    def test_a_script_of_501_lines_is_one_fault(self):
        for name, first in ("tools/long", "#!/bin/sh\n"), ("test/lab/long_test.py", "\n"), ("web/src/long.ts", "\n"):
            self.one({name: first + "\n" * 500}, rf"{name}:501: 501 lines, at most 500")

    def test_a_script_of_500_lines_and_long_data_are_none(self):
        self.assertEqual(self.tidy({"tools/long": "#!/bin/sh\n" + "\n" * 499, "test/data": "\n" * 900}), [])

    def test_a_second_reader_of_mappings_or_clocks_array_and_head_of_json_are_faults(self):
        for line in ('f("/proc/self/maps");', 'f("/proc/%d/maps", 1);', "p = realloc(p, 9);", "clock_gettime(0, p);", 'f("{\\"schema\\":1");'):
            self.one({"lab/cli/again.c": "/* again.c - once more. */\nvoid f();\nvoid *p;\n\nvoid again(void)\n"
                                         f"{{\n\t{line}\n}}\n"}, r"again\.c:7: a second place for ")

    def test_words_of_a_message_and_of_a_comment_are_no_second_place(self):
        self.assertEqual(self.tidy({
            "lab/cli/again.c": '/* again.c - says realloc(p, n).\n * It reads no "/proc/self/maps". */\nvoid f();\n\n'
                               'void again(void)\n{\n\tf("p = realloc(p, 9)"); /* as realloc(p, 9) */\n}\n'}), [])

    def test_a_room_without_a_place_in_the_table_is_one_fault(self):
        self.one({"lab/attic/wrong.c": '/* wrong.c - a new room. */\n#include "cli/talk.h"\n'},
                 r"lab/attic is a room that tools/tidy does not know")

    def test_headers_that_include_each_other_are_one_fault(self):
        self.one({"src/base/x.h": '/* x.h - needs y. */\n#pragma once\n#include "base/y.h"\n',
                  "src/base/y.h": '/* y.h - needs x. */\n#pragma once\n#include "base/x.h"\n'},
                 r"circle of includes between src/base/x\.h, src/base/y\.h")


if __name__ == "__main__":
    unittest.main()
