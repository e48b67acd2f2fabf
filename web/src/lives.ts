// lives.ts - how long objects of which size live.
import { type Meta, tile } from "./data";
import { choice, el, figure, hideTip, livePart, showTip } from "./dom";
import { bytes, count, percent, plural, seconds } from "./format";

/** The least size of a column: 0 B, 1 B, 2 B, ... */
const power = (k: number): string => (k === 0 ? "0 B" : `${2 ** ((k - 1) % 10)} ${["B", "KiB", "MiB", "GiB"][Math.floor((k - 1) / 10)]}`);
const SIZES = 40, TIMES = 48;

export async function buildLives(meta: Meta): Promise<void> {
	const f = figure("lives");
	if (!f) return;
	const part = livePart(f), box = el("div");
	let by: "calls" | "ns" = meta.ns > 0 ? "ns" : "calls", what: "count" | "bytes" = "count", cells: Float64Array;

	const time = (t: number) => (by === "ns" ? seconds(2 ** t) : plural(2 ** t, "call"));
	const draw = async () => {
		cells = await tile(`life-${by}-${what}`, "f64");
		let s0 = SIZES, s1 = 0, t0 = TIMES, t1 = 0, most = 1;
		for (let t = 0; t < TIMES; t++)
			for (let k = 0; k < SIZES; k++) {
				const v = cells[t * SIZES + k]!;
				if (v === 0) continue;
				[s0, s1, most] = [Math.min(s0, k), Math.max(s1, k), Math.max(most, v)];
				if (t < TIMES - 1) [t0, t1] = [Math.min(t0, t), Math.max(t1, t)];
			}
		if (s0 > s1) return;
		t0 = Math.min(t0, t1);
		const w = Math.min(60, 860 / (s1 - s0 + 1)), h = 14, bottom = 28 + h * (t1 - t0 + 1);
		let svg = "";
		const row = (t: number, y: number) => {
			for (let k = s0; k <= s1; k++) {
				const v = cells[t * SIZES + k]!;
				if (v > 0) svg += `<rect class="heat" data-t="${t}" data-k="${k}" x="${(92 + (k - s0) * w).toFixed(1)}" y="${y}" width="${(w - 1).toFixed(1)}" height="${h - 1}" fill-opacity="${(0.07 + 0.93 * (Math.log1p(v) / Math.log1p(most))).toFixed(3)}"/>`;
			}
		};
		row(TIMES - 1, 4);
		svg += `<text class="tick end" x="86" y="15">never freed</text>`;
		for (let t = t0; t <= t1; t++) {
			const y = bottom - h * (t - t0 + 1);
			row(t, y);
			if ((t - t0) % 4 === 0) svg += `<text class="tick end" x="86" y="${y + 11}">${t === 0 ? "0" : `≥ ${by === "ns" ? seconds(2 ** (t - 1)) : count(2 ** (t - 1))}`}</text>`;
		}
		for (let k = s0; k <= s1; k += w < 55 ? 2 : 1) svg += `<text class="tick" x="${(92 + (k - s0) * w).toFixed(1)}" y="${bottom + 16}">${power(k)}</text>`;
		box.innerHTML = `<svg viewBox="0 0 960 ${bottom + 24}" role="img" aria-label="Objects by size and lifetime">${svg}</svg>`;
	};
	box.addEventListener("pointermove", (e) => {
		const d = (e.target as SVGElement).dataset;
		if (d.t === undefined) return hideTip();
		const t = Number(d.t), k = Number(d.k), v = cells[t * SIZES + k]!, all = cells.reduce((a, b) => a + b, 0);
		showTip(e.clientX, e.clientY, `<b>${what === "count" ? plural(v, "object") : bytes(v)}</b>, ${percent(v / all)} of all<br>of ${k === 0 ? power(0) : `${power(k)} to under ${power(k + 1)}`}, `
			+ (t === TIMES - 1 ? "never freed" : t === 0 ? "freed at once" : `living ${time(t - 1)} to ${time(t)}`));
	});
	box.addEventListener("pointerleave", hideTip);
	part.append(el("div", { class: "tools" }, choice("Count", [["count", "Objects"], ["bytes", "Bytes"]], what, (v) => { what = v; void draw(); }),
		...(meta.ns > 0 ? [choice<"ns" | "calls">("Lifetime in", [["ns", "in time"], ["calls", "in calls"]], by, (v) => { by = v; void draw(); })] : [])), box);
	await draw();
}
