#!/usr/bin/env python3
"""What `dmm record -o T` does with the files that are there already: it replaces those of an earlier T and no others.

usage: earlier_test.py BUILD SOURCE [WORD]   runs the tests whose name holds WORD
"""
import ctypes
import json
import os
import subprocess
import sys

sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../support"))
from from_outside import BUILD, DMM, calls, compile_c, info, main, run, skip, write
from runner import dmm_for_all

PR_SET_CHILD_SUBREAPER = 36
RAN = ("sh", "-c", "echo ran")
FORKER = """
    #include <stdlib.h>
    #include <sys/wait.h>
    #include <unistd.h>
    int main(int argc, char **argv) {
        void *volatile p = malloc(100 + argc);
        if (argc == 1) return execl(argv[0], argv[0], "again", (char *)0);
        if (fork() == 0) { p = malloc(222); free(p); _exit(0); }
        wait(0); return 0; }"""


def record(trace, *command, options=(), **kw):
    return run(DMM, "record", "-o", trace, *options, "--", *command, **kw)


def recorded(trace, *command):
    r = record(trace, *command)
    assert r.returncode == 0, r.stderr
    return r


def content():
    """Of each file here: a FIFO and a folder have none."""
    return {n: open(n, "rb").read() if os.path.isfile(n) else None for n in os.listdir(".")}


def refused(status, said, trace, *command, **kw):
    """The program did not run, and every file is as it was."""
    before = content()
    r = record(trace, *(command or RAN), **kw)
    assert r.returncode == status and r.stdout == "" and said in r.stderr, r
    assert content() == before, sorted(os.listdir("."))


def test_recordings_whose_names_begin_alike_are_kept():
    for name in ("run.1", "run.2.dmm", "run.exec1", "run.exec", "run2", "run.01", "run.3.exec1"):
        recorded(name, *RAN)
    before = content()
    for _ in range(2):  # the second replaces a recording
        recorded("run", *RAN)
        after = content()
        assert {n: after[n] for n in before} == before and set(after) - set(before) == {"run"}, sorted(after)


def test_all_files_of_an_earlier_recording_go():
    program = compile_c("forker", FORKER)
    recorded("T", program)
    first = {n for n in os.listdir(".") if n.startswith("T.")}
    assert "T.exec1" in first and len(first) == 2, first
    r = recorded("T", *RAN)
    assert "more recording" not in r.stderr, r.stderr
    assert [n for n in os.listdir(".") if n.startswith("T")] == ["T"], os.listdir(".")


def test_a_name_with_brackets_is_a_name():
    program = compile_c("forker", FORKER)
    recorded("T1", program)
    before = content()
    for name in ("T[1]", "T*", "T?"):
        for _ in range(2):
            r = recorded(name, program)
            assert "2 more recordings beside it" in r.stderr, r.stderr
    after = content()
    assert {n: after[n] for n in before} == before, sorted(after)


def test_the_recording_of_a_child_that_still_runs_is_left_alone():
    program = compile_c("parent", """
        #include <stdlib.h>
        #include <unistd.h>
        int main(void) {
            int ready[2];
            char c;
            if (pipe(ready) != 0) return 9;
            if (fork() != 0) return read(ready[0], &c, 1) == 1 ? 0 : 8;
            for (int i = 0; i < 1000; i++) { void *volatile p = malloc(10); (void)p; }
            return write(ready[1], "x", 1) == 1 && read(0, &c, 1) == 1 ? 0 : 7; }""")
    # the child becomes ours when its parent ends: where nobody waits for it, it would never be gone
    assert ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0
    with subprocess.Popen([DMM, "record", "-o", "C", "--", program], stdin=subprocess.PIPE,
                          stderr=open("said", "w")) as p:
        assert p.wait() == 0
        assert "1 process is still running and recorded" in open("said").read(), open("said").read()
        child = next(n for n in os.listdir(".") if n.startswith("C.") and n[2:].isdigit())
        r = record("C", *RAN)
        assert r.returncode == 2 and r.stdout == "", r
        assert f"{child} is being recorded, by process {child[2:]}" in r.stderr, r.stderr
        os.rename("C", "first")  # neither does it need the recording of its parent
        assert record("C", *RAN).returncode == 2
        p.stdin.write(b"x")
        p.stdin.close()
        os.waitpid(int(child[2:]), 0)
    recorded("C", *RAN)
    assert not os.path.exists(child) and info("C")["ended"]


