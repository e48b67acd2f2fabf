#!/usr/bin/env python3
"""cells.py: the misuse matrix, operation x bad pointer x size x thread, as C.

    cells.py --output=F   all cells as one table, for matrix.c
    cells.py --list       their names
    cells.py --show NAME  one cell as the small program that it is

A cell is a scene and one mistake.  What slab must answer, by default and hardened, stands beside it:
an outcome's name, or the forms of its exact line (`@` the address, `$` the object's size).
"""
import argparse
import sys

SIZES = [1, 48, 200, 1000, 3000, 20000, 40000, 1 << 20]
FEW = [48, 3000, 40000]
THREADS = ["same", "other", "ended"]

# Cells that fail today: name (or all that begin with NAME*) -> why.  A cell that passes again fails
# the test until it is taken off.
KNOWN = {"slab": {}, "hardened": {}}

cells = []


def cell(name, group, scene, mistake, slab, hardened=None, thread="same", n=48):
    cells.append(dict(name=name, group=group, scene=scene, mistake=mistake, thread=thread, n=n,
                      want=[slab, hardened or slab]))


def fresh(n):
    return [f"witnesses({n});", f"p = malloc({n});", "usable = malloc_usable_size(p);"]


# ---- operation x bad pointer ---------------------------------------------------------------------

# operation: what it is called in the line, the call
OPERATIONS = {
    "free": ("free", "free(bad);"),
    "realloc": ("realloc", "q = realloc(bad, {n} * 3 + 100);"),
    "realloc_down": ("realloc", "q = realloc(bad, {n} / 4 + 1);"),
    "realloc_0": ("realloc", "q = realloc(bad, 0);"),
    "usable_size": ("malloc_usable_size", "harm(malloc_usable_size(bad) > 0);"),
    "free_sized": ("free", "free_sized(bad, {n});"),
    "free_aligned": ("free", "free_aligned_sized(bad, 16, {n});"),
    "delete": ("free", "_ZdlPv(bad);"),
    "delete_sized": ("free", "_ZdlPvm(bad, {n});"),
}
NEEDS = {"free_sized": "free_sized", "free_aligned": "free_aligned_sized", "delete": "_ZdlPv",
         "delete_sized": "_ZdlPvm"}

# freed already: name -> scene after `p = malloc(n)`
FREED = {
    "freed": ["free(p);"],
    "freed_then_churn": ["free(p);", "churn({n});"],
    "freed_elsewhere": ["elsewhere(free_p);"],
    "freed_elsewhere_then_churn": ["elsewhere(free_p);", "churn({n});"],
    "moved_by_realloc": ["for (int i = 0; i < 20; i++) /* so that it cannot grow where it is */",
                         "\tmore[i] = malloc({n});", "q = realloc(p, {n} * 4 + 70000);", "if (q == p)",
                         "\tnot_applicable();"],
    # the whole slab is empty, and may be the page heap's again
    "freed_and_empty": ["for (int i = 0; i < 300; i++)", "\tmore[i] = malloc({n});",
                        "for (int i = 0; i < 300; i++)", "\tfree(more[i]);", "p = more[120];"],
}
# inside a live object: name -> offset, the least size
INSIDE = {"inside_by_1": ("1", 48), "inside_by_8": ("8", 48), "inside_by_16": ("16", 48),
          "inside_half": ("{n} / 2 / 16 * 16", 100), "inside_by_page": ("4096", 5000),
          "inside_by_granule": ("16384", 32769), "last_byte": ("{n} - 1", 2)}
# of nobody's making
FOREIGN = {"stack": "on_stack()", "global": "global + 64", "constant": 'hide("a text that is a constant")',
           "function": "hide((void *)abs)", "mapping": "mapped()", "low_address": "hide((void *)48)",
           "noncanonical": "hide((void *)0x4141414141414140)", "kernel_half": "hide((void *)-4096l)",
           "far_ahead": "p + (1l << 42)"}


def line(op, kind):
    called = OPERATIONS[op][0]
    if kind == "freed":
        return "dmm: double free: @ ($ bytes)" if called == "free" else f"dmm: {called} after free: @ ($ bytes)"
    if kind == "inside":
        return f"dmm: invalid {called}: @ (inside $ bytes)"
    return f"dmm: invalid {called}: @ (not allocated here)"


def mistake_of(op, n, pointer):
    guard = [f"if ({NEEDS[op]} == NULL)", "\tnot_applicable();"] if op in NEEDS else []
    return [f"bad = {pointer};"], guard + [OPERATIONS[op][1].format(n=n)]


