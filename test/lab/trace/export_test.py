#!/usr/bin/env python3
"""dmm export, from outside: other tools read the files and find the same figures.

usage: export_test.py BUILD SOURCE [WORD]   runs the tests whose name holds WORD
"""
import glob
import gzip
import json
import os
import re
import shutil
import sys

sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../support"))
from from_outside import DMM, SOURCE, compile_c, events, info, main, run, skip, write
from protobuf import fields, packed

RECORDINGS = SOURCE + "/test/recordings/"
VIEWER = glob.glob("/usr/libexec/valgrind/dh_view.js") + glob.glob("/usr/lib/valgrind/dh_view.js")

PROGRAM = """
    #include <stdlib.h>
    __attribute__((noinline)) void *inner(size_t n) { void *volatile p = malloc(n); return p; }
    __attribute__((noinline)) void *left(size_t n) { void *volatile p = inner(n); return p; }
    __attribute__((noinline)) void *right(size_t n) { void *volatile p = inner(n); return p; }
    int main(void) { void *volatile kept = left(1000);
        for (int i = 0; i < 10; i++) { void *volatile p = right(77); free(p); }
        void *volatile a = left(5000); free(a); (void)kept; return 0; }"""


def record(*options):
    program = compile_c("p", PROGRAM, "-fno-omit-frame-pointer", "-fno-optimize-sibling-calls")
    r = run(DMM, "record", *options, "-o", "T", "--", program)
    assert r.returncode == 0, r.stderr


def export(to, trace="T", *options):
    r = run(DMM, "export", "--to=" + to, *options, trace)
    assert r.returncode == 0, r.stderr
    return r.stdout


def folded(trace, what):
    total, stacks = 0, {}
    for line in export("folded", trace, "--what=" + what).splitlines():
        m = re.fullmatch(r"([^;]+(?:;[^;]+)*) (\d+)", line)  # what flamegraph.pl takes
        assert m, line
        stacks[m.group(1)] = int(m.group(2))
        total += int(m.group(2))
    return total, stacks


def test_folded_stacks_sum_to_what_info_says():
    for name in ("cc", "python3", "redis"):
        i = info(RECORDINGS + name + ".dmm")
        csv = events(RECORDINGS + name + ".dmm")
        asked = sum(int(e["size"]) for e in csv if e["kind"] in ("alloc", "resize"))
        assert folded(RECORDINGS + name + ".dmm", "allocated")[0] == asked
        assert folded(RECORDINGS + name + ".dmm", "leaked")[0] == i["live_bytes"]
        assert folded(RECORDINGS + name + ".dmm", "peak")[0] == i["peak_payload_bytes"]


def test_folded_stacks_go_from_main_to_the_call():
    record("--stacks=fp")
    _, stacks = folded("T", "allocated")
    found = {re.sub(r" \([^)]*\)", "", k): v for k, v in stacks.items()}
    assert any(k.endswith("main;right;inner") and v == 770 for k, v in found.items()), found
    assert any(k.endswith("main;left;inner") and v in (5000, 6000, 1000) for k, v in found.items()), found


def check_dhat(trace):
    """As docs of DHAT's format have it; then as its own viewer loads it."""
    i = info(trace)
    text = export("dhat", trace)
    d = json.loads(text)
    assert d["dhatFileVersion"] == 2 and d["bklt"] is True and d["bkacc"] is False
    for key, kind in (("mode", str), ("verb", str), ("tu", str), ("Mtu", str), ("tuth", int), ("cmd", str),
                      ("pid", int), ("tg", int), ("te", int)):
        assert isinstance(d[key], kind), key
    assert d["ftbl"][0] == "[root]" and len(set(d["ftbl"])) == len(d["ftbl"]) and d["tg"] <= d["te"]
    for pp in d["pps"]:
        assert pp["mb"] <= pp["tb"] and pp["gb"] <= pp["mb"] and pp["eb"] <= pp["tb"], pp
        assert pp["tbk"] > 0 and pp["tl"] <= pp["tbk"] * (d["te"] + 1), pp
        assert all(0 <= f < len(d["ftbl"]) for f in pp["fs"]) and pp["fs"], pp
    assert len({tuple(pp["fs"]) for pp in d["pps"]}) == len(d["pps"])  # the viewer refuses a repeated one
    assert sum(pp["eb"] for pp in d["pps"]) == i["live_bytes"]
    assert sum(pp["gb"] for pp in d["pps"]) == i["peak_payload_bytes"]
    if not VIEWER or not shutil.which("node"):
        skip("no dh_view.js of valgrind, or no node")
        return d
    write("dhat.json", text)
    r = run("node", SOURCE + "/test/lab/trace/dhat_view.js", VIEWER[0], "dhat.json")
    assert r.returncode == 0, r.stderr
    seen = json.loads(r.stdout)
    assert seen["bytes"] == sum(pp["tb"] for pp in d["pps"]) and seen["end"] == i["live_bytes"], seen
    assert seen["peak"] == i["peak_payload_bytes"], seen
    return d


