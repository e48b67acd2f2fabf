#!/usr/bin/env python3
"""lintian finds no error in the Debian packages; they install, work, and leave nothing behind.

usage: deb_test.py DIRECTORY SOURCE     DIRECTORY: what `make deb` wrote
"""
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

PACKAGES = ("libdmm0", "libdmm-dev", "dmm")


def sh(*words, **more):
    done = subprocess.run([str(w) for w in words], capture_output=True, text=True, timeout=300, **more)
    if done.returncode != 0:
        sys.exit(f"deb: {' '.join(map(str, words))}: exit {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


def lint(files):
    if shutil.which("lintian") is None:
        print("deb: lintian is not installed: left out")
        return
    said = sh("lintian", "--allow-root", "--fail-on", "error", *files)
    print(said, end="")


class Tree:
    """A system of its own below a directory, without root and without a shell in it."""

    def __init__(self, root):
        self.root = root
        (root / "var/lib/dpkg").mkdir(parents=True)
        (root / "var/lib/dpkg/status").touch()

    def dpkg(self, *words):
        env = dict(os.environ, PATH=f"/usr/sbin:/sbin:{os.environ['PATH']}", DPKG_MAINTSCRIPT_NAME="")
        sh("dpkg", f"--root={self.root}", "--force-not-root", "--force-script-chrootless", "--force-depends",
           f"--log={self.root}/dpkg.log", *words, env=env)

    def files(self):
        return {p.relative_to(self.root) for p in self.root.glob("usr/**/*") if not p.is_dir()}


def use(tree, source, work):
    dmm, libraries = tree.root / "usr/bin/dmm", next(tree.root.glob("usr/lib/*-linux-gnu*"))
    for system in ("slab", "bins"):
        maps = sh(dmm, "run", f"--system={system}", "--", "cat", "/proc/self/maps")
        assert f"{libraries}/" in maps and "libdmm" in maps, maps
    trace = work / "t.dmm"
    sh(dmm, "record", "-o", trace, "--", "ls", "/")
    sh(dmm, "info", trace)
    env = dict(os.environ, PKG_CONFIG_PATH=str(libraries / "pkgconfig"), LD_LIBRARY_PATH=str(libraries))
    for kind, more in (("shared", []), ("static", ["--static"])):
        flags = sh("pkg-config", "--cflags", "--libs", *more, "dmm", env=env).split()
        exe = work / kind
        sh("g++", "-std=c++17", source / "test/install/consumers/user.cc", "-o", exe, *(["-static"] if more else []), *flags)
        sh(exe, kind, env=env)


def main():
    directory, source = Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve()
    files = {name: next(directory.glob(f"{name}_*.deb")) for name in PACKAGES}
    lint([*files.values(), *directory.glob("dmm_*.changes")])
    for name, file in files.items():
        print(name, re.findall(r"new Debian package.*|size \d+ bytes", sh("dpkg-deb", "--info", file)))
    with tempfile.TemporaryDirectory(prefix="dmm-deb-") as scratch:
        work = Path(scratch)
        tree = Tree(work / "root")
        tree.dpkg("--install", *files.values())
        assert len(tree.files()) > 50, tree.files()
        use(tree, source, work)
        tree.dpkg("--remove", "dmm", "libdmm-dev")
        left = {str(p) for p in tree.files() if "/share/" not in f"/{p}"}
        assert all(re.search(r"/libdmm(-heaps)?\.so\.0[^/]*$", p) for p in left) and len(left) == 4, left
        tree.dpkg("--purge", *PACKAGES)
        assert tree.files() == set(), tree.files()
    print("deb: installed, used, removed")


main()
