#!/usr/bin/env python3
"""test/mutation/seeded_bugs.py BUILD [NUMBER...]: plant each fault of seeded_bugs.txt and see which check finds it.

The files that a fault touches are compiled again and linked in front of the archives of BUILD; then
torture must end with the invariant that the list expects, by its name.  Exit 1 if any is not found.
"""
import concurrent.futures
import json
import os
import re
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
SOURCE = HERE.parents[1] / "src"
SEEDS = range(1, 9)  # until something is said: strangers come in every third epoch


def read_bugs():
    bugs = []
    for block in re.split(r"\n\n+", (HERE / "seeded_bugs.txt").read_text()):
        lines = [line for line in block.split("\n") if line and not line.startswith("#")]
        if not lines:
            continue
        fields = lines[0].split("|")
        bugs.append({"number": int(fields[0]), "system": fields[1], "rule": fields[2], "what": fields[3],
                     "conf": fields[4] if len(fields) > 4 else "", "file": lines[1],
                     "old": "\n".join(line[1:] for line in lines[2:] if line[0] == "-"),
                     "new": "\n".join(line[1:] for line in lines[2:] if line[0] == "+")})
    return bugs


def planted(bug):
    text = (SOURCE / bug["file"]).read_text()
    if text.count(bug["old"]) != 1:
        raise ValueError(f"its place occurs {text.count(bug['old'])} times in {bug['file']}: "
                         "bring seeded_bugs.txt up to date")
    return text.replace(bug["old"], bug["new"])


def compile_flags(build):
    for entry in json.loads((build / "compile_commands.json").read_text()):
        if entry["file"].endswith("/src/system/list.c"):
            words = shlex.split(entry["command"])
            at = words.index("-o")
            return [w for w in words[:at] if not w.startswith(("-MF", "-MD", "-MT", "-O"))]
    raise ValueError("no compile command for src/system/list.c")


def build_bug(bug, flags, build, work):
    """A torture with this fault alone."""
    tree = work / "src"
    changed = tree / bug["file"]
    changed.parent.mkdir(parents=True)
    changed.write_text(planted(bug))
    sources = [bug["file"]]
    if bug["file"].endswith(".h"):  # compile again all that may see it
        sources = [f"system/{p.name}" for p in sorted((SOURCE / "system").glob("*.c"))]
        sources += [f"system/policy/{p.name}" for p in sorted((SOURCE / "system/policy").glob("*.c"))]
    objects = []
    for name in sources:
        at = changed if name == bug["file"] else SOURCE / name
        out = work / (name.replace("/", "_") + ".o")
        subprocess.run([flags[0], f"-I{tree}", *flags[1:], "-O1", "-w", "-c", str(at), "-o", str(out)],
                       check=True, capture_output=True, text=True)
        objects.append(str(out))
    torture = work / "torture"
    mains = [str(p) for p in build.glob("test/**/CMakeFiles/torture.dir/**/*.o")]
    subprocess.run([flags[0], "-o", str(torture), *mains, *objects, str(build / "libdmm_lab.a"),
                    str(build / "libdmm_core.a"), "-lm", "-ldl", "-lpthread"],
                   check=True, capture_output=True, text=True)
    return torture


def hunt(torture, bug):
    """The rule that torture names, and what it said."""
    said = ""
    for seed in SEEDS:
        command = [str(torture), f"--system={bug['system']}", "--ops=30000", "--shrink=0",
                   f"--seed={seed}"]
        if bug["conf"]:
            command.append("--conf=" + bug["conf"])
        said = subprocess.run(command, capture_output=True, text=True, timeout=300).stderr.strip()
        found = re.search(r"broken rule '([^']+)'", said)
        if found:
            return found.group(1), said
        if said:
            return "nothing", said
    return "nothing", said


def judge(bug, flags, build):
    with tempfile.TemporaryDirectory(prefix="dmm-seed-") as work:
        try:
            rule, said = hunt(build_bug(bug, flags, build, Path(work)), bug)
        except subprocess.CalledProcessError as error:
            rule, said = "no build", error.stderr
        except ValueError as error:
            rule, said = "no place", str(error)
    return rule == bug["rule"], rule, said


def main():
    build = Path(sys.argv[1]).resolve()
    chosen = {int(word) for word in sys.argv[2:]}
    bugs = [bug for bug in read_bugs() if not chosen or bug["number"] in chosen]
    if not any(build.glob("test/**/CMakeFiles/torture.dir/**/*.o")):
        sys.exit(f"seeded_bugs: torture is not built: cmake --build {build} --target torture")
    flags = compile_flags(build)
    missed = 0
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for bug, (fine, rule, said) in zip(bugs, pool.map(lambda b: judge(b, flags, build), bugs)):
            print(f"{bug['number']:3}  {bug['system']:8}  {'found by' if fine else 'WANTED'} "
                  f"{bug['rule']:14}  {bug['what']}")
            if not fine:
                missed += 1
                print(f"     but got: {rule}: {said.splitlines()[0] if said else ''}")
    print(f"seeded bugs: {len(bugs)} planted, {len(bugs) - missed} found by the right name")
    return 1 if missed or not bugs else 0


sys.exit(main())
