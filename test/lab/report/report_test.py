#!/usr/bin/env python3
"""dmm report without a browser: what a page holds, how large it is, and what bad input is told.

usage: report_test.py BUILD [WORD]   runs the tests whose name holds WORD
"""
import base64
import html.parser
import json
import os
import re
import struct
import subprocess
import sys
import tempfile
import zlib

BUILD = os.path.abspath(sys.argv[1])
DMM = BUILD + "/dmm"
RECORDINGS = os.path.dirname(os.path.abspath(__file__)) + "/../../recordings"
LIMIT = 8 << 20
WIDTH = {"u8": 1, "u16": 2, "u32": 4, "f32": 4, "f64": 8}
CODE = {"u8": "B", "u16": "H", "u32": "I", "f32": "f", "f64": "d"}


def run(*args, **kw):
    return subprocess.run(args, capture_output=True, text=True, timeout=300, **kw)


def report(trace, to, *options):
    """Without measuring, unless asked: a run takes time."""
    return run(DMM, "report", trace, "-o", to, "--runs=0", *options)


def page_of(name, *options):
    with tempfile.TemporaryDirectory() as folder:
        r = report(f"{RECORDINGS}/{name}.dmm", folder + "/p.html", *options)
        assert r.returncode == 0, r.stderr
        assert os.listdir(folder) == ["p.html"], "something was left behind"
        return open(folder + "/p.html", encoding="utf-8").read()


def tile(page, name):
    m = re.search(rf'id="{name}" data-type="(\w+)" data-n="(\d+)">([^<]*)<', page)
    assert m, f"no tile {name}"
    kind, n = m[1], int(m[2])
    ranked = zlib.decompress(base64.b64decode(m[3]))
    assert len(ranked) == n * WIDTH[kind]
    data = bytes(ranked[b * n + i] for i in range(n) for b in range(WIDTH[kind]))
    return struct.unpack(f"<{n}{CODE[kind]}", data)


def meta(page):
    return json.loads(re.search(r'id="dmm">(.*?)</script>', page, re.S)[1])


class Shape(html.parser.HTMLParser):
    """Every element that opens closes, in order; ids are unique."""
    VOID = {"meta", "link", "br", "input", "hr", "img", "rect", "path", "circle", "image", "col"}

    def __init__(self):
        super().__init__()
        self.open, self.ids, self.count = [], set(), {}

    def handle_starttag(self, tag, attrs):
        self.count[tag] = self.count.get(tag, 0) + 1
        for k, v in attrs:
            if k == "id":
                assert v not in self.ids, f"two elements have the id {v}"
                self.ids.add(v)
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.count[tag] = self.count.get(tag, 0) + 1

    def handle_endtag(self, tag):
        if tag in self.VOID:
            return
        assert self.open and self.open[-1] == tag, f"</{tag}> closes {self.open[-1:]}"
        self.open.pop()


def test_a_page_is_sound_html_with_every_section_and_no_address_outside():
    page = page_of("sqlite3")
    shape = Shape()
    shape.feed(page)
    assert shape.open == [], shape.open
    for section in ("verdict", "scores", "series", "gap", "map", "classes", "lives", "sites", "pins", "about"):
        assert section in shape.ids, section
    assert shape.count["table"] >= 4 and shape.count["svg"] >= 4, shape.count
    body = re.sub(r"<script.*?</script>", "", page, flags=re.S)
    assert "http:" not in body and "https:" not in body, re.search(r".{40}https?:.{40}", body)[0]
    assert "default-src 'none'" in page
    assert len(page) < LIMIT


def test_the_parts_of_every_sample_sum_to_its_footprint():
    page = page_of("python3", "--systems=slab,gnu,bins,segmeta,list,dlist,pad,minimal,vm,segdata")
    m = meta(page)
    assert [d["problem"] for d in m["designs"]] == [None] * 10, m["designs"]
    stride = 4 + len(m["parts"])
    for i, d in enumerate(m["designs"]):
        series = tile(page, f"d{i}-series")
        assert len(series) == d["samples"] * stride
        for at in range(0, len(series), stride):
            events, _, footprint, hole = series[at:at + 4]
            assert sum(series[at + 4:at + stride]) == footprint, (d["name"], events)
            assert hole <= footprint
            assert footprint <= d["peak"] * 1.03, (d["name"], events, footprint, d["peak"])


