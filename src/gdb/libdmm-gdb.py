"""gdb commands for a process or a core on slab: `dmm heap` and `dmm chunk ADDRESS`.

gdb loads this file with libdmm.so.0.  It reads slab's tables (src/slab/root.h) through the library's debug
information, stops nothing that runs and calls nothing in the program, so that it works on cores, too.
"""
import gdb

UNIT_SHIFT, WORD_SHIFT = 4, 10
TAG_HEAP_SHIFT, TAG_REMOTE = 16, 1 << 31


def reader(type_name):
    """A function that takes a field's name and the bytes of such a struct, and gives the field as a number."""
    fields = {}

    def collect(type_, at):
        for f in type_.fields():
            if f.type.strip_typedefs().code == gdb.TYPE_CODE_UNION and f.name is None:
                collect(f.type, at + f.bitpos // 8)
            elif f.name is not None:
                fields[f.name] = at + f.bitpos // 8, f.type.sizeof
    collect(gdb.lookup_type(type_name), 0)

    def read(data, name):
        at, size = fields[name]
        return int.from_bytes(data[at:at + size], "little")
    return read


class Slab:
    """Slab's root in the inferior, and its tables."""

    def __init__(self):
        try:
            self.root = gdb.parse_and_eval("&dmm_slab_root").cast(gdb.lookup_type("struct slab_root").pointer())
            self.field, self.kinds = reader("struct slab"), gdb.lookup_type("enum granule_kind").fields()
        except gdb.error as e:
            raise gdb.GdbError(f"dmm: no slab with debug information is in this program ({e}); "
                               "Debian has it in libdmm0-dbgsym")
        self.kind = {f.enumval: f.name.removeprefix("GRANULE_") for f in self.kinds}
        self.base, self.units = int(self["base"]), int(self["units"])
        self.granule = int(self["granule"])
        if self.granule == 0 or self.units == 0:
            raise gdb.GdbError("dmm: the heap has not begun")

    def __getitem__(self, name):
        return self.root[name]

    def read(self, address, size):
        return bytes(gdb.selected_inferior().read_memory(address, size))

    def number(self, address, size):
        return int.from_bytes(self.read(address, size), "little")

    def slab_at(self, g):
        size = int(self["slab_bytes"])
        return self.read(int(self["slabs"].cast(gdb.lookup_type("long"))) - g * size, size)

    def tag(self, g):
        return self.number(int(self["tags"].cast(gdb.lookup_type("long"))) + 4 * g, 4)

    def word(self, table, address, sign=1):
        start = int(self[table].cast(gdb.lookup_type("long")))
        return self.number(start + sign * 8 * (address >> WORD_SHIFT), 8)

    def bits(self, address):
        """Of the KiB around an address: live, and freed by a thread that is not the owner; a bit for 16 bytes."""
        tag = self.tag((address - self.base) // self.granule)
        return self.word("live", address), self.word("marks", address) if tag & TAG_REMOTE else 0

    def is_live(self, address):
        live, marks = self.bits(address)
        return (live & ~marks) >> (address >> UNIT_SHIFT) % 64 & 1 == 1

    def granules(self):
        """Every granule that begins something, with its record and kind."""
        g, end = 1, (self.units << UNIT_SHIFT) // self.granule
        while g < end:
            try:
                s = self.slab_at(g)
            except gdb.MemoryError:
                g += int(self["chunk_granules"]) - g % int(self["chunk_granules"])
                continue
            kind = self.kind.get(self.field(s, "kind"), "?")
            yield g, s, kind
            g += max(1, self.field(s, "granules") if kind == "SLAB" else
                     self.field(s, "run") if kind == "RUN" else 1)

    def live_in(self, g, s):
        start, count = self.base + g * self.granule, 0
        for at in range(start, start + self.field(s, "granules") * self.granule, 1 << WORD_SHIFT):
            live, marks = self.bits(at)
            count += bin(live & ~marks).count("1")
        return count

    def covering(self, g):
        s = self.slab_at(g)
        kind = self.kind.get(self.field(s, "kind"), "?")
        if kind in ("REST", "FREED_REST"):
            g = self.field(s, "head")
            s = self.slab_at(g)
        return g, s, self.kind.get(self.field(s, "kind"), "?")

    def run_around(self, g):
        for first in range(g, 0, -1):
            s = self.slab_at(first)
            kind = self.kind.get(self.field(s, "kind"), "?")
            if kind == "RUN":
                return (first, s) if first + self.field(s, "run") > g else None
            if kind in ("SLAB", "FREED"):
                return None
        return None

    def mapped(self):
        for i in range(int(self["mapped_count"])):
            yield int(self["mapped"][i]["start"]), int(self["mapped"][i]["len"])


def tell(address):
    slab = Slab()
    for start, size in slab.mapped():
        if start <= address < start + size:
            return describe(address, start, size, "live, in a mapping of its own")
    offset = address - slab.base
    if offset < 0 or offset >> UNIT_SHIFT >= slab.units:
        return f"{address:#x}: not in slab's heap"
    g, s, kind = slab.covering(offset // slab.granule)
    if kind == "SLAB":
        return tell_small(slab, address, g, s)
    found = slab.run_around(offset // slab.granule)
    if found is not None:
        g, s = found
        return describe(address, slab.base + g * slab.granule, slab.field(s, "run") * slab.granule, "live, large")
    return f"{address:#x}: free memory of slab's heap, no object"


def tell_small(slab, address, g, s):
    start, size = slab.base + g * slab.granule, slab.field(s, "size")
    index = (address - start) // size
    if index >= slab.field(s, "count"):
        return f"{address:#x}: the end of a slab of {size} bytes an object, no object"
    object_ = start + index * size
    live, marks = slab.bits(object_)
    bit = 1 << (object_ >> UNIT_SHIFT) % 64
    state = "live" if live & ~marks & bit else "freed by a thread that does not own it" if marks & bit else "free"
    return describe(address, object_, size, f"{state}, number {index} of {slab.field(s, 'count')} in the slab "
                    f"at {start:#x} of heap {slab.field(s, 'heap')}")


def describe(address, start, size, what):
    inside = f"{address - start} bytes inside " if address != start else ""
    return f"{address:#x}: {inside}the object {start:#x}, {size} bytes, {what}"


def heap():
    slab, rows, runs = Slab(), {}, []
    for g, s, kind in slab.granules():
        if kind == "SLAB":
            row = rows.setdefault(slab.field(s, "size"), [0, 0, 0])
            row[0] += 1
            row[1] += slab.live_in(g, s)
            row[2] += slab.field(s, "count")
        elif kind == "RUN":
            runs.append(slab.field(s, "run") * slab.granule)
    runs += [size for _, size in slab.mapped()]
    lines = [f"{'bytes':>8} {'slabs':>7} {'live':>10} {'free':>10}"]
    lines += [f"{size:8} {n:7} {live:10} {count - live:10}" for size, (n, live, count) in sorted(rows.items())]
    live = sum(size * r[1] for size, r in rows.items())
    lines.append(f"{live + sum(runs)} bytes live in {sum(r[1] for r in rows.values()) + len(runs)} objects, "
                 f"{len(runs)} of them large with {sum(runs)} bytes")
    return "\n".join(lines)


class Dmm(gdb.Command):
    """Look into the heap of a program on dmm's slab."""

    def __init__(self):
        super().__init__("dmm", gdb.COMMAND_DATA, gdb.COMPLETE_COMMAND, True)


class DmmHeap(gdb.Command):
    """dmm heap: objects of each size, live and free, and large ones."""

    def __init__(self):
        super().__init__("dmm heap", gdb.COMMAND_DATA)

    def invoke(self, argument, from_tty):
        print(heap())


class DmmChunk(gdb.Command):
    """dmm chunk ADDRESS: which object lies there, and whether it is live.  ADDRESS may be any expression."""

    def __init__(self):
        super().__init__("dmm chunk", gdb.COMMAND_DATA, gdb.COMPLETE_EXPRESSION)

    def invoke(self, argument, from_tty):
        if not argument:
            raise gdb.GdbError("dmm chunk: which address?")
        print(tell(int(gdb.parse_and_eval(argument).cast(gdb.lookup_type("unsigned long")))))


Dmm()
DmmHeap()
DmmChunk()
