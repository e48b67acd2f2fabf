// work.js ROWS.json - regroup rows, and pack the result.
const fs = require("fs"), zlib = require("zlib");
const rows = JSON.parse(fs.readFileSync(process.argv[2]));
const by = new Map();
for (let round = 0; round < 3; round++) {
	for (const row of rows) {
		const some = by.get(row.name.slice(0, 2)) || [];
		some.push({ ...row, all: row.tags.map((tag) => tag.toUpperCase()).join(" ") });
		by.set(row.name.slice(0, 2), some);
	}
	for (const [key, some] of by) by.set(key, some.sort((a, b) => (a.all < b.all ? -1 : 1)).slice(0, 50));
}
console.log(by.size, zlib.gzipSync(JSON.stringify([...by])).length);
