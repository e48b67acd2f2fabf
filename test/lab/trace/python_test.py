#!/usr/bin/env python3
"""A Python program's call sites are its own functions and lines.

usage: python_test.py BUILD SOURCE [WORD]   runs the tests whose name holds WORD
The programs plant allocations of sizes that nothing else asks for: bytearray(N) asks malloc for N + 1 bytes.
"""
import json
import os
import re
import signal
import subprocess
import sys

sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../support"))
from from_outside import DMM, compile_c, events, info, main, run, skip, write

PYTHON = "/usr/bin/python3"
READ = {(3, 11), (3, 12), (3, 13)}


def version(python):
    r = run(python, "-c", "import sys; print(*sys.version_info[:2])")
    return tuple(int(x) for x in r.stdout.split()) if r.returncode == 0 else None


PROGRAM = '''
import functools
import threading


class Planter:
    def method(self):
        return bytearray(100001)  # Planter.method


def generator():
    for _ in range(2):
        yield bytearray(100002)  # generator


def comprehension():
    return [bytearray(100003) for _ in range(2)]  # comprehension


def decorate(f):
    @functools.wraps(f)
    def call(*args):
        return f(*args)
    return call


@decorate
def decorated():
    return bytearray(100004)  # decorated


def recursive(n):
    return bytearray(100005) if n == 0 else recursive(n - 1)  # recursive


def threaded():
    kept.append(bytearray(100006))  # threaded


def several():
    a = bytearray(100007)  # several 1

    b = bytearray(100008)  # several 2
    return a, b, bytearray(
        100009,  # several 3
    )


def \\u00e4rger():
    return bytearray(100010)  # \\u00e4rger


kept = [Planter().method(), list(generator()), comprehension(), decorated(), recursive(500), several(), \\u00e4rger()]
threads = [threading.Thread(target=threaded) for _ in range(4)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
'''.replace("\\u00e4", "\u00e4")
SITES = {100001: "Planter.method", 100002: "generator", 100003: "comprehension", 100004: "decorated",
         100005: "recursive", 100006: "threaded", 100007: "several 1", 100008: "several 2", 100010: "\u00e4rger"}


def line_of(text, word):
    return next(i for i, line in enumerate(text.splitlines(), 1) if line.endswith("  # " + word))


def record(*command, options=(), env=(), check=True):
    for name in os.listdir("."):
        if name == "T" or name.startswith("T."):
            os.unlink(name)
    r = run(DMM, "record", "-o", "T", *options, "--", *command, env={**os.environ, **dict(env)})
    assert not check or r.returncode == 0, r.stderr
    return r


def named(trace="T"):
    """What each planted size was called by: a set, as a site must have one name."""
    found = {}
    for e in events(trace):
        if e["kind"] == "alloc" and int(e["size"]) - 1 in range(100000, 101000):
            found.setdefault(int(e["size"]) - 1, set()).add(e["function"])
    return found


def assert_named(program, python=PYTHON, trace="T", file=None):
    found = named(trace)
    for size, word in SITES.items():
        function = word.split(" ")[0]
        if size == 100003 and version(python) < (3, 12):
            function = "comprehension.<locals>.<listcomp>"
        want = f"{function} ({file or program}:{line_of(PROGRAM, word)})"
        assert found.get(size) == {want}, (size, want, found.get(size))
    assert len(found[100009]) == 1 and found[100009].pop().startswith("several ("), found


def test_every_kind_of_function_is_named_with_its_line():
    write("planted.py", PROGRAM)
    for env in ({}, {"PYTHONMALLOC": "malloc"}, {"PYTHONMALLOC": "debug"}):
        record(PYTHON, "planted.py", env=env)
        if env.get("PYTHONMALLOC") != "debug":  # its blocks are larger by a head and a foot
            assert_named("planted.py")
        assert not events_lost(), info()


def events_lost():
    return int(re.search(r"(\d+) events lost", run(DMM, "info", "T").stdout).group(1))


def test_the_python_line_comes_first_in_every_view():
    write("planted.py", PROGRAM)
    record(PYTHON, "planted.py")
    want = f"Planter.method (planted.py:{line_of(PROGRAM, 'Planter.method')})"
    r = run(DMM, "info", "--format=json", "--top=1000", "T")
    peak = [tuple(s["stack"]) for s in json.loads(r.stdout)["at_peak"] if s["stack"]]
    assert want in {stack[0] for stack in peak}, peak
    own = [stack for stack in peak if ".py:" in stack[0]]
    assert len(own) == len(set(own)), own  # what is shown alike is one site
    assert f"\n  {want}\n" in run(DMM, "info", "--top=1000", "T").stdout
    folded = run(DMM, "export", "--to=folded", "--what=allocated", "T").stdout
    assert re.search(rf"(^|;){re.escape(want)} \d+$", folded, re.M), folded
    page = run(DMM, "report", "-o", "page.html", "T")
    assert page.returncode == 0 and own[0][0] in open("page.html").read(), (own[0], page.stderr)


