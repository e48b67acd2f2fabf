#!/usr/bin/env python3
"""The recorder, from outside: whatever a program does, the recorder records it and does not change what it does.

usage: record_test.py BUILD [WORD]   runs the tests whose name holds WORD
"""
import csv
import json
import os
import resource
import struct
import subprocess
import sys
from collections import defaultdict

sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../support"))
from runner import dmm_for_all, run_tests

BUILD = os.path.abspath(sys.argv[1])
DMM = BUILD + "/dmm"
OPS = {"malloc": "m", "free": "f"}


def run(*args, **kw):
    return subprocess.run(args, capture_output=True, text=True, timeout=300, **kw)


def record(trace, *command, options=(), **kw):
    return run(DMM, "record", "-o", trace, *options, "--", *command, **kw)


def info(trace):
    r = run(DMM, "info", "--format=json", trace)
    assert r.stdout, r.stderr
    return json.loads(r.stdout)


def events(trace):
    r = run(DMM, "export", "--to=csv", trace)
    assert r.returncode == 0, r.stderr
    return list(csv.DictReader(r.stdout.splitlines()))


def compile_c(name, text, *flags):
    with open(name + ".c", "w") as f:
        f.write(text)
    subprocess.run(["cc", "-g", "-O1", "-fno-builtin", *flags, name + ".c", "-o", name], check=True)
    return "./" + name


def known_sequence(threads, calls):
    r = record("T", BUILD + "/test/known", str(threads), str(calls), "log")
    assert r.returncode == 0, r.stderr
    want = defaultdict(list)
    for line in open("log"):
        tid, op, addr, n = line.split()
        want[tid].append((op, int(addr, 16), int(n)))
    got = defaultdict(list)
    for e in events("T"):
        assert e["kind"] in ("alloc", "free", "none"), e
        if e["op"] in OPS:
            got[e["thread"]].append((OPS[e["op"]], int(e["address"], 16), int(e["size"])))
    for tid, calls_of in want.items():  # libc frees a few things of its own as a thread ends
        assert any(s[:len(calls_of)] == calls_of for s in got.values()), f"thread {tid} is not as it was"
    i = info("T")
    assert i["foreign_frees"] == 0 and i["missed_frees"] == 0 and i["lost_events"] == 0, i


def test_a_known_sequence_comes_back_exactly_from_1_thread():
    known_sequence(1, 5000)


def test_a_known_sequence_comes_back_exactly_from_2_threads():
    known_sequence(2, 10000)


def test_a_known_sequence_comes_back_exactly_from_64_threads_that_free_each_others_objects():
    known_sequence(64, 800)


def test_every_call_of_the_contract_is_recorded():
    program = compile_c("calls", """
        #define _GNU_SOURCE
        #include <malloc.h>
        #include <stdlib.h>
        int main(void) {
            void *volatile p = malloc(1); free(p);
            p = calloc(2, 3); p = realloc(p, 100); p = reallocarray(p, 10, 100); free(p);
            free(memalign(32, 5)); free(aligned_alloc(64, 64)); free(valloc(7)); free(pvalloc(7));
            void *q; if (posix_memalign(&q, 128, 9) == 0) free(q);
            free(NULL); return 0; }""")
    r = record("T", program)
    assert r.returncode == 0, r.stderr
    calls = info("T")["calls"]
    for name in ("malloc", "calloc", "realloc", "reallocarray", "memalign", "aligned_alloc", "valloc",
                 "pvalloc", "posix_memalign"):
        assert calls[name] == 1, (name, calls)
    assert calls["free"] == 8, calls


def test_cxx_operators_are_recorded_once_each():
    with open("op.cc", "w") as f:
        f.write("""#include <new>
            struct alignas(64) wide { char c[64]; };
            int main() { int *volatile a = new int; delete a; char *volatile b = new char[10]; delete[] b;
              wide *volatile w = new wide; delete w;
              void *volatile n = ::operator new(8, std::nothrow); ::operator delete(n, std::nothrow);
              try { w = (wide *)::operator new(1ul << 60); return 1; } catch (std::bad_alloc &) { return 0; } }""")
    subprocess.run(["c++", "-std=c++17", "-O0", "-fsized-deallocation", "op.cc", "-o", "op"], check=True)
    r = record("T", "./op")
    assert r.returncode == 0, r.stderr
    calls = info("T")["calls"]
    assert calls["new"] == 2 and calls["new[]"] == 1 and calls["new aligned"] == 1, calls
    assert calls["delete sized"] == 1 and calls["delete aligned sized"] == 1, calls


