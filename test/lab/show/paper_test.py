#!/usr/bin/env python3
"""test/lab/show/paper_test.py DMM RECORDING: ranges of calls, as text, SVG and TikZ, and the quiz."""
import re
import shutil
import subprocess
import sys
import tempfile
import unittest
import xml.etree.ElementTree as xml

DMM, RECORDING = sys.argv[1:3]
del sys.argv[1:]
SVG = "{http://www.w3.org/2000/svg}"
CHUNKS = ["minimal", "pad", "list", "dlist", "bins", "vm", "gnu", "segdata", "segmeta"]


def show(*args, answers=None):
    return subprocess.run([DMM, "show", *args], capture_output=True, text=True, timeout=300, input=answers)


def fine(*args, answers=None):
    run = show(*args, answers=answers)
    assert run.returncode == 0, run.stderr
    return run.stdout


class Ranges(unittest.TestCase):
    def test_a_range_is_every_call_of_it(self):
        one_by_one = "\n".join(fine(RECORDING, f"--at={at}") for at in range(60, 64))
        self.assertEqual(fine(RECORDING, "--from=60", "--to=63"), one_by_one)

    def test_what_cannot_be_shown_is_said(self):
        for args, words in (
                ((RECORDING, "--from=5", "--to=4"), "calls 5 to 4"),
                ((RECORDING, "--from=99999999"), "there are calls 1 to"),
                ((RECORDING, "--from=1", "--format=svg"), "at most 500"),
                ((RECORDING, "--system=slab", "--format=svg"), "--format=text"),
                ((RECORDING, "--system=slab", "--quiz"), "slab has none"),
                ((RECORDING, "--at=3", "--from=1"), "--at, or --from"),
                ((RECORDING, "--quiz", "--format=tikz"), "one of --step, --quiz"),
                (("--demo", "--system=list,bins", "--format=svg"), "one system"),
                ((RECORDING, "--format=json"), "--pid and --core")):
            run = show(*args)
            self.assertEqual(run.returncode, 2, args)
            self.assertIn(words, run.stderr)


class Svg(unittest.TestCase):
    def figure(self, *args):
        text = fine(*args, "--format=svg")
        self.assertEqual(text, fine(*args, "--format=svg"))
        return xml.fromstring(text), text

    def test_each_design_has_a_figure_for_each_call_and_all_lies_inside(self):
        for system in CHUNKS:
            for args in (("--demo",), (RECORDING, "--from=697", "--to=702")):
                root, text = self.figure(*args, f"--system={system}")
                self.assertEqual(len(root.findall(SVG + "g")), 21 if "--demo" in args else 6)
                _, _, width, height = map(float, root.get("viewBox").split())
                for rect in root.iter(SVG + "rect"):
                    if rect.get("x") is None:
                        continue
                    x, y, w, h = (float(rect.get(key)) for key in ("x", "y", "width", "height"))
                    self.assertTrue(w > 0 and h > 0, system)
                    self.assertTrue(0 <= x and x + w <= width and y + h <= height, (system, x, y, w, h))
                for name in re.findall(r'<rect class="(\w+)"', text):
                    self.assertIn("." + name, root.find(SVG + "style").text)

    def test_the_demo_names_its_chunks_and_its_captions(self):
        root, _ = self.figure("--demo", "--system=dlist", "--to=10")
        words = ["".join(t.itertext()) for t in root.iter(SVG + "text")]
        for word in ("p1", "p5", "* External fragmentation!", "* DMM system coalesced three free chunks",
                     "dlist: free(p2);", "header", "link", "footer"):
            self.assertIn(word, words)


class Tikz(unittest.TestCase):
    def test_every_picture_is_closed(self):
        for system in CHUNKS:
            text = fine("--demo", f"--system={system}", "--format=tikz")
            self.assertEqual(text.count("\\begin{tikzpicture}"), 22)  # one a call, and the legend
            self.assertEqual(text.count("\\end{tikzpicture}"), 22)
            plain = re.sub(r"\\[{}]", "", text)
            self.assertEqual(plain.count("{"), plain.count("}"))
            self.assertTrue(text.isascii())
            for line in text.splitlines():
                if line.startswith(("\\node", "\\draw", "\\fill")):
                    self.assertTrue(line.endswith(";"), line)

    @unittest.skipUnless(shutil.which("pdflatex"), "no pdflatex: apt-get install texlive-pictures")
    def test_tex_takes_it(self):
        with tempfile.TemporaryDirectory() as folder:
            figures = fine("--demo", "--system=bins", "--format=tikz") + fine(
                RECORDING, "--system=gnu", "--from=700", "--to=704", "--format=tikz")
            with open(folder + "/figures.tex", "w") as out:
                out.write("\\documentclass{article}\\usepackage{tikz}\n\\begin{document}\n" + figures +
                          "\\end{document}\n")
            run = subprocess.run(["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "figures.tex"],
                                 cwd=folder, capture_output=True, text=True, errors="replace", timeout=300)
            self.assertEqual(run.returncode, 0, run.stdout[-2000:])
            self.assertIn("Output written on figures.pdf", run.stdout)
            self.assertNotIn("Overfull", run.stdout)


class Quiz(unittest.TestCase):
    def test_the_right_answers_are_told_and_then_taken(self):
        for system in CHUNKS:
            said = fine("--demo", f"--system={system}", "--to=10", "--quiz", answers="1\n" * 30)
            options = re.findall(r"(?m)^  (\d)  (.*)$", said)
            told = re.findall(r"(?:Right|No): (.*)", said)
            self.assertEqual(len(told), 10, system)
            right = [next(n for n, words in options if words == t) for t in told]
            again = fine("--demo", f"--system={system}", "--to=10", "--quiz", answers="\n".join(right) + "\n")
            self.assertIn("10 of 10 right", again)
            self.assertNotIn("No: ", again)

    def test_list_does_what_the_slides_say(self):
        said = fine("--demo", "--system=list", "--to=10", "--quiz", answers="1\n" * 10)
        self.assertEqual([t.split(":")[0] for t in re.findall(r"(?:Right|No): (.*)", said)], [
            "The heap section grows", "The heap section grows", "The heap section grows",
            "The chunk is free, and a chunk of its own", "The heap section grows",
            "It becomes one free chunk with one neighbour", "It splits a free chunk",
            "It becomes one free chunk with one neighbour", "The chunk is free, and a chunk of its own",
            "It becomes one free chunk with both neighbours"])

    def test_what_is_no_answer_is_asked_again_and_the_end_of_input_ends_it(self):
        said = fine("--demo", "--system=bins", "--quiz", answers="7\nwhat\n3\n")
        self.assertIn("1 of 1 right", said)
        self.assertIn("1 of 1 right", fine("--demo", "--system=bins", "--quiz", answers="3\nq\n1\n"))

    def test_a_recording_can_be_asked_about(self):
        said = fine(RECORDING, "--system=bins", "--from=700", "--to=703", "--quiz", answers="2\n2\n2\n2\n")
        self.assertIn("4 of 4 right", said)


unittest.main(verbosity=2)
