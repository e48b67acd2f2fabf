#!/usr/bin/env python3
"""All calls up to the last one are in the recording, however the program ends; and its exit status is kept.

usage: survive_test.py BUILD SOURCE [WORD]   runs the tests whose name holds WORD
The program (survivor.c) counts its own calls in a mapped file, which outlives it.
"""
import glob
import os
import random
import re
import signal
import struct
import subprocess
import sys
import time
from collections import Counter

sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../support"))
from from_outside import BUILD, DMM, compile_c, events, info, main, run, skip
from runner import dmm_for_all

SURVIVOR = BUILD + "/test/survivor"
MARK = "777"
FEW, MANY = 700, 5000  # still on the tape; in columns, and in the file


def record(*command, options=(), dmm=DMM, **kw):
    return run(dmm, "record", "-o", "T", *options, "--", *command, **kw)


def survive(way, calls, options=(), **kw):
    remove_recordings()
    r = record(SURVIVOR, way, str(calls), "counts", options=options, **kw)
    return r


def counted():
    with open("counts", "rb") as f:
        return struct.unpack("64Q", f.read())


def recorded(trace="T"):
    """The program's own calls of malloc, by thread."""
    return Counter(e["thread"] for e in events(trace) if e["op"] == "malloc" and e["size"] == MARK)


def all_are_there(way, calls, status, total=None, trace="T", options=()):
    r = survive(way, calls, options)
    assert r.returncode == status, (way, r)
    want = sum(counted()) if total is None else total
    got = sum(recorded(trace).values())
    assert want >= calls and got == want, f"{way}: {got} calls in the recording, {want} were made"
    assert not glob.glob("T*.tape"), glob.glob("T*")
    i = info(trace)
    assert i["missed_frees"] == 0 and i["lost_events"] == 0, i
    return r


def killed(way, **kw):
    for calls in (FEW, MANY):
        all_are_there(way, calls, 137, **kw)


def remove_recordings():
    for name in glob.glob("T*") + glob.glob("counts"):
        os.unlink(name)


def test_a_killed_program_loses_no_call_wherever_it_is_killed():
    for calls in (1, 613, 614, 615, 1023, 1024, 1025, 2458, 4096, 12345, 100000):
        all_are_there("kill", calls, 137)
    r = all_are_there("kill", FEW, 137)
    assert "signal 9 (Killed)" in r.stderr, r.stderr
    assert "up to the last call before signal 9 (Killed)" in run(DMM, "info", "T").stdout


def test_a_killed_program_loses_no_call_with_deep_stacks_or_none():
    for stacks in ("none", "fp"):
        for calls in (FEW, MANY):
            all_are_there("kill", calls, 137, options=["--stacks=" + stacks])


def test_a_program_that_aborts_or_crashes_loses_no_call():
    for calls in (FEW, MANY):
        all_are_there("abort", calls, 134)
        all_are_there("crash", calls, 139)


def test_a_program_that_leaves_by_exit_quick_exit_or_a_bare_system_call_loses_no_call():
    for way in ("_exit", "quick_exit", "exit_group"):
        for calls in (FEW, MANY):
            all_are_there(way, calls, 7)


def test_images_that_follow_each_other_at_once_are_encoded_once():
    for i in range(5):
        remove_recordings()
        record("env", "env", SURVIVOR, "kill", "100000", "counts")
        got = sum(recorded("T").values())
        assert got == counted()[0] == 100000, (i, got, counted()[0])


def test_threads_that_are_cancelled_leave_no_lock_held():
    program = compile_c("cancelled", """
        #include <pthread.h>
        #include <stdlib.h>
        #include <unistd.h>
        static void *work(void *arg) {
            for (;;) { for (int i = 0; i < 3000; i++) free(malloc(100)); pthread_testcancel(); }
            return arg;
        }
        int main(void) {
            for (int round = 0; round < 20; round++) {
                pthread_t t[4];
                for (int i = 0; i < 4; i++) pthread_create(&t[i], NULL, work, NULL);
                usleep(2000);
                for (int i = 0; i < 4; i++) pthread_cancel(t[i]);
                for (int i = 0; i < 4; i++) pthread_join(t[i], NULL);
            }
            return 0;
        }""", "-pthread")
    r = record(program)
    assert r.returncode == 0, r


