"""What the tests of replays share: dmm, its rows by name, and the running of tests.

A test file is called with BUILD [WORD] and runs the tests whose name holds WORD, each in a directory of its own.
"""
import json
import os
import subprocess
import sys

sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../support"))
from runner import run_tests

BUILD = os.path.abspath(sys.argv[1])
SOURCE = os.path.abspath(os.path.dirname(os.path.abspath(__file__)) + "/../../..")
SHIPPED = SOURCE + "/test/recordings"
DMM = BUILD + "/dmm"
QUICK = ("--runs=1", "--warm=0", "--peers=none")


def run(*args, status=0, **kw):
    r = subprocess.run(args, capture_output=True, text=True, timeout=300, **kw)
    assert status is None or r.returncode == status, (args, r.returncode, r.stdout[-500:], r.stderr[-500:])
    return r


def info(trace):
    return json.loads(run(DMM, "info", "--format=json", trace).stdout)


def native(trace, *options, status=0):
    r = run(DMM, "replay", "--study", "--format=json", *QUICK, *options, trace, status=status)
    return {row["name"]: row for row in json.loads(r.stdout)["rows"]}


def model(trace, *options):
    r = run(DMM, "replay", "--study", "--model", "--format=json", *options, trace)
    return {row["name"]: row for row in json.loads(r.stdout)["rows"]}


def compile_c(name, text, *flags, compiler="cc"):
    source = name + (".c" if compiler == "cc" else ".cc")
    with open(source, "w") as f:
        f.write(text)
    subprocess.run([compiler, "-O1", "-fno-builtin", *flags, source, "-o", name], check=True)
    return "./" + name


def main(tests):
    run_tests(tests, sys.argv[2] if len(sys.argv) > 2 else "")
