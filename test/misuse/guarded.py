#!/usr/bin/env python3
"""guarded.py BUILD: slab stops and reports each mistake with a guarded object, with stacks.
It leaves programs alone that handle SIGSEGV themselves."""
import json
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

BUILD = Path(sys.argv.pop(1)).resolve()
PROGRAM = BUILD / "test/trust_guarded"
LIBRARY = BUILD / "libdmm.so"
ALL = "guarded:1,guarded_every:1"


def run(*command, conf=ALL, **more):
    env = {"PATH": "/usr/bin:/bin", "LD_PRELOAD": str(LIBRARY), "DMM_CONF": conf, **more.pop("env", {})}
    return subprocess.run(list(command), env=env, capture_output=True, text=True, timeout=300, **more)


def functions(places):
    """Names of the program's functions among file+0x123 lines, innermost first."""
    found = []
    for place in places:
        file, _, offset = place.rpartition("+")
        if file == str(PROGRAM):
            done = subprocess.run(["addr2line", "-fe", file, offset], capture_output=True, text=True, check=True)
            found.append(done.stdout.split()[0])
    return found


class Text:
    """A report in its parts."""

    def __init__(self, test, stderr):
        self.lines = stderr.splitlines()
        test.assertRegex(stderr, r"\Admm: .*\n(  .*\n)+\Z", "one text and nothing else")
        self.head = re.sub("0x[0-9a-f]+", "@", self.lines[0])
        self.addresses = [int(x, 16) for x in re.findall("0x[0-9a-f]+", "".join(self.lines[:2]))]
        self.detail = re.sub("0x[0-9a-f]+", "@", re.sub(r"thread \d+", "thread T", self.lines[1].strip()))
        self.threads = re.findall(r"in thread (\d+):", stderr)
        self.stacks = {}
        title = None
        for line in self.lines[1:]:
            if line.startswith("    "):
                self.stacks[title].append(line.strip())
            elif line.endswith(":"):
                words = line.split()
                title = words[0] if words[0] in ("allocated", "freed") else "now"
                self.stacks[title] = []
        self.names = {title: functions(places) for title, places in self.stacks.items()}