def test_children_get_recordings_of_their_own():
    program = compile_c("forker", """
        #include <stdlib.h>
        #include <sys/wait.h>
        #include <unistd.h>
        int main(void) {
            void *mine = malloc(111);
            if (fork() == 0) { void *volatile p = malloc(222); free(p); free(mine); _exit(0); }
            wait(0); free(mine); return 0; }""")
    r = record("T", program)
    assert r.returncode == 0, r.stderr
    children = [n for n in os.listdir(".") if n.startswith("T.")]
    assert len(children) == 1, children
    parent, child = events("T"), events(children[0])
    assert [e["size"] for e in parent if e["op"] == "malloc"] == ["111"], parent
    assert [e["size"] for e in child if e["op"] == "malloc"] == ["222"], child
    assert info(children[0])["foreign_frees"] == 1  # what it inherited


def test_what_was_before_an_exec_is_kept():
    program = compile_c("execer", """
        #include <stdlib.h>
        #include <unistd.h>
        int main(int argc, char **argv) {
            void *volatile p = malloc(argc == 1 ? 333 : 444); (void)p;
            if (argc == 1) execl(argv[0], argv[0], "again", (char *)0);
            return 0; }""")
    r = record("T", program)
    assert r.returncode == 0, r.stderr
    assert [e["size"] for e in events("T") if e["op"] == "malloc"] == ["444"]
    assert [e["size"] for e in events("T.exec1") if e["op"] == "malloc"] == ["333"]


