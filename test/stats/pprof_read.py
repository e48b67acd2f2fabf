"""A reader of pprof's profile.proto, of its own."""
import gzip
import os
import sys

sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), "../support"))
from protobuf import fields, packed


class Profile:
    """types: name -> index; samples: (list of locations, list of values); locations, maps: id -> fields; strings."""

    def __init__(self, blob):
        self.strings, self.samples, self.locations, self.maps = [], [], {}, {}
        self.numbers, types, functions = {}, [], {}
        for number, value in fields(gzip.decompress(blob)):
            if number == 6:
                self.strings.append(value.decode())
            elif number == 2:
                sample = dict(fields(value))
                self.samples.append((packed(sample.get(1, b"")), packed(sample[2])))
            elif number in (3, 4, 5):
                one = {}
                for n, v in fields(value):
                    one.setdefault(n, []).append(v)
                table = {3: self.maps, 4: self.locations, 5: functions}[number]
                assert one[1][0] == len(table) + 1, "Parca takes ids in order only, from 1 on"
                table[one[1][0]] = one
            elif number == 1:
                types.append(dict(fields(value)))
            else:
                self.numbers[number] = value
        assert self.strings[0] == ""
        self.types = {self.strings[t[1]]: i for i, t in enumerate(types)}
        self.units = [self.strings[t[2]] for t in types]
        self.functions = {k: self.strings[f[2][0]] for k, f in functions.items()}
        self.check()

    def check(self):
        """What the readers of pprof and of Parca (pkg/normalizer/validate.go) insist on."""
        for where, values in self.samples:
            assert len(values) == len(self.types)
            assert all(w in self.locations for w in where)
        for one in self.locations.values():
            at, mapping = one[3][0], one.get(2, [0])[0]
            if mapping:
                m = self.maps[mapping]
                assert m[2][0] <= at < m[3][0], "a location outside of its mapping"
        period = dict(fields(self.numbers[11]))
        assert self.strings[period[1]] == "space" and self.strings[period[2]] == "bytes"
        assert self.strings[self.numbers[14]] in self.types

    def total(self, name, function=None):
        i = self.types[name]
        return sum(values[i] for where, values in self.samples if function is None or function in self.names(where))

    def names(self, where):
        return {self.functions[dict(fields(line))[1]] for w in where for line in self.locations[w].get(4, [])}

    def mapped(self):
        return {self.strings[m[5][0]]: self.strings[m.get(6, [0])[0]] for m in self.maps.values()}
