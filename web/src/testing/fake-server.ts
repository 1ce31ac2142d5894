/** For tests: a server of made-up layers that answers when and in the order that a test wants. */
import type { City, Field, LayerDetail, LayerSummary } from "../query/types.ts";

export interface Request {
  address: string;
  answer(body?: unknown, status?: number): void;
  /** No answer at all. */
  lose(): void;
  aborted: boolean;
}

export const CITY: City = {
  title: "Town",
  tagline: "",
  description: "",
  publisher: "",
  language: null,
  languages: ["en"],
  logo: null,
  home: { bounds: [0, 0, 1, 1], camera: null },
  limits: null,
  links: [],
};

export const ROOT = "http://map.example/maps/";

export class FakeServer {
  /** Every request ever made, relative to the page. */
  asked: string[] = [];
  /** Those that wait for an answer. */
  waiting: Request[] = [];
  layers: LayerSummary[];

  constructor(ids: string[]) {
    this.layers = ids.map((id, index) => makeLayer(id, index));
  }

  readonly fetch = ((address: string, { signal }: { signal: AbortSignal }): Promise<Response> => {
    if (!address.startsWith(ROOT)) throw new Error(`not under the page: ${address}`);
    return new Promise((resolve, reject) => {
      const request: Request = {
        address: address.slice(ROOT.length),
        answer: (body = this.answerTo(request.address), status = 200) => {
          this.#done(request);
          resolve(new Response(JSON.stringify(body), { status }));
        },
        lose: () => {
          this.#done(request);
          reject(new TypeError("Failed to fetch"));
        },
        aborted: false,
      };
      signal.addEventListener("abort", () => {
        request.aborted = true;
        this.#done(request);
        reject(new DOMException("aborted", "AbortError"));
      });
      this.asked.push(request.address);
      this.waiting.push(request);
    });
  }) as unknown as typeof fetch;

  #done(request: Request): void {
    this.waiting = this.waiting.filter((other) => other !== request);
  }

  find(part: string): Request {
    const found = this.waiting.find(({ address }) => address.includes(part));
    if (!found) throw new Error(`nothing waits for ${part}: ${this.waiting.map(({ address }) => address).join(" ")}`);
    return found;
  }

  /** What a server in good health says. */
  answerTo(address: string): unknown {
    const { pathname, searchParams } = new URL(address, ROOT);
    const [kind, second = "", third, fourth] = pathname.slice(new URL(ROOT).pathname.length).split("/");
    if (kind === "healthz") return { status: "ok" };
    if (kind === "ogc") return { features: [{ id: 1, properties: { kind: third } }] };
    if (kind === "styles") return this.#style(searchParams.get("layers") ?? "", searchParams.get("features-from"));
    const filter = searchParams.get("filter") ?? "";
    if (kind === "tiles") return this.#tileJson(second.replace(".json", ""), filter);
    if (!third && second === "layers") return { city: CITY, layers: this.layers };
    const layer = this.layers.find(({ id }) => id === third)!;
    if (!fourth) return detailOf(layer);
    if (fourth === "summary") return { layer: layer.id, total: layer.count, count: countOf(layer.id, filter), facets: {}, histograms: {} };
    return { type: "Feature", id: 1, geometry: { type: "Point", coordinates: [0, 0] }, properties: {} };
  }

  #tileJson(id: string, filter: string): unknown {
    const from = filter ? 3 : 13;
    return { tiles: [`${ROOT}tiles/${id}/{z}/{x}/{y}.mvt?filter=${filter}&features-from=${from}`], features_from: from };
  }

  #style(layers: string, from: string | null): unknown {
    const sources = layers
      .split(",")
      .filter(Boolean)
      .map((id) => [id, { type: "vector", url: `${ROOT}tiles/${id}.json` }]);
    return { version: 8, name: from ?? "", sources: Object.fromEntries(sources) as unknown, layers: [] };
  }
}

/** Of which another filter gives another number. */
export const countOf = (id: string, filter: string): number => id.length * 100 + filter.length;

function makeLayer(id: string, index: number): LayerSummary {
  return {
    id,
    title: id.toUpperCase(),
    theme: "Theme",
    basemap: false,
    visible: index < 2,
    order: index,
    count: 1000 + index,
    version: "1",
    time: index % 2 ? null : "seen",
    nouns: null,
    language: null,
    features_from: 13,
  };
}

function detailOf(layer: LayerSummary): LayerDetail {
  const fields = [makeField("kind", "text", "choice"), makeField("height", "number", "range")];
  if (layer.time) fields.push(makeField("seen", "timestamp", "range"));
  return {
    ...layer,
    description: "",
    keywords: [],
    field_titles: [],
    kind: "points",
    geometry: "points",
    license: "CC0-1.0",
    attribution: "",
    bounds: [0, 0, 1, 1],
    rejected: 0,
    updated: "2026-01-01T00:00:00Z",
    label: null,
    data_language: null,
    tiles: "ready",
    links: [],
    fields,
    notes: [],
    parameters: [],
    readings: null,
    downloads: [],
    crs: "EPSG:4326",
    legend: [],
    bins: null,
  };
}

export function makeField(name: string, type: Field["type"], filter: Field["filter"]): Field {
  return {
    name,
    title: name,
    description: "",
    type,
    unit: "",
    filter,
    labels: {},
    limits: [],
    latest: false,
    language: null,
    labels_language: null,
  };
}
