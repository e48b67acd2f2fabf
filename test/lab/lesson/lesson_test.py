#!/usr/bin/env python3
"""test/lab/lesson/lesson_test.py BUILD SOURCE: faults planted into examples/my_system.c, and what dmm torture teaches.

Each must end in a C program of at most ten calls, which is compiled and run: it fails on the design with the
fault, and on neither the design without it nor the C library.
"""
import os
import re
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

BUILD, SOURCE = Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve()
del sys.argv[1:]
CC = os.environ.get("CC", "cc")
TEMPLATE = (SOURCE / "examples/my_system.c").read_text()

# What a student may write instead, and the titles of which one must appear.
FAULTS = {
    "a block stays in its list after it was given out": (
        "	list_remove(h, b);\n	while (k > order) {",
        "	if (k > order)\n		list_remove(h, b);\n	while (k > order) {",
        ["two live objects share bytes"]),
    "the header has 24 bytes": (
        "#define HEADER ((size_t)16)", "#define HEADER ((size_t)24)", ["an address is not aligned"]),
    "realloc does not copy": (
        "	(void)st;\n	return order_for(n + HEADER) == block_of(p)->order ? p : NULL;",
        "	void *const q = my_alloc(st, n, DMM_ALIGN_MIN);\n	if (q != NULL)\n		my_free(st, p);\n"
        "	return q;", ["an object lost what was written into it"]),
    "free writes into the block behind": (
        "	list_push(h, b, order_for(size));",
        "	list_push(h, b, order_for(size));\n	if ((char *)b + size < r->base + r->len)\n"
        "		memset((char *)b + size + HEADER, 0, 8);",
        ["an object lost what was written into it", "a call crashes"]),
    "malloc writes into the header behind": (
        "	b->live = 1;\n", "	b->live = 1;\n	memset((char *)b + HEADER, 0, ((size_t)1 << order));\n",
        ["a call crashes", "two live objects share bytes", "a call does not return"]),
    "usable counts the header": (
        "return ((size_t)1 << block_of(p)->order) - HEADER;", "return (size_t)1 << block_of(p)->order;",
        ["usable() promises bytes that are not the object's"]),
    "usable tells less than was asked": (
        "return ((size_t)1 << block_of(p)->order) - HEADER;",
        "return ((size_t)1 << block_of(p)->order) - 2 * HEADER;", ["an object's usable size is wrong"]),
    "free loses larger blocks": (
        "	struct block *b = block_of(p);\n",
        "	struct block *b = block_of(p);\n	if (b->order > MIN_ORDER) {\n		b->live = 0;\n"
        "		return;\n	}\n", ["freed memory is not used again"]),
    "a size of 0 crashes": (
        "	(void)align; /* never", "	if (n == 0)\n		return *(void *volatile *)NULL;\n"
        "	(void)align; /* never", ["a call crashes"]),
    "a buddy that was merged stays in its list": (
        "		list_remove(h, buddy);\n", "", ["two live objects share bytes", "a call crashes"]),
    "the heap does not grow a second time": (
        "		if (!grow(h, order))", "		if (h->region_count != 0 || !grow(h, order))",
        ["a request was refused though there was memory"]),
    "free does not end beside a live buddy": (
        "			break;\n		list_remove(h, buddy);",
        "			size /= 2;\n		else\n			list_remove(h, buddy);",
        ["a call does not return"]),
}
CALL = re.compile(r"\b(?:malloc|calloc|realloc|memalign|free|malloc_trim)\(")


def library(folder, text, name="my"):
    (folder / f"{name}.c").write_text(text)
    subprocess.run([CC, "-O2", "-w", "-shared", "-fPIC", "-fvisibility=hidden", f"-I{SOURCE}/include",
                    f"{name}.c", "-o", f"{name}.so", "-Wl,-u,malloc", f"-L{BUILD}", "-ldmm-any"],
                   cwd=folder, check=True)
    return folder / f"{name}.so"


