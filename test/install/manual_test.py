#!/usr/bin/env python3
"""The manual pages are those of their source, of this command and of these settings.

usage: manual_test.py BUILD SOURCE [unittest arguments]
"""
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

BUILD, SOURCE = Path(sys.argv.pop(1)).resolve(), Path(sys.argv.pop(1)).resolve()
PAGES, FILLED = SOURCE / "docs/manual/man", BUILD / "filled"

# What the examples of the pages name.  dmm: a short form of what takes long, and a profile once there is one.
PROGRAMS = {
    "bin/dmm": """#!/bin/sh
command=$1
shift
case $command in
compare) exec "$REAL_DMM" compare --runs=1 --systems=bins --peers=none --warm=0 "$@" ;;
tune) "$REAL_DMM" tune --runs=1 --warm=0 "$@" || [ $? = 1 ] ;; # 1: on a busy machine this run cost memory or time
profile)
	tries=0 # the server may not have begun yet
	until "$REAL_DMM" profile "$@" 2>why; do
		tries=$((tries + 1))
		[ $tries -lt 2000 ] || { cat why >&2; exit 1; }
		sleep 0.05
	done
	touch profiled ;;
*) exec "$REAL_DMM" $command "$@" ;;
esac
""",
    "bin/redis-server": """#!/usr/bin/env python3
import socket, time
service = socket.create_server(("127.0.0.1", 0))
time.sleep(500)
""",
    "bin/redis-benchmark": "#!/bin/sh\n",
    "bin/sqlite3": "#!/bin/sh\n",
    "job": "#!/bin/sh\nexec sort \"$0\" >/dev/null\n",
    "job.py": "print(sum(range(1000)))\n",
    # with a profile it has to stay until that is taken
    "server": """#!/usr/bin/env python3
import os, time
begun = time.monotonic()
kept, profiled = [bytearray(100000) for _ in range(300)], "profile:" in os.environ["DMM_CONF"]
while profiled and not os.path.exists("profiled"):
    time.sleep(0.02)
    if time.monotonic() > begun + 120:
        raise SystemExit("no profile was taken")
""",
}


def output(*words):
    return subprocess.run(words, capture_output=True, text=True, check=True, timeout=300).stdout


def pages(directory, suffix):
    return {p.name.removesuffix(suffix): p for p in directory.glob("dmm*.[1-8]" + suffix)}


class Manual(unittest.TestCase):
    @unittest.skipUnless(shutil.which("scdoc"), "scdoc is not installed")
    def test_the_committed_pages_are_made_from_their_source(self):
        with tempfile.TemporaryDirectory() as work:
            subprocess.run([SOURCE / "tools/manual", work], check=True, timeout=300)
            made, known = pages(Path(work), ".in"), pages(PAGES / "roff", ".in")
            self.assertEqual(set(made), set(known))
            for name, path in made.items():
                self.assertEqual(path.read_text(), known[name].read_text(), f"{name}: run tools/manual")

    def test_every_command_has_a_page_with_all_its_options(self):
        for name in re.findall(r"^  ([a-z]+) ", output(BUILD / "dmm", "--help"), re.M):
            text = (FILLED / f"dmm-{name}.1").read_text().replace("\\-", "-")
            options = re.findall(r"^\s+(?:-., )?--([a-z-]+)", output(BUILD / "dmm", name, "--help"), re.M)
            self.assertIn("help", options)
            for option in options:
                self.assertIn(f"--{option}\\fR", text, name)
            self.assertIn(f"\\fBdmm-{name}\\fR(1)", (FILLED / "dmm.1").read_text().replace("\\-", "-"))

    def test_no_place_is_left_unfilled_and_each_page_is_sound(self):
        made = pages(FILLED, "")
        self.assertLessEqual({"dmm.1", "dmm.3", "dmm.7", "dmm.conf.5", "dmm-trace.5"}, set(made))
        for name, path in made.items():
            self.assertNotRegex(path.read_text(), r"@[A-Z]+@", name)
            if shutil.which("mandoc"):
                done = subprocess.run(["mandoc", "-T", "lint", "-W", "error", path], capture_output=True, text=True)
                self.assertEqual((done.returncode, done.stdout), (0, ""), name)

    def test_pages_refer_to_pages_that_exist(self):
        made = pages(FILLED, "")
        for name, path in made.items():
            for page, section in re.findall(r"\\fB(dmm[a-z.-]*)\\fR\((\d)\)", path.read_text().replace("\\-", "-")):
                self.assertIn(f"{page}.{section}", made, f"in {name}")

    def test_the_examples_run(self):
        """Each block of an EXAMPLES section, in a directory with the programs that it names."""
        ran = 0
        for page in sorted(PAGES.glob("*.scd")):
            section = re.search(r"^# EXAMPLES\n(.*?)(?=^# )", page.read_text() + "# ", re.M | re.S)
            if not section:
                continue
            blocks = re.findall(r"^```\n(.*?)^```$", section[1], re.M | re.S)
            self.assertTrue(blocks, f"{page.name}: examples without a block, which no test can run")
            with tempfile.TemporaryDirectory(prefix="dmm-examples-") as work:
                for name, text in PROGRAMS.items():
                    path = Path(work) / name
                    path.parent.mkdir(exist_ok=True)
                    path.write_text(text)
                    path.chmod(0o755)
                env = dict(os.environ, PATH=f"{work}/bin:{os.environ['PATH']}", LD_LIBRARY_PATH=str(BUILD),
                           REAL_DMM=str(BUILD / "dmm"), NO_COLOR="1", TMPDIR=work)
                for block in blocks:
                    done = subprocess.run(["bash", "-eu", "-o", "pipefail", "-c", block], cwd=work, env=env, text=True,
                                          stdin=subprocess.DEVNULL, capture_output=True, timeout=500)
                    self.assertEqual(done.returncode, 0, f"{page.name}: {block}{done.stdout}{done.stderr}")
                    self.assertNotIn("cannot be preloaded", done.stderr)  # as the loader says of a wrong LD_PRELOAD
                    ran += 1
        self.assertGreater(ran, 6)

    def test_the_settings_are_those_of_the_table(self):
        systems = json.loads(output("env", "-u", "DMM_CONF", BUILD / "dmm", "config", "--format=json"))["systems"]
        keys = {s["key"]: s["value"] for system in systems for s in system["settings"]}
        page = (FILLED / "dmm.conf.5").read_text()
        for key, value in keys.items():
            self.assertRegex(page, rf"\n\\fB{key}\\fR:", key)
        source = (PAGES / "dmm.conf.5.scd").read_text()
        told = re.findall(r"^(?:.*, )?\*([a-z_]+):\*(\S*)", source, re.M)
        self.assertGreater(len(told), 20)
        defaults = dict(re.findall(r"\*([a-z_]+):\*([0-9]+[kmg]?)(?=[,|\n])", source))
        for key, _ in told:
            self.assertIn(key, {*keys, "file"}, "the page tells of a key that does not exist")
        for key, value in defaults.items():
            self.assertEqual(value, keys[key], f"the page tells another default of {key}")


if __name__ == "__main__":
    unittest.main(verbosity=1)
