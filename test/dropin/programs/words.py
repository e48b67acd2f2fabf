# words.py N - objects of many sizes and lifetimes, and one line that depends on all of them.
import hashlib
import json
import re
import sys

COUNT = int(sys.argv[1])


def made(n):
    x = 12345
    for i in range(n):
        x = (x * 1103515245 + 12345) & 0x7FFFFFFF
        yield f"w{x % 5003:x}" * (1 + x % 7)


words = list(made(COUNT))
index = {}
for at, word in enumerate(words):
    index.setdefault(word, []).append(at)
text = json.dumps(index, sort_keys=True)
again = json.loads(text)
assert again == index
found = re.findall(r'"(w[0-9a-f]+)": \[(\d+)', text)
found.sort(key=lambda pair: (len(pair[0]), pair))
table = [[str(i * j) for j in range(40)] for i in range(100)]
text += "".join("".join(row) for row in table)
print(len(index), len(found), hashlib.sha256(text.encode()).hexdigest())
