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

    def test_help_names_a_command_and_its_options(self):
        whole = subprocess.run([DMM, "--help"], capture_output=True, text=True).stdout
        for words in (["help"], ["-h"], ["-?"], ["help", "help"], ["help", "--help"]):
            done = subprocess.run([DMM, *words], capture_output=True, text=True)
            self.assertEqual((done.returncode, done.stdout), (0, whole), words)
        one = subprocess.run([DMM, "info", "--help"], capture_output=True, text=True).stdout
        done = subprocess.run([DMM, "help", "info"], capture_output=True, text=True)
        self.assertEqual((done.returncode, done.stdout), (0, one))

    def test_an_unknown_word_is_followed_by_the_way_to_the_known_ones(self):
        for words, said in ((["zzzzzz"], "'dmm --help' lists the commands"), (["help", "shwo"], "did you mean 'show'?"),
                            (["show", "--demo", "--system=zzzzzz"], "the systems are minimal, pad, list, "),
                            (["info", "--format=zzzzzz", "t"], "the values of --format are text, json, csv")):
            done = subprocess.run([DMM, *words], capture_output=True, text=True)
            self.assertEqual((done.returncode, done.stdout), (2, ""), words)
            self.assertIn(said, done.stderr)

    def test_output_that_cannot_be_written_is_a_failure_with_its_reason(self):
        for words in (["--help"], ["systems"], ["show", "--demo", "--system=list"], ["config", "--format=json"],
                      ["help", "info"], ["info", "--help"], ["run", "--usage"], ["info", "--version"]):
            with self.subTest(words=words), open("/dev/full", "w") as full:
                done = subprocess.run([DMM, *words], stdout=full, stderr=subprocess.PIPE, text=True)
                self.assertEqual(done.returncode, 125, done.stderr)
                self.assertIn("dmm: stdout cannot be written: No space left on device", done.stderr)


unittest.main()