def test_a_program_that_cannot_start_costs_no_recording():
    recorded("K", *RAN)
    write("plain", "no program\n")
    write("script", "#!/none/interpreter\n")  # only exec finds out
    os.chmod("script", 0o755)
    for command, status in (("nonexist", 127), ("./none/nonexist", 127), ("./plain", 126), ("./script", 127)):
        refused(status, command, "K", command)
        refused(status, command, "K", command, options=["--max-size=1M"])
        refused(status, command, "new", command)


def test_a_program_that_ends_with_127_is_a_program():
    r = record("T", "sh", "-c", "exit 127")
    assert r.returncode == 127 and " events in " in r.stderr and info("T")["ended"], r


def test_a_file_that_the_recorder_would_write_over_is_in_the_way():
    recorded("T", *RAN)
    for name in ("T.tape", "T.total"):
        write(name, "a letter to my mother\n")
        refused(2, name + " is in the way", "T")
        os.remove(name)
        recorded(name, *RAN)
        refused(2, name + " is in the way", "T")
        write(name, "\0" * 5000)
        refused(2, name + " is in the way", "T")
        os.remove(name)
        os.mkfifo(name)
        refused(2, name + " is in the way", "T")
        os.remove(name)
    write("T.total", "\0" * 16)  # of a dmm that was killed
    recorded("T", *RAN)


def test_a_fifo_beside_the_recording_is_not_waited_for():
    os.mkfifo("T.1")
    os.mkfifo("T.exec1")
    recorded("T", *RAN)
    recorded("T", *RAN)
    assert sorted(os.listdir(".")) == ["T", "T.1", "T.exec1"]


def test_a_link_to_a_place_where_no_file_can_be_is_refused():
    os.symlink("none/T", "T")
    refused(125, "cannot be created: No such file or directory", "T")
    os.symlink("real", "L")
    recorded("L", *RAN)
    assert os.path.islink("L") and info("real")["events"] > 0


def test_an_empty_file_becomes_a_recording_of_a_static_program_too():
    static = compile_c("static", "#include <stdlib.h>\nint main(void){free(malloc(1));return 0;}", "-static")
    write("T", "")
    assert "is static" in recorded("T", static).stderr
    assert "is static" in run(DMM, "info", "T").stdout


def test_a_file_that_this_user_cannot_replace_is_said_before_the_program_runs():
    if os.getuid() != 0:
        skip("needs root to be two users")
        return
    dmm = dmm_for_all(BUILD)
    for folder, mode in (("sticky", 0o1777), ("closed", 0o755)):
        os.mkdir(folder)
        os.chmod(folder, mode)
    for path, mode in (("sticky/T", 0o644), ("closed/T", 0o666)):
        recorded(path, *RAN)
        os.chmod(path, mode)
    for path, owner in (("sticky/empty", 0), ("sticky/own", 65534)):
        write(path, "")
        os.chown(path, owner, owner)
        os.chmod(path, 0o444)
    os.chmod(".", 0o755)
    for path, said in (("sticky/T", "cannot be written: "), ("closed/T", "cannot be replaced: "),
                       ("sticky/empty", "cannot be written: "), ("sticky/own", "cannot be written: ")):
        before = open(path, "rb").read()
        r = run("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", dmm, "record", "-o", path, "--", *RAN)
        assert r.returncode == 125 and r.stdout == "" and said in r.stderr, (path, r)
        assert r.stderr.count("\n") == 1 and open(path, "rb").read() == before, (path, r)
    assert sorted(os.listdir("sticky")) == ["T", "empty", "own"] and os.listdir("closed") == ["T"]


CROWDED = r"""
    #include <fcntl.h>
    #include <stdio.h>
    #include <stdlib.h>
    #include <sys/stat.h>
    #include <sys/wait.h>
    #include <unistd.h>
    int main(int argc, char **argv) {
        char name[64], c = 0, back[8];
        int go[2], held = -1;
        void *volatile p = malloc(100);
        if (argc < 4 || pipe(go) != 0) return 1;
        const pid_t pid = fork();
        if (pid == 0) {
            if (read(go[0], &c, 1) != 1) _exit(2);
            p = malloc(222);
            if (argv[3][0] == 'e') execl("/bin/true", "true", (char *)0);
            _exit(0);
        }
        snprintf(name, sizeof name, argv[1], pid);
        if (argv[2][0] == 'p' ? mkfifo(name, 0644) : argv[2][0] == 'd' ? mkdir(name, 0755)
            : argv[2][0] == 'c' ? close(creat(name, 0))
            : argv[2][0] == 'h' ? link("foreign", name) : symlink("foreign", name)) return 3;
        if (argv[2][0] == 'p' && ((held = open(name, O_RDWR)) < 0 || write(held, "mine", 4) != 4)) return 5;
        if (write(go[1], &c, 1) != 1) return 4;
        wait(0);
        return held < 0 || (fcntl(held, F_SETFL, O_NONBLOCK) == 0 && read(held, back, 8) == 4) ? 0 : 6;
    }"""


