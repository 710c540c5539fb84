// What is written in the browser is written once, or it is said that it was not, or that nobody knows; and no file is lost on the way.
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { axeProblems, hospital, shot } from "./mamori.mjs";

describe("writing in the browser", () => {
  let data, page, visit, stop;
  before(async () => {
    ({ data, page, visit, stop } = await hospital());
  });
  after(() => stop?.());
  const total = (register, text) =>
    page.evaluate(
      async ([name, wanted]) =>
        (await (await fetch(`/api/v1/registers/${name}/records?text=${encodeURIComponent(wanted)}`)).json()).total,
      [register, text],
    );

  test("two clicks within one moment make one record", async () => {
    await visit("/ledgers/vendor?new=1", "dialog[open] .record-form");
    await page.getByLabel("事業者名").fill("二度押し商会");
    await page.evaluate(() => {
      const button = document.querySelector("dialog .record-form button[type=submit]");
      button.click();
      button.click();
      button.click();
    });
    await page.waitForSelector(".history li");
    assert.equal(await total("vendor", "二度押し商会"), 1);
  });

  test("a file that is not sent keeps the record from being saved, until it is, or is given up", async () => {
    let answer = "hold";
    let release;
    const held = new Promise((resolve) => (release = resolve));
    await page.route("**/api/v1/blobs?*", async (route) => {
      if (answer === "hold") {
        await held;
        return route.abort();
      }
      if (answer === "refuse")
        return route.fulfill({
          status: 507,
          contentType: "application/problem+json",
          body: JSON.stringify({
            code: "os.disk.full",
            title: "The disk is full.",
            title_ja: "ディスクがいっぱいです。",
          }),
        });
      return route.continue();
    });
    const file = join(data.path, "証明書.txt");
    writeFileSync(file, "消去証明");
    await visit("/ledgers/disposal?new=1", "dialog[open] .record-form");
    const save = page.locator("dialog .record-form button[type=submit]");
    await page.getByLabel("証明書", { exact: true }).setInputFiles(file);
    await page.waitForSelector("text=を送り終えると保存できます");
    assert.equal(await save.isDisabled(), true);
    answer = "refuse";
    release();
    await page.waitForSelector("text=送りましたが、返事がありません");
    assert.equal(await save.isDisabled(), true);
    await page.getByRole("button", { name: "もう一度送る" }).click();
    await page.waitForSelector("text=ディスクがいっぱいです");
    await shot(page, "record-file-failed");
    assert.deepEqual(await axeProblems(page), []);
    answer = "take";
    await page.getByRole("button", { name: "もう一度送る" }).click();
    await page.waitForSelector("text=添付を外す");
    assert.equal(await save.isDisabled(), false);
    await page.unroute("**/api/v1/blobs?*");
  });

  test("an answer that is lost is neither success nor failure", async () => {
    await page.route("**/api/v1/registers/vendor/records*", async (route) => {
      if (route.request().method() !== "POST") return route.continue();
      await route.fetch(); // it arrives, its answer does not
      return route.abort();
    });
    await visit("/ledgers/vendor?new=1", "dialog[open] .record-form");
    await page.getByLabel("事業者名").fill("返事なし商会");
    await page.getByRole("button", { name: "保存する" }).click();
    await page.waitForSelector("text=済んでいるかもしれません");
    await page.unroute("**/api/v1/registers/vendor/records*");
    assert.equal(await total("vendor", "返事なし商会"), 1);
  });

  test("“saved” goes with the next change", async () => {
    await visit("/ledgers/vendor", ".grid tbody tr");
    await page.locator(".grid tbody tr a").first().click();
    await page.getByLabel("業務内容").fill("保守");
    await page.getByRole("button", { name: "保存する" }).click();
    await page.waitForSelector("text=保存しました。");
    await page.getByLabel("業務内容").fill("保守と運用");
    await page.waitForFunction(() => !document.body.innerText.includes("保存しました。"));
  });

  test("what was imported is taken back later, and a refused file leaves no old preview", async () => {
    const file = join(data.path, "機器.csv");
    writeFileSync(file, "種別,管理番号,メーカー\nパソコン,PC-7001,〇〇\nパソコン,PC-7002,〇〇\n");
    const bad = join(data.path, "壊れ.xlsx");
    writeFileSync(bad, "PK\u0003\u0004 no workbook");
    await visit("/import/asset", ".import-start");
    await page.locator("#import-file").setInputFiles(file);
    await page.getByRole("button", { name: "読み込んで確かめる" }).click();
    await page.waitForSelector("#lines");
    await page.locator("#import-file").setInputFiles(bad);
    await page.getByRole("button", { name: "読み込んで確かめる" }).click();
    await page.waitForSelector(".notice.bad");
    assert.equal(await page.locator("#lines").count(), 0);
    await page.locator("#import-file").setInputFiles(file);
    await page.getByRole("button", { name: "読み込んで確かめる" }).click();
    await page.waitForSelector("#lines");
    // Applied in another window meanwhile.
    await page.route("**/apply", async (route) => {
      await route.fetch();
      return route.continue();
    });
    await page.getByRole("button", { name: "正しい2行を取り込む" }).click();
    await page.waitForSelector(".notice.bad");
    await page.unroute("**/apply");
    assert.equal(await page.getByRole("button", { name: "正しい2行を取り込む" }).count(), 0);
    const undo = page.locator("#recent ~ *").getByRole("button", { name: /この取り込みを取り消す 機器\.csv/ });
    await undo.waitFor();
    await shot(page, "import-recent");
    assert.deepEqual(await axeProblems(page), []);
    await visit("/import/asset", ".import-start"); // later
    await page.getByRole("button", { name: /この取り込みを取り消す 機器\.csv/ }).click();
    await page.waitForSelector("text=2件を元に戻しました");
    await page.waitForSelector("text=元に戻しました");
    assert.equal(await total("asset", "PC-7001"), 0);
  });

  test("a document that the server refuses is a sentence on the page", async () => {
    await page.route("**/api/v1/documents/registers/asset*", (route) =>
      route.fulfill({
        status: 503,
        contentType: "application/problem+json",
        body: JSON.stringify({ code: "busy", title: "Busy.", title_ja: "いま混み合っています。" }),
      }),
    );
    await visit("/documents", ".document-list li");
    const link = page.getByRole("link", { name: "使用機器一覧表 Excel" });
    await link.click();
    await page.waitForSelector("text=いま混み合っています。");
    await page.unroute("**/api/v1/documents/registers/asset*");
    const [download] = await Promise.all([page.waitForEvent("download"), link.click()]);
    assert.match(download.suggestedFilename(), /\.xlsx$/);
    assert.doesNotMatch(download.suggestedFilename(), /%/);
  });

  test("who could not sign out is told so", async () => {
    await visit("/", ".todo li");
    await page.route("**/api/v1/session", (route) =>
      route.request().method() === "DELETE" ? route.abort() : route.continue(),
    );
    await page.getByRole("button", { name: "サインアウト" }).click();
    await page.waitForSelector("text=サインアウトできていません");
    await page.unroute("**/api/v1/session");
    await page.locator("dialog").getByRole("button", { name: "閉じる" }).click();
    await page.getByRole("button", { name: "サインアウト" }).click();
    await page.getByLabel("ログインID").waitFor();
  });
});
