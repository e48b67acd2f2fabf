#!/usr/bin/env python3
"""dmm_stats() is exact; reports reach stderr, files and readers of OpenMetrics; where slab cannot write one, only that report is lost.

usage: statistics_test.py BUILD [unittest arguments]
"""
import json
import os
import re
import signal
import stat
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from programs import Programs, fill, small_disk, until_quiet

BUILD = Path(sys.argv.pop(1)).resolve()
SAMPLE = re.compile(r'^(dmm_[a-z_]+)\{pid="(\d+)",program="([^"]*)"(?:,class="(\d+)",object_bytes="(\d+)")?'
                    r'(?:,heap="(\d+)",tid="\d+",thread="[^"]*")?\} (\d+)$')
LINE = re.compile(r"^dmm: slab\[(\d+)\]: (\d+) bytes = (\d+) live in \d+ \+ (\d+) free \+ (\d+) lost \+ (\d+) tables; "
                  r"\d+ dirty; \d+ purged in \d+ calls; \d+ heaps$", re.M)
PROGRAMS = Programs(BUILD, "statistics")
start, run = PROGRAMS.start, PROGRAMS.run


def start_held(tenths, **more):
    return PROGRAMS.start_held("hold", tenths, **more)


def read_openmetrics(text):
    """The samples of a text, by the rules that matter here: each has its type before it, and the text has an end."""
    types, samples = {}, {}
    lines = text.splitlines()
    assert lines[-1] == "# EOF" and lines.count("# EOF") == 1, lines[-1:]
    for line in lines[:-1]:
        words = line.split(" ", 3)
        if line.startswith("# TYPE "):
            assert words[2] not in types, line
            types[words[2]] = words[3]
        elif line.startswith("# UNIT "):
            assert words[2].endswith("_" + words[3]), line
        elif not line.startswith("# HELP "):
            name, pid, program, number, size, heap, value = SAMPLE.match(line).groups()
            family = name.removesuffix("_total") if name.endswith("_total") else name
            assert types[family] == ("counter" if name.endswith("_total") else "gauge"), line
            key = name, (number and (int(number), int(size))) or (heap and ("heap", heap))
            assert key not in samples, line
            samples[key] = int(value)
    return samples


# Prometheus's own reader, of Debian's Python.
FOREIGN = """import sys
try:
    from prometheus_client.openmetrics.parser import text_string_to_metric_families as read
except ImportError:
    sys.exit(77)
print(sum(len(family.samples) for family in read(sys.stdin.read())))"""


def read_by_others(text):
    """How many samples Prometheus's client library finds; None: it is not installed."""
    done = subprocess.run(["/usr/bin/python3", "-c", FOREIGN], input=text, capture_output=True, text=True)
    if done.returncode == 77:
        return None
    assert done.returncode == 0, done.stderr
    return int(done.stdout)


def must_add_up(samples):
    get = lambda name: samples[f"dmm_{name}", None]
    assert get("mapped_bytes") == sum(map(get, ("live_bytes", "free_bytes", "lost_bytes", "tables_bytes")))
    classes = sum(key[1] * n for (name, key), n in samples.items() if name == "dmm_class_live_objects")
    assert get("live_bytes") == classes + get("large_bytes") + get("guarded_bytes")


