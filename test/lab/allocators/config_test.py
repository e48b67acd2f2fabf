#!/usr/bin/env python3
"""test/lab/allocators/config_test.py DMM: settings at the command: dmm config, and dmm run --conf."""
import json
import os
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

DMM = sys.argv.pop(1)


def dmm(*args, conf=None):
    env = {key: value for key, value in os.environ.items() if key != "DMM_CONF"}
    if conf is not None:
        env["DMM_CONF"] = conf
    return subprocess.run([DMM, *args], env=env, capture_output=True, text=True)


def settings(system, *args, conf=None):
    """key -> (value, from), and the run."""
    done = dmm("config", f"--system={system}", "--format=json", *args, conf=conf)
    one, = json.loads(done.stdout)["systems"]
    return {s["key"]: (s["value"], s["from"]) for s in one["settings"]}, done


class WithFiles(unittest.TestCase):
    def setUp(self):
        self.directory = tempfile.TemporaryDirectory()
        self.addCleanup(self.directory.cleanup)

    def file(self, text):
        path = Path(self.directory.name) / "my.conf"
        path.write_text(text)
        return str(path)


class Config(WithFiles):
    def test_everything_is_a_default_where_nobody_said_anything(self):
        found, done = settings("gnu")
        self.assertEqual(done.returncode, 0)
        self.assertEqual({source for _, source in found.values()}, {"default"})
        self.assertEqual(found["reuse"][0], "footer")
        self.assertEqual(found["mmap_threshold"][0], "adaptive")
        self.assertEqual(len(found), 13)

    def test_each_value_says_where_it_came_from_and_the_last_word_counts(self):
        path = self.file("# mine\nreuse:links\nfit:address\n")
        found, done = settings("bins", "--conf=" + path, conf="fit:best,split_min:64")
        self.assertEqual(done.returncode, 0)
        self.assertEqual(found["fit"], ("address", path + ":3"))
        self.assertEqual(found["reuse"], ("links", path + ":2"))
        self.assertEqual(found["split_min"], ("64", "DMM_CONF"))
        self.assertEqual(found["footer"], ("off", "default"))

    def test_a_file_named_in_the_environment_counts_in_its_place(self):
        path = self.file("fit:address,reuse:links")
        found, _ = settings("bins", conf=f"fit:best,file:{path},reuse:none")
        self.assertEqual(found["fit"], ("address", path + ":1"))
        self.assertEqual(found["reuse"], ("none", "DMM_CONF"))

    def test_a_mistake_is_said_and_ends_with_1(self):
        done = dmm("config", "--system=vm", conf="coalesce:deferred")
        self.assertEqual(done.returncode, 1)
        self.assertIn("DMM_CONF: vm has no 'coalesce'", done.stderr)
        done = dmm("config", "--system=bins", "--conf=" + self.file("fit:best\n\nfitt:best"))
        self.assertEqual(done.returncode, 1)
        self.assertIn("my.conf:3: unknown key 'fitt'; did you mean 'fit'?", done.stderr)

    def test_of_all_designs_only_what_none_can_obey_is_a_mistake(self):
        done = dmm("config", conf="mmap_threshold:never,fit:best,stats:1")
        self.assertEqual((done.returncode, done.stderr.count("DMM_CONF: ")), (0, 0), done.stdout + done.stderr)
        done = dmm("config", conf="mmap_threshold:1")
        self.assertEqual((done.returncode, done.stderr.count("DMM_CONF: ")), (1, 1), done.stdout + done.stderr)
        self.assertIn("4k to 1024g", done.stderr)

    def test_every_design_tells_whether_it_prints_statistics_and_keeps_deepbind(self):
        for system in ("minimal", "pad", "list", "dlist", "bins", "vm", "gnu", "segdata", "segmeta"):
            found, done = settings(system, conf="deepbind:1")
            self.assertEqual((done.returncode, done.stderr.count("DMM_CONF: ")), (0, 0), done.stdout + done.stderr)
            self.assertEqual((found["stats"], found["deepbind"]), (("0", "default"), ("1", "DMM_CONF")), system)

    def test_a_report_that_only_slab_makes_is_refused(self):
        for word in ("stats:exit", "stats:interval:5", "stats:signal:10"):
            done = dmm("config", "--system=bins", conf=word)
            self.assertEqual(done.returncode, 1)
            self.assertIn(f"DMM_CONF: {word}: only slab makes such reports; this design takes stats:0 and stats:1",
                          done.stderr)

    def test_settings_that_cannot_be_together_leave_the_defaults(self):
        found, done = settings("gnu", conf="footer:check,fit:best")
        self.assertEqual(done.returncode, 1)
        self.assertIn("take reuse:links", done.stderr)
        self.assertEqual(found["fit"], ("first", "default"))

    def test_slab_has_keys_of_its_own_and_a_word_for_all_of_them(self):
        found, done = settings("slab", conf="hardened,canary:0,quarantine:7")
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertEqual((found["canary"][0], found["quarantine"][0]), ("0", "7"))
        self.assertEqual((found["zero_on_free"], found["guard_large"]), (("1", "DMM_CONF"), ("1", "DMM_CONF")))
        path = self.file("\nrandom_order:1\ncanari:1\n")
        found, done = settings("slab", "--conf=" + path)
        self.assertEqual(found["random_order"], ("1", path + ":2"))
        self.assertEqual(found["canary"], ("0", "default"))
        self.assertEqual(done.returncode, 1)
        self.assertIn(path + ":3: unknown key 'canari'; did you mean 'canary'?", done.stderr)

    def test_a_word_with_a_value_of_two_parts_sets_the_key_that_is_meant(self):
        path = "/var/lib/node_exporter/textfile_collector/dmm-%p.prom"
        found, done = settings("slab", conf=f"stats:interval:15,stats:exit,stats_file:{path}")
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertEqual((found["stats_interval_s"], found["stats_exit"]), (("15", "DMM_CONF"), ("1", "DMM_CONF")))
        self.assertEqual((found["stats_file"], found["stats"]), ((path, "DMM_CONF"), ("0", "default")))

    def test_a_word_without_a_system_of_that_name_names_the_nearest(self):
        done = dmm("config", "--system=binz")
        self.assertEqual(done.returncode, 2)
        self.assertIn("did you mean 'bins'?", done.stderr)


