/** Whether the browser can draw a map here and now; what it takes to find out is given back. */
export function webgl(): boolean {
  const context = document.createElement("canvas").getContext("webgl2");
  context?.getExtension("WEBGL_lose_context")?.loseContext();
  return context !== null;
}
