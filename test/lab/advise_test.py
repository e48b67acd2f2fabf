#!/usr/bin/env python3
"""test/lab/advise_test.py DMM RECORDINGS: dmm advise, from outside: its facts, its figures, its advice."""
import json
import os
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

DMM, RECORDINGS = sys.argv.pop(1), Path(sys.argv.pop(1))


def dmm(*args):
    env = {key: value for key, value in os.environ.items() if key != "DMM_CONF"}
    return subprocess.run([DMM, *map(str, args)], env=env, capture_output=True, text=True)


class Advise(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.path = Path(directory.name)

    def imported(self, form, text):
        (self.path / "in.txt").write_text(text)
        done = dmm("import", f"--from={form}", self.path / "in.txt", "-o", self.path / "t.dmm")
        self.assertEqual(done.returncode, 0, done.stderr)
        return self.path / "t.dmm"

    def lab_trace(self, *ops):
        ids = len({op.split()[1] for op in ops})
        return self.imported("rep", "\n".join(["1000", str(ids), str(len(ops)), "1", *ops]) + "\n")

    def advice(self, trace, *options):
        done = dmm("advise", trace, "--format=json", *options)
        self.assertEqual(done.returncode, 0, done.stderr)
        return json.loads(done.stdout)

    def test_the_facts_are_those_of_the_calls(self):
        trace = self.lab_trace("a 0 24", "a 1 100", "a 2 200000", "f 1", "r 0 48", "f 2")
        facts = self.advice(trace, "--quick")["facts"]
        self.assertEqual((facts["calls"], facts["threads"], facts["busy_threads"]), (6, 1, 1))
        self.assertEqual((facts["median_size_bytes"], facts["largest_size_bytes"]), (48, 200000))
        self.assertEqual((facts["small_share"], facts["reallocs"]), (0.5, 1))
        self.assertAlmostEqual(facts["short_lived_share"], 2 / 3)
        self.assertEqual((facts["never_freed"], facts["end_payload_bytes"]), (1, 48))
        self.assertEqual((facts["peak_payload_bytes"], facts["peak_objects"]), (200124, 3))
        self.assertEqual(facts["peak_large_bytes"], 200000)

    def test_its_figures_are_what_a_replay_finds(self):
        trace = RECORDINGS / "git.dmm"
        rows = json.loads(dmm("replay", "--model", "--format=json", trace).stdout)["rows"]
        peaks = {row["name"]: row["peak"]["footprint_bytes"] for row in rows}
        for choice in self.advice(trace, "--quick")["choices"]:
            if choice["system"] != "slab":  # resident tables differ a little
                self.assertEqual(choice["peak_footprint_bytes"], peaks[choice["system"]], choice["system"])

    def test_what_it_advises_costs_least_of_what_can_be_had(self):
        for name in ("cc", "python3"):
            advice = self.advice(RECORDINGS / f"{name}.dmm")
            had = [c for c in advice["choices"] if c["problem"] is None]
            costs = [c["process_bytes"] * c["run_ratio"] for c in had]
            self.assertEqual(costs, sorted(costs))
            if not advice["stay"]:
                self.assertEqual((advice["advice"], advice["settings"]),
                                 (had[0]["system"], had[0]["settings"]))
            self.assertNotIn(advice["advice"], ("minimal", "pad", "list", "dlist", "vm"))
            self.assertTrue(any(c["settings"] for c in advice["choices"]), "settings were searched")

    def test_many_objects_of_a_power_of_two_want_no_headers(self):
        trace = self.lab_trace(*(f"a {i} 64" for i in range(60000)))
        advice = self.advice(trace)
        self.assertFalse(advice["stay"])
        self.assertIn(advice["advice"], ("segdata", "segmeta", "slab"))

    def test_a_small_heap_is_no_reason_to_change(self):
        trace = self.lab_trace(*(f"a {i} 100" for i in range(20)), *(f"f {i}" for i in range(20)))
        advice = self.advice(trace)
        self.assertTrue(advice["stay"])
        self.assertFalse(advice["timed"])
        self.assertIn("stay with what you have", dmm("advise", trace).stdout)

    def test_busy_threads_want_a_design_without_one_lock(self):
        lines = [f"{1 + i % 2}: malloc {0x1000 + 64 * i:#x} 40" for i in range(4000)]
        advice = self.advice(self.imported("android", "\n".join(lines) + "\n"))
        self.assertEqual(advice["facts"]["busy_threads"], 2)
        self.assertEqual([c["system"] for c in advice["choices"] if c["problem"] is None], ["slab"])
        self.assertEqual(advice["advice"], "slab")

    def test_the_words_name_the_evidence(self):
        done = dmm("advise", RECORDINGS / "cc.dmm", "--quick")
        for words in ("what the program does", "what each design would need", "of payload", "advice: "):
            self.assertIn(words, done.stdout)
        self.assertRegex(done.stderr, "next: dmm (replay|tune) ")

    def test_mistakes_are_named(self):
        for args, status, words in (((), 2, "dmm advise T"), (("/nonexistent/t",), 1, "/nonexistent/t"),
                                    (("a", "b"), 2, "'b'")):
            done = dmm("advise", *args)
            self.assertEqual(done.returncode, status)
            self.assertIn(words, done.stderr)


unittest.main()
