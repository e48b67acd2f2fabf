#!/usr/bin/env python3
"""What dmm says when somebody cuts, empties or replaces T.tape, which holds the calls that its process had not written yet.

usage: tape_test.py BUILD SOURCE [WORD]   runs the tests whose name holds WORD
"""
import glob
import os
import subprocess
import sys
from collections import Counter

sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../support"))
from from_outside import BUILD, DMM, compile_c, events, info, main, run

SURVIVOR = BUILD + "/test/survivor"
FEW = 700  # calls that are still on the tape when the process is killed
LOST = ".tape was cut short or overwritten, and the calls that only it had are lost"
ZEROS = "dd if=/dev/zero of=$f conv=notrunc bs=%s count=1 2>/dev/null"
DAMAGE = "printf X | dd of=${f%.tape} bs=1 seek=64 conv=notrunc 2>/dev/null"


def remove_recordings():
    for name in glob.glob("T*") + glob.glob("counts"):
        os.unlink(name)


def record(*command):
    return run(DMM, "record", "-o", "T", "--", *command)


def recorded(trace="T"):
    """The program's own calls of malloc, by thread."""
    return Counter(e["thread"] for e in events(trace) if e["op"] == "malloc" and e["size"] == "777")


def child():
    return next(n for n in glob.glob("T.[0-9]*") if not n.endswith(".tape"))


def test_a_program_that_cuts_or_empties_a_tape_ends_no_more_than_that_recording():
    """The tape of another process, which waits, so that only dmm can touch what is missing."""
    program = compile_c("cutter", """
        #include <fcntl.h>
        #include <signal.h>
        #include <stdio.h>
        #include <stdlib.h>
        #include <sys/wait.h>
        #include <unistd.h>
        static void work(int n) { for (int i = 0; i < n; i++) free(malloc(777)); }
        static int empty(const char *name) {
            static char zeros[1 << 20];
            const int fd = open(name, O_WRONLY);
            return fd >= 0 && pwrite(fd, zeros, sizeof zeros, 0) == sizeof zeros ? close(fd) : -1;
        }
        int main(int argc, char **argv) {
            char name[64], byte;
            int ready[2];
            if (pipe(ready) != 0) return 1;
            const pid_t pid = fork();
            if (pid == 0) { work(3000); write(ready[1], "", 1); for (;;) pause(); }
            if (read(ready[0], &byte, 1) != 1) return 2;
            snprintf(name, sizeof name, "T.%d.tape", pid);
            if ((argc > 1 ? empty(name) : truncate(name, 0)) != 0) return 3;
            work(20000);
            kill(pid, SIGKILL);
            waitpid(pid, NULL, 0);
            return 7;
        }""")
    for way in ([], ["zeros"]):
        remove_recordings()
        r = record(program, *way)
        assert r.returncode == 7, r
        assert sum(recorded().values()) == 20000, info("T")
        told = child() + LOST
        assert r.stderr.count(told) == 1, r.stderr
        assert not glob.glob("T*.tape"), glob.glob("T*")
        assert told in run(DMM, "info", child()).stderr


def record_and_change_the_tape(command):
    """Record a child that is killed, and have its tape changed before dmm record looks at it. Returns its recording."""
    remove_recordings()
    r = record("sh", "-c", f'"{SURVIVOR}" kill {FEW} counts; for f in T.*.tape; do echo $f; break; done; ' + command)
    assert r.returncode == 0, r
    return r.stdout.strip()[:-len(".tape")], r.stderr


def test_a_tape_that_this_dmm_cannot_read_stays_and_is_told():
    set_version = "printf '\\%s' | dd of=$f bs=1 seek=8 conv=notrunc 2>/dev/null"
    for change, undo, told in (
            (set_version % "143", set_version % "003", "has calls in format 99, and this dmm reads format 3"),
            ("mv $f kept; echo mine >$f", "mv kept $f", "is no file of dmm, and is left alone")):
        trace, said = record_and_change_the_tape(change)
        assert said.count(f"{trace}.tape {told}") == 1, said
        assert os.path.exists(trace + ".tape"), glob.glob("T*")
        r = run(DMM, "info", trace)
        assert r.returncode == 1 and told in r.stderr, r
        subprocess.run(["sh", "-c", f"f={trace}.tape; {undo}"], check=True)
        assert sum(recorded(trace).values()) == FEW


def refused_with(words, trace):
    for command in ("info", "export", "report"):
        r = run(DMM, command, trace, *(["-o", "page.html"] if command == "report" else []))
        assert r.returncode == 1 and all(w in r.stderr for w in words), (words, command, r)


def test_a_tape_that_was_cut_short_or_emptied_is_told_for_good():
    for change in (*(f"truncate -s {n} $f" for n in ("0", "100", "4096", "50000")), ZEROS % "4096", ZEROS % "1M"):
        trace, said = record_and_change_the_tape(change)
        assert said.count(trace + LOST) == 1, (change, said)
        assert not glob.glob("T*.tape"), glob.glob("T*")
        refused_with([trace + LOST], trace)


def test_a_damaged_recording_and_its_tape_that_was_cut_short_are_both_told():
    for change in ("truncate -s 100 $f", ZEROS % "1M"):
        trace, said = record_and_change_the_tape(f"{change}; {DAMAGE}")
        words = ["offset 64: no block begins here", trace + LOST]
        assert all(said.count(w) == 1 for w in words), said
        assert os.path.exists(trace + ".tape"), "the damaged recording cannot keep the fact"
        refused_with(words, trace)


def test_a_damaged_recording_leaves_its_tape_alone():
    trace, said = record_and_change_the_tape(DAMAGE)
    assert f"{trace}: offset 64: no block begins here; {trace}.tape stays beside it" in said, said
    with open(trace, "r+b") as f:
        f.seek(64)
        f.write(b"d")
    assert sum(recorded(trace).values()) == FEW


main(globals())
