#!/usr/bin/env python3
"""test/model/interleave/seeded.py BUILD [--most=N] [NUMBER...]: plant each fault of seeded.txt and explore, N
schedules of a scenario at most; exit 1 if any is not found.

--places: only look whether the place of each fault is there, once."""
import concurrent.futures
import json
import os
import re
import resource
import shlex
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
SOURCE = HERE.parents[2] / "src"
PROCESSOR_S = 600


def read_bugs():
    for block in re.split(r"\n\n+", (HERE / "seeded.txt").read_text()):
        lines = [line for line in block.split("\n") if line and not line.startswith("#")]
        if lines:
            number, what, word, bound = (lines[0] + "||").split("|")[:4]
            yield {"number": int(number), "what": what, "word": word, "bound": bound or "2", "file": lines[1],
                   "old": "\n".join(line[1:] for line in lines[2:] if line[0] == "-"),
                   "new": "\n".join(line[1:] for line in lines[2:] if line[0] == "+")}


def planted(bug):
    text = (SOURCE / bug["file"]).read_text()
    if text.count(bug["old"]) != 1:
        raise ValueError(f"its place occurs {text.count(bug['old'])} times in {bug['file']}: "
                         "bring seeded.txt up to date")
    return text.replace(bug["old"], bug["new"])


def build(bug, entries, work):
    """interleave with this fault: what is not made of the fault's file is the build's."""
    tree = work / "src"
    (tree / bug["file"]).parent.mkdir(parents=True)
    for path in (SOURCE / "slab").glob("*"):
        (tree / "slab" / path.name).write_text(path.read_text())
    (tree / bug["file"]).write_text(planted(bug))
    objects = []
    for i, entry in enumerate(entries):
        source = Path(entry["file"])
        header = bug["file"].endswith(".h") and (source.is_relative_to(SOURCE / "slab")
                                                 or source.parent.name == "interleave")
        includes = source.name == "interleave.c" and bug["file"] == "slab/thread.c"
        if source != SOURCE / bug["file"] and not header and not includes:
            words = shlex.split(entry["command"])
            objects.append(str(Path(entry["directory"]) / words[words.index("-o") + 1]))
            continue
        words = shlex.split(entry["command"])
        words = [w for w in words[:words.index("-o")] if not w.startswith("-M")]
        shim = next(i for i, w in enumerate(words) if w.endswith("interleave/shim"))
        words.insert(shim + 1, f"-I{tree}")
        if source.is_relative_to(SOURCE / "slab"):
            source = tree / source.relative_to(SOURCE)
        out = work / f"{i}.o"
        subprocess.run([*words, "-w", "-c", str(source), "-o", str(out)], check=True, capture_output=True,
                       text=True, cwd=entry["directory"])
        objects.append(str(out))
    subprocess.run(["cc", "-o", str(work / "interleave"), *objects, "-lpthread"], check=True,
                   capture_output=True, text=True)
    return work / "interleave"


def limit_processor():
    """Of the processor, not of the clock: on a loaded machine a search takes ten times as long."""
    resource.setrlimit(resource.RLIMIT_CPU, (PROCESSOR_S, PROCESSOR_S + 5))


def judge(bug, entries, most):
    with tempfile.TemporaryDirectory(prefix="dmm-seed-") as work:
        try:
            program = build(bug, entries, Path(work))
            done = subprocess.run([program, f"--bound={bug['bound']}", *most, *filter(None, [bug["word"]])],
                                  capture_output=True, text=True, preexec_fn=limit_processor)
        except subprocess.CalledProcessError as error:
            return False, error.stderr[-400:]
        except ValueError as error:
            return False, str(error)
        if done.returncode == -signal.SIGXCPU:
            return False, f"no end within {PROCESSOR_S} s of processor time"
        schedules = sum(map(int, re.findall(r"(\d+) schedules", done.stdout)))
        said = re.search(r"^interleave: .*\(schedule (\d+)", done.stderr, re.M)
        if not said:
            return False, f"nothing in {schedules} schedules"
        return True, f"in schedule {schedules + int(said.group(1))}: {said.group(0)[12:].rsplit(' (', 1)[0]}"


def main():
    where = Path(sys.argv[1]).resolve()
    most = [word for word in sys.argv[2:] if word.startswith("--most=")]
    chosen = {int(word) for word in sys.argv[2:] if word.isdigit()}
    entries = [e for e in json.loads((where / "compile_commands.json").read_text())
               if "interleave.dir" in e["command"]]
    bugs = [bug for bug in read_bugs() if not chosen or bug["number"] in chosen]
    if "--places" in sys.argv:
        for bug in bugs:
            planted(bug)
        return 0 if bugs else 1
    missed = 0
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for bug, (found, said) in zip(bugs, pool.map(lambda b: judge(b, entries, most), bugs)):
            missed += not found
            print(f"{bug['number']:3}  {'found' if found else 'MISSED'}  {bug['what']}\n     {said}", flush=True)
    print(f"seeded protocol faults: {len(bugs)} planted, {len(bugs) - missed} found")
    return 1 if missed or not bugs else 0


sys.exit(main())