def test_the_map_agrees_with_the_series():
    page = page_of("redis", "--systems=bins,gnu")
    m = meta(page)
    stride = 4 + len(m["parts"])
    for i, d in enumerate(m["designs"]):
        live, owned = tile(page, f"d{i}-live"), tile(page, f"d{i}-owned")
        series = tile(page, f"d{i}-series")
        assert len(live) == len(owned) == d["rows"] * d["samples"]
        assert all(a <= b for a, b in zip(live, owned))
        for x in range(d["samples"]):
            rows = owned[x * d["rows"]:(x + 1) * d["rows"]]
            drawn = sum(rows) / 255 * d["granule"]
            footprint = series[x * stride + 2]
            # a cell tells its share in steps of 1/255, rounded down but never to nothing
            slack = sum(r > 0 for r in rows) * d["granule"] / 255 + 8192
            assert abs(drawn - footprint) <= slack, (d["name"], x, drawn, footprint)


def test_blocks_lie_in_the_map_and_in_time():
    page = page_of("cc", "--systems=gnu")
    m = meta(page)
    d = m["designs"][0]
    at, size, born, died = (tile(page, f"d0-block-{k}") for k in ("at", "size", "born", "died"))
    site = tile(page, "d0-block-site")
    assert len(at) == len(site) > 100
    assert all(0 <= a and a + s <= d["rows"] * d["granule"] for a, s in zip(at, size))
    assert all(b <= e <= m["events"] for b, e in zip(born, died))
    area = [s * (e - b) for s, b, e in zip(size, born, died)]
    assert area == sorted(area, reverse=True)
    assert 0 < d["blocks_cover"] <= 1
    assert any(site), "no block knows its call site"


def test_call_sites_sum_to_what_is_live():
    page = page_of("cc", "--systems=gnu")
    m = meta(page)
    held = tile(page, "site-bytes")
    n = len(tile(page, "site-node"))
    for k, moment in enumerate(m["moments"]):
        got = sum(held[k * n:(k + 1) * n])
        assert abs(got - moment["payload"]) <= 1e-5 * moment["payload"] + 1, (moment, got)
    assert any(x["name"] == "peak" for x in m["moments"]) and m["moments"][-1]["name"] == "end"


def test_two_runs_differ_in_nothing_but_their_dates():
    def still(page):
        return re.sub(r"Page made</dt><dd>[^<]*", "", page)
    assert still(page_of("git")) == still(page_of("git"))


def test_settings_of_a_design_and_hostile_names_are_told_and_escaped():
    page = page_of("git", "--systems=gnu?reuse:links,bins")
    assert meta(page)["designs"][0]["name"] == "gnu?reuse:links"
    with tempfile.TemporaryDirectory() as folder:
        trace = folder + "/t"
        r = run(DMM, "record", "-o", trace, "--", "/bin/echo", "</script><b>&\"")
        assert r.returncode == 0, r.stderr
        r = report(trace, folder + "/p.html")
        assert r.returncode == 0, r.stderr
        page = open(folder + "/p.html", encoding="utf-8").read()
        assert "<b>&\"" not in page
        Shape().feed(page)
        meta(page)


def cost_of(folder, calls):
    """A page of so many calls: its bytes, and the most memory that a process of the command had, in KiB."""
    trace, to = f"{folder}/t{calls}", f"{folder}/p{calls}.html"
    subprocess.run([BUILD + "/test/make_recording", str(calls), trace], check=True)
    args = [DMM, "report", trace, "-o", to, "--runs=0", "--systems=gnu,segmeta"]
    pid = os.posix_spawn(DMM, args, os.environ, file_actions=[(os.POSIX_SPAWN_OPEN, 2, "/dev/null", os.O_WRONLY, 0)])
    _, status, usage = os.wait4(pid, 0)
    assert status == 0
    return os.path.getsize(to), usage.ru_maxrss


