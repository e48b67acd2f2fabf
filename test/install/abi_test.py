#!/usr/bin/env python3
"""abi_test.py LIBRARY SOURCE [--write]: a program linked with the earlier libdmm.so.0 runs on this one.

abidiff (Dodji Seketeli's libabigail) compares the library with test/install/libdmm.abi, which --write makes anew:
after a name was added, or with a new soname where one went or changed.  dmm_slab_root is left out: readers from
outside look at the version in it, and no program links it.
"""
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from xml.etree import ElementTree

INCOMPATIBLE = 8  # a bit of abidiff's exit status; 1 and 2: abidiff could not; 4: something differs
ROOT = "dmm_slab_root"


def needed(root):
    """The ids of the types that exported functions lead to."""
    types = {e.get("id"): e for e in root.iter() if e.get("id") is not None}
    ways = [e for e in root.iter() if e.tag in ("function-decl", "var-decl") and e.get("elf-symbol-id")]
    found = set()
    while ways:
        for e in ways.pop().iter():
            for name in ("type-id", "naming-typedef-id"):
                if e.get(name) in types and e.get(name) not in found:
                    found.add(e.get(name))
                    ways.append(types[e.get(name)])
    return found


def reduce(root):
    """Drop slab's root, types that no exported function leads to, and paths of this machine."""
    for part in [e for e in root.iter() if len(e)]:
        for e in list(part):
            if ROOT in (e.get("name"), e.get("elf-symbol-id")):
                part.remove(e)
    wanted = needed(root)
    for unit in root.findall("abi-instr"):
        unit.set("path", os.path.basename(unit.get("path")))
        for e in list(unit):
            if e.get("id") is not None and not any(i.get("id") in wanted for i in e.iter()):
                unit.remove(e)


def write(library, to):
    subprocess.run(["abidw", "--no-corpus-path", "--no-show-locs", "--no-comp-dir-path", "--exported-interfaces-only",
                    "--drop-undefined-syms", "--out-file", to, library], check=True)
    tree = ElementTree.parse(to)
    reduce(tree.getroot())
    tree.write(to)


def compare(a, b):
    return subprocess.run(["abidiff", a, b], capture_output=True, text=True)


def changed(text, old, new, work):
    """The exit status of comparing `text` with itself after a change: the comparison must be able to fail."""
    names = [os.path.join(work, name) for name in ("a.abi", "b.abi")]
    assert old in text, old
    for name, content in zip(names, (text, text.replace(old, new))):
        with open(name, "w") as f:
            f.write(content)
    return compare(*names).returncode


def check(library, known, work):
    now = os.path.join(work, "now.abi")
    write(library, now)
    done = compare(known, now)
    if done.returncode != 0:
        what = "no longer serves programs linked with the earlier one: raise SOVERSION in src/slab/slab.cmake" \
            if done.returncode & INCOMPATIBLE else "has changed"
        print(f"{done.stdout}{done.stderr}abi: {library} {what}; then write {known}: abi_test.py --write")
        return 1
    with open(now) as f:
        text = f.read()
    assert changed(text, '"malloc_trim"', '"malloc_trimmed"', work) & INCOMPATIBLE, "a name that went was not noticed"
    assert changed(text, 'name="mallinfo2" size-in-bits="640"', 'name="mallinfo2" size-in-bits="704"', work), \
        "a struct of another size was not noticed"
    return 0


def main():
    library, known = sys.argv[1], os.path.join(sys.argv[2], "test", "install", "libdmm.abi")
    if shutil.which("abidw") is None or platform.machine() != "x86_64":
        print("left out: abigail-tools is not installed, or this is no x86-64 machine")
        return 0
    if sys.argv[3:] == ["--write"]:
        write(library, known)
        return 0
    with tempfile.TemporaryDirectory(prefix="dmm-abi-") as work:
        return check(library, known, work)


sys.exit(main())
