#!/usr/bin/env python3
"""test/lab/cli/operands_test.py DMM: a command that takes one operand names the second."""
import subprocess
import sys
import unittest

DMM = sys.argv.pop(1)


class Operands(unittest.TestCase):
    def test_a_second_operand_is_a_usage_error_that_names_it(self):
        for command, kind in (("advise", "recording"), ("check", "recording"), ("export", "recording"),
                              ("import", "file"), ("info", "recording"), ("replay", "recording"),
                              ("report", "recording"), ("show", "recording"), ("top", "process")):
            with self.subTest(command=command):
                done = subprocess.run([DMM, command, "one", "two"], capture_output=True, text=True)
                self.assertEqual((done.returncode, done.stdout, done.stderr),
                                 (2, "", f"dmm: one {kind} at a time: 'two' is the second\n"))


unittest.main()