def test_a_million_calls_take_no_more_room_than_a_fifth_of_them():
    with tempfile.TemporaryDirectory() as folder:
        few, few_kib = cost_of(folder, 200000)
        many, many_kib = cost_of(folder, 1000000)
        assert many < LIMIT and many < 2 * few, (few, many)
        assert many_kib < few_kib * 1.5 + 16384, (few_kib, many_kib)


def test_measured_figures_stand_beside_the_model_s():
    page = page_of("git", "--runs=2", "--warm=0", "--systems=gnu,bins", "--peers=none")
    m = meta(page)
    assert [x["name"] for x in m["measured"]] == ["glibc", "gnu", "bins"], m["measured"]
    for x in m["measured"]:
        series = tile(page, f"m{x['tile']}-series")
        calls = series[0::5]
        assert list(calls) == sorted(calls) and calls[-1] <= m["events"]
        assert all(p <= u for p, u in zip(series[2::5], series[3::5])), x["name"]
        assert max(series[2::5]) <= m["peak_payload"]
    assert "glibc again" in page
    assert "true median with a probability of 50 %." in page, "two runs give no more than that"
    Shape().feed(page)


def test_every_command_tells_the_same_memory():
    """One model: replay, advise and report, peak, mean and end, to the byte."""
    for name in ("cc", "git", "redis", "python3", "sqlite3"):
        trace = f"{RECORDINGS}/{name}.dmm"
        r = run(DMM, "replay", "--model", "--format=json", trace, "--systems=slab,gnu")
        assert r.returncode == 0, r.stderr
        wanted = {x["name"]: (x["peak"]["footprint_bytes"], round(x["mean_footprint_bytes"]), x["end_footprint_bytes"])
                  for x in json.loads(r.stdout)["rows"]}
        r = run(DMM, "advise", "--format=json", trace)
        assert r.returncode == 0, r.stderr
        advised = {x["system"]: (x["peak_footprint_bytes"], round(x["mean_footprint_bytes"]), x["end_footprint_bytes"])
                   for x in json.loads(r.stdout)["choices"] if not x["settings"]}
        # advise has glibc's cache before gnu: up to 7 objects of each of 64 sizes, and a step by which the heap grows
        most = sum(7 * chunk for chunk in range(32, 1041, 16)) + (128 << 10)
        near = all(abs(a - b) <= most for a, b in zip(advised.pop("gnu"), wanted["gnu"]))
        assert near and advised == {"slab": wanted["slab"]}, (name, advised, wanted)
        page = {d["name"]: (d["peak"], round(d["mean"]), d["end"]) for d in meta(page_of(name))["designs"]}
        assert page == wanted, (name, page, wanted)


