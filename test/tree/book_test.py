#!/usr/bin/env python3
"""test/tree/book_test.py DMM SOURCE: docs/book is what tools/book makes, and its links lead somewhere."""
import re
import subprocess
import sys
import unittest
from pathlib import Path

DMM, SOURCE = sys.argv[1], Path(sys.argv[2])
del sys.argv[1:]
BOOK = SOURCE / "docs/book"


class Book(unittest.TestCase):
    def test_every_page_and_picture_is_as_it_is_made(self):
        run = subprocess.run([SOURCE / "tools/book", "--check", DMM], capture_output=True, text=True, timeout=300)
        self.assertEqual(run.returncode, 0, run.stdout + run.stderr)

    def test_no_link_leads_nowhere(self):
        for page in BOOK.glob("*.md"):
            for target in re.findall(r"\]\(([^)#]+)", page.read_text()):
                self.assertTrue((BOOK / target).exists(), f"{page.name}: {target}")

    def test_every_design_has_a_page_with_a_picture_of_it(self):
        said = subprocess.run([DMM, "systems", "--format=csv"], capture_output=True, text=True, check=True).stdout
        pages = "\n".join(page.read_text() for page in BOOK.glob("*.md"))
        for name in [line.split(",")[0] for line in said.splitlines()[1:]]:
            if name != "slab":
                self.assertIn(f"](pictures/{name}.svg)", pages)
            self.assertIn(f"dmm show --demo --system={name}", pages)

    def test_every_rule_has_the_place_that_a_lesson_names(self):
        headings = re.findall(r"(?m)^## (.*)$", (BOOK / "rules.md").read_text())
        for rule in ["S1 aligned", "S2 disjoint", "S8 live", "S10 memory", "S11 reuse", "own", "crash", "inside", "hang", "exit"]:
            self.assertIn(rule, headings)
        self.assertEqual(len(headings), len(set(headings)))

    def test_contents_has_every_page(self):
        contents = (BOOK / "README.md").read_text()
        for page in BOOK.glob("*.md"):
            if page.name != "README.md":
                self.assertIn(f"]({page.name})", contents)


unittest.main(verbosity=2)
