"""What the tests of recordings from outside share: dmm, what it says, and the running of tests.

A test file is called with BUILD SOURCE [WORD] and runs the tests whose name holds WORD, each in a
directory of its own.
"""
import csv
import json
import os
import subprocess
import sys

from runner import run_tests

BUILD, SOURCE = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2])
DMM = BUILD + "/dmm"


def run(*args, **kw):
    return subprocess.run(args, capture_output=True, timeout=300, **{"text": True, **kw})


def write(name, text):
    with open(name, "w") as f:
        f.write(text)
    return name


def info(trace="T"):
    r = run(DMM, "info", "--format=json", trace)
    assert r.returncode == 0 and r.stdout, r.stderr
    return json.loads(r.stdout)


def events(trace="T"):
    r = run(DMM, "export", "--to=csv", trace)
    assert r.returncode == 0, r.stderr
    return list(csv.DictReader(r.stdout.splitlines()))


def calls(trace="T"):
    return [(e["op"], int(e["size"])) for e in events(trace)]


def compile_c(name, text, *flags):
    write(name + ".c", text)
    subprocess.run(["cc", "-g", "-O1", "-fno-builtin", *flags, name + ".c", "-o", name], check=True)
    return "./" + name


def skip(why):
    print("     skipped:", why)


def main(tests):
    run_tests(tests, sys.argv[3] if len(sys.argv) > 3 else "")
