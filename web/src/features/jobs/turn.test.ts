import { expect, test } from "vitest";
import { percentOf, turnOf } from "./turn";

test.each([
  [0, "jobs.by_hand", 0],
  [-60, "jobs.by_hand", 0],
  [1, "jobs.seconds", 1],
  [60, "jobs.minutes", 1],
  [90, "jobs.seconds", 90],
  [5_400, "jobs.minutes", 90],
  [86_400, "jobs.days", 1],
  [90_000, "jobs.hours", 25],
])("a turn of %d seconds is %s %d", (seconds, text, n) => {
  expect(turnOf(seconds)).toEqual({ text, n });
});

test.each([
  [0, 0, undefined],
  [5, 0, undefined],
  [0, 3, 0],
  [1, 3, 33],
  [999_999, 1_000_000, 99],
  [3, 3, 100],
  [5, 3, 100],
  [-1, 3, 0],
])("%d of %d is %s percent", (done, whole, percent) => {
  expect(percentOf(done, whole)).toBe(percent);
});
