#!/usr/bin/env python3
"""test/lab/score/score_test.py DMM SOURCE: the score of designs on traces good and bad, by libraries good and bad."""
import gzip
import json
import os
import random
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

DMM, SOURCE = sys.argv[1], Path(sys.argv[2])
del sys.argv[1:]

SHORT = "20000\n3\n8\n1\na 0 512\na 1 128\nr 0 640\na 2 128\nf 1\nr 0 768\nf 0\nf 2\n"


def churn(objects, live_at_most):
    numbers, live, lines = random.Random(1), [], []
    for i in range(objects):
        lines.append(f"a {i} {numbers.randrange(1, 500)}")
        live.append(i)
        if len(live) > live_at_most:
            lines.append(f"f {live.pop(numbers.randrange(len(live)))}")
    lines += [f"f {i}" for i in live]
    return f"1\n{objects}\n{len(lines)}\n1\n" + "\n".join(lines) + "\n"


def varint(x):
    out = b""
    while x > 127:
        out += bytes([x & 127 | 128])
        x >>= 7
    return out + bytes([x])


def message(number, *fields):
    """A TraceLine in a Tracefile: operation `number` with its fields, None for one that is left out."""
    inner = b"".join(bytes([(i + 1) << 3]) + varint(x) for i, x in enumerate(fields) if x is not None)
    line = bytes([number << 3 | 2]) + varint(len(inner)) + inner
    return b"\x0a" + varint(len(line)) + line


