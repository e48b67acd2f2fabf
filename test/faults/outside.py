#!/usr/bin/env python3
"""test/faults/outside.py BUILD [--full] [--system=NAME...] [--program=NAME...]: whole programs whose n-th
request for memory the kernel refuses.

For every system (libdmm-NAME.so preloaded; only calls made by its code count) and program, and for dmm
record, replay and show (all calls of libdmm-record.so, of dmm and of libc count): once without refusals,
then with the n-th call refused, then with all from the n-th on.  Allowed is

    same       the same output and exit as without a refusal
    refused    the program says in its own words that memory ran out, and fails; what it printed before
               is a part of what it prints otherwise

    unlooked   the program, or libc's name services, used the null pointer without a look at it: the fault
               is outside of the malloc's code and at an address below 64 KiB, or an assertion of glibc's

and nothing else: no signal but the abort of a program that says so, no line of a malloc that lost its
way, no hang, no success with other output.  Short form: the first calls and some spread over the rest;
--full: every n up to 400, and 200 more spread over the rest.
"""
import argparse
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

SYSTEMS = ["minimal", "pad", "list", "dlist", "bins", "vm", "gnu", "segdata", "segmeta", "slab"]
SQL = ("with recursive t(x) as (select 1 union all select x+1 from t limit 3000) "
       "select sum(x), count(distinct x%97), length(group_concat(x)) from t")
PROGRAMS = {
    "sqlite3": ["sqlite3", ":memory:", SQL],
    "perl": ["perl", "-e", "my %h; $h{$_ % 977} .= 'x' x ($_ % 50) for 1..4000; "
             "print join(',', map { length $h{$_} } sort { $a <=> $b } keys %h), \"\\n\""],
    "python3": ["/usr/bin/python3", "-S", "-c",
                "import re\nd = {str(i): [i] * (i % 30) for i in range(3000)}\n"
                "print(sum(map(len, d.values())), len(re.sub('7', 'seven', ' '.join(d))))\n"
                "print(sum(bytearray(300000)) + len(bytearray(3000000)))"],
}
SAYS_NO_MEMORY = re.compile(r"out of memory|memory exhausted|cannot allocate|MemoryError|no memory|"
                            r"bad_alloc|ENOMEM|not enough memory|failed to map|cannot map|cannot change|"
                            r"cannot create|cannot enable|cannot apply|panic: memory|errno=12|"
                            r"out of simulated memory|no address space|the peaks of two runs differ|init_fs_encoding|failed to get the Python codec", re.I)
LOST_ITS_WAY = re.compile(r"^dmm: (?!(record|replay|show|cannot|no |out of)).*(free|corrupt|CHECK|assert|invalid)|"
                          r"^dmm: .*\.c:\d+", re.M)
# glibc's name services neither pass on nor name that memory ran out
UNLOOKED = re.compile(r"nss_database.*Assertion|^Unexpected error\.$", re.M)


class Case:
    def __init__(self, name, argv, by, env=None, cwd=None):
        self.name, self.argv, self.by, self.env, self.cwd = name, argv, by, env or {}, cwd

    def run(self, refuse, *options):
        if self.cwd:
            for old in self.cwd.glob("r.dmm*"):
                old.unlink()
        with tempfile.NamedTemporaryFile("r") as report:
            command = [str(refuse), *options, "--by=" + self.by, "--seconds=60", "--report=" + report.name,
                       "--", "env", *[f"{k}={v}" for k, v in self.env.items()], *self.argv]
            done = subprocess.run(command, capture_output=True, cwd=self.cwd, timeout=120)
            words = report.read().split()
        told = dict(zip(words[::2], map(int, words[1::2])))
        return told, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace")


def chosen(calls, full):
    """Which n to try."""
    first, spread = (400, 200) if full else (12, 6)
    numbers = set(range(1, min(calls, first) + 1))
    if calls > first:
        numbers |= {first + (calls - first) * k // spread for k in range(1, spread + 1)}
    return sorted(numbers)


def verdict(told, out, err, plain):
    plain_told, plain_out, _ = plain
    if told.get("hung"):
        return "hung"
    if LOST_ITS_WAY.search(err):
        return "the malloc says: " + LOST_ITS_WAY.search(err).group(0)
    if (told["signal"] == 11 and told["null"]) or UNLOOKED.search(err):
        return "unlooked"
    if told["signal"] not in (0, 6):
        return f"died by signal {told['signal']}"
    if told["signal"] == 0 and told["exit"] == plain_told["exit"] and out == plain_out:
        return "same"
    if not SAYS_NO_MEMORY.search(err + out):
        return f"exit {told['exit']}, signal {told['signal']}, and not a word of memory"
    if told["exit"] == 0:
        return "success with other output"
    return "refused"


def judge(case, refuse, full):
    """Rows of (how, n, verdict) that are faults, and counts."""
    plain = case.run(refuse)
    if plain[0].get("exit") != 0:
        print(f"{case.name}: fails without a refusal: {plain[2][:300]}")
        return 1
    counts, faults = {"same": 0, "refused": 0, "unlooked": 0}, 0
    for how in ("nth", "from"):
        for n in chosen(plain[0]["calls"], full):
            told, out, err = case.run(refuse, f"--{how}={n}")
            what = verdict(told, out, err, plain)
            if what in counts:
                counts[what] += 1
                continue
            faults += 1
            print(f"{case.name}: --{how}={n}: {what}\n    {' '.join(err.split())[:300]}")
    print(f"{case.name:18} {plain[0]['calls']:7} calls, {counts['same']:4} times the same, "
          f"{counts['refused']:4} refused in words, {counts['unlooked']:2} unlooked, {faults} faults",
          flush=True)
    return faults


def program_cases(build, systems, programs):
    for system in systems:
        lib = build / ("libdmm.so" if system == "slab" else f"libdmm-{system}.so")
        for program in programs:
            if program in PROGRAMS:
                yield Case(f"{system} {program}", PROGRAMS[program], "libdmm", {"LD_PRELOAD": lib})


def command_cases(build, programs, work):
    """The command's own ways of needing memory."""
    dmm, trace = str(build / "dmm"), str(work / "t.dmm")
    subprocess.run([dmm, "record", "-o", trace, "--", "sqlite3", ":memory:", SQL], check=True,
                   capture_output=True)
    whose = "libdmm-record,/dmm,libc.so"
    every = {
        "record": [dmm, "record", "-o", "r.dmm", "--", "sqlite3", ":memory:", SQL],
        "replay": [dmm, "replay", trace, "--systems=list,slab", "--model"],
        "show": [dmm, "show", trace, "--system=bins"],
    }
    for name, argv in every.items():
        if name in programs:
            yield Case("dmm " + name, argv, whose, {}, work)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("build", type=Path)
    parser.add_argument("--full", action="store_true")
    parser.add_argument("--system", action="append")
    parser.add_argument("--program", action="append")
    args = parser.parse_args()
    build = args.build.resolve()
    refuse = build / "test/refuse"
    programs = args.program or [*PROGRAMS, "record", "replay", "show"]
    if subprocess.run([refuse, "--", "true"], capture_output=True).returncode != 0:
        print("outside: skipped: ptrace or seccomp is not allowed here")
        return 77
    with tempfile.TemporaryDirectory(prefix="dmm-refuse-") as work:
        faults = sum(judge(case, refuse, args.full)
                     for case in [*program_cases(build, args.system or SYSTEMS, programs),
                                  *command_cases(build, programs, Path(work))])
    return 1 if faults else 0


sys.exit(main())
