// The rows that are in the page, each with the height of what is left out before it; and what is left out at the end.
type Placed = { start: number; end: number };

export function withGaps<T extends Placed>(
  rows: T[],
  from: number,
  to: number,
): { rows: { row: T; gap: number }[]; rest: number } {
  const before = (index: number) => rows[index - 1]?.end ?? from;
  return {
    rows: rows.map((row, index) => ({ row, gap: Math.max(0, row.start - before(index)) })),
    rest: Math.max(0, to - before(rows.length)),
  };
}
