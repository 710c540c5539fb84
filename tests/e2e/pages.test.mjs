// Walks each page in the real browser as its users would; axe finds nothing on any of them; screenshots stay in output/.
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { axeProblems, folder, hospital, launch, mamori, serve, shot, signIn } from "./mamori.mjs";

// 31 March that ends the fiscal year of today, in Japan.
function yearEnd() {
  const today = new Date(Date.now() + 9 * 3600e3);
  return `${today.getUTCFullYear() + (today.getUTCMonth() >= 3 ? 1 : 0)}-03-31`;
}

describe("the demonstration hospital in the browser", () => {
  let data, users, server, browser, page, visit, stop;
  before(async () => {
    ({ data, users, server, browser, page, visit, stop } = await hospital());
  });
  after(() => stop?.());

  const pages = [
    ["today", "/", ".todo li"],
    ["checklists", "/checklists", ".frameworks li"],
    ["checklist-r7", "/checklists/mhlw-facility-r7", ".items li"],
    ["checklist-item", "/checklists/mhlw-facility-r7?item=2(5)", "dialog[open] .controls li"],
    ["checklist-tokushima", "/checklists/tokushima-20", ".items li"],
    ["checklist-vendor", "/checklists/mhlw-vendor-r7", ".items li"],
    ["ledgers", "/ledgers", ".register-groups li"],
    ["ledger-assets", "/ledgers/asset", ".grid tbody tr"],
    ["ledger-empty", "/ledgers/edition", ".empty"],
    ["record-new", "/ledgers/asset?new=1", "dialog[open] .record-form"],
    ["import", "/import/asset", ".import-start"],
    ["sources", "/sources", ".source"],
    ["source-new", "/sources?new=1", "dialog[open] form"],
    ["jobs", "/jobs", ".grid tbody tr"],
    ["documents", "/documents", ".document-list li"],
    ["users", "/users", ".grid tbody tr"],
    ["journal", "/journal", ".grid tbody tr"],
    ["account", "/account", ".document-list li"],
    ["not-found", "/nowhere", "h1"],
  ];
  for (const [name, path, ready] of pages)
    test(`${name}: draws and is accessible`, async () => {
      await visit(path, ready);
      await shot(page, name);
      assert.ok((await page.evaluate(() => document.documentElement.scrollWidth)) <= 1440, "nothing sticks out");
      assert.deepEqual(await axeProblems(page), []);
    });

  test("Today on a phone fits and is accessible", async () => {
    await page.setViewportSize({ width: 390, height: 844 });
    await visit("/", ".todo li");
    await shot(page, "today-phone");
    assert.ok((await page.evaluate(() => document.documentElement.scrollWidth)) <= 390, "nothing sticks out");
    assert.deepEqual(await axeProblems(page), []);
    await page.setViewportSize({ width: 1440, height: 900 });
  });

  test("the contradiction stands first on Today and is one click from its evidence", async () => {
    await visit("/", ".todo li");
    assert.match(await page.locator(".todo li").first().innerText(), /申告と測定が一致しません/);
    await page.locator(".todo li").first().getByRole("link").click();
    await page.waitForSelector("dialog[open] .contradiction-big");
    await page.locator("dialog .records a").first().click();
    await page.waitForSelector(".plain-record");
  });

  test("Today says that a device's logs do not arrive, and leads to the senders", async () => {
    await visit("/", ".todo li");
    await page.locator(".todo li", { hasText: "ログを集める機器からログが届いている" }).getByRole("link").click();
    await page.waitForURL(/logs\/sources/);
  });

  test("the package for the inspection is made and verifies", () => {
    const pack = join(data.path, "立入検査.zip");
    const made = mamori("document", "inspection-package", "-o", pack, "--data", data.path);
    assert.equal(made.code, 0, made.err);
    assert.equal(mamori("verify", pack).code, 7, "whole; whose key it is must be told");
  });

  test("English shows no Japanese in its own words", async () => {
    await visit("/", ".todo li");
    await page.getByRole("button", { name: "English" }).click();
    assert.equal(await page.locator("h1").innerText(), "Today");
    await shot(page, "today-english");
    await page.getByRole("button", { name: "日本語" }).click();
  });

  test("a record is made, changed, retired and brought back by keyboard and mouse; its history shows it", async () => {
    await visit("/ledgers/vendor", ".grid tbody tr");
    await page.getByRole("button", { name: "新しく登録" }).click();
    await page.getByLabel("事業者名").fill("試験商会");
    await page.getByLabel("メール", { exact: true }).fill("not an address");
    await page.getByRole("button", { name: "保存する" }).click();
    await page.waitForSelector("dialog .notice.bad");
    assert.match(await page.locator("dialog .notice.bad").innerText(), /メールアドレスではありません/);
    await page.getByLabel("メール", { exact: true }).fill("a@example.jp");
    await page.getByRole("button", { name: "保存する" }).click();
    await page.waitForSelector(".history li");
    await page.getByLabel("業務内容").fill("試験");
    await page.keyboard.press("Enter");
    await page.waitForFunction(() => document.querySelectorAll(".history > li").length === 2);
    await page.getByRole("button", { name: "終了する" }).first().click();
    await page.getByLabel("終了する理由").fill("取引終了");
    await page.locator("dialog").getByRole("button", { name: "終了する" }).click();
    await page.getByRole("button", { name: "元に戻す" }).click();
    await page.waitForFunction(() => document.querySelectorAll(".history > li").length === 4);
    await shot(page, "record-history");
    assert.deepEqual(await axeProblems(page), []);
  });

  test("a sheet is imported with a preview by line, and taken back", async () => {
    const file = join(data.path, "機器.csv");
    writeFileSync(
      file,
      "使用機器一覧表,,,,\n種別,管理番号,メーカー,管理場所,管理責任者,購入日\nパソコン,PC-9001,〇〇,医事課,医事課長,令和5年5月8日\nパソコン,PC-9002,〇〇,医事課,医事課長,5/32\n",
    );
    await visit("/import/asset", ".import-start");
    await page.locator("#import-file").setInputFiles(file);
    await page.getByRole("button", { name: "読み込んで確かめる" }).click();
    await page.waitForSelector("#lines");
    assert.match(await page.locator("main").innerText(), /「購入日」の「5\/32」は日付として読めません/);
    await shot(page, "import-preview");
    assert.deepEqual(await axeProblems(page), []);
    await page.getByRole("button", { name: "正しい1行を取り込む" }).click();
    await page.locator(".notice").getByRole("button", { name: "この取り込みを取り消す" }).click();
    await page.waitForSelector("text=1件を元に戻しました");
  });

  test("a staff list that names new departments is imported with them, or without", async () => {
    const file = join(data.path, "職員名簿.csv");
    writeFileSync(
      file,
      "職員番号,氏名,所属,入職日\n77001,試験 一郎,新設の部,2026/4/1\n77002,試験 二郎,新設の部,2026/4/1\n",
    );
    await visit("/import/person", ".import-start");
    await page.locator("#import-file").setInputFiles(file);
    await page.getByRole("button", { name: "読み込んで確かめる" }).click();
    const box = page.getByLabel("台帳にまだない部署などは、名前だけで一緒に登録する");
    await box.waitFor();
    assert.match(await page.locator("#lines ~ .field").innerText(), /部署: 新設の部/);
    await shot(page, "import-names");
    assert.deepEqual(await axeProblems(page), []);
    await box.uncheck();
    await page.waitForSelector("text=「新設の部」は台帳「部署」にありません");
    await box.check();
    await page.getByRole("button", { name: "正しい2行を取り込む" }).click();
    await page.waitForSelector("text=名前だけの登録 1件も追加");
    await page.locator(".notice").getByRole("button", { name: "この取り込みを取り消す" }).click();
    await page.waitForSelector("text=2件を元に戻しました");
  });

  test("a list is filtered by a condition, and the view is saved under a name", async () => {
    await visit("/ledgers/asset", ".grid tbody tr");
    await page.getByLabel("条件を加える").selectOption("kind");
    await page.locator("#filter-value").selectOption("vpn");
    await page.waitForFunction(() => document.querySelectorAll(".grid tbody tr").length === 6);
    assert.match(page.url(), /kind=vpn/);
    await page.getByRole("button", { name: "この条件を保存" }).click();
    await page.getByLabel("条件の名前").fill("VPN装置");
    await page.locator("dialog").getByRole("button", { name: "保存する" }).click();
    await page.waitForSelector(".views .chip a:has-text('VPN装置')");
    await shot(page, "ledger-filtered");
    assert.deepEqual(await axeProblems(page), []);
  });

  test("an item is declared, and the answer stands beside the measured one", async () => {
    await visit("/checklists/mhlw-facility-r7?item=2(9)", "dialog[open] .declare");
    await page.locator("dialog").getByLabel("いいえ").check();
    await page.locator("dialog").getByRole("button", { name: "申告する" }).click();
    await page.waitForSelector("dialog .notice.bad");
    await page.locator("dialog").getByLabel("はい").check();
    await page.locator("dialog").getByRole("button", { name: "申告する" }).click();
    await page.waitForSelector("dialog .two-answers strong:has-text('はい')");
    await page.locator("dialog").getByLabel("2回目").check();
    await page.locator("dialog").getByLabel("いいえ").check();
    await page.locator("dialog").getByLabel("目標日").fill(yearEnd());
    await page.locator("dialog").getByRole("button", { name: "申告する" }).click();
    await page.waitForFunction(() => document.querySelectorAll("dialog .two-answers .round").length === 2);
    await shot(page, "checklist-two-rounds");
  });

  test("a source is changed in the page", async () => {
    await visit("/sources", ".source");
    await page.getByRole("button", { name: "設定を変更: 電子カルテ系の走査" }).click();
    await page.locator("dialog").getByLabel("間隔").selectOption("10080");
    await page.locator("dialog").getByRole("button", { name: "保存する" }).click();
    await page.waitForFunction(() => !document.querySelector("dialog[open]"));
    const row = page.locator(".source", { hasText: "電子カルテ系の走査" });
    assert.match(await row.innerText(), /168時間|168/);
  });

  test("an unknown device is explained and leaves the list", async () => {
    await visit("/sources?tab=candidates", ".source");
    const count = await page.locator("section[aria-labelledby=candidates] .source").count();
    await page
      .getByRole("button", { name: /^説明を残す/ })
      .first()
      .click();
    await page.getByLabel("台帳に加えない理由").fill("委託業者の検証機、月末に撤去");
    await page.locator("dialog").getByRole("button", { name: "保存する" }).click();
    await page.waitForFunction(
      (before) => document.querySelectorAll("section[aria-labelledby=candidates] .source").length === before - 1,
      count,
    );
  });

  test("Ctrl+K finds a device and goes there", async () => {
    await visit("/", ".todo li");
    await page.keyboard.press("Control+k");
    await page.locator("dialog input").fill("PC-014");
    await page.locator("dialog .hits a").first().click();
    await page.waitForSelector(".history li");
    assert.match(await page.locator("h1").innerText(), /PC-014/);
  });

  test("at 200 % zoom Today still reads without sideways scrolling", async () => {
    await page.setViewportSize({ width: 720, height: 450 });
    await visit("/", ".todo li");
    assert.ok((await page.evaluate(() => document.documentElement.scrollWidth)) <= 720);
    await page.setViewportSize({ width: 1440, height: 900 });
  });

  test("offline, the page keeps what it has and says so", async () => {
    await visit("/", ".todo li");
    await page.context().setOffline(true);
    await page.evaluate(() => window.dispatchEvent(new Event("focus")));
    await page.getByRole("link", { name: "文書" }).first().click();
    await page.waitForSelector("text=サーバにつながりません");
    await page.context().setOffline(false);
  });

  test("a page that throws says so inside the shell, and another address begins anew", async () => {
    await page.route("**/api/v1/journal*", (route) =>
      route.fulfill({ contentType: "application/json", body: JSON.stringify({ items: [null] }) }),
    );
    await visit("/", ".todo li");
    await page.locator(".rail").getByRole("link", { name: "変更履歴" }).click();
    await page.getByRole("heading", { name: "このページを表示できません" }).waitFor();
    assert.match(await page.getByRole("alert").innerText(), /保存したものは失われていません/);
    await shot(page, "broken");
    assert.deepEqual(await axeProblems(page), []);
    await page.getByRole("button", { name: "English" }).click();
    await page.getByText("Nothing that was saved is lost.").waitFor();
    await page.getByRole("button", { name: "日本語" }).click();
    // The shell goes on: its search, its menu, its way home.
    await page.keyboard.press("Control+k");
    await page.locator("dialog input").waitFor();
    await page.keyboard.press("Escape");
    await page.locator(".rail").getByRole("link", { name: "台帳" }).click();
    await page.waitForSelector(".register-groups li");
    await page.locator(".rail").getByRole("link", { name: "変更履歴" }).click();
    await page.getByRole("link", { name: "今日のページへ" }).click();
    await page.waitForSelector(".todo li");
    await page.locator(".rail").getByRole("link", { name: "変更履歴" }).click();
    await page.getByRole("heading", { name: "このページを表示できません" }).waitFor();
    await page.unroute("**/api/v1/journal*");
    await page.getByRole("button", { name: "再読み込み" }).click();
    await page.waitForSelector(".grid tbody tr");
  });

  test("what breaks the shell leaves a sentence", async () => {
    await page.route("**/api/v1/session", (route) =>
      route.fulfill({ contentType: "application/json", body: JSON.stringify({ facilities: [{ id: "x" }] }) }),
    );
    await page.goto(server.url);
    await page.locator("main.alone").getByRole("button", { name: "再読み込み" }).waitFor();
    await page.unroute("**/api/v1/session");
    await page.getByRole("button", { name: "再読み込み" }).click();
    await page.waitForSelector(".todo li");
  });

  test("staff and inspector see only what is theirs", async () => {
    for (const [login, absent] of [
      ["inspector", "取り込み"],
      ["staff", "点検"],
      ["vendor", "台帳"],
    ]) {
      const context = await browser.newContext({ viewport: { width: 1024, height: 800 } });
      const other = await context.newPage();
      await signIn(other, server.url, login, users[login].password);
      assert.equal(
        await other.locator(".rail").getByRole("link", { name: absent, exact: true }).count(),
        0,
        `${login} sees ${absent}`,
      );
      await shot(other, `as-${login}`);
      assert.deepEqual(await axeProblems(other), []);
      await context.close();
    }
  });
});

