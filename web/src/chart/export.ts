/** A chart as a file: a drawing, a picture or its numbers, each with what it is, what narrows it, and whose it is. */
import type { Figure, Look, Text, Token } from "./figure.ts";
import type { Model } from "./model.ts";

/** What stands around a chart in a file. */
export interface Caption {
  title: string;
  /** What narrows the rows, and how many there are. */
  lines: string[];
  /** Source, licence, dates. */
  notes: string[];
  legend: { label: string; paint: { light: string } | null }[];
}

/** A file is on white paper, whatever the page is. */
const COLOURS: Record<Token, string> = {
  ink: "#1a1e21",
  soft: "#566069",
  rule: "#e2e5e6",
  edge: "#868f96",
  accent: "#17616a",
  bar: "#ccd6d7",
  paper: "#ffffff",
};
const FONT = "-apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', 'Noto Sans', 'Liberation Sans', Arial, sans-serif";
const SERIF = "Charter, 'Iowan Old Style', Georgia, 'Times New Roman', 'Liberation Serif', serif";

const MARGIN = 28;
const SIZES = { title: 20, line: 13, note: 11, text: 12 };

const escape = (text: string): string =>
  text.replace(/[&<>"]/g, (sign) => `&#${sign.charCodeAt(0)};`).replace(/[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]/gu, "");
const colour = (look: Look["fill"]): string => (look === undefined ? "none" : typeof look === "string" ? COLOURS[look] : look.light);

/** A text in lines of at most so many pixels, by words. */
export function wrap(text: string, width: number, size: number): string[] {
  const letters = Math.max(8, Math.floor(width / (size * 0.55)));
  const lines: string[] = [];
  for (const word of text.split(/\s+/)) {
    const line = lines.at(-1);
    if (line !== undefined && line.length + word.length < letters) lines[lines.length - 1] = `${line} ${word}`;
    else lines.push(word);
  }
  return lines;
}

/** The drawing as a document of its own. */
export function writeSvg(figure: Figure, { title, lines, notes, legend }: Caption): string {
  const inner = figure.width;
  const width = inner + 2 * MARGIN;
  const parts: string[] = [];
  let y = MARGIN;
  const put = (text: string, size: number, style: string): void => {
    for (const each of wrap(text, inner, size)) {
      y += size * 1.3;
      parts.push(`<text x="${MARGIN}" y="${y.toFixed(1)}" font-size="${size}" ${style}>${escape(each)}</text>`);
    }
  };
  put(title, SIZES.title, `font-family="${SERIF}" font-weight="600" fill="${COLOURS.ink}"`);
  y += 4;
  for (const text of lines) put(text, SIZES.line, `fill="${COLOURS.soft}"`);
  y += 10;
  if (legend.length) {
    let x = MARGIN;
    y += 16;
    for (const { label, paint } of legend) {
      const wide = label.length * 6.6 + 34;
      if (x > MARGIN && x + wide > width - MARGIN) [x, y] = [MARGIN, y + 20];
      parts.push(`<rect x="${x}" y="${y - 10}" width="12" height="12" fill="${paint?.light ?? COLOURS.accent}"/>`);
      parts.push(`<text x="${x + 18}" y="${y}" font-size="${SIZES.text}" fill="${COLOURS.ink}">${escape(label)}</text>`);
      x += wide;
    }
    y += 8;
  }
  y += 8;
  parts.push(`<g transform="translate(${MARGIN} ${y.toFixed(1)})">${drawInside(figure)}</g>`);
  y += figure.height + 14;
  for (const text of notes) put(text, SIZES.note, `fill="${COLOURS.soft}"`);
  const height = Math.ceil(y + MARGIN);
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" font-family="${FONT}">`,
    `<title>${escape(title)}</title><desc>${escape([...lines, ...notes].join("\n"))}</desc>`,
    `<rect width="${width}" height="${height}" fill="${COLOURS.paper}"/>`,
    ...parts,
    "</svg>\n",
  ].join("\n");
}

function drawInside({ outlines, texts }: Figure): string {
  const lines = outlines.map(({ d, fill, stroke, width, opacity, dash }) => {
    const more = `${opacity === undefined ? "" : ` opacity="${opacity}"`}${dash ? ` stroke-dasharray="${dash}"` : ""}`;
    return `<path d="${d}" fill="${colour(fill)}" stroke="${colour(stroke)}" stroke-width="${width ?? 1}"${more}/>`;
  });
  const words = texts.map(
    ({ x, y, text, anchor, fill }: Text) =>
      `<text x="${x.toFixed(1)}" y="${y.toFixed(1)}" font-size="${SIZES.text}" text-anchor="${anchor}" fill="${colour(fill)}">${escape(text)}</text>`,
  );
  return [...lines, ...words].join("");
}

/** The same as a picture, twice as fine. */
export async function renderPng(svg: string): Promise<Blob> {
  const address = URL.createObjectURL(new Blob([svg], { type: "image/svg+xml" }));
  try {
    const image = new Image();
    image.src = address;
    await image.decode();
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [image.naturalWidth * 2, image.naturalHeight * 2];
    const context = canvas.getContext("2d")!;
    context.scale(2, 2);
    context.drawImage(image, 0, 0);
    return await new Promise((done, fail) => canvas.toBlob((blob) => (blob ? done(blob) : fail(new Error("no picture"))), "image/png"));
  } finally {
    URL.revokeObjectURL(address);
  }
}

/** Signs that begin a formula in some spreadsheet. */
const FORMULA = /^[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20]/;

/** What columns are called, and which places the filter leaves; null where it leaves all. */
export interface Columns {
  axis: string;
  measure: string;
  from: string;
  to: string;
  within: string;
  picked: boolean[] | null;
  yes: string;
  no: string;
}

/** The numbers as a table that a spreadsheet of this language reads; what it is about stands above, after a `#`. */
export function writeCsv(model: Model, { title, lines, notes }: Caption, columns: Columns, locale: string): string {
  const point = new Intl.NumberFormat(locale).formatToParts(1.5).find(({ type }) => type === "decimal")?.value ?? ".";
  const separator = point === "," ? ";" : ",";
  const text = (value: string): string => {
    const safe = FORMULA.test(value) ? `'${value}` : value;
    return /["\r\n;,]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
  };
  const number = (value: number | null): string => (value === null ? "" : String(value).replace(".", point));
  const { group } = model;
  // Where a bucket or a bin begins and ends, as programs read it.
  const ends = (key: number): string[] => {
    if (group.kind === "number") return [group.edges[key]!, group.edges[key + 1]!].map(number);
    return group.kind === "time" && group.ends ? [String(group.values[key]), group.ends[key]!] : [];
  };
  const { picked } = columns;
  const heads = [
    columns.axis,
    ...(ends(0).length ? [columns.from, columns.to] : []),
    ...(model.series.length > 1 ? model.series.map(({ label }) => label) : [columns.measure]),
    ...(picked ? [columns.within] : []),
  ];
  const rows = model.places.map(({ label, key }, at) => [
    text(label),
    ...ends(key),
    ...model.cells[at]!.map(number),
    ...(picked ? [picked[at] ? columns.yes : columns.no] : []),
  ]);
  const about = [title, ...lines, ...notes].map((line) => `# ${line.replace(/\s+/g, " ")}`);
  return `\ufeff${[...about, heads.map(text).join(separator), ...rows.map((row) => row.join(separator))].join("\r\n")}\r\n`;
}

/** Hand a file to the browser's downloads. */
export function save(blob: Blob, name: string): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}
