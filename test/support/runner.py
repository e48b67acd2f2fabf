"""Runs the functions whose names begin with test_ and hold a word, each in a new folder, to the end."""
import os
import sys
import tempfile


def run_tests(tests, word):
    failed = 0
    for name, test in sorted(tests.items()):
        if not name.startswith("test_") or word not in name:
            continue
        with tempfile.TemporaryDirectory() as d:
            os.chdir(d)
            try:
                test()
                print("ok  ", name)
            except Exception as e:  # the next test shall run all the same
                failed += 1
                print("FAIL", name, "-", type(e).__name__, str(e)[:2000])
            os.chdir("/")
    sys.exit(failed != 0)
