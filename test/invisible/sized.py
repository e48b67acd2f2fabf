#!/usr/bin/env python3
"""sized.py BUILD DESIGN...: slab and the designs report a free with a wrong size once, and the program goes on."""
import re
import signal
import subprocess
import sys
import unittest
from pathlib import Path

BUILD = Path(sys.argv[1]).resolve()
DESIGNS = sys.argv[2:]
CASES = ("base", "array", "free", "alignment", "thread")
LINE = (r"dmm: free of (\d+ bytes: 0x[0-9a-f]+ \(\d+ bytes\)|an object aligned to \d+: 0x[0-9a-f]+)")
ORIGIN = r"dmm: delete of what new\[\] allocated: 0x[0-9a-f]+ \(\d+ bytes\)"
ONCE = re.compile(LINE + r"; it is freed all the same, and no further such call is told \(DMM_CONF=sized:abort ends "
                  r"the program, sized:ignore tells none\)\n")


def run(design, case, conf=""):
    library = {"slab": str(BUILD / "libdmm.so"), "glibc": ""}.get(design, str(BUILD / f"libdmm-{design}.so"))
    return subprocess.run([BUILD / "test/sized", case], capture_output=True, text=True, timeout=300,
                          env={"PATH": "/usr/bin:/bin", "LD_PRELOAD": library, "DMM_CONF": conf})


class Sized(unittest.TestCase):
    def goes_on(self, design, case, conf=""):
        done = run(design, case, conf)
        self.assertEqual((done.returncode, done.stdout), (0, "done\n"), (design, case, conf, done.stderr))
        return done.stderr

    def test_slab_tells_the_first_and_goes_on(self):
        for case in CASES:
            for conf in ("", "sized:report", "stats:0", "guarded:1,guarded_every:3"):
                self.assertRegex(self.goes_on("slab", case, conf), r"\A" + ONCE.pattern + r"\Z", (case, conf))

    def test_slab_ignores_it_where_a_setting_says_so(self):
        for case in CASES:
            for conf in ("sized:ignore", "hardened,sized:ignore,mismatch:ignore"):
                self.assertEqual(self.goes_on("slab", case, conf), "")

    def test_the_hardened_preset_and_a_setting_end_the_program(self):
        for case in CASES:
            for conf in ("hardened", "sized:abort", "hardened,guarded:0"):
                done = run("slab", case, conf)
                self.assertEqual((done.returncode, done.stdout), (-signal.SIGABRT, ""), (case, conf))
                told = ORIGIN if case == "array" and "hardened" in conf else LINE
                self.assertRegex(done.stderr, r"\A" + told + r"\n")

    def test_what_is_right_is_not_told(self):
        for conf in ("", "sized:abort", "hardened"):
            self.assertEqual(self.goes_on("slab", "correct", conf), "")

    def test_the_other_designs_and_glibc_go_on_in_silence(self):
        for design in ["glibc", *DESIGNS]:
            for case in CASES:
                if design in ("minimal", "pad"):
                    continue # nothing is ever free again
                self.assertEqual(self.goes_on(design, case), "")

    def test_other_words_are_refused(self):
        self.assertEqual(self.goes_on("slab", "correct", "sized:abor"),
                         "dmm: DMM_CONF: sized:abor: one of report, ignore, abort\n")


unittest.main(argv=sys.argv[:1])
