/** Text in lines, as wide as the browser will draw it. */

export interface Font {
  /** Height of the letters, in pixels of paper. */
  size: number;
  bold: boolean;
  serif: boolean;
}

/** How wide a text is, in pixels of paper. */
export type Measure = (text: string, font: Font) => number;

/** As `dress/tokens.css` has them; a drawing in a file does not know the page's variables. */
export const SANS = "-apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', 'Noto Sans', 'Liberation Sans', Arial, sans-serif";
export const SERIF = "Charter, 'Iowan Old Style', Georgia, 'Times New Roman', 'Liberation Serif', serif";

/** By a canvas, which draws with the same letters as the sheet. */
export function makeMeasure(): Measure {
  const context = document.createElement("canvas").getContext("2d")!;
  return (text, { size, bold, serif }) => {
    // Large letters are measured more exactly than small ones.
    context.font = `${bold ? 600 : 400} 100px ${serif ? SERIF : SANS}`;
    return (context.measureText(text).width * size) / 100;
  };
}

const ELLIPSIS = "…";

/** The text, or as much of its beginning as has room. */
export function cutText(text: string, width: number, font: Font, measure: Measure): string {
  if (measure(text, font) <= width) return text;
  const signs = [...text];
  while (signs.length && measure(signs.join("") + ELLIPSIS, font) > width) signs.pop();
  return signs.join("").trimEnd() + ELLIPSIS;
}

/** By words, and by signs where a word is too long for a line; what `most` lines do not hold is cut off visibly. */
export function wrapText(text: string, width: number, font: Font, measure: Measure, most = Infinity): string[] {
  const lines: string[] = [];
  for (const word of text.split(/[^\S\u00a0\u202f]+/).filter(Boolean)) {
    const line = lines.at(-1);
    if (line !== undefined && measure(`${line} ${word}`, font) <= width) lines[lines.length - 1] = `${line} ${word}`;
    else lines.push(...breakWord(word, width, font, measure));
  }
  if (lines.length <= most) return lines;
  return [...lines.slice(0, most - 1), cutText(lines.slice(most - 1).join(" "), width, font, measure)];
}

function breakWord(word: string, width: number, font: Font, measure: Measure): string[] {
  if (measure(word, font) <= width) return [word];
  const parts = [""];
  for (const sign of word) {
    if (parts.at(-1) && measure(parts.at(-1)! + sign, font) > width) parts.push(sign);
    else parts[parts.length - 1] += sign;
  }
  return parts;
}