class Mistakes(unittest.TestCase):
    def told(self, mistake, ended_by, head, detail, now, *, conf=ALL, size=48, program=PROGRAM):
        done = run(str(program), mistake, str(size), conf=conf)
        self.assertEqual(done.returncode, -ended_by, done)
        text = Text(self, done.stderr)
        self.assertEqual((text.head, text.detail), (head, detail), done.stderr)
        self.assertEqual(text.names["now"][:1], [now], done.stderr)
        self.assertEqual(text.names["now"][-1], "_start")
        return text

    def test_a_use_after_free_shows_three_stacks(self):
        for mistake, word, access in (("read_after_free", "read", "reads"), ("write_after_free", "write", "writes")):
            text = self.told(mistake, signal.SIGSEGV, f"dmm: {word} after free: @ (48 bytes)",
                             "at @, byte 5 of it, in thread T:", access)
            self.assertEqual(text.names["now"][:3], [access, mistake, "main"])
            self.assertEqual(text.names["allocated"][:3], ["allocates", mistake, "main"])
            self.assertEqual(text.names["freed"][:3], ["frees", mistake, "main"])
            self.assertEqual(text.addresses[1] - text.addresses[0], 5)
            self.assertRegex(text.lines[-1], rf"^  addr2line -Cfipe {re.escape(str(PROGRAM))} 0x[0-9a-f]+    tells")

    def test_an_access_past_the_end_or_before_the_start_is_measured(self):
        for mistake, word, access in (("write_past_the_end", "write", "writes"), ("read_past_the_end", "read", "reads")):
            for size, by in ((48, "1 byte"), (41, "8 bytes"), (1, "16 bytes"), (5000, "9 bytes"), (32768, "1 byte")):
                text = self.told(mistake, signal.SIGSEGV, f"dmm: {word} past the end: @ ({size} bytes)",
                                 f"at @, {by} past the end, in thread T:", access, size=size)
                self.assertNotIn("freed", text.stacks)
                self.assertEqual(text.names["allocated"][0], "allocates")
        self.told("write_before_the_start", signal.SIGSEGV, "dmm: write before the start: @ (48 bytes)",
                  "at @, 8 bytes before the start, in thread T:", "writes")

    def test_what_no_guard_stops_is_found_at_the_next_call(self):
        found = "found by free in thread T:"
        for mistake, size, side, by in (("slack", 41, "past the end", "1 byte"),
                                        ("rest_of_page", 48, "past the end", "101 bytes"),
                                        ("before_in_page", 48, "before the start", "3 bytes")):
            self.told(mistake, signal.SIGABRT, f"dmm: write {side}: @ ({size} bytes)",
                      f"at @, {by} {side}; {found}", "frees", size=size)
        text = Text(self, run(str(PROGRAM), "slack_seen_by_realloc", "41").stderr)
        self.assertEqual(text.detail, "at @, 1 byte past the end; found by realloc in thread T:")

    def test_calls_with_wrong_pointers_have_the_line_they_always_have(self):
        for mistake, head in (("double_free", "dmm: double free: @ (48 bytes)"),
                              ("free_inside", "dmm: invalid free: @ (inside 48 bytes)"),
                              ("free_a_guard", "dmm: invalid free: @ (not allocated here)")):
            text = self.told(mistake, signal.SIGABRT, head, "in thread T:", "frees")
            self.assertEqual(text.names["allocated"][0], "allocates")
        self.told("realloc_after_free", signal.SIGABRT, "dmm: realloc after free: @ (48 bytes)", "in thread T:",
                  "realloc_after_free")
        self.told("usable_after_free", signal.SIGABRT, "dmm: malloc_usable_size after free: @ (48 bytes)",
                  "in thread T:", "usable_after_free")
        done = run(str(PROGRAM), "sized_free", conf=ALL + ",sized:abort")
        self.assertEqual(done.returncode, -signal.SIGABRT)
        self.assertRegex(done.stderr, r"^dmm: free of 49 bytes: 0x[0-9a-f]+ \(48 bytes\)\n$")

    def test_what_realloc_left_is_guarded_too(self):
        self.told("use_after_realloc", signal.SIGSEGV, "dmm: read after free: @ (48 bytes)",
                  "at @, byte 0 of it, in thread T:", "reads")

    def test_each_stack_has_its_thread(self):
        done = run(str(PROGRAM), "across_threads")
        text = Text(self, done.stderr)
        self.assertEqual(len(set(text.threads)), 3, done.stderr)
        self.assertEqual([text.names[k][0] for k in ("now", "allocated", "freed")], ["reads", "allocates", "frees"])
        self.assertIn("in_thread", text.names["allocated"])

    def test_a_child_tells_its_own_and_leaves_the_parent_alone(self):
        done = run(str(PROGRAM), "in_child")
        self.assertEqual(done.returncode, -signal.SIGSEGV)
        self.assertEqual(Text(self, done.stderr).head, "dmm: read after free: @ (48 bytes)")

    def test_the_hardened_preset_tells_the_same(self):
        hard = "hardened,guarded_every:1"
        self.told("read_after_free", signal.SIGSEGV, "dmm: read after free: @ (48 bytes)",
                  "at @, byte 5 of it, in thread T:", "reads", conf=hard)
        self.told("slack", signal.SIGABRT, "dmm: write past the end: @ (41 bytes)",
                  "at @, 1 byte past the end; found by free in thread T:", "frees", conf=hard, size=41)
        self.told("double_free", signal.SIGABRT, "dmm: double free: @ (48 bytes)", "in thread T:", "frees", conf=hard)
        self.assertEqual(run(str(PROGRAM), "sized_free", conf=hard).returncode, -signal.SIGABRT)

    def test_linked_statically_it_is_told_as_well(self):
        program = BUILD / "test/trust_guarded_static"
        done = run(str(program), "read_after_free", env={"LD_PRELOAD": ""})
        self.assertEqual(done.returncode, -signal.SIGSEGV)
        self.assertIn("dmm: read after free: 0x", done.stderr)
        for title in ("allocated", "freed"):
            self.assertRegex(done.stderr, rf"  {title} in thread \d+:\n    {re.escape(str(program))}\+0x")


