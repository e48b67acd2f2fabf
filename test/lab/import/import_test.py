#!/usr/bin/env python3
"""dmm import, from outside: each format as its own tool writes it, and what is damaged or hostile.

usage: import_test.py BUILD SOURCE [WORD]   runs the tests whose name holds WORD
"""
import gzip
import os
import re
import resource
import shutil
import stat
import sys
import zipfile

sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../support"))
from from_outside import DMM, SOURCE, calls, compile_c, events, info, main, run, skip, write

MALLOC, CALLOC, MEMALIGN, REALLOC, FREE = "malloc", "calloc", "memalign", "realloc", "free"
ANDROID_TRACES = SOURCE + "/../../shared/traces", SOURCE + "/../shared/traces"


def convert(name, *options):
    r = run(DMM, "import", "-o", "T", *options, name)
    assert r.returncode == 0, r.stderr
    return r.stderr


# ---- malloc labs ----------------------------------------------------------------------------

REP_BODY = "a 0 512\na 1 128\nr 0 640\na 2 128\nf 1\nr 0 300\nf 0\nf 2\nf -1\n"
REP_CALLS = [(MALLOC, 512), (MALLOC, 128), (REALLOC, 640), (MALLOC, 128), (FREE, 0), (REALLOC, 300),
             (FREE, 0), (FREE, 0), (FREE, 0)]


def test_rep_with_either_header_gives_the_same_calls():
    for header in ("20000\n3\n9\n1\n", "1\n3\n9\n8192\n", "20000 3 9 1\n"):
        convert(write("x.rep", header + REP_BODY))
        assert calls() == REP_CALLS, calls()
        got = events()
        assert got[0]["address"] == got[2]["old"] != got[2]["address"]
        assert got[2]["address"] == got[5]["old"] == got[5]["address"] == got[6]["address"]  # it shrank
        assert got[8]["address"] == "0x0"
        i = info()
        assert i["live_objects"] == 0 and i["foreign_frees"] == 0 and i["peak_payload_bytes"] == 640 + 256
        assert i["seconds"] is None


def test_rep_lines_without_a_size_are_said_and_taken_as_0():
    said = convert(write("x.rep", "0\n2\n4\n1\na 0\nr 0 10\nf 0\na 1\n"))
    assert calls() == [(MALLOC, 0), (REALLOC, 10), (FREE, 0), (MALLOC, 0)]
    assert "2 lines without a size were taken as 0 bytes" in said, said


def test_rep_of_dos_and_of_courses_with_calloc_and_writes_is_read():
    convert(write("x.rep", "0\r\n2\r\n4\r\n1\r\nc 0 10\r\nw 0 4\r\nr 7 5\r\nf 0\r\n"))
    assert calls() == [(CALLOC, 10), (REALLOC, 5), (FREE, 0)]


# ---- Android --------------------------------------------------------------------------------

def test_android_of_both_ages_keeps_threads_order_and_times():
    convert(write("old", "10: malloc 0x1000 24\n11: free 0x1000\n10: calloc 0x1000 3 8\n10: realloc 0x2000 0x1000 99\n"
                  "11: memalign 0x3000 64 7\n10: realloc 0x0 0x2000 0\n10: free 0x0\n"))
    got = events()
    assert calls() == [(MALLOC, 24), (FREE, 0), (CALLOC, 24), (REALLOC, 99), (MEMALIGN, 7), (REALLOC, 0), (FREE, 0)]
    assert [e["thread"] for e in got] == ["1", "2", "1", "1", "2", "1", "1"]
    assert got[4]["align"] == "64" and info()["seconds"] is None
    assert info()["foreign_frees"] == 0 and info()["live_bytes"] == 7
    convert(write("new", "10: malloc 0x1000 24 5000000 5000300\n11: free 0x1000 6000000 6000100\n"
                  "10: thread_done 0x0 6000200\n10: malloc 0x1000 1 7000000 7000050\n"))
    got = events()
    assert [int(e["ns"]) for e in got] == [300, 1000000, 2000050], got
    assert [e["thread"] for e in got] == ["1", "2", "3"]  # the tid came back after its end


def test_android_is_read_out_of_gzip_zstd_and_zip():
    text = "".join(f"{i % 7}: malloc {hex(0x10000 + 32 * i)} {i}\n" for i in range(5000))
    write("plain", text)
    with gzip.open("x.gz", "wt") as f:
        f.write(text)
    with zipfile.ZipFile("x.zip", "w", zipfile.ZIP_DEFLATED) as z:
        z.writestr("recorded.txt", text)
    names = ["plain", "x.gz", "x.zip"]
    if shutil.which("zstd"):
        run("zstd", "-q", "plain")
        names.append("plain.zst")
    for name in names:
        convert(name)
        assert info()["events"] == 5000 and info()["threads"] == 7, name
    r = run(DMM, "import", "-o", "T", "-", input=text)
    assert r.returncode == 0 and info()["events"] == 5000, r.stderr


