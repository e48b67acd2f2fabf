#!/usr/bin/env python3
"""test/lab/bench/options_test.py DMM: what the appendix's techniques do to space, seen from outside.

Generated loads on simulated memory: the figures are exact, so the claims can be."""
import json
import subprocess
import sys
import unittest

DMM = sys.argv.pop(1)


def bench(*args):
    return subprocess.run([DMM, "bench", "--suite=options", *args], capture_output=True, text=True)


class Options(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        run = bench("--systems=bins", "--format=json")
        assert run.returncode == 0, run.stderr
        cls.rows = json.loads(run.stdout)["systems"][0]["rows"]
        cls.by_settings = {row["settings"]: row for row in cls.rows if not row["best"]}

    def nodes(self, settings):
        return self.by_settings[settings]["utilisation"]["nodes"]

    def test_each_step_of_payload_reuse_needs_less(self):
        self.assertLess(self.nodes(""), self.nodes("reuse:links"))
        self.assertLess(self.nodes("reuse:links"), self.nodes("reuse:footer"))

    def test_a_small_live_object_costs_8_bytes_at_most(self):
        # 24 bytes of payload and 8 of overhead; what is left is the end of the heap and the bins
        self.assertGreater(self.nodes("reuse:footer"), 0.95 * 24 / 32)
        self.assertLessEqual(self.nodes("reuse:footer"), 24 / 32)

    def test_no_utilisation_is_above_what_there_is(self):
        for row in self.rows:
            for load, value in row["utilisation"].items():
                self.assertTrue(0 < value <= 1, f"{row['settings']} on {load}: {value}")

    def test_the_best_set_is_at_least_as_good_as_any_single_technique(self):
        best = [row for row in self.rows if row["best"]]
        self.assertEqual(len(best), 1)
        for row in self.rows:
            self.assertGreaterEqual(best[0]["geometric_mean"], row["geometric_mean"])

    def test_a_recording_that_is_none_is_named(self):
        run = bench("--systems=bins", "/nonexistent/recording")
        self.assertEqual(run.returncode, 1)
        self.assertIn("/nonexistent/recording", run.stderr)


unittest.main(verbosity=2)
