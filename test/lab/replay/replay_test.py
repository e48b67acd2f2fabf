#!/usr/bin/env python3
"""dmm replay, from outside: every allocator gets the recorded calls, and the table accounts for every byte.

usage: replay_test.py BUILD [WORD]   runs the tests whose name holds WORD
"""
import csv
import json
import os
import subprocess

from replaying import BUILD, DMM, QUICK, SHIPPED, SOURCE, compile_c, info, main, model, native, run

PARTS = ("payload", "padding", "headers", "bins", "caches", "tails", "retained")


def test_designs_for_study_are_replayed_on_request_only():
    trace = SHIPPED + "/git.dmm"
    for mode, wanted in (["--model"], {"gnu", "slab"}), (["--no-latency"], {"glibc", "glibc-again", "slab"}):
        r = run(DMM, "replay", *mode, "--format=json", *(QUICK if mode != ["--model"] else []), trace)
        names = {row["name"] for row in json.loads(r.stdout)["rows"] if row.get("kind") != "peer"}
        assert names == wanted, names


# ---- on simulated memory -------------------------------------------------------------------------

def test_a_model_accounts_for_every_byte_of_every_design_at_every_step():
    for name in sorted(os.listdir(SHIPPED)):
        if not name.endswith(".dmm"):
            continue
        want = info(f"{SHIPPED}/{name}")
        systems = model(f"{SHIPPED}/{name}", "--samples=10")
        assert {"minimal", "bins", "gnu", "segmeta", "slab"} <= set(systems), systems
        for row in systems.values():
            assert row["problem"] is None and len(row["samples"]) == 11, row
            for a in row["samples"] + [row["peak"]]:
                assert sum(a[p] for p in PARTS) == a["footprint_bytes"] >= a["payload"], (name, row["name"], a)
            assert row["samples"][-1]["payload"] == want["live_bytes"], (name, row["name"])
            assert row["peak"]["footprint_bytes"] >= want["peak_payload_bytes"], (name, row["name"])
            assert all(a["footprint_bytes"] <= row["peak"]["footprint_bytes"] for a in row["samples"])


def test_a_model_finds_the_same_peak_however_often_it_looks():
    for conf in ("bins,gnu,segdata,segmeta,dlist,list,slab", "gnu?reuse:links,split_min:64,bins?fit:best,coalesce:16"):
        peaks = [{n: r["peak"] for n, r in model(SHIPPED + "/cc.dmm", f"--systems={conf}", f"--samples={k}").items()}
                 for k in (1, 7, 100)]
        assert peaks[0] == peaks[1] == peaks[2], conf


def test_a_model_tells_the_gap_over_time_in_text_and_csv():
    r = run(DMM, "replay", "--model", "--systems=bins", "--over-time=4", SHIPPED + "/cc.dmm")
    assert "footprint = payload + padding" in r.stdout and r.stdout.count("MiB") + r.stdout.count("KiB") > 10, r.stdout
    r = run(DMM, "replay", "--model", "--systems=bins,slab", "--over-time=4", "--format=csv", SHIPPED + "/cc.dmm")
    rows = list(csv.DictReader(r.stdout.splitlines()))
    assert [x["at"] for x in rows] == 2 * (5 * ["sample"] + ["peak"]), rows
    for x in rows:
        assert sum(int(x[p]) for p in PARTS) == int(x["footprint_bytes"]), x


def test_the_settings_of_one_row_are_not_those_of_another():
    names = ["slab", "slab?magazine_bytes:1k", "slab?magazine_max_objects:7", "slab?dirty_floor_bytes:0,dirty_share_permille:0",
             "slab?huge_from_mib:2"]
    trace = SHIPPED + "/cc.dmm"
    alone = {name: model(trace, f"--systems={name}")[name] for name in names}
    for order in names, names[::-1]:
        together = model(trace, "--systems=" + ",".join(order))
        for name in names:
            assert together[name] == alone[name], (order, name)
    assert len({row["mean_footprint_bytes"] for row in alone.values()}) == len(names), alone


def test_settings_that_write_into_objects_or_watch_calls_are_refused_on_simulated_memory():
    trace = SHIPPED + "/sqlite3.dmm"
    for settings in ("canary:1", "zero_on_free:1", "check_on_reuse:1", "quarantine:9", "random_order:1", "guard_large:1",
                     "readonly_conf:1", "stats:1", "profile:64k", "profile:exit", "guarded:1", "hardened"):
        for command in (("replay", "--model"), ("report", "-o", "page.html")):
            r = run(DMM, *command, f"--systems=slab,slab?{settings}", trace, status=2)
            assert f"slab?{settings}: these settings write into objects or watch each call" in r.stderr, r
    r = run(DMM, "compare", "--runs=1", "--warm=0", "--peers=none", "--systems=slab?readonly_conf:1", "--", "/bin/true")
    assert "slab?readonly_conf:1" in r.stdout, r