def test_tune_merge_and_show_tell_it_too():
    trace = f"{RECORDINGS}/sqlite3.dmm"
    r = run(DMM, "replay", "--model", "--format=json", trace, "--systems=slab,gnu")
    replayed = json.loads(r.stdout)
    with tempfile.TemporaryDirectory() as folder:
        r = run(DMM, "tune", "--format=json", trace, "-o", folder + "/found.conf")
        assert r.returncode == 0, r.stderr
        system, = json.loads(r.stdout)["systems"]
        assert system["settings"] != "", "nothing was found, so that nothing is compared"
        r = run(DMM, "replay", "--model", "--format=json", trace, f"--systems=slab,slab?{system['settings']}")
        for x, found in zip(json.loads(r.stdout)["rows"], (system["as_it_comes"], system["tuned"])):
            for key in ("mean_footprint_bytes", "end_footprint_bytes"):
                assert x[key] == found[0][key], (x["name"], key, x[key], found)
            # tune's last look at slab's tables was before its peak
            assert 0 <= x["peak"]["footprint_bytes"] - found[0]["peak_footprint_bytes"] <= x["peak"]["headers"], found
        jobs = run(DMM, "sweep", "--plan", "--kind=space", "--systems=slab,gnu", "--peers=none", f"--results={folder}", trace)
        subprocess.run(["/bin/sh"], input=jobs.stdout, text=True, check=True, capture_output=True)
        r = run(DMM, "merge", "--format=json", *(f"{folder}/{x}" for x in os.listdir(folder) if x.endswith(".json")))
        merged = {x["name"]: x for x in json.loads(r.stdout)["space"][0]["rows"]}
        for x in replayed["rows"]:
            for key in ("peak", "mean_footprint_bytes", "end_footprint_bytes"):
                assert merged[x["name"]][key] == x[key], (key, merged[x["name"]][key], x[key])
    # A picture shows what lies in the heap, without the page that the design keeps its own state in.
    r = run(DMM, "show", "--system=gnu", f"--at={replayed['events']}", trace)
    end = next(x for x in replayed["rows"] if x["name"] == "gnu")["end_footprint_bytes"]
    shown = int(re.search(r"footprint (\d+)\sKiB", r.stdout)[1])
    assert 0 <= end / 1024 - shown <= 4.5, (end, r.stdout[:600])


def test_the_sentences_of_a_page_agree_with_its_table():
    for name in ("cc", "git", "python3"):
        page = page_of(name)
        designs = {d["name"]: d for d in meta(page)["designs"]}
        text = re.sub(r"<[^>]*>", "", page)
        best = re.search(r"(\w+) takes the least memory on average: .*", text)
        for key, words in ("peak", "At its peak"), ("end", "At the end"):
            least = min(designs, key=lambda n: designs[n][key])
            said = re.search(words + r", (\w+) holds less", best[0])
            if designs[least][key] < designs[best[1]][key]:
                assert said and said[1] == least, (name, key, best[0])
            else:
                assert not said, (name, key, best[0])
        for design in designs: # the end is told three times
            ends = set(re.findall(rf"\b{design}\b[^.]*?: [\d.]+ \wi?B on average, [\d.]+ \wi?B at its peak, ([\d.]+ \wi?B) at the end", text))
            ends |= set(re.findall(rf"\b{design}: ([\d.]+ \wi?B) at the end, of which", text))
            assert len(ends) == 1, (name, design, ends)


def test_the_time_in_which_objects_are_freed_is_that_of_the_freed_ones():
    with tempfile.TemporaryDirectory() as folder:
        for frees, words in ((2, r"<b>20 %</b> of 10 objects are freed within 16 calls; 8 \(80\.0 %\), "),
                             (0, r'class="says">10 \(100\.0 %\), ')):
            calls = [f"a {i} 64" for i in range(10)] + [f"f {i}" for i in range(frees)]
            with open(folder + "/t.rep", "w") as f:
                f.write("\n".join(["1000", "10", str(len(calls)), "1", *calls]) + "\n")
            assert run(DMM, "import", "--from=rep", folder + "/t.rep", "-o", folder + "/t.dmm").returncode == 0
            r = run(DMM, "report", folder + "/t.dmm", "--runs=0", "-o", folder + "/p.html")
            assert r.returncode == 0, r.stderr
            page = open(folder + "/p.html", encoding="utf-8").read()
            lives = page[page.index('<section id="lives">'):]
            assert re.search(words, lives[:lives.index("</p>")]), (frees, lives[:300])


def test_the_page_begins_with_what_is_wrong():
    page = page_of("cc")
    assert page.index("What is wrong") < page.index("takes the least memory") < page.index("Scoreboard")
    assert {d["name"] for d in meta(page)["designs"]} == {"slab", "gnu"}, "designs for study come on request"
    assert {d["name"] for d in meta(page_of("cc", "--study"))["designs"]} == {"slab", "gnu", "bins", "segmeta"}


