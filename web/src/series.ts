// series.ts - live, usable, footprint and the largest hole over time, all designs in one chart.
import uPlot from "uplot";
import { choice, color, el, figure, livePart, onResize, onTheme } from "./dom";
import { bytes, count, escape, exact, seconds } from "./format";
import { type State, reference, setSample, whenSample } from "./state";

type Quantity = "footprint" | "usable" | "gap" | "hole" | "resident";
/** A line: its name, the number of its colour and dash, and a value for each sample. */
interface Line { name: string; color: number; y: (number | null)[] }
const dashes: (number[] | undefined)[] = [undefined, [8, 3], [2, 3], [10, 3, 2, 3], [4, 2], [1, 2], [12, 2, 2, 2, 2, 2], [6, 6]];
const unit = 1024, HEIGHT = 320;

function ticks(_u: uPlot, _axis: number, low: number, high: number): number[] {
	let scale = 1;
	while (scale * unit <= high) scale *= unit;
	const raw = (high - low) / scale / 5, ten = 10 ** Math.floor(Math.log10(raw || 1));
	const step = ten * scale * (raw / ten <= 1 ? 1 : raw / ten <= 2 ? 2 : raw / ten <= 5 ? 5 : 10);
	const out = [];
	for (let v = Math.ceil(low / step) * step; v <= high; v += step) out.push(v);
	return out;
}

export function buildSeries(s: State): void {
	const f = figure("series");
	if (!f) return;
	const part = livePart(f), shown = s.series.map((_, i) => i).filter((i) => s.series[i]);
	let quantity: Quantity = "footprint", byTime = false, plot: uPlot | null = null;
	const readout = el("p", { class: "readout" }), box = el("div");

	const xs = () => (byTime ? reference(s).ns.map((v) => v * 1e-9) : reference(s).events);
	const designLine = (i: number): Line => {
		const d = s.series[i]!, n = reference(s).events.length;
		return { name: s.meta.designs[i]!.name, color: i % 8, y: Array.from({ length: n }, (_, k) => k >= d.events.length ? null : quantity === "footprint" ? d.footprint[k]!
			: quantity === "usable" ? d.parts[0]![k]! + d.parts[1]![k]! : quantity === "gap" ? d.footprint[k]! - d.parts[0]![k]! : d.hole[k]!) };
	};
	const makeLines = (): Line[] => quantity === "resident" ? s.resident.map((r) => ({ name: r.name, color: r.color % 8, y: [...r.rss] })) : shown.map(designLine);
	let lines: Line[] = makeLines();
	const tell = (i: number) => {
		const r = reference(s);
		readout.innerHTML = `<b>call ${exact(r.events[i]!)}</b>${s.meta.ns > 0 ? ` · ${seconds(r.ns[i]!)}` : ""} · live <b>${bytes(r.parts[0]![i]!)}</b>`
			+ lines.map((l) => (l.y[i] == null ? "" : ` · ${escape(l.name)} <b>${bytes(l.y[i]!)}</b>`)).join("");
	};
	// The chosen moment, and the names at the ends of the lines, pushed apart.
	const paint = (u: uPlot) => {
		const g = u.ctx, ratio = devicePixelRatio || 1, x = u.valToPos(u.data[0][s.sample]!, "x", true);
		g.save();
		if (x >= u.bbox.left && x <= u.bbox.left + u.bbox.width) {
			g.setLineDash([]);
			g.strokeStyle = color("ink");
			g.lineWidth = ratio;
			g.beginPath();
			g.moveTo(x, u.bbox.top);
			g.lineTo(x, u.bbox.top + u.bbox.height);
			g.stroke();
		}
		const names = lines.map((l) => ({ l, y: u.valToPos(l.y[l.y.findLastIndex((v) => v != null)] ?? 0, "y", true) })).sort((p, q) => p.y - q.y);
		for (let i = 1; i < names.length; i++) names[i]!.y = Math.max(names[i]!.y, names[i - 1]!.y + 16 * ratio);
		const over = Math.max(0, (names.at(-1)?.y ?? 0) - (u.bbox.top + u.bbox.height));
		g.font = `${12 * ratio}px system-ui, sans-serif`;
		g.textBaseline = "middle";
		g.textAlign = "left";
		for (const n of names) {
			const at = u.bbox.left + u.bbox.width + 8 * ratio;
			g.strokeStyle = color(`d${n.l.color}`);
			g.lineWidth = 2 * ratio;
			g.setLineDash((dashes[n.l.color] ?? []).map((v) => v * ratio));
			g.beginPath();
			g.moveTo(at, n.y - over);
			g.lineTo(at + 22 * ratio, n.y - over);
			g.stroke();
			g.setLineDash([]);
			g.fillStyle = color("ink");
			g.fillText(n.l.name, at + 27 * ratio, n.y - over);
		}
		g.restore();
	};
	const build = () => {
		plot?.destroy();
		lines = makeLines();
		const axis = { stroke: () => color("soft"), grid: { stroke: () => color("hair"), width: 1 }, ticks: { show: false }, font: "12px system-ui, sans-serif" };
		const widest = Math.min(140, Math.max(...lines.map((l) => l.name.length)) * 7 + 40);
		plot = new uPlot({
			width: box.clientWidth, height: HEIGHT, padding: [10, widest, 0, 0], legend: { show: false },
			cursor: { points: { size: 6 }, drag: { x: true, y: false } },
			scales: { x: { time: false }, y: { range: (_u, _low, high) => [0, (high || 1) * 1.04] } },
			axes: [{ ...axis, values: (_u, v) => v.map((e) => (byTime ? seconds(e * 1e9) : count(e))) },
				{ ...axis, size: 72, splits: ticks, values: (_u, v) => v.map((b) => (b === 0 ? "0" : bytes(b))) }],
			series: [{}, { fill: () => color("live-fill"), stroke: () => color("live-edge"), width: 1, points: { show: false } },
				...lines.map((l) => ({ stroke: () => color(`d${l.color}`), width: 2, points: { show: false }, ...(dashes[l.color] ? { dash: dashes[l.color]! } : {}) }))],
			hooks: { draw: [paint], setCursor: [(u) => u.cursor.idx != null && tell(u.cursor.idx)],
				ready: [(u) => u.over.addEventListener("click", () => u.cursor.idx != null && setSample(s, u.cursor.idx))] },
		}, [xs(), quantity !== "gap" && quantity !== "hole" ? reference(s).parts[0]! : xs().map(() => NaN), ...lines.map((l) => l.y)] as uPlot.AlignedData, box);
		plot.over.setAttribute("aria-hidden", "true");
		tell(s.sample);
	};
	part.append(el("div", { class: "tools" },
		choice<Quantity>("Quantity", [["footprint", "Footprint"], ["usable", "Usable"], ["gap", "Gap"], ["hole", "Largest hole"], ...(s.resident.length ? [["resident", "Resident, measured"] as [Quantity, string]] : [])], quantity, (v) => { quantity = v; build(); }),
		el("span", { class: "gap" }),
		...(s.meta.ns > 0 ? [choice("Horizontal axis", [["calls", "by calls"], ["time", "by time"]], "calls", (v) => { byTime = v === "time"; build(); })] : [])), box, readout);
	build();
	whenSample(() => { plot?.redraw(false); tell(s.sample); });
	onResize(box, () => plot?.setSize({ width: box.clientWidth, height: HEIGHT }));
	onTheme(build);
}
