"""Limits and footprints under slab are those under the C library's malloc, within the bounds named here.

usage: limited.py LIMITED LIBDMM threads|footprint
"""
import os
import statistics
import subprocess
import sys


def numbers(program, arguments, library):
    env = dict(os.environ)
    env.pop("LD_PRELOAD", None)
    if library:
        env["LD_PRELOAD"] = library
    done = subprocess.run([program, *arguments], env=env, capture_output=True, text=True, check=True)
    return [int(word) for word in done.stdout.split()]


def threads(program, library):
    for megabytes in (420, 820, 1650):
        theirs = numbers(program, ["threads", str(megabytes)], None)[0]
        ours = numbers(program, ["threads", str(megabytes)], library)[0]
        print(f"{megabytes} MB: {ours} threads, {theirs} under the C library's malloc")
        assert ours >= theirs * 0.9, megabytes


def footprint(program, library):
    """Medians: both draw their addresses."""
    theirs = [numbers(program, ["footprint"], None) for _ in range(21)]
    ours = [numbers(program, ["footprint"], library) for _ in range(21)]
    more = [statistics.median(o[i] for o in ours) - statistics.median(t[i] for t in theirs) for i in (0, 1)]
    print(f"{more[0]} KiB of addresses and {more[1]} KiB of page tables more")
    assert more[0] <= 8192 and more[1] <= 24, more


{"threads": threads, "footprint": footprint}[sys.argv[3]](sys.argv[1], sys.argv[2])
