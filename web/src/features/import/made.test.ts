import { expect, test } from "vitest";
import { byRegister } from "./made";

test("names to register stand by register, in the order in which they come", () => {
  const made = (register: string, name: string) => ({ register, label: { ja: register, en: register }, name });
  const groups = byRegister([made("unit", "医事課"), made("person", "一郎"), made("unit", "医事課"), made("unit", "")]);
  expect(groups.map((group) => [group.register, group.names])).toEqual([
    ["unit", ["医事課", "医事課", ""]],
    ["person", ["一郎"]],
  ]);
  expect(byRegister([])).toEqual([]);
});
