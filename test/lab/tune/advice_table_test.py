#!/usr/bin/env python3
"""test/lab/tune/advice_table_test.py TOOL BUILD: tools/advice on one program, in one run: from a recording to a row
of the table."""
import json
import subprocess
import sys
import tempfile
from pathlib import Path

TOOL, BUILD = sys.argv[1:]

with tempfile.TemporaryDirectory() as directory:
    done = subprocess.run([TOOL, BUILD, directory, "--only=python3", "--runs=1"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    head, _, row, middle, *_ = (line.strip("| ").split(" | ") for line in done.stdout.splitlines())
    assert head[:3] == ["program", "its malloc", "findings"], head
    assert row[:2] == ["python3", "glibc"] and len(row) == len(head), row
    assert middle[0] == "median of 1", middle
    found = json.loads(Path(directory, "python3.json").read_text())
    searched = [recording["searched"] for recording in found["tune"]["recordings"]]
    assert searched == [True, False], searched
    assert found["tune"]["measured"]["runs"] == 1
    again = subprocess.run([TOOL, BUILD, directory, "--only=python3", "--runs=1"], capture_output=True, text=True)
    assert (again.stdout, again.stderr) == (done.stdout, ""), "it was run again"
    done = subprocess.run([TOOL, BUILD, directory, "--oly=python3"], capture_output=True, text=True)
    assert done.returncode != 0 and "--only" in done.stderr
