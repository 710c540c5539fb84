// A long list: walked by keyboard from end to end, with only what is seen in the page.
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { axeProblems, hospital, mamori, output, shot } from "./mamori.mjs";

const devices = 3000; // several of the largest pages that the API gives

describe("a list of thousands", () => {
  let server, page, stop;
  before(async () => {
    ({ server, page, stop } = await hospital({
      prepare: (path) => {
        const lines = Array.from({ length: devices }, (_, at) => {
          const model = at % 7 === 0 ? "型番の説明が長く、何行にもわたって書かれている機器の型番の例" : `型-${at}`;
          return `パソコン,A-${String(at).padStart(5, "0")},試験,${model}`;
        });
        const file = join(path, "many.csv");
        writeFileSync(file, `種別,管理番号,メーカー,型番\n${lines.join("\n")}\n`);
        assert.equal(mamori("import", "asset", file, "--data", path).code, 0);
      },
    }));
  });
  after(() => stop?.());

  const open = async (path = "/ledgers/asset") => {
    await page.goto(server.url + path);
    await page.waitForSelector(".grid tbody tr a");
  };
  // Once the focus is on a row and that row is in sight, below the head.
  const focused = (row) =>
    page.waitForFunction((wanted) => {
      const at = document.activeElement?.closest("tr");
      if (at?.getAttribute("aria-rowindex") !== String(wanted)) return false;
      const { top, bottom } = document.activeElement.getBoundingClientRect();
      const head = document.querySelector("thead").getBoundingClientRect();
      const box = document.querySelector(".rows").getBoundingClientRect();
      return top >= Math.max(0, head.bottom) && bottom <= Math.min(box.bottom, window.innerHeight);
    }, row);
  const rowCount = () => page.locator(".grid").getAttribute("aria-rowcount").then(Number);
  const inPage = () => page.locator(".grid tbody tr").count();
  const listed = (values) =>
    page.evaluate(
      async (search) => (await (await fetch(`/api/v1/registers/asset/records?${search}`)).json()).items,
      new URLSearchParams({ sort: "number", limit: "3", ...values }).toString(),
    );

  test("the keys lead through it to the end and back; Enter opens", async () => {
    await open();
    const rows = await rowCount();
    assert.ok(rows > devices, "the head and every record are counted");
    await page.keyboard.press("j");
    await focused(2);
    for (let i = 0; i < 3; i++) await page.keyboard.press("ArrowDown");
    await focused(5);
    await page.keyboard.press("ArrowUp");
    await focused(4);
    await page.keyboard.press("k");
    await focused(3);
    await page.keyboard.press("End");
    await focused(rows);
    const [last, before] = await listed({ descending: "true" });
    assert.equal(await page.evaluate(() => document.activeElement.innerText), last.number);
    await page.keyboard.press("ArrowUp");
    await focused(rows - 1);
    assert.equal(await page.evaluate(() => document.activeElement.innerText), before.number);
    assert.ok((await inPage()) < 80, "only what is seen is in the page");
    await shot(page, "list-end");
    await page.keyboard.press("Home");
    await focused(2);
    await page.keyboard.press("PageDown");
    await page.waitForFunction(() => Number(document.activeElement.closest("tr").getAttribute("aria-rowindex")) > 8);
    await focused(
      await page.evaluate(() => Number(document.activeElement.closest("tr").getAttribute("aria-rowindex"))),
    );
    await page.keyboard.press("End");
    await focused(rows);
    await page.keyboard.press("Enter");
    await page.waitForURL(new RegExp(`/ledgers/asset/${last.id}$`));
  });

  test("rows and their places are told to a screen reader, each in its place, in the middle too", async () => {
    await open();
    const rows = await rowCount();
    await page.evaluate(() => {
      const box = document.querySelector(".rows");
      box.scrollTop = box.scrollHeight / 2;
    });
    await page.waitForFunction(() => {
      const box = document.querySelector(".rows").getBoundingClientRect();
      const row = document.elementFromPoint(box.left + 40, box.top + box.height / 2)?.closest("tr");
      return row?.querySelector("a") && Number(row.getAttribute("aria-rowindex")) > 1000;
    });
    const seen = await page
      .locator(".grid tbody tr[aria-rowindex]")
      .evaluateAll((all) =>
        all.map((row) => [Number(row.getAttribute("aria-rowindex")), row.querySelector("a")?.innerText]),
      );
    const places = seen.map(([place]) => place);
    assert.deepEqual(
      places,
      [...places].sort((a, b) => a - b),
    );
    assert.ok(places.every((place) => place >= 2 && place <= rows));
    const numbers = seen.slice(1).map(([, number]) => number);
    assert.deepEqual(numbers, [...numbers].sort());
    const head = await page.locator("thead th").first().boundingBox();
    const box = await page.locator(".rows").boundingBox();
    assert.ok(Math.abs(head.y - box.y) <= 2, "the head stays");
    await shot(page, "list-middle");
    assert.deepEqual(await axeProblems(page), []);
  });

  test("the focus stays where it is when the list is scrolled away under it", async () => {
    await open();
    await page.keyboard.press("j");
    await page.keyboard.press("ArrowDown");
    await focused(3);
    const number = await page.evaluate(() => document.activeElement.innerText);
    await page.evaluate(() => (document.querySelector(".rows").scrollTop = 60_000));
    await page.waitForFunction(() => document.querySelectorAll(".gap-row").length === 3);
    assert.equal(await page.evaluate(() => document.activeElement.innerText), number);
    await page.keyboard.press("ArrowDown");
    await focused(4);
  });

  test("another order is seen from its beginning, and the heading keeps the focus", async () => {
    await open();
    await page.evaluate(() => (document.querySelector(".rows").scrollTop = 40_000));
    const heading = page.getByRole("columnheader", { name: "管理番号" }).getByRole("button");
    await heading.click();
    const [last] = await listed({ descending: "true" });
    await page.waitForFunction((number) => document.querySelector(".grid tbody a").innerText === number, last.number);
    assert.equal(await page.locator(".rows").evaluate((box) => box.scrollTop), 0);
    assert.equal(await page.getByRole("columnheader", { name: "管理番号" }).getAttribute("aria-sort"), "descending");
    assert.match(await page.evaluate(() => document.activeElement.innerText), /管理番号/);
  });

  test("what is searched stands in the address, and the way back to it finds it", async () => {
    await open();
    await page.keyboard.press("/");
    await page.keyboard.type("A-02999");
    await page.waitForFunction(() => document.querySelectorAll(".grid tbody tr").length === 1);
    assert.match(page.url(), /text=A-02999/);
    await page.locator(".grid tbody tr a").click();
    await page.waitForSelector(".history li");
    await page.goBack();
    await page.waitForSelector(".grid tbody tr a");
    assert.equal(await page.locator("#list-search").inputValue(), "A-02999");
    assert.equal(await inPage(), 1);
  });

  test("a row that cannot be read is said, and read again when asked", async () => {
    await page.route("**/api/v1/registers/asset/records?*descending=true*", (route) => route.abort());
    await open();
    await page.keyboard.press("j");
    await page.keyboard.press("End");
    await page.waitForSelector("text=サーバにつながりません");
    await page.unroute("**/api/v1/registers/asset/records?*descending=true*");
    await page.getByRole("button", { name: "もう一度読み込む" }).click();
    await page.waitForFunction(() => !document.querySelector(".notice.bad"));
    await page.keyboard.press("j");
    await focused(await rowCount());
  });

  test("at 400 % nothing but the table scrolls sideways, and the keys show their row", async () => {
    await page.setViewportSize({ width: 320, height: 256 });
    await open();
    const rows = await rowCount();
    assert.ok((await page.evaluate(() => document.documentElement.scrollWidth)) <= 320);
    await page.keyboard.press("j");
    await page.keyboard.press("ArrowDown");
    await focused(3);
    await page.keyboard.press("End");
    await focused(rows);
    assert.deepEqual(await axeProblems(page), []);
    await page.screenshot({ path: join(output, "list-400.png") });
    await page.setViewportSize({ width: 1440, height: 900 });
  });
});
