#!/usr/bin/env python3
"""dmm show --pid and --core, from outside: the figures against a program that knows them, and every refusal.

usage: outside_test.py BUILD [WORD]   runs the tests whose name holds WORD
"""
import json
import os
import re
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time

BUILD = os.path.abspath(sys.argv[1])
DMM = BUILD + "/dmm"
TARGET = BUILD + "/test/outside_target"
STATIC = BUILD + "/test/outside_static"
LIB = BUILD + "/libdmm.so"
NOBODY = 65534


class Target:
    """A program that runs until the block ends; .line is what it said."""

    def __init__(self, *args, program=TARGET, preload=LIB, conf=""):
        env = dict(os.environ, DMM_CONF=conf)
        if preload:
            env["LD_PRELOAD"] = preload
        self.p = subprocess.Popen([program, *args], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=env)
        self.line = self.p.stdout.readline().decode().split()
        self.pid = self.p.pid

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.p.stdin.close()
        try:
            self.p.wait(100)
        except subprocess.TimeoutExpired:
            self.p.kill()
            raise


def show(*args, **kw):
    env = dict(os.environ, COLUMNS="80")
    return subprocess.run([DMM, "show", *args], capture_output=True, text=True, timeout=300, env=env, **kw)


def look(*args):
    r = show("--format=json", *args)
    assert r.returncode == 0, r.stderr
    return json.loads(r.stdout)


def look_at_rest(pid, threads=2):
    """Once the helper that gives memory back has nothing more to do and is gone."""
    last = None
    for _ in range(100):
        if len(os.listdir(f"/proc/{pid}/task")) <= threads:
            view = look(f"--pid={pid}")
            if last is not None and last["heap"] == view["heap"]:
                return view
            last = view
        time.sleep(0.3)
    raise AssertionError("the heap never comes to rest")


def refused(words, *args, status=None, **kw):
    """A file that cannot be read: 1; a process: 125."""
    if status is None:
        status = 1 if args[0].startswith("--core=") else 125
    r = show(*args, **kw)
    assert r.returncode == status, (r.returncode, r.stderr, r.stdout[:300])
    assert r.stdout == "", r.stdout
    assert len(r.stderr.strip().split("\n")) == 1, r.stderr
    for word in words:
        assert word in r.stderr, (word, r.stderr)


PARTS = ["live", "large", "free", "cached", "freed_by_others", "tails", "dirty", "tables", "torn"]


def check_sums(view):
    """The parts make the whole, by cause, by class and by heap."""
    heap = view["heap"]
    parts = {k: heap[k + "_bytes"] for k in PARTS + ["purged", "unused"]}
    assert heap["held_bytes"] == sum(parts[k] for k in PARTS), heap
    assert sum(parts.values()) == heap["granules"] * heap["granule_bytes"] + parts["tables"], heap
    for key in ("slabs", "objects"):
        assert heap[key] == sum(c[key] for c in heap["classes"]), key
    assert heap["live_objects"] == sum(c["live"] for c in heap["classes"])
    assert heap["live_bytes"] == sum(c["live"] * c["size_bytes"] for c in heap["classes"])
    assert heap["slabs"] >= sum(h["slabs"] for h in heap["heaps"])


def cls(view, size):
    return min((c for c in view["heap"]["classes"] if c["size_bytes"] >= size), key=lambda c: c["size_bytes"])


def check_hold(view, line):
    live, small, others, large = map(int, line)
    check_sums(view)
    assert cls(view, 9300)["live"] == live, cls(view, 9300)
    assert cls(view, 1470)["live"] == small, cls(view, 1470)
    assert cls(view, 1470)["freed_by_others"] <= others
    assert view["heap"]["large_objects"] == large
    assert view["heap"]["large_bytes"] == large << 20
    assert view["heap"]["torn_bytes"] == 0


def figures_are_the_programs_own():
    with Target("hold") as t:
        view = look(f"--pid={t.pid}")
        check_hold(view, t.line)
        assert view["source"] == "process" and view["library"] == "libdmm.so.0.1.0", view
        threads = [h for h in view["heap"]["heaps"] if h["kind"] == "thread"]
        assert t.pid in [h["tid"] for h in threads], threads
        ended = [h for h in view["heap"]["heaps"] if h["kind"] == "ended"]
        assert any(h["live"] >= 1 for h in ended), view["heap"]["heaps"]
        assert {h["tid"] for h in threads} <= {int(x) for x in os.listdir(f"/proc/{t.pid}/task")}
        resident = view["resident"]
        assert 0 < resident["bytes"] <= resident["process_rss_bytes"] * 1.1, resident
        text = show(f"--pid={t.pid}").stdout
        assert "sleeper" in text and re.search(r"large objects +7.00 MiB", text), text
        assert "outside_target" in text, text


