#!/usr/bin/env python3
"""Who allocated: the program's own function and line come first, whatever wrapped malloc for it.

usage: names_test.py BUILD SOURCE [WORD]   runs the tests whose name holds WORD
Each program plants sites of its own size; addr2line -i says independently which line a return address is of.
"""
import csv
import json
import os
import re
import shutil
import subprocess
import sys
from collections import Counter

sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../support"))
from from_outside import DMM, compile_c, info, main, run, skip, write

CXX = r"""
#include <cstdlib>
#include <cstring>
#include <map>
#include <string>
#include <vector>
std::vector<std::vector<int>> kept;
std::map<int, std::string> table;
std::string *text;
void *block;
static void *xmalloc(size_t n) { void *p = malloc(n); if (!p) abort(); return p; }
void *zmalloc(size_t n) { return xmalloc(n + 8); }
__attribute__((noinline)) void plant_vector() { kept.emplace_back(1000); }         // vector
__attribute__((noinline)) void plant_map() { for (int i = 0; i < 99; i++) table[i]; } // map
__attribute__((noinline)) void plant_string() { text = new std::string(5000, 'x'); } // string
__attribute__((noinline)) void plant_wrapped() { block = zmalloc(6000); }          // wrapped
int main() { plant_vector(); plant_map(); plant_string(); plant_wrapped(); _Exit(0); }
"""
SITES = {"plant_vector": "4000", "plant_string": "5001", "plant_wrapped": "6008"}


def line_of(text, word):
    return next(i for i, line in enumerate(text.splitlines(), 1) if line.rstrip().endswith("// " + word))


def record(*command, options=()):
    for name in os.listdir("."):
        if name == "T" or name.startswith("T."):
            os.unlink(name)
    r = run(DMM, "record", "-o", "T", *options, "--", *command)
    assert r.returncode == 0, r.stderr
    return r


def rows():
    r = run(DMM, "export", "--to=csv", "T")
    assert r.returncode == 0, r.stderr
    return list(csv.DictReader(r.stdout.splitlines()))


def cxx(name, *flags, text=CXX):
    write(name + ".cc", text)
    subprocess.run(["c++", "-g", *flags, name + ".cc", "-o", name], check=True)
    return "./" + name


def is_named(sites, program="planted"):
    """Every event of a planted size, the leak list of info, the folded stacks and DHAT's file."""
    want = {size: f"{name} ({program}.cc:{line_of(CXX, name[6:])})" for name, size in SITES.items()}
    for e in rows():
        if e["kind"] == "alloc" and e["size"] in want:
            assert e["function"] == want[e["size"]], (e, want)
    first = {s["stack"][0] for s in info()["never_freed"] if s["stack"]}
    assert set(want.values()) <= first, (want, first)
    map_line = f"plant_map ({program}.cc:{line_of(CXX, 'map')})"
    assert sum(e["function"] == map_line for e in rows()) >= 99, Counter(e["function"] for e in rows())
    folded = run(DMM, "export", "--to=folded", "--what=allocated", "T").stdout
    for name in want.values():
        assert re.search(rf"(^|;){re.escape(name)} \d+$", folded, re.M), (name, folded)
    dhat = json.loads(run(DMM, "export", "--to=dhat", "T").stdout)
    inner = {dhat["ftbl"][p["fs"][0]].split(": ", 1)[-1] for p in dhat["pps"]}
    assert set(want.values()) <= inner, (want, inner)


def test_a_cxx_program_names_its_own_lines_at_every_level_with_and_without_frame_pointers():
    for level in ("-O0", "-O1", "-O2", "-O3"):
        for pointers in ("-fomit-frame-pointer", "-fno-omit-frame-pointer"):
            record(cxx("planted", level, pointers))
            is_named(SITES)


def test_addr2line_confirms_the_innermost_line():
    program = cxx("planted", "-O2", "-no-pie")
    record(program, options=["--stacks=none"])
    record(program)
    asked = 0
    for e in rows():
        if e["caller"] == "0x0" or int(e["caller"], 16) > 1 << 32 or e["op"] not in ("malloc", "new"):
            continue
        at = hex(int(e["caller"], 16) - 1)
        told = run("addr2line", "-i", "-f", "-C", "-s", "-e", program, at).stdout.splitlines()
        lines = [l.split(" ")[0] for l in told[1::2]]
        line = re.search(r"\((.*:\d+)\)$", e["function"])
        if line and e["size"] in ("4000", "6008") and "plant" in "".join(told):
            assert line.group(1) in lines, (e, told)
            asked += 1
    assert asked > 0


