#!/usr/bin/env python3
"""dmm info, from outside: what it says, and that it needs no memory for events.

usage: info_test.py BUILD SOURCE [WORD]   runs the tests whose name holds WORD
DMM_EVENTS=100000000 makes the long recording longer (1,000,000).
"""
import os
import re
import subprocess
import sys

sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../support"))
from from_outside import BUILD, DMM, compile_c, info, main, run, write

LONG = int(os.environ.get("DMM_EVENTS", "1000000"))


def generate(name, count, threads=8):
    r = subprocess.run([BUILD + "/test/generate", name, str(count), str(threads), "1"], capture_output=True, text=True)
    assert r.returncode == 0, r.stderr


def peak_kib(*command):
    """Peak memory of a command, and what it printed."""
    p = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    text = p.stdout.read()
    _, status, usage = os.wait4(p.pid, 0)
    assert status == 0, command
    return usage.ru_maxrss, usage.ru_utime + usage.ru_stime, text


def test_info_needs_no_memory_for_events():
    generate("short", LONG // 10)
    generate("long", LONG)
    short, _, _ = peak_kib(DMM, "info", "short")
    long, seconds, text = peak_kib(DMM, "info", "long")
    bytes = os.path.getsize("long")
    print(f"     {LONG} events, {bytes / LONG:.2f} bytes each: {long} KiB at most ({short} KiB for a tenth), "
          f"{seconds:.1f} s of CPU")
    assert re.search(rf"^calls +{LONG}$", text, re.M), text
    # the index takes 40 bytes a block of about 4,000 events; its array doubles, and is sorted beside itself
    assert long - short < 2048 + 8 * 40 * LONG / 4000 / 1024, (short, long)


def test_a_recording_that_is_not_there_is_named_without_an_offset_and_every_command_exits_with_1():
    for command in ("info", "show", "advise", "replay", "report -o p.html", "tune -o f.conf", "export --to=csv",
                    "sweep --plan", "import --from=rep -o T"):
        r = run(DMM, *command.split(), "nowhere.dmm")
        assert (r.returncode, r.stderr) == (1, "dmm: nowhere.dmm: No such file or directory\n"), (command, r)
    r = run(DMM, "show", "--core=nowhere")
    assert r.returncode == 1 and r.stderr.startswith("dmm: nowhere: No such file or directory"), r


def test_a_file_that_is_no_recording_ends_every_command_with_1():
    with open("words", "w") as f:
        f.write("no recording at all\n" * 100)
    for command in ("info", "show", "advise", "replay", "report -o p.html", "tune -o f.conf", "export --to=csv"):
        r = run(DMM, *command.split(), "words")
        assert r.returncode == 1 and r.stderr.startswith("dmm: words: "), (command, r)


def test_the_leak_list_is_by_call_site_with_the_largest_first():
    program = compile_c("leaky", """
        #include <stdlib.h>
        __attribute__((noinline)) void small(void) { void *volatile p = malloc(10); (void)p; }
        __attribute__((noinline)) void large(void) { void *volatile p = malloc(9000); (void)p; }
        __attribute__((noinline)) void clean(void) { void *volatile p = malloc(5000); free(p); }
        int main(void) { for (int i = 0; i < 7; i++) { small(); clean(); } large(); large(); return 0; }""")
    assert run(DMM, "record", "-o", "T", "--", program).returncode == 0
    assert (info()["schema"], info()["version"]) == ("dmm-info", 3)
    leaks = info()["never_freed"]
    named = [(s["stack"][0].split(" ")[0], s["objects"], s["bytes"]) for s in leaks]
    assert [n for n in named if n[0] in ("small", "large", "clean")] == [("large", 2, 18000), ("small", 7, 70)], named
    text = run(DMM, "info", "--top=1", "T").stdout
    assert re.search(r"17\.6 KiB in 2 objects, the oldest since .*\n  large \(leaky\.c:4\)", text), text
    assert "more call site" in text or len(leaks) == 1, text


def test_stacks_that_read_alike_are_one_call_site():
    """Two calls in a line: only their addresses differ."""
    program = compile_c("alike", """
        #include <stdlib.h>
        void *volatile kept[100];
        __attribute__((noinline)) void one(int i) { kept[i] = malloc(10); kept[i + 1] = malloc(10); }
        __attribute__((noinline)) void two(int i) {
            kept[i] = malloc(10);
            kept[i + 1] = malloc(10); }
        int main(void) { for (int i = 0; i < 40; i += 4) { one(i); two(i + 2); } return 0; }""")
    for stacks in "caller", "fp":
        assert run(DMM, "record", f"--stacks={stacks}", "-o", "T", "--", program).returncode == 0
        for name, figure in ("at_peak", "peak_objects"), ("most_calls", "calls"), ("never_freed", "objects"):
            own = sorted((s["stack"][0], s[figure]) for s in info()[name] if "alike.c" in s["stack"][0])
            assert own == [("one (alike.c:4)", 20), ("two (alike.c:6)", 10), ("two (alike.c:7)", 10)], (stacks, name, own)
        text = run(DMM, "info", "T").stdout
        assert text.count("one (alike.c:4)") == 3, text


def test_functions_or_files_whose_names_are_shown_alike_are_two_call_sites():
    for folder in "ab":
        os.mkdir(folder)
        write(folder + "/same.c", f"""
            #include <stdlib.h>
            static void *volatile kept[100];
            static __attribute__((noinline)) void plant(int i) {{ kept[i] = malloc(10); }}
            void {folder}(int i) {{ plant(i); }}""")
    long = "f" * 210
    in_one_line = " ".join(f"__attribute__((noinline)) void {long}{n}(int i) {{ kept[i + {n}] = malloc(20); }}"
                           for n in (0, 1))
    write("main.c", f"""
        #include <stdlib.h>
        static void *volatile kept[200];
        void a(int), b(int);
        {in_one_line}
        int main(void) {{ for (int i = 0; i < 20; i++) {{ a(i); b(i); {long}0(2 * i); {long}1(2 * i); }} return 0; }}""")
    subprocess.run(["cc", "-g", "-O1", "a/same.c", "b/same.c", "main.c", "-o", "program"], check=True)
    for stacks in "caller", "fp":
        assert run(DMM, "record", f"--stacks={stacks}", "-o", "T", "--", "./program").returncode == 0
        sites = sorted((s["stack"][0], s["objects"]) for s in info()["never_freed"]
                       if "same.c" in s["stack"][0] or "fff" in s["stack"][0])
        assert sites == 2 * [("f" * 200 + " (main.c:5)", 20)] + 2 * [("plant (same.c:4)", 20)], (stacks, sites)


def test_info_waits_at_no_pipe_in_the_place_of_the_program_or_of_its_map():
    program = compile_c("mapped", """
        #include <stdio.h>
        #include <stdlib.h>
        #include <sys/stat.h>
        #include <unistd.h>
        int main(void) {
            char name[64];
            void *volatile p = malloc(100);
            snprintf(name, sizeof name, "/tmp/perf-%d.map", getpid());
            puts(name);
            return p == 0 || mkfifo(name, 0600) != 0; }""")
    r = run(DMM, "record", "-o", "T", "--", program)
    try:
        assert r.returncode == 0, r
        assert "main (mapped.c:8)" in run(DMM, "info", "T").stdout
        os.unlink(program)
        os.mkfifo(program)
        assert "mapped+0x" in run(DMM, "info", "T").stdout
    finally:
        os.unlink(r.stdout.strip())


SITES = """
    #include <stdlib.h>
    void *volatile kept[100];
    __attribute__((noinline)) void peak(void) { for (int i = 0; i < 100; i++) kept[i] = malloc(10000); }
    __attribute__((noinline)) void drop(void) { for (int i = 0; i < 100; i++) free(kept[i]); }
    __attribute__((noinline)) void hot(void) { for (int i = 0; i < 9000; i++) { void *volatile p = malloc(8); free(p); } }
    __attribute__((noinline)) void slow(void) { for (int i = 0; i < 50; i++) kept[i] = malloc(20);
                                                for (int i = 0; i < 50; i++) free(kept[i]); }
    __attribute__((noinline)) void leak(void) { for (int i = 0; i < 3; i++) { void *volatile p = malloc(500); (void)p; } }
    int main(void) { leak(); peak(); drop(); hot(); slow(); return 0; }"""


def test_the_sites_of_the_peak_the_hottest_the_most_temporary_and_the_leaks_come_first():
    assert run(DMM, "record", "-o", "T", "--", compile_c("sites", SITES, "-O1")).returncode == 0
    i = info()
    def first(name):
        return i[name][0], i[name][0]["stack"][0].split(" ")[0]
    site, name = first("at_peak")
    assert name == "peak" and site["peak_bytes"] == 1000000 and site["peak_objects"] == 100, site
    assert site["bytes"] == 0 and site["freed"] == 100, site
    assert sum(s["peak_bytes"] for s in i["at_peak"]) == i["peak_payload_bytes"], i["at_peak"]
    site, name = first("most_calls")
    assert name == "hot" and site["calls"] == 9000 and site["total_bytes"] == 72000, site
    site, name = first("most_temporary")
    assert name == "hot" and site["temporary"] == 9000 and 0 <= site["mean_life_seconds"] < 1, site
    others = {s["stack"][0].split(" ")[0] for s in i["most_temporary"]}
    assert "slow" not in others and "peak" not in others, others
    site, name = first("never_freed")
    assert name == "leak" and site["bytes"] == 1500 and site["objects"] == 3, site
    text = run(DMM, "info", "--top=1", "T").stdout
    for title in ("at the peak, by call site", "most calls", "most temporary", "never freed: "):
        assert title in text, text


FAMILY = """
    #include <stdlib.h>
    #include <sys/wait.h>
    #include <unistd.h>
    static void calls(int n) { for (int i = 0; i < n; i++) free(malloc(9)); }
    int main(int argc, char **argv) {
        char *none[] = {0}, *again[] = {argv[0], "again", 0}, *empty[] = {"/bin/true", 0}, *still[] = {"./still", 0};
        if (argc > 1) { calls(50); return 0; }
        calls(10);
        if (fork() == 0) { calls(100); if (fork() == 0) { calls(30); _exit(0); } wait(0); _exit(0); }
        if (fork() == 0) { calls(2000); execv(argv[0], again); }
        if (fork() == 0) { execve("/bin/true", empty, none); }
        if (fork() == 0) { execv("./still", still); }
        if (fork() == 0) { execv("./nowhere", still); _exit(0); }
        while (wait(0) > 0) ;
        return 0; }"""


def test_info_gives_the_tree_of_processes_and_those_that_were_not_recorded():
    compile_c("still", "int main(void) { return 0; }", "-static")
    assert run(DMM, "record", "-o", "T", "--", compile_c("family", FAMILY)).returncode == 0
    all_of_them = info()["processes"]
    assert all_of_them[0]["recording"].endswith("T") and all_of_them[0]["events"] >= 20, all_of_them
    top = all_of_them[0]["pid"]
    with_events = [p for p in all_of_them if p["recording"]]
    # in any order: they are sorted by their numbers, which begin again at some time
    found = sorted((p["events"], p["parent"] == top) for p in with_events[1:])
    assert found == [(60, False), (100, True), (200, True), (4000, True)], with_events
    lost = {p["what"] for p in all_of_them if not p["recording"]}
    assert lost == {"/bin/true: not recorded: its environment had no LD_PRELOAD",
                    "./still: not recorded: it is static"}, lost
    text = run(DMM, "info", "T").stdout
    assert re.search(r"^processes\n  pid \d+ .*\n    pid \d+ .*\n", text, re.M), text
    few = run(DMM, "info", "--top=4", "T").stdout.split("\n\n")[1].splitlines()
    # the first, and those with most events
    assert len(few) == 6 and few[5] == "  ... and 3 more, 2 of them not recorded: --top=N", few
    assert all(any(f" {n} events" in line for line in few) for n in (4000, 200, 100)), few


WORK = """
    #include <stdlib.h>
    int main(void) { void *volatile p = malloc(9); free(p); return 0; }"""


def test_info_takes_no_other_recording_for_a_process_of_this_one():
    family, alone = compile_c("family", FAMILY), compile_c("alone", WORK)
    compile_c("still", "int main(void) { return 0; }", "-static")
    for name, program in (("T1", family), ("T[1]", alone), ("T", alone), ("T.1", alone), ("T.2.dmm", family)):
        assert run(DMM, "record", "-o", name, "--", program).returncode == 0
    for name, count in (("T1", 7), ("T[1]", 1), ("T", 1), ("T.2.dmm", 7)):
        processes = info(name)["processes"]
        assert len(processes) == count, (name, processes)


NESTED = """
    #include <stdlib.h>
    #include <sys/wait.h>
    #include <unistd.h>
    static void work(int n) { for (int i = 0; i < n; i++) free(malloc(777)); }
    static char *const still[] = {(char *)"./still", 0};
    int main(void) {
        work(10);
        for (int i = 0; i < 3; i++)
            if (fork() == 0) { execv(still[0], still); _exit(0); }
        if (fork() == 0) { work(300); _exit(0); }
        if (fork() == 0) {
            work(1);
            if (fork() == 0) { work(450); _exit(0); }
            wait(0);
            _exit(0);
        }
        while (wait(0) > 0) ;
        return 0; }"""


def test_info_shows_the_processes_with_most_events_below_their_own_parents():
    compile_c("still", "int main(void) { return 0; }", "-static")
    assert run(DMM, "record", "-o", "T", "--", compile_c("nested", NESTED)).returncode == 0
    shown = run(DMM, "info", "--top=2", "T").stdout.split("\n\n")[1].splitlines()
    assert [re.sub(r"^( *)pid \d+  (\d+ events)? .*", r"\1\2", line) for line in shown[2:]] == [
        "    2 events", "      900 events", "  ... and 4 more, 3 of them not recorded: --top=N"], shown


main(globals())