def names_in(page):
    told = re.search(r'<p class="note" id="designs">(.*?)</p>', page)
    return re.sub(r"<[^>]*>", "", told[1]).replace("&#8217;", "'") if told else ""


def test_the_page_says_what_the_names_of_its_designs_mean():
    page = page_of("git")
    told = names_in(page)
    assert told.startswith("slab is dmm's own allocator: size classes in slabs"), told
    assert "gnu is the model of glibc's malloc in the lecture on memory managers whose designs are part of dmm: " in told, told
    assert page.index('id="designs"') < page.index("Scoreboard")
    told = names_in(page_of("git", "--systems=bins,gnu?reuse:links,gnu"))
    assert told.startswith("bins is a design of the lecture on memory managers whose designs are part of dmm: "), told
    assert told.count("gnu is the model of glibc's malloc in the lecture: ") == 1, told


def test_peaks_are_those_of_replay():
    r = run(DMM, "replay", "--model", "--format=json", "--samples=2", RECORDINGS + "/cc.dmm", "--systems=slab,gnu,bins,list,vm")
    assert r.returncode == 0, r.stderr
    wanted = {x["name"]: x["peak"]["footprint_bytes"] for x in json.loads(r.stdout)["rows"]}
    got = {d["name"]: d["peak"] for d in meta(page_of("cc", "--systems=slab,gnu,bins,list,vm"))["designs"]}
    assert got == wanted, (got, wanted)


def test_a_comparison_makes_a_page_with_times_and_heap():
    with tempfile.TemporaryDirectory() as folder:
        to = folder + "/p.html"
        with open(folder + "/in", "w") as f:
            f.write("beta\nalpha\n" * 1000)
        with open(folder + "/in") as f:
            r = run(DMM, "compare", "--runs=2", "--warm=0", "--systems=gnu,bins", "--peers=none", f"--report={to}", "--",
                    "sort", stdin=f, env={**os.environ, "TMPDIR": folder})
        assert r.returncode == 0, r.stderr
        page = open(to, encoding="utf-8").read()
        Shape().feed(page)
        m = meta(page)
        assert [d["name"] for d in m["designs"]] == ["gnu", "bins"] and m["events"] > 0
        assert "2 runs of the program itself" in page and "<h1>sort" in page
        assert page.count("50 % interval</span>") == 2
        assert "gnu is the model of glibc's malloc" in names_in(page)
        assert sorted(os.listdir(folder)) == ["in", "p.html"], os.listdir(folder)


def test_a_comparison_of_what_cannot_be_recorded_has_its_scoreboard():
    with tempfile.TemporaryDirectory() as folder:
        static = folder + "/static"
        with open(folder + "/s.c", "w") as f:
            f.write("#include <stdlib.h>\nint main(void) { free(malloc(1)); return 0; }\n")
        if run("cc", "-static", "-o", static, folder + "/s.c").returncode != 0:
            return
        r = run(DMM, "compare", "--runs=1", "--warm=0", "--systems=none", "--peers=none", f"--report={folder}/p.html", "--", static)
        assert "scoreboard" in r.stderr, r.stderr
        page = open(folder + "/p.html", encoding="utf-8").read()
        Shape().feed(page)
        assert 'id="scores"' in page and 'id="series"' not in page and names_in(page) == ""
        assert " 1 run of the program itself on each" in page
        assert "interval" not in page[page.index('id="scores"'):page.index("</table>")], "of one run"
    r = run(DMM, "compare", "--report=/nowhere/p.html", "--", "true")
    assert r.returncode == 125 and "/nowhere/p.html" in r.stderr


def refused(status, words, *args, **kw):
    r = run(DMM, "report", *args, **kw)
    lines = r.stderr.strip().split("\n")
    assert r.returncode == status, (r.returncode, r.stdout + r.stderr)
    assert len(lines) == 1 and lines[0].startswith("dmm: "), r.stderr
    for word in words:
        assert word in lines[0], (word, lines[0])