def test_a_model_of_slab_has_what_slab_has_resident_without_huge_pages():
    for name in ("cc", "redis", "sqlite3"):
        trace = f"{SHIPPED}/{name}.dmm"
        has = native(trace, "--systems=slab", "--no-latency", "--thp=off")["slab"]["peak_rss_bytes"]["median"]
        says = model(trace, "--systems=slab")["slab"]["peak"]["footprint_bytes"]
        assert abs(has - says) < has / 20 + (128 << 10), (name, has, says)


def test_a_model_of_slab_fills_huge_pages_where_slab_asks_for_them():
    program = compile_c("grown", """
        #include <stdlib.h>
        #include <string.h>
        int main(void) {
            for (int i = 0; i < 41000; i++) memset(malloc(1000), 1, 1000);
            return 0; }""")
    run(DMM, "record", "-o", "T", "--", program)
    rows = model("T", "--systems=slab,slab?huge_from_mib:never,slab?huge_from_mib:64")
    end = {name: row["end_footprint_bytes"] for name, row in rows.items()}
    small, huge = end["slab?huge_from_mib:never"], 2 << 20
    assert end["slab?huge_from_mib:64"] == small, "a heap of 40 MiB has none then"
    assert small + huge / 4 < end["slab"] < small + huge, end  # the last block is filled in part
    assert all(row["problem"] is None for row in rows.values()), rows


def test_a_model_of_slab_moves_the_pages_of_what_grows():
    program = compile_c("grow", """
        #include <stdlib.h>
        #include <string.h>
        int main(void) {
            char *p = NULL, *q = NULL;
            for (size_t n = 1 << 20; n <= 24 << 20; n += 1 << 20) {
                p = realloc(p, n), memset(p, 1, n);
                q = realloc(q, n), memset(q, 1, n); }
            return 0; }""")
    run(DMM, "record", "-o", "T", "--", program)
    row = model("T", "--systems=slab?huge_from_mib:never")["slab?huge_from_mib:never"]
    peak = row["peak"]
    assert peak["footprint_bytes"] < peak["payload"] + (4 << 20), peak


def test_a_model_of_slab_gives_back_by_the_clock_what_the_helper_would():
    program = compile_c("pause", """
        #include <stdlib.h>
        #include <unistd.h>
        int main(void) {
            static void *p[20000];
            for (int i = 0; i < 20000; i++) p[i] = malloc(1000);
            for (int i = 0; i < 20000; i++) free(p[i]);
            usleep(1200000);
            for (int i = 0; i < 200; i++) free(malloc(1000));
            return 0; }""")
    run(DMM, "record", "-o", "T", "--", program)
    row = model("T", "--systems=slab")["slab"]
    end = row["samples"][-1]
    assert row["peak"]["footprint_bytes"] > 20e6 and end["footprint_bytes"] < 2 << 20, (row["peak"], end)


# ---- really ----------------------------------------------------------------------------------------

def test_each_allocator_is_really_asked_and_all_see_the_same_payload():
    trace = SHIPPED + "/python3.dmm"
    rows, want = native(trace, "--systems=bins,segmeta,slab,bins?fit:best"), info(trace)
    payloads = [[s["payload_bytes"] for s in r["samples"]] for r in rows.values()]
    assert len(rows) == 6 and all(p == payloads[0] for p in payloads), payloads
    assert payloads[0][-1] == want["live_bytes"] and max(payloads[0]) <= want["peak_payload_bytes"]
    for name, row in rows.items():
        library = {"glibc": "libc.so.6", "glibc-again": "libc.so.6", "slab": "libdmm.so.0.1.0", "segmeta": "libdmm-segmeta.so"}
        assert row["malloc_from"].endswith("/" + library.get(name, "libdmm-bins.so")), row["malloc_from"]
        assert row["outcome"] == "fine" and row["loaded"] and row["failed_calls"] == 0, row
        assert row["latency_ns"]["all"]["calls"] == sum(want["calls"].values()) - row["skipped_calls"], row["latency_ns"]
        assert 0 < row["latency_ns"]["all"]["p50"] <= row["latency_ns"]["all"]["p99.99"] <= row["latency_ns"]["all"]["max"]
        assert all(s["usable_bytes"] >= s["payload_bytes"] for s in row["samples"]), name
        assert row["peak_rss_bytes"]["median"] > 0.8 * want["peak_payload_bytes"], row["peak_rss_bytes"]