def test_android_s_own_traces_give_their_known_numbers():
    for name, count, threads in (("systemui", 786097, 393), ("surfaceflinger", 2455239, 15)):
        found = [f"{d}/{name}.zip" for d in ANDROID_TRACES if os.path.exists(f"{d}/{name}.zip")]
        if not found:
            skip(f"no {name}.zip")
            continue
        convert(found[0])
        i = info()
        assert (i["events"], i["threads"], i["foreign_frees"], i["missed_frees"]) == (count, threads, 0, 0), i


# ---- mtrace ---------------------------------------------------------------------------------

MTRACED = """
    #include <mcheck.h>
    #include <stdlib.h>
    #include <malloc.h>
    __attribute__((noinline)) void *made_here(size_t n) { void *volatile p = malloc(n); return p; }
    int main(void) { mtrace();
        void *volatile a = made_here(10); a = realloc(a, 100000);
        void *volatile b = calloc(3, 5); void *volatile c = realloc(0, 7); void *volatile d = malloc(0);
        free(d); d = memalign(64, 100); free(a); free(0);
        void *volatile big = realloc(b, (size_t)1 << 62); (void)big; (void)c;
        muntrace(); return 0; }"""


def test_mtrace_of_a_real_program_gives_its_calls_and_names_its_functions():
    for flags in ((), ("-no-pie",)):
        program = compile_c("m", MTRACED, *flags)
        env = dict(os.environ, MALLOC_TRACE="log of m", LD_PRELOAD="libc_malloc_debug.so.0")
        r = run(program, env=env)
        assert r.returncode == 0, r
        convert("log of m")
        assert calls() == [(MALLOC, 10), (REALLOC, 100000), (MALLOC, 15), (MALLOC, 7), (MALLOC, 0), (FREE, 0),
                           (MALLOC, 100), (FREE, 0), (REALLOC, 1 << 62)], calls()
        i = info()
        assert i["live_bytes"] == 15 + 7 + 100 and i["foreign_frees"] == 0, i
        assert all(s["stack"][0].startswith("main (m.c:") for s in i["never_freed"]), i["never_freed"]
        folded = run(DMM, "export", "--to=folded", "T").stdout
        assert re.search(r"^made_here \(m\.c:5\) 10$", folded, re.M), folded


def test_mtrace_without_the_program_keeps_the_names_that_it_has():
    convert(write("log", "= Start\n@ /gone/a prog:(main+0x27)[0x11e6] + 0xee112a0 0xa\n"
                  "@ /gone/a prog:[0x11f0] + 0xee112c0 0xb\n+ 0xee112e0 0xc\n"))
    leaks = {s["bytes"]: s["stack"] for s in info()["never_freed"]}
    assert leaks[10] == ["main+0x27 (a prog)"] and leaks[11] == ["a prog+0x11ef"] and leaks[12] == [], leaks


# ---- heaptrack ------------------------------------------------------------------------------

HEAPTRACKED = """
    #include <stdlib.h>
    __attribute__((noinline)) void *deep(size_t n) { void *volatile p = malloc(n); return p; }
    __attribute__((noinline)) void *shallow(size_t n) { void *volatile p = deep(n); return p; }
    int main(void) { void *volatile kept[20];
        for (int i = 0; i < 1000; i++) { void *volatile p = shallow(33); free(p); }
        for (int i = 0; i < 20; i++) kept[i] = deep(1000); (void)kept; return 0; }"""


def test_heaptrack_raw_and_interpreted_give_the_figures_of_heaptrack_itself():
    if not shutil.which("heaptrack"):
        skip("no heaptrack")
        return
    program = compile_c("h", HEAPTRACKED)
    for options in (("--raw",), ()):
        r = run("heaptrack", *options, "-o", "x", program)
        assert r.returncode == 0, r
        name = "x.raw.zst" if options else "x.zst"
        said = convert(name)
        assert ("it was interpreted" in said) == (not options), said
        i = info()
        assert i["calls"]["malloc"] >= 1020 and i["calls"]["free"] >= 1000 and i["foreign_frees"] == 0, i
        kept = [s for s in i["never_freed"] if s["bytes"] == 20000]
        assert len(kept) == 1 and kept[0]["objects"] == 20, i["never_freed"]
        names = [f.split(" ")[0] for f in kept[0]["stack"]]
        assert names[:2] == ["deep", "main"], names
        folded = run(DMM, "export", "--to=folded", "T").stdout
        assert re.search(r"main \(h\.c:\d+\);shallow \(h\.c:\d+\);deep \(h\.c:\d+\) 33000$", folded, re.M), folded
        if not options:  # the interpreter counts too
            total = run("heaptrack_print", name).stdout
            m = re.search(r"calls to allocation functions: (\d+)", total)
            assert m and int(m.group(1)) == i["calls"]["malloc"], (total[-500:], i["calls"])
        data = open("T", "rb").read()
        assert b"command=./h" in data
        convert(name, "--scrub")
        data = open("T", "rb").read()
        assert b"./h" not in data and os.getcwd().encode() not in data and b"/lib" not in data


