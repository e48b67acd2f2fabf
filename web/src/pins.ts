// pins.ts - who keeps sparse memory: per design, moment and scale.
import type { PinMoment, Scale, Sites } from "./data";
import { choice, el, figure, livePart } from "./dom";
import { bytes, escape, exact, percent, plural } from "./format";
import { type State, whenDesign } from "./state";

const scaleNames: Record<Scale, string> = { page: "4 KiB pages", slab: "64 KiB stretches", huge: "2 MiB huge pages" };
const momentNames: Record<PinMoment, string> = { peak: "at the peak", worst: "when its gap is widest", end: "at the end" };

export function buildPins(s: State, sites: Sites): void {
	const f = figure("pins");
	if (!f) return;
	const part = livePart(f), body = el("div");
	let scale: Scale = "page", moment: PinMoment = "worst";

	const draw = () => {
		const d = s.meta.designs[s.design]!, p = d.pins[moment][scale], most = Math.max(1, ...p.pins.map((x) => x[3] + x[4]));
		if (p.pins.length === 0) {
			body.innerHTML = `<p class="says"><b>${escape(d.name)}</b> ${momentNames[moment]}: none of its ${scaleNames[scale]} is less than a quarter live. Nothing is pinned.</p>`;
			return;
		}
		const first = p.pins[0]!, held = first[3] || first[4];
		body.innerHTML = `<p class="says"><b>${plural(first[1], "survivor")} from ${escape(sites.label(first[0]))}</b> hold${first[1] === 1 ? "s" : ""} <b>${bytes(held)}</b>${first[3] ? "" : " together with others"} in ${escape(d.name)} ${momentNames[moment]} (call ${exact(p.event)}). `
			+ `In all, ${plural(p.stretches, "sparse stretch").replace(/hs$/, "hes")} take ${bytes(p.sparse)} for ${bytes(p.sparse_live)} of data, ${percent(p.sparse / Math.max(1, p.footprint))} of its footprint then.</p>`
			+ `<div class="wide"><table><thead><tr><th scope="col">Survivors of</th><th scope="col">objects</th><th scope="col">their bytes</th><th scope="col">freeing them gives back</th><th scope="col">held with others</th></tr></thead><tbody>`
			+ p.pins.slice(0, 15).map(([site, n, size, alone, shared]) => {
				const frames = sites.frames(site);
				return `<tr><th scope="row"><span class="who">${escape(sites.label(site))}</span>${frames.length > 1 ? `<br><span class="range">${frames.map(escape).join(" ← ")}</span>` : ""}</th><td class="n">${exact(n)}</td><td class="n">${bytes(size)}</td>`
					+ `<td class="n withbar">${bytes(alone)}<span class="bar" style="--v:${((100 * alone) / most).toFixed(1)}%"></span></td><td class="n">${bytes(shared)}</td></tr>`;
			}).join("") + `</tbody></table></div>${p.sites > 15 ? `<p class="note">${exact(p.sites - 15)} more call sites hold less.</p>` : ""}`;
	};
	part.append(el("div", { class: "tools" },
		choice<PinMoment>("Moment", [["peak", "Peak"], ["worst", "Widest gap"], ["end", "End"]], moment, (v) => { moment = v; draw(); }),
		choice<Scale>("Scale", [["page", "4 KiB"], ["slab", "64 KiB"], ["huge", "2 MiB"]], scale, (v) => { scale = v; draw(); })), body);
	draw();
	whenDesign(draw);
}
