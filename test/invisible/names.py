#!/usr/bin/env python3
"""names.py BUILD: dmm shows names that contain a terminal's escape sequences, and does not pass these on.

A thread and a process (prctl), an executable, its arguments, its directory, and a recording have ESC, BEL and the like in
their names.  Whatever a command then prints, on stdout or stderr, has no control character but newline and
tab, and, in a page, none at all."""
import json
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

BUILD = Path(sys.argv.pop(1)).resolve()
EVIL = "\033]0;owned\007\033[31mred\u009b1m\u202ereversed"
SHOWN = "\\x1b[31m"


def dmm(*args, **more):
    return subprocess.run([BUILD / "dmm", *map(str, args)], capture_output=True, timeout=300,
                          env={"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", **more.pop("env", {})}, **more)


class Names(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.at = Path(directory.name) / ("dir" + EVIL)
        self.at.mkdir()
        self.program = self.at / ("prog" + EVIL)
        shutil.copy(BUILD / "test/hostile", self.program)

    def fit(self, data, what, allowed="\n\t"):
        text = data.decode()  # and so it is UTF-8
        for i, c in enumerate(text):
            bad = (c < " " and c not in allowed) or "\x7f" <= c < "\xa0" or "\u202a" <= c <= "\u202e"
            self.assertFalse(bad, f"{what}: {c!r} in {text[max(0, i - 60):i + 60]!r}")
        return text

    def checked(self, *args, status=(0,), **more):
        done = dmm(*args, **more)
        self.assertIn(done.returncode, status, (args, done.stderr))
        return self.fit(done.stdout, args) + self.fit(done.stderr, args)

    def is_json(self, *args):
        self.checked(*args)
        json.loads(dmm(*args).stdout)

    def started(self):
        process = subprocess.Popen([self.program, EVIL], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                   env={"LD_PRELOAD": str(BUILD / "libdmm.so"), "DMM_CONF": "observe:1"})
        self.addCleanup(process.communicate)
        self.addCleanup(process.kill)
        self.assertEqual(process.stdout.readline(), b"ready\n")
        return process

    def test_a_process_and_its_threads(self):
        pid = self.started().pid
        self.assertIn(SHOWN, self.checked("show", f"--pid={pid}"))
        self.assertIn(SHOWN, self.checked("show", f"--pid={pid}", "--size=64"))
        self.assertIn(SHOWN, self.checked("top", pid, "--count=2", "--interval=0.1") +
                      self.checked("show", f"--pid={pid}", "--ascii"))
        self.is_json("show", f"--pid={pid}", "--format=json")

    def test_the_list_of_processes_to_choose_from(self):
        self.started()
        self.assertIn(SHOWN, self.checked("top", status=(2, 125)))

    def test_a_recording(self):
        recording = self.at / ("run" + EVIL + ".dmm")
        done = dmm("record", "-o", recording, "--", self.program, EVIL, stdin=subprocess.DEVNULL)
        self.fit(done.stderr, "record")
        self.assertTrue(recording.exists(), done.stderr)
        self.assertIn(SHOWN, self.checked("info", recording))
        self.is_json("info", recording, "--format=json")
        self.checked("advise", recording, "--quick")
        self.checked("replay", recording, "--model", "--systems=bins")
        page = self.at / "page.html"
        self.checked("report", recording, "-o", page, "--systems=bins", "--peers=none", "--runs=0")
        text = page.read_bytes()
        text = text[:text.find(b"<script")] if b"<script" in text else text
        self.fit(text, "page")

    def test_a_comparison(self):
        text = self.checked("compare", "--systems=bins", "--peers=none", "--runs=2", "--warm=0", "--", self.program, EVIL,
                            status=(0, 1), stdin=subprocess.DEVNULL)
        self.assertIn(SHOWN, text)

    def test_errors(self):
        for args in (("info", EVIL), ("run", "--", EVIL), ("run", "--system=" + EVIL, "--", "true"), (EVIL,),
                     ("show", "--core=" + EVIL), ("show", EVIL), ("run", "--conf=" + EVIL, "--", "true"), ("replay", EVIL),
                     ("import", "-o", self.at / "x", EVIL), ("report", EVIL, "-o", self.at / "y"), ("advise", EVIL),
                     ("compare", "--systems=" + EVIL, "--", "true"), ("merge", EVIL), ("tune", EVIL, "-o", self.at / "z"),
                     ("config", "--conf=" + EVIL)):
            with self.subTest(args[0]):
                self.assertIn("\\x1b", self.checked(*args, status=range(1, 128)))
        self.assertIn("\\x1b", self.checked("config", "--system=slab", status=(0, 1), env={"DMM_CONF": EVIL}))

    def test_the_libraries(self):
        for library in ("libdmm.so", "libdmm-gnu.so"):
            done = subprocess.run(["/bin/true"], capture_output=True,
                                  env={"LD_PRELOAD": str(BUILD / library), "DMM_CONF": EVIL.replace(":", "")})
            self.assertNotEqual(done.stderr, b"")
            self.assertEqual([b for b in done.stderr if b < 0x20 and b != 10 or b == 0x7f], [])


unittest.main()
