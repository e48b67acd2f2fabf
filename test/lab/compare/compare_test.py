#!/usr/bin/env python3
"""dmm systems, run and compare, from outside: bad input, the JSON contract, which allocators a table shows.

usage: compare_test.py BUILD [unittest arguments]
Nothing here asserts a time: what is slow is made slow by sleeping.
"""
import csv
import io
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import unittest

BUILD = os.path.abspath(sys.argv.pop(1))
DMM = os.path.join(BUILD, "dmm")
QUICK = ["--runs=1", "--warm=0"]
WORK = tempfile.mkdtemp(prefix="dmm-compare-")


def dmm(*args, **more):
    more.setdefault("stdin", subprocess.DEVNULL)
    return subprocess.run([DMM, *args], capture_output=True, text=True, timeout=300, **more)


def compare(*args, systems="bins", peers="none", **more):
    """The rows of one comparison by name, and the finished process."""
    split = args.index("--")
    r = dmm("compare", *QUICK, f"--systems={systems}", f"--peers={peers}", "--format=json",
            *args[:split], *args[split:], **more)
    whole = json.loads(r.stdout) if r.stdout else None
    rows = {row["name"]: row for row in whole["rows"]} if whole else {}
    return rows, r, whole


def compiled(name, source, *flags):
    path = os.path.join(WORK, name)
    subprocess.run(["gcc", "-w", "-x", "c", "-o", path, "-", *flags], input=source, text=True, check=True)
    return path


