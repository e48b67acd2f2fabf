#!/usr/bin/env python3
"""bash, zsh and fish complete every command, option and value; the test asks the shells themselves.

usage: completion_test.py BUILD [unittest arguments]
"""
import os
import pty
import re
import select
import shutil
import subprocess
import sys
import tempfile
import time
import unittest

sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), "../support"))
from runner import has_terminals

BUILD = os.path.abspath(sys.argv.pop(1))
DMM = os.path.join(BUILD, "dmm")
WORK = tempfile.mkdtemp(prefix="dmm-completion-")
DESIGNS = "minimal pad list dlist bins vm gnu segdata segmeta slab".split()


def output(*words, **more):
    return subprocess.run(words, capture_output=True, text=True, check=True, cwd=WORK, timeout=300, **more).stdout


def commands():
    """Each command with its long options, as --help tells them."""
    names = re.findall(r"^  ([a-z]+) ", output(DMM, "--help"), re.M)
    return {name: re.findall(r"^\s+(?:-., )?--([a-z-]+)", output(DMM, name, "--help"), re.M) for name in names}


def script(shell):
    path = os.path.join(WORK, f"dmm.{shell}")
    if not os.path.exists(path):
        with open(path, "w") as f:
            f.write(output(DMM, "completion", shell))
    return path


def setUpModule():
    os.mkdir(os.path.join(WORK, "traces"))
    open(os.path.join(WORK, "run.dmm"), "w").close()


def bash(line):
    """What bash offers at the end of `line`; it breaks words at = and : as an interactive one does."""
    words = [w for w in re.split(r"\s+|(=)", line) if w] + ([""] if line.endswith(" ") else [])
    quoted = " ".join(f"'{w}'" for w in words)
    code = f"""compopt() {{ :; }}; source {script('bash')}; COMP_WORDS=({quoted}); COMP_CWORD={len(words) - 1}
        _dmm; printf '%s\\n' "${{COMPREPLY[@]}}" """
    return output("bash", "--norc", "-c", code).split()


class Bash(unittest.TestCase):
    def test_every_command_and_every_option_is_offered(self):
        known = commands()
        self.assertGreater(len(known), 20)
        self.assertEqual(set(bash("dmm ")) - {"--help", "--version"}, set(known))
        for command, options in known.items():
            self.assertEqual({o.strip("-=") for o in bash(f"dmm {command} --")}, set(options), command)

    def test_values_are_offered_with_and_without_a_beginning(self):
        self.assertEqual(bash("dmm compare --thp="), ["as-is", "off", "both"])
        self.assertEqual(bash("dmm compare --thp=o"), ["off"])
        self.assertEqual(bash("dmm top --format="), ["text", "json", "csv"])
        self.assertEqual(bash("dmm compare --peers="), ["auto", "none"])
        self.assertEqual(bash("dmm completion "), ["bash", "zsh", "fish"])

    def test_lists_of_designs_go_on_behind_a_comma(self):
        self.assertEqual(bash("dmm compare --systems="), DESIGNS)
        self.assertEqual(bash("dmm compare --systems=bins,g"), ["bins,gnu"])

    def test_files_directories_and_processes_are_offered(self):
        self.assertEqual(bash("dmm info run"), ["run.dmm"])
        self.assertEqual(bash("dmm export -o ru"), ["run.dmm"])
        self.assertEqual(bash("dmm score --traces=tr"), ["traces"])
        self.assertIn(str(os.getpid()), bash("dmm top "))

    def test_a_program_and_its_arguments_stand_behind_two_hyphens(self):
        self.assertIn("sleep", bash("dmm run --system=bins -- slee"))
        self.assertEqual(bash("dmm run -- sleep run"), ["run.dmm"])


@unittest.skipUnless(shutil.which("fish"), "fish is not installed")
class Fish(unittest.TestCase):
    def offered(self, line):
        env = dict(os.environ, HOME=WORK, XDG_CONFIG_HOME=WORK)
        said = output("fish", "--no-config", "-c", f"source {script('fish')}; complete -C '{line}'", env=env)
        return [one.split("\t")[0] for one in said.splitlines()]

    def test_every_command_and_every_option_is_offered(self):
        known = commands()
        self.assertLessEqual(set(known), set(self.offered("dmm ")))
        for command in ("compare", "record", "top", "completion"):
            offered = {o.lstrip("-").rstrip("=") for o in self.offered(f"dmm {command} --")}
            self.assertLessEqual(set(known[command]), offered, command)

    def test_values_are_offered(self):
        self.assertEqual(set(self.offered("dmm compare --thp=")), {f"--thp={w}" for w in ("as-is", "off", "both")})
        self.assertIn("run.dmm", self.offered("dmm info ru"))
        self.assertLessEqual({"bash", "zsh", "fish"}, set(self.offered("dmm completion ")))
        self.assertIn("--systems=bins", self.offered("dmm compare --systems=bi"))


@unittest.skipUnless(shutil.which("zsh"), "zsh is not installed")
@unittest.skipUnless(has_terminals(), "no pseudo-terminal: /dev/pts is not mounted")
class Zsh(unittest.TestCase):
    """zsh completes at its line editor alone: one is started on a terminal, and keys are typed."""

    def screen(self, keys, *wanted):
        """What the terminal shows once keys are typed and every pattern of wanted has appeared."""
        pid, fd = pty.fork()
        if pid == 0:
            os.chdir(WORK)
            os.environ.update(HOME=WORK, ZDOTDIR=WORK, TERM="dumb", PS1="ready> ", COLUMNS="200", LINES="50")
            os.execvp("zsh", ["zsh", "-f", "-i"])
        try:
            self.wait(fd, "", "ready> ")
            # READY and the next prompt may come in one piece
            self.wait(fd, f"autoload -U compinit; compinit -u -D; source {script('zsh')}; LISTMAX=0; echo REA''DY\n",
                      r"READY\s[\s\S]*ready> ")
            self.wait(fd, keys, *wanted)
        finally:
            os.kill(pid, 9)
            os.close(fd)
            os.waitpid(pid, 0)

    def wait(self, fd, keys, *wanted):
        os.write(fd, keys.encode())
        seen, end = "", time.monotonic() + 200
        while missing := [w for w in wanted if not re.search(w, seen)]:
            left = end - time.monotonic()
            self.assertGreater(left, 0, f"{missing} did not appear: {seen!r}")
            if select.select([fd], [], [], left)[0]:
                seen += os.read(fd, 65536).decode(errors="replace")

    def test_commands_options_and_values_are_offered(self):
        self.screen("dmm com\t\t", "compare")
        self.screen("dmm compare --\t\t", *(f"--{option}" for option in commands()["compare"]))
        self.screen("dmm compare --thp=\t\t", r"as-is[\s\S]*off|both[\s\S]*off")
        self.screen("dmm info ru\t", r"run\.dmm")


if __name__ == "__main__":
    try:
        unittest.main(verbosity=1)
    finally:
        shutil.rmtree(WORK, ignore_errors=True)