def pointer_cell(op, pointer, n, thread, scene, expression, kind, want=None, hardened=None):
    bad, mistake = mistake_of(op, n, expression.format(n=n))
    group = {"free": "free", "realloc": "realloc", "malloc_usable_size": "usable_size"}[OPERATIONS[op][0]]
    names = {"freed": "of what is freed", "inside": "of the inside of an object",
             "foreign": "of what is no object", "never": "of a slot never given out"}
    cell(f"{op}/{pointer}/{n}/{thread}", f"{group} {names[kind]}", fresh(n) + scene + bad, mistake,
         want or line(op, kind), hardened, thread=thread, n=n)


def freed_cells():
    # churn gives a large object's memory out again, in pieces; what is large is not kept in slabs
    most = {"freed_then_churn": 32768, "freed_elsewhere_then_churn": 32768, "freed_and_empty": 3000}
    for op in OPERATIONS:
        for pointer, scene in FREED.items():
            for n in SIZES if op == "free" else FEW:
                for thread in THREADS if op in ("free", "realloc") else ["same", "other"]:
                    if n > most.get(pointer, n):
                        continue
                    want = "|".join([line(op, "freed"), line(op, "foreign")]) if pointer == "freed_and_empty" else None
                    pointer_cell(op, pointer, n, thread, [s.format(n=n) for s in scene], "p", "freed", want)


def inside_cells():
    for op in OPERATIONS:
        for pointer, (offset, least) in INSIDE.items():
            for n in SIZES if op == "free" else FEW:
                for thread in THREADS if op == "free" else ["same"]:
                    if n >= least:
                        pointer_cell(op, pointer, n, thread, [], f"p + {offset}", "inside")


def foreign_cells():
    for op in OPERATIONS:
        for pointer, expression in FOREIGN.items():
            for thread in ["same", "ended"] if op == "free" else ["same"]:
                pointer_cell(op, pointer, 48, thread, [], expression, "foreign")


def never_cells():
    """A slot behind the last that was given out.  One bit an object cannot tell it from a freed one."""
    for op in OPERATIONS:
        for n in [48, 200, 1000, 2700]: # of whose slabs p and the witnesses leave some
            want = "|".join([line(op, "freed"), line(op, "foreign")])
            pointer_cell(op, "never_issued", n, "same", ["q = never_issued();"], "q", "never",
                         want, want + "|" + line(op, "inside")) # hardened: slots are larger than usable


# ---- sizes and alignments that are not the object's ------------------------------------------------

def mismatch_cells():
    for n in [16, 48, 200, 1000, 3000, 20000, 40000, 1 << 20]:
        for name, wrong in {"third": n // 3, "ten_times": n * 10, "plus_20000": n + 20000,
                            "huge": 1 << 40}.items():
            if wrong < 16: # the same class: nobody can tell, and it does no harm
                continue
            for op, call in {"free_sized": "free_sized(bad, {m});", "delete_sized": "_ZdlPvm(bad, {m});",
                             "free_aligned": "free_aligned_sized(bad, 16, {m});"}.items():
                for thread in ["same", "other"] if op == "free_sized" else ["same"]:
                    cell(f"{op}/{name}/{n}/{thread}", "sized free with another size",
                         fresh(n) + ["bad = p;"],
                         [f"if ({NEEDS[op]} == NULL)", "\tnot_applicable();", call.format(m=f"{wrong}ul")],
                         "silent", f"dmm: free of {wrong} bytes: @ ($ bytes)", thread=thread, n=n)
    for n, aligns in {40: [64, 4096, 1 << 16, 1 << 21], 200: [64, 4096, 1 << 16], 1000: [4096, 1 << 16],
                      40000: [1 << 16, 1 << 21]}.items():
        for align in aligns: # those that not all objects of the size have anyway
            cell(f"free_aligned/align_{align}/{n}/same", "aligned free with another alignment",
                 [f"witnesses({n});", "do", f"\tp = malloc({n});", f"while ((uintptr_t)p % {align} == 0);",
                  "bad = p;"],
                 ["if (free_aligned_sized == NULL)", "\tnot_applicable();",
                  f"free_aligned_sized(bad, {align}, {n});"],
                 "silent", f"dmm: free of an object aligned to {align}: @", n=n)


# ---- what must be refused, and what must fault -----------------------------------------------------

REFUSED = {
    "malloc": ["malloc(PTRDIFF_MAX + 1ul)", "malloc(SIZE_MAX)", "malloc(SIZE_MAX - 15)", "malloc(1ul << 62)"],
    "calloc": ["calloc(SIZE_MAX, 2)", "calloc(1ul << 32, 1ul << 32)", "calloc(3, SIZE_MAX / 2)",
               "calloc(PTRDIFF_MAX + 1ul, 1)"],
    "realloc": ["realloc(p, PTRDIFF_MAX + 1ul)", "realloc(p, SIZE_MAX)", "realloc(NULL, SIZE_MAX - 8)"],
    "reallocarray": ["reallocarray(p, SIZE_MAX, 2)", "reallocarray(p, 1ul << 33, 1ul << 31)"],
    "aligned_alloc": ["aligned_alloc(64, SIZE_MAX - 63)", "aligned_alloc(1ul << 62, 1ul << 62)",
                      "aligned_alloc(4096, PTRDIFF_MAX + 1ul)"],
    "memalign": ["memalign(4096, SIZE_MAX - 4095)"],
    "valloc": ["valloc(SIZE_MAX)"],
    "pvalloc": ["pvalloc(SIZE_MAX - 1)", "pvalloc(PTRDIFF_MAX + 1ul)"],
}


