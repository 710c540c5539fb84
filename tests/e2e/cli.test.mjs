// The command line as scripts use it: the README's commands, exit codes, JSON, bad input.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readFileSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { demo, folder, mamori, serve } from "./mamori.mjs";

describe("the command line", () => {
  let data;
  before(() => {
    data = folder();
  });
  after(() => data.remove());
  const run = (...words) => mamori(...words, "--data", data.path);

  test("init makes a facility once, with a generated password", () => {
    const made = run("init", "--name", "あおぞら診療所", "--kind", "clinic");
    assert.equal(made.code, 0, made.err);
    assert.match(made.out, /password: \S{20,}/);
    assert.equal(run("init", "--name", "x").code, 4);
  });

  test("import shows line and reason, offers the good part, is not applied by --dry-run or --all-or-none", () => {
    const file = join(data.path, "台帳.csv");
    writeFileSync(
      file,
      "種別,管理番号,メーカー,管理場所,管理責任者,購入日\nパソコン,PC-001,〇〇,医事課,医事課長,R5.5.8\nパソコン,PC-002,〇〇,医事課,医事課長,5/32\n",
    );
    const dry = run("import", "asset", file, "--dry-run", "--format", "json");
    assert.equal(dry.code, 1);
    const plan = JSON.parse(dry.out);
    assert.deepEqual([plan.new, plan.rejected], [1, 1]);
    assert.equal(run("import", "asset", file, "--all-or-none").code, 1);
    assert.equal(JSON.parse(run("export", "asset", "--format", "json").out).length, 0);
    const rejected = join(data.path, "rejected.csv");
    const done = run("import", "asset", file, "--rejected", rejected);
    assert.equal(done.code, 1);
    assert.match(done.out, /台帳\.csv:3:6: 「購入日」の「5\/32」は日付として読めません/);
    assert.match(readFileSync(rejected, "utf8"), /PC-002.*3行目/);
    const kept = JSON.parse(run("export", "asset", "--format", "json").out);
    assert.equal(kept.length, 1);
    assert.equal(kept[0].fields.bought_on, "2023-05-08");
  });

  test("bad files are refused with a sentence and leave everything as it was", () => {
    const big = join(data.path, "big.csv");
    writeFileSync(big, "種別\n");
    truncateSync(big, 1024 ** 3);
    const cases = { "big.csv": [5, /MB/], "missing.csv": [3, /見つかりません/] };
    writeFileSync(join(data.path, "binary.csv"), Buffer.from([0, 1, 2, 0xff, 0xfe, 0]));
    cases["binary.csv"] = [2, /CSVかXLSX/];
    writeFileSync(join(data.path, "latin.csv"), Buffer.from("種別,番号\n").subarray(0, 4));
    cases["latin.csv"] = [2, /./];
    writeFileSync(join(data.path, "fake.xlsx"), "PK\x03\x04 broken");
    cases["fake.xlsx"] = [2, /XLSXが壊れています/];
    for (const [name, [code, sentence]] of Object.entries(cases)) {
      const refused = run("import", "asset", join(data.path, name));
      assert.equal(refused.code, code, `${name}: ${refused.err}`);
      assert.match(refused.err, sentence);
    }
    assert.equal(JSON.parse(run("export", "asset", "--format", "json").out).length, 1);
  });

  test("every framework answers with the promised members", () => {
    const ids = [
      "mhlw-facility-r5",
      "mhlw-facility-r6",
      "mhlw-facility-r7",
      "mhlw-vendor-r5",
      "mhlw-vendor-r6",
      "mhlw-vendor-r7",
      "mhlw-pharmacy-r7",
      "tokushima-20",
      "minimum-measures-2024",
      "handbook-articles",
      "fee-schedule",
    ];
    const counts = {
      "mhlw-facility-r6": 18,
      "mhlw-facility-r7": 18,
      "mhlw-vendor-r6": 14,
      "tokushima-20": 20,
      "handbook-articles": 16,
      "fee-schedule": 30,
    };
    for (const id of ids) {
      const answer = run("assess", "--framework", id, "--format", "json");
      assert.equal(answer.code, 0, answer.err);
      const { items } = JSON.parse(answer.out);
      if (counts[id]) assert.equal(items.length, counts[id], id);
      for (const item of items) {
        for (const member of ["item", "verdict", "declared", "contradiction", "records", "evidence", "next_step"])
          assert.ok(member in item, `${id} ${member}`);
        assert.ok(["met", "gap", "stale", "no_evidence", "not_applicable"].includes(item.verdict));
        if (item.verdict === "no_evidence")
          assert.ok(item.next_step.ja, `${id} ${item.item} says what would answer it`);
      }
    }
    assert.equal(run("assess", "--framework", "mhlw-facility-r7", "--strict").code, 1);
    assert.equal(run("assess", "--framework", "nothing").code, 3);
  });

  test("documents are made, the package verifies on its own, and the first altered file is named", () => {
    const pack = join(data.path, "立入検査.zip");
    assert.equal(run("document", "inspection-package", "-o", pack).code, 0);
    const whole = mamori("verify", pack, "--format", "json");
    assert.equal(whole.code, 7, "whole, but nobody said whose key it must be");
    assert.equal(JSON.parse(whole.out).signer_checked, false);
    const manifest = spawnSync(
      "python3",
      ["-c", "import sys,zipfile; print(zipfile.ZipFile(sys.argv[1]).read('manifest.json').decode())", pack],
      { encoding: "utf8" },
    ).stdout;
    const key = JSON.parse(manifest).public_key;
    assert.equal(mamori("verify", pack, "--key", key).code, 0);
    assert.equal(
      mamori(
        "verify",
        pack,
        "--key",
        key.replace(/^./, (c) => (c === "0" ? "1" : "0")),
      ).code,
      1,
    );
    const bytes = readFileSync(pack);
    const at = bytes.indexOf("README.txt") + 40;
    bytes[at] ^= 1;
    writeFileSync(pack, bytes);
    const altered = mamori("verify", pack);
    assert.equal(altered.code, 1);
    assert.match(altered.err, /README\.txt|ZIP/);
    const pdf = join(data.path, "r7.pdf");
    assert.equal(run("document", "checklist", "mhlw-facility-r7", "-o", pdf).code, 0);
    assert.equal(readFileSync(pdf).subarray(0, 5).toString(), "%PDF-");
  });

  test("users are added, disabled, listed; the journal verifies", () => {
    assert.equal(run("user", "add", "sato", "--name", "佐藤", "--role", "operator").code, 0);
    assert.equal(run("user", "disable", "sato").code, 0);
    assert.equal(
      JSON.parse(run("user", "list", "--format", "json").out).find((user) => user.login === "sato").enabled,
      false,
    );
    assert.equal(run("user", "add", "bad", "--role", "emperor").code, 2);
    assert.equal(run("verify").code, 0);
  });

  test("sources are added and read from the command line; a failing one says why", () => {
    assert.equal(
      run("collect", "add", "backup", "nas", "--set", "kind=folder", "--set", "repository=/nonexistent").code,
      0,
    );
    const elsewhere = run("collect", "run", "nas");
    assert.equal(elsewhere.code, 5);
    assert.match(elsewhere.err, /places/, "no place is read that the installation does not name");
    writeFileSync(join(data.path, "places"), "/nonexistent\n");
    const failed = run("collect", "run", "nas");
    assert.equal(failed.code, 5);
    assert.match(failed.err, /見つかりません/);
    assert.equal(run("collect", "add", "directory", "ad", "--set", "url=http://x").code, 2);
  });

  test("help, completion and wrong use", () => {
    assert.equal(mamori("--help").code, 0);
    assert.equal(mamori("import", "--help").code, 0);
    assert.match(mamori("completion").out, /complete -F _mamori mamori/);
    assert.equal(mamori("fly").code, 2);
    assert.equal(mamori().code, 2);
  });

  test("one server per directory; TLS beyond loopback", async () => {
    const first = await serve(data.path);
    assert.equal(run("serve", "--port", "0").code, 4);
    await first.stop();
    const open = await serve(data.path, "--address", "0.0.0.0");
    assert.match(open.url, /^https:/);
    await open.stop();
  });

  test("a group with several facilities lives in one database; the command asks which one is meant", () => {
    assert.equal(
      run("init", "--name", "ひがし病院", "--kind", "hospital", "--beds", "120", "--grant", "manager").code,
      0,
    );
    assert.equal(run("export", "asset", "--format", "json").code, 2);
    assert.equal(JSON.parse(run("export", "asset", "--format", "json", "--facility", "ひがし病院").out).length, 0);
    assert.equal(JSON.parse(run("export", "asset", "--format", "json", "--facility", "あおぞら診療所").out).length, 1);
  });

  test("demo refuses a directory that holds a facility", () => {
    assert.equal(run("demo").code, 4);
    const other = folder();
    assert.ok(demo(other.path).manager);
    other.remove();
  });
});