def a_core_shows_what_the_process_showed():
    with tempfile.TemporaryDirectory() as d, Target("hold") as t:
        before = look_at_rest(t.pid)
        r = subprocess.run(["gcore", "-o", d + "/core", str(t.pid)], capture_output=True, text=True, timeout=300)
        core = f"{d}/core.{t.pid}"
        assert os.path.exists(core), r.stderr
        after = look(f"--core={core}")
        check_hold(after, t.line)
        assert after["heap"] == before["heap"], (before["heap"], after["heap"])
        assert after["resident"] is None and after["source"] == "core" and after["pid"] == t.pid
        damaged_cores(core, d)


def changed(core, path, change):
    """A copy of the core with some bytes changed."""
    shutil.copy(core, path)
    with open(path, "r+b") as f:
        change(f)
    return f"--core={path}"


def root_offset(core):
    """Where the root's version stands in the core: before the sizes of the records and of granules."""
    data = open(core, "rb").read()
    at = data.find(struct.pack("<II", 16384, 128))
    while at >= 0:
        version, slab = struct.unpack_from("<II", data, at - 16)
        if version < 1000 and slab % 16 == 0 and slab != 0:
            return at - 16
        at = data.find(struct.pack("<II", 16384, 128), at + 1)
    raise AssertionError("no root in the core")


def segments(core):
    with open(core, "rb") as f:
        head = f.read(64)
        offset, = struct.unpack_from("<Q", head, 32)
        count, = struct.unpack_from("<H", head, 56)
        f.seek(offset)
        return [(offset + 56 * i, *struct.unpack("<IIQQQQQQ", f.read(56))) for i in range(count)]


def poke(at, data):
    def change(f):
        f.seek(at)
        f.write(data)
    return change


def damaged_cores(core, d):
    size, root = os.path.getsize(core), root_offset(core)
    version, = struct.unpack("<I", open(core, "rb").read()[root:root + 4])
    refused(["another version of slab", f"version {version + 6}", f"reads version {version}"],
            changed(core, d + "/v", poke(root, struct.pack("<I", version + 6))))
    refused(["damaged"], changed(core, d + "/v", poke(root - 32, b"\xff" * 32)))
    refused(["cut short", "missing"], changed(core, d + "/v", lambda f: f.truncate(root - 100)))
    refused(["damaged core"], changed(core, d + "/v", lambda f: f.truncate(200)))
    refused(["not an ELF file"], changed(core, d + "/v", lambda f: f.truncate(30)))
    refused(["is empty", "ulimit -c"], changed(core, d + "/v", lambda f: f.truncate(0)))
    # The largest segment left out, as a filter does: what is known without it is shown, and adds up.
    at = max((s for s in segments(core) if s[1] == 1), key=lambda s: s[6])
    r = show(changed(core, d + "/v", poke(at[0] + 32, struct.pack("<Q", 0))), "--format=json")
    assert r.returncode in (0, 1), r.stderr
    if r.returncode == 0:
        check_sums(json.loads(r.stdout))
    # Whatever the headers claim, it ends with a sentence and not with a crash.
    with open(core, "r+b") as f:
        for seed in range(12):
            at = seed * 300 % min(size - 64, 4000) + 64
            f.seek(at)
            good = f.read(64)
            poke(at, bytes((seed * 7919 + i * i * 31) % 256 for i in range(64)))(f)
            f.flush()
            r = show(f"--core={core}")
            assert r.returncode in (0, 1), (seed, r.returncode, r.stdout + r.stderr)
            poke(at, good)(f)


def a_core_from_elsewhere_needs_no_file_of_its_program():
    with tempfile.TemporaryDirectory() as d:
        for lib in (LIB, None):
            program = shutil.copy(TARGET if lib else STATIC, d + "/program")
            preload = shutil.copy(lib, d + "/libdmm.so") if lib else None
            with Target("hold", program=program, preload=preload) as t:
                subprocess.run(["gcore", "-o", d + "/core", str(t.pid)], capture_output=True, timeout=300)
                os.unlink(program)
                if preload:
                    os.unlink(preload)
                view = look(f"--core={d}/core.{t.pid}")
                check_hold(view, t.line)
                assert view["library"] == ("libdmm.so" if lib else "program"), view["library"]


