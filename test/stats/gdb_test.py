#!/usr/bin/env python3
"""gdb loads its commands with libdmm.so.0; they say which object lies at an address, in a process and in its core.

usage: gdb_test.py BUILD
"""
import re
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

BUILD = Path(sys.argv.pop(1)).resolve()
PROGRAM = BUILD / "test/statistics"


def gdb(*commands, load=True):
    words = ["gdb", "-nx", "-batch", "-iex", f"add-auto-load-safe-path {BUILD}" if load else "set auto-load off",
             "-iex", "set debuginfod enabled off"]
    for one in commands:
        words += ["-ex", one]
    return subprocess.run(words, capture_output=True, text=True, timeout=300)


@unittest.skipUnless(shutil.which("gdb"), "gdb is not installed")
class Gdb(unittest.TestCase):
    def at_rest(self, *commands):
        """Commands after the program has allocated, stopped where it sleeps."""
        done = gdb(f"file {PROGRAM}", f"set exec-wrapper env LD_PRELOAD={BUILD}/libdmm.so", "set breakpoint pending on",
                   "break nanosleep", "run hold 1 >/dev/null", *commands, "kill")
        return done.stdout + done.stderr

    def test_an_object_is_live_inside_free_or_none(self):
        said = self.at_rest("set $p = (char *)malloc(40)", "dmm chunk $p", "dmm chunk $p + 5", "call (void)free($p)",
                            "dmm chunk $p", "dmm chunk 4096", "set $q = (char *)malloc(100000)", "dmm chunk $q + 50000",
                            "set $r = (char *)malloc(2000000000)", "dmm chunk $r + 1", "dmm chunk", "dmm heap")
        for want in (r"0x[0-9a-f]+: the object 0x[0-9a-f]+, 48 bytes, live, number \d+ of \d+ in the slab",
                     r": 5 bytes inside the object 0x[0-9a-f]+, 48 bytes, live",
                     r": the object 0x[0-9a-f]+, 48 bytes, free", r"0x1000: not in slab's heap",
                     r": 50000 bytes inside the object 0x[0-9a-f]+, 114688 bytes, live, large",
                     r": 1 bytes inside the object 0x[0-9a-f]+, 20000\d+ bytes, live, in a mapping of its own",
                     r"which address\?", r"\d+ bytes live in \d+ objects, [3-9]\d* of them large"):
            self.assertRegex(said, want)

    def test_the_sums_are_those_of_the_program_itself(self):
        said = self.at_rest("call (int)dmm_stats_write(2, 1)", "dmm heap")
        own = re.search(r'"live_bytes":(\d+),"live_objects":(\d+)', said)
        told = re.search(r"(\d+) bytes live in (\d+) objects", said)
        self.assertEqual(told.groups(), own.groups(), said)

    def test_a_core_tells_the_same(self):
        with tempfile.TemporaryDirectory(prefix="dmm-gdb-") as work:
            core = f"{work}/core"
            alive = self.at_rest(f"generate-core-file {core}", "dmm heap")
            dead = gdb(f"file {PROGRAM}", f"core-file {core}", "dmm heap").stdout
            sums = re.findall(r"(\d+ bytes live in .*)", alive)
            self.assertEqual(len(sums), 1, alive)
            self.assertIn(sums[0], dead)

    def test_a_program_without_slab_is_told_so(self):
        done = gdb("file /bin/true", f"source {BUILD}/libdmm.so.0.1.0-gdb.py", "dmm heap")
        self.assertIn("no slab with debug information", done.stderr)


if __name__ == "__main__":
    unittest.main(verbosity=1)
