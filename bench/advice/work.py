# work.py ROWS.json - as a service does: three requests, each of which encodes, decodes, indexes and sorts rows, and
# a wait after each.
import json
import sys
import time


def answer(rows):
    text = json.dumps(rows)
    index = {}
    for row in json.loads(text):
        index.setdefault(row["name"][:2], []).append({**row, "tags": [tag.upper() for tag in row["tags"]]})
    for some in index.values():
        some.sort(key=lambda row: row["name"])
    return len(text) + len(index)


total = 0
for part in range(3):
    with open(sys.argv[1]) as file:
        total += answer(json.load(file)[part::2])
    time.sleep(0.2)
print(total)
