#!/usr/bin/env python3
"""What `make install` leaves behind can be used: the command, pkg-config, CMake, and the template.

usage: install_test.py BUILD SOURCE [unittest arguments]
"""
import os
import shutil
import subprocess
import sys
import tempfile
import unittest

BUILD = os.path.abspath(sys.argv.pop(1))
SOURCE = os.path.abspath(sys.argv.pop(1))
CONSUMERS = os.path.join(SOURCE, "test", "install", "consumers")
WORK = tempfile.mkdtemp(prefix="dmm-install-")
PREFIX = os.path.join(WORK, "prefix")


def sh(*words, **more):
    more.setdefault("check", True)
    done = subprocess.run(words, capture_output=True, text=True, timeout=300, **{**more, "check": False})
    if more["check"] and done.returncode != 0:
        raise AssertionError(f"{' '.join(words)}: exit {done.returncode}\n{done.stdout}{done.stderr}")
    return done


def setUpModule():
    sh("cmake", "--install", BUILD, "--prefix", PREFIX)


def found(name):
    for directory, _, files in os.walk(PREFIX):
        if name in files:
            return os.path.join(directory, name)
    raise AssertionError(f"{name} is not installed")


def files_below(directory):
    return sorted(os.path.relpath(os.path.join(d, f), directory) for d, _, files in os.walk(directory) for f in files)