def test_a_leak_is_advised_by_the_python_line():
    write("leak.py", "kept = []\n\ndef leak():\n    kept.append(bytearray(5000))\n\n"
          "import time\nfor i in range(4000):\n    leak()\n    time.sleep(0.0002)\n")
    for _ in range(15):  # a busy machine stretches a recording here and there, and the growth is not steady then
        record(PYTHON, "leak.py")
        r = run(DMM, "advise", "T")
        if "leak (leak.py:4)" in r.stdout:
            break
    assert "leak (leak.py:4)" in r.stdout, r.stdout + r.stderr


def test_the_standard_library_is_left_out_as_the_cxx_library_is():
    write("load.py", "import json\n\ndef load():\n    return json.loads('[' + '\"' + 'x' * 123456 + '\"]')\n\nkept = load()\n")
    record(PYTHON, "load.py")
    names = {e["function"] for e in events() if e["kind"] == "alloc" and int(e["size"]) in range(123456, 123600)}
    assert names == {"load (load.py:4)"}, names


def test_code_made_at_run_time_is_named_by_its_present_line():
    """The same address, instruction and length again and again, with another line or name each time."""
    write("made.py", """
kept = []
for n in range(40):
    exec(compile("\\n" * n + f"kept.append(bytearray({100200 + n}))", "<made>", "exec"))
for n in range(40):
    exec(compile("a = 1\\n" * 9 + "\\n" * n + f"kept.append(bytearray({100500 + n}))\\n" + "b = 2\\n" * 9, "<mid>", "exec"))
for n in range(40):
    space = {"kept": kept}
    exec(compile(f"def f{n:02}():\\n    kept.append(bytearray({100300 + n}))", "<also>", "exec"), space)
    space[f"f{n:02}"]()
    space.clear()  # the function and its globals hold each other
for n in range(40):
    exec(compile(f"kept.append(bytearray({100400 + n}))", f"/tmp/part{n:02}.py", "exec"))
for n in range(40):
    space = {"kept": kept}
    exec(compile("\\n" * n + "def f(x):\\n    kept.append(bytearray(x))", "<moved>", "exec"), space)
    space["f"](100600 + n)
    space.clear()
""")
    for env in ({}, {"PYTHONMALLOC": "malloc"}):
        record(PYTHON, "made.py", env=env)
        found = named()
        for n in range(40):
            assert found[100200 + n] == {f"<module> (<made>:{n + 1})"}, (n, found[100200 + n])
            assert found[100500 + n] == {f"<module> (<mid>:{n + 10})"}, (n, found[100500 + n])
            assert found[100300 + n] == {f"f{n:02} (<also>:2)"}, (n, found[100300 + n])
            assert found[100400 + n] == {f"<module> (part{n:02}.py:1)"}, (n, found[100400 + n])
            assert found[100600 + n] == {f"f (<moved>:{n + 2})"}, (n, found[100600 + n])


def test_code_in_the_memory_of_freed_library_code_is_named_by_its_own_file():
    """Bodies of modules and classes, which are freed after they ran: the library's, then the program's, at one address."""
    write("reuse.py", """
kept = []
def body(n, path):
    exec(compile(f"kept.append(bytearray({100200 + n}))", path, "exec"))
def of_class(n, path):
    exec(compile(f"class C{n:02}:\\n    kept.append(bytearray({100300 + n}))", path, "exec"))
def inner(n, path):
    exec(compile(f"[kept.append(bytearray({100400 + n})) for i in '.']", path, "exec"))
def deeper(n, path):
    exec(compile(f"own({100500 + n})", path, "exec"))
def own(n):
    kept.append(bytearray(n))
for way in body, of_class, inner, deeper:
    for n in range(40):
        way(n, "/usr/lib/python3.11/part%02d.py" % n if n % 2 else "/tmp/of/the/program/part%02d.py" % n)
""")
    for env in ({}, {"PYTHONMALLOC": "malloc"}):
        record(PYTHON, "reuse.py", env=env)
        found = named()
        for n in range(40):
            caller = {100200: "body (reuse.py:4)", 100300: "of_class (reuse.py:6)", 100400: "inner (reuse.py:8)"}
            for first, by in caller.items():
                name = found[first + n].pop()
                assert not found[first + n] and (name == by if n % 2 else f"(part{n:02}.py:" in name), (first + n, name)
            assert found[100500 + n] == {"own (reuse.py:12)"}, (n, found[100500 + n])


def test_names_and_paths_of_any_characters():
    for name in ("g\u00fcn\U0001F40D.py", "two words (x).py", "a:b.py", "line\nbreak.py", "quote\"<b>&.py"):
        write(name, "def plant():\n    return bytearray(100001)\n\nkept = plant()\n")
        record(PYTHON, name)
        want = "plant (%s:2)" % name.replace("\n", "\\x0a")
        assert named()[100001] == {want}, (want, named())
    raw = b"raw\xff.py"
    with open(raw, "w") as f:
        f.write("def plant():\n    return bytearray(100001)\n\nkept = plant()\n")
    record(PYTHON, raw)
    assert named()[100001] == {"plant (raw\\xff.py:2)"}, named()