describe("an empty facility", () => {
  let data, server, browser;
  before(async () => {
    data = folder();
    server = await serve(data.path);
    browser = await launch();
  });
  after(async () => {
    await browser?.close();
    await server?.stop();
    data?.remove();
  });

  test("the first-use wizard leads to a Today that says what to do first", async () => {
    const page = await browser.newPage({ viewport: { width: 1024, height: 900 } });
    page.setDefaultTimeout(20000);
    assert.ok(server.setup, "the address of the wizard is printed");
    await page.goto(server.setup);
    await page.getByLabel("施設名").fill("あおぞら診療所");
    await page.getByLabel("施設の種類").selectOption("clinic");
    await page.getByLabel("氏名").fill("院長");
    await page.getByLabel("パスワード").fill("password");
    await page.waitForSelector(".strength li");
    await shot(page, "setup");
    assert.deepEqual(await axeProblems(page), []);
    await page.getByLabel("パスワード").fill("mizu-Umi7 kaze&Tsuki");
    await page.getByRole("button", { name: "設定してはじめる" }).click();
    await page.waitForURL(server.url + "/");
    await signIn(page, server.url, "manager", "mizu-Umi7 kaze&Tsuki");
    await page.waitForSelector(".first-steps li");
    await shot(page, "today-empty");
    assert.deepEqual(await axeProblems(page), []);
    assert.equal(mamori("assess", "--data", data.path, "--framework", "mhlw-facility-r7").code, 0);
  });
});
