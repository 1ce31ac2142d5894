/** What a widget does beside what is seen of it: it tells the page around what is shown, and asks what has changed. */
import { untrack } from "svelte";
import type { MapState } from "../state/map-state.svelte.ts";
import type { Kept } from "./bar.ts";
import { keepCurrent } from "./current.ts";
import { Messages } from "./messages.ts";

/** Milliseconds in which changes are one. */
const CALM = 200;
/** Pixels of height of a map, a chart or a table: two thirds of the width, within these. */
const [LEAST, MOST] = [260, 560];

/** Until what is given back is called. */
export function tellChanges(viewer: MapState, bar: Kept, id: string, widget: HTMLElement): () => void {
  const messages = new Messages(id, window);
  let timer: ReturnType<typeof setTimeout> | undefined;
  const change = (): void => {
    clearTimeout(timer);
    timer = setTimeout(() => {
      if (viewer.status !== "ready") return;
      const counts = viewer.on.flatMap((id) => {
        // Until it is counted there is the number of the filter before.
        const result = viewer.known.counting(id) ? undefined : viewer.known.result(id);
        return result ? [[id, result.count] as const] : [];
      });
      const filters = Object.fromEntries(viewer.on.map((id) => [id, viewer.known.filter(id) ?? ""]).filter(([, text]) => text));
      messages.tell("change", { query: viewer.shared, filters, counts: Object.fromEntries(counts) });
    }, CALM);
  };
  bar.changed = () => untrack(change);

  const stop = $effect.root(() => {
    $effect(() => {
      if (viewer.status !== "ready") return;
      messages.tell("ready", {});
      for (const id of viewer.on) void [viewer.known.counting(id), viewer.known.result(id)?.count];
      void viewer.link;
      change();
    });
    $effect(() => {
      const { selection, known } = viewer;
      if (!selection || selection.fid === undefined) return messages.tell("select", null);
      const properties = known.feature.data?.properties;
      if (properties) messages.tell("select", { layer: selection.layer, fid: selection.fid, properties });
    });
  });

  // What is frozen does not change.
  const leave = viewer.frozen ? undefined : keepCurrent(viewer, widget);
  const [head, , foot] = [...widget.children] as HTMLElement[];
  const watch = new ResizeObserver(() => {
    const body = Math.min(MOST, Math.max(LEAST, Math.round((widget.clientWidth * 2) / 3)));
    messages.tellHeight(Math.ceil(head!.offsetHeight + body + foot!.offsetHeight));
  });
  for (const part of [widget, head!, foot!]) watch.observe(part);
  return () => {
    stop();
    leave?.();
    watch.disconnect();
    clearTimeout(timer);
  };
}
