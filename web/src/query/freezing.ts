/** Has the server freeze a map, and follows how far it is. */
import { ApiError } from "./server.ts";

/** A frozen map that is whole. */
export interface Kept {
  id: string;
  address: string;
  /** A line for people that says what it is. */
  cite: string;
}

interface Status {
  id: string;
  state: "waiting" | "working" | "done" | "failed";
  done: number;
  total: number;
  error: string | null;
  address: string;
}

/** Milliseconds between two looks. */
const LOOK = 700;

/** `tell` hears of the part that is done, from 0 to 1. Throws an ApiError that says why it cannot be. */
export async function freeze(root: string, link: string, title: string, tell: (part: number) => void, end: AbortSignal): Promise<Kept> {
  // Readers see what everybody sees, whatever else somebody may see who freezes.
  const body = JSON.stringify({ link, title, everybody: true });
  const begun = await fetch(new URL("frozen", root), {
    method: "POST",
    body,
    headers: { "Content-Type": "application/json" },
    signal: end,
  });
  let status = await read<Status>(begun);
  const folder = new URL(`frozen/${status.id}/`, root);
  while (status.state !== "done") {
    if (status.state === "failed") throw new ApiError(500, status.error ?? "");
    tell(status.total ? status.done / status.total : 0);
    await new Promise((resolve) => setTimeout(resolve, LOOK));
    status = await read<Status>(await fetch(new URL("status.json", folder), { signal: end }));
  }
  const { cite } = await read<{ cite: string }>(await fetch(new URL("manifest.json", folder), { signal: end }));
  return { id: status.id, address: folder.href, cite };
}

async function read<T>(answer: Response): Promise<T> {
  const found = (await answer.json().catch(() => ({}))) as { detail?: string };
  if (!answer.ok) throw new ApiError(answer.status, found.detail ?? String(answer.status));
  return found as T;
}

/** Whether whoever reads this may freeze maps. */
export async function mayFreeze(root: string): Promise<boolean> {
  try {
    return ((await read<{ freezes?: boolean }>(await fetch(new URL("api/me", root)))).freezes ?? false) === true;
  } catch {
    return false;
  }
}