def test_a_c_program_names_who_called_its_wrappers():
    program = compile_c("wrapped", """
        #include <stdlib.h>
        #include <string.h>
        __attribute__((noinline)) void *xmalloc(size_t n) { void *p = malloc(n); if (!p) abort(); return p; }
        __attribute__((noinline)) char *my_strdup(const char *s) { return strcpy(xmalloc(strlen(s) + 4000), s); }
        __attribute__((noinline)) void plant(void) { char *volatile p = my_strdup("x"); (void)p; }
        int main(void) { plant(); plant(); return 0; }""", "-O2")
    record(program)
    assert info()["never_freed"][0]["stack"][0] == "plant (wrapped.c:6)", info()["never_freed"]
    text = run(DMM, "info", "T").stdout
    assert "  plant (wrapped.c:6)" in text, text


def test_a_line_is_told_only_of_the_function_that_holds_it():
    record(cxx("planted", "-O2"), options=["--stacks=fp"])
    for s in info()["never_freed"]:
        for name in s["stack"]:
            assert not re.match(r"_start \(.*:\d+\)", name), s


def test_frame_pointers_that_are_none_lead_to_no_false_sites():
    text = """
        #include <stdlib.h>
        #include <vector>
        std::vector<void *> all;
        __attribute__((noinline)) void work(unsigned x) { all.push_back(malloc(16 + (x & 1))); }
        int main() { unsigned x = 1; for (int i = 0; i < 5000; i++) work(x = x * 69069 + 1); _Exit(0); }"""
    record(cxx("pointers", "-O2", "-fomit-frame-pointer", text=text), options=["--stacks=fp"])
    sites = {tuple(s["stack"]) for s in json.loads(run(DMM, "info", "--top=9999", "--format=json", "T").stdout)["never_freed"]}
    assert len(sites) < 60, len(sites)
    for stack in sites:
        for name in stack:
            assert not name.startswith("0x"), stack


def test_a_stripped_program_is_named_by_debugging_information_elsewhere():
    program = cxx("planted", "-O2", "-Wl,--build-id")
    subprocess.run(["objcopy", "--only-keep-debug", program, "planted.debug"], check=True)
    subprocess.run(["strip", program], check=True)
    subprocess.run(["objcopy", "--add-gnu-debuglink=planted.debug", program], check=True)
    record(program, options=["--stacks=dwarf"])
    first = {s["stack"][0] for s in info()["never_freed"] if s["stack"]}
    assert f"plant_vector (planted.cc:{line_of(CXX, 'vector')})" in first, first
    os.makedirs("far")
    os.rename("planted.debug", "far/planted.debug")
    assert not any("planted.cc" in s["stack"][0] for s in info()["never_freed"] if s["stack"])


def test_each_of_thousands_of_sites_behind_a_wrapper_keeps_its_own_calls():
    """More stacks than the recorder remembers at one time, in many blocks: each size is asked for by one function."""
    functions = "".join(f"N void f{i}(void) {{ free(xmalloc({i} + 1)); }}\n" for i in range(4000))
    calls = "".join(f"f{i}();\n" for i in range(4000))
    record(compile_c("sites", f"""
        #include <stdlib.h>
        #define N __attribute__((noinline))
        N void *xmalloc(size_t n) {{ void *p = malloc(n); if (p == NULL) abort(); return p; }}
        {functions}
        int main(void) {{ for (int round = 0; round < 4; round++) {{ {calls} }} return 0; }}""", "-O1"))
    told = Counter((int(row["size"]), row["function"].split(" ")[0]) for row in rows()
                   if row["kind"] == "alloc" and 0 < int(row["size"]) <= 4000)
    assert told == {(i + 1, f"f{i}"): 4 for i in range(4000)}, len(told)


def test_debuginfod_is_asked_when_the_environment_names_one():
    program = cxx("planted", "-O2", "-Wl,--build-id")
    notes = run("readelf", "-n", program).stdout
    build_id = re.search(r"Build ID: ([0-9a-f]+)", notes).group(1)
    os.makedirs("server/buildid/" + build_id)
    subprocess.run(["objcopy", "--only-keep-debug", program, f"server/buildid/{build_id}/debuginfo"], check=True)
    subprocess.run(["strip", program], check=True)
    record(program, options=["--stacks=dwarf"])
    env = dict(os.environ, DEBUGINFOD_URLS="file://" + os.path.abspath("server"), DEBUGINFOD_CACHE_PATH=os.path.abspath("cache"))
    r = run(DMM, "info", "T", env=env)
    if "plant_vector" not in r.stdout and not shutil.which("debuginfod-find"):
        skip("no libdebuginfod here")
        return
    assert f"plant_vector (planted.cc:{line_of(CXX, 'vector')})" in r.stdout, r.stdout
    env.pop("DEBUGINFOD_URLS")
    assert "plant_vector" not in run(DMM, "info", "T", env=env).stdout


