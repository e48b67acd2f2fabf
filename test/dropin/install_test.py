#!/usr/bin/env python3
"""What `make install` leaves behind can be used: the command, pkg-config, CMake, and the template.

usage: install_test.py BUILD [unittest arguments]
"""
import os
import shutil
import subprocess
import sys
import tempfile
import unittest

BUILD = os.path.abspath(sys.argv.pop(1))
WORK = tempfile.mkdtemp(prefix="dmm-install-")
PREFIX = os.path.join(WORK, "prefix")
PROGRAM = """
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
int main(void)
{
	char line[512];
	free(malloc(100));
	FILE *f = fopen("/proc/self/maps", "r");
	while (fgets(line, sizeof line, f))
		if (strstr(line, "libdmm.so")) return 0;
	return 1;
}
"""
PROJECT = """
cmake_minimum_required(VERSION 3.20)
project(user C)
find_package(dmm REQUIRED)
add_executable(user user.c)
target_link_libraries(user PRIVATE dmm::dmm)
add_library(mine SHARED my_system.c)
target_link_libraries(mine PRIVATE dmm::any)
"""


def sh(*words, **more):
    more.setdefault("check", True)
    return subprocess.run(words, capture_output=True, text=True, timeout=240, **more)


def setUpModule():
    sh("cmake", "--install", BUILD, "--prefix", PREFIX)
    with open(os.path.join(WORK, "user.c"), "w") as f:
        f.write(PROGRAM)


def library(name):
    for directory, _, files in os.walk(PREFIX):
        if name in files:
            return os.path.join(directory, name)
    raise AssertionError(f"{name} is not installed")


class Installed(unittest.TestCase):
    def dmm(self, *args, **more):
        return sh(os.path.join(PREFIX, "bin", "dmm"), *args, **more)

    def test_the_command_finds_its_libraries_beside_it(self):
        r = self.dmm("run", "--system=bins", "--", "cat", "/proc/self/maps")
        self.assertIn(library("libdmm-bins.so"), r.stdout)
        self.assertNotIn(BUILD, r.stdout)

    def test_a_moved_installation_still_works(self):
        moved = os.path.join(WORK, "moved")
        shutil.copytree(PREFIX, moved)
        r = sh(os.path.join(moved, "bin", "dmm"), "run", "--system=gnu", "--", "cat", "/proc/self/maps")
        self.assertIn(moved, r.stdout)

    def test_pkg_config_links_a_program_with_the_default(self):
        env = dict(os.environ, PKG_CONFIG_PATH=os.path.dirname(library("dmm.pc")))
        flags = sh("pkg-config", "--cflags", "--libs", "dmm", env=env).stdout.split()
        exe = os.path.join(WORK, "by-pkg-config")
        sh("gcc", os.path.join(WORK, "user.c"), "-o", exe, "-Wl,--no-as-needed", *flags)
        sh(exe, env=dict(os.environ, LD_LIBRARY_PATH=os.path.dirname(library("libdmm.so"))))

    def test_cmake_links_a_program_and_a_system_of_one_s_own(self):
        project = os.path.join(WORK, "project")
        os.mkdir(project)
        shutil.copy(os.path.join(WORK, "user.c"), project)
        shutil.copy(library("my_system.c"), project)
        with open(os.path.join(project, "CMakeLists.txt"), "w") as f:
            f.write(PROJECT)
        out = os.path.join(project, "out")
        sh("cmake", "-S", project, "-B", out, f"-Ddmm_DIR={os.path.dirname(library('dmmConfig.cmake'))}")
        sh("cmake", "--build", out)
        sh(os.path.join(out, "user"))
        mine = os.path.join(out, "libmine.so")
        r = self.dmm("run", f"--system=mine={mine}", "--", "cat", "/proc/self/maps")
        self.assertIn(mine, r.stdout)
        self.dmm("torture", f"--system=mine={mine}", "--ops=2000")

    @unittest.skipUnless(shutil.which("scdoc"), "man pages are made by scdoc, which is not here")
    def test_the_man_page_is_there(self):
        with open(library("dmm.1")) as f:
            self.assertIn(".TH", f.read())


if __name__ == "__main__":
    try:
        unittest.main(verbosity=1)
    finally:
        shutil.rmtree(WORK, ignore_errors=True)
