#!/usr/bin/env python3
"""The library's static probes are there for readelf and for perf, at instructions that are nops, with their arguments.

usage: probes_test.py LIBRARY PROGRAM [unittest arguments]      PROGRAM: test/statistics
"""
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

LIBRARY, PROGRAM = sys.argv.pop(1), sys.argv.pop(1)
PROBES = {"refill", "slab_open", "slab_close", "purge", "remote_batch", "large_malloc", "large_free"}
NOTE = re.compile(r"Provider: (\S+)\s+Name: (\S+)\s+Location: 0x([0-9a-f]+), Base: 0x([0-9a-f]+), "
                  r"Semaphore: 0x([0-9a-f]+)\s+Arguments: (.*)")


def output(*words):
    return subprocess.run(words, capture_output=True, text=True, check=True, timeout=100).stdout


class Probes(unittest.TestCase):
    def test_readelf_lists_each_with_two_arguments_at_a_nop(self):
        notes = NOTE.findall(output("readelf", "--notes", LIBRARY))
        self.assertEqual({name for _, name, *_ in notes}, PROBES)
        code = output("objdump", "-d", "--no-show-raw-insn", LIBRARY)
        for provider, name, location, base, semaphore, arguments in notes:
            self.assertEqual((provider, int(semaphore, 16)), ("dmm", 0))
            self.assertNotEqual(int(base, 16), 0)
            self.assertRegex(arguments, r"^8@(%r\w+|x\d+|\w+) 8@(%r\w+|x\d+|\w+)$", name)
            self.assertIsNotNone(re.search(rf"\n\s+{int(location, 16):x}:\s+nop", code), f"{name}: no nop at {location}")

    def test_malloc_and_free_have_none(self):
        symbols = {name: (int(at, 16), int(size, 16)) for at, size, name in
                   re.findall(r"^([0-9a-f]+) ([0-9a-f]+) T (malloc|free)$", output("nm", "-DS", LIBRARY), re.M)}
        self.assertEqual(set(symbols), {"malloc", "free"})
        for _, name, location, *_ in NOTE.findall(output("readelf", "--notes", LIBRARY)):
            for function, (at, size) in symbols.items():
                self.assertFalse(at <= int(location, 16) < at + size, f"{name} is in {function}")

    @unittest.skipUnless(shutil.which("gdb"), "gdb is not installed")
    def test_gdb_stops_at_one_and_reads_its_arguments(self):
        said = output("gdb", "-nx", "-batch", "-iex", "set auto-load off", "-iex", "set debuginfod enabled off",
                      "-ex", f"file {PROGRAM}", "-ex", f"set exec-wrapper env LD_PRELOAD={LIBRARY}",
                      "-ex", "break main", "-ex", "run hold 1 2>/dev/null",
                      "-ex", "break -probe-stap dmm:large_malloc", "-ex", "continue",
                      "-ex", 'printf "asked for %lu\\n", $_probe_arg1', "-ex", "kill")
        self.assertIn("asked for 123456", said)

    @unittest.skipUnless(shutil.which("perf"), "perf is not installed")
    def test_perf_lists_them(self):
        with tempfile.TemporaryDirectory(prefix="dmm-probes-") as work:
            added = subprocess.run(["perf", "--buildid-dir", work, "buildid-cache", "--add", LIBRARY],
                                   capture_output=True, text=True)
            if added.returncode != 0:
                self.skipTest(f"perf cannot keep libraries here: {added.stderr.strip()}")
            listed = output("perf", "--buildid-dir", work, "list", "sdt")
        self.assertEqual(set(re.findall(r"sdt_dmm:(\w+)", listed)), PROBES)


if __name__ == "__main__":
    unittest.main(verbosity=1)
