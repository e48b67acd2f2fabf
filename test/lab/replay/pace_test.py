#!/usr/bin/env python3
"""Replays at the recorded pace (--pace), and verdicts by memory on average or at the end (--by), from outside.

usage: pace_test.py BUILD [WORD]   runs the tests whose name holds WORD
"""
import json
import time

from replaying import DMM, QUICK, SHIPPED, compile_c, main, model, native, run

BURST = """
    #include <stdlib.h>
    #include <string.h>
    #include <unistd.h>
    enum { N = 150000 };
    static void *p[N];
    int main(void) {
        for (int i = 0; i < N; i++) memset(p[i] = malloc(250), 1, 250);
        for (int i = 0; i < N; i++) if (i % 64 != 0) free(p[i]);
        usleep(600000);
        for (int i = 0; i < 200; i++) free(malloc(100));
        return 0; }"""


def test_a_paced_replay_sees_what_comes_back_in_an_idle_time():
    program = compile_c("burst", BURST)
    run(DMM, "record", "-o", "T", "--", program)
    rows = native("T", "--pace", "--systems=slab", "--no-latency")
    glibc, slab = rows["glibc"]["paced"], rows["slab"]["paced"]
    assert glibc["peak_bytes"] > 30e6 and slab["peak_bytes"] > 30e6, rows
    assert glibc["end_bytes"] > 0.8 * glibc["peak_bytes"], glibc
    assert slab["end_bytes"] < 0.4 * slab["peak_bytes"], slab
    assert slab["mean_bytes"] < slab["peak_bytes"], slab # on a busy machine the mean may lie below the end
    model_slab = model("T", "--systems=slab")["slab"]
    assert abs(model_slab["end_footprint_bytes"] - slab["end_bytes"]) < 6e6, (model_slab["end_footprint_bytes"], slab)
    text = run(DMM, "replay", *QUICK, "--pace=2", "--systems=slab", "--no-latency", "T").stdout
    assert "memory at the recorded pace" in text and "2 times as fast as recorded" in text, text


def test_a_paced_replay_by_threads_takes_the_recordings_time():
    program = compile_c("two", """
        #include <pthread.h>
        #include <stdlib.h>
        #include <unistd.h>
        static void *work(void *arg) { for (int i = 0; i < 5; i++) { free(malloc(5000)); usleep(40000); } return arg; }
        int main(void) { pthread_t t; pthread_create(&t, 0, work, 0); work(0); pthread_join(t, 0); return 0; }""",
                        "-pthread")
    run(DMM, "record", "-o", "T", "--", program)
    began = time.monotonic()
    rows = native("T", "--pace=0.5", "--systems=none", "--no-latency")
    assert time.monotonic() - began > 2 * 0.2 / 0.5, "glibc twice, each at half the pace"
    assert rows["glibc"]["paced"]["peak_bytes"] >= 0, rows


def test_memory_on_average_or_at_the_end_is_judged_by_paced_runs():
    trace = SHIPPED + "/redis.dmm"
    for by in "mean", "end":
        r = run(DMM, "replay", f"--by={by}", "--format=json", *QUICK, "--runs=2", "--no-latency", trace)
        found = json.loads(r.stdout)
        assert found["verdict_by"] == f"{by}_rss_bytes" and found["pace"] == 1, found["verdict_by"]
        for row in found["rows"]:
            for key in ("mean", "end"):
                seen = row[f"{key}_rss_bytes"]
                assert 0 < seen["min"] <= seen["median"] <= seen["max"], row
            # the last run is one of the two
            assert row["mean_rss_bytes"]["min"] <= row["paced"]["mean_bytes"] <= row["mean_rss_bytes"]["max"], row
    r = run(DMM, "replay", "--by=mean", *QUICK, "--runs=2", "--no-latency", trace)
    assert "memory at the recorded pace, idle times included: 2 runs each of" in r.stdout, r.stdout
    r = run(DMM, "replay", "--by=peak", "--format=json", *QUICK, "--no-latency", trace)
    assert json.loads(r.stdout)["verdict_by"] == "peak_rss_bytes"
    r = run(DMM, "replay", "--by=mean", "--model", trace, status=2)
    assert "a model gives no verdict" in r.stderr, r.stderr


def test_a_pace_is_refused_where_there_is_none():
    with open("t.rep", "w") as f:
        f.write("20000000\n1\n2\n1\na 0 512\nf 0\n")
    run(DMM, "import", "--from=rep", "t.rep", "-o", "T")
    r = run(DMM, "replay", *QUICK, "--pace", "--systems=slab", "T", status=1)
    assert "it has no times, so it has no pace" in r.stderr, r.stderr
    for words in (("--pace=fast",), ("--pace=0",), ("--pace", "--model")):
        r = run(DMM, "replay", *words, "T", status=2)
        assert "--pace" in r.stderr, r.stderr


main(globals())
