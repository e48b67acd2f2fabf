"""What the bench-* tools share: which allocators there are, how a program is run on one, tables."""
import ctypes
import json
import math
import os
import subprocess
import sys

PR_SET_THP_DISABLE = 41


def comparison(build):
    """dmm compare of /bin/true: it finds slab, glibc twice, the installed peers and those of PEERS."""
    command = [f"{build}/dmm", "compare", "--systems=" + os.environ.get("SYSTEMS", "slab"),
               "--peers=" + os.environ.get("INSTALLED", "auto"), "--runs=1", "--warm=0", "--format=json"]
    if os.environ.get("PEERS"):
        command.append("--peers=" + os.environ["PEERS"])
    done = subprocess.run(command + ["--", "/bin/true"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if done.returncode > 1:
        sys.exit(done.stderr)
    return json.loads(done.stdout)


def allocators(compared):
    """name -> (path, settings)."""
    return {r["name"]: (r["path"], r["settings"]) for r in compared["rows"] if r["outcome"] == "fine"}


def environment(path, settings):
    """That of a program on the allocator."""
    env = dict(os.environ, **dict(s.split("=", 1) for s in settings))
    env.pop("LD_PRELOAD", None)
    if path:
        env["LD_PRELOAD"] = path
    return env


def no_huge_pages():
    ctypes.CDLL(None).prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0)


def interval(values):
    """Of sorted values, the narrowest pair that covers the median with 95 %, or all there is."""
    n, low = len(values), 0
    while 2 * sum(math.comb(n, k) for k in range(low + 2)) / 2 ** n <= 0.05 and low + 1 < n // 2:
        low += 1
    return values[low], values[n - 1 - low]


def show(lines):
    """A table: the first column to the left, the others to the right."""
    width = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    for line in lines:
        print("  ".join(t.ljust(w) if i == 0 else t.rjust(w) for i, (t, w) in enumerate(zip(line, width))).rstrip())
    print()


def machine(p):
    return (f"dmm {p['dmm']}, {p['cpus']} x {p['cpu']}, {p['memory_bytes'] / 2**30:.0f} GiB, {p['kernel']}, {p['libc']}, "
            f"huge pages: {p['huge_pages']}")


def builds(rows):
    """Names and build ids of rows, with settings, each once."""
    found = dict.fromkeys((r["name"], (r["build_id"] or "no build id")[:12], " ".join(r["settings"])) for r in rows)
    return "build ids: " + ", ".join(f"{n} {b}{' ' + s if s else ''}" for n, b, s in found)
