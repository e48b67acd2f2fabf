#!/usr/bin/env python3
"""Every command that reads a file refuses in words what is none, instead of waiting for a writer.

usage: inputs_test.py DMM RECORDINGS
"""
import os
import socket
import subprocess
import sys
import tempfile

DMM, RECORDINGS = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2])
GOOD = RECORDINGS + "/git.dmm"
REP = "1000\n1\n2\n1\na 0 64\nf 0\n"

# F is the input; what each command says of it ends with "regular file", and the exit status is the number.
# Those that would take longest come last.
COMMANDS = [
    (1, "info F"), (1, "advise F"), (1, "replay F"), (1, "replay --model F"), (1, "report F -o p.html"),
    (1, "export --to=dhat F"), (1, "export --to=pprof F -o x"), (1, "export --to=speedscope F -o x"), (1, "show F"),
    (1, "diff F GOOD"), (1, "diff GOOD F"), (1, "check --max-peak=1 F"), (1, "check --baseline=F GOOD"),
    (1, "check --max-peak=1 --suppress=F GOOD"), (1, "import F -o x.dmm"), (1, "import --from=rep F -o x.dmm"),
    (1, "merge F"), (1, "merge --jobs=F RESULT"), (1, "sweep --plan --results=. F"), (1, "score --traces=F bins"),
    (1, "show --core=F"), (2, "torture --system=mine=./F"), (2, "run --system=bins --conf=F -- true"),
    (2, "advise --conf=F GOOD"), (2, "replay --model --systems=mine=./F GOOD"),
    (1, "tune F -o x.conf"), (1, "tune GOOD F -o x.conf"),
]


def run(args, folder, **kw):
    """A command that waits is ended after a time in which none is busy."""
    kw.setdefault("stdin", subprocess.DEVNULL)
    return subprocess.run(args, cwd=folder, capture_output=True, text=True, timeout=100, **kw)


def result_in(folder):
    """The result of one cell of a sweep."""
    jobs = run([DMM, "sweep", "--plan", "--kind=space", "--systems=bins", "--peers=none", "--results=.", GOOD], folder)
    made = run(["/bin/sh"], folder, stdin=None, input=jobs.stdout)
    assert made.returncode == 0, made.stderr
    with open(folder + "/jobs", "w") as f:
        f.write(jobs.stdout)
    return next(x for x in os.listdir(folder) if x.endswith(".json"))


def refuse(folder, result, what):
    said = []
    for status, words in COMMANDS:
        args = [{"GOOD": GOOD, "RESULT": result}.get(x, x) for x in words.split()]
        try:
            r = run([DMM, *args], folder)
        except subprocess.TimeoutExpired:
            said.append(f"{words}, {what}: it waits")
            continue
        out = r.stdout if words.startswith("score") else r.stderr # a table, with a row for each trace
        lines = [x for x in out.splitlines() if "regular file" in x and "F" in x]
        if r.returncode != status or len(lines) != 1:
            said.append(f"{words}, {what}: {r.returncode}: {r.stdout[:200]}{r.stderr[:400]}")
    assert not said, "\n".join(said)


def test_a_named_pipe_is_refused_by_every_command():
    with tempfile.TemporaryDirectory() as folder:
        result = result_in(folder)
        os.mkfifo(folder + "/F")
        refuse(folder, result, "a pipe")


def test_a_socket_is_refused_by_every_command():
    with tempfile.TemporaryDirectory() as folder, socket.socket(socket.AF_UNIX) as s:
        result = result_in(folder)
        here = os.getcwd()
        os.chdir(folder) # the name of a socket is short
        s.bind("F")
        os.chdir(here)
        refuse(folder, result, "a socket")


def test_a_path_to_a_descriptor_is_no_excuse_and_a_device_is_no_file():
    with tempfile.TemporaryDirectory() as folder:
        result = result_in(folder)
        os.mkfifo(folder + "/F")
        said = []
        for path in "/proc/self/cwd/F", "/dev/fd/../cwd/F", "/dev/zero", "/dev/tty", "/dev/full":
            for words in (f"import --from=rep {path} -o x.dmm", f"merge --jobs={path} RESULT",
                          f"check --max-peak=1 --suppress={path} GOOD"):
                args = [{"GOOD": GOOD, "RESULT": result}.get(x, x) for x in words.split()]
                try:
                    r = run([DMM, *args], folder)
                except subprocess.TimeoutExpired:
                    said.append(f"{words}: it waits")
                    continue
                if r.returncode != 1 or path + ": not a regular file" not in r.stderr:
                    said.append(f"{words}: {r.returncode}: {r.stderr[:400]}")
        assert not said, "\n".join(said)


def test_a_pipe_beside_a_recording_is_left_alone():
    with tempfile.TemporaryDirectory() as folder:
        with open(GOOD, "rb") as f, open(folder + "/T", "wb") as to:
            to.write(f.read())
        os.mkfifo(folder + "/T.tape")
        r = run([DMM, "info", "T"], folder)
        assert "T.tape is no file of dmm, and is left alone" in r.stderr and "calls" in r.stdout, r.stderr + r.stdout
        assert sorted(os.listdir(folder)) == ["T", "T.tape"]


def test_standard_input_and_pipes_of_the_shell_are_read():
    with tempfile.TemporaryDirectory() as folder:
        result = result_in(folder)
        with open(folder + "/t.rep", "w") as f:
            f.write(REP)
        for line in (f"{DMM} import --from=rep -o a - <t.rep", f"cat t.rep | {DMM} import --from=rep -o b /dev/stdin",
                     f"{DMM} import --from=rep -o c <(cat t.rep)",
                     f"ln -s /dev/stdin in; cat t.rep | {DMM} import --from=rep -o d in",
                     f"mkfifo p; cat t.rep >p & {DMM} import --from=rep -o e /dev/stdin <p",
                     f"{DMM} merge --jobs=<(cat jobs) {result}",
                     f"{DMM} check --max-peak=1G --suppress=<(echo main) {GOOD}",
                     f"{DMM} check --max-peak=1G --suppress=/dev/null {GOOD}", f"{DMM} info /dev/stdin <{GOOD}"):
            r = run(["bash", "-c", line], folder)
            assert r.returncode == 0, (line, r.returncode, r.stdout + r.stderr)
        assert {"a", "b", "c", "d", "e"} <= set(os.listdir(folder))


def main():
    tests = [f for name, f in globals().items() if name.startswith("test_")]
    failed = 0
    for test in tests:
        try:
            test()
            print(f"ok   {test.__name__[5:].replace('_', ' ')}")
        except (AssertionError, subprocess.TimeoutExpired) as e:
            failed += 1
            print(f"FAIL {test.__name__[5:].replace('_', ' ')}\n     {type(e).__name__}: {e}")
    print(f"{len(tests) - failed} of {len(tests)} hold")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