def planted(*pairs):
    text = TEMPLATE
    for old, new in pairs:
        assert text.count(old) == 1, f"{old!r} occurs {text.count(old)} times in examples/my_system.c"
        text = text.replace(old, new)
    return text


def torture(folder, *args, seed=1):
    return subprocess.run([BUILD / "dmm", "torture", "--system=my=./my.so", f"--seed={seed}", *args], cwd=folder,
                          capture_output=True, text=True, timeout=300, env={**os.environ, "COLUMNS": "100"})


def status(program, folder, preload=None):
    env = dict(os.environ, LD_PRELOAD=str(preload)) if preload else dict(os.environ)
    return subprocess.run([program], cwd=folder, env=env, capture_output=True, timeout=300).returncode


class Faults(unittest.TestCase):
    def check(self, old, new, titles):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            bad = library(folder, planted((old, new)))
            run = torture(folder, "-o", "broken.c")
            said = " ".join(run.stdout.split())
            self.assertEqual(run.returncode, 1, run.stderr)
            self.assertTrue(any(title in said for title in titles), run.stdout + run.stderr)
            self.assertIn("docs/book/rules.md#", said)
            self.assertRegex(run.stdout, r"The heap (before|after)|there is no heap to draw")
            program = (folder / "broken.c").read_text()
            calls = len(CALL.findall(program.split("int main(void)")[1]))
            self.assertLessEqual(calls, 10, program)
            self.assertGreaterEqual(calls, 1)
            made = subprocess.run([CC, "-g", "-Wall", "-Wextra", "-Werror", "broken.c", "-o", "broken"], cwd=folder,
                                  capture_output=True, text=True)
            self.assertEqual(made.returncode, 0, made.stderr)
            self.assertNotEqual(status("./broken", folder, bad), 0, program)
            self.assertEqual(status("./broken", folder), 0, "it fails on the C library:\n" + program)
            good = library(folder, TEMPLATE, "good")
            self.assertEqual(status("./broken", folder, good), 0, "it fails without the fault:\n" + program)


def add_fault(name, fault):
    setattr(Faults, "test_" + name.replace(" ", "_"), lambda self: self.check(*fault))


for name, fault in FAULTS.items():
    add_fault(name, fault)


