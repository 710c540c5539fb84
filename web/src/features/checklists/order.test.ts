import { describe, expect, test } from "vitest";
import type { Shapes, Verdict } from "../../api/contract";
import { frameworksInOrder, itemsToShow } from "./order";

const item = (name: string, verdict: Verdict, contradiction: string | null = null) =>
  ({ item: name, verdict, contradiction }) as Shapes["Item"];

describe("items of a checklist", () => {
  const items = [item("1", "met"), item("2", "gap", "declared_yes"), item("3", "gap"), item("4", "met", "declared_no")];
  const named = (show: string) => itemsToShow(items, show).map((one) => one.item);

  test("contradictions first, then in the official order", () => {
    expect(named("")).toEqual(["2", "4", "1", "3"]);
    expect(items.map((one) => one.item)).toEqual(["1", "2", "3", "4"]);
  });

  test("only what is asked for", () => {
    expect(named("gap")).toEqual(["2", "3"]);
    expect(named("contradiction")).toEqual(["2", "4"]);
    expect(named("nonsense")).toEqual([]);
  });
});

test("frameworks: the newest edition first, what does not apply here last", () => {
  const framework = (name: string, edition: string, idle = false) =>
    ({
      framework: name,
      edition,
      items_total: 2,
      counts: { not_applicable: idle ? 2 : 0 },
    }) as Shapes["FrameworkSummary"];
  const frameworks = [framework("a", "2023"), framework("b", "2026", true), framework("c", "2025")];
  expect(frameworksInOrder(frameworks).map((one) => one.framework)).toEqual(["c", "a", "b"]);
});
