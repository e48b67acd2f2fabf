#!/usr/bin/env python3
"""fork() while the recorder works: in a signal handler that interrupts it, and by threads at one time.

usage: fork_test.py BUILD SOURCE [WORD]   runs the tests whose name holds WORD
DMM_FORKS=1000 makes the signal handler fork more often (250).
"""
import glob
import os
import random
import subprocess
import sys
from collections import Counter

sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../support"))
from from_outside import BUILD, DMM, compile_c, events, info, main, run

MARK = "777"
FORKS = os.environ.get("DMM_FORKS", "250")


def record(*command, **kw):
    return subprocess.run([DMM, "record", "-o", "T", "--", *command], capture_output=True, text=True, timeout=350, **kw)


def recorded(trace):
    """The program's own calls of malloc, by thread."""
    return Counter(e["thread"] for e in events(trace) if e["op"] == "malloc" and e["size"] == MARK)


FORKING = """
    #define _GNU_SOURCE
    #include <pthread.h>
    #include <signal.h>
    #include <stdio.h>
    #include <stdlib.h>
    #include <sys/time.h>
    #include <sys/wait.h>
    #include <unistd.h>
    enum { THREADS = 8, EACH = 12, MARK = 777, MINE = 200 };
    static int wanted;
    static volatile sig_atomic_t forks, in_child;
    static long calls;
    static volatile int bad;
    static void on_timer(int s) {
        (void)s;
        if (in_child || forks >= wanted) return;
        const pid_t pid = fork();
        if (pid == 0) in_child = 1; /* and goes on with the interrupted call */
        forks += pid > 0;
    }
    static void reap(int how) { for (int st; waitpid(-1, &st, how) > 0;) bad += st != 0; }
    static void in_a_handler(void) {
        const struct itimerval t = {{0, 700}, {0, 700}};
        void *keep[64] = {0};
        signal(SIGALRM, on_timer);
        setitimer(ITIMER_REAL, &t, NULL);
        for (unsigned x = 1, mine = 0; forks < wanted; calls++) {
            void **p = &keep[(x = x * 69069 + 1) >> 26];
            free(*p);
            *p = malloc(MARK);
            if (in_child && ++mine == MINE) _exit(0);
            if (!in_child && x % 64 == 0) reap(WNOHANG);
        }
        setitimer(ITIMER_REAL, &(struct itimerval){0}, NULL);
        reap(0);
    }
    static void *run(void *a) {
        for (int i = 0; i < EACH; i++) {
            for (int k = 0; k < 500; k++) free(malloc(k));
            const pid_t pid = fork();
            if (pid == 0) { for (int k = 0; k < MINE; k++) free(malloc(MARK)); _exit(0); }
            int st = 1;
            if (waitpid(pid, &st, 0) != pid || st != 0) bad++;
        }
        return a;
    }
    int main(int argc, char **argv) {
        pthread_t t[THREADS];
        wanted = argc > 1 ? atoi(argv[1]) : 0;
        if (wanted != 0) in_a_handler();
        for (int i = 0; i < THREADS && wanted == 0; i++) pthread_create(&t[i], NULL, run, NULL);
        for (int i = 0; i < THREADS && wanted == 0; i++) pthread_join(t[i], NULL);
        printf("%ld %d\\n", calls, bad);
        return 0;
    }"""


def children_have(least, most, sample):
    names = sorted(glob.glob("T.[0-9]*"))
    assert not [n for n in names if n.endswith(".tape")], "a child did not end in order"
    for name in random.sample(names, sample):
        assert least <= sum(recorded(name).values()) <= most, (name, recorded(name), info(name))
        assert info(name)["lost_events"] == 0
    return len(names)


def test_a_signal_handler_may_fork_whatever_call_it_interrupts():
    program = compile_c("forking", FORKING, "-pthread")
    r = record(program, FORKS)
    assert r.returncode == 0, r
    calls, bad = map(int, r.stdout.split())
    assert bad == 0, f"{bad} of {FORKS} children died"
    assert sum(recorded("T").values()) == calls and info("T")["lost_events"] == 0
    # the call that was interrupted is the parent's
    assert children_have(199, 200, 10) == int(FORKS)


def test_a_signal_handler_may_fork_above_slab_too():
    r = record(compile_c("forking", FORKING, "-pthread"), "60",
               env={**os.environ, "LD_PRELOAD": BUILD + "/libdmm.so"})
    assert r.returncode == 0, r
    calls, bad = map(int, r.stdout.split())
    assert bad == 0 and sum(recorded("T").values()) == calls, (bad, calls)
    assert "libdmm.so" in run(DMM, "info", "T").stdout.split("allocator", 1)[1].splitlines()[0]


def test_threads_may_fork_at_one_time():
    r = record(compile_c("forking", FORKING, "-pthread"))
    assert r.returncode == 0 and r.stdout.split()[1] == "0", r
    assert children_have(200, 200, 10) == 96


main(globals())
