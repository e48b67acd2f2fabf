"""Runs the functions whose names begin with test_ and hold a word, each in a new folder, to the end."""
import os
import shutil
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


def dmm_for_all(build):
    """dmm with its recorder, where every user may read them: others may not read a checkout below /root."""
    os.chmod(".", 0o755)
    os.mkdir("for_all", 0o755)
    for name in ("dmm", "libdmm-record.so"):
        os.chmod(shutil.copy(os.path.join(build, name), "for_all"), 0o755)
    return os.path.abspath("for_all/dmm")


def has_terminals():
    """Can a test open a pseudo-terminal?  Not where /dev/pts is not mounted."""
    try:
        for fd in os.openpty():
            os.close(fd)
    except OSError:
        return False
    return True