class Lessons(unittest.TestCase):
    def setUp(self):
        self.temporary = tempfile.TemporaryDirectory()
        self.folder = Path(self.temporary.name)

    def tearDown(self):
        self.temporary.cleanup()

    def teach(self, *pairs, args=()):
        library(self.folder, planted(*pairs))
        return torture(self.folder, *args)

    def test_the_drawings_show_the_names_of_the_program(self):
        run = self.teach(FAULTS["a block stays in its list after it was given out"][:2])
        self.assertRegex(run.stdout, r"(?m)^  a +0x[0-9a-f]+  \d+ bytes +a+")
        self.assertIn("header", run.stdout)  # the walk's drawing has a legend
        self.assertIn("int main(void)", run.stdout)  # without -o the program is there

    def test_a_design_without_a_walk_is_drawn_as_the_program_holds_it(self):
        run = self.teach(FAULTS["a block stays in its list after it was given out"][:2],
                         ("    .walk = my_walk,\n", ""), ("    .check = my_check,\n", ""),
                         ("static int my_walk(", "__attribute__((unused)) static int my_walk("),
                         ("static bool my_check(", "__attribute__((unused)) static bool my_check("))
        self.assertIn("two live objects share bytes", run.stdout)
        self.assertIn("what the program holds", run.stdout)
        self.assertNotIn("h header", run.stdout)

    def test_a_sound_design_without_a_walk_is_sound(self):
        run = self.teach(("    .walk = my_walk,\n", ""), ("    .check = my_check,\n", ""), args=["--ops=50000"])
        self.assertEqual(run.returncode, 0, run.stderr)
        self.assertIn("sound", run.stdout)

    def test_a_walk_that_crashes_is_named_as_such(self):
        run = self.teach(("	struct heap *const h = st;\n\n	for (size_t i = 0; i < h->region_count; i++) {\n"
                          "		const struct region *const r = &h->regions[i];\n		for (char *at",
                          "	struct heap *const h = *(struct heap *volatile *)st + 1;\n\n"
                          "	for (size_t i = 0; i < h->region_count; i++) {\n"
                          "		const struct region *const r = &h->regions[i];\n		for (char *at"),
                         args=["--ops=3000"])
        self.assertEqual(run.returncode, 1)
        said = run.stdout + run.stderr
        self.assertTrue("check() or walk()" in said or "S7 partition" in said or "S8 live" in said, said)

    def check_direct(self, words, *pairs):
        """What only the design sees: a program that calls its functions."""
        run = self.teach(*pairs, args=["--ops=20000", "-o", "broken.c"])
        self.assertRegex(run.stdout, words)
        good = library(self.folder, TEMPLATE, "good")
        for lib, wanted in (("./my.so", 1), (str(good), 0)):
            subprocess.run([CC, "-g", "-Wall", "-Wextra", "-Werror", f"-I{SOURCE}/include", "broken.c", lib, "-o",
                            "broken"], cwd=self.folder, check=True)
            self.assertEqual(status("./broken", self.folder), wanted, (self.folder / "broken.c").read_text())

    def test_what_only_check_sees_ends_in_a_program_that_calls_the_design(self):
        self.check_direct("B3 merged", ("	for (; size < r->len; size *= 2) {",
                                        "	for (; size < r->len && size < 64; size *= 2) {"))

    def test_what_only_the_walk_shows_ends_in_such_a_program(self):
        self.check_direct("S8 live", ("			const enum dmm_kind kind = b->live ? DMM_LIVE : DMM_FREE;",
                                      "			const enum dmm_kind kind = DMM_LIVE;"))
        self.check_direct("S7 partition|S8 live", ("	for (size_t i = 0; i < h->region_count; i++) {\n"
                                           "		const struct region *const r = &h->regions[i];\n		for (char *at",
                                           "	for (size_t i = 1; i < h->region_count; i++) {\n"
                                           "		const struct region *const r = &h->regions[i];\n		for (char *at"))

    def test_shrink_0_names_the_fault_and_no_more(self):
        run = self.teach(FAULTS["the header has 24 bytes"][:2], args=["--shrink=0"])
        self.assertEqual(run.returncode, 1)
        self.assertEqual(run.stdout, "")
        self.assertIn("S1 aligned", run.stderr)

    def test_a_program_that_cannot_be_written_is_said(self):
        run = self.teach(FAULTS["the header has 24 bytes"][:2], args=["-o", "/nonexistent/broken.c"])
        self.assertEqual(run.returncode, 125)
        self.assertIn("/nonexistent/broken.c: No such file or directory", run.stderr)

    def test_compare_and_replay_that_see_it_crash_point_to_torture(self):
        library(self.folder, planted(FAULTS["a buddy that was merged stays in its list"][:2]))
        recording = SOURCE / "test/recordings/sqlite3.dmm"
        for args in (["compare", "--systems=my=./my.so", "--peers=none", "--runs=1", "--", sys.executable, "-c", "1"],
                     ["replay", recording, "--systems=my=./my.so", "--peers=none", "--runs=1"],
                     ["score", f"--traces={recording}", "my=./my.so"]):
            with self.subTest(args[0]):
                run = subprocess.run([BUILD / "dmm", *args], cwd=self.folder, capture_output=True, text=True, timeout=300)
                self.assertEqual(run.returncode, 1, run.stdout + run.stderr)
                self.assertRegex(run.stderr.splitlines()[-1], r"^next: dmm torture --system=my=\S*my\.so$")

    def test_a_suggested_command_runs_though_a_folder_has_a_space_and_a_quote(self):
        folder = self.folder / "it's mine"
        folder.mkdir(exist_ok=True)
        library(folder, planted(FAULTS["a buddy that was merged stays in its list"][:2]))
        design = f"my={folder}/my.so"
        paths = {**os.environ, "PATH": f"{BUILD}:{os.environ['PATH']}"}

        def suggested(args):
            run = subprocess.run([BUILD / "dmm", *args], cwd=self.folder, capture_output=True, text=True, timeout=300)
            self.assertEqual(run.returncode, 1, run.stderr)
            told = [line for line in run.stderr.splitlines() if line.startswith("next: dmm torture ")]
            self.assertTrue(told, run.stderr)
            return told[-1][len("next: "):]

        for args in (["torture", f"--system={design}", "--ops=2000"],
                     ["score", f"--traces={SOURCE}/test/recordings/sqlite3.dmm", design]):
            with self.subTest(args[0]):
                again = subprocess.run(["sh", "-c", suggested(args)], env=paths, capture_output=True, text=True, timeout=300)
                self.assertEqual(again.returncode, 1, again.stderr)
                self.assertRegex(again.stderr, "broken rule|died by signal|hangs in", again.stderr)

    def test_the_same_seed_teaches_the_same(self):
        fault = FAULTS["a buddy that was merged stays in its list"][:2]
        first, again = self.teach(fault), torture(self.folder)
        self.assertEqual(first.stdout, again.stdout)


