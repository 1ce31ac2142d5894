/** What stands in place of a frozen map that could not be opened, before there is a viewer to say it. */
import type { frozen } from "../messages/en.ts";

const FILES = import.meta.glob<Record<keyof typeof frozen, string>>("../messages/*.ts", { query: "?frozen", import: "frozen" });

export async function showFault(target: HTMLElement): Promise<void> {
  const codes = navigator.languages.map((code) => code.slice(0, 2));
  const found = codes.map((code) => FILES[`../messages/${code}.ts`]).find(Boolean) ?? FILES["../messages/en.ts"]!;
  const table = await found();
  const say = document.createElement("p");
  say.setAttribute("role", "alert");
  say.style.padding = "1.5rem";
  say.textContent = `${table.missing} ${table.served}`;
  target.replaceChildren(say);
}
