// Spans of time that the log search asks for.

export const ranges = {
  "1h": 3600e3,
  "24h": 86400e3,
  "7d": 7 * 86400e3,
  "30d": 30 * 86400e3,
  "1y": 366 * 86400e3,
} as const;
export type Range = keyof typeof ranges;
export type Span = { from: string; to: string };

export const isRange = (text: string): text is Range => Object.hasOwn(ranges, text);

// A named range reaches back from `now`; every other name leaves the span as it is.
export function spanOf(range: string, span: Span, now: number): Span {
  return isRange(range) ? { from: new Date(now - ranges[range]).toISOString(), to: span.to } : span;
}

// The night of an event, or the one before it: from six in the evening to eight in the morning, in Japan.
export function nightBefore(at: string): Span {
  const toSix = 9 * 3600e3 - 18 * 3600e3; // Japan's day, counted from six in the evening
  const day = new Date(new Date(at).getTime() + toSix).toISOString().slice(0, 10);
  const from = `${day}T18:00:00+09:00`;
  return { from, to: new Date(new Date(from).getTime() + 14 * 3600e3).toISOString() };
}

// What one bar of the histogram covers: as far as the next begins; at least a second, a minute where it stands alone.
export function spanOfBar(bars: { from: string }[], from: string): Span {
  const [first, second] = bars;
  const width = first && second ? new Date(second.from).getTime() - new Date(first.from).getTime() : 60e3;
  return { from, to: new Date(new Date(from).getTime() + Math.max(width, 1000)).toISOString() };
}
