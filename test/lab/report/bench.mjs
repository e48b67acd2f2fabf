// bench.mjs - what a page costs: to make, to open, to zoom, to ask.  Reports, asserts nothing but the 8 MiB.
//
// usage: bench.mjs BUILD CALLS|F.html...   e.g. bench.mjs build 1000000 100000000, or pages that there are
// A figure in ms is from the input event until the next frame is on the screen, so it is seldom below
// one frame (16.7 ms); "work" is the script's own part of it.
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { openBrowser, openPage } from "./page.mjs";

const build = resolve(process.argv[2] ?? "build"), wanted = process.argv.slice(3);
const median = (v) => [...v].sort((a, b) => a - b)[v.length >> 1], most = (v) => Math.max(...v);
const ms = (v) => `${median(v).toFixed(1)} (at most ${most(v).toFixed(1)})`;

/** Until the frame after each of the events, and the time that the handlers and drawing took. */
const timed = (page, selector, events) => page.$eval(selector, async (target, list) => {
	const frame = () => new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
	const box = target.getBoundingClientRect(), all = [], work = [];
	const raf = window.requestAnimationFrame;
	let inside = 0;
	window.requestAnimationFrame = (f) => raf((t) => { const from = performance.now(); f(t); inside += performance.now() - from; });
	for (const e of list) {
		await frame();
		const from = performance.now();
		inside = 0;
		if (e.kind === "input") { target.value = e.value; target.dispatchEvent(new Event("input")); }
		else target.dispatchEvent(new (e.kind === "wheel" ? WheelEvent : PointerEvent)(e.kind, { bubbles: true, cancelable: true, ctrlKey: true,
			clientX: box.left + e.x * box.width, clientY: box.top + e.y * box.height, deltaY: e.delta ?? 0 }));
		const handled = performance.now() - from;
		await frame();
		all.push(performance.now() - from);
		work.push(handled + inside);
	}
	window.requestAnimationFrame = raf;
	return { all, work };
}, events);

const browser = await openBrowser(), folder = mkdtempSync(join(tmpdir(), "dmm-bench-"));
const map = 'figure[data-design="0"] canvas';
let failed = false;

function make(calls) {
	const trace = join(folder, "t"), file = join(folder, "p.html");
	execFileSync(join(build, "test/make_recording"), [String(calls), trace]);
	const from = performance.now();
	const cost = execFileSync("python3", ["-c", "import os,sys\npid=os.posix_spawn(sys.argv[1],sys.argv[1:],os.environ)\n_,s,u=os.wait4(pid,0)\nprint(u.ru_maxrss,s)",
		join(build, "dmm"), "report", trace, "-o", file, "--runs=0", "--limit=36000"], { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] });
	const [kib, status] = cost.trim().split(" ").map(Number);
	failed ||= status !== 0;
	console.log(`${calls.toLocaleString("en-US")} calls, a recording of ${(statSync(trace).size / 2 ** 20).toFixed(1)} MiB`
		+ `\n  made            in ${((performance.now() - from) / 1000).toFixed(1)} s, with at most ${(kib / 1024).toFixed(0)} MiB a process`);
	return file;
}

for (const word of wanted) {
	const file = word.endsWith(".html") ? resolve(word) : make(Number(word));
	const size = statSync(file).size;
	failed ||= size > 8 << 20;
	const ready = [], painted = [];
	let page;
	for (let i = 0; i < 5; i++) {
		await page?.context().close();
		page = await openPage(browser, file);
		ready.push(await page.evaluate(() => performance.getEntriesByName("dmm-ready")[0].startTime));
		painted.push(await page.evaluate(() => performance.getEntriesByType("paint").find((p) => p.name === "first-contentful-paint")?.startTime ?? 0));
	}
	const points = Array.from({ length: 40 }, (_, i) => ({ x: (i * 0.37) % 1, y: (i * 0.61) % 1 }));
	const hover = await timed(page, map, points.map((p) => ({ kind: "pointermove", ...p })));
	const zoom = await timed(page, map, points.map((p, i) => ({ kind: "wheel", x: 0.4, y: 0.6, delta: i < 20 ? -120 : 120 })));
	const slide = await timed(page, "#moment", points.map((p) => ({ kind: "input", value: Math.floor(p.x * 480) })));
	console.log(`  page            ${(size / 2 ** 20).toFixed(2)} MiB (at most 8)${word.endsWith(".html") ? `: ${word}` : ""}
  first paint     ${ms(painted)} ms      interactive  ${ms(ready)} ms
  hover           ${ms(hover.all)} ms      work ${ms(hover.work)} ms
  zoom            ${ms(zoom.all)} ms      work ${ms(zoom.work)} ms
  slider          ${ms(slide.all)} ms      work ${ms(slide.work)} ms`);
	await page.context().close();
}
await browser.close();
rmSync(folder, { recursive: true });
process.exit(failed ? 1 : 0);
