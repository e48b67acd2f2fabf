"""Starts a test program on slab, with settings, and waits until it holds its memory."""
import contextlib
import os
import subprocess
import time
import unittest


@contextlib.contextmanager
def small_disk(at, size):
    """A file system of `size`, mounted at the new directory `at`.  Skips the test where none may be mounted."""
    at.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", at], capture_output=True).returncode:
        raise unittest.SkipTest("no tmpfs may be mounted")
    try:
        yield at
    finally:
        subprocess.run(["umount", "--lazy", at])


def fill(at):
    """A file that takes the rest of a file system."""
    with open(at / "filler", "wb", buffering=0) as filler, contextlib.suppress(OSError):
        while filler.write(bytes(512)) > 0:
            pass
    return at / "filler"


def until_quiet(folder):
    """Returns when no file of a folder was made or replaced for three seconds, and no report is half written."""
    before, since = None, time.monotonic()
    end = since + 60
    while time.monotonic() - since < 3 and time.monotonic() < end:
        found = sorted((entry.name, entry.inode()) for entry in os.scandir(folder))
        if found != before or any(name.endswith(".new") for name, _ in found):
            before, since = found, time.monotonic()
        time.sleep(0.05)


class Programs:
    """Of BUILD/test.  `preloaded` gets libdmm.so; any other program is linked with slab, or is to run without it."""

    def __init__(self, build, preloaded):
        self.build, self.preloaded = build, preloaded

    def start(self, *words, conf="", program=None, **more):
        program = program or self.preloaded
        env = {"PATH": "/usr/bin:/bin", "HOME": "/nonexistent", "DMM_CONF": conf}
        if program == self.preloaded:
            env["LD_PRELOAD"] = str(self.build / "libdmm.so")
        more.setdefault("stderr", subprocess.PIPE)
        return subprocess.Popen([self.build / "test" / program, *map(str, words)], env=env, text=True, **more)

    def start_held(self, *words, **more):
        """A program that has its memory, and its signal handler, when this returns."""
        p = self.start(*words, stdout=subprocess.PIPE, **more)
        assert p.stdout.readline() == "held\n"
        return p

    def run(self, *words, **more):
        """The program when it has ended, and what it said on stderr."""
        p = self.start(*words, stdout=subprocess.DEVNULL, **more)
        with p:
            said = p.communicate(timeout=300)[1]
        return p, said
