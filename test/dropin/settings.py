#!/usr/bin/env python3
"""settings.py BUILD: DMM_CONF is read, each mistake in it is reported exactly, and setuid programs ignore it."""
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

BUILD = Path(sys.argv.pop(1)).resolve()
HERE = Path(__file__).resolve().parent


def run(conf, *command, design="list"):
    env = {"PATH": "/usr/bin:/bin", "LD_PRELOAD": str(BUILD / f"libdmm-{design}.so")}
    if conf is not None:
        env["DMM_CONF"] = conf
    return subprocess.run(command or ["/bin/echo", "hello"], env=env, capture_output=True, text=True)


class Settings(unittest.TestCase):
    def says(self, conf, *lines, design="list"):
        done = run(conf, design=design)
        self.assertEqual((done.returncode, done.stdout), (0, "hello\n"), "the program runs on")
        self.assertEqual(done.stderr.splitlines(), list(lines))

    def test_nothing_is_said_without_a_reason(self):
        for conf in (None, "", ",", "stats:0", "grow_min:65536"):
            self.says(conf)

    def test_an_unknown_key_is_said_with_the_nearest_name(self):
        self.says("stat:1", "dmm: DMM_CONF: unknown key 'stat'; did you mean 'stats'?")
        line, = run("grow_mim:4096").stderr.splitlines()
        self.assertRegex(line, "^dmm: DMM_CONF: .*grow_mim.*grow_min")
        line, = run("qqqqqqqqqqqqqq:4096").stderr.splitlines()
        self.assertRegex(line, "^dmm: DMM_CONF: .*qqqqqqqqqqqqqq")

    def test_what_is_no_setting_is_said(self):
        self.says("stats", "dmm: DMM_CONF: 'stats': a setting is key:value")
        self.says("stats:2", "dmm: DMM_CONF: stats:2: 0 or 1")
        self.says("stats:exit", "dmm: DMM_CONF: stats:exit: only slab makes such reports; this design takes stats:0 "
                  "and stats:1")
        self.says("deepbind:yes", "dmm: DMM_CONF: deepbind:yes: 0 or 1")
        self.says("k" * 600 + ":1", "dmm: DMM_CONF: a setting of 602 letters is too long")

    def test_a_key_that_the_system_does_not_honour_is_said(self):
        line, = run("mmap_threshold:65536", design="minimal").stderr.splitlines()
        self.assertRegex(line, "^dmm: DMM_CONF: .*mmap_threshold")

    def test_every_mistake_is_said_and_the_rest_is_obeyed(self):
        lines = run("stat:1,stats:1,nonsense").stderr.splitlines()
        self.assertEqual(len(lines), 4)
        self.assertRegex(lines[3], r"^dmm: list\[\d+\]: \d+ bytes = ")

    def test_a_file_is_read_where_it_is_named(self):
        with tempfile.TemporaryDirectory() as directory:
            path = Path(directory) / "my.conf"
            path.write_text("# two mistakes\ngrow_min:64k stat:1\n\nfile:other\nstats:1\n")
            lines = run(f"file:{path}").stderr.splitlines()
            self.assertEqual(lines[:2], [
                f"dmm: DMM_CONF: {path}:2: unknown key 'stat'; did you mean 'stats'?",
                f"dmm: DMM_CONF: {path}:4: file:other: a file cannot name another"])
            self.assertEqual(len(lines), 4, "and stats are printed")
            self.says(f"file:{directory}/none", f"dmm: DMM_CONF: file:{directory}/none: no such file")
            self.says(f"file:{directory}", f"dmm: DMM_CONF: file:{directory}: a directory")

    def test_settings_that_cannot_be_together_are_all_dropped(self):
        self.says("footer:check,fit:best", "dmm: DMM_CONF: footer:check with reuse:footer: a live chunk "
                  "then has no footer to check; take reuse:links; gnu runs with its defaults", design="gnu")

    def test_the_statistics_add_up_and_count(self):
        # ls closes its stderr before it ends; sh has a child of its own.
        for command in (["/bin/ls", "/"], ["/bin/sh", "-c", "ls /; exit 0"]):
            done = run("stats:1", *command)
            self.assertEqual(done.returncode, 0)
            bytes_ = re.findall(r"(\d+) bytes = (\d+) live in \d+ \+ (\d+) free in \d+ \+ (\d+) meta \+ (\d+) pad",
                                done.stderr)
            self.assertGreaterEqual(len(bytes_), 1, done.stderr)
            for row in bytes_:
                total, *parts = map(int, row)
                self.assertEqual(total, sum(parts))
            self.assertRegex(done.stderr, r"dmm: list\[\d+\]: [1-9]\d* malloc, ")

    def test_a_setuid_program_ignores_the_environment(self):
        probe = BUILD / "test/settings_probe"
        env = {"DMM_CONF": "nonsense:1"}
        plain = subprocess.run([probe], env=env, capture_output=True, text=True)
        self.assertEqual(plain.stdout, "plain\n")
        self.assertIn("nonsense", plain.stderr)
        if os.geteuid() != 0:
            self.skipTest("only root can make a program setuid to somebody else")
        # Linked anew with a copy of the library beside it: nobody else may read a checkout in a home of mode 700.
        with tempfile.TemporaryDirectory() as directory:
            os.chmod(directory, 0o755)
            copy = Path(directory) / "probe"
            os.chmod(shutil.copy(BUILD / "libdmm-list.so", directory), 0o755)
            subprocess.run(["cc", HERE / "settings_probe.c", "-o", copy, "-Wl,--no-as-needed", "-L", directory, "-ldmm-list",
                            f"-Wl,-rpath,{directory}"], check=True)
            os.chown(copy, 65534, 65534)
            os.chmod(copy, 0o4755)
            secure = subprocess.run([copy], env=env, capture_output=True, text=True)
        if secure.stdout == "plain\n":
            self.skipTest("the directory for temporary files is mounted nosuid")
        self.assertEqual((secure.returncode, secure.stdout, secure.stderr), (0, "setuid\n", ""))


unittest.main()
