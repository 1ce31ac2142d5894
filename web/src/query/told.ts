/** What the server has told within the page, by the address that it is the answer of (geoserver/site/answers.py). */
export function readTold(document: ParentNode): Map<string, string> {
  const [visit] = performance.getEntriesByType("navigation") as PerformanceNavigationTiming[];
  // "Back" may show a page that was kept for days, without asking whether it has changed.
  if (visit?.transferSize === 0) return new Map();
  const blocks = document.querySelectorAll<HTMLScriptElement>('script[type="application/json"][data-address]');
  return new Map([...blocks].map((block) => [block.dataset.address!, block.textContent]));
}
