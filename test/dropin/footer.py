#!/usr/bin/env python3
"""footer.py BUILD: the lecture's "The rain in Spain" in a program: what footer:check says of it."""
import os
import re
import subprocess
import sys
import unittest
from pathlib import Path

BUILD = Path(sys.argv.pop(1)).resolve()
PROGRAM = BUILD / "test/rain"
SOURCE = Path(__file__).resolve().parent / "programs/rain.c"


def run(design, conf, *args):
    env = {"PATH": "/usr/bin:/bin", "DMM_CONF": conf, "LD_PRELOAD": str(BUILD / f"libdmm-{design}.so")}
    return subprocess.run([PROGRAM, *args], env=env, capture_output=True, text=True)


def line_of(place):
    """file+0x1234 -> the line of the source, by addr2line."""
    file, offset = place.split("+")
    out = subprocess.run(["addr2line", "-e", file, offset], capture_output=True, text=True, check=True)
    name, line = out.stdout.split(" ")[0].strip().rsplit(":", 1)
    assert os.path.samefile(name, SOURCE), out.stdout
    return SOURCE.read_text().splitlines()[int(line) - 1]


class Footer(unittest.TestCase):
    def test_the_message_names_the_block_its_size_how_far_and_the_caller(self):
        for design in ("dlist", "bins", "gnu"):
            for reuse, least in (("none", 10), ("links", 8)):
                for args, caller in (((), "free(s)"), (("realloc",), "realloc(s")):
                    with self.subTest(design=design, reuse=reuse, caller=caller):
                        done = run(design, f"reuse:{reuse},footer:check", *args)
                        self.assertEqual(done.returncode, -6)  # SIGABRT
                        m = re.fullmatch(r"dmm: overflow: 0x[0-9a-f]+ \(32 bytes\): at least (\d+) bytes "
                                         r"beyond its end were written; found in the call at (\S+)\n",
                                         done.stderr)
                        self.assertIsNotNone(m, done.stderr)
                        self.assertEqual(int(m[1]), least)
                        self.assertIn(caller, line_of(m[2]))

    def test_without_the_check_nobody_speaks_of_an_overflow(self):
        for design in ("dlist", "bins", "gnu"):
            self.assertNotIn("overflow", run(design, "footer:off").stderr)


unittest.main()
