// sort.js - what a JavaScript program allocates through malloc: zones, code, buffers, strings handed out.
const crypto = require('crypto');
const zlib = require('zlib');

let x = 99991;
const next = () => (x = (x * 48271) % 2147483647);
const rows = Array.from({ length: 5000 }, (_, i) => ({ id: i, key: next().toString(36), size: next() % 1000 }));
rows.sort((a, b) => a.size - b.size || (a.key < b.key ? -1 : 1));
const text = JSON.stringify(rows);
const packed = zlib.deflateSync(Buffer.from(text));
const unpacked = zlib.inflateSync(packed).toString();
const buffers = [];
for (let i = 0; i < 300; i++)
	buffers.push(Buffer.alloc(next() % 20000, i & 255));
const hash = crypto.createHash('sha256').update(unpacked);
for (const b of buffers)
	hash.update(b);
console.log(unpacked === text, hash.digest('hex'));
