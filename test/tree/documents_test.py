#!/usr/bin/env python3
"""documents_test.py BUILD SOURCE [DOCUMENT...]: the commands of README.md and docs/manual run as they stand.

A document's blocks marked sh are run in order, each by a shell of its own, in one new directory, which holds links
to what the checkout holds (`build` is BUILD); `dmm` is in the PATH.  A block is a fault if it ends with another
exit status than 0.  A comment before a block changes that:

    <!-- as: COMMANDS -->      run these in its place: a short form of what takes long
    <!-- exit: N -->           it ends with N
    <!-- needs: PROGRAM... --> where one of these is not installed, the block is left out, and that is said
"""
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

BLOCK = re.compile(r"((?:^<!--.*?-->\n)*)^```(\w*)\n(.*?)^```$", re.M | re.S)
NOTE = re.compile(r"<!-- (as|exit|needs): (.*?) -->", re.S)
TIMEOUT_S = 280


def blocks(path):
    """What is to be run: line, commands, wanted exit status, programs needed."""
    text = path.read_text()
    for m in BLOCK.finditer(text):
        notes = dict(NOTE.findall(m[1]))
        if m[2] == "sh":
            yield (text[:m.start()].count("\n") + 1, notes.get("as", m[3]), int(notes.get("exit", 0)),
                   notes.get("needs", "").split())


def stray(path):
    """Commands that stand outside of such blocks, where no test would run them."""
    text = BLOCK.sub(lambda m: re.sub(r".+", "", m[0]), path.read_text())
    for number, line in enumerate(text.split("\n"), 1):
        if re.match(r"(?:    |\t)(?:\$ )?(?:build/)?(?:dmm |make |LD_PRELOAD=|cmake |ctest )", line):
            yield number, line.strip()


def checkout(at, build, source):
    for entry in source.iterdir():
        if entry.name not in (".git", "build"):
            (at / entry.name).symlink_to(entry)
    (at / "build").symlink_to(build)


def run(path, build, source):
    """The number of faults in one document."""
    name, faults, count = path.relative_to(source), 0, 0
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
    documents = [source / name for name in sys.argv[3:]] or \
        [source / "README.md", *sorted((source / "docs/manual").glob("*.md"))]
    return 1 if sum(run(path, build, source) for path in documents) else 0


sys.exit(main())
