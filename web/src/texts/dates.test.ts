import { afterEach, describe, expect, test, vi } from "vitest";
import { agoOf, dayInJapan, dayOf, localInputOf, secondsOf, timeOf } from "./dates";

afterEach(() => {
  vi.unstubAllEnvs();
});

// The browser of a travelling administrator, and of one at home.
describe.each(["Asia/Tokyo", "UTC", "America/Los_Angeles", "Pacific/Kiritimati"])("in %s", (name) => {
  const there = <T>(say: () => T): T => {
    vi.stubEnv("TZ", name);
    return say();
  };

  test("the clock is that zone's", () => {
    const hours = { "Asia/Tokyo": 9, UTC: 0, "America/Los_Angeles": -8, "Pacific/Kiritimati": 14 }[name];
    expect(there(() => new Date("2026-11-21T00:00:00Z").getTimezoneOffset())).toBe(-60 * Number(hours) + 0);
  });

  test("a day is Japan's, with its year of the era", () => {
    expect(there(() => dayOf("2026-11-21", "ja"))).toBe("2026年11月21日（令和8年）");
    expect(there(() => dayOf("2026-11-20T15:00:00Z", "ja"))).toBe("2026年11月21日（令和8年）");
    expect(there(() => dayOf("2026-11-20T14:59:59Z", "en"))).toBe("2026-11-20");
    expect(there(() => dayOf("2026-11-21T01:00:00+09:00", "en"))).toBe("2026-11-21");
  });

  test("the era changes on its day", () => {
    expect(there(() => dayOf("2019-04-30", "ja"))).toBe("2019年4月30日（平成31年）");
    expect(there(() => dayOf("2019-05-01", "ja"))).toBe("2019年5月1日（令和元年）");
    expect(there(() => dayOf("2019-12-31", "ja"))).toBe("2019年12月31日（令和元年）");
  });

  test("times are Japan's", () => {
    expect(there(() => timeOf("2026-11-20T15:30:00Z", "ja"))).toBe("2026/11/21 0:30");
    expect(there(() => secondsOf("2026-11-20T15:30:05Z", "ja"))).toBe("2026/11/21 0:30:05");
  });

  test("today begins at midnight in Japan", () => {
    expect(there(() => dayInJapan(new Date("2026-03-31T14:59:59.999Z")))).toBe("2026-03-31");
    expect(there(() => dayInJapan(new Date("2026-03-31T15:00:00Z")))).toBe("2026-04-01");
  });

  test("a moment goes into its field as Japan's", () => {
    expect(there(() => localInputOf("2026-11-20T15:30:59Z"))).toBe("2026-11-21T00:30");
  });
});

describe("what is no date", () => {
  const odd = ["", "昨日", "2026-13-01", "２０２６-11-21", "<b>2026</b>", "9".repeat(10_000), "2026-11-21T08:30"];
  test.each(odd.map((text) => ({ text, name: text.slice(0, 20) })))("“$name” stands as it came", ({ text }) => {
    expect(dayOf(text, "ja")).toBe(text);
    expect(timeOf(text, "en")).toBe(text);
    expect(secondsOf(text, "ja")).toBe(text);
    expect(agoOf(text, "ja", 0)).toBe(text);
    expect(localInputOf(text)).toBe("");
  });
});

describe("how long ago", () => {
  const now = Date.parse("2026-11-21T00:00:00Z");
  test.each([
    ["2026-11-21T00:00:00Z", "this minute"],
    ["2026-11-20T23:59:00Z", "1 minute ago"],
    ["2026-11-20T23:01:00Z", "59 minutes ago"],
    ["2026-11-20T23:00:00Z", "1 hour ago"],
    ["2026-11-19T00:01:00Z", "48 hours ago"],
    ["2026-11-19T00:00:00Z", "2 days ago"],
    ["2026-11-21T00:05:00Z", "in 5 minutes"],
    ["2026-11-24T00:00:00Z", "in 3 days"],
  ])("%s is %s", (iso, said) => {
    expect(agoOf(iso, "en", now)).toBe(said);
  });

  test("in Japanese", () => {
    expect(agoOf("2026-11-20T00:00:00Z", "ja", now)).toBe("24 時間前");
  });
});