def test_a_limit_of_file_sizes_ends_the_recording_and_not_dmm():
    program = compile_c("limited", """
        #include <stdlib.h>
        #include <unistd.h>
        int main(void) {
            srand(1);
            for (int round = 0; round < 100; round++) {
                for (int i = 0; i < 8000; i++) free(malloc((size_t)rand() % 5000));
                usleep(2000);
            }
            return 7;
        }""")
    r = run("sh", "-c", f'ulimit -f 2000; exec "{DMM}" record -o T -- "{program}"')
    assert r.returncode == 7, r
    assert "file size limit reached; recording ends here, the program goes on" in r.stderr, r
    assert "the last calls are only in" in r.stderr and os.path.exists("T.tape"), (r, glob.glob("T*"))
    assert sum(info("T")["calls"].values()) > 100000, info("T")


def test_each_image_of_a_chain_of_exec_keeps_its_calls():
    for calls in (FEW, MANY):
        r = survive("exec", calls)
        assert r.returncode == 137, r
        for link, trace in enumerate(("T.exec1", "T.exec2", "T")):
            assert sum(recorded(trace).values()) == counted()[link] == calls, (trace, os.listdir("."))


def child():
    names = [n for n in glob.glob("T.[0-9]*") if not n.endswith(".tape")]
    assert len(names) == 1, os.listdir(".")
    return names[0]


def process_of(trace):
    with open(trace, "rb") as f:
        return struct.unpack_from("<I", f.read(64), 16)[0]


def until_it_is_dead(trace):
    pid = process_of(trace)
    for _ in range(3000):
        try:
            with open(f"/proc/{pid}/stat") as f:
                if f.read().rsplit(")", 1)[1].split()[0] in "ZX":
                    return
        except OSError:
            return
        time.sleep(0.02)


def test_a_daemon_that_is_killed_later_loses_no_call():
    for way, status in (("daemon", 0), ("orphan", 7)):
        for calls in (FEW, MANY):
            r = survive(way, calls)
            assert r.returncode == status, r
            for _ in range(3000):
                if len(glob.glob("T.[0-9]*")) != 0 and counted()[1] == calls:
                    break
                time.sleep(0.02)
            until_it_is_dead(child())
            assert sum(recorded("T").values()) == counted()[0] == calls
            assert sum(recorded(child()).values()) == counted()[1] == calls, info(child())


def kill_dmm_when(calls):
    p = subprocess.Popen([DMM, "record", "-o", "T", "--", SURVIVOR, "kill", "60000", "counts"],
                         stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while not os.path.exists("counts") or os.path.getsize("counts") == 0 or counted()[0] < calls:
        if p.poll() is not None:
            break # both were faster on a busy machine: the counts must agree all the same
    p.kill()
    p.wait()
    until_it_is_dead("T")


def test_a_program_whose_dmm_is_killed_goes_on_and_loses_no_call():
    random.seed(5)
    for _ in range(4):
        remove_recordings()
        kill_dmm_when(random.randrange(3000, 40000))
        assert sum(recorded().values()) == counted()[0] == 60000, (recorded(), counted()[0])
        i = info("T")
        assert i["missed_frees"] == 0 and i["lost_events"] == 0, i


def test_a_child_made_by_a_bare_clone_gets_a_recording_of_its_own():
    for calls in (FEW, MANY):
        r = survive("clone", calls)
        assert r.returncode == 137, r
        assert sum(recorded("T").values()) == counted()[0] == 2 * calls
        assert sum(recorded(child()).values()) == counted()[1] == calls


def as_root(way):
    if os.getuid() == 0:
        killed(way)
    else:
        skip("needs root")


def test_a_program_that_becomes_another_user_loses_no_call():
    os.chmod(".", 0o755)
    as_root("setuid")


def test_a_program_that_changes_its_root_loses_no_call():
    as_root("chroot")


def test_a_program_that_closes_all_descriptors_and_changes_its_root_loses_no_call():
    as_root("close_chroot")


def test_a_program_that_may_open_no_file_loses_no_call():
    killed("nofile")


def test_a_program_that_closes_all_descriptors_loses_no_call():
    killed("close")
    assert os.path.getsize("mine") == 0


def test_64_threads_that_are_killed_in_the_middle_lose_no_call():
    for calls in (20, FEW):
        r = survive("threads", calls)
        assert r.returncode == 137, r
        got = sorted(recorded("T").values())
        want, got = sorted(counted()), [0] * (64 - len(got)) + got
        for a, b in zip(want, got):  # a thread may be killed before it counts a call
            assert b - a in (0, 1), (a, b)
        assert info("T")["missed_frees"] == 0, info("T")


def test_a_program_records_only_what_it_wants_to():
    for calls in (FEW, MANY):
        all_are_there("switch", calls, 137, total=2 * calls)
        all_are_there("toggle", calls, 137, total=2 * calls, options=["--toggle=USR2"])
    r = record("/bin/true", options=["--toggle=KILL"])
    assert r.returncode == 2 and "no signal that a program can catch" in r.stderr, r


def test_a_paused_recording_begins_when_the_program_says_so():
    r = survive("switch", MANY, ["--paused"])
    assert r.returncode == 137, r
    assert sum(recorded().values()) == counted()[1] == MANY
    record(compile_c("idle", "#include <stdlib.h>\nint main(void) { void *volatile p = malloc(1); return !p; }"),
           options=["--paused"])
    assert "never started (--paused)" in run(DMM, "info", "T").stdout


def alive(pid):
    try:
        os.kill(pid, 0)
        return True
    except ProcessLookupError:
        return False


def test_signals_to_dmm_are_the_programs_and_its_status_is_kept():
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGUSR1):
        remove_recordings()
        # a shell starts jobs in the background with SIGINT ignored, and nohup with SIGHUP
        p = subprocess.Popen([DMM, "record", "-o", "T", "--", SURVIVOR, "wait", str(MANY), "counts"],
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                             preexec_fn=lambda: signal.signal(number, signal.SIG_DFL))
        assert p.stdout.readline() == "ready\n"
        p.send_signal(number)
        _, said = p.communicate(timeout=300)
        assert p.returncode == 128 + number, (p.returncode, said)
        assert f"signal {int(number)} " in said, said
        assert sum(recorded().values()) >= MANY