def refused_cells():
    for op, calls in REFUSED.items():
        for i, call in enumerate(calls):
            cell(f"{op}/overflow_{i + 1}/0/same", "a size that overflows", fresh(48),
                 [f"q = {call.replace('(p,', '(hide(p),')};", "answer(q == NULL && errno == ENOMEM);"],
                 "refused")
    cell("aligned_alloc/align_24/48/same", "an alignment that is none", fresh(48),
         ["q = aligned_alloc(hide((void *)24) != NULL ? 24 : 32, 48);", "answer(q == NULL && errno == EINVAL);"],
         "refused")
    for align in (0, 4, 24):
        cell(f"posix_memalign/align_{align}/48/same", "an alignment that is none", fresh(48),
             ["void *out = p;", f"answer(posix_memalign(&out, {align}, 48) == EINVAL && out == p);"], "refused")


def zero_cells():
    """Nothing was asked for: whoever touches it is stopped."""
    makers = {"malloc": "malloc(0)", "calloc": "calloc(0, 8)", "realloc": "realloc(NULL, 0)",
              "aligned_alloc": "aligned_alloc(16, 0)", "calloc_0": "calloc(7, 0)"}
    for maker, call in makers.items():
        for access, code in {"read": "global[0] = *(volatile char *)bad;",
                             "write": "*(volatile char *)bad = 1;",
                             "write_15": "((volatile char *)bad)[15] = 1;"}.items():
            cell(f"{maker}_of_nothing/{access}/0/same", "access to malloc(0)",
                 fresh(48) + [f"bad = {call};", "if (bad == NULL)", "\tnot_applicable();"],
                 [code], "stopped")


# ---- contents: what only the hardened preset sees ---------------------------------------------------

def contents_cells():
    for n in [1, 24, 48, 100, 200, 1000, 1500, 20000, 40000, 300000]:
        for by in [1, 4, 8]:
            for thread in THREADS if by == 1 else ["same"]:
                cell(f"write_past_end/by_{by}/{n}/{thread}", "a write past the end",
                     fresh(n) + ["bad = p;"],
                     [f"memset(bad + {n}, 0, {by});" if by == 1 else f"memset(bad + {n}, 'A', {by});",
                      "free(bad);"], "silent", "dmm: write past the end: @ ($ bytes)", thread=thread, n=n)
        cell(f"write_past_end/seen_by_realloc/{n}/same", "a write past the end", fresh(n) + ["bad = p;"],
             [f"bad[{n}] = 'A';", f"q = realloc(bad, {n * 3});"], "silent",
             "dmm: write past the end: @ ($ bytes)", n=n)
        if n > 30000:
            continue
        cell(f"write_before_start/by_1/{n}/same", "a write before the start",
             [f"witnesses({n});", "for (int i = 0; i < 64; i++)", f"\tmore[i] = malloc({n});",
              "/* the two that lie closest together are neighbours */",
              "for (int i = 0; i < 64; i++)", "\tfor (int k = 0; k < 64; k++)",
              "\t\tif (more[i] > more[k] && (p == NULL || more[i] - more[k] < p - bad))",
              "\t\t\tp = more[i], bad = more[k];"],
             ["p[-1] ^= 'A';", "free(bad);"], "silent", "dmm: write past the end: @ ($ bytes)", n=n)
    for n in [16, 48, 200, 1000, 3000, 20000]:
        for where in ["0", "8", f"{n} - 1"]:
            cell(f"write_after_free/at_{eval(where)}/{n}/same", "a write after free",
                 fresh(n) + ["bad = p;", "free(p);"],
                 [f"bad[{where}] ^= 'A';", f"for (int i = 0; i < 30000; i++)", f"\tfree(malloc({n}));",
                  f"for (int i = 0; i < 2000; i++)", f"\tif (malloc({n}) == NULL)", "\t\tbreak;"],
                 "silent", "dmm: write after free: @ ($ bytes)", n=n)
        cell(f"read_after_free/old_contents/{n}/same", "a read after free",
             fresh(n) + [f"memset(p, 'S', {n});", "bad = p;", "free(p);"],
             [f"harm(bad[0] == 'S' || bad[{n} / 2] == 'S' || bad[{n} - 1] == 'S');"],
             "harmed", "refused", n=n)
        cell(f"read_uninitialised/old_contents/{n}/same", "a read of what was never written",
             fresh(n) + [f"memset(p, 'S', {n});", "free(p);"],
             [f"for (int i = 0; i < 4000; i++) {{", f"\tbad = malloc({n});",
              f"\tif (bad[0] == 'S' || bad[{n} / 2] == 'S')", "\t\tharm(1);", "}", "harm(0);"],
             "harmed", "refused", n=n)
        cell(f"free_twice/given_out_between/{n}/same", "a double free after the slot was given out again",
             fresh(n) + ["bad = p;", "free(p);", f"for (int i = 0; i < 100 && q != p; i++)",
                         f"\tq = malloc({n});"],
             ["free(bad);"], "silent", "dmm: double free: @ ($ bytes)", n=n)
        if n <= 3000:
            cell(f"free_twice/given_out_between_freed_elsewhere/{n}/same",
                 "a double free after the slot was given out again",
                 fresh(n) + ["bad = p;", "elsewhere(free_p);", "for (int i = 0; i < 20000 && q != p; i++)",
                             f"\tq = malloc({n});"],
                 ["free(bad);"], "silent", "dmm: double free: @ ($ bytes)", n=n)
    for n in [40000, 300000, 1 << 20, 5 << 20]:
        cell(f"write_past_large/page/{n}/same", "a write past a large object", fresh(n) + ["bad = p;"],
             ["((volatile char *)bad)[(malloc_usable_size(bad) + 4095) / 4096 * 4096] = 1;"],
             "unseen" if n == 1 << 20 else "silent", "stopped", n=n)  # at the edge of what is mapped
        cell(f"write_before_large/page/{n}/same", "a write past a large object", fresh(n) + ["bad = p;"],
             ["((volatile char *)bad)[-1] = 1;"], "unseen", "stopped", n=n)
        cell(f"read_after_free_large/page/{n}/same", "a read after free",
             fresh(n) + [f"memset(p, 'S', {n});", "bad = p;", "free(p);"],
             [f"harm(bad[0] == 'S' || bad[{n} / 2] == 'S');"], "harmed", "stopped", n=n)


