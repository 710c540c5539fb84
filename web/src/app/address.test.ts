import { describe, expect, test } from "vitest";
import { addressWith, isAt, pageOf } from "./address";

describe("an address", () => {
  const at = (search: string) => ({ path: "/ledgers/asset", search: new URLSearchParams(search) });

  test("keeps what is not changed, loses what is emptied", () => {
    expect(addressWith(at("kind=vpn&sort=name"), { sort: "", text: "本館" })).toBe(
      `/ledgers/asset?kind=vpn&text=${encodeURIComponent("本館")}`,
    );
    expect(addressWith(at("sort=name"), { sort: "" })).toBe("/ledgers/asset");
    expect(addressWith(at(""), {})).toBe("/ledgers/asset");
  });

  test("does not change what it was made from", () => {
    const from = at("sort=name");
    addressWith(from, { sort: "number" });
    expect(from.search.toString()).toBe("sort=name");
  });

  test("carries whatever is typed", () => {
    const text = "&new=1#x ＡＢＣ%";
    const made = new URL(addressWith(at(""), { text }), "http://localhost");
    expect(made.searchParams.get("text")).toBe(text);
    expect(made.searchParams.get("new")).toBeNull();
  });
});

describe("the page of a path", () => {
  test.each([
    ["/", "", []],
    ["/ledgers", "ledgers", []],
    ["/ledgers/asset/7", "ledgers", ["asset", "7"]],
    ["//ledgers//asset/", "ledgers", ["asset"]],
    ["/checklists/%E5%8F%B0%E5%B8%B3", "checklists", ["台帳"]],
    ["/ledgers/a%2Fb", "ledgers", ["a/b"]],
  ])("%s", (path, name, rest) => {
    expect(pageOf(path)).toEqual({ name, rest });
  });

  test.each(["/%", "/ledgers/%E5%8F", "/%zz"])("%s is none", (path) => {
    expect(pageOf(path)).toBeNull();
  });
});

test("a place of the menu is here on its page and below it only", () => {
  expect(isAt("/", "/")).toBe(true);
  expect(isAt("/logs", "/")).toBe(false);
  expect(isAt("/logs", "/logs")).toBe(true);
  expect(isAt("/logs/sources", "/logs")).toBe(true);
  expect(isAt("/logsomething", "/logs")).toBe(false);
});