def test_rust_names_are_read_in_both_schemes():
    """Names as rustc writes them, given to functions of C: no rustc is needed."""
    for linker, plain in (("_RNvCs6GmmlP4bgsG_1r11grow_vector", "r::grow_vector"),
                          ("_RNvMs_NtCs1234_7mycrate3fooNtB4_3Bar3baz", "<mycrate::foo::Bar>::baz"),
                          ("_ZN1r8fill_map17h0123456789abcdefE", "r::fill_map"),
                          ("_ZN5alloc7raw_vec19RawVec$LT$T$C$A$GT$8grow_one17h0123456789abcdefE",
                           "alloc::raw_vec::RawVec<T,A>::grow_one")):
        text = f"""
            #include <stdlib.h>
            __attribute__((noinline)) void plant(void) __asm__("{linker}");
            void plant(void) {{ void *volatile p = malloc(3000); (void)p; }}
            int main(void) {{ plant(); return 0; }}"""
        record(compile_c("mangled", text, "-O1"))
        names = [s["stack"][0] for s in info()["never_freed"] if s["bytes"] == 3000]
        want = "main (mangled.c:5)" if "alloc" in plain else plain + " (mangled.c:4)"
        assert names == [want], (linker, names)


def test_a_rust_program_names_its_own_lines():
    if not shutil.which("rustc"):
        skip("no rustc here")
        return
    write("r.rs", """use std::collections::HashMap;
        #[inline(never)] fn plant_vector() -> Vec<u64> { vec![7; 500] }
        #[inline(never)] fn plant_map(m: &mut HashMap<u32, String>) { for i in 0..99 { m.insert(i, "x".repeat(300)); } }
        fn main() { let mut m = HashMap::new(); plant_map(&mut m); let v = plant_vector();
            std::mem::forget(v); std::mem::forget(m); }""")
    for level in ("0", "2", "3"):
        for scheme in ("legacy", "v0"):
            made = run("rustc", "-g", "-C", "opt-level=" + level, "-C", "symbol-mangling-version=" + scheme, "r.rs")
            if made.returncode != 0:
                continue
            record("./r")
            first = Counter(s["stack"][0] for s in info()["never_freed"] if s["stack"])
            assert "r::plant_vector (r.rs:2)" in first and "r::plant_map (r.rs:3)" in first, (level, scheme, first)


def test_code_made_at_run_time_is_named_by_its_map():
    node = shutil.which("node")
    if node is None:
        skip("no node here")
        return
    write("plant.js", """
        function plantBuffers() { const all = []; for (let i = 0; i < 3000; i++) all.push(Buffer.allocUnsafeSlow(70001)); return all; }
        let kept; for (let i = 0; i < 3; i++) kept = plantBuffers();
        console.log(kept.length);""")
    # --no-use-osr: V8 drops the code that it makes in the middle of a loop, and gives its addresses out again
    record(node, "--perf-basic-prof", "--interpreted-frames-native-stack", "--no-use-osr", "plant.js",
           options=["--stacks=fp"])
    r = run(DMM, "export", "--to=folded", "--what=allocated", "T")
    innermost = Counter()
    for line in r.stdout.splitlines():
        stack, count = line.rsplit(" ", 1)
        innermost["plantBuffers" in stack.rsplit(";", 1)[-1]] += int(count) * ("plantBuffers" in stack)
    assert innermost[True] >= 0.99 * 9000 * 70001 and innermost[False] < 0.01 * 9000 * 70001, innermost
    # All sites: those of the interpreter are few, and how few depends on when V8 has compiled the function.
    r = json.loads(run(DMM, "info", "--format=json", "--top=10000000", "T").stdout)
    first = Counter()
    for site in r["most_calls"]:
        first[site["stack"][0]] += site["total_bytes"]
    named = sum(bytes for name, bytes in first.items() if "plantBuffers" in name and "plant.js:2" in name)
    assert named >= 0.99 * 9000 * 70001, first.most_common(5)


main(globals())
