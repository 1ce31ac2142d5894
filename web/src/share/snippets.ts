/** What is pasted into pages of others. Nothing in it loads a script of anybody else, and every value is escaped. */
import { HIGH, type Options } from "./options.ts";

export const KINDS = ["iframe", "script", "wordpress", "element", "markdown", "amp"] as const;
export type Kind = (typeof KINDS)[number];

/** "Licence: CC0 1.0", with the address where a name is explained. */
export interface Fact {
  word: string;
  names: readonly { name: string; url?: string | undefined }[];
}

export interface Told {
  /** Where the server is, with a slash at its end. */
  site: string;
  /** Whole addresses: of the widget, of the map for everybody, and of its picture. */
  widget: string;
  page: string;
  picture: string;
  /** What the widget is called, where it shows no title too. */
  name: string;
  /** Whose data it is and under which licence, in the widget's language. */
  facts: readonly Fact[];
  open: string;
  /** What is pressed where a page shows a part of the widget alone. */
  all: string;
  size: { width: number; height: number };
  options: Pick<Options, "wide" | "shape" | "language">;
}

const ESCAPES: Record<string, string> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;" };
/** For text and for attributes in quotes. */
export const escapeHtml = (text: string): string => text.replace(/[&<>"']/g, (sign) => ESCAPES[sign]!);
/** Within Markdown; in brackets, too. Quotes are signs like others there. */
const escapeMarkdown = (text: string): string =>
  text
    .replace(/[&<>]/g, (sign) => ESCAPES[sign]!)
    .replace(/[\\`*_[\]()#!|~]/g, "\\$&")
    .replace(/\s+/g, " ");
/** An address that no bracket of Markdown ends. */
const escapeAddress = (url: string): string =>
  url.replace(/[()'"<>\\\s]/g, (sign) => `%${sign.charCodeAt(0).toString(16).toUpperCase().padStart(2, "0")}`);

const attributes = (said: Record<string, string | number | true | null>): string =>
  Object.entries(said)
    .filter(([, value]) => value !== null)
    .map(([name, value]) => (value === true ? ` ${name}` : ` ${name}="${escapeHtml(String(value))}"`))
    .join("");

function writePicture({ page, picture, name, size }: Told): string {
  const { width, height } = size;
  const said = { src: picture, alt: name, width, height, loading: "lazy", style: "max-width:100%;height:auto" };
  return `<a${attributes({ href: page })}><img${attributes(said)}></a>`;
}

const joinFacts = (facts: readonly Fact[], write: (name: string, url?: string) => string): string =>
  facts.map(({ word, names }) => `${write(word)}: ${names.map(({ name, url }) => write(name, url)).join(", ")}`).join(" · ");

/** Letters that run from right to left, which must not take the signs around them along. */
const LEFTWARD = /[\p{Script=Arabic}\p{Script=Hebrew}\p{Script=Syriac}\p{Script=Thaana}\p{Script=Nko}]/u;

function writeName(name: string, url?: string): string {
  const text = LEFTWARD.test(name) ? `<bdi>${escapeHtml(name)}</bdi>` : escapeHtml(name);
  return url ? `<a${attributes({ href: url, rel: "license" })}>${text}</a>` : text;
}

/** What stands around it: whose data it is, and the way to the whole map. */
function writeFigure(told: Told, lines: string[], noscript = true): string {
  const { page, facts, open, options } = told;
  const said = [joinFacts(facts, writeName), `<a${attributes({ href: page })}>${escapeHtml(open)}</a>`];
  return [
    `<figure${attributes({ lang: options.language, style: "margin:0" })}>`,
    ...lines,
    ...(noscript ? [`<noscript>${writePicture(told)}</noscript>`] : []),
    `<figcaption>${said.filter(Boolean).join(" · ")}</figcaption>`,
    "</figure>",
  ].join("\n");
}

function writeFrame({ widget, name, size, options }: Told): string {
  const { width, height } = size;
  const ratio = options.shape.replace(":", "/");
  const style = options.wide ? `border:0;width:100%;height:auto;aspect-ratio:${ratio};min-height:${HIGH}px` : "border:0;max-width:100%";
  return `<iframe${attributes({ src: widget, title: name, width, height, loading: "lazy", allow: "fullscreen", style })}></iframe>`;
}

const writeScript = ({ site }: Told): string => `<script${attributes({ src: `${site}element.js`, defer: true })}></script>`;

/** `<city-map>` with these attributes; it is as wide as its place. */
function writeElement(told: Told, from: Record<string, string>, inside: string[] = []): string {
  const { options, size, name } = told;
  // With a picture inside it is as high as the map would like to be.
  const free: Record<string, string> = inside.length ? {} : { ratio: options.shape, style: `min-height:${HIGH}px` };
  const shape: Record<string, string | number> = options.wide ? free : { height: size.height, style: `max-width:${size.width}px` };
  const opening = `<city-map${attributes({ ...from, title: name, ...shape })}>`;
  return inside.length ? [opening, ...inside, "</city-map>"].join("\n") : `${opening}</city-map>`;
}

function writeAmp({ widget, name, picture, size, all }: Told): string[] {
  const { width, height } = size;
  const said = {
    src: widget,
    title: name,
    width,
    height,
    layout: "responsive",
    sandbox: "allow-scripts allow-popups allow-popups-to-escape-sandbox",
  };
  return [
    `<amp-iframe${attributes({ ...said, frameborder: 0, resizable: true })}>`,
    `<amp-img${attributes({ src: picture, alt: name, layout: "fill", placeholder: true })}></amp-img>`,
    `<div${attributes({ overflow: true, tabindex: 0, role: "button", "aria-label": all })}>${escapeHtml(all)}</div>`,
    "</amp-iframe>",
  ];
}

/** The text of each kind; what stands apart, such as a link on a line of its own, is a text of its own. */
export function writeSnippet(kind: Kind, told: Told): string[] {
  const { widget, site, page, picture, name, facts, open } = told;
  switch (kind) {
    case "iframe":
      return [writeFigure(told, [writeFrame(told)])];
    case "script":
      return [[writeScript(told), writeFigure(told, [writeElement(told, { src: widget }, [writePicture(told)])], false)].join("\n")];
    case "wordpress":
      return [widget, `<!-- wp:html -->\n${writeFigure(told, [writeFrame(told)])}\n<!-- /wp:html -->`];
    case "element":
      return [[writeScript(told), writeFigure(told, [writeElement(told, { server: site, query: new URL(widget).search })])].join("\n")];
    case "markdown": {
      const [at, of] = [escapeAddress(page), escapeAddress(picture)];
      const write = (text: string, url?: string): string =>
        url ? `[${escapeMarkdown(text)}](${escapeAddress(url)})` : escapeMarkdown(text);
      const said = [joinFacts(facts, write), write(open, page)].filter(Boolean).join(" · ");
      return [`[![${escapeMarkdown(name)}](${of})](${at})\n\n${said}`];
    }
    case "amp":
      return [writeFigure(told, writeAmp(told))];
  }
}