def test_threads_wait_for_each_other_where_the_program_did():
    """64 threads free each other's objects: slab and bins stop a program that frees what is not live."""
    run(DMM, "record", "-o", "T", "--", BUILD + "/test/known", "64", "400", "log")
    want = info("T")
    for _ in range(3):
        rows = native("T", "--systems=bins,slab,segmeta")
        for name, row in rows.items():
            assert row["outcome"] == "fine" and row["failed_calls"] == 0, (name, row["why"])
            assert row["samples"][-1]["payload_bytes"] == want["live_bytes"], (name, row["samples"][-1])


def test_threads_that_come_and_go_are_replayed_by_threads_that_do():
    program = compile_c("comers", """
        #include <pthread.h>
        #include <stdlib.h>
        static void *one(void *p) { free(p); return malloc(1000); }
        int main(void) {
            void *p = malloc(10);
            for (int i = 0; i < 600; i++) {
                pthread_t t;
                pthread_create(&t, NULL, one, p);
                pthread_join(t, &p);
            }
        }""", "-pthread")
    run(DMM, "record", "-o", "T", "--", program)
    rows = native("T", "--systems=slab,bins")
    assert all(r["outcome"] == "fine" for r in rows.values()), rows
    assert rows["glibc"]["samples"][-1]["payload_bytes"] == info("T")["live_bytes"]


def test_sized_and_aligned_calls_are_made_as_they_were():
    """slab stops a program whose sized free names another size."""
    program = compile_c("sized", """
        #include <new>
        #include <cstdlib>
        struct alignas(128) wide { char c[300]; };
        struct plain { char c[77]; ~plain() {} };
        int main() {
            for (int i = 0; i < 300; i++) {
                delete new plain;
                delete[] new plain[5];
                delete new wide;
                delete[] new wide[3];
                void *p;
                if (posix_memalign(&p, 4096, 100) == 0) free(p);
                free(aligned_alloc(64, 640));
                p = calloc(3, 50);
                p = realloc(p, 5000 + i);
                p = realloc(p, 20);
                free(p);
            }
        }""", compiler="c++")
    run(DMM, "record", "-o", "T", "--", program)
    rows = native("T", "--systems=slab,gnu")
    assert all(r["outcome"] == "fine" and r["failed_calls"] == 0 for r in rows.values()), rows


def test_refused_calls_are_counted_and_a_crash_is_a_row():
    compile_c("poor.so", """
        #include <stddef.h>
        #include <errno.h>
        static char heap[1 << 20]; static size_t used;
        void *malloc(size_t n) {
            n = (n + 31) & ~(size_t)15;
            if (n > sizeof heap - used) { errno = ENOMEM; return NULL; }
            used += n; *(size_t *)(heap + used - n) = n - 16; return heap + used - n + 16;
        }
        void free(void *p) { (void)p; }
        void *calloc(size_t a, size_t b) { return malloc(a * b); }
        void *realloc(void *p, size_t n) { (void)p; return malloc(n); }
        void *memalign(size_t a, size_t n) { (void)a; return malloc(n); }
        void *aligned_alloc(size_t a, size_t n) { (void)a; return malloc(n); }
        int posix_memalign(void **p, size_t a, size_t n) { (void)a; *p = malloc(n); return *p ? 0 : ENOMEM; }
        size_t malloc_usable_size(void *p) { return p ? ((size_t *)p)[-2] : 0; }""", "-shared", "-fPIC")
    compile_c("bad.so", """
        #include <stddef.h>
        void *malloc(size_t n) { return (void *)n; }
        void free(void *p) { (void)p; }
        void *calloc(size_t a, size_t b) { return malloc(a * b); }
        void *realloc(void *p, size_t n) { (void)p; return malloc(n); }""", "-shared", "-fPIC")
    rows = native(SHIPPED + "/cc.dmm", "--systems=poor=poor.so,bad=bad.so", status=1)
    assert rows["poor"]["failed_calls"] > 0 and rows["poor"]["outcome"] == "fine", rows["poor"]
    assert rows["bad"]["outcome"] == "crashed" and "SEGV" in rows["bad"]["why"], rows["bad"]
    assert rows["glibc"]["outcome"] == "fine"


def test_a_native_replay_prints_text_and_csv():
    r = run(DMM, "replay", *QUICK, "--systems=slab", "--over-time=3", SHIPPED + "/git.dmm")
    for word in ("calls/s", "p99.99", "glibc-again", "slab", "resident bytes over time"):
        assert word in r.stdout, r.stdout
    r = run(DMM, "replay", *QUICK, "--systems=slab", "--touch=none", "--no-latency", "--format=csv", SHIPPED + "/git.dmm")
    rows = list(csv.DictReader(r.stdout.splitlines()))
    assert [x["name"] for x in rows] == ["glibc", "glibc-again", "slab"], rows
    assert all(float(x["calls_per_s"]) > 0 and x["p50_ns"] == "" for x in rows), rows