# ---- output ----------------------------------------------------------------------------------------

def known(preset, name):
    for pattern, why in KNOWN[preset].items():
        if name == pattern or (pattern.endswith("*") and name.startswith(pattern[:-1])):
            return '"' + why + '"'
    return "NULL"


def body(lines):
    return "".join(f"\t{text}\n" for text in lines)


def table(out):
    def put(text):
        print(text, file=out)

    put('/* Made by cells.py. */\n#include "matrix.h"\n')
    put("static char *more[300];\n\nstatic void free_p(void)\n{\n\tfree(p);\n}\n")
    for i, c in enumerate(cells):
        put(f"/* {c['name']} */\nstatic void scene_{i}(void)\n{{\n{body(c['scene'])}}}\n")
        put(f"static void mistake_{i}(void)\n{{\n{body(c['mistake'])}}}\n")
    put("const struct cell cells[] = {")
    for i, c in enumerate(cells):
        want = ", ".join('"' + text + '"' for text in c["want"])
        put(f'\t{{"{c["name"]}", "{c["group"]}", {{{want}}}, "{c["thread"]}", {c["n"]}, scene_{i}, '
            f'mistake_{i}, {{{known("slab", c["name"])}, {known("hardened", c["name"])}}}}},')
    put("};\nconst size_t cell_count = sizeof cells / sizeof *cells;\n"
        "/* so that the helpers are used whatever the cells are */\n"
        "void *const cells_use[] = {more, (void *)free_p};")


def show(c):
    where = {"same": "", "other": "   /* in a second thread, which lives on */",
             "ended": "   /* in a thread that has ended since */"}[c["thread"]]
    print(f"/* {c['name']}: {c['group']}\n * slab     {c['want'][0]}\n * hardened {c['want'][1]}\n */")
    print(f"/* the scene{where.replace('/*', '').replace('*/', '').rstrip()} */\n{body(c['scene'])}"
          f"/* the mistake */\n{body(c['mistake'])}", end="")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--output", metavar="FILE")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--show", metavar="NAME")
    args = parser.parse_args()
    for make in (freed_cells, inside_cells, foreign_cells, never_cells, mismatch_cells, refused_cells,
                 zero_cells, contents_cells):
        make()
    if args.list:
        print(*(c["name"] for c in cells), sep="\n")
    elif args.show:
        found = [c for c in cells if c["name"] == args.show]
        if not found:
            sys.exit(f"cells.py: no cell '{args.show}'; --list names them")
        show(found[0])
    elif args.output:
        with open(args.output, "w", encoding="ascii") as out:
            table(out)
    else:
        parser.error("one of --output, --list, --show")


main()
