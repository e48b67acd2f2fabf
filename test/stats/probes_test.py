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
OTEL = {"alloc": 3, "free": 1}  # OpenTelemetry's contract: its arguments
ARGUMENT = r"8@(%r\w+|x\d+|\w+)"
NOTE = re.compile(r"Provider: (\S+)\s+Name: (\S+)\s+Location: 0x([0-9a-f]+), Base: 0x([0-9a-f]+), "
                  r"Semaphore: 0x([0-9a-f]+)\s+Arguments: (.*)")


def output(*words):
    return subprocess.run(words, capture_output=True, text=True, check=True, timeout=300).stdout


class Probes(unittest.TestCase):
    def test_readelf_lists_each_with_its_arguments_at_a_nop(self):
        notes = NOTE.findall(output("readelf", "--notes", LIBRARY))
        self.assertEqual({name for provider, name, *_ in notes if provider == "dmm"}, PROBES)
        self.assertEqual({name for provider, name, *_ in notes if provider == "otel_memory"}, set(OTEL))
        code = output("objdump", "-d", "--no-show-raw-insn", LIBRARY)
        for provider, name, location, base, semaphore, arguments in notes:
            self.assertEqual(int(semaphore, 16) != 0, provider == "otel_memory", name)
            self.assertNotEqual(int(base, 16), 0)
            count = OTEL[name] if provider == "otel_memory" else 2
            self.assertRegex(arguments, "^" + " ".join([ARGUMENT] * count) + "$", name)
            self.assertIsNotNone(re.search(rf"\n\s+{int(location, 16):x}:\s+nop", code), f"{name}: no nop at {location}")

    def test_semaphores_are_two_bytes_that_can_be_written(self):
        at, size, flags = re.search(r"\.probes\s+PROGBITS\s+([0-9a-f]+) [0-9a-f]+ ([0-9a-f]+) 00\s+(\w+)",
                                    output("readelf", "-SW", LIBRARY)).groups()
        self.assertEqual((int(size, 16), flags), (4, "WA"))
        found = {int(note[4], 16) for note in NOTE.findall(output("readelf", "--notes", LIBRARY))} - {0}
        self.assertEqual(found, {int(at, 16), int(at, 16) + 2})

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

    @unittest.skipUnless(shutil.which("gdb"), "gdb is not installed")
    def test_gdb_sees_sampled_objects_come_and_go_by_opentelemetrys_probes(self):
        said = output("gdb", "-nx", "-batch", "-iex", "set auto-load off", "-iex", "set debuginfod enabled off",
                      "-ex", f"file {PROGRAM}",
                      "-ex", f"set exec-wrapper env LD_PRELOAD={LIBRARY} DMM_CONF=profile:1",
                      "-ex", "break main", "-ex", "run hold 1 2>/dev/null",
                      "-ex", "break -probe-stap otel_memory:alloc if $_probe_arg1 == 123456", "-ex", "continue",
                      "-ex", 'printf "alloc %lu %lu %lu\\n", $_probe_arg0, $_probe_arg1, $_probe_arg2',
                      "-ex", "set $p = $_probe_arg0", "-ex", "delete",
                      "-ex", "break -probe-stap otel_memory:free if $_probe_arg0 == $p",
                      "-ex", "continue", "-ex", 'printf "free %lu\\n", $_probe_arg0', "-ex", "kill")
        alloc = re.search(r"^alloc (\d+) (\d+) (\d+)$", said, re.M)
        self.assertIsNotNone(alloc, said)
        self.assertEqual((alloc[2], alloc[3]), ("123456", "123456"), "it stands for itself alone")
        self.assertIn(f"free {alloc[1]}\n", said)

    @unittest.skipUnless(shutil.which("perf"), "perf is not installed")
    def test_perf_lists_them(self):
        with tempfile.TemporaryDirectory(prefix="dmm-probes-") as work:
            added = subprocess.run(["perf", "--buildid-dir", work, "buildid-cache", "--add", LIBRARY],
                                   capture_output=True, text=True)
            if added.returncode != 0:
                self.skipTest(f"perf cannot keep libraries here: {added.stderr.strip()}")
            listed = output("perf", "--buildid-dir", work, "list", "sdt")
        self.assertEqual(set(re.findall(r"sdt_dmm:(\w+)", listed)), PROBES)
        self.assertEqual(set(re.findall(r"sdt_otel_memory:(\w+)", listed)), set(OTEL))


if __name__ == "__main__":
    unittest.main(verbosity=1)
