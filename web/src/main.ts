// main.ts - from the page that stands by itself to one that answers: each figure gets its live part.
import { buildClasses } from "./classes";
import { type Sites, readMeta, readSites, residentOf, seriesOf } from "./data";
import { buildFlame } from "./flame";
import { buildGap } from "./gap";
import { buildLives } from "./lives";
import { buildMaps } from "./map";
import { buildPins } from "./pins";
import { buildSeries } from "./series";
import { type State, peakSample, reference } from "./state";
import { buildWhen } from "./when";

/** Let the browser paint, and the reader act, between two figures. */
const breathe = (): Promise<void> => new Promise((done) => setTimeout(done, 0));

async function start(): Promise<void> {
	const meta = readMeta(), first = document.getElementById("series");
	if (!meta?.events || !first) return;
	const series = await Promise.all(meta.designs.map((d, i) => (d.samples > 0 && d.rows > 0 ? seriesOf(meta, i) : null)));
	const design = series.findIndex((x) => x !== null);
	if (design < 0) return;
	const s: State = { meta, series, resident: [], sample: 0, samples: Math.max(...series.map((x) => x?.events.length ?? 0)), design };
	s.sample = peakSample(s);
	s.resident = await residentOf(meta, reference(s).events);
	let sites: Sites | null = null;
	buildWhen(s, first);
	buildSeries(s);
	buildGap(s);
	await breathe();
	await buildMaps(s, () => sites);
	await breathe();
	await buildClasses(s);
	await buildLives(meta);
	await breathe();
	sites = await readSites();
	if (meta.stacks) buildFlame(s, sites);
	buildPins(s, sites);
}

/** A figure whose script failed shows its still picture again. */
start().catch((e: unknown) => {
	document.documentElement.classList.remove("js");
	console.error(e);
}).finally(() => {
	performance.mark("dmm-ready");
	document.documentElement.dataset.ready = "true";
});