class Others(unittest.TestCase):
    """Programs that do as they like with SIGSEGV, and faults that are none of ours."""

    def test_nothing_is_guarded_unless_asked_for(self):
        for conf in ("", "guarded:0", "hardened,guarded:0"):
            done = run(str(PROGRAM), "tells_handler", conf=conf)
            self.assertEqual((done.stdout, done.stderr), ("default\ndefault\n", ""), conf)

    def test_the_handler_comes_with_the_first_guarded_object(self):
        # Not at the first of main: libraries have allocated before.
        self.assertEqual(run(str(PROGRAM), "tells_handler").stdout.splitlines()[1:], ["handled"])
        self.assertEqual(run(str(PROGRAM), "tells_handler", conf="guarded:1,guarded_every:1000000").stdout,
                         "default\ndefault\n")

    def test_without_the_handler_a_fault_is_a_fault(self):
        done = run(str(PROGRAM), "read_after_free", conf=ALL + ",guarded_report:0")
        self.assertEqual((done.returncode, done.stderr), (-signal.SIGSEGV, ""))
        self.assertEqual(run(str(PROGRAM), "tells_handler", conf=ALL + ",guarded_report:0").stdout,
                         "default\ndefault\n")
        done = run(str(PROGRAM), "double_free", conf=ALL + ",guarded_report:0")
        self.assertEqual(Text(self, done.stderr).head, "dmm: double free: @ (48 bytes)")

    def test_other_faults_end_the_program_as_ever(self):
        for fault in ("null_pointer", "sent", "not_canonical"):
            done = run(str(PROGRAM), fault)
            self.assertEqual((done.returncode, done.stderr), (-signal.SIGSEGV, ""), fault)

    def test_a_handler_of_the_program_is_the_one_that_is_called(self):
        for when in ("handles_itself", "handles_itself_later"):
            done = run(str(PROGRAM), when)
            self.assertEqual((done.returncode, done.stdout), (-signal.SIGABRT, "own handler\n"))
            self.assertEqual(Text(self, done.stderr).head, "dmm: double free: @ (48 bytes)", "calls are checked")

    def test_a_handler_that_chains_to_ours_gets_the_text(self):
        done = run(str(PROGRAM), "chains")
        self.assertEqual((done.returncode, done.stdout), (-signal.SIGSEGV, "chains\n"))
        self.assertEqual(Text(self, done.stderr).head, "dmm: read after free: @ (48 bytes)")

    def test_an_alternate_stack_of_8_KiB_is_enough(self):
        done = run(str(PROGRAM), "small_stack")
        self.assertEqual(Text(self, done.stderr).head, "dmm: read after free: @ (48 bytes)")

    def test_a_handler_that_was_there_first_stays(self):
        early = BUILD / "test/libtrust_early.so"
        done = run(str(PROGRAM), "read_after_free", env={"LD_PRELOAD": f"{LIBRARY} {early}"})
        self.assertEqual((done.returncode, done.stdout, done.stderr), (7, "early handler\n", ""))

    def test_python_prints_its_faulthandler(self):
        crash = "import ctypes, faulthandler; faulthandler.enable(); ctypes.string_at(8)"
        done = run("/usr/bin/python3", "-c", crash, conf="guarded:1,guarded_every:50")
        self.assertEqual(done.returncode, -signal.SIGSEGV)
        self.assertIn("Fatal Python error: Segmentation fault", done.stderr)
        self.assertNotIn("dmm:", done.stderr)

    def test_node_runs_and_traps_as_ever(self):
        node = shutil.which("node")
        if node is None:
            self.skipTest("needs node")
        # A load far beyond a WebAssembly memory of one page: V8 finds out by SIGSEGV.
        module = bytes([0, 97, 115, 109, 1, 0, 0, 0, 1, 6, 1, 96, 1, 127, 1, 127, 3, 2, 1, 0, 5, 3, 1, 0, 1, 7, 5, 1, 1,
                        102, 0, 0, 10, 9, 1, 7, 0, 32, 0, 40, 2, 0, 11])
        script = (f"const i = new WebAssembly.Instance(new WebAssembly.Module(new Uint8Array({list(module)})));"
                  "for (let k = 0; k < 100; k++) try { i.exports.f(1 << 30); console.log('no trap'); } catch (e) "
                  "{ if (k == 99) console.log(e.message); }")
        done = run(node, "-e", script, conf="guarded:1,guarded_every:50")
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "memory access out of bounds\n", ""))

    def test_a_java_machine_writes_its_crash_log(self):
        java = shutil.which("java")
        if java is None or shutil.which("javac") is None:
            self.skipTest("needs java and javac")
        source = """public class Crash { public static void main(String[] a) throws Exception {
            java.lang.reflect.Field f = Class.forName("sun.misc.Unsafe").getDeclaredField("theUnsafe");
            f.setAccessible(true); Object u = f.get(null);
            u.getClass().getMethod("putAddress", long.class, long.class).invoke(u, 8L, 1L); } }"""
        with tempfile.TemporaryDirectory() as work:
            Path(work, "Crash.java").write_text(source)
            run(java, "-Xmx64m", "-XX:-CreateCoredumpOnCrash", "-XX:ErrorFile=log", "Crash.java", conf="guarded:1",
                cwd=work)
            log = Path(work, "log")
            self.assertTrue(log.exists(), "a handler that the machine found would have taken its fault")
            self.assertIn("SIGSEGV", log.read_text())


