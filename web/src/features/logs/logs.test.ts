import { bytes } from "./bytes";
import { describe, expect, test } from "vitest";
import { isRange, nightBefore, spanOf, spanOfBar } from "./time";

describe("a span of time", () => {
  const now = Date.parse("2026-11-21T00:00:00Z");
  const own = { from: "2026-01-01T00:00:00Z", to: "2026-02-01T00:00:00Z" };

  test("a named range reaches back from now", () => {
    expect(spanOf("24h", { from: "", to: "" }, now)).toEqual({ from: "2026-11-20T00:00:00.000Z", to: "" });
  });

  test.each(["", "all", "2h", "constructor", "２４h"])("%s is no range, and leaves the span as it is", (range) => {
    expect(isRange(range)).toBe(false);
    expect(spanOf(range, own, now)).toEqual(own);
  });
});

describe("the night of an event", () => {
  const night = { from: "2026-11-20T18:00:00+09:00", to: "2026-11-20T23:00:00.000Z" };
  test.each([
    ["at six in the evening, as it begins", "2026-11-20T09:00:00Z"],
    ["before midnight", "2026-11-20T14:59:59Z"],
    ["after midnight", "2026-11-20T15:00:00Z"],
    ["at eight in the morning, as it ends", "2026-11-20T23:00:00Z"],
    ["at noon, that had gone before", "2026-11-21T03:00:00Z"],
    ["just before the next", "2026-11-21T08:59:59Z"],
    ["written in another zone", "2026-11-20T19:00:00-08:00"],
  ])("%s", (_, at) => {
    expect(nightBefore(at)).toEqual(night);
  });
});

describe("a bar of the histogram", () => {
  test("covers as far as the next, at least a second, a minute where it stands alone", () => {
    const bar = (seconds: number) => ({ from: new Date(seconds * 1000).toISOString() });
    expect(spanOfBar([bar(0), bar(3600)], bar(3600).from).to).toBe(bar(7200).from);
    expect(spanOfBar([bar(0), bar(0)], bar(0).from).to).toBe(bar(1).from);
    expect(spanOfBar([bar(0)], bar(0).from).to).toBe(bar(60).from);
  });
});

test.each([
  [0, "0 KB"],
  [1, "1 KB"],
  [999_999, "1000 KB"],
  [1_000_000, "1.0 MB"],
  [1_234_000_000, "1.2 GB"],
])("%d bytes are %s", (count, said) => {
  expect(bytes(count)).toBe(said);
});
