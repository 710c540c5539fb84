import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { call, get, post, query, unknownOutcome, unreachable } from "./client";

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
  const answer = (body: BodyInit | null, status = 200) =>
    fetched.mockImplementation(() => Promise.resolve(new Response(body, { status })));

  test("gives what was answered, and nothing for 204", async () => {
    answer('{"a":1}');
    expect(await get("/x")).toEqual({ a: 1 });
    answer(null, 204);
    expect(await call("DELETE", "/x")).toBeUndefined();
  });

  test("sends JSON as JSON and a file as it is", async () => {
    answer("{}");
    await post("/x", { name: "名" });
    expect(fetched.mock.lastCall?.[1]).toMatchObject({
      body: '{"name":"名"}',
      headers: { "Content-Type": "application/json" },
    });
    const file = new Blob(["x"]);
    await post("/x", file);
    expect(fetched.mock.lastCall?.[1]?.body).toBe(file);
    expect(fetched.mock.lastCall?.[1]?.headers).not.toHaveProperty("Content-Type");
  });

  test("a refusal is the server's sentence, with what is wrong where", async () => {
    const errors = [{ field: "name", code: "c", ja: "日", en: "e" }];
    answer(JSON.stringify({ code: "ledger.bad", title: "Bad.", title_ja: "だめです。", errors }), 422);
    await expect(post("/x")).rejects.toMatchObject({
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
      await expect(get("/x")).rejects.toMatchObject({ status: 500, code: "unknown", errors: [] });
    },
  );

  // What was only asked can be asked again; what was to be written may have been written.
  test.each([
    ["no network", () => fetched.mockRejectedValue(new TypeError("failed"))],
    ["a gateway that gave up", () => answer("", 504)],
    ["an answer that is cut off", () => answer('{"a":')],
  ])("after %s nobody knows whether something was written", async (_, happens) => {
    happens();
    await expect(get("/x")).rejects.toBe(unreachable);
    happens();
    await expect(post("/x")).rejects.toBe(unknownOutcome);
    happens();
    await expect(post("/api/v1/session")).rejects.toBe(unreachable);
  });

  test("offline nothing is sent", async () => {
    vi.stubGlobal("navigator", { onLine: false });
    await expect(post("/x")).rejects.toBe(unreachable);
    expect(fetched).not.toHaveBeenCalled();
  });
});
