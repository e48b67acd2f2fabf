#!/usr/bin/env python3
"""test/lab/tune/advise_test.py DMM RECORDINGS STORIES: dmm advise, from outside: diagnosis, facts, figures, advice."""
import csv
import io
import json
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

DMM, RECORDINGS, STORIES = sys.argv.pop(1), Path(sys.argv.pop(1)), sys.argv.pop(1)


def dmm(*args):
    env = {key: value for key, value in os.environ.items() if key != "DMM_CONF"}
    return subprocess.run([DMM, *map(str, args)], env=env, capture_output=True, text=True)


class Advise(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.path = Path(directory.name)

    def imported(self, form, text):
        (self.path / "in.txt").write_text(text)
        done = dmm("import", f"--from={form}", self.path / "in.txt", "-o", self.path / "t.dmm")
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return self.path / "t.dmm"

    def lab_trace(self, *ops):
        ids = len({op.split()[1] for op in ops})
        return self.imported("rep", "\n".join(["1000", str(ids), str(len(ops)), "1", *ops]) + "\n")

    def advice(self, trace, *options):
        done = dmm("advise", trace, "--format=json", *options)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return json.loads(done.stdout)

    def test_the_facts_are_those_of_the_calls(self):
        trace = self.lab_trace("a 0 24", "a 1 100", "a 2 200000", "f 1", "r 0 48", "f 2")
        facts = self.advice(trace, "--quick")["facts"]
        self.assertEqual((facts["calls"], facts["threads"], facts["busy_threads"]), (6, 1, 1))
        self.assertEqual((facts["median_size_bytes"], facts["largest_size_bytes"]), (48, 200000))
        self.assertEqual((facts["small_share"], facts["reallocs"]), (0.5, 1))
        self.assertAlmostEqual(facts["short_lived_share"], 2 / 3)
        self.assertEqual((facts["never_freed"], facts["end_payload_bytes"]), (1, 48))
        self.assertEqual((facts["peak_payload_bytes"], facts["peak_objects"]), (200124, 3))
        self.assertEqual(facts["peak_large_bytes"], 200000)
        lives = 24 + 124 + 200124 + 200024 + 200048 + 48  # after each call: without times it is over the calls
        self.assertAlmostEqual(facts["mean_payload_bytes"], lives / 6, places=3)

    def test_csv_names_designs_as_json_does(self):
        trace = self.lab_trace(*(f"a {i} 24" for i in range(1000)))
        rows = csv.DictReader(io.StringIO(dmm("advise", trace, "--format=csv").stdout))
        systems = [choice["system"] for choice in self.advice(trace)["choices"]]
        self.assertEqual([row["design"] for row in rows], systems)
        self.assertIn("gnu", systems)

    def test_its_figures_are_what_a_replay_finds(self):
        trace = RECORDINGS / "git.dmm"
        rows = json.loads(dmm("replay", "--study", "--model", "--format=json", trace).stdout)["rows"]
        peaks = {row["name"]: row["peak"]["footprint_bytes"] for row in rows}
        for choice in self.advice(trace, "--study")["choices"]:
            never_frees = choice["system"] in ("minimal", "pad")  # counted, not replayed
            if choice["behind_tcache"]:
                self.assertGreater(choice["peak_footprint_bytes"], peaks["gnu"])
            elif choice["system"] != "slab" and not choice["settings"] and not never_frees:
                self.assertEqual(choice["peak_footprint_bytes"], peaks[choice["system"]], choice["system"])

    def test_what_it_advises_costs_least_of_what_can_be_had(self):
        for name in ("cc", "python3"):
            advice = self.advice(RECORDINGS / f"{name}.dmm", "--study")
            had = [c for c in advice["choices"] if c["problem"] is None]
            costs = [c["process_bytes"] * c["run_ratio"] for c in had]
            self.assertEqual(costs, sorted(costs))
            if not advice["stay"]:
                took, = (c for c in had if (c["system"], c["settings"]) == (advice["advice"], advice["settings"]))
                self.assertLessEqual(took["process_bytes"] * took["run_ratio"], costs[0] / 0.97)
            self.assertNotIn(advice["advice"], ("minimal", "pad", "list", "dlist", "vm"))
            self.assertTrue(any(c["settings"] for c in advice["choices"]), "settings were searched")

    def test_many_objects_of_a_power_of_two_want_no_headers(self):
        trace = self.lab_trace(*(f"a {i} 64" for i in range(150000)))
        advice = self.advice(trace)
        self.assertEqual((advice["stay"], advice["advice"]), (False, "slab"))

    def test_glibc_keeps_a_heap_whose_last_objects_lie_in_its_cache(self):
        """glibc caches the first 7 freed objects of a size, and no neighbour merges with them.  If they are the last of
        the heap, the heap cannot shrink; if they are its first, all above them is given back."""
        count, chunk = 50000, 80  # of 72 bytes
        makes, tail = [f"a {i} 72" for i in range(count)], [f"a {count} {count * chunk - 20000}", f"f {count}"]
        ends = {}
        for order in (1, -1):
            trace = self.lab_trace(*makes, *(f"f {i}" for i in range(count)[::order]), *tail)
            ends[order], = (c["end_footprint_bytes"] for c in self.advice(trace)["choices"] if c["system"] == "gnu")
        self.assertGreaterEqual(ends[-1], count * chunk)
        self.assertLess(ends[1], count * chunk // 2)

    def test_what_glibc_keeps_of_shrinking_reallocs_is_said_where_there_are_many(self):
        words = "realloc: when one shrinks an object, glibc does not merge a rest"
        many = self.lab_trace(*(op for i in range(1000) for op in (f"a {i} 150", f"r {i} 50")))
        self.assertIn("* 50 % of the calls are " + words, dmm("advise", many).stdout)
        self.assertNotIn(words, dmm("advise", self.lab_trace(*(f"a {i} 50" for i in range(1000)))).stdout)

    def test_who_should_stay_is_told_to_measure_it(self):
        done = dmm("advise", RECORDINGS / "git.dmm")
        self.assertIn("advice: stay with glibc: by the model, ", done.stdout)
        self.assertIn(f"next: dmm replay --pace=4 {RECORDINGS / 'git.dmm'}\n", done.stderr)

    def test_settings_that_write_into_objects_or_watch_calls_are_refused(self):
        conf = self.path / "my.conf"
        conf.write_text("canary:1\n")
        for settings in (conf, "canary:1", "zero_on_free:1", "check_on_reuse:1", "quarantine:9", "random_order:1",
                         "guard_large:1", "readonly_conf:1", "stats:1", "profile:64k", "profile:exit", "guarded:1",
                         "hardened:1"):
            done = dmm("advise", f"--conf={settings}", RECORDINGS / "sqlite3.dmm")
            self.assertEqual((done.returncode, done.stdout), (2, ""), (settings, done.stderr))
            self.assertIn(f"dmm: {settings}: these settings write into objects or watch each call", done.stderr)

    def test_the_next_command_can_be_pasted_whatever_the_recording_is_called(self):
        trace = self.path / "it's a $(T)"
        shutil.copy(RECORDINGS / "git.dmm", trace)
        for words in (["advise"], ["info"], ["replay", "--model", "--systems=slab", "--over-time=1"]):
            done = dmm(*words, trace)
            last = done.stderr.splitlines()[-1]
            self.assertTrue(last.startswith("next: dmm "), done.stderr)
            self.assertIn(str(trace), shlex.split(last), last)

    def test_designs_for_study_are_shown_on_request_only(self):
        trace = RECORDINGS / "git.dmm"
        self.assertEqual({c["system"] for c in self.advice(trace)["choices"]}, {"gnu", "slab"})
        names = {c["system"] for c in self.advice(trace, "--study")["choices"]}
        self.assertEqual(names, {"gnu", "slab", "minimal", "pad", "list", "dlist", "bins", "vm", "segdata", "segmeta"})

    def test_so_few_calls_are_no_reason_to_change_and_settings_can_be_searched(self):
        trace = self.path / "sort.dmm"
        done = dmm("record", "-o", trace, "--", "sort", "--buffer-size=40M", "/dev/null")
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        said = dmm("advise", trace).stdout
        self.assertRegex(said, r"advice: record a longer run: \d+ calls are too few to judge")
        self.assertIn("the recording is too short to say anything about growth, idle time and churn", said)
        self.assertNotIn("times the memory", said)
        done = dmm("tune", trace, "-o", self.path / "sort.conf")
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_a_small_heap_is_no_reason_to_change(self):
        trace = self.lab_trace(*(f"a {i} 100" for i in range(20)), *(f"f {i}" for i in range(20)))
        advice = self.advice(trace)
        self.assertTrue(advice["stay"])
        self.assertFalse(advice["timed"])
        done = dmm("advise", trace)
        self.assertIn("advice: stay with glibc", done.stdout)
        self.assertIn("knows no times", done.stdout)

    def test_busy_threads_want_a_design_without_one_lock(self):
        lines = [f"{1 + i % 2}: malloc {0x1000 + 64 * i:#x} 40" for i in range(4000)]
        advice = self.advice(self.imported("android", "\n".join(lines) + "\n"), "--study")
        self.assertEqual(advice["facts"]["busy_threads"], 2)
        self.assertEqual({c["system"] for c in advice["choices"] if c["problem"] is None}, {"slab", "gnu"})

    def test_a_program_that_ran_on_another_malloc_is_not_told_to_stay_with_glibc(self):
        trace = RECORDINGS / "redis.dmm"
        self.assertEqual(self.advice(trace)["recorded_on"], "libjemalloc.so.2")
        done = dmm("advise", trace)
        self.assertIn("advice: measure it: the program ran on libjemalloc.so.2", done.stdout)
        self.assertNotIn("stay", done.stdout)

    def test_a_heap_whose_savings_are_less_than_the_library_is_no_reason_to_change(self):
        # on average slab saves some 200 KiB of headers, and its library takes 256 KiB
        trace = self.lab_trace(*(f"a {i} 64" for i in range(30000)))
        advice = self.advice(trace)
        costs = {c["system"]: c for c in advice["choices"] if not c["settings"]}
        self.assertLess(costs["slab"]["mean_footprint_bytes"], costs["gnu"]["mean_footprint_bytes"])
        self.assertTrue(advice["stay"])
        beside = costs["gnu"]["process_bytes"] - costs["gnu"]["mean_footprint_bytes"]
        self.assertAlmostEqual(costs["slab"]["process_bytes"] - costs["slab"]["mean_footprint_bytes"],
                               beside + (256 << 10), -1)

    def test_slab_is_judged_with_settings_that_give_memory_back_at_once(self):
        trace = self.path / "t.dmm"
        dmm("record", "-o", trace, "--", STORIES, "burst")
        advice = self.advice(trace)
        own, tight = ({c["settings"]: c for c in advice["choices"] if c["system"] == "slab"}[s]
                      for s in ("", "purge_again_ms:0,dirty_share_permille:0,dirty_floor_bytes:0"))
        self.assertLess(tight["mean_footprint_bytes"], own["mean_footprint_bytes"])
        row, = json.loads(dmm("replay", "--model", "--format=json", f"--systems=slab?{tight['settings']}",
                              trace).stdout)["rows"]
        self.assertEqual(tight["end_footprint_bytes"], row["end_footprint_bytes"])
        self.assertAlmostEqual(tight["mean_footprint_bytes"], row["mean_footprint_bytes"], delta=1)

    def test_a_settings_file_is_judged_in_their_place(self):
        file = self.path / "f.conf"
        file.write_text("dirty_floor_bytes:64m  # keeps all\nmagazine_bytes:4k\n")
        trace = self.path / "t.dmm"
        dmm("record", "-o", trace, "--", STORIES, "burst")
        advice = self.advice(trace, f"--conf={file}")
        slab = {c["settings"]: c for c in advice["choices"] if c["system"] == "slab"}
        self.assertEqual(set(slab), {"", "dirty_floor_bytes:64m,magazine_bytes:4k"})
        kept = slab["dirty_floor_bytes:64m,magazine_bytes:4k"]
        self.assertGreater(kept["end_footprint_bytes"], 30 << 20)
        self.assertEqual((advice["advice"], advice["settings"]), ("slab", ""))
        file.write_text("dirty_flor_bytes:64m\n")
        done = dmm("advise", trace, f"--conf={file}")
        self.assertEqual(done.returncode, 2)
        self.assertIn("f.conf:1: ", done.stderr)
        self.assertIn("did you mean 'dirty_floor_bytes'?", done.stderr)

    def test_who_should_stay_is_told_why_by_the_figures_below(self):
        small = [op for i in range(1, 500) for op in (f"a {i} 100", f"f {i}")]
        large = self.lab_trace("a 0 100000000", *small)  # the same on every design
        self.assertIn("* on average: the same memory", dmm("advise", large).stdout)
        for trace in (large, *(RECORDINGS / f"{name}.dmm" for name in ("git", "cc", "sqlite3", "python3"))):
            said = dmm("advise", trace).stdout
            if "advice: stay" not in said:
                continue
            if "would hold more memory on average" in said:
                self.assertRegex(said, r"\* on average: \d+ % more memory", trace)
            else:
                self.assertRegex(said, r"would (gain less than 3 %|save less than 256 KiB)", trace)
                self.assertNotRegex(said, r"\* on average: \d+ % more memory", trace)

    def test_the_words_name_the_evidence(self):
        done = dmm("advise", RECORDINGS / "cc.dmm", "--quick")
        for words in ("what the program does", "what each design would hold", "of payload", "advice: "):
            self.assertIn(words, done.stdout)
        self.assertRegex(done.stderr, "next: dmm (replay|tune) ")

    def test_mistakes_are_named(self):
        for args, status, words in (((), 2, "dmm advise T"), (("/nonexistent/t",), 1, "/nonexistent/t"),
                                    (("a", "b"), 2, "'b'")):
            done = dmm("advise", *args)
            self.assertEqual(done.returncode, status)
            self.assertIn(words, done.stderr)


class Stories(unittest.TestCase):
    """Programs with one planted fault: the first lines name it, and where it is."""

    def first_lines(self, story):
        with tempfile.TemporaryDirectory() as directory:
            trace = Path(directory, "t.dmm")
            done = dmm("record", "--stacks=fp", "-o", trace, "--", STORIES, story)
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
            done = dmm("advise", trace)
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
            return done.stdout.split("\n")[:3]

    def told(self, story, beginning):
        """The first lines.  A machine that runs other programs stretches a recording here and there, and rates and
        shares of time with it: then the story is told again."""
        for _ in range(15):
            lines = self.first_lines(story)
            if lines[0].startswith(beginning):
                break
        self.assertTrue(lines[0].startswith(beginning), lines)
        return lines

    def names(self, story, kind, site, *words):
        lines = self.told(story, f"1. {kind}: ")
        self.assertIn(f"at {site} (", lines[1])
        for word in words:
            self.assertIn(word, lines[0])

    def test_leak(self):
        self.names("leak", "growth", "plant", "10.0 k objects are never freed", "a second")

    def test_slow_growth(self):
        self.names("growth", "growth", "plant", "are freed only when the program ends", "a second")

    def test_pinned_pages(self):
        self.names("pinned", "pinned", "plant", "small objects hold 3.9")

    def test_a_burst_and_then_nothing(self):
        self.names("burst", "retained", "plant", "after its peak of 39.3 MiB")

    def test_memory_retained_by_idle_threads(self):
        self.names("idle", "retained", "plant", "4 threads freed", "then made no call")

    def test_churn(self):
        self.names("churn", "churn", "plant", "3.00 M objects live for at most 10 calls")

    def test_oversized_requests(self):
        self.names("oversized", "oversized", "oversized", "was never resident", "8.00 MiB each")

    def test_the_model_says_that_it_counts_what_is_never_touched(self):
        words = "also what it never touches"
        for story, said in (("oversized", True), ("churn", False)):
            with tempfile.TemporaryDirectory() as directory:
                trace = Path(directory, "t.dmm")
                dmm("record", "-o", trace, "--", STORIES, story)
                self.assertEqual(words in dmm("advise", trace).stdout, said, story)

    def test_a_healthy_program_has_no_finding(self):
        self.told("healthy", "nothing is wrong")

    def test_growth_that_hardly_counts_in_the_process_is_no_finding(self):
        self.told("beside", "nothing is wrong")

    def test_pages_that_are_sparse_for_a_moment_are_no_finding(self):
        self.told("falls", "nothing is wrong")

    def test_recordings_of_healthy_programs_have_no_finding(self):
        for trace in RECORDINGS.glob("*.dmm"):
            done = dmm("advise", trace)
            no_finding = ("nothing is wrong", "no fault is found, but the recording is too short")
            self.assertTrue(done.stdout.startswith(no_finding), (trace, done.stdout[:300]))

    def test_a_burst_is_worth_a_change_and_its_end_is_the_reason(self):
        with tempfile.TemporaryDirectory() as directory:
            trace = Path(directory, "t.dmm")
            for _ in range(15):  # a busy machine may stretch the burst itself
                dmm("record", "-o", trace, "--", STORIES, "burst")
                advice = json.loads(dmm("advise", trace, "--format=json").stdout)
                if advice["diagnosis"] and advice["diagnosis"][0]["kind"] == "retained":
                    break
            self.assertEqual((advice["advice"], advice["stay"]), ("slab", False))
            self.assertEqual(advice["diagnosis"][0]["kind"], "retained")
            end = {c["system"]: c["end_footprint_bytes"] for c in advice["choices"] if not c["settings"]}
            self.assertLess(end["slab"], end["gnu"] / 8)


unittest.main()
