# holes.py N - N objects at once, every second one freed, and the gaps used again.
#
# Where every object is a mapping of its own, N above vm.max_map_count is the point: each gap keeps its
# neighbours from sharing one mapping of the kernel's.  One malloc an object, and hardly any beside.
import itertools
import sys

N = int(sys.argv[1]) // 64 * 64
pattern = bytes(itertools.islice(itertools.cycle(range(251)), 1024))
slices = [slice(k, 600 + 3 * k) for k in range(64)]


def made(which):
    return list(map(pattern.__getitem__, which))


held = made(itertools.islice(itertools.cycle(slices), N))
del held[::2]
again = made(itertools.islice(itertools.cycle(slices), N // 4))
assert b"".join(held) == b"".join(made(slices[1::2])) * (N // 64)
assert b"".join(again[:N // 256 * 64]) == b"".join(made(slices)) * (N // 256)
print(len(held), len(again), "whole")
