import { describe, expect, test } from "vitest";
import { lastPart, nameIn } from "./download";
import { term } from "./logs";

describe("the name of a file", () => {
  test.each([
    ["attachment; filename*=UTF-8''%E6%A9%9F%E5%99%A8.csv", "機器.csv"],
    ["attachment; filename=\"plain.csv\"; filename*=UTF-8''%E6%A9%9F.csv", "機.csv"],
    ["attachment; filename*=utf-8''a.csv; size=3", "a.csv"],
    ['attachment; filename="a b;c.csv"', "a b;c.csv"],
    ["attachment; filename*=UTF-8''%E6%A9", "%E6%A9"],
    ["attachment", "otherwise"],
    ["", "otherwise"],
    [null, "otherwise"],
  ])("%s", (disposition, name) => {
    expect(nameIn(disposition, "otherwise")).toBe(name);
  });

  test.each([
    ["/api/v1/registers/asset/export?format=csv&text=a/b", "export"],
    ["/api/v1/documents/", "documents"],
    ["/x#y/z", "x"],
    ["/", "file"],
    ["", "file"],
    ["?a/b", "file"],
  ])("otherwise the last part of %s", (path, name) => {
    expect(lastPart(path)).toBe(name);
  });
});

describe("a term of a question to the logs", () => {
  test.each([
    ["tanaka", "user:tanaka"],
    ["田中", "user:田中"],
    ["１２３", "user:１２３"],
    ["10.0.0.1", "user:10.0.0.1"],
    ["fe80::1", 'user:"fe80::1"'],
    ["a b", 'user:"a b"'],
    ["a　b", 'user:"a　b"'],
    ['say "hi" \\', 'user:"say \\"hi\\" \\\\"'],
    ["a OR user:b", 'user:"a OR user:b"'],
    ["", 'user:""'],
  ])("%s", (value, expected) => {
    expect(term("user", value)).toBe(expected);
  });
});