def the_kernels_core_shows_the_same():
    pattern = open("/proc/sys/kernel/core_pattern").read().strip()
    if "/" in pattern or pattern.startswith("|"):
        print("  skipped: core_pattern is " + pattern)
        return
    import resource
    with tempfile.TemporaryDirectory() as d:
        env = dict(os.environ, LD_PRELOAD=LIB)
        p = subprocess.Popen([TARGET, "hold"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=env, cwd=d,
                             preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CORE, (1 << 32, 1 << 32)))
        line = p.stdout.readline().decode().split()
        before = look_at_rest(p.pid)
        p.send_signal(signal.SIGABRT)
        p.wait(60)
        cores = [f for f in os.listdir(d) if f.startswith("core")]
        if not cores:
            print("  skipped: the kernel wrote no core here")
            return
        after = look(f"--core={d}/{cores[0]}")
        check_hold(after, line)
        assert after["heap"] == before["heap"]


def a_static_program_is_found_by_its_symbol_and_stripped_by_its_looks():
    with tempfile.TemporaryDirectory() as d:
        stripped = d + "/stripped"
        subprocess.run(["strip", "-o", stripped, STATIC], check=True)
        for program in (STATIC, stripped):
            with Target("hold", program=program, preload=None) as t:
                view = look(f"--pid={t.pid}")
                check_hold(view, t.line)
                assert view["library"] == os.path.basename(program), view["library"]


def a_library_deleted_since_is_read_all_the_same():
    with tempfile.TemporaryDirectory() as d:
        shutil.copy(LIB, d + "/libdmm.so")
        with Target("hold", preload=d + "/libdmm.so") as t:
            os.unlink(d + "/libdmm.so")
            check_hold(look(f"--pid={t.pid}"), t.line)


def used(pid):
    """What the kernel charges a process: ns on a processor and time slices by thread, faults.

    Not resident pages: khugepaged may change them at any time.
    """
    tasks = {}
    for task in os.listdir(f"/proc/{pid}/task"):
        runs, _, slices = open(f"/proc/{pid}/task/{task}/schedstat").read().split()
        tasks[task] = runs, slices
    stat = open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()
    return tasks, stat[7], stat[9]


def a_hardened_heap_is_seen_as_well():
    with Target("hold", conf="hardened,guarded:0") as t:
        view = look_at_rest(t.pid)
        live, small, others, large = map(int, t.line)
        check_sums(view)
        assert cls(view, 9300)["live"] == live and cls(view, 1470)["live"] == small, view["heap"]["classes"]
        assert view["heap"]["large_objects"] == large and view["heap"]["torn_bytes"] == 0, view["heap"]
        assert view["resident"]["swapped_bytes"] == 0, view["resident"]


def looking_costs_the_process_nothing():
    with Target("rest") as t:
        look_at_rest(t.pid, threads=1)
        before = used(t.pid)
        r = top(str(t.pid), "--count=30", "--interval=0.01", "--format=csv")
        assert r.returncode == 0 and r.stdout.count("\n") == 31, r
        assert used(t.pid) == before, (before, used(t.pid))


def a_busy_heap_adds_up_every_time():
    with Target("churn", "4") as t:
        for _ in range(25):
            view = look(f"--pid={t.pid}")
            check_sums(view)
            assert view["heap"]["torn_bytes"] <= view["heap"]["held_bytes"] / 4, view["heap"]


def it_fits_forty_columns_without_colour():
    with Target("hold") as t:
        for options in (("--ascii",), ()):
            r = show(f"--pid={t.pid}", "--width=40", *options)
            assert r.returncode == 0, r.stderr
            assert "\033" not in r.stdout
            for line in r.stdout.split("\n"):
                assert len(line) <= 40 and line == line.rstrip(), repr(line)
            if options:
                assert r.stdout.isascii()
        r = show(f"--pid={t.pid}", "--size=9300")
        assert "-byte objects, " in r.stdout and r.returncode == 0, r.stdout
        r = show(f"--pid={t.pid}", "--format=csv")
        assert r.stdout.startswith("size_bytes,slabs,objects,live,"), r.stdout


def what_cannot_be_seen_is_refused_in_a_sentence():
    refused(["no process 4999999"], "--pid=4999999")
    refused(["a number of at least 1"], "--pid=redis", status=2)
    refused(["not a core but a program"], f"--core={DMM}")
    refused(["No such file"], "--core=/nonexistent")
    refused(["not a regular file"], "--core=/tmp")
    refused(["give one of"], "--pid=1", "--demo", status=2)
    refused(["--step"], "--pid=1", "--step", status=2)
    with Target("hold", preload=None) as t:
        refused(["does not run slab", "glibc's malloc"], f"--pid={t.pid}")
    with Target("hold", preload=BUILD + "/libdmm-bins.so") as t:
        refused(["dmm's bins", "dmm record"], f"--pid={t.pid}")
    if os.geteuid() == 0:
        with Target("hold") as t, tempfile.TemporaryDirectory() as d:
            os.chmod(d, 0o755)
            shutil.copy(DMM, d + "/dmm") # the build may lie where nobody may go
            r = subprocess.run([d + "/dmm", "show", f"--pid={t.pid}"], capture_output=True, text=True, cwd="/",
                               preexec_fn=lambda: (os.setgroups([]), os.setgid(NOBODY), os.setuid(NOBODY)))
            assert r.returncode == 125 and "may not be read" in r.stderr and "root" in r.stderr, r.stderr


