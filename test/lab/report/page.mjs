// page.mjs - what the browser test and the bench share: Chromium, pages, and tiles read without the page.
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { inflateSync } from "node:zlib";

export const root = join(dirname(fileURLToPath(import.meta.url)), "../../..");
const SKIPPED = 77, PATIENCE_MS = 300000; // with a browser on a loaded machine

export function skip(why) {
	console.log(`skipped: ${why}`);
	process.exit(SKIPPED);
}

export async function openBrowser() {
	const path = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"].find(existsSync);
	if (!path) skip("no Chromium: apt-get install chromium");
	let playwright;
	try {
		playwright = createRequire(join(root, "web/package.json"))("playwright-core");
	} catch {
		skip("no playwright-core: (cd web && npm ci --ignore-scripts)");
	}
	// containers often have 64 MiB of /dev/shm, and a picture of a whole page needs more
	return playwright.chromium.launch({ executablePath: path, timeout: PATIENCE_MS, args: ["--headless", "--no-sandbox", "--disable-gpu",
		"--disable-quic", "--disable-dev-shm-usage", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"] });
}

/** A report of a recording, made by the command. */
export function makeReport(build, trace, to, ...options) {
	mkdirSync(dirname(to), { recursive: true });
	execFileSync(join(build, "dmm"), ["report", trace, "-o", to, "--runs=0", ...options], { stdio: ["ignore", "ignore", "pipe"] });
	return to;
}

export const metaOf = (html) => JSON.parse(html.match(/id="dmm">(.*?)<\/script>/s)[1]);

export function tileOf(html, id) {
	const [, type, count, text] = html.match(new RegExp(`id="${id}" data-type="(\\w+)" data-n="(\\d+)">([^<]*)<`));
	const ranked = inflateSync(Buffer.from(text, "base64")), n = Number(count), width = Number(type.slice(1)) / 8;
	const bytes = new Uint8Array(n * width);
	for (let b = 0; b < width; b++) for (let i = 0; i < n; i++) bytes[i * width + b] = ranked[b * n + i];
	return new { u8: Uint8Array, u32: Uint32Array, f32: Float32Array, f64: Float64Array }[type](bytes.buffer);
}

export const read = (path) => readFileSync(path, "utf8");

/** Open a page and wait until it answers; what it says and asks for is noted in `page.noise`. */
export async function openPage(browser, file, options = {}) {
	const context = await browser.newContext({ viewport: { width: 1200, height: 900 }, ...options });
	context.setDefaultTimeout(PATIENCE_MS);
	const page = await context.newPage();
	page.noise = [];
	page.on("console", (m) => page.noise.push(`console ${m.type()}: ${m.text()}`));
	page.on("pageerror", (e) => page.noise.push(`error: ${e.message}`));
	page.on("request", (r) => /^(file|data|blob):/.test(r.url()) || page.noise.push(`request: ${r.url()}`));
	await page.goto(`file://${file}`);
	if (options.javaScriptEnabled !== false) await page.waitForSelector("html[data-ready=true]");
	return page;
}
