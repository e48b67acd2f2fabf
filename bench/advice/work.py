# work.py ROWS.json - encode, decode, index and sort rows, three times.
import json
import sys

total = 0
with open(sys.argv[1]) as file:
    rows = json.load(file)
for part in range(3):
    text = json.dumps(rows[part::2])
    index = {}
    for row in json.loads(text):
        index.setdefault(row["name"][:2], []).append({**row, "tags": [tag.upper() for tag in row["tags"]]})
    for some in index.values():
        some.sort(key=lambda row: row["name"])
    total += len(text) + len(index)
print(total)