# Libraries that are no design, and what is said of them.
STRANGE = {
    "dmm_system_entry() returns NULL": ("	return &my_system;", "	return NULL;"),
    "crashes while it is loaded, or in dmm_system_entry(): Segmentation fault": (
        "	return &my_system;", "	return *(void *volatile *)NULL;"),
    "hangs while it is loaded": ("	return &my_system;", "	for (volatile int x = 1; x;)\n		;\n	return &my_system;"),
    "ends the program while it is loaded, with status 3": (
        "	return &my_system;", "	extern void _exit(int);\n	_exit(3);"),
    "has no .alloc": ("    .alloc = my_alloc,\n", ""),
    "has no .name": ("    .name = \"my\",\n", ""),
    ".align is 12": ("    .align = DMM_ALIGN_MIN,", "    .align = 12,"),
    "was built for interface 1": ("    .abi = DMM_SYSTEM_ABI,", "    .abi = 1,"),
    "has no dmm_system_entry()": ("dmm_system_entry(void)", "another_name(void)"),
}


class Strange(unittest.TestCase):
    def setUp(self):
        self.temporary = tempfile.TemporaryDirectory()
        self.folder = Path(self.temporary.name)

    def tearDown(self):
        self.temporary.cleanup()

    def dmm(self, *args):
        run = subprocess.run([BUILD / "dmm", *map(str, args)], cwd=self.folder, capture_output=True, text=True,
                             timeout=300)
        self.assertIn(run.returncode, (0, 1, 2, 125), f"{args}: {run.returncode} {run.stderr}")
        return run

    def library(self, *pairs):
        (self.folder / "my.c").write_text(planted(*pairs))
        subprocess.run([CC, "-O1", "-w", "-shared", "-fPIC", f"-I{SOURCE}/include", "my.c", "-o", "my.so"],
                       cwd=self.folder, check=True)

    def test_a_library_that_is_no_design_is_named_by_each_command(self):
        for words, pair in STRANGE.items():
            with self.subTest(words):
                self.library(pair)
                run = self.dmm("torture", "--system=my=./my.so", "--ops=100")
                self.assertEqual(run.returncode, 2, run.stderr)
                self.assertIn(words, run.stderr)
                if "hangs" not in words:
                    self.assertIn(words, self.dmm("show", "--demo", "--system=my=./my.so").stderr)

    def test_a_file_that_is_no_library_is_named(self):
        (self.folder / "my.so").write_text("hello\n")
        self.assertIn("cannot load a system", self.dmm("torture", "--system=my=./my.so").stderr)
        self.assertIn("cannot find the system's library", self.dmm("torture", "--system=my=./none.so").stderr)

    def test_an_open_that_crashes_or_fails_is_named(self):
        self.library(("	(void)params;\n", "	(void)params;\n	*(volatile int *)NULL = 0;\n"))
        run = self.dmm("torture", "--system=my=./my.so")
        self.assertEqual(run.returncode, 1)
        self.assertIn("died by signal 11", run.stderr)
        self.library(("	(void)params;\n", "	(void)params;\n	return -12;\n"))
        self.assertIn("cannot begin: Cannot allocate memory", self.dmm("torture", "--system=my=./my.so").stderr)

    def test_a_malloc_that_ends_the_program_is_named(self):
        self.library(("	(void)align; /* never", "	extern void _exit(int);\n	_exit(0);\n	(void)align; /* never"))
        run = self.dmm("torture", "--system=my=./my.so", "--ops=100")
        self.assertEqual(run.returncode, 1, run.stdout)
        self.assertIn("ends the program", run.stdout + run.stderr)


