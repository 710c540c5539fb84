import { describe, expect, test } from "vitest";
import { wordsIn } from "./context";
import { sentence, texts, type TextKey } from "./texts";

describe("the catalogue", () => {
  const entries = Object.entries(texts);
  const holes = (text: string) => [...new Set([...text.matchAll(/\{(\w+)\}/g)].map((hole) => hole[1]))].sort().join();

  test("every sentence stands in both languages", () => {
    expect(entries.filter(([, [ja, en]]) => !ja.trim() || !en.trim())).toEqual([]);
  });

  test("both languages tell the same facts", () => {
    const differ = entries.filter(([, [ja, en]]) => holes(ja) !== holes(en));
    expect(differ.map(([key]) => key)).toEqual([]);
  });

  test("no Japanese stands in an English sentence, but for the name of the language", () => {
    const japanese = entries.filter(([, [, en]]) => /[\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Han}]/u.test(en));
    expect(japanese.map(([key]) => key)).toEqual(["app.language"]);
  });
});

describe("a sentence", () => {
  test("has its facts filled in, each wherever it stands", () => {
    expect(sentence("app.facility.more", "en", { n: 3 })).toBe("3 more: narrow them down by name.");
  });

  test("a fact is never filled in again, whatever it holds", () => {
    expect(sentence("record.new", "ja", { r: "{r}$&$1{n}" })).toContain("{r}$&$1{n}");
  });

  test("a fact that is not told leaves its hole to be seen", () => {
    expect(sentence("app.facility.more", "en")).toContain("{n}");
    expect(sentence("app.facility.more", "en", { constructor: "x" })).toContain("{n}");
  });

  test.each(["verdict.unheard", "toString", "__proto__", ""])(
    "a key of data that has none (%s) stands as itself",
    (key) => {
      expect(sentence(key as TextKey, "ja")).toBe(key);
    },
  );
});

test("words without English are Japanese in English too; no words are none", () => {
  expect(wordsIn({ ja: "機器", en: "Devices" }, "en")).toBe("Devices");
  expect(wordsIn({ ja: "機器", en: "" }, "en")).toBe("機器");
  expect(wordsIn({ ja: "機器", en: "Devices" }, "ja")).toBe("機器");
  expect(wordsIn(undefined, "ja")).toBe("");
});
