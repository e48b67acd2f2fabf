#!/usr/bin/env python3
"""pprof's tools read slab's heap profile; it says what the program did; where slab cannot write it, only that profile is lost.

usage: profile_test.py BUILD [unittest arguments]
"""
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from pprof_read import Profile
from programs import Programs, fill, small_disk, until_quiet

BUILD = Path(sys.argv.pop(1)).resolve()
PROGRAM = BUILD / "test/profiled"
SCHEMA = Path("/usr/share/gocode/src/github.com/google/pprof/proto/profile.proto")  # golang-github-google-pprof-dev
CHURNED, KEPT, FREED = 60000 * 1000, 30000 * 100, 30000 * 100
GO = shutil.which("go")
PROGRAMS = Programs(BUILD, "profiled")
start, start_held, run = PROGRAMS.start, PROGRAMS.start_held, PROGRAMS.run


class ProfileTest(unittest.TestCase):
    def setUp(self):
        self.scratch = tempfile.TemporaryDirectory(prefix="dmm-profile-")
        self.work = Path(self.scratch.name)
        self.path = self.work / "heap.pb.gz"

    def tearDown(self):
        self.scratch.cleanup()

    def conf(self, more="", mean="8k"):
        return f"profile:{mean},profile_file:{self.path}{more}"

    def read(self, path=None):
        return Profile((path or self.path).read_bytes())

    def wait_for(self, path, other_than=None):
        end = time.monotonic() + 60
        while (not path.exists() or path.stat().st_ino == other_than) and time.monotonic() < end:
            time.sleep(0.02)
        return path.stat().st_ino

    def near(self, found, wanted, part=0.15):
        self.assertTrue(wanted * (1 - part) <= found <= wanted * (1 + part), f"{found}, not {wanted}")

    def must_be_known(self, profile):
        """8 KiB from sample to sample: 366 samples of what is kept, a standard deviation of 5 %; 7,300 of the rest.
        What is asked for is eight of them, as it is asked for in every run of the tests."""
        self.near(profile.total("inuse_space"), KEPT, 0.42)
        self.near(profile.total("inuse_objects"), KEPT / 100, 0.42)
        self.near(profile.total("alloc_space"), CHURNED + KEPT + FREED, 0.1)
        self.near(profile.total("temporary_space"), CHURNED, 0.1)
        self.near(profile.total("peak_space"), KEPT + FREED, 0.3)
        self.assertEqual(profile.numbers[12], 8192)
        self.assertEqual(list(profile.types), [f"{what}_{unit}" for what in ("alloc", "inuse", "peak", "temporary")
                                               for unit in ("objects", "space")])
        self.assertEqual(profile.units, ["count", "bytes"] * 4)

    def test_at_exit_of_a_preloaded_and_of_a_linked_program(self):
        for program in ("profiled", "profiled_static"):
            p, said = run("known", conf=self.conf(",profile:exit"), program=program)
            self.assertEqual((p.returncode, said), (0, ""))
            self.must_be_known(self.read())

    def test_mappings_have_the_files_and_their_build_ids(self):
        run("known", conf=self.conf(",profile:exit"))
        profile = self.read()
        for path, build_id in profile.mapped().items():
            if path.startswith("/"):
                notes = subprocess.run(["readelf", "-n", path], capture_output=True, text=True).stdout
                found = re.search(r"Build ID: ([0-9a-f]+)", notes)
                self.assertEqual(build_id, found[1] if found else "", path)
        self.assertIn(str(PROGRAM), profile.mapped())
        self.assertEqual(profile.strings[profile.maps[1][5][0]], str(PROGRAM), "the program's mapping is the first")

    @unittest.skipUnless(GO, "go is not installed")
    def test_gos_pprof_takes_it_and_finds_the_functions(self):
        run("known", conf=self.conf(",profile:exit"))
        env = dict(os.environ, HOME=str(self.work), PPROF_BINARY_PATH=str(BUILD / "test"))
        for index, function in (("inuse_space", "keep"), ("alloc_space", "churn"), ("temporary_objects", "churn")):
            done = subprocess.run([GO, "tool", "pprof", "-top", "-cum", f"-sample_index={index}", self.path],
                                  capture_output=True, text=True, env=env, timeout=300)
            self.assertEqual(done.returncode, 0, done.stderr)
            rows = {line.split()[-1]: line.split() for line in done.stdout.splitlines() if line.endswith(function)}
            self.assertGreater(float(rows[function][4].rstrip("%")), 85, done.stdout)
        raw = subprocess.run([GO, "tool", "pprof", "-raw", self.path], capture_output=True, text=True, env=env).stdout
        self.assertIn("PeriodType: space bytes\nPeriod: 8192\n", raw)

    @unittest.skipUnless(shutil.which("protoc") and SCHEMA.exists(), "needs protoc and the schema of pprof")
    def test_protoc_reads_it_by_the_public_schema(self):
        run("known", conf=self.conf(",profile:exit"))
        plain = subprocess.run(["gzip", "-dc", self.path], capture_output=True, check=True).stdout
        done = subprocess.run(["protoc", f"-I{SCHEMA.parent}", "--decode=perftools.profiles.Profile", SCHEMA.name],
                              input=plain, capture_output=True)
        self.assertEqual((done.returncode, done.stderr), (0, b""))
        unknown = [line for line in done.stdout.decode(errors="replace").splitlines() if re.match(r"\s*\d+[:{ ]", line)]
        self.assertEqual(unknown, [], "fields that the schema does not name")

    def test_the_program_writes_it_itself(self):
        with open(self.path, "wb") as out:
            p = start("write", out.fileno(), conf="profile:8k", pass_fds=[out.fileno()], stdout=subprocess.DEVNULL)
            self.assertEqual(p.communicate(timeout=300)[1], "")
        self.assertEqual(p.returncode, 0)
        self.must_be_known(self.read())
        self.assertEqual(run("write", 1)[0].returncode, 4, "without a profile: ENODATA")
        full = os.open("/dev/full", os.O_WRONLY)
        with start("write", full, conf="profile:8k", pass_fds=[full]) as p:
            self.assertEqual(p.wait(60), 5)
        os.close(full)

    def test_an_interval_numbers_its_files(self):
        self.path = self.work / "heap-%p-%n.pb.gz"
        p = start_held("hold", 600, conf=self.conf(",profile:interval:1"))
        self.wait_for(self.work / f"heap-{p.pid}-1.pb.gz")
        p.terminate()
        self.assertEqual((p.communicate(timeout=300)[1], p.returncode), ("", 0))
        names = sorted(f.name for f in self.work.iterdir())
        self.assertGreaterEqual(len(names), 2)
        self.assertEqual(names[:2], [f"heap-{p.pid}-{i}.pb.gz" for i in (0, 1)])
        self.must_be_known(self.read(self.work / names[1]))

    def test_a_signal_writes_it_and_hundreds_of_them_harm_nobody(self):
        p = start_held("hold", 1000, conf=self.conf(f",profile:signal:{int(signal.SIGUSR2)}"))
        before = None
        for _ in range(3):
            p.send_signal(signal.SIGUSR2)
            before = self.wait_for(self.path, before)
            self.must_be_known(self.read())
        for _ in range(300):
            p.send_signal(signal.SIGUSR2)
        until_quiet(self.work)
        p.terminate()
        self.assertEqual(p.communicate(timeout=300)[1], "")
        self.assertEqual((p.returncode, [f.name for f in self.work.iterdir()]), (0, [self.path.name]))

    def test_both_signals_may_be_the_same(self):
        stats = self.work / "stats"
        number = int(signal.SIGUSR1)
        p = start_held("hold", 1000, conf=self.conf(f",profile:signal:{number},stats:signal:{number},stats_file:{stats}"))
        p.send_signal(signal.SIGUSR1)
        self.wait_for(self.path)
        self.wait_for(stats)
        p.kill()
        self.assertEqual(p.communicate()[1], "")

    def test_profiles_of_a_storm_are_whole(self):
        p = start_held("storm", 1000, conf=self.conf(f",profile:signal:{int(signal.SIGUSR2)},profile:exit", mean="2k"))
        before = None
        for _ in range(10):
            p.send_signal(signal.SIGUSR2)
            before = self.wait_for(self.path, before)
            profile = self.read()
            self.assertLess(profile.total("inuse_space"), 1 << 30, "no figure is negative")
            self.assertLessEqual(profile.total("inuse_space"), profile.total("peak_space"))
            self.assertLessEqual(profile.total("inuse_space"), profile.total("alloc_space"))
        p.terminate()
        self.assertEqual(p.communicate(timeout=300)[1], "")
        self.assertEqual(p.returncode, 0)
        self.assertLess(self.read().total("inuse_space"), 200000, "all was freed")

    def test_a_child_of_fork_has_its_own(self):
        self.path = self.work / "heap-%p.pb.gz"
        p, said = run("fork", conf=self.conf(",profile:exit"))
        self.assertEqual((p.returncode, said), (0, ""))
        parent = self.read(self.work / f"heap-{p.pid}.pb.gz")
        child = self.read(*[f for f in self.work.iterdir() if str(p.pid) not in f.name])
        self.must_be_known(parent)
        more = child.total("inuse_space") - parent.total("inuse_space")
        self.near(more, 2000 * 1000, 0.52)

    def test_what_cannot_be_written_is_lost_alone(self):
        for path in ("/nowhere/at/all", "/dev/full/x", "/proc/version"):
            p, said = run("hold", 13, conf=f"profile:8k,profile:interval:1,profile:exit,profile_file:{path}")
            self.assertEqual(p.returncode, 0)
            self.assertEqual(len(said.splitlines()), 1, said)
            self.assertIn("profile_file: cannot write", said)

    @unittest.skipUnless(os.geteuid() == 0, "needs root, for a full file system")
    def test_a_full_disk_keeps_the_last_profile(self):
        with small_disk(self.work / "small", "64k") as small:
            self.path = small / "heap.pb.gz"
            run("known", conf=self.conf(",profile:exit", mean="512k"))
            whole = self.path.read_bytes()
            fill(small)
            p, said = run("known", conf=self.conf(",profile:exit", mean="1k"))
            self.assertEqual((p.returncode, self.path.read_bytes()), (0, whole))
            self.assertIn("error 28", said)
            self.assertEqual({f.name for f in small.iterdir()}, {"heap.pb.gz", "filler"})

    def outside(self, p, *words):
        done = subprocess.run([BUILD / "dmm", "profile", f"--pid={p.pid}", *words], capture_output=True, text=True,
                              timeout=300)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def test_dmm_profile_tells_from_outside_just_what_the_program_does(self):
        p = start_held("hold", 300, conf=self.conf(f",profile:signal:{int(signal.SIGUSR2)}"))
        p.send_signal(signal.SIGUSR2)
        self.wait_for(self.path)
        other = self.work / "outside.pb.gz"
        self.outside(p, "--to=pprof", "-o", other)
        inside, outside = self.read(), self.read(other)
        self.assertEqual(outside.types, inside.types)
        for name in inside.types:
            self.assertEqual(outside.total(name), inside.total(name), name)
        self.assertEqual(outside.mapped(), inside.mapped())
        self.assertEqual(outside.total("inuse_space", "keep"), outside.total("inuse_space", "known"))
        self.near(outside.total("temporary_space", "churn"), CHURNED, 0.1)
        for what, name in (("live", "inuse"), ("allocated", "alloc"), ("peak", "peak"), ("temporary", "temporary")):
            rows = [line.rsplit(" ", 1) for line in self.outside(p, "--to=folded", f"--what={what}").splitlines()]
            self.assertEqual(sum(int(count) for _, count in rows), outside.total(f"{name}_space"))
        heaviest = max(rows, key=lambda row: int(row[1]))[0] # the C library allocates a little for each thread, too
        self.assertRegex(heaviest, r";main \(profiled.c:\d+\);known .*;churn .*;allocate \(profiled.c:\d+\)$")
        scope = json.loads(self.outside(p, "--to=speedscope"))
        frames = [frame["name"] for frame in scope["shared"]["frames"]]
        for one, name in zip(scope["profiles"], ("inuse_space", "alloc_space", "peak_space", "temporary_space")):
            self.assertEqual((one["type"], one["unit"], sum(one["weights"])), ("sampled", "bytes", one["endValue"]))
            self.assertEqual((len(one["samples"]), one["endValue"]), (len(one["weights"]), outside.total(name)))
            _, heaviest = max(zip(one["weights"], one["samples"]))
            self.assertEqual(frames[heaviest[-1]], "allocate")
        self.assertRegex(self.outside(p), r"allocate \(profiled.c:\d+\) < keep")
        p.kill()
        p.communicate()

    def test_a_linked_program_has_no_frames_of_slab(self):
        for program in ("profiled_static", "profiled_linked"):
            p = start_held("hold", 300, conf=self.conf(), program=program)
            rows = [line.rsplit(" ", 1) for line in self.outside(p, "--to=folded", "--what=allocated").splitlines()]
            own = sum(int(count) for stack, count in rows if re.search(r"\ballocate \(profiled.c:\d+\)$", stack))
            self.assertGreater(own, 0.99 * sum(int(count) for _, count in rows), rows)
            p.kill()
            p.communicate()

    def test_a_storm_is_read_from_outside(self):
        p = start_held("storm", 600, conf=self.conf(mean="2k"))
        other = self.work / "outside.pb.gz"
        for _ in range(8):
            self.outside(p, "--to=pprof", "-o", other)
            profile = self.read(other)
            self.assertLess(profile.total("inuse_space"), 1 << 30, "no figure is negative")
        p.kill()
        p.communicate()

    def test_a_process_without_a_profile_is_told(self):
        p = start_held("hold", 100)
        done = subprocess.run([BUILD / "dmm", "profile", f"--pid={p.pid}"], capture_output=True, text=True)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("start it with DMM_CONF=profile:512k", done.stderr)
        p.kill()
        p.communicate()

    def test_a_recording_is_exported_for_speedscope(self):
        recording = Path(__file__).parents[1] / "recordings/git.dmm"
        export = lambda *words: subprocess.run([BUILD / "dmm", "export", *words, recording], capture_output=True,
                                               text=True, check=True).stdout
        scope = json.loads(export("--to=speedscope"))
        for one, what in zip(scope["profiles"], ("allocated", "leaked", "peak")):
            folded = sum(int(line.rsplit(" ", 1)[1]) for line in export(f"--what={what}").splitlines())
            self.assertEqual((sum(one["weights"]), one["endValue"]), (folded, folded), what)
            self.assertLess(max((max(s) for s in one["samples"]), default=0), len(scope["shared"]["frames"]))

    def test_no_profile_unless_asked(self):
        self.assertEqual(run("known", cwd=self.work)[1], "")
        self.assertEqual(run("known", conf="profile:exit,profile_exit:0,profile:8k", cwd=self.work)[1], "")
        self.assertEqual(list(self.work.iterdir()), [])

    def test_an_order_alone_takes_one_each_512_kib_into_the_default_file(self):
        p, said = run("known", conf="profile:exit", cwd=self.work)
        self.assertEqual((p.returncode, said), (0, ""))
        self.assertEqual(self.read(self.work / f"dmm-heap.{p.pid}.pb.gz").numbers[12], 512 << 10)

    def test_mistakes_are_told(self):
        for conf, word in (("profile:always", "profile:always"), ("profile:signal:99", "profile_signal:99"),
                           ("profile:signal:9", "cannot be handled")):
            p, said = run("known", conf=conf)
            self.assertEqual(p.returncode, 0)
            self.assertIn(word, said)


if __name__ == "__main__":
    unittest.main(verbosity=1)