class Interrupted(unittest.TestCase):
    def test_an_interrupt_before_the_first_run_has_ended_calls_no_allocator_a_failure(self):
        started = os.path.join(WORK, "started")
        os.mkfifo(started)
        with subprocess.Popen([DMM, "compare", *QUICK, "--systems=bins", "--peers=none", "--", "sh", "-c",
                               f"echo >{started}; exec sleep 600"], stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as p:
            with open(started) as f:  # a run has begun
                f.readline()
            p.send_signal(signal.SIGINT)
            out, said = p.communicate(timeout=300)
        self.assertEqual(p.returncode, 130, said)
        self.assertIn("dmm: interrupted before a run had ended", said)
        self.assertIn("no verdict: no run has ended.", out.lower())
        self.assertNotIn("failed", out)
        self.assertNotIn("Not counted", out)

    def test_an_interrupt_does_not_hide_a_fault_that_was_found_before_it(self):
        started, seen = os.path.join(WORK, "again"), os.path.join(WORK, "seen")
        os.mkfifo(started)
        script = f"""case "$LD_PRELOAD" in *bins*) touch {seen}; exit 3;; esac
                     [ -e {seen} ] && echo >{started} && exec sleep 600; exit 0"""
        with subprocess.Popen([DMM, "compare", "--runs=2", "--warm=0", "--systems=bins", "--peers=none", "--", "sh",
                               "-c", script], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True) as p:
            with open(started) as f:  # the second round has begun
                f.readline()
            p.send_signal(signal.SIGINT)
            out, said = p.communicate(timeout=300)
        self.assertEqual(p.returncode, 1, out + said)
        self.assertIn("dmm: interrupted; the figures are from the runs that had ended", said)


class Words(unittest.TestCase):
    def test_unknown_system_exits_2_names_the_nearest_and_runs_nothing(self):
        witness = os.path.join(WORK, "witness")
        for command in (["run", "--system=bims"], ["compare", "--systems=gnu,bims"]):
            r = dmm(*command, "--", "touch", witness)
            self.assertEqual(r.returncode, 2)
            self.assertIn("unknown system 'bims'; did you mean 'bins'?", r.stderr)
            self.assertFalse(os.path.exists(witness))

    def test_unknown_option_exits_2_and_names_the_nearest(self):
        for args in (["run", "--sistem=bins", "--", "true"], ["compare", "--run=3s", "--rums=3", "--", "true"],
                     ["systems", "--fromat=json"]):
            r = dmm(*args)
            self.assertEqual(r.returncode, 2, args)
        self.assertIn("did you mean '--format'?", r.stderr)

    def test_unknown_peer_and_value_exit_2(self):
        r = dmm("compare", "--peers=gemalloc", "--", "true")
        self.assertEqual((r.returncode, "'jemalloc'" in r.stderr), (2, True), r.stdout + r.stderr)
        r = dmm("compare", "--thp=of", "--", "true")
        self.assertEqual((r.returncode, "'off'" in r.stderr), (2, True), r.stdout + r.stderr)
        self.assertEqual(dmm("compare", "--runs=0", "--", "true").returncode, 2)
        self.assertEqual(dmm("compare", "--runs=-1", "--", "true").returncode, 2)
        self.assertEqual(dmm("compare", "--timeout=x", "--", "true").returncode, 2)
        self.assertEqual(dmm("compare", "--server", "--", "true").returncode, 2)
        self.assertEqual(dmm("compare", "--drive=true", "--", "true").returncode, 2)
        self.assertEqual(dmm("compare").returncode, 2)

    def test_unknown_command_names_the_nearest(self):
        r = dmm("comparre")
        self.assertEqual(r.returncode, 2)
        self.assertIn("did you mean 'compare'?", r.stderr)

    def test_help_and_version_everywhere(self):
        for args in (["--help"], ["--version"], ["systems", "--help"], ["run", "--help"],
                     ["compare", "--help"], ["compare", "--version"]):
            r = dmm(*args)
            self.assertEqual((r.returncode, r.stderr), (0, ""), args)
            self.assertIn("dmm", r.stdout)

    def test_a_name_given_twice_is_a_usage_error(self):
        self.assertEqual(dmm("compare", "--systems=bins,bins", "--", "true").returncode, 2)

    def test_the_last_line_on_stderr_is_a_command(self):
        for args in (["systems"], ["compare", *QUICK, "--systems=bins", "--peers=none", "--", "true"],
                     ["run", "--system=bins", "--stats", "--", "true"]):
            r = dmm(*args)
            self.assertRegex(r.stderr.strip().split("\n")[-1], r"^next: dmm ", args)


class Systems(unittest.TestCase):
    def test_the_three_formats_agree(self):
        systems = json.loads(dmm("systems", "--format=json").stdout)
        self.assertEqual((systems["schema"], systems["version"]), ("dmm-systems", 1))
        names = [s["name"] for s in systems["systems"]]
        rows = list(csv.DictReader(io.StringIO(dmm("systems", "--format=csv").stdout)))
        self.assertEqual([row["name"] for row in rows], names)
        text = dmm("systems").stdout
        for s in systems["systems"]:
            self.assertIn(f"\n{s['name']} ", "\n" + text)
            self.assertTrue(s["idea"] and s["teaches"], s["name"])
            self.assertTrue(os.path.exists(s["library"]), s["name"])

    def test_what_a_design_cannot_see_is_said(self):
        rows = {r["name"]: r for r in csv.DictReader(io.StringIO(dmm("systems", "--format=csv").stdout))}
        self.assertEqual(rows["minimal"]["unseen"], "double, foreign")
        self.assertEqual(rows["bins"]["unseen"], "-")


class Run(unittest.TestCase):
    def test_the_program_has_the_library_mapped_and_its_exit_status_is_ours(self):
        r = dmm("run", "--system=gnu", "--", "sh", "-c", "grep -c libdmm-gnu.so /proc/self/maps >&2; exit 7")
        self.assertEqual(r.returncode, 7)
        self.assertGreater(int(r.stderr), 0)

    def test_missing_not_executable_and_failing_are_env_s_statuses(self):
        self.assertEqual(dmm("run", "--system=bins", "--", "no-such-program").returncode, 127)
        self.assertEqual(dmm("run", "--system=bins", "--", "/etc/passwd").returncode, 126)
        r = dmm("run", "--lib=/no/such.so", "--", "true")
        self.assertEqual(r.returncode, 125)
        self.assertEqual(r.stderr.count("\n"), 1)

    def test_conf_reaches_the_program(self):
        conf = os.path.join(WORK, "a.conf")
        with open(conf, "w") as f:
            f.write("# of one program\nstats:0\n  stats:1 # twice\n")
        r = dmm("run", "--system=bins", f"--conf={conf}", "--", "sh", "-c", 'echo "$DMM_CONF"')
        self.assertEqual(r.stdout, "stats:0,stats:1\n")


class Before(unittest.TestCase):
    """What happens before each run."""

    def test_an_idle_machine_is_left_idle_before_each_run_and_nothing_is_warmed(self):
        stamps = os.path.join(WORK, "stamps")
        r = dmm("compare", "--runs=1", "--idle=0.2", "--systems=none", "--peers=none", "--format=json",
                "--", "sh", "-c", f"date +%s%N >>{stamps}")
        whole = json.loads(r.stdout)
        self.assertEqual((whole["idle_s"], whole["warm_bytes"]), (0.2, 0))
        with open(stamps) as f:
            at = [int(line) for line in f]
        self.assertEqual(len(at), 1 + 2)  # the rehearsal, glibc, glibc again
        for before, after in zip(at, at[1:]):
            self.assertGreaterEqual(after - before, 0.2e9)

    def test_a_machine_that_is_not_idle_is_warmed_and_both_may_be_asked_for(self):
        for words, wanted in (([], (0, 1 << 30)), (["--idle=0.01", "--warm=1M"], (0.01, 1 << 20))):
            r = dmm("compare", "--runs=1", *words, "--systems=none", "--peers=none", "--format=json", "--", "true")
            whole = json.loads(r.stdout)
            self.assertEqual((whole["idle_s"], whole["warm_bytes"]), wanted)


class Targets(unittest.TestCase):
    """Programs into which nothing can be preloaded: one line, and glibc is still measured."""

    def refused(self, path, words):
        rows, r, _ = compare("--", path)
        self.assertEqual(r.returncode, 1)
        self.assertEqual(r.stderr.count("\n"), 2, r.stderr)  # the reason, and what to run next
        self.assertIn(words, r.stderr)
        self.assertIs(rows["bins"]["loaded"], False)
        self.assertIsNone(rows["bins"]["wall_s"])
        self.assertGreater(rows["glibc"]["wall_s"]["median"], 0)
        r = dmm("run", "--system=bins", "--", path)
        self.assertEqual((r.returncode, words in r.stderr), (125, True), r.stdout + r.stderr)

    def test_static(self):
        self.refused(compiled("static", "int main(void) { return 0; }", "-static"), "statically linked")

    @unittest.skipUnless(os.geteuid() == 0, "only root can make a file of another user setuid")
    def test_setuid(self):
        path = compiled("setuid", "int main(void) { return 0; }")
        os.chmod(WORK, 0o755)
        os.chown(path, 65534, 65534)
        os.chmod(path, 0o4755)
        self.refused(path, "setuid")

    def test_own_malloc(self):
        self.refused(compiled("own", "void *malloc(unsigned long n) { return 0; } int main() { return 0; }",
                              "-rdynamic"), "defines malloc itself")

    def test_missing_command_is_127(self):
        r = dmm("compare", "--", "no-such-program")
        self.assertEqual((r.returncode, r.stdout), (127, ""))
        self.assertIn("no-such-program: command not found", r.stderr)


class Peers(unittest.TestCase):
    def test_a_peer_that_does_not_load_is_one_line_and_the_others_are_measured(self):
        text = os.path.join(WORK, "text.so")
        with open(text, "w") as f:
            f.write("not a library")
        narrow = os.path.join(WORK, "narrow.so")
        with open(narrow, "wb") as f:  # the head of a 32-bit ELF file
            f.write(b"\x7fELF\x01\x01\x01" + bytes(57))
        broken = compiled("broken.so", "extern void nowhere(void); void *malloc(unsigned long n) "
                          "{ nowhere(); return 0; }", "-shared", "-fPIC", "-Wl,-z,now")
        no_malloc = compiled("none.so", "int x;", "-shared", "-fPIC")
        rows, r, _ = compare("--", "true", peers=f"a=/no/such.so,b={text},c={narrow},d={broken},e={no_malloc}")
        self.assertEqual(r.returncode, 1)
        for name, words in (("a", "No such file"), ("b", "not an ELF"), ("c", "wrong ELF class"),
                            ("d", "nowhere"), ("e", "defines no malloc")):
            self.assertIs(rows[name]["loaded"], False)
            self.assertIn(words, rows[name]["why"])
            self.assertEqual(r.stderr.count(f"dmm: {name}: "), 1, r.stderr)
        self.assertIs(rows["bins"]["loaded"], True)
        self.assertGreater(rows["bins"]["wall_s"]["median"], 0)

    def test_settings_reach_the_peer_alone(self):
        library = os.path.join(BUILD, "libdmm-bins.so")
        show = 'echo "${MALLOC_CONF-}${OTHER-}"; test -z "${MALLOC_CONF-}"'
        rows, r, _ = compare("--", "sh", "-c", show, systems="none",
                             peers=f"je={library}?MALLOC_CONF=narenas:1,lg_tcache:3&OTHER=x,plain={library}")
        self.assertEqual(rows["je"]["settings"], ["MALLOC_CONF=narenas:1,lg_tcache:3", "OTHER=x"])
        self.assertEqual((rows["je"]["exit"], rows["je"]["outcome"]), (1, "differs"))
        self.assertEqual((rows["plain"]["exit"], rows["plain"]["outcome"]), (0, "fine"))

    def test_settings_of_one_system_end_where_the_next_begins(self):
        names = ["slab?purge_age_ms:300", "slab?purge_age_ms:500,purge_tick_ms:50", "bins?fit:best"]
        rows, r, _ = compare("--", "true", systems=",".join(names))
        self.assertEqual(r.returncode, 0, r.stdout + r.stderr)
        self.assertEqual(list(rows), ["glibc", "glibc-again", *names])
        self.assertEqual([rows[n]["settings"] for n in names], [["DMM_CONF=" + n.split("?")[1]] for n in names])

    def test_a_program_that_is_linked_with_another_malloc_is_not_shown_as_glibc(self):
        own = os.path.join(WORK, "linked_with")
        os.mkdir(own)
        library = shutil.copy(os.path.join(BUILD, "libdmm-gnu.so"), own)
        path = compiled("linked", """
            #define _GNU_SOURCE
            #include <dlfcn.h>
            #include <stdlib.h>
            #include <string.h>
            int main(void) { Dl_info i; dladdr(dlsym(RTLD_DEFAULT, "malloc"), &i); free(malloc(1));
                return strstr(i.dli_fname, "libc.so.6") ? 3 : strstr(i.dli_fname, "/linked_with/") ? 4 : 5; }""",
                        "-fno-builtin", "-Wl,--no-as-needed", "-xnone", library, "-Wl,-rpath," + own)
        rows, r, whole = compare("--", path)
        self.assertEqual({n: row["exit"] for n, row in rows.items()},
                         {"glibc": 3, "glibc-again": 3, "bins": 5, "linked": 4})
        self.assertEqual(os.path.realpath(whole["linked_malloc"]), os.path.realpath(library))
        self.assertIn("is linked with", r.stderr)
        rows, _, _ = compare("--", path, peers="je=" + library)  # it has a row already
        self.assertEqual(list(rows), ["glibc", "glibc-again", "bins", "je"])
        _, _, whole = compare("--", "true")
        self.assertIsNone(whole["linked_malloc"])

    def test_a_system_of_ones_own_is_taken_as_name_and_path(self):
        rows, _, _ = compare("--", "true", systems=f"mine={BUILD}/libdmm-gnu.so,gnu")
        self.assertEqual((rows["mine"]["kind"], rows["mine"]["loaded"]), ("system", True))


class Endings(unittest.TestCase):
    def test_a_crash_is_shown(self):
        rows, r, _ = compare("--", "sh", "-c", 'test -z "$LD_PRELOAD" || { echo last words >&2; kill -SEGV $$; }')
        self.assertEqual(r.returncode, 1)
        self.assertEqual(rows["bins"]["outcome"], "crashed")
        self.assertEqual((rows["bins"]["exit"], rows["bins"]["signal"]), (128 + signal.SIGSEGV, signal.SIGSEGV))
        self.assertIn("SIGSEGV: last words", rows["bins"]["why"])
        self.assertEqual(rows["glibc"]["outcome"], "fine")

    def test_a_timeout_is_shown_and_the_whole_tree_ends(self):
        mark = f"{3000 + os.getpid() % 1000}.5"
        rows, _, whole = compare("--timeout=1.5", "--", "sh", "-c",
                                 f'test -z "$LD_PRELOAD" || {{ setsid sleep {mark} & sleep {mark}; }}')
        self.assertEqual((rows["bins"]["outcome"], rows["bins"]["ending"]), ("timeout", "timeout"))
        self.assertEqual(whole["timeout_s"], 1.5)
        self.assertEqual(subprocess.run(["pgrep", "-f", f"sleep {mark}"], capture_output=True).stdout, b"")
        r = dmm("compare", *QUICK, "--timeout=1.5", "--systems=bins", "--peers=none", "--", "sh", "-c",
                f'test -z "$LD_PRELOAD" || sleep {mark}')
        self.assertIn("> 1.5 s", r.stdout)

    def test_another_exit_status_and_other_output_are_shown(self):
        rows, r, _ = compare("--", "sh", "-c", 'test -z "$LD_PRELOAD"')
        self.assertEqual((r.returncode, rows["bins"]["outcome"], rows["bins"]["exit"]), (1, "differs", 1))
        rows, r, _ = compare("--check-output", "--", "sh", "-c", 'echo "$LD_PRELOAD"')
        self.assertEqual((r.returncode, rows["bins"]["outcome"]), (1, "differs"))
        rows, r, _ = compare("--check-output", "--", "sh", "-c", "echo the same; exit 3")
        self.assertEqual((r.returncode, rows["bins"]["outcome"], rows["bins"]["exit"]), (0, "fine", 3))

    def test_output_that_glibc_itself_never_repeats_is_not_compared(self):
        rows, r, _ = compare("--check-output", "--", "sh", "-c", "cat /proc/sys/kernel/random/uuid")
        self.assertEqual((r.returncode, rows["bins"]["outcome"]), (0, "fine"))

    def test_every_run_reads_standard_input_from_its_beginning(self):
        check = 'test "$(cat)" = "the input"'
        for give in ("pipe", "file"):
            with open(os.path.join(WORK, "input"), "w+") as f:
                f.write("the input\n")
                f.seek(0)
                more = {"stdin": f} if give == "file" else {"stdin": None, "input": "the input\n"}
                rows, _, _ = compare("--", "sh", "-c", check, **more)
            self.assertEqual([row["exit"] for row in rows.values()], [0, 0, 0], give)

    def test_children_that_we_were_born_with_live_on(self):
        script = f'{DMM} compare --runs=1 --warm=0 --systems=bins --peers=none -- true 2> >(sed s/^/told:/)'
        r = subprocess.run(["bash", "-c", script], capture_output=True, text=True, timeout=300)
        self.assertEqual(r.returncode, 0)


class Json(unittest.TestCase):
    def test_the_contract(self):
        rows, r, whole = compare("--runs=3", "--", "true", systems="bins,gnu", peers="auto")
        self.assertEqual(r.returncode, 0, r.stdout + r.stderr)
        self.assertEqual((whole["schema"], whole["version"]), ("dmm-compare", 3))
        for key in ("cpu", "kernel", "huge_pages", "date", "libc", "cpus"):
            self.assertTrue(whole["provenance"][key], key)
        self.assertEqual({row["kind"] for row in rows.values()} - {"peer"}, {"baseline", "system"})
        self.assertEqual(rows["glibc"]["kind"], "baseline")
        for name, row in rows.items():
            self.assertIs(row["loaded"], True, name)
            self.assertEqual(row["exit"], 0)
            self.assertEqual(len(row["runs"]), 3)
            for figure in ("wall_s", "cpu_s", "peak_rss_bytes"):
                s = row[figure]
                self.assertTrue(0 < s["min"] <= s["median"] <= s["max"], (name, figure, s))
                i = row["ratio"][figure]
                self.assertTrue(0 < i["low"] <= i["median"] <= i["high"], (name, figure, i))
                self.assertEqual(i["coverage"], 0.75)
        for row in rows.values():
            self.assertRegex(row["build_id"] or "", r"^[0-9a-f]{8,}$")
            if row["kind"] != "baseline":
                self.assertTrue(os.path.exists(row["path"]))

    def test_glibc_runs_against_itself(self):
        rows, _, whole = compare("--runs=6", "--", "true")
        self.assertEqual(rows["glibc-again"]["kind"], "baseline")
        self.assertIsNone(rows["glibc-again"]["path"])
        self.assertGreaterEqual(rows["glibc-again"]["ratio"]["wall_s"]["coverage"], 0.95)
        noise = whole["verdicts"][0]["noise"]
        ratio = rows["glibc-again"]["ratio"]["wall_s"]
        self.assertAlmostEqual(noise, max(ratio["high"] - 1, 1 - ratio["low"]), places=6)
        self.assertIs(rows["glibc-again"]["ratio"]["differs"], False)  # by definition of the floor

    def test_huge_pages_off_reaches_the_program(self):
        probe = compiled("thp", "#include <sys/prctl.h>\nint main(void) { return 10 + "
                         "prctl(PR_GET_THP_DISABLE, 0, 0, 0, 0); }")
        r = dmm("compare", *QUICK, "--thp=both", "--systems=bins", "--peers=none", "--format=json", "--", probe)
        rows = json.loads(r.stdout)["rows"]
        self.assertEqual({(row["thp"], row["exit"]) for row in rows}, {("as-is", 10), ("off", 11)})

    def test_csv_has_the_same_rows(self):
        r = dmm("compare", *QUICK, "--systems=bins", "--peers=none", "--format=csv", "--", "true")
        rows = list(csv.DictReader(io.StringIO(r.stdout)))
        self.assertEqual([row["name"] for row in rows], ["glibc", "glibc-again", "bins"])
        self.assertGreater(float(rows[2]["peak_rss_median_bytes"]), 0)


SERVER = """
import os, signal, socket, sys
s = socket.socket(socket.AF_UNIX); s.bind(sys.argv[1]); s.listen()
signal.signal(signal.SIGTERM, lambda *_: (os.unlink(sys.argv[1]), sys.exit(0)))
while True:
    c, _ = s.accept()
    if len(sys.argv) > 2 and os.environ.get("LD_PRELOAD"): os.abort()
    c.sendall(b"hello"); c.close()
"""
CLIENT = "import socket,sys; s=socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]); assert s.recv(9)==b'hello'"


class Memories(unittest.TestCase):
    def test_memory_that_comes_back_before_a_pause_is_seen_on_average_and_at_the_end(self):
        burst = compiled("burst", """
            #include <stdlib.h>
            #include <string.h>
            #include <unistd.h>
            enum { COUNT = 150000 };
            static char *p[COUNT];
            int main(void)
            {
                for (int i = 0; i < COUNT; i++)
                    memset(p[i] = malloc(200 + i % 150), 1, 200);
                for (int i = 0; i < COUNT; i++)
                    if (i % 64)
                        free(p[i]);
                usleep(1500000);
            }
        """)
        rows, r, whole = compare("--", burst, systems="slab,bins")
        for name, row in rows.items():
            for key in ("peak_rss_bytes", "mean_rss_bytes", "end_rss_bytes"):
                self.assertGreater(row[key]["median"], 1 << 20, (name, key))
            self.assertLessEqual(row["mean_rss_bytes"]["median"], row["tree_rss_bytes"]["median"], name)
        self.assertGreater(rows["bins"]["end_rss_bytes"]["median"], 30 << 20)
        self.assertLess(rows["slab"]["ratio"]["end_rss_bytes"]["median"], 0.6)

    def test_a_run_too_short_for_a_look_has_no_mean(self):
        program = compiled("short", "int main(void) { return 0; }")
        for _ in range(30):  # on a busy machine it may last long enough
            rows, r, whole = compare("--", program)
            if rows["bins"]["mean_rss_bytes"] is None:
                break
        self.assertIsNone(rows["bins"]["mean_rss_bytes"])
        self.assertIsNotNone(rows["bins"]["peak_rss_bytes"])

    def test_the_figure_that_decides_can_be_chosen(self):
        for by, key in (("trade", "trade"), ("mean", "mean_rss_bytes"), ("cpu", "cpu_s"), ("time", "wall_s")):
            rows, r, whole = compare(f"--by={by}", "--", "true")
            self.assertEqual(whole["verdict_by"], key)


class Server(unittest.TestCase):
    def serve(self, *extra):
        for name, text in (("server.py", SERVER), ("client.py", CLIENT)):
            with open(os.path.join(WORK, name), "w") as f:
                f.write(text)
        path = os.path.join(WORK, "socket")
        if os.path.exists(path):
            os.unlink(path)
        return compare("--server", f"--drive=python3 {WORK}/client.py {path}", "--timeout=300", "--",
                       "sh", "-c", f"rm -f {path}; exec python3 {WORK}/server.py {path} " + " ".join(extra))

    def test_a_server_is_driven_and_stopped(self):
        rows, r, _ = self.serve()
        self.assertEqual(r.returncode, 0, r.stdout + r.stderr)
        for row in rows.values():
            self.assertEqual((row["outcome"], row["exit"]), ("fine", 0))
            self.assertGreater(row["peak_rss_bytes"]["median"], 4 << 20)  # python's, not the driver's sh

    def test_a_server_that_dies_is_shown(self):
        rows, r, _ = self.serve("die")
        self.assertEqual(r.returncode, 1)
        self.assertEqual(rows["glibc"]["outcome"], "fine")
        self.assertIn(rows["bins"]["outcome"], ("crashed", "not-served"))


if __name__ == "__main__":
    try:
        unittest.main(verbosity=1)
    finally:
        shutil.rmtree(WORK, ignore_errors=True)
