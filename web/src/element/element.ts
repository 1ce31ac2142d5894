/**
 * `<city-map>`: a map of the city in any page. What stands between its tags is seen where scripts do not run, and until the map
 * is there. Without `height` and `ratio` it is as high as the map would like to be.
 */
import { pictureOf, widgetOf } from "./address.ts";

const OURS = "city-map";
const NAMES = ["src", "server", "query", "height", "ratio", "title", "theme", "lang"] as const;
type Name = (typeof NAMES)[number];

const RATIO = /^(\d+(?:\.\d+)?)\s*[:/]\s*(\d+(?:\.\d+)?)$/;
const USUAL = [16, 10] as const;
/** Pixels of the picture, whoever looks at it: then one picture is there for all. */
const WIDTH = 800;
/** Milliseconds after which a page that says nothing is shown as it is. */
const PATIENCE = 4000;
/** Pixels that a map may ask for at most. */
const HIGHEST = 4000;

const SHEET = `
:host { display: block; position: relative; }
:host([hidden]) { display: none; }
figure { position: relative; width: 100%; min-height: inherit; margin: 0; overflow: hidden; }
iframe { position: absolute; inset: 0; width: 100%; height: 100%; border: 0; visibility: hidden; }
slot { display: block; height: 100%; overflow: hidden; }
img { display: block; width: 100%; height: 100%; object-fit: cover; }
.ready iframe { visibility: visible; }
.ready slot { display: none; }
`;

/** Where this script came from: the server that is meant where none is named. */
const script = document.currentScript;
const HOME = script instanceof HTMLScriptElement && script.src ? new URL(".", script.src).href : null;

/** Of the messages of a widget, ours. */
interface Message {
  source: typeof OURS;
  event: "ready" | "height" | "change" | "select";
  detail: unknown;
}

export class CityMapElement extends HTMLElement {
  static observedAttributes: readonly string[] = NAMES;

  #figure = document.createElement("figure");
  #frame: HTMLIFrameElement | null = null;
  #widget: URL | null = null;
  #id = `city-map-${Math.random().toString(36).slice(2)}`;
  /** The state that the map is in, as it says itself. */
  #query: string | null = null;
  /** What it was told to show since it was opened. */
  #wanted: string | null = null;
  #ready = false;
  #high = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor() {
    super();
    const root = this.attachShadow({ mode: "open" });
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(SHEET);
    root.adoptedStyleSheets = [sheet];
    this.#figure.part.add("figure");
    root.append(this.#figure);
  }

