#!/usr/bin/env python3
"""test/unit/slab/fast_path.py LIBDMM.so: malloc(32) and free as the processor runs them.

The hit is what runs when no conditional jump is taken: the compiler lays out what is likely in a row, so a hit
that did jump would show here as a longer way, or as one without a return.  On it: no call, no indirect jump,
no __tls_get_addr, no locked instruction, and at most so many instructions, the return included.
"""
import re
import shutil
import subprocess
import sys

MOST = {"malloc": 18, "free": 25}


def instructions(library, function):
    out = subprocess.run(["gdb", "-batch", "-nx", "-ex", f"disassemble {function}", library],
                         capture_output=True, text=True, check=True).stdout
    found = re.findall(r"^\s+0x([0-9a-f]+) <\+\d+>:\s+(\S+)(?:[ \t]+(.*))?$", out, re.M)
    if not found:
        sys.exit(f"hit_path: gdb shows no {function} in {library}:\n{out}")
    return [(int(address, 16), name, rest) for address, name, rest in found]


def hit(code):
    """What runs when no conditional jump is taken, direct jumps followed."""
    by_address = {address: i for i, (address, _, _) in enumerate(code)}
    path, i = [], 0
    while len(path) <= len(code):
        _, name, rest = code[i]
        path.append((name, rest))
        if name.startswith("ret"):
            return path
        i += 1
        if name == "jmp":
            target = re.match(r"0x([0-9a-f]+)", rest)
            if target is None or int(target[1], 16) not in by_address:
                sys.exit(f"hit_path: the hit leaves the function: {name} {rest}")
            i = by_address[int(target[1], 16)]
    sys.exit("hit_path: no return was reached")


def main():
    if shutil.which("gdb") is None:
        print("hit_path: skipped: needs the package gdb")
        return 77
    if subprocess.run(["uname", "-m"], capture_output=True, text=True).stdout.strip() != "x86_64":
        print("hit_path: skipped: reads x86-64 only")
        return 77
    failed = False
    for function, most in MOST.items():
        path = hit(instructions(sys.argv[1], function))
        bad = [f"{name} {rest}" for name, rest in path
               if name.startswith("call") or "__tls_get_addr" in rest or (name.startswith("jmp") and "*" in rest)]
        locked = [f"{name} {rest}" for name, rest in path if name.startswith("lock") or name.startswith("xchg")]
        print(f"{function}: {len(path)} instructions on the hit path (at most {most}), "
              f"{sum(name[0] == 'j' for name, _ in path)} jumps")
        if bad or locked or len(path) > most:
            failed = True
            print("\n".join(f"\t{name} {rest}" for name, rest in path))
            for line in bad + locked:
                print(f"hit_path: {function} holds: {line}", file=sys.stderr)
    return failed


if __name__ == "__main__":
    sys.exit(main())