def test_dhat_is_loaded_by_its_own_viewer():
    for name in ("cc", "redis"):
        check_dhat(RECORDINGS + name + ".dmm")
    record("--stacks=fp")
    d = check_dhat("T")
    names = [[d["ftbl"][f].split(" ")[1] for f in pp["fs"][:3]] for pp in d["pps"] if pp["tb"] == 770]
    assert names == [["inner", "right", "main"]], names


def test_dhat_of_an_import_without_times_counts_events():
    write("x.rep", "0\n2\n3\n1\na 0 8\na 1 8\nf 0\n")
    assert run(DMM, "import", "-o", "T", "x.rep").returncode == 0
    d = check_dhat("T")
    assert d["tu"] == "events" and d["te"] == 3 and d["pps"][0]["tl"] == 2 + 1, d


# ---- pprof: a reader of the format, enough of it, and Go's own ---------------------------------------

def read_pprof(path):
    with gzip.open(path) as f:
        parts = list(fields(f.read()))
    get = lambda number: [value for n, value in parts if n == number]
    strings = [s.decode() for s in get(6)]
    functions = {d[1]: (strings[d[2]], strings[d.get(4, 0)]) for d in (dict(fields(f)) for f in get(5))}
    locations = {}
    for one in get(4):
        pairs = list(fields(one))
        lines = [dict(fields(value)) for n, value in pairs if n == 4]
        locations[dict(pairs)[1]] = [functions[line[1]] for line in lines]
    types = [strings[dict(fields(t))[1]] for t in get(1)]
    samples = [dict(fields(s)) for s in get(2)]
    return types, [([name for i in packed(s.get(1, b"")) for name, _ in locations[i]],
                    dict(zip(types, packed(s[2])))) for s in samples]


def pprof(trace):
    r = run(DMM, "export", "--to=pprof", "-o", "T.pb.gz", trace)
    assert r.returncode == 0, r.stderr
    return read_pprof("T.pb.gz")


def test_pprof_sums_to_what_info_says():
    for name in ("cc", "python3", "redis"):
        trace = RECORDINGS + name + ".dmm"
        i = info(trace)
        asked = sum(int(e["size"]) for e in events(trace) if e["kind"] in ("alloc", "resize"))
        types, samples = pprof(trace)
        assert types == ["alloc_objects", "alloc_space", "inuse_objects", "inuse_space", "peak_objects", "peak_space"]
        total = {t: sum(values[t] for _, values in samples) for t in types}
        assert (total["alloc_space"], total["inuse_space"], total["peak_space"]) == \
            (asked, i["live_bytes"], i["peak_payload_bytes"]), total


def test_pprof_stacks_go_from_the_call_to_main():
    record("--stacks=fp")
    _, samples = pprof("T")
    stacks = {}
    for names, values in samples:  # main calls left from two places
        sums = stacks.setdefault(tuple(names[:3]), dict.fromkeys(values, 0))
        for key in values:
            sums[key] += values[key]
    right = stacks["inner", "right", "main"]
    assert (right["alloc_objects"], right["alloc_space"], right["inuse_objects"]) == (10, 770, 0), right
    left = stacks["inner", "left", "main"]
    assert (left["alloc_space"], left["inuse_space"], left["peak_space"]) == (6000, 1000, 6000), left


def test_go_s_pprof_reads_it():
    if shutil.which("go") is None:
        skip("go is not installed")
        return
    record("--stacks=fp")
    pprof("T")
    for words, want in ((["-sample_index=alloc_space", "-top"], r"6770B\s+100%.*\n?.* inner"),
                        (["-sample_index=inuse_space", "-traces"], r"1000B\s+inner\n\s+left\n\s+main"),
                        (["-raw"], r"PeriodType: space bytes")):
        r = run("go", "tool", "pprof", *words, "T.pb.gz")
        assert r.returncode == 0 and re.search(want, r.stdout), r.stdout + r.stderr


def test_csv_has_a_row_a_call_and_names_the_caller():
    record()
    rows = events("T")
    mine = [e for e in rows if e["function"].startswith("inner (p.c:")]
    assert [int(e["size"]) for e in mine] == [1000] + [77] * 10 + [5000], mine
    assert len(rows) == info("T")["events"]
    assert [int(e["ns"]) for e in rows] == sorted(int(e["ns"]) for e in rows)


def test_a_damaged_recording_is_exported_up_to_the_damage_and_exits_1():
    data = bytearray(open(RECORDINGS + "cc.dmm", "rb").read())
    open("cut", "wb").write(data[:len(data) * 2 // 3])
    data[len(data) // 2] ^= 1
    open("flipped", "wb").write(data)
    for name in ("cut", "flipped"):
        for to in ("csv", "folded", "dhat"):
            r = run(DMM, "export", "--to=" + to, name)
            assert r.returncode == 1 and "only the part before that is exported" in r.stderr and "offset " in r.stderr, r.stderr
            assert len(r.stdout) > 300, (name, to, r)
            if to == "dhat":
                json.loads(r.stdout)


def test_what_cannot_be_written_is_said():
    r = run(DMM, "export", "--to=csv", "-o", "/dev/full", RECORDINGS + "git.dmm")
    assert r.returncode == 125 and "/dev/full cannot be written" in r.stderr, r


main(globals())