class BadTraces(unittest.TestCase):
    """What show and torture's neighbours make of traces that are none, or strange."""

    setUp, tearDown, dmm = Strange.setUp, Strange.tearDown, Strange.dmm

    def rep(self, name, *lines, ids=2):
        (self.folder / name).write_text("\n".join(["1", str(ids), str(len(lines)), "1", *lines]) + "\n")
        return self.dmm("import", "-o", f"{name}.dmm", name)

    def test_another_dialect_is_sent_to_import(self):
        self.rep("fine.rep", "a 0 16", "f 0")
        run = self.dmm("show", "fine.rep")
        self.assertEqual(run.returncode, 1)
        self.assertIn("dmm import", run.stderr)
        self.assertEqual(self.dmm("show", "fine.rep.dmm").returncode, 0)

    def test_sizes_that_are_missing_are_shown_as_0(self):
        self.rep("sizeless.rep", "a 0", "a 1 16")
        run = self.dmm("show", "sizeless.rep.dmm", "--from=1")
        self.assertEqual(run.returncode, 0, run.stderr)
        self.assertIn("malloc(0)", run.stdout)

    def test_a_double_free_ends_the_recording_before_it(self):
        self.assertIn("id 0 is freed, but not live", self.rep("double.rep", "a 0 16", "f 0", "f 0").stderr)
        run = self.dmm("show", "double.rep.dmm", "--from=1", "--format=svg")
        self.assertIn(run.returncode, (0, 1))
        self.assertNotIn("call 3", run.stdout)

    def test_a_huge_object_is_refused_by_the_simulated_heap_and_said(self):
        self.rep("huge.rep", f"a 0 {1 << 38}", "a 1 16")
        for args in (["--from=1"], ["--from=1", "--format=svg"], ["--from=1", "--format=tikz"]):
            run = self.dmm("show", "huge.rep.dmm", *args)
            self.assertEqual(run.returncode, 125, run.stderr)
            self.assertIn("out of memory", run.stderr)

    def test_a_header_that_promises_too_much_is_named(self):
        (self.folder / "vast.rep").write_text("1\n99999999999\n99999999999\n1\na 0 16\n")
        self.assertNotEqual(self.dmm("import", "-o", "vast.dmm", "vast.rep").returncode, 0)
        self.assertEqual(self.dmm("score", "--traces=vast.rep").returncode, 1)

    def test_a_long_trace_is_scored(self):
        lines = [f"{'af'[i % 2]} {i // 2 % 1000}{' 40' * (1 - i % 2)}" for i in range(400000)]
        self.rep("long.rep", *lines, ids=1000)
        self.assertEqual(self.dmm("score", "--traces=long.rep", "gnu").returncode, 0)
        self.assertEqual(self.dmm("show", "long.rep.dmm", "--system=gnu").returncode, 0)

    def test_a_file_that_is_cut_off_is_shown_up_to_there(self):
        self.rep("whole.rep", *[f"a {i} 100" for i in range(100)], ids=100)
        whole = (self.folder / "whole.rep.dmm").read_bytes()
        (self.folder / "cut.dmm").write_bytes(whole[:len(whole) * 2 // 3])
        (self.folder / "text.dmm").write_text("hello\n")
        self.assertIn(self.dmm("show", "cut.dmm", "--from=1", "--format=svg").returncode, (0, 1))
        self.assertEqual(self.dmm("show", "text.dmm").returncode, 1)


unittest.main(verbosity=2)
