import { describe, expect, test } from "vitest";
import type { FieldInfo } from "../api/contract";
import { shownAs } from "./shown";

const field = (type: string, more: Partial<FieldInfo> = {}): FieldInfo => ({
  name: "f",
  type,
  label: { ja: "", en: "" },
  required: false,
  list: true,
  longest: 0,
  ...more,
});
const choice = field("choice", { choices: [{ value: "vpn", label: { ja: "VPN装置", en: "VPN device" } }] });

describe("a value as people read it", () => {
  test.each([null, undefined, ""])("%s is nothing", (value) => {
    for (const type of ["text", "choice", "ref", "boolean", "date", "datetime", "file"])
      expect(shownAs(field(type), value, {}, "ja")).toBe("");
  });

  test("zero and false are values", () => {
    expect(shownAs(field("integer"), 0, {}, "ja")).toBe("0");
    expect(shownAs(field("boolean"), false, {}, "en")).toBe("－ No");
  });

  test("yes and no read the same from a record and from a condition in the address bar", () => {
    expect(shownAs(field("boolean"), true, {}, "ja")).toBe(shownAs(field("boolean"), "true", {}, "ja"));
    expect(shownAs(field("boolean"), false, {}, "ja")).toBe(shownAs(field("boolean"), "false", {}, "ja"));
  });

  test("a choice has its words, one that is gone its value", () => {
    expect(shownAs(choice, "vpn", {}, "en")).toBe("VPN device");
    expect(shownAs(choice, "gone", {}, "en")).toBe("gone");
  });

  test("a reference has the name of what it names", () => {
    expect(shownAs(field("ref"), "id1", { f: "医事課" }, "ja")).toBe("医事課");
    expect(shownAs(field("ref"), "id1", {}, "ja")).toBe("id1");
  });

  test("an attachment has its name, whatever that holds", () => {
    expect(shownAs(field("file"), `${"a".repeat(64)}:証明書: 1.pdf`, {}, "ja")).toBe("証明書: 1.pdf");
  });

  test("what looks like a page stays text", () => {
    expect(shownAs(field("text"), "<img onerror=x>", {}, "ja")).toBe("<img onerror=x>");
  });
});