class Statistics(unittest.TestCase):
    def setUp(self):
        self.scratch = tempfile.TemporaryDirectory(prefix="dmm-stats-")
        self.work = Path(self.scratch.name)

    def tearDown(self):
        self.scratch.cleanup()

    def test_figures_are_exact_preloaded_linked_hardened_and_guarded(self):
        for program, conf in (("statistics", ""), ("statistics_static", ""), ("statistics", "stats:1"),
                              ("statistics", "huge_from_mib:never,dirty_floor_bytes:0")):
            p, said = run("exact", program=program, conf=conf)
            self.assertEqual(p.returncode, 0, f"{program} {conf}: {said}")

    def test_twelve_threads_leave_no_figure_torn(self):
        for conf in ("", "guarded:1,guarded_every:20"):
            p, said = run("storm", conf=conf)
            self.assertEqual((p.returncode, said), (0, ""))

    def test_a_report_at_exit_is_a_line(self):
        for program in ("statistics", "statistics_static"):
            p, said = run("hold", "0", conf="stats:exit", program=program)
            pid, total, *parts = map(int, LINE.fullmatch(said.strip()).groups())
            self.assertEqual((pid, total), (p.pid, sum(parts)))

    def test_no_report_unless_asked(self):
        self.assertEqual(run("hold", "0")[1], "")
        self.assertEqual(run("hold", "0", conf="stats:exit,stats_exit:0")[1], "")

    def test_json_is_json_and_openmetrics_is_openmetrics(self):
        done = json.loads(run("hold", "0", conf="stats:exit,stats_format:json")[1])
        self.assertEqual((done["schema"], done["version"]), ("dmm-stats", 1))
        self.assertEqual(done["live_bytes"], done["large_bytes"] + done["guarded_bytes"] +
                         sum(c["object_bytes"] * c["live_objects"] for c in done["classes"]))
        for figure, classes in (("slabs", sum(c["slabs"] for c in done["classes"])),
                                ("live_objects", sum(c["live_objects"] for c in done["classes"])),
                                ("live_bytes", done["live_bytes"] - done["large_bytes"] - done["guarded_bytes"])):
            self.assertEqual(sum(t[figure] for t in done["threads"]), classes, figure)
        text = run("hold", "0", conf="stats:exit,stats_format:openmetrics")[1]
        must_add_up(read_openmetrics(text))
        self.assertIn(read_by_others(text), (None, len(read_openmetrics(text))))

    def test_dmm_top_tells_the_same_of_any_process(self):
        p = start_held("1000")
        text = subprocess.run([BUILD / "dmm", "top", "--openmetrics", str(p.pid)], capture_output=True, text=True)
        self.assertEqual((text.returncode, text.stderr), (0, ""))
        outside = read_openmetrics(text.stdout)
        self.assertIn(read_by_others(text.stdout), (None, len(outside)))
        self.assertEqual(outside["dmm_live_bytes", None], outside["dmm_large_bytes", None] + sum(
            key[1] * n for (name, key), n in outside.items() if name == "dmm_class_live_objects"))
        self.assertGreaterEqual(outside["dmm_large_bytes", None], 123456)
        self.assertLessEqual(outside["dmm_live_bytes", None], outside["dmm_held_bytes", None])
        p.kill()
        p.communicate()
        self.assertNotEqual(subprocess.run([BUILD / "dmm", "top", "--openmetrics", str(p.pid)],
                                           capture_output=True).returncode, 0)

    def test_an_interval_reports_again_and_again(self):
        p = start_held("600", conf="stats:interval:1")
        for _ in range(2):
            self.assertRegex(p.stderr.readline(), LINE)
        p.terminate()
        p.communicate(timeout=300)
        self.assertEqual(p.returncode, 0)

    def test_a_signal_reports_and_leaves_the_program_alone(self):
        path = self.work / "metrics-%p.prom"
        p = start_held("1000", conf=f"stats:signal:{int(signal.SIGUSR2)},stats_format:openmetrics,stats_file:{path}")
        made = self.work / f"metrics-{p.pid}.prom"
        self.assertFalse(made.exists())
        before = None
        for _ in range(3):
            p.send_signal(signal.SIGUSR2)
            end = time.monotonic() + 60
            while (not made.exists() or made.stat().st_ino == before) and time.monotonic() < end:
                time.sleep(0.02)
            self.assertNotEqual(made.stat().st_ino, before, "the file is replaced as a whole")
            before = made.stat().st_ino
            must_add_up(read_openmetrics(made.read_text()))
        for _ in range(200):
            p.send_signal(signal.SIGUSR2)
        until_quiet(self.work)
        p.terminate()
        self.assertEqual(p.communicate(timeout=300)[1], "")
        self.assertEqual(p.returncode, 0)
        self.assertEqual([f.name for f in self.work.iterdir()], [made.name])

    def test_what_cannot_be_written_is_lost_alone(self):
        for path in ("/nowhere/at/all", "/dev/full/x", "/proc/version"):
            p, said = run("hold", "13", conf=f"stats:interval:1,stats:exit,stats_file:{path}")
            self.assertEqual(p.returncode, 0)
            self.assertEqual(len(said.splitlines()), 1, said)
            self.assertIn("cannot write", said)

    @unittest.skipUnless(os.geteuid() == 0, "needs root, for a full file system")
    def test_a_full_disk_loses_reports_until_it_has_room(self):
        with small_disk(self.work / "small", "256k") as small:
            filler, path = fill(small), small / "dmm.prom"
            p = start_held("1200", conf=f"stats:interval:1,stats_format:openmetrics,stats_file:{path}")
            self.assertIn(f"cannot write {path} (error 28)", p.stderr.readline())
            self.assertFalse(path.exists())
            filler.unlink()
            end = time.monotonic() + 60
            while not path.exists() and time.monotonic() < end:
                time.sleep(0.02)
            must_add_up(read_openmetrics(path.read_text()))
            p.kill()
            self.assertEqual(p.communicate()[1], "")

    def test_a_link_to_a_file_is_replaced_and_its_file_stays(self):
        file, link = self.work / "file", self.work / "link"
        file.write_text("of another\n")
        for target in (file, self.work / "nothing"):
            link.unlink(missing_ok=True)
            link.symlink_to(target)
            self.assertEqual(run("hold", "0", conf=f"stats:exit,stats_file:{link}")[1], "")
            self.assertEqual(len(LINE.findall(link.read_text())), 1)
            self.assertFalse(link.is_symlink())
        self.assertEqual(file.read_text(), "of another\n")

    def test_a_link_a_pipe_or_a_device_is_written_into_and_stays(self):
        link, pipe = self.work / "stdout", self.work / "pipe"
        link.symlink_to("/proc/self/fd/1")
        p = start("hold", "0", conf=f"stats:exit,stats_file:{link}", stdout=subprocess.PIPE)
        out, said = p.communicate(timeout=300)
        self.assertEqual((p.returncode, said), (0, ""))
        self.assertEqual(len(LINE.findall(out)), 1, out)
        os.mkfifo(pipe)
        p, said = run("hold", "0", conf=f"stats:exit,stats_file:{pipe}")
        self.assertEqual(p.returncode, 0)
        self.assertIn(f"cannot write {pipe}", said, "nobody reads it")
        reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
        self.assertEqual(run("hold", "0", conf=f"stats:exit,stats_file:{pipe}")[1], "")
        self.assertEqual(len(LINE.findall(os.read(reader, 4096).decode())), 1)
        os.close(reader)
        self.assertTrue(link.is_symlink() and pipe.is_fifo())

    @unittest.skipUnless(os.geteuid() == 0, "needs root, to make a device")
    def test_root_does_not_replace_a_device(self):
        null = self.work / "null"
        try:
            os.mknod(null, 0o600 | stat.S_IFCHR, os.makedev(1, 3))
        except OSError as e:
            self.skipTest(f"no device can be made: {e}")
        self.assertEqual(run("hold", "0", conf=f"stats:exit,stats_file:{null}")[0].returncode, 0)
        self.assertTrue(null.is_char_device())

    def test_a_stderr_that_nobody_reads_or_that_is_full_ends_no_program(self):
        read, write = os.pipe()
        os.close(read)
        full = os.open("/dev/full", os.O_WRONLY)
        env = {"LD_PRELOAD": str(BUILD / "libdmm.so"), "DMM_CONF": "stats:exit,stats_format:openmetrics"}
        for fd in (write, full):
            self.assertEqual(subprocess.run([BUILD / "test/statistics", "hold", "0"], env=env, stdout=subprocess.DEVNULL,
                                            stderr=fd).returncode, 0)
            os.close(fd)

    def test_a_child_of_fork_reports_at_its_exit(self):
        p, said = run("fork", conf="stats:exit,stats:interval:60")
        pids = [int(m[0]) for m in LINE.findall(said)]
        self.assertEqual((p.returncode, len(set(pids))), (0, 2), said)

    def test_mistakes_are_told(self):
        for conf, word in (("stats:always", "stats:always"), ("stats:signal:99", "stats_signal:99"),
                           ("stats:signal:9", "cannot be handled"), ("stats_format:xml", "text, json, openmetrics"),
                           (f"stats_file:/{'x' * 400}", "a path of less than")):
            p, said = run("hold", "0", conf=conf)
            self.assertEqual(p.returncode, 0)
            self.assertIn(word, said)


if __name__ == "__main__":
    unittest.main(verbosity=1)