def test_what_cannot_be_replayed_is_one_line():
    with open(SHIPPED + "/cc.dmm", "rb") as f:
        whole = bytearray(f.read())
    whole[5000] ^= 1
    open("damaged", "wb").write(whole)
    for trace in ("damaged", "/dev/null", "missing"):
        for mode in ("--model", "--peers=none"):
            r = run(DMM, "replay", mode, trace, status=1)
            assert r.stderr.count("\n") == 1 and trace in r.stderr and not r.stdout, r.stderr
    r = run(DMM, "replay", "--touch=al", SHIPPED + "/cc.dmm", status=2)
    assert "did you mean 'all'" in r.stderr, r.stderr
    r = run(DMM, "replay", "--systems=bins?fit:bset", SHIPPED + "/cc.dmm", *QUICK, status=2)
    assert "bset" in r.stderr, r.stderr


def test_the_393_threads_of_a_phones_process_are_replayed():
    """Where the traces of Android are beside the checkout; it is not part of it."""
    packed = SOURCE + "/../shared/traces/systemui.zip"
    if not os.path.exists(packed):
        print("     skipped: no", packed)
        return
    run(DMM, "import", "--from=android", "-o", "T", packed)
    want = info("T")
    rows = native("T", "--systems=bins,slab", "--no-latency")
    for name, row in rows.items():
        assert row["outcome"] == "fine" and row["failed_calls"] == 0, (name, row["why"])
        assert row["samples"][-1]["payload_bytes"] == want["live_bytes"], (name, row["samples"][-1])
    assert all(r["problem"] is None for r in model("T", "--systems=list,bins,gnu,segmeta,slab").values())


# ---- fidelity --------------------------------------------------------------------------------------

PEAK = """
#define _GNU_SOURCE
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
__attribute__((destructor)) static void tell(void) {
    const char *name = getenv("HEAP_PEAK");
    if (name == NULL || (stderr = fopen(name, "w")) == NULL) return;
    malloc_info(0, stderr);
    malloc_stats();
    fflush(stderr);
}"""


def last_number(text, key):
    tail = text.rsplit(key, 1)[1].strip(' ="')
    return int("".join(c for c in tail[:20].split('"')[0].split("\n")[0] if c.isdigit()))


def heap_peak():
    text = open("peak.txt").read()
    return last_number(text, '<system type="max" size="') + last_number(text, "max mmap bytes   =")


def test_a_replay_of_a_compiler_under_glibc_needs_the_heap_that_the_compiler_needed():
    """Both ask glibc what it had obtained at most: heap sections (malloc_info) and mappings (malloc_stats).

    The compiler is asked while it is recorded: its heap is not the same in every run, and grows in steps of 132 KiB,
    3.6 % of it.  With addresses that are not random both are the same to the byte; where a container forbids that,
    they may differ by three steps."""
    fixed = ["setarch", "-R"] if subprocess.run(["setarch", "-R", "true"], capture_output=True).returncode == 0 else []
    cc1 = run("cc", "-print-prog-name=cc1").stdout.strip()
    multi = run("cc", "-print-multiarch").stdout.strip()
    command = [*fixed, cc1, "-quiet", "-O2", "-std=gnu17", "-D_GNU_SOURCE", "-imultiarch", multi,
               "-I", SOURCE + "/include", "-I", SOURCE + "/src", SOURCE + "/src/system/chunk.c", "-o", "/dev/null"]
    compile_c("peak.so", PEAK, "-shared", "-fPIC")
    run(*command, env={**os.environ, "LD_PRELOAD": "./peak.so", "HEAP_PEAK": "peak.txt"})
    alone = heap_peak()
    run(*command, env={**os.environ, "LD_PRELOAD": BUILD + "/libdmm-record.so:./peak.so", "HEAP_PEAK": "peak.txt",
                       "DMM_RECORD": os.getcwd() + "/T"})
    recorded = heap_peak()
    trace = max((x for x in os.listdir(".") if x.startswith("T") and not x.endswith(".tape")), key=os.path.getsize)
    r = run(*fixed, DMM, "replay", "--format=json", *QUICK, "--systems=none", "--no-latency", trace)
    row = json.loads(r.stdout)["rows"][0]
    replayed = row["glibc_heap_max_bytes"] + row["glibc_mmap_max_bytes"]
    print(f"     the compiler's heap: {alone} bytes alone, {recorded} recorded, {replayed} replayed "
          f"({100 * (replayed / recorded - 1):+.2f} %)")
    assert abs(replayed / recorded - 1) < (0.03 if fixed else 0.12), (recorded, replayed)


main(globals())
