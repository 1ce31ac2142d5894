/** What "no" and "yes" are in a language: the server's words for what is true or not. */
const FILES = import.meta.glob<{ yes: string; no: string }>("../messages/*.ts", { query: "?server", import: "server" });

export async function sayTruth(lang: string): Promise<[no: string, yes: string]> {
  const { no, yes } = await (FILES[`../messages/${lang}.ts`] ?? FILES["../messages/en.ts"]!)();
  return [no, yes];
}
