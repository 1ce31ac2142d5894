/**
 * A widget moves with its data. It asks for the versions of what it shows, in a document that a proxy and the browser may keep
 * for a moment, so that all readers of a story are few: a stream for each would take the connections of the page around, of
 * which a browser has six for a server, and in a sandboxed frame there is nothing by which widgets could share one.
 */
import { layersIn } from "../filter/question.ts";
import { isAway } from "../query/presence.svelte.ts";
import { isNewer } from "../query/version.ts";
import type { MapState } from "../state/map-state.svelte.ts";

/** Milliseconds between two questions while somebody looks; and when nothing has changed for so long. */
const OFTEN = 6_000;
const SELDOM = 60_000;
const LONG = 30 * 60_000;
/** Nothing else is to be late for it. */
const PATIENCE = 10_000;

/** Until what is given back is called. */
export function keepCurrent(viewer: MapState, widget: HTMLElement): () => void {
  const { known } = viewer;
  let seen = true;
  let asking = false;
  let timer: ReturnType<typeof setTimeout> | undefined;
  /** When it was asked for the last time, and when something was new: the widget, or its data. */
  let asked = 0;
  let stirred = Date.now();

  function wait(): void {
    clearTimeout(timer);
    const often = Date.now() - stirred < LONG;
    // Widgets that came together do not all ask in the same moment.
    timer = setTimeout(look, (often ? OFTEN : SELDOM) * (0.75 + Math.random() / 2));
  }

  function look(): void {
    clearTimeout(timer);
    // When somebody sees it again, or the server is there again, it is asked at once.
    if (asking || !seen || document.hidden || known.presence.gone || viewer.status !== "ready") return wait();
    asking = true;
    asked = Date.now();
    void ask()
      .catch(() => known.presence.doubt())
      .then(() => {
        asking = false;
        wait();
      });
  }

  async function ask(): Promise<void> {
    const layers = [...new Set(viewer.on.flatMap((id) => [id, ...layersIn(known.filter(id) ?? "")]))].sort();
    if (!layers.length) return;
    const address = new URL(`api/versions?layers=${layers.map(encodeURIComponent).join(",")}`, document.baseURI);
    const answer = await fetch(address, { credentials: "omit", signal: AbortSignal.timeout(PATIENCE) });
    if (isAway(answer.status)) throw answer;
    if (!answer.ok) return;
    const { versions } = (await answer.json()) as { versions: Record<string, string> };
    const other = layers.some((id) => {
      const [now, before] = [versions[id], viewer.layer(id)?.version];
      return now === undefined || before === undefined ? now !== before : isNewer(now, before);
    });
    if (!other) return;
    stirred = Date.now();
    known.look();
  }

  function show(): void {
    if (!seen || document.hidden || Date.now() - asked < OFTEN) return;
    stirred = Date.now();
    look();
  }

  const watch = new IntersectionObserver((entries) => {
    seen = entries.at(-1)!.isIntersecting;
    show();
  });
  watch.observe(widget);
  document.addEventListener("visibilitychange", show);
  const forget = known.presence.onAnswer(look);
  wait();
  return () => {
    clearTimeout(timer);
    watch.disconnect();
    document.removeEventListener("visibilitychange", show);
    forget();
  };
}