# ---- damage ---------------------------------------------------------------------------------

HOSTILE = [
    ("rep", "1\n2\n3\n", "line 3: truncated: the header has four numbers, there are 3"),
    ("rep", "1 2 3 4 5\n", "line 1: more than four numbers"),
    ("rep", "0\n1\n5\n1\na 0 8\n", "line 5: truncated: the header promises 5 operations, there are 1"),
    ("rep", "0\n1\n2\n1\na 0 8\na 0 8\n", "line 6: id 0 is given out while it is live"),
    ("rep", "0\n1\n1\n1\nf 3\n", "line 5: id 3 is freed, but not live"),
    ("rep", "0\n1\n1\n1\na 0 99999999999999999999\n", "line 5: 99999999999999999999 is too large"),
    ("rep", "0\n1\n1\n1\na 0 9999999999999999999\n", "line 5: 9999999999999999999 bytes more than"),
    ("rep", "0\n1\n1\n1\nx 0 1\n", "line 5: 'x' is none of a, c, r, f, w"),
    ("rep", "0\n1\n1\n1\na -1 1\n", "line 5: '-1' is not a number"),
    ("android", "1: malloc 0x10\n", "line 1: malloc has a pointer, 1 numbers, and perhaps two times"),
    ("android", "1: malloc 0x10 1 5\n", "line 1: a start without an end"),
    ("android", "1: malloc 0x10 1 5 6 7\n", "line 1: malloc has a pointer"),
    ("android", "1: malloc 0xffffffffffffffff 1\n", "line 1: 0xffffffffffffffff is too large"),
    ("android", "99999999: malloc 0x10 1\n", "line 1: 99999999 is too large"),
    ("android", "1: malloc 0x10 1\n1: mallox 0x10 1\n", "line 2: 'mallox' is no call that is known"),
    ("android", "1: malloc 0x10 1\nx: free 0x10\n", "line 2: 'x' is not a number"),
    ("mtrace", "= Start\n@ a:[0x1] < 0x10\n", "line 2: truncated: the second line of a realloc is missing"),
    ("mtrace", "= Start\n@ a:[0x1] < 0x10\n@ a:[0x1] - 0x10\n", "line 3: the second line of a realloc is missing"),
    ("mtrace", "= Start\n@ a:[0x1] > 0x10 0x5\n", "line 2: the first line of a realloc is missing"),
    ("mtrace", "= Start\n@ a:[0x1\n", "line 2: '@' without a place"),
    ("mtrace", "= Start\n@ a:[0x1] + 0x1 0x5\n@ a:[0x1] * 0x1\n", "line 3: '*' is none of + - < > !"),
    ("mtrace", "= Start\n@ a:[0x1] + 0x1 0xfffffffffffffffff\n", "line 2: 0xfffffffffffffffff is too large"),
    ("heaptrack", "v 10400 1\n", "line 1: version 1 of heaptrack's format; this dmm reads version 3"),
    ("heaptrack", "v 10400 3\ns 5 abc\n", "line 2: a text of 5 bytes, not 3"),
    ("heaptrack", "v 10400 3\nt 1 0\n", "line 2: 1 points at nothing: there are 0 so far"),
    ("heaptrack", "v 10400 3\n+ 0\n", "line 2: 0 points at nothing: there are 0 so far"),
    ("heaptrack", "v 10400 3\na 8 0\n- 0\n", "line 3: more freed of one kind than allocated"),
    ("heaptrack", "v 10400 3\nq 8\n", "line 2: 'q' begins no line of heaptrack's"),
    ("heaptrack", "v 10400 3\nx 1 a\nt 5 7\n", "line 3: 7 points at nothing"),
    (None, "hello\x1b[2J\n", "line 1: no format begins like 'hello?[2J'; --from=F says which it is"),
    (None, "", "there is nothing in it"),
    (None, "\0\0\0\n", "line 1: a zero byte: not a text file"),
    (None, "1" * (2 << 20), "line 1: longer than 1048576 bytes"),
]


