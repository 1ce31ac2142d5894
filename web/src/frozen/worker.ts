/** A frozen map in a thread of its own, where reading and filtering a million rows holds up no finger: see apart.ts. */
import { openFrozen, type FrozenMap } from "./open.ts";
import { sayTruth } from "./truth.ts";

/** The first is the folder's address; of the others each is an address that is asked, or that of a tile. */
export type Wish = { number: number } & ({ root: string } | { ask: string } | { tile: string });

export type Reply = { number: number } & (
  | { opened: Pick<FrozenMap, "manifest" | "languages"> }
  | { status: number; type: string; body: string }
  | { tile: Uint8Array<ArrayBuffer> }
  | { error: string }
);

let opening: Promise<FrozenMap> | null = null;

async function fulfil(wish: Wish): Promise<Reply> {
  const { number } = wish;
  if ("root" in wish) {
    const { manifest, languages } = await (opening = openFrozen(wish.root, fetch, sayTruth));
    return { number, opened: { manifest, languages } };
  }
  const map = await opening!;
  // What is kept here stays here: the other side gets bytes of its own.
  if ("tile" in wish) return { number, tile: (await map.tile(wish.tile)).slice() };
  const answer = await map.fetch(wish.ask);
  return { number, status: answer.status, type: answer.headers.get("Content-Type") ?? "", body: await answer.text() };
}

addEventListener("message", ({ data }: MessageEvent<Wish>) => {
  fulfil(data).then(
    (reply) => postMessage(reply, { transfer: "tile" in reply ? [reply.tile.buffer] : [] }),
    (error: unknown) => postMessage({ number: data.number, error: String(error) } satisfies Reply),
  );
});
