// state.ts - the one moment that all pictures show, and the design that the detailed ones show.
import type { Meta, Resident, Series } from "./data";

export interface State { meta: Meta; series: (Series | null)[]; resident: Resident[]; sample: number; samples: number; design: number }

type Listener = (s: State) => void;
const onSample: Listener[] = [], onDesign: Listener[] = [];

export const whenSample = (f: Listener): void => void onSample.push(f);
export const whenDesign = (f: Listener): void => void onDesign.push(f);

export function setSample(s: State, sample: number): void {
	const to = Math.max(0, Math.min(s.samples - 1, Math.round(sample)));
	if (to === s.sample) return;
	s.sample = to;
	for (const f of onSample) f(s);
}

export function setDesign(s: State, design: number): void {
	s.design = design;
	for (const f of onDesign) f(s);
}

/** All designs are sampled after the same calls; one that ended early has fewer. */
export const reference = (s: State): Series => s.series.reduce((a, b) => (b && (!a || b.events.length > a.events.length) ? b : a))!;

export function sampleOf(s: State, event: number): number {
	const events = reference(s).events;
	let low = 0, high = events.length - 1;
	while (low < high) {
		const mid = (low + high) >> 1;
		if (events[mid]! < event) low = mid + 1;
		else high = mid;
	}
	return low;
}

/** The sample next to the peak, before or behind it: the one that shows more live data. */
export function peakSample(s: State): number {
	const live = reference(s).parts[0]!, behind = sampleOf(s, s.meta.peak_event), before = Math.max(0, behind - 1);
	return live[before]! > live[behind]! ? before : behind;
}

/** Nanoseconds at a call, between the samples around it. */
export function nsOf(s: State, event: number): number {
	const { events, ns } = reference(s), i = sampleOf(s, event);
	const e0 = i > 0 ? events[i - 1]! : 0, n0 = i > 0 ? ns[i - 1]! : 0;
	const share = events[i]! > e0 ? (Math.min(event, events[i]!) - e0) / (events[i]! - e0) : 1;
	return n0 + share * (ns[i]! - n0);
}
