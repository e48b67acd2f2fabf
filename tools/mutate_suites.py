"""The tests that tools/mutate gives to a mutant: which ones watch which file of src, the fastest first."""
CHUNKED = ["dlist", "bins", "gnu"]
WATCHED = {
    "minimal.c": ["minimal"], "pad.c": ["pad"], "list.c": ["list"], "chain": ["list", "pad", "minimal"],
    "dlist.c": ["dlist"], "bins": ["bins", "gnu"], "vm.c": ["vm"], "mapping": ["vm", "gnu"], "gnu.c": ["gnu"],
    "chunk": CHUNKED, "policy/": CHUNKED, "segdata": ["segdata"], "segmeta": ["segmeta"],
    "segment": ["segdata"], "slots": ["segdata", "segmeta"], "page_table": ["segmeta"],
    "extent": ["segmeta"], "heap": ["list", "gnu"], "aligned": ["list", "gnu", "vm"], "piece": ["list", "bins"],
    "slab/": ["slab"],
}
CONFS = {
    "dlist": ["reuse:footer", "reuse:none,footer:check", "coalesce:deferred", "fit:best,split_min:64", "fit:next",
              "fit:address,coalesce:4,reuse:footer"],
    "bins": ["reuse:footer,coalesce:deferred", "footer:check,reuse:links", "bin_spacing:geometric,split_min:64",
             "fit:best,bin_spacing:geometric", "fit:address,bin_spacing:geometric"],
    "gnu": ["mmap_threshold:4096,trim_threshold:8192", "mmap_threshold:adaptive", "reuse:none,footer:check",
            "fit:next,bin_spacing:geometric,coalesce:8"],
}
# Programs that run on the mutant as their malloc, with settings.
PLAIN, HARDENED, GUARDED = "guarded:0", "hardened,guarded:0", "guarded:1,guarded_every:1"
PRELOADED = [
    (PLAIN, "trust_storms tls 100"), (PLAIN, "trust_storms threads 200"), (PLAIN, "trust_storms fork 100"),
    (PLAIN, "trust_primitives --seeds=10 --none"), (PLAIN, "stress 8 3000"), (PLAIN, "limits data"),
    (PLAIN, "limits as"), (PLAIN, "thread_exit 1 1"), (PLAIN, "trust_matrix slab"), (PLAIN, "dropin_contract -"),
]
PRELOADED_HARDENED = [
    (HARDENED, "trust_storms tls 100"), (HARDENED, "trust_storms fork 100"),
    (HARDENED, "trust_primitives --seeds=10 --none"), (HARDENED, "stress 8 3000"), (HARDENED, "thread_exit 1 1"),
    (HARDENED, "trust_matrix hardened"), (HARDENED, "dropin_contract - !an_address_space_limit"),
]
PRELOADED_GUARDED = [
    (GUARDED, "trust_storms fork 100"), (GUARDED, "trust_primitives --seeds=10 --none"), (GUARDED, "stress 8 3000"),
    (GUARDED + ",guarded_slots:512", "trust_matrix guarded"),
    (GUARDED, "dropin_contract - !an_address_space_limit"),
]


def watchers(name):
    if name.startswith("slab/"):
        return ["slab"]
    for part, systems in WATCHED.items():
        if part in "/" + name:
            return systems
    return ["list", "bins"]


def suite(name):
    """Commands, cheapest first, as (program, arguments)."""
    systems = watchers(name)
    if name.startswith("slab/"):
        yield from suite_of_slab(name)
        return
    for s in systems:
        yield "rapid", [f"--system={s}", "--ops=60000", "--seed=1"]
    for s in systems:
        yield "exhaustive", [f"--system={s}", "--depth=7"]
        yield "torture", ["--shrink=0", f"--system={s}", "--ops=6000", "--seed=3"]
    for s in systems:
        yield "contract", [f"--system={s}"]
    for s in systems:
        for conf in CONFS.get(s, []):
            yield "exhaustive", [f"--system={s}", "--depth=6", "--conf=" + conf]
            yield "torture", ["--shrink=0", f"--system={s}", "--ops=6000", "--seed=3", "--conf=" + conf]
            yield "contract", [f"--system={s}", "--conf=" + conf]
    for unit in ["unit_heap", "unit_many", "unit_os", "unit_base"]:
        yield unit, []
    for s in systems:
        yield "rapid", [f"--system={s}", "--ops=1000000", "--seed=2"]
        yield "rapid", [f"--system={s}", "--ops=200000", "--seed=2", "--threads=4"]
        yield "torture", ["--shrink=0", f"--system={s}", "--ops=60000", "--seed=4"]
        yield "torture", ["--shrink=0", f"--system={s}", "--ops=60000", "--seed=5", "--threads=8"]


def suite_of_slab(name):
    """The same for src/slab: what the file is for comes early."""
    yield "rapid", ["--system=slab", "--ops=60000", "--seed=1"]
    yield "torture", ["--shrink=0", "--system=slab", "--ops=6000", "--seed=3"]
    yield "contract", ["--system=slab"]
    yield "unit_backend", []
    yield "rapid", ["--system=slab", "--ops=200000", "--seed=2", "--threads=4"]
    yield "rapid", ["--system=slab", "--ops=1000000", "--seed=2"]
    threads = not any(word in name for word in ["hardened", "guarded", "guard_large", "canary", "settings"])
    if threads:
        yield "interleave", ["--bound=2", "--most=300"]
    hardened, guarded = PRELOADED_HARDENED, PRELOADED_GUARDED
    groups = [guarded, PRELOADED, hardened] if "guarded" in name else \
        [PRELOADED, hardened, guarded] if threads else [hardened, guarded, PRELOADED]
    yield "unit_slab", []
    if "guarded" in name:
        yield "script misuse/guarded.py", []
    preloads = [one for group in groups for one in group]
    for conf, command in sorted(preloads, key=lambda one: "dropin_contract" in one[1]):  # the longest last
        program, *arguments = command.split(" ")
        yield f"preload {program} {conf}", arguments
    yield "torture", ["--shrink=0", "--system=slab", "--ops=60000", "--seed=5", "--threads=8"]
    if threads:
        yield "interleave", ["--bound=2", "--most=12000"]
