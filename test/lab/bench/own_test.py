#!/usr/bin/env python3
"""test/lab/bench/own_test.py DMM SOURCE: a design of one's own in the lecture's summary and in cos217's table."""
import csv
import os
import re
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

DMM, SOURCE = sys.argv[1], Path(sys.argv[2])
del sys.argv[1:]


class Own(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.libraries = [Path(cls.folder.name) / name for name in ("fine.so", "bad.so")]
        for fault, out in enumerate(cls.libraries):
            subprocess.run([os.environ.get("CC", "cc"), "-O1", "-shared", "-fPIC", f"-DFAULT={fault}",
                            f"-I{SOURCE}/include", SOURCE / "test/lab/score/faulty_system.c", "-o", out], check=True)

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    def bench(self, *args):
        fine, bad = self.libraries
        run = subprocess.run([DMM, "bench", f"--systems=bins,fine={fine},bad={bad}", *args], capture_output=True,
                             text=True, timeout=300)
        self.assertIn(run.returncode, (0, 1), run.stderr)
        self.said = run.stderr
        return run.stdout

    def test_the_summary_classifies_it_as_the_slide_does_others(self):
        text = self.bench("--suite=lecture")
        self.assertRegex(text, r"\(own\) fine +Bad: n\^\S+ +Bad: O\(1\), 1\.0 system calls +Good: O\(1\)")
        self.assertRegex(text, r"\(own\) bad +crashes")
        self.assertIn(f"dmm torture --system=bad={self.libraries[1]}", text)
        self.assertNotIn("(own) bins", text)

    def test_cos217_tells_memory_in_use_from_memory_mapped(self):
        rows = {row["system"]: row for row in
                csv.DictReader(self.bench("--suite=cos217", "--format=csv", "LIFO_fixed", "500", "64").splitlines())}
        self.assertEqual(rows["bad"]["status"], "crashed")
        self.assertIn(f"next: dmm torture --system=bad={self.libraries[1]}", self.said)
        for name in ("bins", "fine"):
            self.assertGreater(float(rows[name]["footprint_bytes"]), 500 * 64)
            self.assertGreater(float(rows[name]["in_use_bytes"]), 0)

    def test_a_page_that_nobody_touches_is_mapped_and_not_in_use(self):
        rows = list(csv.DictReader(self.bench("--suite=cos217", "--format=csv", "LIFO_fixed", "20",
                                              str(4 << 20)).splitlines()))
        fine = next(row for row in rows if row["system"] == "fine")
        self.assertGreater(float(fine["footprint_bytes"]), 80 << 20)
        self.assertLess(float(fine["in_use_bytes"]), 8 << 20)


unittest.main(verbosity=2)