class RunWithAFile(WithFiles):
    def run_with(self, system, text):
        return dmm("run", f"--system={system}", "--conf=" + self.file(text), "--", "/bin/echo", "hello")

    def test_what_the_file_says_is_obeyed(self):
        done = self.run_with("bins", "reuse:links # sixteen bytes\nstats:1\n")
        self.assertEqual((done.returncode, done.stdout), (0, "hello\n"))
        self.assertIn("malloc, ", done.stderr)

    def test_slab_obeys_a_file_as_well(self):
        done = self.run_with("slab", "hardened\nquarantine:10\n")
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "hello\n", ""))

    def test_what_is_impossible_is_refused_before_anything_runs(self):
        for system, text, where, why in (
                ("vm", "coalesce:deferred", ":1", "vm has no 'coalesce'"),
                ("bins", "\nsplit_min:9g", ":2", "a number from 0 to 1m"),
                ("bins", "fitt:best", ":1", "did you mean 'fit'?"),
                ("bins", "fit", ":1", "a setting is key:value"),
                ("slab", "canary:1\nquarantine:-1", ":2", "quarantine:-1: a number from 0 to 1048576"),
                ("bins", "footer:check,reuse:footer", "", "take reuse:links")):
            with self.subTest(text=text):
                done = self.run_with(system, text)
                self.assertEqual((done.returncode, done.stdout), (2, ""))
                self.assertIn("my.conf" + where + ": ", done.stderr)
                self.assertIn(why, done.stderr)

    def test_settings_may_stand_in_the_place_of_the_file(self):
        done = dmm("run", "--system=bins", "--conf=reuse:links,stats:1", "--", "/bin/echo", "hello")
        self.assertEqual((done.returncode, done.stdout), (0, "hello\n"), done.stderr)
        self.assertIn("malloc, ", done.stderr)
        done = dmm("run", "--conf=purge_age:3", "--", "/bin/echo", "hello")
        self.assertEqual((done.returncode, done.stdout), (2, ""))
        self.assertIn("--conf: unknown key 'purge_age'; did you mean 'purge_age_ms'?", done.stderr)
        found, done = settings("slab", "--conf=canary:1", conf="canary:0")
        self.assertEqual((done.returncode, found["canary"]), (0, ("1", "--conf")), done.stderr)
        found, done = settings("slab", "--conf=hardened")
        self.assertEqual((done.returncode, found["canary"]), (0, ("1", "--conf")), done.stderr)
        done = dmm("run", "--system=bins", "--conf=hardened", "--", "/bin/true")
        self.assertEqual((done.returncode, done.stdout), (2, ""))
        self.assertIn("--conf: 'hardened': a setting is key:value", done.stderr)

    def test_a_file_that_is_not_there_is_named(self):
        done = dmm("run", "--system=bins", "--conf=/nonexistent/f", "--", "/bin/true")
        self.assertEqual(done.returncode, 2)
        self.assertIn("/nonexistent/f: no such file", done.stderr)
        done = dmm("run", "--system=bins", "--conf=/tmp", "--", "/bin/true")
        self.assertEqual(done.returncode, 2)
        self.assertIn("/tmp: a directory", done.stderr)


unittest.main()