def top(*args, **kw):
    return subprocess.run([DMM, "top", *args], capture_output=True, text=True, timeout=300, **kw)


def top_prints_looks_that_add_up():
    with Target("churn", "2") as t:
        for _ in range(30):  # on a busy machine its threads may have no turn between two looks
            r = top(str(t.pid), "--count=4", "--interval=0.1", "--format=json")
            assert r.returncode == 0, r.stderr
            looks = json.loads(r.stdout)["looks"]
            assert len(looks) == 4 and looks[0]["per_second"] is None, looks
            for view in looks:
                check_sums(view)
            rates = [view["per_second"] for view in looks[1:]]
            if all(any(rate[key] > 0 for rate in rates) for key in ("allocated_at_least", "freed_at_least")):
                break
        for key in ("allocated_at_least", "freed_at_least"):
            assert any(rate[key] > 0 for rate in rates), rates
        assert [v["time_s"] for v in looks] == sorted(v["time_s"] for v in looks)
        lines = top(str(t.pid), "--count=3", "--interval=0.1", "--width=40").stdout.split("\n")
        assert len(lines) == 5 and all(len(x) <= 40 for x in lines) and "live" in lines[0], lines
        rows = top(str(t.pid), "--count=3", "--interval=0.1", "--format=csv").stdout.split("\n")
        assert len({x.count(",") for x in rows if x}) == 1 and len(rows) == 5, rows


def top_says_when_its_process_ends_or_becomes_another():
    for end in (lambda t: t.p.stdin.close(), lambda t: t.p.kill()):
        t = Target("hold")
        p = subprocess.Popen([DMM, "top", str(t.pid), "--interval=0.1"], stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE, text=True)
        p.stdout.readline()
        end(t)
        t.p.wait()
        out, err = p.communicate(timeout=300)
        assert p.returncode == 0 and f"process {t.pid} (outside_target) has ended" in err, (p.returncode, err)
    t = Target("become")
    p = subprocess.Popen([DMM, "top", str(t.pid), "--interval=0.1"], stdout=subprocess.PIPE,
                         stderr=subprocess.PIPE, text=True)
    p.stdout.readline()
    t.p.stdin.write(b"x")
    t.p.stdin.flush()
    out, err = p.communicate(timeout=300)
    t.p.kill()
    t.p.wait()
    assert p.returncode == 0 and "become another program" in err, (p.returncode, err)


def top_refuses_in_a_sentence():
    with Target("idle", preload=None) as t:
        r = top(str(t.pid))
        assert r.returncode == 125 and "does not run slab" in r.stderr, r
    r = top("4999999")
    assert r.returncode == 125 and "no process" in r.stderr, r
    with Target("hold") as t:
        r = top()
        assert r.returncode == 2 and f"{t.pid} outside_target" in r.stderr, r
    r = top("1", "2")
    assert r.returncode == 2 and "one process at a time" in r.stderr, r


def main():
    word = sys.argv[2] if len(sys.argv) > 2 else ""
    tests = [figures_are_the_programs_own, a_core_shows_what_the_process_showed,
             a_core_from_elsewhere_needs_no_file_of_its_program, the_kernels_core_shows_the_same,
             a_static_program_is_found_by_its_symbol_and_stripped_by_its_looks,
             a_library_deleted_since_is_read_all_the_same, looking_costs_the_process_nothing,
             a_hardened_heap_is_seen_as_well, a_busy_heap_adds_up_every_time,
             it_fits_forty_columns_without_colour,
             top_prints_looks_that_add_up, top_says_when_its_process_ends_or_becomes_another,
             top_refuses_in_a_sentence, what_cannot_be_seen_is_refused_in_a_sentence]
    failed = 0
    for test in tests:
        if word not in test.__name__:
            continue
        if test.__name__.startswith("a_core") and shutil.which("gcore") is None:
            print(f"skipped {test.__name__}: gdb is not installed")
            continue
        start = time.monotonic()
        try:
            test()
            print(f"ok {test.__name__} ({time.monotonic() - start:.1f} s)")
        except AssertionError as e:
            failed += 1
            print(f"FAILED {test.__name__}: {str(e)[:2000]}")
    sys.exit(failed != 0)


main()
