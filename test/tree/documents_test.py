#!/usr/bin/env python3
"""documents_test.py BUILD SOURCE [DOCUMENT|FOLDER...]: the commands of documents run as they stand.

Without names: README.md and docs/manual.  Of a FOLDER, all that ends in .md.  A shell runs each block of a document
that is marked sh, in order, in one new directory, which holds links to what the checkout holds (`build` is BUILD);
`dmm` is in the PATH.  A block is a fault if it ends with another exit status than 0.  A comment before a block changes that:

    <!-- as: COMMANDS -->      run these in its place: a short form of what takes long
    <!-- exit: N -->           it ends with N
    <!-- needs: PROGRAM... --> where one of these is not installed, the block is left out, and that is said

A command in a sentence, `dmm top PID`, is not run, but what it names must exist: the command of dmm and its long
options, make's target, a test that ctest -R finds, the script.  A command elsewhere, indented or in a block of
another kind, is a fault, but in a block marked text, which shows what a program printed.
"""
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

BLOCK = re.compile(r"((?:^<!--.*?-->\n)*)^```(\w*)\n(.*?)^```$", re.M | re.S)
COMMAND = re.compile(r"\s*(?:\$ )?(?:[A-Z_]+=\S* +)*(?:build/)?(?:(?:dmm|make|cmake|ctest|valgrind|callgrind_annotate) |"
                     r"(?:tools|bench|test)/\w)")
SPAN = re.compile(r"(?<!`)`([^`]+)`(?!`)")
NOTE = re.compile(r"<!-- (as|exit|needs): (.*?) -->", re.S)
TIMEOUT_S = 500


def blocks(path):
    """What is to be run: line, commands, wanted exit status, programs needed."""
    text = path.read_text()
    for m in BLOCK.finditer(text):
        notes = dict(NOTE.findall(m[1]))
        if m[2] == "sh":
            yield (text[:m.start()].count("\n") + 1, notes.get("as", m[3]), int(notes.get("exit", 0)),
                   notes.get("needs", "").split())


def stray(path):
    """Commands that stand outside of blocks marked sh, where no test would run them."""
    text = BLOCK.sub(lambda m: re.sub(r".+", "", m[0]) if m[2] in ("sh", "text") else m[0], path.read_text())
    fenced = False
    for number, line in enumerate(text.split("\n"), 1):
        fenced ^= line.startswith("```")
        if (fenced or line.startswith(("    ", "\t"))) and COMMAND.match(line):
            yield number, line.strip()


class Known:
    """What a sentence may name: each is asked once."""

    def __init__(self, build, source):
        self.build, self.source, self.asked = build, source, {}
        self.gdb = (source / "src/gdb/libdmm-gdb.py").read_text()

    def output(self, *command):
        if command not in self.asked:
            done = subprocess.run(command, cwd=self.source, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                                  timeout=300)
            self.asked[command] = done.stdout if done.returncode == 0 else ""
        return self.asked[command]

    def of_dmm(self, words):
        """What dmm does not have of `dmm WORD --option...`; None: all is there."""
        if not words or not re.fullmatch(r"[a-z]+", words[0]):
            return None
        if f'"dmm {words[0]}"' in self.gdb:
            return None
        page = self.output(self.build / "dmm", words[0], "--help")
        if not page:
            return f"dmm has no command {words[0]}"
        for option in re.findall(r"--[a-z][a-z-]*", " ".join(words[1:]).split(" -- ")[0]):
            if option not in page:
                return f"dmm {words[0]} has no option {option}"
        return None

    def of_make(self, words):
        targets = [word for word in words if re.fullmatch(r"[a-z][a-z-]*", word)]
        for target in targets:
            if not re.search(rf"(?m)^{target}:", (self.source / "Makefile").read_text()):
                return f"make has no target {target}"
        return None

    def of_ctest(self, words):
        pattern = words[words.index("-R") + 1] if "-R" in words else "."
        found = self.output("ctest", "--test-dir", self.build, "-N", "-R", pattern.strip("'"))
        return None if re.search(r"Total Tests: [1-9]", found) else f"ctest finds no test {pattern}"

    def missing(self, span):
        """What a span of code names and the tree does not have; None: nothing, or it is no command."""
        words = [word for word in span.split() if not re.fullmatch(r"[A-Z_]+=\S*", word)] or [""]
        name = words[0].removeprefix("build/")
        if name in ("dmm", "make", "ctest") and len(words) > 1:
            return {"dmm": self.of_dmm, "make": self.of_make, "ctest": self.of_ctest}[name](words[1:])
        if re.fullmatch(r"(?:tools|bench|test|lab|src|docs|examples)/[\w./-]+", name) and len(words) > 1:
            at = self.source if name == words[0] else self.build
            return None if (at / name).exists() else f"there is no {words[0]}"
        return None


def unknown(path, known):
    """Commands in sentences that name what does not exist."""
    text = BLOCK.sub(lambda m: re.sub(r".+", "", m[0]), path.read_text())
    for m in SPAN.finditer(text):
        why = known.missing(m[1])
        if why:
            yield text[:m.start()].count("\n") + 1, why


def checkout(at, build, source):
    for entry in source.iterdir():
        if entry.name not in (".git", "build"):
            (at / entry.name).symlink_to(entry)
    (at / "build").symlink_to(build)


def run(path, build, source, known):
    """The number of faults in one document."""
    name, faults, count = path.relative_to(source), 0, 0
    for line, why in unknown(path, known):
        print(f"{name}:{line}: {why}")
        faults += 1
    for line, text in stray(path):
        print(f"{name}:{line}: a command outside of a block marked sh: {text}")
        faults += 1
    with tempfile.TemporaryDirectory(prefix="dmm-documents-") as scratch:
        checkout(Path(scratch), build, source)
        env = dict(os.environ, PATH=f"{build}:{os.environ['PATH']}", TMPDIR=scratch, NO_COLOR="1")
        for line, commands, status, needs in blocks(path):
            missing = [program for program in needs if shutil.which(program) is None]
            if missing:
                print(f"{name}:{line}: left out: {' '.join(missing)} is not installed")
                continue
            count += 1
            done = subprocess.run(["bash", "-eu", "-o", "pipefail", "-c", commands], cwd=scratch, env=env,
                                  stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=TIMEOUT_S)
            if done.returncode != status:
                print(f"{name}:{line}: exit {done.returncode}, not {status}:\n{commands}{done.stdout[-1500:]}"
                      f"{done.stderr[-1500:]}")
                faults += 1
    print(f"{name}: {count} blocks run, {faults} faults")
    return faults


def main():
    build, source = Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve()
    names = [source / name for name in sys.argv[3:] or ["README.md", "docs/manual"]]
    documents = [path for name in names for path in (sorted(name.glob("*.md")) if name.is_dir() else [name])]
    known = Known(build, source)
    return 1 if sum(run(path, build, source, known) for path in documents) else 0


sys.exit(main())
