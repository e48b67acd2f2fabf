#!/usr/bin/env python3
"""tools/bench runs the caller's programs, and refuses a faulty file of them before any program runs.

usage: bench_test.py BUILD SOURCE
"""
import json
import os
import subprocess
import sys
import tempfile
import unittest

BUILD, SOURCE = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2])


class More(unittest.TestCase):
    def bench(self, text, programs="mine"):
        with open("more", "w") as f:
            f.write(text)
        env = {**os.environ, "MORE": "more", "PROGRAMS": programs, "RUNS": "1", "THP": "as-is", "INSTALLED": "none",
               "SYSTEMS": "bins"}
        return subprocess.run([SOURCE + "/tools/bench", BUILD, os.getcwd() + "/out"], env=env, text=True, timeout=300,
                              capture_output=True)

    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        os.chdir(self.folder.name)

    def tearDown(self):
        os.chdir("/")
        self.folder.cleanup()

    def test_the_last_line_needs_no_newline_and_nothing_is_expanded(self):
        with open("in", "w") as f:
            f.write("words\n")
        with open("tool", "w") as f:
            f.write('#!/bin/sh\nread word; echo "$word $*" >"$0.said"\n')
        os.chmod("tool", 0o755)
        r = self.bench("# a comment\n\nother - true\nmine in ./tool * $HOME 'a b'")
        self.assertEqual(r.returncode, 0, r)
        self.assertEqual(os.listdir("out").count("mine.json"), 1, r)
        self.assertNotIn("other.json", os.listdir("out"))
        with open("tool.said") as f:
            self.assertEqual(f.read(), "words * $HOME 'a b'\n")
        with open("out/mine.json") as f:
            self.assertEqual(json.load(f)["command"][1:], ["*", "$HOME", "'a", "b'"])

    def test_a_fault_is_told_before_anything_runs(self):
        good = "mine - true\n"
        for line, said in (("alone", "no NAME INPUT PROGRAM"), ("two -", "no NAME INPUT PROGRAM"),
                           ("x nowhere true", "the input 'nowhere' cannot be read"), ("x . true", "the input '.'"),
                           ("cc - true", "the name 'cc' has a slash, or is taken"), ("a/b - true", "the name 'a/b'"),
                           ("stress - true", "the name 'stress'"), ("promises - true", "the name 'promises'"),
                           ("mine - false", "the name 'mine'")):
            r = self.bench(good + line)
            self.assertEqual((r.returncode, r.stdout), (2, ""), (line, r))
            self.assertIn("bench: more:2: " + said, r.stderr)
            self.assertFalse(os.path.exists("out"), line)
        r = subprocess.run([SOURCE + "/tools/bench", BUILD, os.getcwd() + "/out"], text=True, capture_output=True,
                           timeout=300, env={**os.environ, "MORE": "none", "PROGRAMS": "mine"})
        self.assertEqual((r.returncode, r.stderr), (2, "bench: MORE=none: cannot be read\n"))


unittest.main(argv=sys.argv[:1])
