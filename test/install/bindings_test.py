#!/usr/bin/env python3
"""Rust and Go programs of others on an installed libdmm: bindings/rust, examples/go.

usage: bindings_test.py BUILD SOURCE [unittest arguments]
"""
import os
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

BUILD, SOURCE = Path(sys.argv.pop(1)).resolve(), Path(sys.argv.pop(1)).resolve()


class Bindings(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.scratch = tempfile.TemporaryDirectory(prefix="dmm-bindings-")
        cls.work = Path(cls.scratch.name)
        cls.sh(cls, "cmake", "--install", BUILD, "--prefix", cls.work / "prefix")
        cls.libraries = next((cls.work / "prefix").rglob("libdmm.so")).parent

    @classmethod
    def tearDownClass(cls):
        subprocess.run(["chmod", "-R", "u+w", cls.work])  # Go's cache is read-only
        cls.scratch.cleanup()

    def sh(self, *words, **env):
        done = subprocess.run([str(w) for w in words], env={**os.environ, **env}, capture_output=True, text=True,
                              timeout=280)
        assert done.returncode == 0, f"{words}: exit {done.returncode}\n{done.stdout}{done.stderr}"
        return done.stdout

    @unittest.skipUnless(shutil.which("cargo"), "cargo is not installed")
    def test_rust_s_global_allocator_shared_and_static(self):
        crate = self.work / "crate"
        shutil.copytree(SOURCE / "bindings/rust", crate, ignore=shutil.ignore_patterns("target"))
        for features in ([], ["--features=static"]):
            said = self.sh("cargo", "test", "--offline", "--manifest-path", crate / "Cargo.toml", *features,
                           CARGO_HOME=str(self.work / "cargo"), DMM_LIB_DIR=str(self.libraries), LD_LIBRARY_PATH=str(self.libraries))
            self.assertIn("the global allocator is libdmm", said)
            self.assertEqual(said.count("test result: ok. 1 passed"), 1, said)  # the crate's example

    @unittest.skipUnless(shutil.which("go"), "go is not installed")
    def test_go_by_cgo(self):
        said = self.sh("go", "run", SOURCE / "examples/go/main.go", PKG_CONFIG_PATH=str(self.libraries / "pkgconfig"),
                       LD_LIBRARY_PATH=str(self.libraries), GOCACHE=str(self.work / "cache"), GOFLAGS="-mod=mod",
                       GOPATH=str(self.work / "go"), GOPROXY="off", GO111MODULE="off")
        self.assertRegex(said, r"\d+ objects by malloc, \d+ in the request's heap")


if __name__ == "__main__":
    unittest.main(verbosity=1)