class Outside(unittest.TestCase):
    """dmm show sees them, and tells of a core what the program could not."""

    def test_they_are_counted(self):
        env = {"LD_PRELOAD": str(LIBRARY), "DMM_CONF": ALL}
        with subprocess.Popen([PROGRAM, "holds"], env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as held:
            self.assertEqual(held.stdout.readline(), b"holds\n")
            done = subprocess.run([BUILD / "dmm", "show", f"--pid={held.pid}", "--format=json"], capture_output=True,
                                  text=True, check=True)
            text = subprocess.run([BUILD / "dmm", "show", f"--pid={held.pid}"], capture_output=True, text=True,
                                  check=True).stdout
            held.stdin.close()
        found = json.loads(done.stdout)["heap"]["guarded"]
        self.assertEqual((found["slots"], found["freed_objects"]), (64, 3))
        self.assertGreaterEqual(found["live_objects"], 5)
        self.assertGreaterEqual(found["live_bytes"], 5 * 48)
        self.assertRegex(text, rf"guarded objects: {found['live_objects']} live \(.*\), 3 freed, of 64")

    def test_a_core_tells_who_allocated_and_who_freed(self):
        pattern = Path("/proc/sys/kernel/core_pattern").read_text().strip()
        if "/" in pattern or pattern.startswith("|"):
            self.skipTest("core_pattern is " + pattern)
        with tempfile.TemporaryDirectory() as work:
            for mistake, words in (("read_after_free", "after free"), ("write_past_the_end", "past the end")):
                run(str(PROGRAM), mistake, conf=ALL + ",guarded_report:0", cwd=work, preexec_fn=lambda: resource.setrlimit(
                    resource.RLIMIT_CORE, (1 << 32, 1 << 32)))
                cores = list(Path(work).glob("core*"))
                if not cores:
                    self.skipTest("the kernel wrote no core here")
                done = subprocess.run([BUILD / "dmm", "show", f"--core={cores[0]}"], capture_output=True, text=True,
                                      check=True)
                cores[0].unlink()
                self.assertRegex(done.stdout, rf"ended by an access {words}: 0x[0-9a-f]+ \(48 bytes\)\n  at 0x")
                stacks = dict(re.findall(r"  (\w+) in thread \d+:\n((?:    .*\n)+)", done.stdout))
                self.assertEqual(functions(stacks["allocated"].split())[:1], ["allocates"])
                if words == "after free":
                    self.assertEqual(functions(stacks["freed"].split())[:1], ["frees"])
                else:
                    self.assertNotIn("freed", stacks)


unittest.main()