def test_a_signal_at_any_early_moment_leaves_no_orphan_and_says_what_happened():
    random.seed(17)
    for i in range(40):
        remove_recordings()
        p = subprocess.Popen([DMM, "record", "-o", "T", "--", SURVIVOR, "wait", str(FEW), "counts"],
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        time.sleep(random.random() * 0.03)
        p.terminate()
        _, said = p.communicate(timeout=300)
        assert p.returncode in (143, -15), (p.returncode, said)
        assert "did not load the recorder" not in said, said
        if p.returncode == 143:
            assert "signal 15" in said, said
        if os.path.exists("T"):
            for line in run(DMM, "info", "T").stdout.splitlines():
                if line.startswith("process  "):
                    pid = re.search(r"pid (\d+)", line)
                    assert pid is None or not alive(int(pid.group(1))), line


def test_a_program_that_is_killed_before_its_first_call_is_told_so():
    r = record("sh", "-c", "kill -TERM $$")
    assert r.returncode == 143, r
    r = record(compile_c("none", "#include <signal.h>\nint main(void) { return raise(SIGTERM); }"))
    assert r.returncode == 143 and "signal 15" in r.stderr, r
    text = run(DMM, "info", "T").stdout
    assert re.search(r"no events: signal 15 \(Terminated\) ended .*none before its first call of malloc", text), text


COUNTING = """
    #include <stdlib.h>
    #include <unistd.h>
    int main(void) {
        for (int i = 1; i <= 300000; i++) { char *volatile p = malloc(i); if (i % 2) free(p); }
        write(1, "fine\\n", 5); abort(); }"""


def is_a_beginning(trace):
    """The calls that are there are the first ones, none is missing among them; returns how many."""
    sizes = [int(e["size"]) for e in events(trace) if e["op"] == "malloc"]
    assert sizes == list(range(1, len(sizes) + 1)), "calls are missing in the middle"
    assert info(trace)["missed_frees"] == 0
    return len(sizes)


def test_a_recording_ends_at_its_largest_size_and_the_program_goes_on():
    program = compile_c("counting", COUNTING)
    r = record(program, options=["--max-size=200K"])
    assert r.returncode == 134 and r.stdout == "fine\n", r
    assert r.stderr.count("--max-size is reached; recording ends here, the program goes on") == 1, r.stderr
    assert 100 << 10 < os.path.getsize("T") <= 200 << 10, os.path.getsize("T")
    assert 10000 < is_a_beginning("T") < 300000
    assert "stopped: --max-size was reached" in run(DMM, "info", "T").stdout
    for wrong in ("1", "12X", "-3", "99999999999T", ""):
        r = record(program, options=["--max-size=" + wrong])
        assert r.returncode == 2 and "--max-size=" in r.stderr, (wrong, r)


def total():
    return sum(os.path.getsize(name) for name in glob.glob("T*"))


def test_the_largest_size_is_of_all_processes_together():
    program = compile_c("counting", COUNTING.replace("abort()", "_exit(0)"))
    r = record("sh", "-c", f"for i in 1 2 3 4 5 6; do {program} & done; wait; {program}", options=["--max-size=400K"])
    assert r.returncode == 0 and r.stdout == 7 * "fine\n", r
    assert 200 << 10 < total() <= 400 << 10, (total(), os.listdir("."))
    assert not glob.glob("T.total") and not glob.glob("T*.tape"), os.listdir(".")
    assert r.stderr.count("--max-size is reached; recording ends here, the program goes on") == 1, r.stderr
    counts = [is_a_beginning(name) for name in glob.glob("T.[0-9]*") if ".exec" not in name]  # those are the shell's
    assert len(counts) >= 2 and max(counts) > 5000, counts


def test_processes_that_begin_after_the_largest_size_was_reached_leave_nothing():
    program = compile_c("counting", COUNTING.replace("abort()", "_exit(0)"))
    r = record("sh", "-c", f"{program}; for i in 1 2 3 4 5 6 7 8 9; do {program}; done", options=["--max-size=100K"])
    assert r.stdout == 10 * "fine\n" and r.stderr.count("--max-size is reached") == 1, r
    assert total() <= 100 << 10 and len(glob.glob("T.[0-9]*")) == 1, os.listdir(".")


GIVING_UP = """
    #include <stdlib.h>
    #include <string.h>
    #include <sys/wait.h>
    #include <unistd.h>
    static void work(int n) { for (int i = 0; i < n; i++) free(malloc(777)); }
    int main(int argc, char **argv) {
        int status = 0;
        if (argc > 2) { work(300); return 0; }
        work(100);
        if (setgid(65534) != 0 || setuid(65534) != 0) return 1;
        if (strcmp(argv[1], "exec") == 0) { execl(argv[0], argv[0], "again", "x", (char *)0); return 2; }
        const pid_t pid = fork();
        if (pid == 0) {
            work(200);
            if (strcmp(argv[1], "both") == 0) execl(argv[0], argv[0], "again", "x", (char *)0);
            _exit(0);
        }
        if (waitpid(pid, &status, 0) != pid) return 3;
        work(50);
        return status != 0; }"""


def test_what_a_program_makes_after_it_gave_up_root_is_told_as_not_recorded():
    if os.getuid() != 0:
        skip("needs root")
        return
    program, dmm = compile_c("giving_up", GIVING_UP), dmm_for_all(BUILD)
    for way, calls, lost in (("fork", 150, "a child of fork"), ("both", 150, "a child of fork"),
                             ("exec", 100, program)):
        remove_recordings()
        r = record(program, way, dmm=dmm)
        assert r.returncode == 0, (way, r)
        assert sum(recorded("T").values()) == calls, (way, recorded("T"))
        assert info("T")["missed_frees"] == 0
        told = run(DMM, "info", "T").stdout
        assert f"{lost}: not recorded: it may create no file beside the recording" in told, told
        said = "cannot be written" if way == "exec" else "this process may not create it any more"
        assert r.stderr.count(said + "; recording ends here, the program goes on") == 1, (way, r.stderr)
        assert [n for n in os.listdir(".") if n.startswith("T")] == ["T"], os.listdir(".")


def test_on_a_full_disk_the_recording_is_the_programs_beginning_without_a_gap():
    program = os.path.abspath(compile_c("counting", COUNTING))
    os.mkdir("D")
    script = ("mount -t tmpfs -o size=2m none D || exit 99; head -c 1700000 /dev/zero >D/ballast; "
              f"{DMM} record -o D/T -- {program}; echo status $?; rm D/ballast; cp D/* .")
    r = run("unshare", "-m", "sh", "-c", script)
    if r.returncode == 99 or "unshare" in r.stderr:
        skip("no private mount namespace here")
        return
    assert "fine\nstatus 134\n" in r.stdout, r
    assert r.stderr.count("no space left on device; recording ends here, the program goes on") == 1, r.stderr
    assert 1000 < is_a_beginning("T") < 300000


main(globals())
