/** Paper, and what of the world is on it. Lengths on paper are in its pixels, of which an inch has 96, as CSS has it. */

/** Width and height of each paper, held upright, in millimetres. */
export const PAPERS = { A4: [210, 297], A3: [297, 420], Letter: [215.9, 279.4], Tabloid: [279.4, 431.8] } as const;
export type Paper = keyof typeof PAPERS;

/** Dots per inch that a picture may have. */
export const DOTS = [96, 150, 300] as const;
export type Dots = (typeof DOTS)[number];

export interface Size {
  width: number;
  height: number;
}

export interface Box extends Size {
  x: number;
  y: number;
}

const INCH = 25.4;
export const PIXELS_PER_INCH = 96;
/** Metres of a pixel of paper. */
const PIXEL = INCH / 1000 / PIXELS_PER_INCH;

/** In millimetres. */
export function millimetresOf(paper: Paper, landscape: boolean): Size {
  const [short, long] = PAPERS[paper];
  return landscape ? { width: long, height: short } : { width: short, height: long };
}

/** In so many dots per inch, whole ones. */
export function dotsOf(paper: Paper, landscape: boolean, dots: number): Size {
  const { width, height } = millimetresOf(paper, landscape);
  return { width: Math.round((width / INCH) * dots), height: Math.round((height / INCH) * dots) };
}

/** In pixels of paper. */
export function pixelsOf(paper: Paper, landscape: boolean): Size {
  const { width, height } = millimetresOf(paper, landscape);
  return { width: (width / INCH) * PIXELS_PER_INCH, height: (height / INCH) * PIXELS_PER_INCH };
}

/** Countries where paper is cut to inches. */
const INCHES = ["US", "CA", "MX", "CL", "CO", "PH"];

/** The paper that a printer of a reader's country holds. */
export function usualPaper(locale: string): Paper {
  const region = new Intl.Locale(locale).region;
  return region && INCHES.includes(region) ? "Letter" : "A4";
}

/** Of the map on the screen: its zoom, and how large the part is that nothing lies on, in pixels. */
export interface View extends Size {
  zoom: number;
}

/** How many of the map's pixels a pixel of paper may hold: with more of them letters could not be read, with fewer they are posters. */
const LEAST = 0.8;
const MOST = 1.3;

/**
 * The zoom at which a box of the sheet holds all that is seen on the screen, and how many of the map's pixels are drawn in a
 * pixel of paper. As long as letters can be read it is the zoom of the screen itself, so that the same is drawn.
 */
export function fitView(view: View, box: Size): { zoom: number; density: number } {
  const needed = Math.max(view.width / box.width, view.height / box.height);
  const density = Math.min(Math.max(needed, LEAST), MOST);
  return { zoom: density === needed ? view.zoom : view.zoom + Math.log2(density / needed), density };
}

const EQUATOR = 40_075_016.686;
/** Pixels of the world at zoom 0. */
const WORLD = 512;

/** Metres on the ground in a pixel of paper, in Web Mercator at this latitude. */
export function groundOf(zoom: number, lat: number, density: number): number {
  return ((EQUATOR * Math.cos((lat * Math.PI) / 180)) / (WORLD * 2 ** zoom)) * density;
}

/** The number N of 1 : N, as exact as such a map is. */
export const scaleOf = (ground: number): number => Number((ground / PIXEL).toPrecision(3));

/** The longest bar of at most so many pixels that stands for 1, 2 or 5 times a power of ten in metres. */
export function chooseBar(ground: number, most: number): { metres: number; width: number } {
  const longest = ground * most;
  const power = 10 ** Math.floor(Math.log10(longest));
  const metres = ([5, 2].find((step) => step * power <= longest) ?? 1) * power;
  return { metres, width: metres / ground };
}
