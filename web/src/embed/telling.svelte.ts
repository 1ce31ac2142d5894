/** What a widget tells the page around it: that it is there, how high it would like to be, and what is chosen on it. */
import { onMount, untrack } from "svelte";
import type { MapState } from "../state/map-state.svelte.ts";
import type { Kept } from "./bar.ts";
import type { Messages } from "./messages.ts";

/** Milliseconds in which changes are one. */
const CALM = 200;
/** Pixels of height of a map, a chart or a table: two thirds of the width, within these. */
const [LEAST, MOST] = [260, 560];

export function tellChanges(viewer: MapState, bar: Kept, messages: Messages, look: () => HTMLElement): void {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const change = (): void => {
    clearTimeout(timer);
    timer = setTimeout(() => {
      if (viewer.status !== "ready") return;
      const counts = viewer.on.flatMap((id) => {
        const result = viewer.known.result(id);
        return result ? [[id, result.count] as const] : [];
      });
      const filters = Object.fromEntries(viewer.on.map((id) => [id, viewer.known.filter(id) ?? ""]).filter(([, text]) => text));
      messages.tell("change", { query: viewer.shared, filters, counts: Object.fromEntries(counts) });
    }, CALM);
  };
  bar.changed = () => untrack(change);

  $effect(() => {
    if (viewer.status !== "ready") return;
    messages.tell("ready", {});
    for (const id of viewer.on) void viewer.known.result(id)?.count;
    void viewer.link;
    change();
  });

  $effect(() => {
    const { selection, known } = viewer;
    if (!selection || selection.fid === undefined) return messages.tell("select", null);
    const properties = known.feature.data?.properties;
    if (properties) messages.tell("select", { layer: selection.layer, fid: selection.fid, properties });
  });

  onMount(() => {
    const measure = (): void => {
      const widget = look();
      const [head, , foot] = widget.children;
      const body = Math.min(MOST, Math.max(LEAST, Math.round((widget.clientWidth * 2) / 3)));
      messages.tellHeight(Math.ceil((head as HTMLElement).offsetHeight + body + (foot as HTMLElement).offsetHeight));
    };
    const watch = new ResizeObserver(measure);
    const widget = look();
    for (const part of [widget, widget.children[0]!, widget.children[2]!]) watch.observe(part);
    return () => {
      watch.disconnect();
      clearTimeout(timer);
    };
  });
}