def crowded(suffix, foreign):
    """A child begins to be recorded after its parent has put something in the place of a file of it."""
    program = compile_c("crowded", CROWDED)
    for kind in ("hard link", "symbolic link", "pipe", "directory"):
        for end in ("_exit", "exec"):
            for n in os.listdir("."):
                if n.startswith("T"):
                    (os.rmdir if os.path.isdir(n) else os.unlink)(n)
            write("foreign", foreign)
            r = record("T", program, "T.%d" + suffix, kind, end)
            assert r.returncode == 0 and open("foreign").read() == foreign, (kind, end, r)
            yield kind, end, r


def test_a_child_overwrites_no_file_that_has_the_name_of_its_recording():
    for kind, end, r in crowded("", "mine\n"):
        place, = [n for n in os.listdir(".") if n.startswith("T.")]
        kept = {"h": os.path.samefile, "s": os.path.samefile}.get(kind[0], lambda *_: True)(place, "foreign")
        assert kept and os.path.islink(place) == (kind[0] == "s"), (kind, end, os.listdir("."))
        assert f"/{place}: another file has this name, and is not overwritten; recording ends here" in r.stderr, (kind, r.stderr)
        out = run(DMM, "info", "T").stdout
        assert "a child of fork: not recorded: another file had the name of its recording" in " ".join(out.split()), out


def test_a_child_removes_no_file_that_has_the_name_of_its_tape():
    for foreign in ("x" * 5000, "\0" * 5000):  # a tape without a head has zeros there
        for kind, end, r in crowded(".tape", foreign):
            place, = [n for n in os.listdir(".") if n.endswith(".tape")]
            assert f"/{place}: another file has this name; if the program is killed" in r.stderr, (kind, r.stderr)
            first = place[:-len(".tape")] + (".exec1" if end == "exec" else "")
            r = run(DMM, "info", "--format=json", first)  # it says of the tape that it is foreign, and exits with 1
            assert json.loads(r.stdout)["calls"].get("malloc") == 1, (kind, end, r)


def test_a_file_that_the_child_may_not_open_is_another_file():
    if os.getuid() != 0:
        skip("root may open every file: needs another user")
        return
    dmm = dmm_for_all(BUILD)
    program = compile_c("crowded", CROWDED)
    os.chmod(".", 0o777)
    r = run("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", dmm, "record", "-o", "T", "--", program,
            "T.%d", "closed", "_exit")
    place, = [n for n in os.listdir(".") if n.startswith("T.")]
    assert r.returncode == 0 and f"/{place}: another file has this name, and is not overwritten" in r.stderr, r
    assert os.path.getsize(place) == 0


TWICE = r"""
    #include <stdlib.h>
    #include <unistd.h>
    int main(int argc, char **argv) {
        void *volatile p = malloc(argc == 1 ? 111 : 222);
        if (argc > 1) return p == 0;
        if (getenv("CROWD") != 0 && (symlink("none", "T.exec1") != 0 || link("mine", "T.exec2.tape") != 0)) return 9;
        execl(argv[0], argv[0], "again", (char *)0);
        return 8;
    }"""


def test_calls_before_exec_overwrite_no_file():
    program = compile_c("twice", TWICE)
    write("mine", "mine\n")
    r = record("T", program, env={**os.environ, "CROWD": "1"})
    assert r.returncode == 0 and os.readlink("T.exec1") == "none", r
    assert os.path.samefile("mine", "T.exec2.tape") and open("mine").read() == "mine\n", os.listdir(".")
    assert not os.path.exists("T.exec2"), os.listdir(".")
    for name, size in (("T.exec3", 111), ("T", 222)):
        assert ("malloc", size) in calls(name), (name, calls(name))


def test_where_the_file_cannot_be_renamed_the_calls_after_exec_are_recorded():
    if os.getuid() != 0:
        skip("needs root to be two users")
        return
    dmm = dmm_for_all(BUILD)
    program = os.path.abspath(compile_c("twice", TWICE))
    os.mkdir("closed", 0o755)
    write("closed/T", "")
    os.chmod("closed/T", 0o666)
    r = run("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", dmm, "record", "-o", "closed/T", "--", program)
    assert r.returncode == 0 and "another file" not in r.stderr, r
    assert "/closed/T: the calls before exec are lost: this file cannot be renamed" in r.stderr, r
    assert os.listdir("closed") == ["T"]
    assert ("malloc", 222) in calls("closed/T") and ("malloc", 111) not in calls("closed/T"), calls("closed/T")


main(globals())
