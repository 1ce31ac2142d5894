/** What one map says, in the language of its reader: messages, numbers, dates, values and titles. */
import type en from "../messages/en.ts";
import type { Field, LayerDetail, LayerSummary, Scalar } from "../query/types.ts";
import { titleOf, type Title } from "./labels.ts";
import { languageOf, showArea, showLength, showValue } from "./values.ts";

export type MessageKey = keyof typeof en;
export type Messages = Record<MessageKey, string>;
/** By code: the file of a language. */
export type LanguageFiles = Record<string, () => Promise<{ default: Messages }>>;

/** A language that is there at once, and what it says; files of others come. */
export type First = [code: string, messages: Messages];

/** The first of the wanted languages that is offered, else the first that is. */
export function pickLanguage(wanted: readonly string[], offered: readonly string[]): string {
  const codes = wanted.map((tag) => tag.toLowerCase().split("-")[0]!);
  return codes.find((code) => offered.includes(code)) ?? offered[0]!;
}

export class Words {
  /** The language that is spoken now. */
  code = $state("en");
  #messages = $state.raw<Partial<Messages>>({});
  #wanted: string;
  #first: First;
  /** How often a language was wanted, and which of these times is the one that is spoken. */
  #asked = 0;
  #spoken = 0;
  #files: LanguageFiles;
  #later: LanguageFiles;
  #all: Promise<void> | null = null;
  #preferred: readonly string[];

  /**
   * `preferred`: what the reader's browser prefers, for its variant of a language: "en-GB", with its dates; `later`: what parts
   * that come later say; `first`: what is there before any file.
   */
  constructor(files: LanguageFiles, preferred: readonly string[], later: LanguageFiles, first: First) {
    this.#first = first;
    [this.code, this.#messages] = first;
    this.#wanted = this.code;
    this.#files = files;
    this.#later = later;
    this.#preferred = preferred;
  }

  /** Speak a language as soon as its file is there; one that cannot be had leaves the first. */
  async use(code: string): Promise<void> {
    this.#wanted = code;
    const turn = ++this.#asked;
    const found = await this.#read(code).catch(() => this.#read(this.#first[0]));
    // Meanwhile another one may be wanted, or all of this one, whose file came first.
    if (this.#wanted !== code || turn < this.#spoken) return;
    this.#spoken = turn;
    [this.code, this.#messages] = found;
  }

  /** Say from now on also what parts that come later say; fails when it cannot be had. */
  useAll(): Promise<void> {
    this.#all ??= Promise.resolve()
      .then(() => this.use(this.#wanted))
      .catch((error: unknown) => {
        this.#all = null;
        throw error;
      });
    return this.#all;
  }

  async #read(wanted: string): Promise<[code: string, Messages]> {
    const code = wanted in this.#files ? wanted : this.#first[0];
    const [first, later] = await Promise.all([this.#files[code]?.(), this.#all ? this.#later[code]?.() : undefined]);
    const said = first?.default ?? this.#first[1];
    return [code, later ? { ...said, ...later.default } : said];
  }

  /** The reader's own variant of the language where there is one: "en-GB" for English, with its dates. */
  get locale(): string {
    return this.#preferred.find((tag) => tag.toLowerCase().split("-")[0] === this.code) ?? this.code;
  }

  readonly t = (key: MessageKey, values: Record<string, string | number> = {}): string =>
    // Of a language that is on its way, only a part may be there.
    (this.#messages[key] ?? "").replace(/\{(\w+)\}/g, (_, name: string) => {
      const value = values[name];
      return typeof value === "number" ? this.formatNumber(value) : (value ?? "");
    });

  readonly formatNumber = (value: number | bigint): string => {
    const whole = typeof value === "bigint" || Number.isInteger(value);
    return new Intl.NumberFormat(this.locale, whole ? {} : { maximumSignificantDigits: 4 }).format(value);
  };

  /** "31 Jan 2024"; with `time` also the hour, in UTC as the filters are. */
  readonly formatDate = (text: string, time = false): string => this.#date(text, time ? { dateStyle: "medium", timeStyle: "short" } : {});

  /** "31 January 2024", for titles. */
  readonly formatDay = (text: string): string => this.#date(text, { dateStyle: "long" });

  #date(text: string, style: Intl.DateTimeFormatOptions): string {
    const date = new Date(/T/.test(text) ? text : `${text}T00:00:00Z`);
    if (Number.isNaN(date.getTime())) return text;
    return new Intl.DateTimeFormat(this.locale, { dateStyle: "medium", ...style, timeZone: "UTC" }).format(date);
  }

  readonly formatValue = (field: Field, value: Scalar | undefined): string => showValue(this, field, value);
  readonly formatLength = (metres: number): string => showLength(this, metres);
  readonly formatArea = (squareMetres: number): string => showArea(this, squareMetres);

  /** What a layer's rows are called: "report", "reports"; "row", "rows" where nobody said it in this language. */
  readonly nounOf = (layer: Pick<LayerSummary, "nouns">, count: number | bigint): string => {
    const one = new Intl.PluralRules(this.code).select(Number(count)) === "one";
    return one ? (layer.nouns?.one ?? this.t("row")) : (layer.nouns?.many ?? this.t("rows"));
  };

  /** "308 reports", or "308 of 60,000 reports" where a total is told that is not the count itself. */
  readonly countText = (layer: Pick<LayerSummary, "nouns">, count: number, total = count): string => {
    const noun = this.nounOf(layer, total);
    return count === total
      ? this.t("countAll", { total, noun })
      : this.t("countSome", { count, total, noun, few: this.nounOf(layer, count) });
  };

  /** What a feature is called: "Burglary, 3 April 2025". */
  readonly titleOf = (layer: LayerDetail | undefined, properties: Record<string, Scalar>, fid: number): Title =>
    titleOf(this, layer, properties, fid);

  /** For the attribute `lang` of a text: its language where that is not the one around it. */
  readonly lang = (language: string | null | undefined): string | undefined =>
    language && language.toLowerCase().split("-")[0] !== this.code ? language : undefined;

  /** The same for a value of a field. */
  readonly langOf = (layer: LayerDetail | undefined, field: Field, value: Scalar | undefined): string | undefined =>
    this.lang(languageOf(layer, field, value));
}
