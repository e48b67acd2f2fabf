// when.ts - the bar that chooses the moment and the design, for all pictures below it.
import { choice, el } from "./dom";
import { bytes, exact, seconds } from "./format";
import { type State, nsOf, peakSample, reference, setDesign, setSample, whenSample } from "./state";

export function buildWhen(s: State, before: Element): void {
	const range = el("input", { type: "range", id: "moment", min: "0", max: String(s.samples - 1), step: "1", "aria-describedby": "moment-text" });
	const output = el("output", { id: "moment-text", for: "moment" });
	const jumps = el("span", { class: "group" });
	const last = s.samples - 1;
	const jump = (text: string, to: number) => {
		const b = el("button", { type: "button" }, text);
		b.addEventListener("click", () => setSample(s, to));
		jumps.append(b);
	};
	jump("Peak", peakSample(s));
	jump("End", last);
	range.addEventListener("input", () => setSample(s, Number(range.value)));

	const show = () => {
		const r = reference(s), i = s.sample, event = r.events[i]!;
		range.value = String(i);
		const at = `call ${exact(event)} of ${exact(r.events[last]!)}`;
		range.setAttribute("aria-valuetext", at);
		output.innerHTML = `<b>${at}</b>${s.meta.ns > 0 ? ` · ${seconds(nsOf(s, event))}` : ""} · ${bytes(r.parts[0]![i]!)} live`;
	};
	whenSample(show);
	show();

	const shown = s.meta.designs.map((d, i) => [String(i), d.name] as [string, string]).filter(([i]) => s.series[Number(i)]);
	const designs = el("span", { class: "tools", style: "margin:0" }, "Detail:", choice("Design in detail", shown, String(s.design), (v) => setDesign(s, Number(v))));
	const bar = el("div", { id: "when", role: "region", "aria-label": "Moment and design" },
		el("label", { for: "moment" }, "Moment"), range, jumps, el("div", { class: "tools", style: "grid-column:1/-1;margin:0" }, output, el("span", { class: "gap" }), designs));
	output.style.gridColumn = "auto";
	before.before(bar);
	document.title = `${document.querySelector("h1")?.textContent ?? "dmm"} – heap report`;
}
