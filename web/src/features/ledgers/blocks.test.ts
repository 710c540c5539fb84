import { describe, expect, test } from "vitest";
import { blockKey, blocksFor, blockSize, learned, nothingKnown, placeOf, type Block, type Cursors } from "./blocks";
import { withGaps } from "./gaps";
import { rowAfter } from "./keys";

// A list as the API has it: from either end, by cursor; the cursor is the last row given.
function listOf(total: number) {
  const rows = Array.from({ length: total }, (_, row) => row);
  const pages = new Map<string, number[]>();
  let asked = 0;
  return {
    pages,
    asked: () => asked,
    answer(block: Block): string {
      const order = block.end === "start" ? rows : [...rows].reverse();
      const from = block.cursor === "" ? 0 : order.indexOf(Number(block.cursor)) + 1;
      const page = order.slice(from, from + blockSize);
      asked++;
      pages.set(blockKey(block), page);
      return from + blockSize < total ? String(page.at(-1)) : "";
    },
  };
}

// Asks as the page does, until the row is there.
function reach(row: number, total: number, list: ReturnType<typeof listOf>, known: Cursors) {
  for (let round = 0; round < 1000; round++) {
    for (const block of blocksFor([row], total, known))
      if (!list.pages.has(blockKey(block))) known = learned(known, block, list.answer(block));
    const { offset, ...place } = placeOf(row, total, known);
    const found = list.pages.get(blockKey(place))?.[offset];
    if (found !== undefined) return { found, known };
  }
  throw new Error(`row ${row} of ${total} is never reached`);
}

describe("rows of a list", () => {
  test.each([1, 2, 499, 500, 501, 999, 1000, 1001, 5003])("of %d are each reached, and are themselves", (total) => {
    const list = listOf(total);
    let known = nothingKnown;
    const step = Math.max(1, Math.floor(total / 37));
    const some = Array.from({ length: total }, (_, row) => row).filter(
      (row) => row % step === 0 || row === total - 1 || row % blockSize < 2,
    );
    // From the middle to both ends.
    for (const row of some.sort((a, b) => Math.abs(a - total / 2) - Math.abs(b - total / 2))) {
      const reached = reach(row, total, list, known);
      expect(reached.found).toBe(row);
      known = reached.known;
    }
  });

  test("the last is one question away, the middle half the list", () => {
    const last = listOf(100_000);
    reach(99_999, 100_000, last, nothingKnown);
    expect(last.asked()).toBe(2); // the first block is always asked for, for the total
    const middle = listOf(100_000);
    reach(50_000, 100_000, middle, nothingKnown);
    expect(middle.asked()).toBeLessThanOrEqual(101);
  });

  test("of an empty list, or past its end, ask for the first block alone", () => {
    const first = [{ end: "start", index: 0, cursor: "" }];
    expect(blocksFor([], 0, nothingKnown)).toEqual(first);
    expect(blocksFor([0, -1, 7], 0, nothingKnown)).toEqual(first);
  });

  test("side by side ask for their block once", () => {
    const rows = Array.from({ length: 60 }, (_, row) => row);
    expect(blocksFor(rows, 100_000, nothingKnown)).toHaveLength(1);
  });
});

describe("cursors", () => {
  const known: Cursors = { start: ["", "a", "b"], end: [""] };
  const block = (index: number, cursor: string): Block => ({ end: "start", index, cursor });

  test("that say nothing new leave what is known as it is", () => {
    expect(learned(known, block(1, "a"), "b")).toBe(known);
    expect(learned(known, block(2, "b"), "")).toBe(known);
  });

  test("lead on", () => {
    expect(learned(known, block(2, "b"), "c").start).toEqual(["", "a", "b", "c"]);
  });

  test("that moved, because others wrote, end what was known beyond them", () => {
    expect(learned(known, block(0, ""), "a2").start).toEqual(["", "a2"]);
    expect(learned(known, block(0, ""), "").start).toEqual([""]);
  });

  test("of a block that is no longer where it was teach nothing", () => {
    expect(learned(known, block(1, "old"), "x")).toBe(known);
    expect(learned(known, block(5, "z"), "x")).toBe(known);
  });
});

describe("keys", () => {
  test.each([
    ["ArrowDown", 3, 4],
    ["j", 3, 4],
    ["ArrowUp", 3, 2],
    ["k", 0, 0],
    ["ArrowDown", 99, 99],
    ["Home", 50, 0],
    ["End", 50, 99],
    ["PageDown", 95, 99],
    ["PageUp", 3, 0],
    ["PageDown", 10, 20],
  ])("%s from %d leads to %d", (key, at, to) => {
    expect(rowAfter(key, at, 100, 10)).toBe(to);
  });

  test.each(["Enter", "Tab", "ArrowLeft", "x", "constructor", ""])("%s leads nowhere", (key) => {
    expect(rowAfter(key, 3, 100, 10)).toBeNull();
  });

  test("nothing leads anywhere in an empty list", () => {
    expect(rowAfter("End", 0, 0, 10)).toBeNull();
  });
});

test("gaps stand for the rows that are not in the page", () => {
  const rows = [
    { start: 40, end: 80 },
    { start: 800, end: 840 },
    { start: 840, end: 890 },
  ];
  const { rows: drawn, rest } = withGaps(rows, 40, 4000);
  expect(drawn.map((one) => one.gap)).toEqual([0, 720, 0]);
  expect(rest).toBe(3110);
  expect(withGaps([], 40, 40)).toEqual({ rows: [], rest: 0 });
});
