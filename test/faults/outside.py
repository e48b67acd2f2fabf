#!/usr/bin/env python3
"""test/faults/outside.py BUILD [--full] [--jobs=N] [--system=NAME...] [--program=NAME...]: whole programs whose n-th
request for memory the kernel refuses.

For every system (libdmm-NAME.so preloaded; only calls made by its code count) and program, and for dmm
record, replay and show (all calls of libdmm-record.so, of dmm and of libc count): once without refusals,
then with the n-th call refused, then with all from the n-th on.  Allowed is

    same       the same output and exit as without a refusal
    refused    the program says in its own words that memory ran out, and fails; what it printed before
               is a part of what it prints otherwise

    unlooked   the program, or libc's name services, goes wrong by itself, and not in the malloc's code: it uses the
               null pointer without a look at it (a fault at an address below 64 KiB, an assertion of
               glibc's), frees what lies there (perl: half a scalar), calls itself until there is no stack
               (perl: to say that there is no memory takes memory), waits for a lock of its own (perl), or
               takes want of memory for damage (libdw, which then names less)
    mute       perl, whose main() ends with 1 and no word at all if there is no memory for its interpreter, and
               python, whose Py_RunMain() does if there is none for a copy of an argument
    otherwise  python, which ends with 1 and says that it cannot go on, but not that it is for memory

and nothing else: no signal but the abort of a program that says so, no line of a malloc that lost its
way, no hang, no success with other output.  Short form: the first calls and some spread over the rest;
--full: every n, until a run has fewer calls than that.
"""
import argparse
import concurrent.futures
import itertools
import os
import re
import subprocess
import sys
import tempfile
import time
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
                            r"cannot create|cannot enable|cannot apply|cannot reserve|panic: memory|errno=12|"
                            r"out of simulated memory|no address space|the peaks of two runs differ|memory allocation failed", re.I)
SAYS_OTHERWISE = re.compile(r"^Fatal Python error: \w+: |^Fatal Python error: error |"
                            r"^RuntimeError: can't allocate (read )?lock$|"
                            r"^SystemError: error return without exception set$", re.M)
LOST_ITS_WAY = re.compile(r"^dmm: (?!(record|replay|show|cannot|no |out of)).*(free|corrupt|CHECK|assert|invalid)|"
                          r"^dmm: .*\.c:\d+", re.M)
FREED_NEAR_NULL = re.compile(r"^dmm: invalid free: 0x[0-9a-f]{1,4} ", re.M)
SITE = re.compile(r"^ +called from .*", re.M)  # libdw takes want of memory for damage, and names what it can
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
            done = subprocess.run(command, capture_output=True, cwd=self.cwd, timeout=300)
            words = report.read().split()
        told = dict(zip(words[::2], map(int, words[1::2])))
        return told, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace")


def chosen(calls, full):
    """Which n to try, in order; full: without an end."""
    if full:
        return itertools.count(1)
    first, spread = 12, 6
    numbers = set(range(1, min(calls, first) + 1))
    if calls > first:
        numbers |= {first + (calls - first) * k // spread for k in range(1, spread + 1)}
    return iter(sorted(numbers))


def verdict(program, told, out, err, plain):
    plain_told, plain_out, _ = plain
    if told["hung"]:
        return "unlooked" if told["waits"] else "hung"
    if LOST_ITS_WAY.search(err):
        return "unlooked" if FREED_NEAR_NULL.search(err) else "the malloc says: " + LOST_ITS_WAY.search(err).group(0)
    if (told["signal"] == 11 and (told["null"] or told["deep"])) or UNLOOKED.search(err):
        return "unlooked"
    if told["signal"] not in (0, 6):
        return f"died by signal {told['signal']}"
    if told["signal"] == 0 and told["exit"] == plain_told["exit"] and out == plain_out:
        return "same"
    if program in ("perl", "python3") and (told["exit"], out, err) == (1, "", ""):
        return "mute"
    if program == "show" and told["exit"] == 0 and SITE.sub("", out) == SITE.sub("", plain_out):
        return "refused" if SAYS_NO_MEMORY.search(err) else "unlooked"
    if program == "python3" and told["exit"] == 1 and SAYS_OTHERWISE.search(err) and plain_out.startswith(out):
        return "otherwise"
    if not SAYS_NO_MEMORY.search(err + out):
        return f"exit {told['exit']}, signal {told['signal']}, and not a word of memory"
    if told["exit"] == 0:
        return "success with other output"
    return "refused"


def attempts(case, refuse, how, numbers, jobs):
    """(n, what it told, output, errors) of each n, until one was refused nothing."""
    pool = concurrent.futures.ThreadPoolExecutor(1 if case.cwd else jobs)  # a folder is for one at a time
    with pool:
        while batch := list(itertools.islice(numbers, 16 * jobs)):
            done = list(pool.map(lambda n: case.run(refuse, f"--{how}={n}"), batch))
            yield from ((n, *d) for n, d in zip(batch, done) if d[0]["refused"])
            if not all(d[0]["refused"] for d in done):
                return


def judge(case, refuse, full, jobs):
    """Says the faults, and counts; how many."""
    plain = case.run(refuse)
    if plain[0].get("exit") != 0:
        print(f"{case.name}: fails without a refusal: {plain[2][:300]}")
        return 1
    counts, faults, began = {"same": 0, "refused": 0, "unlooked": 0, "mute": 0, "otherwise": 0}, 0, time.monotonic()
    for how in ("nth", "from"):
        for n, told, out, err in attempts(case, refuse, how, chosen(plain[0]["calls"], full), jobs):
            what = verdict(case.name.split()[1], told, out, err, plain)
            if what in counts:
                counts[what] += 1
                continue
            faults += 1
            print(f"{case.name}: --{how}={n}: {what}\n    {' '.join(err.split())[:300]}")
    print(f"{case.name:18} {plain[0]['calls']:7} calls, {counts['same']:5} times the same, "
          f"{counts['refused']:5} refused in words, {counts['unlooked']:3} unlooked, {counts['mute']:2} mute, "
          f"{counts['otherwise']:3} otherwise, "
          f"{faults} faults, "
          f"{time.monotonic() - began:.0f} s", flush=True)
    return faults + (sum(counts.values()) == 0)


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
    parser.add_argument("--jobs", type=int, default=1)
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
        faults = sum(judge(case, refuse, args.full, args.jobs)
                     for case in [*program_cases(build, args.system or SYSTEMS, programs),
                                  *command_cases(build, programs, Path(work))])
    return 1 if faults else 0


sys.exit(main())
