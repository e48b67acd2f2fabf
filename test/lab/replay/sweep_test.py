#!/usr/bin/env python3
"""dmm sweep and dmm merge, from outside: jobs are planned and run, and one table is made of their results.

usage: sweep_test.py BUILD [WORD]   runs the tests whose name holds WORD
"""
import csv
import json
import os
import re

from replaying import DMM, SHIPPED, main, model, run


def plan(*options):
    r = run(DMM, "sweep", "--plan", *options)
    lines = r.stdout.splitlines()
    assert all(x.endswith(("# space", "# time: exclusive cores")) for x in lines), r.stdout
    return lines


def run_jobs(lines):
    for line in lines:
        run("sh", "-c", line)


def test_a_sweep_plans_each_cell_once_and_a_merge_makes_one_table():
    lines = plan(SHIPPED + "/cc.dmm", SHIPPED + "/git.dmm", "--systems=bins,gnu,slab", "--peers=none", "--repeat=2", "--warm=0",
                 "--conf-grid=fit:first|best,split_min:0|64")
    space = [x for x in lines if x.endswith("# space")]
    assert (len(space), len(lines)) == (2 * 9, 2 * (9 + 2 * 9)), lines
    assert len({x.split("--cell=")[1][:16] for x in lines}) == len(lines), "a hash came twice"
    lines = plan(SHIPPED + "/git.dmm", "--systems=bins,slab", "--peers=none", "--repeat=2", "--warm=0")
    run_jobs(lines)
    results = sorted("results/" + x for x in os.listdir("results"))
    assert len(results) == 6, results
    merged = json.loads(run(DMM, "merge", "--format=json", *results).stdout)
    assert [r["name"] for r in merged["space"][0]["rows"]] == ["bins", "slab"], merged["space"]
    rows = merged["time"][0]["rows"]
    assert [r["name"] for r in rows] == ["glibc", "glibc-again", "bins", "slab"], rows
    for row in rows[2:]:
        assert row["outcome"] == "fine" and row["loaded"] and len(row["runs"]) == 2, row
    cells = [c for c in (json.load(open(r)) for r in results) if c["cell"]["kind"] == "time" and c["rows"][2]["name"] == "bins"]
    ratios = [c["rows"][2]["runs"][0]["wall_s"] / c["rows"][0]["runs"][0]["wall_s"] for c in cells]
    assert abs(rows[2]["ratio"]["wall_s"]["median"] - sum(ratios) / 2) < 1e-4 * max(ratios), (rows[2]["ratio"], ratios)
    assert {json.load(open(r))["version"] for r in results} == {2, 3}  # of models and of times
    for r in results:  # those of the version before are read, too
        with open(r, "r+") as f:
            older = re.sub(r'("version": ?)3', r"\g<1>2", f.read(), count=1)
            f.seek(0)
            f.write(older)
    assert json.loads(run(DMM, "merge", "--format=json", *results).stdout) == merged
    text = run(DMM, "merge", *results).stdout
    assert "on simulated memory" in text and "2 cells each" in text and "No verdict" in text, text
    space = [r for r in results if json.load(open(r))["cell"]["kind"] == "space"]
    table = list(csv.DictReader(run(DMM, "merge", "--format=csv", *space).stdout.splitlines()))
    want = model(SHIPPED + "/git.dmm", "--systems=bins,slab")
    assert [int(x["footprint_bytes"]) for x in table] == [want[x["system"]]["peak"]["footprint_bytes"] for x in table]


def test_a_cell_that_is_done_is_not_done_again_and_a_torn_one_is():
    lines = plan(SHIPPED + "/git.dmm", "--systems=bins", "--peers=none", "--repeat=1", "--warm=0")
    open("jobs", "w").write("\n".join(lines) + "\n")
    run_jobs(lines[:1])
    result = "results/" + os.listdir("results")[0]
    was = os.stat(result).st_mtime_ns
    r = run("sh", "-c", lines[0])
    assert "is done already" in r.stderr and os.stat(result).st_mtime_ns == was, r.stderr
    r = run(DMM, "merge", "--jobs=jobs", result, status=1)
    assert "1 of 2 planned cells have no result yet" in r.stderr, r.stderr
    whole = open(result).read()
    open(result, "w").write(whole[:len(whole) // 2])
    r = run(DMM, "merge", result, status=1)
    assert "not JSON at offset" in r.stderr, r.stderr
    run("sh", "-c", lines[0])
    assert open(result).read() == whole, "a model is the same every time"
    run_jobs(lines)
    run(DMM, "merge", "--jobs=jobs", *("results/" + x for x in os.listdir("results")))


def test_a_cell_whose_recording_changed_fails():
    with open(SHIPPED + "/git.dmm", "rb") as f:
        open("T", "wb").write(f.read())
    lines = plan("T", "--systems=bins", "--peers=none", "--kind=space")
    run(DMM, "record", "-o", "T", "--", "true")
    r = run("sh", "-c", lines[0], status=1)
    assert "make a new plan" in r.stderr and not os.path.exists("results"), r.stderr


def test_a_merge_names_what_is_no_result():
    open("a.json", "w").write('{"schema": "dmm-replay", "version": 2}')
    open("b.json", "w").write('{"cell": {"hash": "0", "kind": "time"}, "schema": "dmm-replay", "version": 1}')
    open("c.json", "w").write('{"cell": {"hash": "0", "kind": "space"}, "schema": "dmm-replay-model", "version": 2, "rows": 7}')
    open("d.json", "w").write("[" * 100000)
    r = run(DMM, "merge", "a.json", "b.json", "c.json", "d.json", "missing.json", status=1)
    for word in ("a.json: not the result of a cell", "b.json: 'dmm-replay': another version", "c.json: 0 rows",
                 "d.json: not JSON", "missing.json: No such file", "no file holds the result"):
        assert word in r.stderr, (word, r.stderr)
    r = run(DMM, "sweep", SHIPPED + "/git.dmm", status=2)
    assert "--plan" in r.stderr
    r = run(DMM, "sweep", "--plan", "--conf-grid=fot:best", SHIPPED + "/git.dmm", status=2)
    assert "did you mean 'fit'" in r.stderr, r.stderr


main(globals())