  connectedCallback(): void {
    // What was set before this script was there.
    for (const name of NAMES) {
      if (!Object.hasOwn(this, name)) continue;
      const value = this[name as keyof this];
      Reflect.deleteProperty(this, name);
      Object.assign(this, { [name]: value });
    }
    addEventListener("message", this.#hear);
    this.#open();
  }

  disconnectedCallback(): void {
    removeEventListener("message", this.#hear);
    this.#close();
  }

  attributeChangedCallback(name: Name, before: string | null, value: string | null): void {
    if (before === value || !this.isConnected || !this.#figure.hasChildNodes()) return;
    if (name === "height" || name === "ratio") this.#shape();
    // Before a map is there, its address is the way to say it; where the address is given whole, the map is told.
    else if (name === "query" && (this.#ready || this.src !== null)) this.#drive(value ?? "");
    else this.#open();
  }

  /** The state of the map, as the address of a page has it: "?layers=crime". To set it changes what is shown. */
  get query(): string | null {
    return this.#query ?? this.getAttribute("query");
  }

  set query(text: string | null) {
    // What is wanted again may not be what is shown any more.
    if (this.#ready && text === this.getAttribute("query")) this.#drive(text ?? "");
    else this.#write("query", text);
  }

  get src(): string | null {
    return this.getAttribute("src");
  }

  set src(text: string | null) {
    this.#write("src", text);
  }

  get server(): string | null {
    return this.getAttribute("server");
  }

  set server(text: string | null) {
    this.#write("server", text);
  }

  get height(): string | null {
    return this.getAttribute("height");
  }

  set height(text: string | number | null) {
    this.#write("height", text);
  }

  get ratio(): string | null {
    return this.getAttribute("ratio");
  }

  set ratio(text: string | null) {
    this.#write("ratio", text);
  }

  get theme(): string | null {
    return this.getAttribute("theme");
  }

  set theme(text: string | null) {
    this.#write("theme", text);
  }

  #write(name: Name, value: string | number | null | undefined): void {
    if (value === null || value === undefined) this.removeAttribute(name);
    else this.setAttribute(name, String(value));
  }

  #open(): void {
    this.#close();
    const said = this.#said();
    this.#widget = widgetOf(said, document.baseURI, HOME, this.#id);
    const slot = document.createElement("slot");
    this.#figure.replaceChildren(slot);
    if (!this.#widget) return;
    const [wide, high] = this.#ratio();
    const source = pictureOf(this.#widget, { width: WIDTH, height: Math.round((WIDTH * high) / wide) });
    if (source) slot.append(this.#picture(source));
    const frame = document.createElement("iframe");
    frame.part.add("iframe");
    frame.loading = "lazy";
    frame.title = said.title ?? this.#widget.searchParams.get("title") ?? "Map";
    frame.allow = "fullscreen; geolocation";
    frame.onload = () => (this.#timer = setTimeout(() => this.#show(), PATIENCE));
    frame.src = this.#widget.href;
    this.#frame = frame;
    this.#figure.append(frame);
    this.#shape();
  }

  #said(): Record<Name, string | null> {
    return Object.fromEntries(NAMES.map((name) => [name, this.getAttribute(name)])) as Record<Name, string | null>;
  }

  /** For who puts nothing between the tags. */
  #picture(source: string): HTMLImageElement {
    const picture = document.createElement("img");
    picture.alt = "";
    picture.loading = "lazy";
    picture.onerror = () => picture.remove();
    picture.src = source;
    return picture;
  }

  #close(): void {
    clearTimeout(this.#timer);
    this.#figure.replaceChildren();
    this.#figure.classList.remove("ready");
    this.#frame = this.#widget = this.#query = this.#wanted = null;
    this.#ready = false;
    this.#high = 0;
  }

  #ratio(): readonly [number, number] {
    const [, wide, high] = RATIO.exec(this.ratio ?? "") ?? [];
    return Number(wide) && Number(high) ? [Number(wide), Number(high)] : USUAL;
  }

  #shape(): void {
    const { style } = this.#figure;
    const fixed = parseFloat(this.height ?? "");
    const height = fixed > 0 ? fixed : this.ratio === null ? this.#high : 0;
    style.height = height ? `${height}px` : "";
    style.aspectRatio = height ? "" : this.#ratio().join(" / ");
  }

  #show(): void {
    clearTimeout(this.#timer);
    this.#figure.classList.add("ready");
  }

  /** Show this as if it had been opened with it: in the same theme. */
  #drive(query: string): void {
    this.#query = query;
    if (!this.#widget) return;
    const { origin } = this.#widget;
    this.#wanted = widgetOf({ ...this.#said(), src: null, server: origin, query }, origin, null, this.#id)!.search;
    if (this.#ready) this.#tell();
  }

  #tell(): void {
    this.#frame?.contentWindow?.postMessage({ target: OURS, query: this.#wanted }, this.#widget!.origin);
  }

  /** From our own frame, and from the server that it was loaded from, and from nobody else. */
  #hear = ({ source, origin, data }: MessageEvent): void => {
    if (!this.#frame || source !== this.#frame.contentWindow || origin !== this.#widget!.origin) return;
    const { source: from, event, detail } = (data ?? {}) as Partial<Message>;
    if (from !== OURS) return;
    if (event === "height") this.#resize((detail as { height?: unknown } | null)?.height);
    if (event === "ready") {
      this.#ready = true;
      this.#show();
      // It was told before it could hear, or has been loaded anew.
      if (this.#wanted !== null) this.#tell();
    }
    if (event === "change") {
      const { query } = (detail ?? {}) as { query?: unknown };
      if (typeof query === "string") this.#query = query;
    }
    if (event === "ready" || event === "change" || event === "select") {
      this.dispatchEvent(new CustomEvent(`city-map-${event}`, { detail, bubbles: true, composed: true }));
    }
  };

  #resize(height: unknown): void {
    if (typeof height !== "number" || !(height > 0)) return;
    this.#high = Math.min(Math.ceil(height), HIGHEST);
    this.#shape();
  }
}
