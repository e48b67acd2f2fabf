// holes.js N - as holes.py: every buffer is a malloc of its own, and every second one is freed.
const N = Number(process.argv[2]);
let held = Array.from({ length: N }, (_, i) => Buffer.allocUnsafeSlow(600 + (i % 64)).fill(i & 255));
held = held.filter((_, i) => i % 2 === 1);
for (let i = 0; i < 2; i++)
	global.gc();
const again = Array.from({ length: N / 4 }, (_, i) => Buffer.allocUnsafeSlow(900).fill(i & 255));
const whole = held.every((b, i) => b[0] === ((2 * i + 1) & 255) && b[b.length - 1] === b[0]) &&
	again.every((b, i) => b[0] === (i & 255) && b[899] === b[0]);
console.log(held.length, again.length, whole);
