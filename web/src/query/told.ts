/** What the server has told within the page, by the address that it is the answer of (geoserver/site/answers.py). */
export function readTold(document: ParentNode): Map<string, string> {
  const blocks = document.querySelectorAll<HTMLScriptElement>('script[type="application/json"][data-address]');
  return new Map([...blocks].map((block) => [block.dataset.address!, block.textContent]));
}
