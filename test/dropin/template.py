#!/usr/bin/env python3
"""template.py BUILD: examples/my_system.c, built by the very lines in its head, is a preloadable malloc
that keeps the whole contract."""
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

BUILD = Path(sys.argv[1]).resolve()
SOURCE = Path(__file__).resolve().parents[2]
TESTS = ("dropin_contract", "dropin_operators")


def main():
    head = (SOURCE / "examples/my_system.c").read_text().split("*/")[0]
    line = re.search(r"^ \*   (cc (?:.*\\\n \* )*.*)$", head, re.M).group(1)
    line = re.sub(r"\\\n \*", " ", line)
    with tempfile.TemporaryDirectory() as directory:
        library = Path(directory) / "my.so"
        line = line.replace("-o my.so", f"-o {library}").replace("-Lbuild", f"-L{BUILD}")
        print(line, flush=True)
        subprocess.run(line.split() + ["-Wall", "-Wextra", "-Werror"], cwd=SOURCE, check=True)
        subprocess.run([SOURCE / "test/dropin/symbols", library], check=True)
        for test in TESTS:
            subprocess.run([BUILD / "test" / test, "my"], env={**os.environ, "LD_PRELOAD": str(library)}, check=True)


main()
