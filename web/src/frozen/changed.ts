/** Whether the data have changed since they were frozen, as the server tells that gives out the folder at `root`. */
export async function hasChanged(root: string, ask: typeof fetch = fetch): Promise<boolean> {
  try {
    const answer = await ask.call(undefined, new URL("changed.json", root).href);
    return answer.ok && !!((await answer.json()) as { changed?: unknown }).changed;
  } catch {
    return false;
  }
}
