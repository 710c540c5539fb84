import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { addressOf, erase, get, patch, post, query, unknownOutcome, unreachable } from "./client";

describe("a query string", () => {
  test("leaves out what is empty, absent or false, keeps zero and true", () => {
    expect(query({ a: "", b: undefined, c: false, d: 0, e: true })).toBe("?d=0&e=true");
    expect(query({})).toBe("");
  });

  test("carries whatever people type", () => {
    const text = "a&b=c#d?e+f%20 ＡＢＣ　ｱｲｳ “” \u0000 😀";
    expect(new URLSearchParams(query({ text })).get("text")).toBe(text);
    expect(new URLSearchParams(query({ "a&b": "1" })).get("a&b")).toBe("1");
    const long = "長".repeat(100_000);
    expect(new URLSearchParams(query({ long })).get("long")).toBe(long);
  });
});

describe("the address of a route", () => {
  test("takes the names in braces from what is asked, and asks for the rest", () => {
    expect(addressOf("/r/{register}/{id}", { register: "a/b", id: "?", text: "x", cursor: "" })).toBe(
      "/r/a%2Fb/%3F?text=x",
    );
    expect(addressOf("/r", {})).toBe("/r");
  });
});

// What the server does not declare does not compile.
test("the contract holds the pages", () => {
  const never = () => {
    // @ts-expect-error no such route
    void get("/api/v1/nothing", {});
    // @ts-expect-error a name in braces is missing
    void get("/api/v1/registers/{register}/records/{id}", { register: "asset" });
    // @ts-expect-error no such question
    void get("/api/v1/today", { facilty: "f1" });
    // @ts-expect-error a member that is not taken
    void post("/api/v1/views", {}, { register: "asset", name: "", query: "", colour: "" });
    // @ts-expect-error nothing of that name in the answer
    void get("/api/v1/state", {}).then(({ nothing }) => nothing as unknown);
  };
  expect(never).toBeTypeOf("function");
});

describe("a call", () => {
  const fetched = vi.fn<typeof fetch>();
  beforeEach(() => {
    vi.stubGlobal("navigator", { onLine: true });
    vi.stubGlobal("fetch", fetched);
  });
  afterEach(() => {
    vi.unstubAllGlobals();
    fetched.mockReset();
  });
  const look = () => get("/api/v1/state", {});
  const keep = () => post("/api/v1/views", {}, { register: "asset", name: "名", query: "" });
  const answer = (body: BodyInit | null, status = 200) =>
    fetched.mockImplementation(() => Promise.resolve(new Response(body, { status })));

  test("gives what was answered, and nothing for 204", async () => {
    answer('{"a":1}');
    expect(await look()).toEqual({ a: 1 });
    answer(null, 204);
    await expect(erase("/api/v1/session", {})).resolves.toBeUndefined();
  });

  test("sends JSON as JSON and a file as it is", async () => {
    answer("{}");
    await keep();
    expect(fetched.mock.lastCall?.[1]).toMatchObject({
      body: JSON.stringify({ register: "asset", name: "名", query: "" }),
      headers: { "Content-Type": "application/json" },
    });
    const file = new Blob(["x"]);
    await post("/api/v1/blobs", {}, file);
    expect(fetched.mock.lastCall?.[1]?.body).toBe(file);
    expect(fetched.mock.lastCall?.[1]?.headers).not.toHaveProperty("Content-Type");
  });

  test("names the version that was seen", async () => {
    answer("{}");
    await patch(
      "/api/v1/registers/{register}/records/{id}",
      { register: "asset", id: "1" },
      { fields: {} },
      { version: 3 },
    );
    expect(fetched.mock.lastCall?.[1]?.headers).toMatchObject({ "If-Match": '"3"' });
  });

  test("a refusal is the server's sentence, with what is wrong where", async () => {
    const errors = [{ field: "name", code: "c", ja: "日", en: "e" }];
    answer(JSON.stringify({ code: "ledger.bad", title: "Bad.", title_ja: "だめです。", errors }), 422);
    await expect(keep()).rejects.toMatchObject({
      status: 422,
      code: "ledger.bad",
      words: { ja: "だめです。", en: "Bad." },
      errors,
    });
  });

  test.each(["", "null", "<html>", "[]", '"text"', "7"])(
    "a refusal that is no problem document (%s) is one all the same",
    async (body) => {
      answer(body, 500);
      await expect(look()).rejects.toMatchObject({ status: 500, code: "unknown", errors: [] });
    },
  );

  // What was only asked can be asked again; what was to be written may have been written.
  test.each([
    ["no network", () => fetched.mockRejectedValue(new TypeError("failed"))],
    ["a gateway that gave up", () => answer("", 504)],
    ["an answer that is cut off", () => answer('{"a":')],
  ])("after %s nobody knows whether something was written", async (_, happens) => {
    happens();
    await expect(look()).rejects.toBe(unreachable);
    happens();
    await expect(keep()).rejects.toBe(unknownOutcome);
    happens();
    await expect(post("/api/v1/session", {}, { login: "a", password: "b" })).rejects.toBe(unreachable);
  });

  test("offline nothing is sent", async () => {
    vi.stubGlobal("navigator", { onLine: false });
    await expect(keep()).rejects.toBe(unreachable);
    expect(fetched).not.toHaveBeenCalled();
  });
});
