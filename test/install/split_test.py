#!/usr/bin/env python3
"""The Debian packages have each file that `make install` installs once, and each symbol of the libraries.

usage: split_test.py BUILD SOURCE     The short form of `make deb`, which builds, checks, installs and removes the packages.
"""
import fnmatch
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path


def stanzas(path):
    """Of debian/control: a dict each."""
    found = []
    for text in path.read_text().strip().split("\n\n"):
        fields = {}
        for line in text.splitlines():
            if line[0] in " \t":
                fields[key] += "\n" + line.strip()
            else:
                key, colon, value = line.partition(":")
                assert colon, f"control: not a field: {line}"
                fields[key] = value.strip()
        found.append(fields)
    return found


def patterns(path):
    """What one *.install takes; its libraries lie in a folder of the processor, those of `make install` do not."""
    return [line.split()[0].replace("usr/lib/*/", "usr/lib/") for line in path.read_text().splitlines() if line.strip()]


def takes(pattern, file):
    return fnmatch.fnmatchcase(file, pattern) or file.startswith(pattern + "/")


def check_split(debian, root):
    source, *packages = stanzas(debian / "control")
    names = {p["Package"] for p in packages}
    lists = {p.stem: patterns(p) for p in debian.glob("*.install")}
    assert source["Source"] == "dmm" and names == set(lists), (names, set(lists))
    files = sorted(str(p.relative_to(root)) for p in root.glob("usr/**/*") if not p.is_dir())
    assert files, "make install installed nothing"
    for file in files:
        owners = [name for name, wanted in lists.items() if any(takes(w, file) for w in wanted)]
        assert len(owners) == 1, f"{file}: in the packages {owners or 'none'}"
    for name, wanted in lists.items():
        for w in wanted:
            assert any(takes(w, file) for file in files), f"{name}.install: there is no {w}"
    return len(files)


def check_symbols(debian, root):
    """Per library: those of libdmm0.symbols are those that it exports."""
    listed, library = {}, None
    for line in (debian / "libdmm0.symbols").read_text().splitlines():
        if not line.startswith((" ", "*", "|")):
            library = line.split()[0]
            listed[library] = set()
        elif line.startswith(" "):
            listed[library].add(line.split()[0].split("@")[0])
    for library, names in listed.items():
        out = subprocess.run(["nm", "-D", "--defined-only", root / "usr/lib" / library], capture_output=True, text=True,
                             check=True).stdout
        exported = {re.split("@", line.split()[-1])[0] for line in out.splitlines() if line.split()[-2] != "A"}
        assert names == exported, f"{library}: libdmm0.symbols and the library differ by {sorted(names ^ exported)}"
    return sum(map(len, listed.values()))


def main():
    build, source = map(Path, sys.argv[1:])
    work = Path(tempfile.mkdtemp(prefix="dmm-split-"))
    try:
        subprocess.run(["cmake", "--install", build, "--prefix", work / "usr"], check=True, capture_output=True)
        debian = source / "packaging/debian"
        print(f"deb: {check_split(debian, work)} files, {check_symbols(debian, work)} symbols")
        if shutil.which("dpkg-parsechangelog"):
            subprocess.run(["dpkg-parsechangelog", "-l", debian / "changelog"], check=True, capture_output=True)
    finally:
        shutil.rmtree(work)


if __name__ == "__main__":
    main()