class WithTraces(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.at = Path(self.folder.name)

    def tearDown(self):
        self.folder.cleanup()

    def write(self, name, text):
        (self.at / name).write_bytes(text if isinstance(text, bytes) else text.encode())

    def score(self, *args):
        run = subprocess.run([DMM, "score", f"--traces={self.at}", "--format=json", *args],
                             capture_output=True, text=True, timeout=300)
        self.assertIn(run.returncode, (0, 1), run.stderr)
        self.said = run.stderr
        board = json.loads(run.stdout)
        return run.returncode, board["designs"][0], {t["trace"]: t for t in board["designs"][0]["traces"]}


class Traces(WithTraces):
    def test_a_trace_is_read_packed_or_not_and_in_both_dialects(self):
        self.write("a.rep", SHORT)
        self.write("b.rep.gz", gzip.compress(SHORT.encode()))
        self.write("c.rep", SHORT.replace("20000\n3\n8\n1", "1\n3\n8\n0"))  # weight first
        status, _, traces = self.score("bins")
        self.assertEqual(status, 0)
        for name in ("a.rep", "b.rep.gz", "c.rep"):
            self.assertEqual(traces[name]["verdict"], "correct")
            self.assertEqual(traces[name]["calls"], 8)
            self.assertEqual(traces[name]["peak_payload_bytes"], 896)

    def test_a_protobuf_trace_is_read_packed_or_not(self):
        calls = [message(1, 1, 512), message(1, 2, 128), message(3, 3, 1, 640), message(4, 4, 16, 8),
                 message(2, 2), message(3, 5, None, 64), message(2, 3, 640), message(2, 4), message(2, 5)]
        trace = b"".join(calls) + b"\x10" + varint(4)
        self.write("a.trace", gzip.compress(trace))
        self.write("b.trace", trace)
        status, _, traces = self.score("bins")
        self.assertEqual(status, 0, traces)
        for name in ("a.trace", "b.trace"):
            self.assertEqual(traces[name]["calls"], 9)
            self.assertEqual(traces[name]["peak_payload_bytes"], 640 + 128 + 128)

    def test_what_gave_null_and_what_was_aligned_is_read_from_a_protobuf_trace(self):
        calls = [message(1, None, 0), message(1, 7, 100, 4096), message(3, None, 7, 0), message(2),
                 message(1, 7, 32), message(4, None, 1 << 40, 8), message(2, 7, 32, 16)]
        self.write("a.trace", b"".join(calls))
        status, _, traces = self.score("bins")
        self.assertEqual(status, 0, traces)
        self.assertEqual(traces["a.trace"]["calls"], 7)
        self.assertEqual(traces["a.trace"]["peak_payload_bytes"], 100)

    def test_a_design_may_have_settings(self):
        self.write("small.rep", churn(3000, 1000))
        plain = self.score("bins")[1]["utilisation"]
        self.assertGreater(self.score("bins?reuse:footer,grow_min:4k,runs:64")[1]["utilisation"], plain)
        run = self.score("bins?ruse:footer")
        self.assertEqual(run[0], 1)
        self.assertIn("did you mean 'reuse'", run[2]["small.rep"]["verdict"])

    def test_a_damaged_protobuf_trace_is_named(self):
        whole = message(1, 1, 512) + message(2, 1)
        self.write("cut.trace", whole[:-1])
        self.write("twice.trace", whole + message(2, 1))
        self.write("strange.trace", whole + b"\x0f\x01")
        status, _, traces = self.score("bins")
        self.assertEqual(status, 1)
        self.assertIn("truncated", traces["cut.trace"]["verdict"])
        self.assertIn("id 1 is freed, but not live", traces["twice.trace"]["verdict"])
        self.assertIn("offset", traces["strange.trace"]["verdict"])

    def test_what_is_wrong_with_a_trace_is_named_and_the_others_count(self):
        self.write("double.rep", "1\n1\n3\n1\na 0 16\nf 0\nf 0\n")
        self.write("empty.rep", "")
        self.write("fine.rep", SHORT)
        self.write("huge.rep", f"1\n1\n2\n1\na 0 {1 << 62}\nf 0\n")
        self.write("nothing.rep", "1\n0\n0\n1\n")
        self.write("sizeless.rep", "1\n2\n2\n1\na 0\na 1 16\n")
        self.write("text.rep", "hello\nworld\n")
        self.write("cut.rep", "1\n2\n9\n1\na 0 16\n")
        status, design, traces = self.score("bins")
        self.assertEqual(status, 1)
        self.assertEqual(design["failed"], 6)
        self.assertIn("id 0 is freed, but not live", traces["double.rep"]["verdict"])
        self.assertIn("there is nothing in it", traces["empty.rep"]["verdict"])
        self.assertEqual(traces["fine.rep"]["verdict"], "correct")
        self.assertFalse(traces["huge.rep"]["correct"])
        self.assertIn("nothing is allocated", traces["nothing.rep"]["verdict"])
        self.assertIn("without a size", traces["sizeless.rep"]["verdict"])
        self.assertTrue(traces["sizeless.rep"]["correct"])
        self.assertIn("no format begins like 'hello'", traces["text.rep"]["verdict"])
        self.assertIn("truncated", traces["cut.rep"]["verdict"])

    def test_a_folder_that_is_none_is_named(self):
        run = subprocess.run([DMM, "score", "--traces=/nonexistent/traces"], capture_output=True, text=True)
        self.assertEqual(run.returncode, 1)
        self.assertIn("/nonexistent/traces", run.stderr)


class Points(WithTraces):
    def setUp(self):
        super().setUp()
        self.write("churn.rep", churn(5000, 500))

    def test_weights_and_reference_make_the_score(self):
        _, design, _ = self.score("bins", "--reference=1", "--weight=40")
        self.assertAlmostEqual(design["score"], 40 * design["utilisation"] + 60, 6)
        _, design, _ = self.score("bins", "--weight=100")
        self.assertAlmostEqual(design["score"], 100 * design["utilisation"], 6)

    def test_each_mean_is_what_it_is_called(self):
        self.write("short.rep", SHORT)
        _, design, traces = self.score("bins", "--mean=harmonic", "--reference=1000")
        rates = [t["calls_a_second"] for t in traces.values()]
        self.assertAlmostEqual(design["calls_a_second"] / (2 / sum(1 / r for r in rates)), 1, 6)
        used = [t["utilisation"] for t in traces.values()]
        self.assertAlmostEqual(design["utilisation"], 2 / sum(1 / u for u in used), 6)
        _, design, traces = self.score("bins", "--mean=arithmetic")
        rates = [t["calls_a_second"] for t in traces.values()]
        self.assertAlmostEqual(design["calls_a_second"] / (sum(rates) / 2), 1, 6)

    def test_utilisation_is_the_same_each_time(self):
        first, again = (self.score("gnu")[1]["utilisation"] for _ in range(2))
        self.assertEqual(first, again)

    def test_the_page_has_every_trace_and_escapes_its_name(self):
        self.write("a<b&c.rep", SHORT)
        page = self.at / ".page.html"
        self.score("bins", "gnu", "-o", str(page))
        text = page.read_text()
        self.assertIn("a&lt;b&amp;c.rep", text)
        self.assertNotIn("a<b", text)
        self.assertEqual(text.count("<table>"), 2)
        self.assertEqual(text.count("churn.rep"), 2)

    def test_text_and_csv_tell_the_same(self):
        for form in ("text", "csv"):
            run = subprocess.run([DMM, "score", f"--traces={self.at}", f"--format={form}", "bins"],
                                 capture_output=True, text=True)
            self.assertEqual(run.returncode, 0, run.stderr)
            self.assertIn("churn.rep", run.stdout)
            self.assertIn("correct", run.stdout)


FAULTS = ["", "it crashes: Segmentation fault", "it hangs: stopped after 1 s", "overlaps", "not a multiple of 16",
          "outside the heap", "is not what was written", "before realloc moved", "gave NULL",
          "it ends the program with status 0"]


class Libraries(WithTraces):
    def library(self, fault):
        out = self.at / f".faulty{fault}.so"
        subprocess.run([os.environ.get("CC", "cc"), "-O1", "-shared", "-fPIC", f"-DFAULT={fault}",
                        f"-I{SOURCE}/include", SOURCE / "test/lab/score/faulty_system.c", "-o", out], check=True)
        return f"my={out}"

    def setUp(self):
        super().setUp()
        self.write("short.rep", SHORT)
        self.write("small.rep", churn(40, 10))

    def test_a_library_that_does_as_it_should_has_points(self):
        status, design, _ = self.score(self.library(0))
        self.assertEqual((status, design["failed"]), (0, 0))
        self.assertGreater(design["score"], 0)

    def test_each_fault_of_a_library_is_named_and_ends_one_trace_alone(self):
        for fault, words in enumerate(FAULTS):
            if not words:
                continue
            with self.subTest(words):
                # the usual timeout else: on a busy machine no other trace shall be stopped
                options = ["--timeout=1"] if "hangs" in words else []
                status, _, traces = self.score(self.library(fault), *options)
                self.assertEqual(status, 1)
                self.assertTrue(any(words in t["verdict"] for t in traces.values()),
                                [t["verdict"] for t in traces.values()])
                self.assertIn(f"next: dmm torture --system=my={self.at}/.faulty{fault}.so", self.said)

    def test_a_library_that_prints_without_end_is_cut_off(self):
        status, _, traces = self.score(self.library(10))
        self.assertEqual(status, 0, traces)

    def test_a_plain_malloc_is_told_why_it_has_no_score_and_what_measures_it(self):
        (self.at / ".plain.c").write_text("void *malloc(unsigned long n) { return (void *)(n & 0); }\n")
        subprocess.run([os.environ.get("CC", "cc"), "-w", "-fno-builtin", "-shared", "-fPIC", self.at / ".plain.c", "-o",
                        self.at / ".plain.so"], check=True)
        status, _, traces = self.score(f"my={self.at}/.plain.so")
        self.assertEqual(status, 1)
        self.assertIn("without dmm_system_entry() its heap cannot be put on simulated memory",
                      traces["short.rep"]["verdict"])
        self.assertIn("dmm replay T --systems=my=", traces["short.rep"]["verdict"])
        self.assertNotIn("dmm torture", self.said)

    def test_a_library_that_is_none_is_named(self):
        self.write(".empty.so", "")
        status, _, traces = self.score(f"my={self.at}/.empty.so")
        self.assertEqual(status, 1)
        self.assertIn("cannot load a system", traces["short.rep"]["verdict"])


unittest.main(verbosity=2)
