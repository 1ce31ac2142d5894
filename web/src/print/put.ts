/** A sheet as elements of the page: its drawing over the pictures of its maps. */
import type { Box, Size } from "./paper.ts";

/** Put up a drawing in the place of the one before. */
export function putDrawing(sheet: HTMLElement, svg: string): void {
  const drawn = new DOMParser().parseFromString(svg, "image/svg+xml").documentElement;
  sheet.querySelector("svg")?.remove();
  sheet.append(document.importNode(drawn, true));
}

const percent = (part: number, whole: number): string => `${(part / whole) * 100}%`;

/** Where a map lies on its sheet, as CSS. */
export const placeOn = ({ x, y, width, height }: Box, sheet: Size): string =>
  `left:${percent(x, sheet.width)};top:${percent(y, sheet.height)};width:${percent(width, sheet.width)};height:${percent(height, sheet.height)}`;