def test_children_name_their_own_lines():
    write("workers.py", """
import multiprocessing

def work(n):
    keep = bytearray(100100 + n)
    return len(keep)

if __name__ == "__main__":
    kept = bytearray(100001)
    with multiprocessing.get_context("fork").Pool(3) as pool:
        print(sum(pool.map(work, range(30), chunksize=1)))
""")
    record(PYTHON, "workers.py")
    found = {}
    for trace in os.listdir("."):
        if re.fullmatch(r"T(\.\d+)?", trace):
            for size, names in named(trace).items():
                found.setdefault(size, set()).update(names)
    assert found[100001] == {"<module> (workers.py:9)"}, found
    for n in range(30):
        assert found[100100 + n] == {"work (workers.py:5)"}, (n, found)


def test_a_script_by_its_first_line_and_in_a_virtual_environment():
    write("script", f"#!{PYTHON}\ndef plant():\n    return bytearray(100001)\nkept = plant()\n")
    os.chmod("script", 0o755)
    record("./script")
    assert named()[100001] == {"plant (script:3)"}, named()
    if run(PYTHON, "-m", "venv", "--without-pip", "env").returncode != 0:
        skip("no venv")
        return
    record("env/bin/python", "script")
    assert named()[100001] == {"plant (script:3)"}, named()


def test_a_program_that_is_killed_keeps_its_names():
    write("killed.py", "import os\n\ndef plant():\n    return bytearray(100001)\n\nkept = plant()\nos.kill(os.getpid(), 9)\n")
    assert record(PYTHON, "killed.py", check=False).returncode == 128 + signal.SIGKILL
    assert named()[100001] == {"plant (killed.py:4)"}, named()


def test_scrubbed_recordings_have_no_path():
    os.mkdir("secret")
    write("secret/planted.py", PROGRAM + "import json\nkept.append(json.loads('[1]'))\n")
    record(PYTHON, "secret/planted.py", options=["--scrub"])
    assert_named("planted.py")
    assert b"secret" not in open("T", "rb").read()


def test_an_option_names_the_interpreter_instead():
    write("planted.py", PROGRAM)
    record(PYTHON, "planted.py", options=["--python=off"])
    assert not any(".py" in e["function"] for e in events()), events()
    r = run(DMM, "record", "-o", "T", "--python=on", "--", "true")
    assert r.returncode == 2 and "--python 'on'" in r.stderr, r.stderr


def test_a_python_of_no_known_version_is_said_and_recorded():
    program = compile_c("unknown", """
        #include <stdlib.h>
        char _PyRuntime[4096];
        const unsigned long Py_Version = 0x03630000;
        void *_PyThreadState_UncheckedGet(void) { abort(); }
        void *PyGILState_GetThisThreadState(void) { abort(); }
        int main(void) { void *volatile p = malloc(100001); (void)p; return 0; }""", "-rdynamic")
    r = record(program)
    assert r.stderr.count("Python 3.99.0") == 1 and "version is not known" in r.stderr, r.stderr
    assert "main (unknown.c:7)" in {e["function"] for e in events() if e["size"] == "100001"}
    old = compile_c("old", "#include <stdlib.h>\nchar _PyRuntime[4096];\n"
                    "int main(void) { free(malloc(7)); return 0; }", "-rdynamic")
    r = record(old)
    assert "older than 3.11" in r.stderr, r.stderr


def test_other_structures_than_those_of_a_known_version_are_not_read():
    program = compile_c("other", """
        #include <stdlib.h>
        char _PyRuntime[4096], PyCode_Type[400];
        const unsigned long Py_Version = 0x030b02f0;
        void *_PyThreadState_UncheckedGet(void) { abort(); }
        void *PyGILState_GetThisThreadState(void) { abort(); }
        int main(void) { free(malloc(7)); return 0; }""", "-rdynamic")
    r = record(program)
    assert "other structures" in r.stderr, r.stderr


ORDINARY = """import sys, sysconfig
sys.exit(sys.implementation.name != "cpython" or bool(sysconfig.get_config_var("Py_GIL_DISABLED")) or "d" in sys.abiflags)"""


def pythons():
    """The other versions on this machine: CPython's usual builds, whose structures depend on the version alone."""
    folder = os.path.expanduser("~/.pyenv/versions")
    for name in sorted(os.listdir(folder)) if os.path.isdir(folder) else []:
        python = f"{folder}/{name}/bin/python3"
        if os.path.exists(python) and version(python) and version(python) >= (3, 7) and \
                run(python, "-c", ORDINARY).returncode == 0:
            yield python


def test_other_versions_are_named_or_told():
    write("planted.py", PROGRAM)
    for python in pythons():
        r = record(python, "planted.py", env={"PYTHONMALLOC": "malloc"})
        if version(python) in READ:
            assert_named("planted.py", python)
            assert "does not name" not in r.stderr, r.stderr
        else:
            assert "does not name" in r.stderr, (python, r.stderr)


if __name__ == "__main__":
    if version(PYTHON) not in READ:
        skip(f"{PYTHON} is none of those that dmm reads")
        sys.exit(0)
    main(globals())
