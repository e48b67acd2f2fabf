#!/usr/bin/env python3
"""test/lab/tune/tune_test.py DMM RECORDINGS: dmm tune, from outside.  Without a bound on time the search is
exact: the same recording gives the same file."""
import json
import os
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

DMM, RECORDINGS = sys.argv.pop(1), Path(sys.argv.pop(1))
CC, GIT, SQLITE, REDIS = (RECORDINGS / f"{name}.dmm" for name in ("cc", "git", "sqlite3", "redis"))


def dmm(*args):
    env = {key: value for key, value in os.environ.items() if key != "DMM_CONF"}
    return subprocess.run([DMM, *map(str, args)], env=env, capture_output=True, text=True)


def peak(recording, system, settings):
    """What dmm replay says of the same settings."""
    name = f"{system}?{settings}" if settings else system
    done = dmm("replay", "--model", f"--systems={name}", "--format=json", recording)
    row, = json.loads(done.stdout)["rows"]
    return row["peak"]["footprint_bytes"]


class Tune(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.directory = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.directory.cleanup)
        cls.file = Path(cls.directory.name) / "cc.conf"
        cls.done = dmm("tune", CC, GIT, "--slower=any", "--format=json", "-o", cls.file)
        cls.found = json.loads(cls.done.stdout)
        cls.systems = {s["name"]: s for s in cls.found["systems"]}
        cls.best = cls.systems[cls.found["best"]]

    def test_the_file_is_read_by_whoever_reads_settings(self):
        self.assertEqual(self.done.returncode, 0, self.done.stderr)
        self.assertNotEqual(self.best["settings"], "")
        done = dmm("config", f"--system={self.best['name']}", f"--conf={self.file}", "--format=json")
        self.assertEqual(done.returncode, 0, done.stderr)
        one, = json.loads(done.stdout)["systems"]
        wanted = dict(word.split(":") for word in self.best["settings"].split(","))
        got = {s["key"]: s["value"] for s in one["settings"] if s["from"] != "default"}
        self.assertEqual(got, wanted)
        done = dmm("run", f"--system={self.best['name']}", f"--conf={self.file}", "--", "/bin/echo", "hello")
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "hello\n", ""))

    def test_its_figures_are_what_a_replay_finds(self):
        for name, system in self.systems.items():
            for i, recording in enumerate((CC, GIT)):
                self.assertEqual(system["as_it_comes"][i]["peak_footprint_bytes"], peak(recording, name, ""))
                self.assertEqual(system["tuned"][i]["peak_footprint_bytes"],
                                 peak(recording, name, system["settings"]))

    def test_it_gains_and_never_goes_below_the_lower_bound(self):
        bound = [r["lower_bound_bytes"] for r in self.found["recordings"]]
        self.assertEqual([r["searched"] for r in self.found["recordings"]], [True, False])
        for system in self.systems.values():
            own, tuned = system["as_it_comes"], system["tuned"]
            self.assertLess(tuned[0]["peak_footprint_bytes"], own[0]["peak_footprint_bytes"])
            for i in range(2):
                self.assertGreater(tuned[i]["peak_footprint_bytes"], bound[i])

    def test_no_single_change_gains(self):
        now = self.best["tuned"][0]["peak_footprint_bytes"]
        settings = dict(word.split(":") for word in self.best["settings"].split(","))
        for key, value in (("fit", "first"), ("fit", "address"), ("coalesce", "now"), ("coalesce", "64"),
                           ("split_min", "128"), ("grow_min", "4k"), ("reuse", "links"), ("reuse", "footer")):
            changed = ",".join(f"{k}:{v}" for k, v in {**settings, key: value}.items())
            self.assertGreaterEqual(peak(CC, self.best["name"], changed) * 1.002, now, changed)

    def test_the_same_recording_gives_the_same_file(self):
        again = Path(self.directory.name) / "again.conf"
        dmm("tune", CC, GIT, "--slower=any", "-o", again)
        self.assertEqual(again.read_text(), self.file.read_text())

    def test_a_gain_that_does_not_hold_is_said(self):
        other = Path(self.directory.name) / "other.conf"
        done = dmm("tune", SQLITE, REDIS, "--system=gnu", "--slower=any", "-o", other)
        self.assertEqual(done.returncode, 1, done.stdout + done.stderr)
        self.assertIn("does not hold", done.stderr)

    def test_one_recording_alone_says_what_it_cannot_show(self):
        done = dmm("tune", GIT, "--system=bins", "-o", Path(self.directory.name) / "one.conf")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("record another run", done.stderr)

    def test_mistakes_are_named(self):
        for args, status, words in (
                ((CC,), 2, "-o F.conf"),
                ((CC, "-o", "/nonexistent/f.conf"), 125, "/nonexistent/f.conf"),
                (("/etc/passwd", "-o", "/dev/null"), 1, "/etc/passwd"),
                ((CC, "--system=vm", "-o", "/dev/null"), 2, "vm has nothing to tune"),
                ((CC, "--system=binz", "-o", "/dev/null"), 2, "did you mean 'bins'?"),
                ((CC, "--slower=lots", "-o", "/dev/null"), 2, "--slower=lots")):
            with self.subTest(args=args):
                done = dmm("tune", *args)
                self.assertEqual(done.returncode, status)
                self.assertIn(words, done.stderr)


unittest.main()