def test_damage_is_said_with_its_line_and_exit_1():
    for form, text, want in HOSTILE:
        for name in (form, None):
            write("bad", text)
            r = run(DMM, "import", "-o", "T", *([f"--from={name}"] if name else []), "bad")
            if name is None and form is not None and want.split(": ", 1)[1] not in r.stderr:
                continue  # found out by its first line already
            assert r.returncode == 1 and f"dmm: bad: {want}" in r.stderr, (text[:80], want, r)
            assert len(r.stderr.splitlines()) <= 3 and "\x1b" not in r.stderr, r.stderr


def test_what_comes_before_the_damage_is_kept():
    write("bad", "1: malloc 0x10 1\n1: malloc 0x20 2\n1: what\n1: malloc 0x30 3\n")
    r = run(DMM, "import", "-o", "T", "bad")
    assert r.returncode == 1 and "the recording holds the part before that" in r.stderr, r
    assert calls() == [(MALLOC, 1), (MALLOC, 2)]
    write("bad", "1: what\n")
    os.unlink("T")
    r = run(DMM, "import", "--from=android", "-o", "T", "bad")
    assert r.returncode == 1 and "there is no recording" in r.stderr and not os.path.exists("T"), r


def test_packed_files_cut_short_are_said_with_their_offset():
    text = "".join(f"1: malloc {hex(0x10000 + 7919 * i % 100003 * 16)} {i * i % 1009}\n" for i in range(20000))
    with zipfile.ZipFile("x.zip", "w", zipfile.ZIP_DEFLATED) as z:
        z.writestr("recorded.txt", text)
    with gzip.open("x.gz", "wt") as f:
        f.write(text)
    for name in ("x.zip", "x.gz"):
        data = open(name, "rb").read()
        open("cut", "wb").write(data[:len(data) // 2])
        r = run(DMM, "import", "-o", "T", "cut")
        assert r.returncode == 1 and re.search(r"cut: (line \d+|offset \d+): ", r.stderr), (name, r)
    data = bytearray(data)
    data[len(data) // 2] ^= 0xff
    open("flipped.gz", "wb").write(data)
    r = run(DMM, "import", "-o", "T", "flipped.gz")
    assert r.returncode == 1, r


def test_many_threads_and_long_inputs_take_little_memory():
    with open("many", "w") as f:
        for i in range(30000):
            f.write(f"{i + 1}: malloc {hex(0x1000000 + 32 * i)} 8\n")
    with open("long", "w") as f:
        for i in range(300000):
            f.write(f"1: malloc 0x1000 8\n1: free 0x1000\n")

    def small():
        resource.setrlimit(resource.RLIMIT_AS, (150 << 20, 150 << 20))
    for name, threads, count in (("many", 30000, 30000), ("long", 1, 600000)):
        r = run(DMM, "import", "-o", "T", name, preexec_fn=small)
        assert r.returncode == 0, r.stderr
        i = info()
        assert (i["threads"], i["events"], i["missed_frees"]) == (threads, count, 0), i


def test_misuse_is_told():
    write("x.rep", "0\n1\n1\n1\na 0 8\n")
    for args, want in ((("x.rep", "-o", "x.rep"), "give -o another name"), ((), "no file is given"),
                       (("--from=mtrac", "x.rep"), "did you mean 'mtrace'?")):
        r = run(DMM, "import", *args)
        assert r.returncode == 2 and want in r.stderr, r
    for name, want in (("gone", "No such file"), (".", "Is a directory"),
                       (SOURCE + "/test/recordings/cc.dmm", "it is a recording of dmm already")):
        r = run(DMM, "import", "-o", "T", name)
        assert r.returncode == 1 and want in r.stderr, r
    r = run(DMM, "import", "-o", "/dev/full", "x.rep")
    assert r.returncode == 125 and "cannot write: No space left on device" in r.stderr, r
    assert stat.S_ISCHR(os.stat("/dev/full").st_mode)  # what failed is not removed if it is a device


# ---- shipped recordings ---------------------------------------------------------------------

def test_shipped_recordings_are_sound_and_name_no_path():
    for name, count in (("cc", 28930), ("sqlite3", 13105), ("python3", 13935), ("git", 9679), ("redis", 46977)):
        path = f"{SOURCE}/test/recordings/{name}.dmm"
        i = info(path)
        assert i["events"] == count and i["ended"] and i["lost_events"] == 0, (name, i)
        assert i["missed_frees"] == 0 and i["foreign_frees"] == 0, (name, i)
        data = open(path, "rb").read()
        for word in (b"/usr", b"/lib", b"/home", b"/root", b"command=", b"exe="):
            assert word not in data, (name, word)


main(globals())