class Installed(unittest.TestCase):
    def dmm(self, *args, **more):
        return sh(os.path.join(PREFIX, "bin", "dmm"), *args, **more)

    def test_the_command_finds_its_libraries(self):
        for system, name in (("bins", "libdmm-bins.so"), ("slab", "libdmm.so.0.1.0")):
            r = self.dmm("run", f"--system={system}", "--", "cat", "/proc/self/maps")
            self.assertIn(found(name), r.stdout)
            self.assertNotIn(BUILD, r.stdout)

    def test_the_command_finds_the_recorder_and_the_replayer(self):
        trace = os.path.join(WORK, "true.dmm")
        self.dmm("record", "-o", trace, "--", "ls", "/")
        r = self.dmm("replay", trace, "--systems=slab", "--peers=none", "--runs=1", "--warm=0", "--no-latency")
        self.assertIn("slab", r.stdout)

    def test_a_moved_installation_still_works(self):
        moved = os.path.join(WORK, "moved")
        shutil.copytree(PREFIX, moved, symlinks=True)
        r = sh(os.path.join(moved, "bin", "dmm"), "run", "--system=gnu", "--", "cat", "/proc/self/maps")
        self.assertIn(moved, r.stdout)

    def test_slab_is_found_without_the_files_of_developers(self):
        bare = os.path.join(WORK, "bare")
        shutil.copytree(PREFIX, bare, symlinks=True)
        os.unlink(os.path.join(bare, os.path.relpath(found("libdmm.so"), PREFIX)))
        r = sh(os.path.join(bare, "bin", "dmm"), "run", "--", "cat", "/proc/self/maps")
        self.assertIn(bare, r.stdout)

    def pkg_config(self, *words, module="dmm"):
        env = dict(os.environ, PKG_CONFIG_PATH=os.path.dirname(found("dmm.pc")))
        return sh("pkg-config", *words, module, env=env).stdout.split()

    def build(self, name, *flags, source="user.cc"):
        exe = os.path.join(WORK, name)
        sh("g++", "-std=c++17", "-Wall", "-Wextra", "-Werror", os.path.join(CONSUMERS, source), "-o", exe,
           "-Wl,--as-needed", *flags)
        return exe

    def test_heaps_of_one_s_own_serve_pmr_and_containers(self):
        exe = self.build("heaps", *self.pkg_config("--cflags", "--libs", module="dmm-heaps"), source="heaps.cc")
        sh(exe, env=dict(os.environ, LD_LIBRARY_PATH=os.path.dirname(found("libdmm.so"))))
        sh(self.build("heaps-static", "-static", *self.pkg_config("--static", "--cflags", "--libs", module="dmm-heaps"),
                      source="heaps.cc"))

    def test_pkg_config_links_the_shared_library_by_its_soname(self):
        exe = self.build("by-pkg-config", *self.pkg_config("--cflags", "--libs"))
        sh(exe, "shared", env=dict(os.environ, LD_LIBRARY_PATH=os.path.dirname(found("libdmm.so"))))
        self.assertIn("[libdmm.so.0]", sh("readelf", "--dynamic", exe).stdout)

    def test_pkg_config_links_a_static_program(self):
        sh(self.build("static", "-static", *self.pkg_config("--static", "--cflags", "--libs")), "static")

    def test_preloaded_and_linked_it_is_loaded_once(self):
        exe = self.build("both", *self.pkg_config("--cflags", "--libs"))
        env = dict(os.environ, LD_LIBRARY_PATH=os.path.dirname(found("libdmm.so")),
                   LD_PRELOAD=os.path.join(BUILD, "libdmm.so"), LD_DEBUG="files", LD_DEBUG_OUTPUT=exe + ".loaded")
        sh(exe, "shared", env=env)
        log = next(f for f in os.listdir(WORK) if f.startswith("both.loaded"))
        with open(os.path.join(WORK, log)) as f:
            self.assertEqual(sum("calling init:" in line and "libdmm.so" in line for line in f), 1)

    def test_cmake_links_programs_and_a_system_of_one_s_own(self):
        project = os.path.join(WORK, "project")
        shutil.copytree(CONSUMERS, project)
        shutil.copy(found("my_system.c"), project)
        out = os.path.join(project, "out")
        sh("cmake", "-S", project, "-B", out, f"-Ddmm_DIR={os.path.dirname(found('dmmConfig.cmake'))}")
        sh("cmake", "--build", out)
        for kind in ("shared", "static", "fully_static"):
            sh(os.path.join(out, kind), "shared" if kind == "shared" else "static")
        for kind in ("heaps_shared", "heaps_static"):
            sh(os.path.join(out, kind))
        mine = os.path.join(out, "libmine.so")
        r = self.dmm("run", f"--system=mine={mine}", "--", "cat", "/proc/self/maps")
        self.assertIn(mine, r.stdout)
        self.dmm("torture", f"--system=mine={mine}", "--ops=2000")

    def test_manual_pages_completions_and_documents_lie_where_they_are_looked_for(self):
        installed = files_below(os.path.join(PREFIX, "share"))
        for name in ("man/man1/dmm.1", "man/man1/dmm-compare.1", "man/man3/dmm.3", "man/man5/dmm.conf.5",
                     "man/man5/dmm-trace.5", "man/man7/dmm.7", "bash-completion/completions/dmm",
                     "zsh/site-functions/_dmm", "fish/vendor_completions.d/dmm.fish", "doc/dmm/README.md",
                     "doc/dmm/docs/design/recording-format.md", "doc/dmm/examples/my_system.c"):
            self.assertIn(name, installed)

    def test_headers_compile_alone_in_c_and_in_cxx(self):
        for header in files_below(os.path.join(PREFIX, "include")):
            for language in ("c", "c++") if header.endswith(".h") else ("c++",):
                sh("gcc", "-x", language, "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-fsyntax-only", "-I",
                   os.path.join(PREFIX, "include"), "-include", header, "/dev/null")

    def test_gdb_finds_its_commands_by_the_path_of_the_library(self):
        lies = os.path.relpath(found("libdmm.so.0.1.0-gdb.py"), PREFIX)
        self.assertEqual(lies, f"share/gdb/auto-load{os.path.dirname(found('libdmm.so.0.1.0'))}/libdmm.so.0.1.0-gdb.py")

    def test_uninstall_removes_all_of_it_and_nothing_else(self):
        for prefix, destdir in ((os.path.join(WORK, "gone"), ""), ("/usr", os.path.join(WORK, "packed"))):
            env = dict(os.environ, DESTDIR=destdir)
            at = destdir + prefix
            sh("make", "-C", SOURCE, "-o", "all", "install", f"BUILD={BUILD}", f"PREFIX={prefix}", env=env)
            installed = files_below(at)
            # a file of gdb's lies below the path of the library
            self.assertEqual([f.replace(prefix, PREFIX) for f in installed], files_below(PREFIX))
            mine = [os.path.join(at, d, "mine") for d in ("lib", "share", "include")]
            for name in mine:
                os.makedirs(os.path.dirname(name), exist_ok=True)
                open(name, "w").close()
            sh("make", "-C", SOURCE, "uninstall", f"BUILD={BUILD}", f"PREFIX={prefix}", env=env)
            self.assertEqual(files_below(at), sorted(os.path.relpath(name, at) for name in mine))
            left = [d for d, _, _ in os.walk(at) if os.path.basename(d) == "dmm"]
            self.assertEqual(left, [])


if __name__ == "__main__":
    try:
        unittest.main(verbosity=1)
    finally:
        shutil.rmtree(WORK, ignore_errors=True)
