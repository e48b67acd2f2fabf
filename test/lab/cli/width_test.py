#!/usr/bin/env python3
"""test/lab/cli/width_test.py DMM RECORDINGS: what a command prints fits the reader's screen, and loses nothing there."""
import csv
import fcntl
import io
import os
import pty
import re
import struct
import subprocess
import sys
import tempfile
import termios
import unittest
from pathlib import Path

DMM, RECORDINGS = Path(sys.argv.pop(1)).resolve(), Path(sys.argv.pop(1)).resolve()
QUICK = ("--runs=1", "--warm=0", "--peers=none")
COMMANDS = (
    ("--help",), ("systems",), ("config",), ("config", "--system=slab"),
    ("info", "cc.dmm"), ("info", "redis.dmm"), ("diff", "cc.dmm", "git.dmm"),
    ("advise", "cc.dmm"), ("advise", "redis.dmm"), ("advise", "--study", "sqlite3.dmm"),
    ("tune", "sqlite3.dmm", "-o", "a.conf"), ("tune", "sqlite3.dmm", "-o", "b.conf", *QUICK[:2], "--", "sleep", "0.05"),
    ("replay", "--model", "--study", "--over-time", "git.dmm"),
    ("replay", *QUICK, "--over-time", "sqlite3.dmm"), ("replay", *QUICK, "--pace=1", "--by=mean", "sqlite3.dmm"),
    ("compare", *QUICK, "--systems=slab,gnu", "--", "sleep", "0.05"),
    ("compare", "--runs=2", *QUICK[1:], "--systems=slab", "--", "sleep", "0.05"),
    ("bench", "--suite=lecture", "overhead"),
)


def dmm(*args, columns=80):
    env = {key: value for key, value in os.environ.items() if key not in ("DMM_CONF", "COLUMNS")}
    if columns is not None:
        env["COLUMNS"] = str(columns)
    return subprocess.run([DMM, *args], env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True)


def on_terminal(*args, columns):
    """What the command writes to a terminal of so many columns, without the escapes."""
    main, terminal = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
    with subprocess.Popen([DMM, *args], env={**os.environ, "NO_COLOR": "1", "COLUMNS": "200"},
                          stdin=subprocess.DEVNULL, stdout=terminal, stderr=terminal):
        os.close(terminal)
        said = b""
        try:
            while part := os.read(main, 65536):
                said += part
        except OSError:  # the other side is closed
            pass
        os.close(main)
    return re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", said.decode())


