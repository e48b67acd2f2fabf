#!/usr/bin/env python3
"""settings.py BUILD: slab reads DMM_CONF, says what is wrong with it, and keeps it out of reach."""
import re
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

BUILD = Path(sys.argv.pop(1)).resolve()


def run(conf, *command):
    env = {"PATH": "/usr/bin:/bin", "LD_PRELOAD": str(BUILD / "libdmm.so"), "DMM_CONF": conf}
    return subprocess.run(command or ["/bin/echo", "hello"], env=env, capture_output=True, text=True)


class Settings(unittest.TestCase):
    def says(self, conf, *lines):
        done = run(conf)
        self.assertEqual((done.returncode, done.stdout), (0, "hello\n"), "the program runs on")
        self.assertEqual(done.stderr.splitlines(), list(lines))

    def test_nothing_is_said_without_a_reason(self):
        for conf in ("", ",", "hardened", "hardened:0", "canary:1", "quarantine:5000,random_order:1", "stats:1"):
            self.says(conf)

    def test_mistakes_are_said(self):
        self.says("canari:1", "dmm: DMM_CONF: unknown key 'canari'; did you mean 'canary'?")
        self.says("canary:2", "dmm: DMM_CONF: canary:2: 0 or 1")
        self.says("bin_spacing:exact", "dmm: DMM_CONF: slab has no setting 'bin_spacing'")
        self.says("canary", "dmm: DMM_CONF: 'canary': a setting is key:value")
        for value in ("many", "", "-1", "99999999999999999999999"):
            self.says(f"quarantine:{value}", f"dmm: DMM_CONF: quarantine:{value}: 0 to 1048576")

    def test_a_file_is_read(self):
        with tempfile.NamedTemporaryFile("w", suffix=".conf") as file:
            file.write("# ours\nhardened:1\ncanari:1\n")
            file.flush()
            self.says(f"file:{file.name}", "dmm: DMM_CONF: unknown key 'canari'; did you mean 'canary'?")
        self.says("file:/no/such", "dmm: DMM_CONF: file:/no/such: cannot be read (error 2)")

    def readonly_pages(self, conf):
        """Parts of the library in memory that cannot be written."""
        maps = run(conf, "/bin/cat", "/proc/self/maps").stdout
        return len(re.findall(r" r--p .*/libdmm\.so$", maps, re.MULTILINE))

    def test_the_settings_are_read_only_after_the_start(self):
        self.assertEqual(self.readonly_pages("canary:1") + 1, self.readonly_pages("canary:1,readonly_conf:1"))

    def test_random_order_is_another_in_every_process(self):
        program = BUILD / "test/trust_order"
        orders = {run("random_order:1", program).stdout for _ in range(8)}
        self.assertGreater(len(orders), 6)
        self.assertEqual(len({run("canary:1", program).stdout for _ in range(8)}), 1)


unittest.main()
