/** Whether the data have changed since they were frozen: known where a server gives out the map, which marks its page. */
export async function hasChanged(document: Document): Promise<boolean> {
  // A plain folder asks nobody.
  if (!("live" in document.documentElement.dataset)) return false;
  try {
    const answer = await fetch(new URL("changed.json", document.baseURI));
    return answer.ok && !!((await answer.json()) as { changed?: unknown }).changed;
  } catch {
    return false;
  }
}
