/** Titles of features, from the layer's template of fields: "{category}, {reported_at}". */
import type { Field, LayerDetail, Scalar } from "../query/types.ts";
import type { Words } from "./i18n.svelte.ts";
import { labelOf, languageOf } from "./values.ts";

export interface Title {
  text: string;
  /** For the attribute `lang`, where all of it is in another language than the page. */
  lang: string | undefined;
}

const PLACE = /\{([^{}]*)\}/;

/** Names of the fields in a template. */
export const fieldsIn = (template: string): string[] => template.split(PLACE).filter((_, at) => at % 2 === 1);

/** A bracket that closes goes with the value that it stands behind. */
const CLOSING = /^[)\]»”]*/;

/** The template with values in it; an empty one leaves with the text before it, and at an end with that beyond it. */
export function fillLabel(template: string, valueOf: (name: string) => string): string {
  const parts = template.split(PLACE); // text, name, text, name, ..., text
  let told = "";
  let last = "";
  for (let at = 1; at < parts.length; at += 2) {
    const text = parts[at - 1]!;
    const closing = CLOSING.exec(text)![0];
    if (last) told += closing;
    last = valueOf(parts[at]!.trim());
    if (last) told += (told || at === 1 ? text.slice(closing.length) : "") + last;
  }
  return last ? told + parts.at(-1)! : told;
}

export function titleOf(words: Words, layer: LayerDetail | undefined, properties: Record<string, Scalar>, fid: number): Title {
  if (!layer) return { text: "", lang: undefined };
  const spoken = new Set<string | undefined>();
  const text = fillLabel(layer.label ?? "", (name) => {
    const field = layer.fields.find((each) => each.name === name);
    const value = properties[name];
    if (!field || value === null || value === undefined || value === "") return "";
    if (isText(field, value)) spoken.add(words.lang(languageOf(layer, field, value)));
    return field.type === "date" || field.type === "timestamp" ? words.formatDay(String(value)) : words.formatValue(field, value);
  });
  if (text) return { text, lang: spoken.size === 1 ? [...spoken][0] : undefined };
  // Without a word of its own it is one of its kind.
  if (!layer.nouns) return { text: `${layer.title} ${fid}`, lang: words.lang(layer.language) };
  const noun = words.nounOf(layer, 1);
  return { text: `${noun.charAt(0).toLocaleUpperCase(words.code)}${noun.slice(1)} ${fid}`, lang: undefined };
}

const isText = (field: Field, value: Scalar): boolean => field.type === "text" || labelOf(field, value) !== undefined;
