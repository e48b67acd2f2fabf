#!/usr/bin/env python3
"""stats.py BUILD DESIGN...: DMM_CONF=stats:1 counts every call, and its bytes add up.

`counted N` makes so many calls of each kind in two threads; what 1,000 rounds more add is known exactly."""
import os
import re
import subprocess
import sys
import unittest
from pathlib import Path

BUILD = Path(sys.argv[1]).resolve()
DESIGNS = sys.argv[2:]
CALLS = re.compile(r"^dmm: ([\w-]+)\[\d+\]: (\d+) malloc, (\d+) calloc, (\d+) realloc, (\d+) aligned, (\d+) free$", re.M)
BYTES = re.compile(r"^dmm: [\w-]+\[\d+\]: (\d+) bytes = (\d+) live in \d+ \+ (\d+) free in \d+ \+ (\d+) meta \+ (\d+) pad; "
                   r"peak RSS \d+ KiB$", re.M)


def run(design, conf, *command):
    name = "libdmm.so" if design == "slab" else f"libdmm-{design}.so"
    env = {"PATH": "/usr/bin:/bin", "LD_PRELOAD": str(BUILD / name), "DMM_CONF": conf}
    return subprocess.run(command, env=env, capture_output=True, text=True)


class Stats(unittest.TestCase):
    def counts(self, design, rounds, more=""):
        done = run(design, "stats:1" + more, BUILD / "test/counted", str(rounds))
        self.assertEqual(done.returncode, 0, done.stderr)
        told, *others = CALLS.findall(done.stderr)
        self.assertEqual((told[0], others), (design, []), done.stderr)
        total, *parts = map(int, BYTES.findall(done.stderr)[0])
        self.assertEqual(total, sum(parts), done.stderr)
        self.assertLess(total, 1 << 30, "what is only reserved does not count")
        return [int(n) for n in told[1:]]

    def test_every_call_is_counted(self):
        for design in DESIGNS:
            rounds = 100 if design == "vm" else 1000
            conf = ",helper:0" if design == "slab" else "" # the C library calls calloc for a thread, and a helper is one
            with self.subTest(design):
                few, many = self.counts(design, 0, conf), self.counts(design, rounds, conf)
                self.assertEqual([b - a for a, b in zip(few, many)],
                                 [2 * rounds * n for n in (3, 1, 2, 1, 5)])

    def test_every_call_is_counted_under_the_hardened_preset(self):
        conf = ",hardened,helper:0"
        few, many = self.counts("slab", 0, conf), self.counts("slab", 1000, conf)
        self.assertEqual([b - a for a, b in zip(few, many)], [2000 * n for n in (3, 1, 2, 1, 5)])

    def test_nothing_is_said_unless_asked(self):
        for conf in ("", "stats:0", "stats:1,stats:0"):
            self.assertEqual(run("slab", conf, "/bin/echo", "hello").stderr, "")

    def test_a_program_that_closes_its_stderr_is_told_of(self):
        self.assertEqual(len(CALLS.findall(run("slab", "stats:1", "/bin/ls", "/").stderr)), 1)


unittest.main(argv=sys.argv[:1])
