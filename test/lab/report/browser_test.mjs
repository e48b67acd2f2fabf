// browser_test.mjs - the page of dmm report in a real Chromium: quiet, usable by pointer and by keys, and
// readable without a script and on paper.  Pictures of it stay in BUILD/test/report.
//
// usage: browser_test.mjs BUILD [WORD]   runs the tests whose name holds WORD
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { makeReport, metaOf, openBrowser, openPage, read, root, tileOf } from "./page.mjs";

const build = resolve(process.argv[2] ?? "build"), word = process.argv[3] ?? "";
const browser = await openBrowser(), pictures = join(build, "test/report");
const file = makeReport(build, join(root, "test/recordings/cc.dmm"), join(pictures, "cc.html"), "--systems=slab,gnu,bins,segmeta,list");
const html = read(file), meta = metaOf(html);

const pixels = (page, selector) => page.$eval(selector, (c) => c.toDataURL());
const frame = (page) => page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));
const firstMap = 'figure[data-design="0"] canvas';
const picture = (page, name, fullPage = true) => page.screenshot({ path: join(pictures, `${name}.png`), fullPage });

const tests = {
	async "the page is quiet: no request, no console message, no error"() {
		const page = await openPage(browser, file);
		await page.mouse.wheel(0, 3000);
		await frame(page);
		assert.deepEqual(page.noise, []);
		for (const f of ["series", "gap", "map", "classes", "lives", "sites", "pins"])
			assert.ok(await page.locator(`figure[data-figure="${f}"] .live-part`).first().isVisible(), `${f} has no live part`);
		await picture(page, "light");
		await page.context().close();
	},

	async "the slider moves every picture, by keys too"() {
		const page = await openPage(browser, file);
		const text = () => page.textContent("#moment-text");
		const before = await text(), bars = await page.innerHTML('figure[data-figure="gap"] .live-part');
		const map = await pixels(page, firstMap), classes = await pixels(page, 'figure[data-figure="classes"] canvas');
		await page.focus("#moment");
		for (let i = 0; i < 60; i++) await page.keyboard.press("ArrowLeft");
		await frame(page);
		assert.notEqual(await text(), before);
		assert.notEqual(await page.innerHTML('figure[data-figure="gap"] .live-part'), bars);
		assert.ok((await pixels(page, firstMap)) !== map, "the map");
		assert.ok((await pixels(page, 'figure[data-figure="classes"] canvas')) !== classes, "the classes");
		await page.getByRole("button", { name: "End", exact: true }).first().click();
		assert.ok((await text()).includes(`${meta.events.toLocaleString("en-US")} of ${meta.events.toLocaleString("en-US")}`), await text());
		assert.deepEqual(page.noise, []);
		await page.context().close();
	},

	async "the page begins beside the peak, where the program still has its data, and Peak leads back there"() {
		const peaked = makeReport(build, join(root, "test/recordings/sqlite3.dmm"), join(pictures, "sqlite3.html"), "--systems=gnu");
		const text = read(peaked), { peak_event: peak, parts } = metaOf(text), series = tileOf(text, "d0-series"), stride = 4 + parts.length;
		const behind = Array.from({ length: series.length / stride }, (_, i) => i).find((i) => series[i * stride] >= peak), before = behind - 1;
		const live = (i) => series[i * stride + 4], begin = live(before) > live(behind) ? before : behind;
		assert.ok(live(before) > 1.5 * live(behind), "this recording frees half of its data behind its peak, before the next sample");
		const page = await openPage(browser, peaked), moment = () => page.inputValue("#moment");
		assert.equal(await moment(), String(begin));
		await page.getByRole("button", { name: "End", exact: true }).first().click();
		assert.notEqual(await moment(), String(begin));
		await page.getByRole("button", { name: "Peak", exact: true }).first().click();
		assert.equal(await moment(), String(begin));
		await picture(page, "peak", false);
		assert.deepEqual(page.noise, []);
		await page.context().close();
	},

	async "a point of the map tells the very block that lies there"() {
		const page = await openPage(browser, file), index = 1, d = meta.designs[index];
		const [at, size, born, died] = ["at", "size", "born", "died"].map((k) => tileOf(html, `d${index}-block-${k}`));
		const series = tileOf(html, `d${index}-series`), stride = 4 + meta.parts.length, step = series[0];
		const canvas = page.locator(`figure[data-design="${index}"] canvas`);
		await canvas.scrollIntoViewIfNeeded();
		const box = await canvas.boundingBox();
		for (const i of [0, 1, 2]) {
			const x = (((born[i] + died[i]) / 2 / step) / d.samples) * (box.width - 2);
			const y = (1 - (at[i] + size[i] / 2) / d.granule / d.rows) * (box.height - 2);
			await page.mouse.move(box.x + 1 + x, box.y + 1 + y);
			await frame(page);
			const tip = await page.textContent("#tip"), told = Number(tip.match(/block of ([\d.]+)/)?.[1]);
			const unit = { B: 1, KiB: 1024, MiB: 1 << 20 }[tip.match(/block of [\d.]+ (\w+?) at/)?.[1]];
			assert.ok(Math.abs(told * unit - size[i]) <= size[i] * 0.005, `block ${i} of ${size[i]} bytes: ${tip}`);
			assert.match(tip, /age [\d,]+ calls/);
			assert.match(tip, /from \S/);
		}
		await page.mouse.move(2, 2);
		assert.ok(await page.locator("#tip").isHidden());
		assert.ok(series.length === d.samples * stride);
		await page.context().close();
	},

	async "the map zooms by keys, wheel, box and buttons, and back"() {
		const page = await openPage(browser, file);
		const canvas = page.locator(firstMap);
		await canvas.scrollIntoViewIfNeeded();
		await canvas.focus();
		await frame(page);
		const whole = await pixels(page, firstMap), seen = new Set([whole]);
		const changed = async (how) => {
			await frame(page);
			const now = await pixels(page, firstMap);
			assert.ok(!seen.has(now), `${how} changed nothing`);
			seen.add(now);
		};
		await page.keyboard.press("ArrowRight");
		await changed("an arrow key");
		assert.match(await page.textContent('figure[data-design="0"] .readout'), /call/);
		await page.keyboard.press("+");
		await changed("+");
		await page.keyboard.press("+");
		await changed("+ again");
		await page.keyboard.press("-");
		await page.keyboard.press("ArrowUp");
		await changed("an arrow key, zoomed");
		const box = await canvas.boundingBox();
		await page.mouse.move(box.x + 100, box.y + 100);
		await page.mouse.wheel(0, -300);
		await changed("the wheel");
		await page.keyboard.press("Escape");
		await page.mouse.move(box.x + 120, box.y + 60);
		await page.mouse.down();
		await page.mouse.move(box.x + 300, box.y + 200, { steps: 4 });
		await page.mouse.up();
		await changed("a box");
		await picture(page, "zoomed", false);
		await page.getByRole("button", { name: "Show all of slab" }).click();
		await page.mouse.move(2, 2);
		await page.evaluate(() => document.activeElement.blur());
		await frame(page);
		assert.ok((await pixels(page, firstMap)) === whole, "All does not show all");
		assert.deepEqual(page.noise, []);
		await page.context().close();
	},

	async "the call tree answers to keys and clicks, and compares two moments"() {
		const page = await openPage(browser, file);
		await page.getByRole("button", { name: "Call tree", exact: true }).click();
		const flame = page.locator("canvas.flame");
		await flame.focus();
		await page.keyboard.press("ArrowDown");
		const readout = page.locator('figure[data-figure="sites"] .readout');
		assert.match(await readout.textContent(), /: .*(B|KiB|MiB), /);
		await page.keyboard.press("Enter");
		assert.match(await readout.textContent(), /zoomed to/);
		await page.keyboard.press("Escape");
		await page.locator('figure[data-figure="sites"]').getByRole("button", { name: "End", exact: true }).click();
		const options = await page.locator("select option").allTextContents();
		await page.locator("select").selectOption({ index: options.findIndex((o) => o.includes("peak")) });
		assert.match(await readout.textContent(), /against .* grew/);
		await page.getByRole("button", { name: "List", exact: true }).click();
		assert.ok((await page.locator('figure[data-figure="sites"] .live-part tbody tr').count()) >= 1);
		assert.deepEqual(page.noise, []);
		await page.context().close();
	},

	async "all controls can be reached by Tab, and have names"() {
		const page = await openPage(browser, file);
		const controls = await page.locator("main button:visible, main select:visible, main input:visible, main canvas[tabindex]:visible, main summary:visible").count();
		const reached = new Set();
		await page.evaluate(() => document.querySelectorAll("button, select, input, canvas, summary").forEach((e, i) => (e.dataset.n = i)));
		for (let i = 0; i < controls + 20 && reached.size < controls; i++) {
			await page.keyboard.press("Tab");
			const n = await page.evaluate(() => document.activeElement?.dataset?.n);
			if (n !== undefined) reached.add(n);
		}
		assert.equal(reached.size, controls);
		const nameless = await page.$$eval("button, select, input, canvas[tabindex]", (all) => all.filter((e) =>
			!(e.textContent.trim() || e.getAttribute("aria-label") || e.labels?.length)).map((e) => e.outerHTML));
		assert.deepEqual(nameless, []);
		await page.context().close();
	},

	async "dark is dark, and text stands out in both"() {
		for (const colorScheme of ["light", "dark"]) {
			const page = await openPage(browser, file, { colorScheme });
			const ratios = await page.evaluate(() => {
				const style = getComputedStyle(document.documentElement);
				const light = (name) => {
					const [r, g, b] = [1, 3, 5].map((i) => parseInt(style.getPropertyValue(`--${name}`).trim().slice(i, i + 2), 16) / 255)
						.map((c) => (c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
					return 0.2126 * r + 0.7152 * g + 0.0722 * b;
				};
				const ratio = (a, b) => (Math.max(light(a), light(b)) + 0.05) / (Math.min(light(a), light(b)) + 0.05);
				return { text: ["ink", "soft", "warn", "strong"].flatMap((t) => ["paper", "card"].map((p) => [t, p, ratio(t, p)])),
					lines: [0, 1, 2, 3, 4, 5, 6, 7].map((i) => [`d${i}`, "card", ratio(`d${i}`, "card")]), map: ratio("map-live", "map-free"), paper: light("paper") };
			});
			for (const [a, b, r] of ratios.text) assert.ok(r >= 4.5, `${colorScheme}: ${a} on ${b} is ${r.toFixed(1)}:1`);
			for (const [a, b, r] of ratios.lines) assert.ok(r >= 2.4, `${colorScheme}: ${a} on ${b} is ${r.toFixed(1)}:1`);
			assert.ok(ratios.map >= 4.5, `${colorScheme}: live against free is ${ratios.map.toFixed(1)}:1`);
			assert.ok(colorScheme === "dark" ? ratios.paper < 0.05 : ratios.paper > 0.9);
			if (colorScheme === "dark") {
				await picture(page, "dark");
				const map = await pixels(page, firstMap);
				await page.emulateMedia({ colorScheme: "light" });
				await frame(page);
				assert.ok((await pixels(page, firstMap)) !== map, "the map did not follow the theme");
			}
			assert.deepEqual(page.noise, []);
			await page.context().close();
		}
	},

	async "on paper and without JavaScript there are tables and pictures"() {
		const pages = [["print", await openPage(browser, file)], ["nojs", await openPage(browser, file, { javaScriptEnabled: false })]];
		await pages[0][1].emulateMedia({ media: "print" });
		for (const [name, page] of pages) {
			assert.equal(await page.locator(".live-part:visible, #when:visible, canvas:visible").count(), 0, name);
			for (const f of ["series", "gap", "map", "lives"]) assert.ok(await page.locator(`figure[data-figure="${f}"] svg.still`).first().isVisible(), `${name}: ${f}`);
			for (const f of ["classes", "sites", "pins"]) assert.ok(await page.locator(`figure[data-figure="${f}"] table`).first().isVisible(), `${name}: ${f}`);
			const images = await page.locator("svg.still image").count();
			assert.equal(images, meta.designs.length);
			await picture(page, name);
			assert.deepEqual(page.noise, []);
		}
		await pages[0][1].pdf({ path: join(pictures, "print.pdf") });
		for (const [, page] of pages) await page.context().close();
	},

	async "a window of 400 pixels scrolls only downward"() {
		const page = await openPage(browser, file, { viewport: { width: 400, height: 800 } });
		const wide = await page.evaluate(() => [document.documentElement.scrollWidth, ...[...document.querySelectorAll("main > *")].filter((e) => e.getBoundingClientRect().right > 401).map((e) => e.id)]);
		assert.deepEqual(wide, [400]);
		await picture(page, "narrow");
		await page.context().close();
	},

	async "in a narrow window letters can be read, and a row keeps its name while its figures scroll"() {
		const compared = join(pictures, "compared.html");
		execFileSync(join(build, "dmm"), ["compare", "--runs=1", "--warm=0", "--systems=slab", "--peers=none", `--report=${compared}`, "--", "ls", root], { stdio: "ignore" });
		const page = await openPage(browser, compared, { viewport: { width: 400, height: 800 } });
		const small = await page.$$eval("svg", (all) => all.filter((s) => s.viewBox.baseVal.width > 0 && s.querySelector("text") && s.checkVisibility())
			.map((s) => (12 * s.getBoundingClientRect().width) / s.viewBox.baseVal.width).filter((pixels) => pixels < 9));
		assert.deepEqual(small, [], "letters of so many pixels");
		const [before, after, name] = await page.$eval(".wide:has(.scores)", (box) => {
			const figure = box.querySelector("tbody td:last-child"), name = box.querySelector("tbody th"), before = figure.getBoundingClientRect().right;
			box.scrollLeft = box.scrollWidth;
			return [before, figure.getBoundingClientRect().right, name.getBoundingClientRect().left - box.getBoundingClientRect().left];
		});
		assert.ok(before > 400 && after <= 400, `the last figure moves from ${before} to ${after}`);
		assert.ok(Math.abs(name) < 1, `the name stands at ${name}`);
		await picture(page, "narrow-compared");
		await page.context().close();
	},

	async "the page in the tree is the one that its sources make"() {
		if (!existsSync(join(root, "web/node_modules/esbuild"))) return console.log("     (esbuild is not installed: not compared)");
		const to = join(mkdtempSync(join(tmpdir(), "dmm-page-")), "report.html");
		execFileSync("node", [join(root, "web/build.mjs"), to]);
		assert.equal(read(to), readFileSync(join(root, "web/dist/report.html"), "utf8"), "run `make web` and commit web/dist");
	},
};

let failed = 0, ran = 0;
for (const [name, test] of Object.entries(tests)) {
	if (!name.includes(word)) continue;
	ran++;
	try {
		await test();
		console.log(`ok   ${name}`);
	} catch (e) {
		failed++;
		console.log(`FAIL ${name}\n     ${e.message}`);
	}
}
await browser.close();
console.log(`${ran - failed} of ${ran} hold; pictures are in ${pictures}`);
process.exit(failed || !ran ? 1 : 0);
