#!/usr/bin/env python3
"""trust.py BUILD [--seeds=N] [--write=docs/evidence/misuse.md]: what each design catches, as tables.

Runs every cell of the misuse matrix and every exploitation primitive on slab, on slab hardened, on each
design of the lecture and on the C library's malloc, and prints the tables, or puts them between the
markers of a document.  Exits 1 when slab misses a cell that it must catch, or a primitive succeeds on it.
"""
import argparse
import os
import subprocess
import sys
from collections import Counter, defaultdict
from pathlib import Path

LECTURE = ["minimal", "pad", "list", "dlist", "bins", "vm", "gnu", "segdata", "segmeta"]
CAUGHT = {"named", "stopped", "refused"}
OUTCOMES = ["named", "stopped", "refused", "late", "silent", "harmed", "hung", "n/a"]


def run(program, library, conf, *args):
    env = {**os.environ, "LD_PRELOAD": str(library) if library else "", "DMM_CONF": conf}
    done = subprocess.run([program, *args], env=env, capture_output=True, text=True)
    if done.returncode not in (0, 1):
        sys.exit(f"trust.py: {program} {' '.join(args)} on {library}: exit {done.returncode}: {done.stderr}")
    return done


def columns(build):
    """(name, library or None for the C library's own, DMM_CONF)"""
    yield "slab", build / "libdmm.so", ""
    if HARDENED:
        yield "hardened", build / "libdmm.so", "hardened,guarded:0,mismatch:ignore"  # what chance adds is no row; all cells allocate by malloc
    for name in LECTURE:
        yield name, build / f"libdmm-{name}.so", ""
    yield "glibc", None, ""


def markdown(head, rows):
    widths = [max(len(str(row[i])) for row in [head, *rows]) for i in range(len(head))]
    lines = ["| " + " | ".join(str(cell).ljust(w) for cell, w in zip(row, widths)) + " |"
             for row in [head, *rows]]
    return "\n".join([lines[0], "|" + "|".join("-" * (w + 2) for w in widths) + "|", *lines[1:]]) + "\n"


def share(caught, harmed, all_):
    if all_ == 0:
        return "-"
    text = "all" if caught == all_ else f"{caught * 100 // all_} %" if caught else "none"
    return text + (" !" if harmed else "")


def matrix(build):
    results, groups = {}, []
    for name, library, conf in columns(build):
        lines = run(build / "test/trust_matrix", library, conf, "list").stdout.splitlines()
        results[name] = [line.split("\t") for line in lines]
    cells = results["slab"]
    for _, group, _ in cells:
        if group not in groups:
            groups.append(group)
    size = Counter(group for _, group, _ in cells)
    rows = []
    for group in groups:
        row = [group, size[group]]
        for name in results:
            found = Counter(outcome for _, g, outcome in results[name] if g == group)
            applicable = size[group] - found["n/a"]
            row.append(share(sum(found[o] for o in CAUGHT), found["harmed"], applicable))
        rows.append(row)
    by_group = markdown(["mistake", "cells", *results], rows)
    rows = []
    for name, found in results.items():
        count = Counter(outcome for _, _, outcome in found)
        rows.append([name, *(count[o] or "" for o in OUTCOMES)])
    return by_group, markdown(["design", *OUTCOMES], rows), len(cells)


def primitives(build, seeds):
    rows, names, won_on_slab = defaultdict(list), [], 0
    for name, library, conf in columns(build):
        names.append(name)
        lines = run(build / "test/trust_primitives", library, conf, f"--seeds={seeds}").stdout.splitlines()[1:]
        for line in lines:
            primitive, _, won, *_ = line.split("\t")
            rows[primitive].append(int(won))
            won_on_slab += int(won) if name in ("slab", "hardened") else 0
    return markdown(["primitive", *names], [[name, *won] for name, won in rows.items()]), won_on_slab


def put(document, marker, text):
    begin, end = f"<!-- {marker} -->\n", f"<!-- end of {marker} -->\n"
    before, rest = document.split(begin)
    return before + begin + text + end + rest.split(end)[1]


def has_hardened(build):
    """Until the preset is there, DMM_CONF=hardened is a word that nobody knows."""
    done = run(build / "test/trust_matrix", build / "libdmm.so", "hardened", "list", "write_past_end/by_1/24/same")
    return "named" in done.stdout


def main():
    global HARDENED
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("build", type=Path)
    parser.add_argument("--seeds", type=int, default=1000)
    parser.add_argument("--write", type=Path)
    args = parser.parse_args()
    build = args.build.resolve()
    HARDENED = has_hardened(build)
    failed = False
    for preset, conf in [("slab", "")] + ([("hardened", "hardened,guarded:0,mismatch:ignore")] if HARDENED else []):
        done = run(build / "test/trust_matrix", build / "libdmm.so", conf, preset)
        print(done.stdout.splitlines()[-1])
        if done.returncode != 0:
            failed = True
            print(done.stdout, file=sys.stderr)
    by_group, by_design, cells = matrix(build)
    by_primitive, won = primitives(build, args.seeds)
    tables = {"matrix": f"{cells} cells. `!`: and in some cells a live object was changed, given out twice, or told.\n\n{by_group}", "designs": by_design,
              "primitives": f"{args.seeds} seeds each; how many succeeded.\n\n{by_primitive}"}
    if args.write:
        document = args.write.read_text()
        for marker, text in tables.items():
            document = put(document, marker, text)
        args.write.write_text(document)
        print(f"wrote {args.write}")
    else:
        print(*tables.values(), sep="\n")
    print(f"primitives that succeeded on slab: {won}")
    sys.exit(1 if failed or won else 0)


main()
