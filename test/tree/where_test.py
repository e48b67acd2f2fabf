#!/usr/bin/env python3
"""where_test.py SOURCE: each question of docs/design/where.md is answered by its one look at the tree."""
import re
import subprocess
import sys
from pathlib import Path

ROW = re.compile(r"^\| (.*?) \| `((?:ls|grep) [^`]*)` \| `([^`]*)` \|$", re.M)
MOST = 3  # files that a grep may name

source = Path(sys.argv[1]).resolve()
rows = ROW.findall(Path(source, "docs/design/where.md").read_text())
faults = 0
for question, look, answer in rows:
    done = subprocess.run(["bash", "-c", look], cwd=source, capture_output=True, text=True)
    found = done.stdout.split()
    if look.startswith("ls "):
        found = [f"{look[3:]}/{name}" for name in found]
    if answer not in found:
        print(f"{question}\n    `{look}` does not name {answer}, but {' '.join(found) or 'nothing'}")
        faults += 1
    elif look.startswith("grep") and len(found) > MOST:
        print(f"{question}\n    `{look}` names {len(found)} files, at most {MOST}")
        faults += 1
print(f"{len(rows)} questions, {faults} faults")
sys.exit(1 if faults or len(rows) < 20 else 0)