def test_what_is_no_recording_is_told_in_one_sentence():
    with tempfile.TemporaryDirectory() as folder:
        open(folder + "/empty", "w").close()
        refused(1, ["empty"], folder + "/empty", "-o", folder + "/p.html")
        refused(1, ["nothing"], folder + "/nothing", "-o", folder + "/p.html")
        open(folder + "/text", "w").write("hello\n" * 100)
        refused(1, ["text"], folder + "/text", "-o", folder + "/p.html")
        refused(2, ["no recording is given"])
        refused(2, ["no page is named"], RECORDINGS + "/git.dmm")
        refused(2, ["'bons'", "bins"], RECORDINGS + "/git.dmm", "-o", folder + "/p.html", "--systems=bons")
        assert sorted(os.listdir(folder)) == ["empty", "text"]


def test_a_silent_recording_says_why():
    with tempfile.TemporaryDirectory() as folder:
        trace = folder + "/t"
        run(DMM, "record", "-o", trace, "--", "/bin/busybox" if os.path.exists("/bin/busybox") else "/sbin/ldconfig", "-p")
        if os.path.exists(trace):
            r = report(trace, folder + "/p.html")
            if r.returncode != 0:
                assert "no calls are recorded" in r.stderr, r.stderr
                assert not os.path.exists(folder + "/p.html")


def test_what_cannot_be_written_is_told_before_the_work():
    trace = RECORDINGS + "/git.dmm"
    refused(125, ["/nowhere/p.html"], trace, "-o", "/nowhere/p.html")
    refused(125, ["/dev/full"], trace, "-o", "/dev/full")
    with tempfile.TemporaryDirectory() as folder:
        refused(125, [folder, "not a file"], trace, "-o", folder)


def test_a_damaged_recording_gives_a_page_that_says_so_or_one_sentence():
    with tempfile.TemporaryDirectory() as folder:
        whole = open(RECORDINGS + "/redis.dmm", "rb").read()
        for cut in (64, 100, len(whole) // 2, len(whole) - 10):
            trace, to = f"{folder}/cut{cut}", f"{folder}/p{cut}.html"
            open(trace, "wb").write(whole[:cut])
            r = report(trace, to, "--systems=gnu")
            assert r.returncode in (0, 1), r.stderr
            assert "dmm: " in r.stderr
            if os.path.exists(to):
                page = open(to, encoding="utf-8").read()
                Shape().feed(page)
                assert 'class="warn"' in page
            else:
                assert r.returncode == 1
        told = 0
        for at in range(200, len(whole), len(whole) // 6):
            trace, to = f"{folder}/bad{at}", f"{folder}/bad{at}.html"
            open(trace, "wb").write(whole[:at] + bytes([whole[at] ^ 0x55]) + whole[at + 1:])
            r = report(trace, to, "--systems=gnu")
            assert r.returncode in (0, 1), (at, r.returncode, r.stdout + r.stderr)
            told += r.returncode == 1
            if os.path.exists(to):
                Shape().feed(open(to, encoding="utf-8").read())
        assert told >= 5, "only in the first block is there text alone"


def test_a_design_that_takes_too_long_is_a_line_in_the_page():
    page = page_of("cc", "--systems=gnu,vm", "--limit=0.001")
    problems = [d["problem"] for d in meta(page)["designs"]]
    assert any(p and "stopped after" in p for p in problems), problems
    Shape().feed(page)


def main():
    word = sys.argv[2] if len(sys.argv) > 2 else ""
    tests = [(n, f) for n, f in list(globals().items()) if n.startswith("test_") and word in n]
    assert tests, f"no test has {word} in its name"
    failed = 0
    for name, test in tests:
        try:
            test()
            print("ok  ", name[5:].replace("_", " "))
        except Exception as e:  # the others still run
            failed += 1
            print("FAIL", name[5:].replace("_", " "), f"\n     {type(e).__name__}: {e}")
    print(f"{len(tests) - failed} of {len(tests)} hold")
    return failed != 0


sys.exit(main())
