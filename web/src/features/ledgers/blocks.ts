// A long list by its blocks. The API gives pages by cursor, each naming the next; asked in the reverse order it gives
// them from the end. So there are two chains of cursors, and a row is reached from the end that is nearer by them.
export const blockSize = 500; // the largest page the API gives

export type End = "start" | "end";
// The cursor with which block i of an end begins, as far as they are known; that of the first is "".
export type Cursors = Record<End, string[]>;
export type Place = { end: End; index: number };
export type Block = Place & { cursor: string };

export const nothingKnown: Cursors = { start: [""], end: [""] };
export const blockKey = ({ end, index }: Place) => `${end} ${index}`;

// Where a row stands: the block, and how far into it.
export function placeOf(row: number, total: number, known: Cursors): Place & { offset: number } {
  const at = (end: End, from: number) => {
    const index = Math.floor(from / blockSize);
    return { end, index, offset: from % blockSize, missing: Math.max(0, index - (known[end].length - 1)) };
  };
  const ahead = at("start", row);
  const back = at("end", total - 1 - row);
  const { end, index, offset } = back.missing < ahead.missing ? back : ahead;
  return { end, index, offset };
}

// The blocks to ask for so that these rows come to be seen, each once. What no cursor leads to yet is come nearer by
// one block: its page names the next cursor, then this is asked again. The first is always among them, for the total.
export function blocksFor(rows: number[], total: number, known: Cursors): Block[] {
  const blocks = new Map<string, Block>();
  const add = ({ end, index }: Place) => {
    const reached = Math.min(index, known[end].length - 1);
    const cursor = known[end][reached] ?? "";
    blocks.set(blockKey({ end, index: reached }), { end, index: reached, cursor });
  };
  add({ end: "start", index: 0 });
  for (const row of rows) if (row >= 0 && row < total) add(placeOf(row, total, known));
  return [...blocks.values()];
}

// What a block's page said of the next. Where others wrote meanwhile the next begins elsewhere than before: what was
// known beyond it holds no longer. The same object where nothing is new.
export function learned(known: Cursors, { end, index, cursor }: Block, next: string): Cursors {
  const chain = known[end];
  if (chain[index] !== cursor || (chain[index + 1] ?? "") === next) return known;
  return { ...known, [end]: [...chain.slice(0, index + 1), ...(next ? [next] : [])] };
}
