#!/usr/bin/env python3
"""conf_files.py BUILD: the library refuses what is no file of settings in one line, and does not wait for it."""
import os
import socket
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

BUILD = Path(sys.argv.pop(1)).resolve()
SECONDS = 120  # what hangs, hangs for ever


def run(command, **env):
    return subprocess.run(command, env={"PATH": "/usr/bin:/bin", **env}, capture_output=True, text=True, timeout=SECONDS)


class ConfFiles(unittest.TestCase):
    def setUp(self):
        self.directory = tempfile.TemporaryDirectory()
        self.addCleanup(self.directory.cleanup)
        at = Path(self.directory.name)
        os.mkfifo(at / "fifo")
        (at / "link").symlink_to("fifo")
        (at / "loop").symlink_to("loop")
        with open(at / "huge", "wb") as f:
            f.truncate(50 << 20)
        (at / "just").write_text("purge_age_ms:77\n" + "#" * (65536 - 16))
        (at / "more").write_text("purge_age_ms:77\n" + "#" * (65536 - 15))
        self.listener = socket.socket(socket.AF_UNIX)
        self.addCleanup(self.listener.close)
        self.listener.bind(str(at / "socket"))
        self.at = at
        self.refused = {at / "fifo": "no regular file", at / "link": "no regular file", "/dev/zero": "no regular file",
                        at / "huge": "larger than 64 KiB", at / "more": "larger than 64 KiB", at: "a directory",
                        at / "socket": "no regular file", at / "none": "no such file", at / "loop": "cannot be read",
                        "/dev/null": "no regular file"}

    def test_the_libraries_say_one_line_and_go_on(self):
        for library in ("libdmm.so", "libdmm-list.so"):
            for path, why in self.refused.items():
                done = run(["/bin/echo", "hello"], LD_PRELOAD=str(BUILD / library), DMM_CONF=f"file:{path}")
                self.assertEqual((done.returncode, done.stdout, done.stderr),
                                 (0, "hello\n", f"dmm: DMM_CONF: file:{path}: {why}\n"), library)

    def test_the_command_refuses(self):
        for command in (["run"], ["config"]):
            for path, why in self.refused.items():
                more = ["--", "/bin/echo", "hello"] if command == ["run"] else []
                done = run([BUILD / "dmm", *command, f"--conf={path}", *more])
                self.assertNotEqual(done.returncode, 0, (command, path))
                self.assertIn(f"{path}: {why}", done.stderr + done.stdout)
                self.assertNotIn("hello", done.stdout)

    def test_what_grows_while_it_is_read_ends_there(self):
        # /proc has regular files whose size is 0 and whose text is longer.
        path = "/proc/self/smaps"
        done = run([BUILD / "test/dropin_contract", "-", "malloc_stats_says"], LD_PRELOAD=str(BUILD / "libdmm.so"),
                   DMM_CONF=f"file:{path}")
        self.assertEqual(done.returncode, 0)
        self.assertLess(done.stderr.count("DMM_CONF"), 25)

    def test_of_a_file_with_many_mistakes_some_are_told_and_none_is_a_command_to_the_terminal(self):
        (self.at / "binary").write_bytes(bytes(range(1, 256)) * 200)
        for library in ("libdmm.so", "libdmm-list.so"):
            done = subprocess.run(["/bin/echo", "hello"], capture_output=True, timeout=SECONDS,
                                  env={"LD_PRELOAD": str(BUILD / library), "DMM_CONF": f"file:{self.at}/binary,\x1b[31m:\x07"})
            self.assertEqual((done.returncode, done.stdout), (0, b"hello\n"))
            self.assertLessEqual(done.stderr.count(b"\n"), 22)
            self.assertIn(b"there are more mistakes", done.stderr)
            for byte in done.stderr.replace(b"\n", b""):
                self.assertTrue(byte >= 0x20 and byte != 0x7f, done.stderr)

    def test_64_KiB_are_read(self):
        done = run([BUILD / "dmm", "config", f"--conf={self.at / 'just'}"])
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertRegex(done.stdout, r"purge_age_ms +77")


unittest.main()
