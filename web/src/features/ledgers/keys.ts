// Whether a key belongs to a field or a dialog, and not to the page.
export const isElsewhere = (event: KeyboardEvent) =>
  event.ctrlKey ||
  event.metaKey ||
  event.altKey ||
  (event.target instanceof Element && event.target.closest("input, textarea, select, dialog") !== null);

// The row a key leads to from row `at`; null for keys that lead nowhere. `page`: how many rows are seen at once.
export function rowAfter(key: string, at: number, total: number, page: number): number | null {
  const step: Record<string, number> = { ArrowDown: 1, j: 1, ArrowUp: -1, k: -1, PageDown: page, PageUp: -page };
  const by = key === "Home" ? -total : key === "End" ? total : Object.hasOwn(step, key) ? step[key] : undefined;
  return by === undefined || total === 0 ? null : Math.max(0, Math.min(total - 1, at + by));
}
