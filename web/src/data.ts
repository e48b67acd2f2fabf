// data.ts - the page's data: one JSON object, and tiles that are unpacked when first asked for.

export interface Pins {
	event: number; footprint: number; payload: number; sparse: number; sparse_live: number;
	stretches: number; sites: number;
	/** site (0: unknown), survivors, their bytes, bytes they alone hold, bytes held with others */
	pins: [number, number, number, number, number][];
}
export type Scale = "page" | "slab" | "huge";
export type PinMoment = "peak" | "worst" | "end";
export interface Design {
	name: string; doc: string; problem: string | null; samples: number; peak: number; peak_event: number;
	peak_parts: number[]; granule: number; rows: number; classed: boolean; blocks_cover: number;
	/** address of the first row, number of that row */
	regions: [number, number][];
	pins: Record<PinMoment, Record<Scale, Pins>>;
}
export interface Moment { name: string | null; event: number; ns: number; payload: number }
export interface Measured { name: string; kind: string; tile: number }
export interface Meta {
	schema: string; version: number; events?: number; ns: number; peak_payload: number; peak_event: number;
	stacks: boolean; sites: number; moments: Moment[]; parts: string[]; designs: Design[]; measured: Measured[];
}

type Arrays = { u8: Uint8Array; u16: Uint16Array; u32: Uint32Array; f32: Float32Array; f64: Float64Array };
const widths = { u8: 1, u16: 2, u32: 4, f32: 4, f64: 8 };

export function readMeta(): Meta | null {
	const text = document.getElementById("dmm")?.textContent;
	const meta = text ? (JSON.parse(text) as Meta) : null;
	return meta?.schema === "dmm-report" && meta.version === 1 ? meta : null;
}

function bytesOf(text: string): Uint8Array<ArrayBuffer> {
	const raw = atob(text), bytes = new Uint8Array(raw.length);
	for (let i = 0; i < raw.length; i++) bytes[i] = raw.charCodeAt(i);
	return bytes;
}

async function inflate(packed: Uint8Array<ArrayBuffer>): Promise<Uint8Array> {
	const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate"));
	return new Uint8Array(await new Response(stream).arrayBuffer());
}

const known = new Map<string, Promise<ArrayBufferView>>();

async function unpack(id: string): Promise<ArrayBufferView> {
	const element = document.getElementById(id);
	if (!element) throw new Error(`the page has no tile ${id}`);
	const type = element.dataset.type as keyof Arrays, n = Number(element.dataset.n), width = widths[type];
	const ranked = await inflate(bytesOf(element.textContent ?? ""));
	element.remove(); // its text is not needed twice
	const bytes = new Uint8Array(n * width);
	for (let b = 0; b < width; b++)
		for (let i = 0, from = b * n; i < n; i++) bytes[i * width + b] = ranked[from + i]!;
	const buffer = bytes.buffer;
	return type === "u8" ? bytes : type === "u16" ? new Uint16Array(buffer) : type === "u32" ? new Uint32Array(buffer)
		: type === "f32" ? new Float32Array(buffer) : new Float64Array(buffer);
}

export function tile<T extends keyof Arrays>(id: string, _type: T): Promise<Arrays[T]> {
	let found = known.get(id);
	if (!found) known.set(id, (found = unpack(id)));
	return found as unknown as Promise<Arrays[T]>;
}

// ---- a design's series, one array a quantity ----

export interface Series { events: Float64Array; ns: Float64Array; footprint: Float64Array; hole: Float64Array; parts: Float64Array[] }

export async function seriesOf(meta: Meta, index: number): Promise<Series> {
	const parts = meta.parts.length, stride = 4 + parts;
	const all = await tile(`d${index}-series`, "f64"), n = all.length / stride;
	const column = (k: number) => Float64Array.from({ length: n }, (_, i) => all[i * stride + k]!);
	return { events: column(0), ns: column(1), footprint: column(2), hole: column(3),
		parts: Array.from({ length: parts }, (_, p) => column(4 + p)) };
}

// ---- resident memory, measured ----

/** What was so after each sample's calls: taken over to the samples of the designs. */
export interface Resident { name: string; kind: string; color: number; payload: Float64Array; usable: Float64Array; rss: Float64Array }

export async function residentOf(meta: Meta, events: Float64Array): Promise<Resident[]> {
	let next = meta.designs.length;
	return Promise.all((meta.measured ?? []).map(async (m) => {
		const all = await tile(`m${m.tile}-series`, "f64"), n = all.length / 5, design = meta.designs.findIndex((d) => d.name === m.name);
		const color = design >= 0 ? design : next++;
		const column = (k: number) => {
			const out = new Float64Array(events.length);
			for (let i = 0, at = 0; i < events.length; i++) {
				while (at + 1 < n && all[5 * (at + 1)]! <= events[i]!) at++;
				out[i] = all[5 * at + k]!;
			}
			return out;
		};
		return { name: m.name, kind: m.kind, color, payload: column(2), usable: column(3), rss: column(4) };
	}));
}

// ---- call sites ----

export interface Sites {
	count: number; nodes: number; parent: Uint32Array; nameOf: (node: number) => string; node: Uint32Array;
	total: Float64Array; bytes: Float32Array; counts: Float32Array;
	/** innermost first */
	frames: (site: number, most?: number) => string[];
	label: (site: number) => string;
}

const wrapper = /^(x?malloc|x?calloc|x?realloc(array)?|x?strn?dup|operator new|_Zn[wa]m|g_(malloc|realloc|slice)|__gnu_cxx::|std::|_?PyMem_|_?PyObject_Malloc|z(m|c|re)alloc|sqlite3_?(Db)?[mM]alloc|alloc::|__r(ust|g)_)/;

export async function readSites(): Promise<Sites> {
	const [names, parent, name, node, total, bytes, counts] = await Promise.all([tile("names", "u8"),
		tile("node-parent", "u32"), tile("node-name", "u32"), tile("site-node", "u32"), tile("site-total", "f64"),
		tile("site-bytes", "f32"), tile("site-count", "f32")]);
	const words = new TextDecoder().decode(names).split("\n");
	const nameOf = (n: number) => words[name[n - 1]!] ?? "?";
	const frames = (site: number, most = 6) => {
		const out: string[] = [];
		for (let n = site > 0 ? node[site - 1]! : 0; n !== 0 && out.length < most; n = parent[n - 1]!) out.push(nameOf(n));
		return out;
	};
	const label = (site: number) => {
		const all = frames(site);
		return all.find((f) => !wrapper.test(f)) ?? all[0] ?? "an unknown call site";
	};
	return { count: node.length, nodes: parent.length, parent, nameOf, node, total, bytes, counts, frames, label };
}
