// gap.ts - each design's footprint at the chosen moment, by cause.
import { el, figure, hideTip, livePart, onResize, showTip } from "./dom";
import { bytes, escape, percent } from "./format";
import { type State, whenSample } from "./state";

export const partTitles = ["payload", "padding", "headers, tables", "free in bins", "caches", "tails", "retained"];
const meanings = ["what the program asked for and has", "given beyond what was asked: rounding to classes", "headers, footers, links, tables: the design's own",
	"free, in bins or slabs, for the next request of that size", "freed, waiting to be merged or sorted in", "ends of pages and slabs that no request can get",
	"free beyond the bins: the heap's top, whole runs"];

export function svgBox(part: number): string {
	return `<svg viewBox="0 0 18 12" aria-hidden="true"><rect width="18" height="12" fill="url(#p${part})" class="seg"/></svg>`;
}

export function buildGap(s: State): void {
	const f = figure("gap");
	if (!f) return;
	const part = livePart(f), shown = s.series.map((_, i) => i).filter((i) => s.series[i]);
	const measured = s.resident, most = Math.max(1, ...measured.map((r) => r.rss.reduce((a, b) => Math.max(a, b), 0)), ...shown.map((i) => s.series[i]!.footprint.reduce((a, b) => Math.max(a, b), 0)));
	const nameWidth = 18 + 9.2 * Math.max(...shown.map((i) => s.meta.designs[i]!.name.length), ...measured.map((r) => r.name.length));
	const box = el("div"), readout = el("p", { class: "readout", "aria-live": "polite" });
	const used = partTitles.map((_, p) => p).filter((p) => shown.some((i) => s.series[i]!.parts[p]!.some((v) => v > 0)));

	const draw = () => {
		const width = Math.max(340, Math.min(960, part.clientWidth)), room = width - nameWidth - (measured.length ? 190 : 96);
		let y = 2, svg = "";
		for (const i of shown) {
			const d = s.series[i]!, k = Math.min(s.sample, d.events.length - 1);
			let x = nameWidth;
			svg += `<text class="name end" x="${nameWidth - 10}" y="${y + 17}">${escape(s.meta.designs[i]!.name)}</text>`;
			for (const p of used) {
				const w = (d.parts[p]![k]! / most) * room;
				if (w >= 0.05) svg += `<rect data-d="${i}" data-p="${p}" x="${x.toFixed(1)}" y="${y}" width="${w.toFixed(1)}" height="25" fill="url(#p${p})" class="seg"/>`;
				x += w;
			}
			svg += `<text class="tick" x="${(x + 7).toFixed(1)}" y="${y + 17}">${bytes(d.footprint[k]!)}</text>`;
			y += 35;
		}
		if (measured.length) {
			svg += `<text class="tick" x="0" y="${y + 20}">Measured on real memory: resident, asked for, usable</text>`;
			y += 32;
		}
		for (const r of measured) {
			const k = Math.min(s.sample, r.rss.length - 1), parts = [r.payload[k]!, r.usable[k]! - r.payload[k]!, r.rss[k]! - r.usable[k]!];
			let x = nameWidth;
			svg += `<text class="name end" x="${nameWidth - 10}" y="${y + 15}">${escape(r.name)}</text>`;
			parts.forEach((v, j) => {
				const w = (Math.max(0, v) / most) * room, p = [0, 1, 6][j]!;
				if (w >= 0.05) svg += `<rect x="${x.toFixed(1)}" y="${y}" width="${w.toFixed(1)}" height="20" fill="url(#p${p})" class="seg"><title>${escape(r.name)}: ${["asked for", "usable beyond that", "resident beyond what is usable"][j]} ${bytes(v)}</title></rect>`;
				x += w;
			});
			const untouched = r.usable[k]! > r.rss[k]! * 1.01 ? `, ${bytes(r.usable[k]! - r.rss[k]!)} not touched` : "";
			svg += `<text class="tick" x="${(x + 7).toFixed(1)}" y="${y + 15}">${bytes(r.rss[k]!)} resident${untouched}</text>`;
			y += 28;
		}
		box.innerHTML = `<svg viewBox="0 0 ${width} ${y}" role="img" aria-label="Footprint by cause at the chosen moment">${svg}</svg>`;
		readout.innerHTML = shown.map((i) => {
			const d = s.series[i]!, k = Math.min(s.sample, d.events.length - 1);
			return `${escape(s.meta.designs[i]!.name)} <b>${d.footprint[k]! > 0 ? percent(d.parts[0]![k]! / d.footprint[k]!) : "–"}</b>`;
		}).join(" · ") + " of the footprint is the program’s data at this moment";
	};
	box.addEventListener("pointermove", (e) => {
		const t = e.target as SVGElement;
		if (t.dataset.p === undefined) return hideTip();
		const d = Number(t.dataset.d), p = Number(t.dataset.p), series = s.series[d]!, k = Math.min(s.sample, series.events.length - 1);
		showTip(e.clientX, e.clientY, `<b>${escape(s.meta.designs[d]!.name)}: ${partTitles[p]}</b><br>${bytes(series.parts[p]![k]!)}, ${percent(series.parts[p]![k]! / series.footprint[k]!)} of its footprint<br><small>${meanings[p]}</small>`);
	});
	box.addEventListener("pointerleave", hideTip);
	const legend = el("div", { class: "legend" });
	legend.innerHTML = used.map((p) => `<span title="${escape(meanings[p]!)}">${svgBox(p)}${partTitles[p]}</span>`).join("");
	part.append(box, legend, readout);
	draw();
	onResize(part, draw);
	whenSample(draw);
}
