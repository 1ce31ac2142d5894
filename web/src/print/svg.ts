/** A sheet as a drawing: all but its maps, which lie beneath it. Every text is a text, so that a PDF can be searched and read. */
import { signOf } from "../legend/sign.ts";
import type { Layout, Mark, Token } from "./layout.ts";
import { SANS, SERIF } from "./text.ts";

export type Colours = Record<Token, string>;

/** As `dress/tokens.css` has them. */
export const LIGHT: Colours = { ink: "#1a1e21", soft: "#566069", rule: "#bcc3c7", paper: "#ffffff" };
export const DARK: Colours = { ink: "#eceeef", soft: "#a4adb4", rule: "#4a545b", paper: "#16191c" };

/** What the map's own zoom tells: a bar, the ends of it, and 1 : N. */
export interface Scale {
  width: number;
  /** At its beginning, middle and end. */
  labels: [string, string, string];
  /** "1 : 12,300" with the paper that it is true on. */
  ratio: string;
}

const escape = (text: string): string =>
  text.replace(/[&<>"]/g, (sign) => `&#${sign.charCodeAt(0)};`).replace(/[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]/gu, "");
const number = (value: number): string => String(+value.toFixed(2));

function tag(name: string, values: Record<string, string | number | undefined>, inner = ""): string {
  const said = Object.entries(values).filter((pair): pair is [string, string | number] => pair[1] !== undefined);
  const attributes = said.map(([key, value]) => ` ${key}="${typeof value === "number" ? number(value) : escape(value)}"`).join("");
  return `<${name}${attributes}${inner ? `>${inner}</${name}>` : "/>"}`;
}

type Drawing<Kind extends Mark["kind"]> = (mark: Extract<Mark, { kind: Kind }>, colours: Colours, dark: boolean) => string;

const DRAW: { [Kind in Mark["kind"]]: Drawing<Kind> } = {
  text: ({ x, y, text, font, fill, anchor }, colours) =>
    tag(
      "text",
      {
        x,
        y,
        "font-size": font.size,
        "font-weight": font.bold ? 600 : undefined,
        "font-family": font.serif ? SERIF : undefined,
        fill: colours[fill],
        "text-anchor": anchor,
      },
      escape(text),
    ),
  line: ({ x, y, width }, { rule }) => tag("path", { d: `M${number(x)} ${number(y)}h${number(width)}`, stroke: rule }),
  sign: ({ x, y, size, entry }, colours, dark) =>
    tag("g", { transform: `translate(${number(x)} ${number(y)}) scale(${number(size / 18)})` }, drawSign(entry, colours, dark)),
  class: ({ box, entry, side, framed }, colours, dark) => {
    const look = dark ? { ...entry, ...entry.dark } : entry;
    const { x, y, width, height } = box;
    if (side === null) return tag("rect", { x, y, width, height, fill: look.color, "fill-opacity": look.opacity, stroke: colours.rule });
    const part = height * side;
    const [left, top] = [x + (width - part) / 2, y + (height - part) / 2];
    const stroke = 1.6;
    const inside = Math.max(part - stroke, 0.1);
    return framed
      ? tag("rect", {
          x: left + stroke / 2,
          y: top + stroke / 2,
          width: inside,
          height: inside,
          fill: "none",
          stroke: entry.color,
          "stroke-width": stroke,
        })
      : tag("rect", { x: left, y: top, width: part, height: part, rx: part / 4, fill: entry.color });
  },
  code: ({ x, y, size, code }) => {
    const step = size / code.length;
    const squares = code.flatMap((row, down) => row.flatMap((on, right) => (on ? [`M${right} ${down}h1v1h-1z`] : [])));
    // Phones want dark on light, whatever the sheet is.
    return tag(
      "g",
      { transform: `translate(${number(x)} ${number(y)}) scale(${step.toFixed(4)})` },
      tag("rect", { width: code.length, height: code.length, fill: LIGHT.paper }) + tag("path", { d: squares.join(""), fill: "#000" }),
    );
  },
};

function drawSign({ sign: entry, scale, outlined }: Extract<Mark, { kind: "sign" }>["entry"], { rule }: Colours, dark: boolean): string {
  const sign = signOf(entry, dark, scale);
  const filled = { fill: sign.color, "fill-opacity": sign.opacity, stroke: sign.outline };
  if (entry.kind === "circle") return tag("circle", { cx: 9, cy: 9, r: sign.radius, "stroke-width": sign.ring, ...filled });
  const line = { fill: "none", stroke: sign.color };
  if (entry.kind === "line") return tag("path", { d: "M1 9H25", "stroke-width": sign.width, "stroke-dasharray": sign.dash, ...line });
  if (outlined) return tag("path", { d: "M3 5H15V13H3Z", "stroke-width": 3, ...line });
  return tag("rect", { x: 1, y: 3, width: 16, height: 12, rx: 2, ...filled, stroke: sign.outline === "none" ? rule : sign.outline });
}

function drawScale({ scale: { x, y, size } }: Layout, { width, labels, ratio }: Scale, { ink, soft, paper }: Colours): string {
  const height = size * 0.42;
  const text = (at: number, said: string, anchor?: string, fill = ink): string =>
    tag("text", { x: at, y: y + height + size * 1.15, "font-size": size, fill, "text-anchor": anchor }, escape(said));
  return [
    tag("rect", { class: "scale", x, y, width, height, fill: paper, stroke: ink, "stroke-width": 0.8 }),
    tag("rect", { x, y, width: width / 2, height, fill: ink }),
    text(x, labels[0]),
    text(x + width / 2, labels[1], "middle"),
    text(x + width, labels[2], "middle"),
    text(x + width + size * 4, ratio, undefined, soft),
  ].join("");
}

/** An arrow, and the letter that stands for north in every language of the page. */
function drawNorth({ north: { x, y, size } }: Layout, { ink, paper }: Colours): string {
  const half = size / 2;
  const arrow = `M${number(x)} ${number(y - half * 0.75)}l${number(half * 0.42)} ${number(half * 1.1)}l${number(-half * 0.42)} ${number(-half * 0.3)}l${number(-half * 0.42)} ${number(half * 0.3)}Z`;
  return [
    tag("rect", { x: x - half * 0.8, y: y - half, width: half * 1.6, height: size * 1.28, rx: 3, fill: paper, "fill-opacity": 0.85 }),
    tag("path", { d: arrow, fill: ink }),
    tag("text", { x, y: y + half * 1.3, "font-size": size * 0.42, "font-weight": 600, fill: ink, "text-anchor": "middle" }, "N"),
  ].join("");
}

/** `size` is what it is drawn as: in millimetres on paper, in dots as a picture. */
export function writeSheet(
  layout: Layout,
  scale: Scale | null,
  dark: boolean,
  title: string,
  size: { width: string; height: string },
): string {
  const colours = dark ? DARK : LIGHT;
  const marks = layout.marks.map((mark) => (DRAW[mark.kind] as Drawing<Mark["kind"]>)(mark, colours, dark));
  const frames = layout.maps.map((box) => tag("rect", { ...box, fill: "none", stroke: colours.rule }));
  return tag(
    "svg",
    {
      xmlns: "http://www.w3.org/2000/svg",
      width: size.width,
      height: size.height,
      viewBox: `0 0 ${number(layout.width)} ${number(layout.height)}`,
      "font-family": SANS,
    },
    [tag("title", {}, escape(title)), ...frames, scale ? drawScale(layout, scale, colours) : "", drawNorth(layout, colours), ...marks].join(
      "\n",
    ),
  );
}