class Width(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.addCleanup(os.chdir, os.getcwd())
        os.chdir(directory.name)
        for trace in RECORDINGS.glob("*.dmm"):
            Path(trace.name).symlink_to(trace)

    def test_no_line_is_wider_than_the_screen(self):
        for args in COMMANDS:
            for columns in (80, 120):
                with self.subTest(args=args, columns=columns):
                    done = dmm(*args, columns=columns)
                    self.assertIn(done.returncode, (0, 1), done.stdout + done.stderr)
                    self.assertNotEqual(done.stdout, "")
                    self.assertEqual([line for line in done.stdout.splitlines() if len(line) > columns], [])

    def test_advice_and_settings_fit_a_screen_of_40_columns(self):
        for args, left in ((("advise", "cc.dmm"), "of payload, at the end"), (("tune", "cc.dmm", "-o", "c.conf"), "at the end")):
            done = dmm(*args, columns=40)
            self.assertIn(done.returncode, (0, 1), done.stdout + done.stderr)
            self.assertEqual([line for line in done.stdout.splitlines() if len(line) > 40], [], args)
            self.assertIn(left, done.stdout.replace("\n", " ").split("left out at 40 columns: ")[1], args)

    def test_what_a_table_leaves_out_is_named_and_a_wider_screen_shows_it(self):
        narrow = dmm("advise", "cc.dmm").stdout
        self.assertIn("left out at 80 columns: largest part beside payload; ", narrow)
        self.assertNotRegex(narrow, r"(?m)^(gnu|slab) .* free for later requests")
        wide = dmm("advise", "cc.dmm", columns=200).stdout
        self.assertNotIn("left out", wide)
        self.assertRegex(wide, r"(?m)^gnu .* free for later requests")

    def test_only_COLUMNS_limits_the_width_of_a_pipe(self):
        self.assertNotIn("left out at", dmm("advise", "cc.dmm", columns=None).stdout)
        for args in (("systems",), ("info", "redis.dmm"), ("diff", "cc.dmm", "git.dmm")):
            whole, narrow = dmm(*args, columns=None).stdout, dmm(*args).stdout
            self.assertEqual(whole, dmm(*args, columns=10000).stdout, args)
            self.assertLess(whole.count("\n"), narrow.count("\n"), args)
            for nothing in ("", "0", "wide"):
                self.assertEqual(dmm(*args, columns=nothing).stdout, whole, (args, nothing))
        drawn = dmm("show", "--demo", "--system=list", columns=None).stdout
        self.assertEqual(drawn, dmm("show", "--demo", "--system=list").stdout)
        self.assertLessEqual(max(map(len, drawn.splitlines())), 80)

    def test_a_terminal_says_its_width_itself(self):
        for args in (("systems",), ("torture", "--system=slab", "--ops=2000"), ("bench", "--suite=lecture", "--list")):
            longest = max(len(line) for line in on_terminal(*args, columns=60).splitlines())
            self.assertTrue(40 < longest <= 60, (args, longest))

    def test_a_pipe_gets_one_line_for_each_item(self):
        for args, item in ((("torture", "--system=all", "--ops=500"), r"^\w+ +sound: .* live, seed \d+$"),
                           (("bench", "--suite=lecture", "--list"), r"^\S+ +.+: .+$")):
            lines = dmm(*args, columns=None).stdout.splitlines()
            self.assertGreater(len(lines), 5, args)
            for line in lines:
                self.assertRegex(line, item)

    def test_a_line_of_progress_ends_with_a_whole_character(self):
        for name in ("\u00fc" * 100, "x" + "\u00fc" * 100):  # two bytes each
            Path(name).symlink_to("/bin/true")
            said = on_terminal("compare", *QUICK, "--systems=slab", "--", "./" + name, columns=60)
            shown = [line for line in re.split(r"[\r\n]+", said) if line.startswith("rehearsal: ")]
            self.assertNotEqual(shown, [])
            for line in shown:
                self.assertRegex(line, r"^rehearsal: \./x?\u00fc+(: \d+ %.*)?$")
                self.assertLess(len(line), 60)

    def test_a_message_keeps_a_quoted_command_in_one_line(self):
        said = on_terminal("info", "--format=csv", "cc.dmm", columns=40)
        self.assertIn("'dmm export --to=csv'", said)
        self.assertIn("\n", said.strip())

    def test_one_run_has_no_interval_and_no_column_for_it(self):
        one = dmm("compare", *QUICK, "--systems=slab", "--", "true", columns=200).stdout
        two = dmm("compare", "--runs=2", *QUICK[1:], "--systems=slab", "--", "true", columns=200).stdout
        heads = [next(line for line in said.splitlines() if line.startswith("allocator")) for said in (one, two)]
        self.assertNotIn("%", heads[0])
        self.assertIn("50 % interval", heads[1])

    def test_csv_has_every_column_at_any_width(self):
        narrow, wide = (dmm("tune", "sqlite3.dmm", "-o", "c.conf", "--format=csv", columns=n).stdout for n in (20, 200))
        self.assertEqual(narrow, wide)
        rows = list(csv.DictReader(io.StringIO(narrow)))
        self.assertEqual([row["role"] for row in rows], ["searched"] * 3)
        self.assertEqual(rows[0]["settings"], "as it comes")


unittest.main()