def test_info_tells_what_a_running_program_has_done_up_to_now():
    program = compile_c("busy", """
        #include <stdlib.h>
        #include <unistd.h>
        int main(void) {
            for (int i = 0; i < 1000; i++) { void *volatile p = malloc(10); (void)p; }
            char c;
            return write(1, "now\\n", 4) == 4 && read(0, &c, 1) == 1 ? 3 : 1; }""")
    p = subprocess.Popen([DMM, "record", "-o", "T", "--", program], stdin=subprocess.PIPE,
                         stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert p.stdout.readline() == "now\n"
    assert info("T")["calls"]["malloc"] == 1000
    assert "; the program is still running" in run(DMM, "info", "T").stdout
    _, said = p.communicate("x", timeout=300)
    assert p.returncode == 3, said
    i = info("T")
    assert i["calls"]["malloc"] == 1000 and i["ended"] and i["threads"] == 1, i


def test_a_recording_without_dmm_is_complete_too():
    program = compile_c("killed", """
        #include <signal.h>
        #include <stdlib.h>
        int main(void) {
            for (int i = 0; i < 1500; i++) { void *volatile p = malloc(10); (void)p; }
            return raise(SIGKILL); }""")
    env = dict(os.environ, LD_PRELOAD=BUILD + "/libdmm-record.so", DMM_RECORD=os.path.abspath("K"))
    p = subprocess.Popen([program], env=env)
    p.wait()
    i = info(f"K.{p.pid}")
    assert i["calls"]["malloc"] == 1500 and not i["ended"], i


def test_a_program_of_one_thread_is_told_to_have_one():
    with open("one.cc", "w") as f:
        f.write("#include <vector>\nint main() { std::vector<int> v(100); return v[3]; }")
    subprocess.run(["c++", "-O1", "one.cc", "-o", "one"], check=True)
    assert record("T", "./one").returncode == 0
    assert info("T")["threads"] == 1, info("T")
    assert {e["thread"] for e in events("T")} == {"1"}


def test_a_recorded_program_may_enter_a_user_namespace():
    program = compile_c("enter", """
        #include <sched.h>
        #include <stdlib.h>
        int main(void) { void *volatile p = malloc(1); free(p); return unshare(CLONE_NEWUSER) == 0 ? 5 : 6; }""",
                        "-D_GNU_SOURCE")
    alone = run(program).returncode
    assert record("T", program).returncode == alone


def test_a_full_disk_ends_the_recording_not_the_program():
    program = compile_c("writer", """
        #include <stdio.h>
        #include <stdlib.h>
        int main(void) { unsigned x = 1;
            for (int i = 0; i < 300000; i++) { void *volatile p = malloc((x = x * 69069 + 1) >> 20); free(p); }
            puts("fine"); return 7; }""")
    limit = 100 << 10

    def small():
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    r = record("T", program, preexec_fn=small)
    assert r.returncode == 7 and r.stdout == "fine\n", r
    assert r.stderr.count("recording ends here, the program goes on") == 1, r.stderr
    assert os.path.getsize("T") <= limit
    assert info("T")["events"] > 10000


def test_a_program_that_closes_all_descriptors_is_not_written_into():
    program = compile_c("closer", """
        #include <fcntl.h>
        #include <stdlib.h>
        #include <unistd.h>
        int main(void) {
            for (int i = 0; i < 20000; i++) free(malloc(100 + i % 999));
            for (int fd = 3; fd < 1024; fd++) close(fd);
            for (int i = 0; i < 1000; i++) open("mine", O_RDWR | O_CREAT, 0600);
            for (int i = 0; i < 20000; i++) { void *volatile p = malloc(100 + i % 999); free(p); }
            return 0; }""")
    r = record("T", program)
    assert r.returncode == 0, r.stderr
    assert os.path.getsize("mine") == 0
    assert info("T")["events"] >= 80000


def test_scrubbed_recordings_name_no_path():
    r = record("T", "/usr/bin/python3", "-c", "import os", options=["--scrub"])
    assert r.returncode == 0, r.stderr
    data = open("T", "rb").read()
    for word in (b"python3 -c", b"/usr/", b"/lib/", os.getcwd().encode()):  # four bytes may come up by chance
        assert word not in data, word


def test_deep_stacks_name_the_callers_caller():
    program = compile_c("deep", """
        #include <stdlib.h>
        __attribute__((noinline)) void *inner(void) { void *volatile p = malloc(77); return p; }
        __attribute__((noinline)) void *outer(void) { void *volatile p = inner(); return p; }
        int main(void) { void *volatile p = outer(); (void)p; return 0; }""",
        "-fno-omit-frame-pointer", "-fno-optimize-sibling-calls")
    for stacks in ("fp", "dwarf"):
        r = record("T", program, options=["--stacks=" + stacks])
        assert r.returncode == 0, r.stderr
        if "no libunwind" in r.stderr:
            continue
        leaks = [s for s in info("T")["never_freed"] if s["bytes"] == 77]
        names = [f.split(" ")[0] for f in leaks[0]["stack"]]
        assert names[:3] == ["inner", "outer", "main"], names


def test_silence_is_explained():
    static = compile_c("static", "#include <stdlib.h>\nint main(void){free(malloc(1));return 0;}", "-static")
    r = record("T", static)
    assert r.returncode == 0 and "is static" in r.stderr, r.stderr
    r = run(DMM, "info", "T")
    assert "no events:" in r.stdout and "is static" in r.stdout, r.stdout
    own = compile_c("own", """
        #include <stddef.h>
        static char pool[1 << 20]; static size_t used;
        void *malloc(size_t n) { void *p = pool + used; used += (n + 15) & ~15ul; return p; }
        void free(void *p) { (void)p; }
        void *calloc(size_t a, size_t b) { return malloc(a * b); }
        void *realloc(void *p, size_t n) { (void)p; return malloc(n); }
        int main(void) { free(malloc(1)); return 0; }""", "-rdynamic")
    record("T", own)
    r = run(DMM, "info", "T")
    assert "malloc of its own" in r.stdout, r.stdout


def test_a_malloc_inside_is_named_and_a_program_that_never_allocates_is_told_apart():
    own = compile_c("own", """
        #include <stddef.h>
        const char *volatile words = "jemalloc: invalid option";
        static char pool[1 << 20]; static size_t used;
        void *malloc(size_t n) { void *p = pool + used; used += (n + 15) & ~15ul; return p; }
        void free(void *p) { (void)p; }
        void *calloc(size_t a, size_t b) { return malloc(a * b); }
        void *realloc(void *p, size_t n) { (void)p; return malloc(n); }
        int main(void) { free(malloc(1)); return words == 0; }""", "-rdynamic")
    record("T", own)
    r = run(DMM, "info", "T")
    assert "malloc of its own inside: jemalloc" in r.stdout, r.stdout
    record("T", compile_c("idle", "int main(void) { return 0; }"))
    r = run(DMM, "info", "T")
    assert "never called malloc by name" in r.stdout and "RTLD_DEEPBIND" in r.stdout, r.stdout


def test_a_setuid_program_says_that_it_is_one():
    if os.getuid() != 0:
        print("     skipped: needs root to run a setuid program as somebody else")
        return
    program = compile_c("suid", "#include <stdlib.h>\nint main(void) { void *volatile p = malloc(1); free(p); return 0; }")
    os.chmod(program, 0o4755)
    dmm = dmm_for_all(BUILD)
    os.chmod(".", 0o777)
    nobody = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")
    r = run(*nobody, dmm, "record", "-o", "T", "--", program)
    assert r.returncode == 0 and "is setuid: the loader preloads nothing into it" in r.stderr, r


def test_a_full_file_system_is_one_line_and_the_program_goes_on():
    program = compile_c("filler", """
        #include <stdio.h>
        #include <stdlib.h>
        int main(void) { unsigned x = 1;
            for (int i = 0; i < 400000; i++) { void *volatile p = malloc((x = x * 69069 + 1) >> 20); free(p); }
            puts("fine"); return 7; }""")
    os.mkdir("D")
    script = ("mount -t tmpfs -o size=16m none D || exit 99; head -c 16400000 /dev/zero >D/ballast; "
              f"{DMM} record -o D/T -- {program}; echo status $?; {DMM} info --format=json D/T >info.json; stat -c %s D/T")
    r = run("unshare", "-m", "sh", "-c", script)
    if r.returncode == 99 or "unshare" in r.stderr:
        print("     skipped: no private mount namespace here")
        return
    assert "fine\nstatus 7\n" in r.stdout, r
    assert r.stderr.count("no space left on device; recording ends here, the program goes on") == 1, r.stderr
    assert "the program did not end in order" not in r.stderr, r.stderr
    kept = json.load(open("info.json"))
    assert kept["events"] > 10000 and not kept["ended"], kept  # whole blocks only: info exits 0


def test_a_program_does_not_start_for_a_recording_that_has_no_place():
    for path, said in (("none/T", "cannot be created: No such file or directory"), ("/proc/T", "cannot be created"),
                       (".", "not a regular file")):
        r = record(path, "sh", "-c", "echo ran")
        assert r.returncode in (2, 125) and r.stdout == "" and said in r.stderr, r
        assert r.stderr.count("\n") == 1, r


def test_a_file_that_is_no_recording_is_not_overwritten():
    with open("job.py", "w") as f:
        f.write("print('mine')\n")
    r = record("job.py", "sh", "-c", "echo ran")
    assert r.returncode == 2 and r.stdout == "" and "job.py is not a recording" in r.stderr, r
    assert open("job.py").read() == "print('mine')\n"
    open("empty", "w").close()
    for again in range(2):
        r = record("empty", "sh", "-c", "echo ran")
        assert r.returncode == 0 and info("empty")["events"] > 0, (again, r)


def test_a_recording_that_another_process_writes_is_left_alone():
    p = subprocess.Popen([DMM, "record", "-o", "T", "--", "sh", "-c", "echo ready; read line"],
                         stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert p.stdout.readline() == "ready\n"
    r = record("T", "sh", "-c", "echo ran")
    assert r.returncode == 2 and r.stdout == "" and "T is being recorded, by process " in r.stderr, r
    _, said = p.communicate("\n", timeout=300)
    assert p.returncode == 0 and info("T")["ended"], said
    assert record("T", "sh", "-c", "echo ran").returncode == 0


def blocks_of_events(trace):
    """How many events each block holds."""
    held = []
    with open(trace, "rb") as f:
        data = f.read()
    at = 64
    while at < len(data):
        _, kind, _, packed, _, _, count = struct.unpack_from("<IHHIIII", data, at)
        if kind == 4:
            held.append(count)
        at += 64 + packed
    return held


def test_a_block_holds_thousands_of_events_with_any_kind_of_stacks():
    program = compile_c("busy", """
        #include <stdlib.h>
        int main(void) { for (int i = 0; i < 50000; i++) free(malloc(i % 100)); return 0; }""")
    for stacks in ("none", "caller", "fp"):
        r = record("T", program, options=["--stacks=" + stacks])
        assert r.returncode == 0, r.stderr
        held = blocks_of_events("T")
        # the program and dmm's packer take turns; each writes what the other one has begun
        assert sum(held) >= 100000 and len(held) <= 40, (stacks, held)


def test_threads_come_and_go_in_thousands():
    program = compile_c("churn", """
        #include <pthread.h>
        #include <stdlib.h>
        static void *run(void *a) { void *volatile p = malloc(50); free(p); return a; }
        int main(void) { for (int i = 0; i < 3000; i++) { pthread_t t; pthread_create(&t, 0, run, 0);
            pthread_join(t, 0); } return 0; }""", "-pthread")
    r = record("T", program)
    assert r.returncode == 0, r.stderr
    i = info("T")
    assert i["calls"]["malloc"] >= 3000 and i["foreign_frees"] == 0, i


def test_a_model_replay_sums_to_the_footprint_and_is_the_same_every_time():
    r = record("T", "/usr/bin/python3", "-c", "print(len([str(i) for i in range(20000)]))")
    assert r.returncode == 0, r.stderr
    first = run(DMM, "replay", "--model", "--format=json", "T")
    again = run(DMM, "replay", "--model", "--format=json", "T")
    assert first.returncode == 0 and first.stdout == again.stdout, first.stderr
    parts = ("payload", "padding", "headers", "bins", "caches", "tails", "retained")
    i, result = info("T"), json.loads(first.stdout)
    assert result["lower_bound_bytes"] == i["peak_payload_bytes"]
    for row in result["rows"]:
        assert row["problem"] is None, row
        for a in row["samples"] + [row["peak"]]:
            assert sum(a[p] for p in parts) == a["footprint_bytes"], (row["name"], a)
        assert row["samples"][-1]["payload"] == i["live_bytes"], row["name"]
        assert row["peak"]["footprint_bytes"] >= result["lower_bound_bytes"], row["name"]


run_tests(globals(), sys.argv[2] if len(sys.argv) > 2 else "")
