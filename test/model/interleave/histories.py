#!/usr/bin/env python3
"""test/model/interleave/histories.py BUILD [OPTION...]: a search that cuts schedules short sees every history that the
whole search sees, in each scenario; exit 1 if not."""
import re
import subprocess
import sys
from pathlib import Path


def histories(*options):
    done = subprocess.run([Path(sys.argv[1]) / "test/interleave", *(sys.argv[2:] or ["--bound=1"]),
                           *options], capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"interleave {' '.join(options)}: {done.stderr}")
    return {name: (int(schedules), int(seen), more) for name, schedules, seen, more in re.findall(
        r"^interleave: (.*): (\d+) schedules, .* (\d+) histories.*choices( \(more are left\))?: sound", done.stdout, re.M)}


def main():
    short, whole = histories(), histories("--whole")
    missed = [name for name in whole if whole[name][1:] != short[name][1:]]
    for name in missed:
        print(f"{name}: {short[name][1]} histories of {whole[name][1]}")
    print(f"{len(whole)} scenarios, {sum(seen for _, seen, _ in whole.values())} histories: "
          f"{sum(n for n, *_ in short.values())} schedules instead of {sum(n for n, *_ in whole.values())}")
    return 1 if missed or not whole or short.keys() != whole.keys() else 0


sys.exit(main())
