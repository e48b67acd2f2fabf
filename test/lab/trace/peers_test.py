#!/usr/bin/env python3
"""heaptrack, DHAT and massif on the same programs: the same totals to the byte, the same functions.

usage: peers_test.py BUILD SOURCE [WORD]   runs the tests whose name holds WORD
"""
import glob
import json
import os
import re
import shutil
import subprocess
import sys
from collections import Counter

sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../support"))
from from_outside import DMM, compile_c, events, info, main, run, skip, write

POOL = 72704  # bytes that libstdc++ allocates for exceptions: heaptrack's library brings it into a C program
PROGRAM = """
    #include <stdlib.h>
    #include <string.h>
    static char *kept[3000];
    __attribute__((noinline)) char *parse(size_t n) { char *p = malloc(n); memset(p, 1, n); return p; }
    __attribute__((noinline)) char *load(size_t n) { char *p = calloc(1, n); p[0] = 1; return p; }
    int main(void) {
        for (int i = 0; i < 3000; i++) {
            kept[i] = i % 2 ? parse(100 + i % 77) : load(33 + i % 500);
            free(parse(5000));
        }
        for (int i = 0; i < 2900; i++) free(kept[i]);
        return 0;
    }"""
CXX = """
    #include <map>
    #include <string>
    #include <vector>
    #define NOINLINE __attribute__((noinline))
    typedef std::vector<std::string> strings;
    NOINLINE void grow(strings &v) { for (int i = 0; i < 500; i++) v.push_back(std::string(100, 'x')); }
    NOINLINE void fill(std::map<int, std::string> &m) { for (int i = 0; i < 700; i++) m[i] = std::string(60, 'y'); }
    int main() { strings v; std::map<int, std::string> m; grow(v); fill(m); return v.size() + m.size() != 1200; }"""


def recorded(program):
    r = run(DMM, "record", "-o", "T", "--", program)
    assert r.returncode == 0, r.stderr
    return info("T")


def asked_bytes(trace):
    return sum(int(e["size"]) for e in events(trace) if e["kind"] == "alloc")


def has(tool):
    if shutil.which(tool) is None:
        skip(f"{tool} is not installed")
        return False
    return True


def number(text, what):
    return int(re.search(what + r" +([\d,]+) bytes", text).group(1).replace(",", ""))


def test_totals_agree_with_dhat_to_the_byte():
    if not has("valgrind"):
        return
    program = compile_c("totals", PROGRAM)
    ours = recorded(program)
    said = run("valgrind", "--tool=dhat", "--dhat-out-file=dhat.out", program).stderr
    assert number(said, "Total:") == asked_bytes("T"), said
    assert number(said, "At t-gmax:") == ours["peak_payload_bytes"], (said, ours)
    assert number(said, "At t-end:") == ours["live_bytes"], (said, ours)
    blocks = int(re.search(r"Total: .* in ([\d,]+) blocks", said).group(1).replace(",", ""))
    assert blocks == ours["calls"]["malloc"] + ours["calls"]["calloc"], (said, ours["calls"])


def test_the_peak_agrees_with_massif_to_the_byte():
    if not has("valgrind"):
        return
    program = compile_c("totals", PROGRAM)
    ours = recorded(program)
    run("valgrind", "--tool=massif", "--peak-inaccuracy=0.0", "--massif-out-file=massif.out", program)
    with open("massif.out") as f:
        peak = max(int(n) for n in re.findall(r"mem_heap_B=(\d+)", f.read()))
    assert peak == ours["peak_payload_bytes"], (peak, ours)


def heaptracked(program):
    run("heaptrack", "-o", "h", program)
    found = glob.glob("h.zst") + glob.glob("h.gz")
    assert found, os.listdir(".")
    return found[0]


def test_totals_agree_with_heaptrack_to_the_byte():
    if not has("heaptrack"):
        return
    program = compile_c("totals", PROGRAM)
    ours = recorded(program)
    r = run(DMM, "import", "--from=heaptrack", heaptracked(program), "-o", "H")
    assert r.returncode == 0, r.stderr
    theirs = info("H")
    assert theirs["calls"]["malloc"] - 1 == ours["calls"]["malloc"] + ours["calls"]["calloc"], (theirs, ours)
    assert theirs["peak_payload_bytes"] - POOL == ours["peak_payload_bytes"], (theirs, ours)
    assert (theirs["live_bytes"], theirs["live_objects"]) == (ours["live_bytes"], ours["live_objects"])
    assert asked_bytes("H") - POOL == asked_bytes("T")


def by_function(stacks, names):
    """stacks: calls and frames, each with its function's name somewhere in it; the planted one counts."""
    calls = Counter()
    for count, frames in stacks:
        planted = [n for n in names if any(re.match(n + r"\b", f) for f in frames)]
        calls[planted[0] if planted else "else"] += count
    del calls["else"]
    return calls


def same_functions_as_heaptrack(program, names):
    run("heaptrack_print", "-f", heaptracked(program), "-F", "folded", "--flamegraph-cost-type", "allocations", "-m", "0")
    with open("folded") as f:
        lines = [line.rsplit(" ", 1) for line in f]
    theirs = by_function([(int(n), stack.split(";")) for stack, n in lines], names)
    recorded(program)
    said = run(DMM, "info", "--format=json", "--top=100", "T").stdout
    ours = by_function([(s["calls"], s["stack"][:1]) for s in json.loads(said)["most_calls"]], names)
    assert ours == theirs and len(ours) == len(names), (ours, theirs)


def test_the_functions_of_a_c_program_are_those_that_heaptrack_names():
    if has("heaptrack") and has("heaptrack_print"):
        same_functions_as_heaptrack(compile_c("totals", PROGRAM), ("parse", "load"))


def test_the_functions_of_a_cxx_program_are_those_that_heaptrack_names():
    if has("heaptrack") and has("heaptrack_print"):
        write("names.cc", CXX)
        subprocess.run(["c++", "-O2", "-g", "names.cc", "-o", "names"], check=True)
        same_functions_as_heaptrack("./names", ("grow", "fill"))


main(globals())
