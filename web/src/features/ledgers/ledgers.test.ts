import { describe, expect, test } from "vitest";
import type { FieldInfo, RecordInfo, RegisterInfo } from "../../api/contract";
import { columnsIn } from "./columns";
import { canCondition, conditionOn, conditionsIn, fieldOf } from "./conditions";
import { attachmentName, changesOf, formOf } from "./form";
import { inGroups } from "./groups";
import { changedFields, logQuestion } from "./record";

const words = { ja: "", en: "" };
const field = (name: string, type = "text", more: Partial<FieldInfo> = {}): FieldInfo => ({
  name,
  type,
  label: words,
  required: false,
  list: false,
  longest: 0,
  ...more,
});
const register = (fields: FieldInfo[], more: Partial<RegisterInfo> = {}): RegisterInfo => ({
  name: "asset",
  label: words,
  description: words,
  hint: words,
  group: "devices",
  observed: false,
  numbered: true,
  writable: true,
  count: 0,
  requirements: [],
  printed: [],
  example: {},
  fields,
  ...more,
});
const record = (fields: RecordInfo["fields"], more: Partial<RecordInfo> = {}): RecordInfo => ({
  id: "1",
  register: "asset",
  facility: "f1",
  number: "PC-1",
  label: "",
  version: 1,
  updated_at: "",
  created_at: "",
  refs: {},
  fields,
  ...more,
});
const info = register([
  field("name", "text", { list: true }),
  field("place", "text", { list: true }),
  field("seen_at", "datetime"),
  field("encrypted", "boolean", { initial: "false" }),
]);

describe("the columns of a list", () => {
  test("are the register's, until others are chosen; these in the register's order", () => {
    expect(columnsIn(null, info)).toEqual(["name", "place"]);
    expect(columnsIn('["seen_at","name"]', info)).toEqual(["name", "seen_at"]);
    expect(columnsIn("[]", info)).toEqual([]);
  });

  test("a field that the register has lost is left out", () => {
    expect(columnsIn('["name","gone"]', info)).toEqual(["name"]);
  });

  test.each(["", "{", "null", "7", '"name"', '{"name":1}', "undefined"])(
    "kept as %s they are the register's",
    (kept) => {
      expect(columnsIn(kept, info)).toEqual(["name", "place"]);
    },
  );
});

describe("conditions", () => {
  test("are what the query string has beside what the list keeps there", () => {
    const search = new URLSearchParams(
      "text=a&sort=name&descending=true&retired=included&new=1&kind=vpn&name.has=本館",
    );
    expect(conditionsIn(search)).toEqual([
      ["kind", "vpn"],
      ["name.has", "本館"],
    ]);
  });

  test("name their field before the dot", () => {
    expect(fieldOf(info, "name.has")?.name).toBe("name");
    expect(fieldOf(info, "name")?.name).toBe("name");
    expect(fieldOf(info, "constructor")).toBeUndefined();
    expect(fieldOf(info, "")).toBeUndefined();
  });

  test("ask for a part of text, for the whole of what has few values", () => {
    expect(conditionOn(field("a", "text"))).toBe("a.has");
    for (const type of ["choice", "boolean", "date"]) expect(conditionOn(field("a", type))).toBe("a");
    for (const type of ["ref", "file", "long_text", "datetime"]) expect(canCondition(field("a", type))).toBe(false);
  });
});

describe("a form", () => {
  test("of a new record starts with the register's values, which are sent", () => {
    const form = formOf(info);
    expect(form).toEqual({ name: "", place: "", seen_at: "", encrypted: "false" });
    expect(changesOf(info, { ...form, name: "PC" })).toEqual({ name: "PC", encrypted: "false" });
  });

  test("of a record sends what differs, and null for what was emptied", () => {
    const kept = record({ name: "PC", place: "本館", seen_at: "2026-11-20T15:30:00Z", encrypted: true });
    const form = formOf(info, kept);
    expect(form).toEqual({ name: "PC", place: "本館", seen_at: "2026-11-21T00:30", encrypted: "true" });
    expect(changesOf(info, form, kept)).toEqual({});
    expect(changesOf(info, { ...form, place: "", encrypted: "false" }, kept)).toEqual({
      place: null,
      encrypted: "false",
    });
  });

  test("takes full and half width apart, and what is long whole", () => {
    const kept = record({ name: "PC1" });
    const form = formOf(info, kept);
    expect(changesOf(info, { ...form, name: "ＰＣ１" }, kept)).toEqual({ name: "ＰＣ１" });
    const long = "長".repeat(100_000);
    expect(changesOf(info, { ...form, name: long }, kept)).toEqual({ name: long });
  });

  test("a moment that cannot be read leaves its field empty, and is not sent", () => {
    const kept = record({ seen_at: "someday" });
    expect(changesOf(info, formOf(info, kept), kept)).toEqual({});
  });

  test("an attachment's name may hold a colon", () => {
    expect(attachmentName(`${"0".repeat(64)}:a: b.txt`)).toBe("a: b.txt");
  });
});

describe("registers in groups", () => {
  test("stand in the order of the pages, those of an unknown group among the others", () => {
    const one = register([], { name: "one", group: "new_in_data" });
    const two = register([], { name: "two", group: "organisation" });
    const three = register([], { name: "three", group: "other" });
    expect(inGroups([one, two, three])).toEqual([
      { group: "organisation", registers: [two] },
      { group: "other", registers: [one, three] },
    ]);
    expect(inGroups([])).toEqual([]);
  });
});

describe("an entry of the journal", () => {
  test("changed what differs; missing and empty are the same", () => {
    const changed = changedFields(info, { before: { name: "a", place: null }, after: { name: "b", encrypted: false } });
    expect(changed.map((one) => one.name)).toEqual(["name", "encrypted"]);
  });

  test("of a new record changed nothing, of a last one everything it had", () => {
    expect(changedFields(info, { before: null, after: { name: "a" } })).toEqual([]);
    expect(changedFields(info, { before: { name: "a" }, after: null }).map((one) => one.name)).toEqual(["name"]);
  });
});

describe("what the logs are asked about a record", () => {
  test("a device by its name and address, whichever it has", () => {
    expect(logQuestion("asset", record({ hostname: "pc1", ip: "10.0.0.1" }), [])).toBe("host:pc1 OR address:10.0.0.1");
    expect(logQuestion("asset", record({ ip: "10.0.0.1" }), [])).toBe("address:10.0.0.1");
    expect(logQuestion("asset", record({}), [])).toBe("");
  });

  test("a person by each account once", () => {
    const accounts = [record({ login: "a" }), record({ login: "a" }), record({ login: "b c" }), record({})];
    expect(logQuestion("person", record({}), accounts)).toBe('user:a OR user:"b c"');
    expect(logQuestion("person", record({}), [])).toBe("");
  });

  test("a name cannot become a question of its own", () => {
    expect(logQuestion("account", record({ login: 'x" OR user:"y' }), [])).toBe('user:"x\\" OR user:\\"y"');
  });

  test.each(["vendor", "constructor", ""])("of %s they know nothing", (name) => {
    expect(logQuestion(name, record({ login: "a" }), [])).toBe("");
  });
});
