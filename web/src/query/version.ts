/** Versions of layers say when one was loaded, and how often it was changed since. */
export function isNewer(version: string, before: string | undefined): boolean {
  if (before === undefined) return false;
  const [[at = 0, n = 0], [atBefore = 0, nBefore = 0]] = [version, before].map((text) => text.split("-").map(Number)) as [
    number[],
    number[],
  ];
  return at > atBefore || (at === atBefore && n > nBefore);
}
