/** What is known of a key, or is found out now; of too many the oldest is forgotten, and what failed at once. */
export function keep<T>(known: Map<string, Promise<T>>, key: string, most: number, find: () => Promise<T>): Promise<T> {
  const found = known.get(key);
  if (found) {
    known.delete(key);
    known.set(key, found);
    return found;
  }
  const finding = (async () => find())();
  known.set(key, finding);
  finding.catch(() => known.delete(key));
  if (known.size > most) known.delete(known.keys().next().value!);
  return finding;
}
