#!/usr/bin/env python3
"""budget_test.py DMM STORIES: dmm diff and dmm check, from outside."""
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest
import xml.etree.ElementTree as ET
from pathlib import Path

DMM, STORIES = sys.argv.pop(1), sys.argv.pop(1)
PROGRAM = """
#include <stdlib.h>
#include <string.h>
#define NOINLINE __attribute__((noinline))
NOINLINE char *parse(size_t n) { char *p = malloc(n); memset(p, 1, n); return p; }
NOINLINE char *load(size_t n) { char *p = malloc(n); memset(p, 2, n); return p; }
int main(void)
{
    static char *kept[4000];
    for (int i = 0; i < 4000; i++) {
        free(load(100 + i % 50));
        kept[i] = i % 2 ? parse(PARSED) : load(200);
    }
    for (int i = 0; i < 4000 - LEAKED; i++)
        free(kept[i]);
    return 0;
}
"""


def dmm(*args):
    env = {key: value for key, value in os.environ.items() if key != "DMM_CONF"}
    return subprocess.run([DMM, *map(str, args)], env=env, capture_output=True, text=True)


class Recorded(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.directory = tempfile.TemporaryDirectory()
        cls.path = Path(cls.directory.name)
        for name, parsed, leaked in (("before", 100, 0), ("after", 180, 80)):
            (cls.path / name).mkdir()
            subprocess.run(["gcc", "-w", "-O1", "-g", "-fno-builtin", "-fno-omit-frame-pointer", f"-DPARSED={parsed}",
                            f"-DLEAKED={leaked}", "-x", "c", "-o", cls.path / name / "server", "-"],
                           input=PROGRAM, text=True, check=True)
            for run in range(3):
                done = dmm("record", "--stacks=fp", "-o", cls.path / f"{name}{run}.dmm", "--",
                           cls.path / name / "server")
                assert done.returncode == 0, done.stderr

    @classmethod
    def tearDownClass(cls):
        cls.directory.cleanup()

    def trace(self, name):
        return self.path / f"{name}.dmm"

    def side(self, name):
        return ",".join(str(self.trace(f"{name}{i}")) for i in range(3))


class Diff(Recorded):
    def test_the_planted_change_is_named_first(self):
        for sides in ((self.trace("before0"), self.trace("after0")), (self.side("before"), self.side("after"))):
            done = dmm("diff", *sides, "--format=json")
            self.assertEqual(done.returncode, 1, done.stdout + done.stderr)
            diff = json.loads(done.stdout)
            self.assertEqual((diff["schema"], diff["version"]), ("dmm-diff", 1))
            first = diff["sites"][0]
            self.assertTrue(first["name"].startswith("parse <- main"), first)
            self.assertEqual(first["after"], 360000)
            self.assertAlmostEqual(first["before"], 200000, delta=200)
            self.assertEqual([s["name"] for s in diff["sizes"]], ["129 to 256 bytes", "65 to 128 bytes"])

    def test_the_measure_can_be_chosen(self):
        diff = json.loads(dmm("diff", self.trace("before0"), self.trace("after0"), "--by=end", "--format=json").stdout)
        ends = {s["name"].split(" <- ")[0]: s["after"] for s in diff["sites"]}
        self.assertEqual(ends, {"parse": 40 * 180, "load": 40 * 200})
        done = dmm("diff", self.trace("before0"), self.trace("after0"), "--by=calls", "--format=json")
        self.assertEqual(json.loads(done.stdout)["sites"], [])

    def test_equal_runs_have_no_difference(self):
        for a in range(3):
            for b in range(3):
                for name in ("before", "after"):
                    done = dmm("diff", self.trace(f"{name}{a}"), self.trace(f"{name}{b}"))
                    self.assertEqual(done.returncode, 0, done.stdout)
                    self.assertTrue(done.stdout.startswith("no difference"), done.stdout)
        done = dmm("diff", self.side("before"), self.side("before"))
        self.assertEqual(done.returncode, 0, done.stdout)

    def test_a_program_that_goes_by_the_clock_has_more_noise(self):
        """Four sites make a few calls more or less, and what is freed early varies: the peak grows by 10 or 43 %."""
        text = """
            #include <stdlib.h>
            #define N __attribute__((noinline))
            #define SITE(f) N void f(int n) { for (int i = 0; i < n; i++) free(malloc(50)); }
            SITE(one) SITE(two) SITE(three) SITE(four)
            N void *collect(void) { return malloc(10000); }
            int main(int argc, char **argv)
            {
                int early = atoi(argv[1]), more = atoi(argv[2]);
                void *kept[100];
                one(100 + more); two(200 + more); three(150 + more); four(99);
                for (int i = 0; i < 100; i++) {
                    if (i >= 100 - early)
                        free(kept[i - (100 - early)]);
                    kept[i] = collect();
                }
                for (int i = early; i < 100; i++)
                    free(kept[i]);
                return argc != 3;
            }"""
        program = self.path / "clocked"
        subprocess.run(["gcc", "-w", "-O1", "-g", "-fno-builtin", "-x", "c", "-o", program, "-"], input=text, text=True,
                       check=True)
        for early, more in ((30, 0), (23, 0), (23, 7), (0, 7)):
            done = dmm("record", "-o", self.path / f"clock{early}-{more}.dmm", "--", program, early, more)
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        for after, status, words in (("clock23-0", 1, "noise is taken as 2 % of the whole;"),
                                     ("clock23-7", 0, "15 % of the bytes at the peak and 5 % of the rest, since 3 call"),
                                     ("clock0-7", 1, "since 3 call sites")):
            done = dmm("diff", self.trace("clock30-0"), self.trace(after))
            self.assertEqual(done.returncode, status, done.stdout)
            self.assertIn(words, done.stdout)
            self.assertEqual("collect" in done.stdout, status == 1, done.stdout)
        page = self.path / "clock.html"
        dmm("diff", self.trace("clock30-0"), self.trace("clock23-7"), f"--page={page}")
        self.assertIn("15 % of the bytes at the peak", page.read_text())

    def test_equal_runs_of_real_programs_have_no_difference(self):
        table = "create table t(a, b); with recursive c(x) as (select 1 union all select x + 1 from c where x < 5000) " \
                "insert into t select x, hex(x * 7) from c; select count(*) from t where b > '3'"
        for command in (("sort", "-r", __file__), ("awk", "{n[$1]++} END{for(k in n) s+=n[k]; print s}", __file__),
                        ("sqlite3", ":memory:", table), ("perl", "-e", "my %h; $h{$_} = [$_] for 1..9000"),
                        ("python3", "-s", "-c", "d = {str(i): [i] * 3 for i in range(9000)}"),
                        ("tar", "cf", "/dev/null", Path(__file__).parent), ("objdump", "-d", "/bin/true")):
            if shutil.which(command[0]) is None:
                continue
            traces = [self.path / f"equal{i}.dmm" for i in range(2)]
            for trace in traces:
                done = dmm("record", "-o", trace, "--", *command)
                self.assertEqual(done.returncode, 0, (command, done.stderr))
            for measure in ("peak", "calls", "asked", "end"):
                with self.subTest(program=command[0], by=measure):
                    done = dmm("diff", *traces, f"--by={measure}")
                    self.assertEqual(done.returncode, 0, done.stdout)

    def test_folded_has_frames_outermost_first(self):
        done = dmm("diff", "--to=folded", self.trace("before0"), self.trace("after0"))
        lines = dict(line.split(" ", 1) for line in done.stdout.splitlines())
        chain = next(key for key in lines if key.endswith("main;parse"))
        self.assertEqual(lines[chain].split()[1], "360000")

    def test_the_page_shows_what_changed_and_needs_nothing_else(self):
        page = self.path / "page.html"
        done = dmm("diff", self.side("before"), self.side("after"), f"--page={page}")
        self.assertEqual(done.returncode, 1, done.stdout + done.stderr)
        text = page.read_text()
        rows = re.findall(r"<rect class=(\w+) .*?<td>([^<]*)\n", text)
        self.assertIn(("more", "bytes at the peak"), rows)
        sites = [(way, name) for way, name in rows if " &lt;- main" in name]
        self.assertTrue(sites and sites[0][0] == "more" and sites[0][1].startswith("parse &lt;- main"), rows)
        self.assertNotRegex(text, "https?:|<script|src=")
        self.assertIn("what the recordings of one side differ by", text.replace("\n", " "))
        self.assertEqual([f for f in self.path.iterdir() if f.name.startswith("page.html.")], [])

    def test_the_page_says_that_nothing_differs_and_writes_names_as_text(self):
        odd = self.path / "a<b>&.dmm"
        odd.write_bytes(self.trace("before0").read_bytes())
        page = self.path / "same.html"
        done = dmm("diff", odd, self.trace("before1"), f"--page={page}")
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertIn("No difference: every call site and size is within noise", page.read_text())
        self.assertIn("a&lt;b&gt;&amp;.dmm", page.read_text())
        done = dmm("diff", odd, self.trace("before1"), "--page=/nowhere/page.html")
        self.assertEqual(done.returncode, 125)
        self.assertIn("/nowhere/page.html cannot be written", done.stderr)

    def test_recordings_of_different_programs_are_refused(self):
        other = self.path / "other.dmm"
        dmm("record", "-o", other, "--", STORIES, "leak")
        done = dmm("diff", self.trace("before0"), other)
        self.assertEqual(done.returncode, 2)
        self.assertIn("a recording of server", done.stderr)
        self.assertIn("one of stories", done.stderr)
        self.assertEqual(dmm("diff", "--any", self.trace("before0"), other).returncode, 1)

    def test_mistakes_are_named(self):
        for args, status, words in (((), 2, "dmm diff BEFORE AFTER"), (("a", "b", "c"), 2, "'c'"),
                                    (("/nonexistent/a", "/nonexistent/b"), 1, "/nonexistent/a")):
            done = dmm("diff", *args)
            self.assertEqual(done.returncode, status, done.stdout + done.stderr)
            self.assertIn(words, done.stderr)


class Check(Recorded):
    def check(self, *args, trace="after0"):
        return dmm("check", self.trace(trace), *args)

    def test_a_kept_budget_is_exit_0_and_a_broken_one_exit_1_and_a_line(self):
        done = self.check("--max-peak=10M", "--max-calls=8000")
        self.assertEqual((done.returncode, done.stdout.count("kept: ")), (0, 2), done.stderr)
        done = self.check("--max-peak=100K", "--max-calls=7999", "--max-leaked=7K")
        self.assertEqual(done.returncode, 1)
        lines = done.stdout.splitlines()
        self.assertEqual([line.split(": ")[:2] for line in lines],
                         [["broken", "max-peak"], ["broken", "max-leaked"], ["broken", "max-calls"]])
        self.assertIn("at load <- main", lines[1])

    def test_a_suppression_leaves_out_what_a_function_never_freed(self):
        file = self.path / "leaks.txt"
        file.write_text("# known\npars*\nload\nnobody\n")
        done = self.check("--max-leaked=0", f"--suppress={file}")
        self.assertEqual(done.returncode, 0, done.stdout)
        self.assertIn("leaks.txt:4: 'nobody' matches no leak: remove it", done.stderr)
        self.assertNotIn("pars*", done.stderr)

    def test_a_baseline_with_a_tolerance(self):
        baseline = f"--baseline={self.trace('before0')}"
        self.assertEqual(self.check(baseline, trace="before1").returncode, 0)
        done = self.check(baseline)
        self.assertEqual(done.returncode, 1)
        self.assertIn("broken: baseline-peak", done.stdout)
        self.assertIn("at parse <- main", done.stdout)
        self.assertIn("next: dmm diff", done.stderr)
        self.assertIn("kept: baseline-peak", self.check(baseline, "--tolerance=50%").stdout)

    def test_junit_is_xml_that_counts(self):
        file = self.path / "junit.xml"
        self.check("--max-peak=100K", "--max-calls=100000", f"--junit={file}")
        suite = ET.parse(file).getroot().find("testsuite")
        self.assertEqual((suite.get("tests"), suite.get("failures")), ("2", "1"))
        self.assertEqual([case.get("name") for case in suite.findall("testcase")], ["max-peak", "max-calls"])
        self.assertIn("the budget is 100 KiB", suite.find("testcase/failure").get("message"))

    def test_github_annotations_are_only_the_broken_ones(self):
        done = self.check("--max-peak=100K", "--max-calls=100000", "--format=github")
        self.assertEqual(done.stdout.count("\n"), 1)
        self.assertTrue(done.stdout.startswith("::error title=dmm check max-peak::peak "), done.stdout)

    def test_json_has_every_budget(self):
        result = json.loads(self.check("--max-peak=100K", "--max-calls=100000", "--format=json").stdout)
        self.assertEqual((result["schema"], result["broken"]), ("dmm-check", True))
        self.assertEqual([b["broken"] for b in result["budgets"]], [True, False])

    def test_mistakes_are_named(self):
        trace = self.trace("after0")
        for args, status, words in (((), 2, "dmm check T"), ((trace,), 2, "no budget"),
                                    ((trace, "--max-peak=1K", "--max-leaked=2K"), 2, "contradict"),
                                    ((trace, "--max-peak=x"), 2, "x"), ((trace, "--tolerance=-1"), 2, "-1"),
                                    ((trace, "--max-leaked=0", "--suppress=/nonexistent"), 1, "/nonexistent"),
                                    ((trace, "--max-leaked=0", "--junit=/nonexistent/j"), 125, "/nonexistent/j"),
                                    (("/nonexistent/t", "--max-peak=1"), 1, "/nonexistent/t")):
            done = dmm("check", *args)
            self.assertEqual(done.returncode, status, (args, done.stderr))
            self.assertIn(words, done.stderr)


unittest.main()
