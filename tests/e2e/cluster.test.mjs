// Logs in ClickHouse, through the program: the server of Debian's package and today's engine give what the files give.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { dirname, join } from "node:path";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { axeProblems, folder, launch, mamori, serve, shot, signIn } from "./mamori.mjs";

const here = dirname(fileURLToPath(import.meta.url));
const work = folder();
const children = [];
let server = 0; // the port of Debian's

const freePort = () =>
  new Promise((resolve) => {
    const probe = createServer().listen(0, "127.0.0.1", () => {
      const { port } = probe.address();
      probe.close(() => resolve(port));
    });
  });

async function debianServer() {
  const home = join(work.path, "clickhouse");
  mkdirSync(home);
  const [http, tcp, inter] = [await freePort(), await freePort(), await freePort()];
  writeFileSync(
    join(home, "users.xml"),
    "<yandex><profiles><default/></profiles><users><default><password></password><networks><ip>127.0.0.1</ip></networks><profile>default</profile><quota>default</quota></default></users><quotas><default/></quotas></yandex>",
  );
  writeFileSync(
    join(home, "config.xml"),
    `<yandex><logger><level>warning</level><log>${home}/log</log></logger><listen_host>127.0.0.1</listen_host><http_port>${http}</http_port><tcp_port>${tcp}</tcp_port><interserver_http_port>${inter}</interserver_http_port><path>${home}/data/</path><tmp_path>${home}/tmp/</tmp_path><users_config>${home}/users.xml</users_config><default_profile>default</default_profile><default_database>default</default_database><mark_cache_size>67108864</mark_cache_size></yandex>`,
  );
  children.push(spawn("/usr/sbin/clickhouse-server", [`--config-file=${home}/config.xml`], { stdio: "ignore" }));
  for (let i = 0; i < 200; i++) {
    const up = await fetch(`http://127.0.0.1:${http}/`).then(
      (reply) => reply.ok,
      () => false,
    );
    if (up) return http;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error("ClickHouse did not start");
}

async function engineOfToday() {
  const child = spawn(process.execPath, [join(here, "clickhouse_now.mjs"), join(work.path, "now")], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  children.push(child);
  return await new Promise((resolve) => child.stdout.once("data", (bytes) => resolve(Number(bytes))));
}

const lines = [];
for (let i = 0; i < 3000; i++)
  lines.push(
    `<38>1 2026-11-${String(1 + (i % 20)).padStart(2, "0")}T04:31:54Z gw${i % 7} sshd ${i} - - ${i % 10 === 0 ? "Failed" : "Accepted"} password for user${i % 50} from 203.0.113.${i % 250} port 22 ssh2`,
  );
lines.push(
  '<38>1 2026-11-20T05:00:00Z chart app 1 - - 患者 patient=001234 のカルテを開きました user=佐藤 it\'s \\ "quoted"',
);

const questions = [
  "failed",
  '"Failed password"',
  "user7",
  "user:user7 OR カルテ",
  "203.0.113.7",
  "gw* NOT accepted",
  "patient=001234 AND 患者",
  "it's",
  '"\\\\ \\"quoted\\""',
  "nothing here",
];

describe("logs in ClickHouse", () => {
  const answers = {},
    passwords = {};
  before(() => {
    writeFileSync(join(work.path, "some.log"), lines.join("\n") + "\n");
  });
  after(() => {
    for (const child of children) child.kill("SIGKILL");
    work.remove();
  });

  function use(name, ...where) {
    const run = (...words) => {
      const done = mamori(...words, "--data", join(work.path, name), ...where);
      assert.equal(done.code, 0, `${name}: ${words.join(" ")}\n${done.err}`);
      return done.out;
    };
    passwords[name] = /password: (\S+)/.exec(run("init", "--name", "試験病院", "--login", "admin"))[1];
    writeFileSync(join(work.path, "source.csv"), "名称,状態\ngw,承認済み\n");
    run("import", "log_source", join(work.path, "source.csv"));
    assert.match(run("logs", "import", join(work.path, "some.log"), "--source", "gw"), /3001|3,001/);
    const found = questions.map((question) => {
      const hits = run("logs", "search", question, "--format", "json", "--limit", "5000")
        .trim()
        .split("\n")
        .filter(Boolean)
        .map(JSON.parse);
      const stats = JSON.parse(run("logs", "stats", question, "--format", "json"));
      assert.equal(hits.length, stats.total, question);
      return {
        question,
        hits: hits.map(({ index, time, fields, raw }) => ({ index, time, fields, raw })),
        counts: stats.counts,
      };
    });
    assert.match(run("verify"), /3001/);
    run("logs", "export", "failed", "--output", join(work.path, `${name}.zip`));
    assert.match(mamori("verify", join(work.path, `${name}.zip`)).out, /300/);
    return found;
  }

  test("files", () => {
    answers.files = use("files");
    assert.equal(answers.files[0].hits.length, 300);
    assert.equal(answers.files.at(-2).hits.length, 1);
    assert.equal(answers.files.at(-1).hits.length, 0);
  });

  test("the server of Debian's package", { skip: !existsSync("/usr/sbin/clickhouse-server") }, async () => {
    server = await debianServer();
    assert.deepEqual(use("server", "--archive", `clickhouse://127.0.0.1:${server}/mamori`), answers.files);
  });

  test(
    "the pages show whose tree it is, prove an event and verify the stream",
    { skip: !existsSync("/usr/sbin/clickhouse-server") },
    async () => {
      const running = await serve(join(work.path, "server"), "--archive", `clickhouse://127.0.0.1:${server}/mamori`);
      const browser = await launch();
      try {
        const page = await browser.newPage({ viewport: { width: 1440, height: 900 }, reducedMotion: "reduce" });
        page.setDefaultTimeout(20000);
        await signIn(page, running.url, "admin", passwords.server);
        await page.goto(`${running.url}/logs/proof`);
        await page.waitForSelector(".source-head code");
        assert.match(await page.locator(".source-head code").first().innerText(), /^w[0-9a-f]{8}$/);
        await page.getByRole("button", { name: /^今すぐ署名: events@/ }).click();
        await page.getByRole("button", { name: /^今すぐ検証: events@/ }).click();
        await page.waitForSelector("text=3,001");
        await shot(page, "cluster-proof");
        assert.deepEqual(await axeProblems(page), []);
        await page.goto(`${running.url}/logs?range=all&q=user7`);
        await page.locator(".events .event").first().click();
        await page.waitForSelector("dialog .proof.proven");
        await shot(page, "cluster-event");
        assert.deepEqual(await axeProblems(page), []);
      } finally {
        await browser.close();
        await running.stop();
      }
    },
  );

  test("today's engine", async () => {
    const port = await engineOfToday();
    assert.deepEqual(use("now", "--archive", `clickhouse://127.0.0.1:${port}/mamori`), answers.files);
  });

  test("a server that is away is named", () => {
    const run = mamori(
      "logs",
      "search",
      "x",
      "--data",
      join(work.path, "files"),
      "--archive",
      "clickhouse://127.0.0.1:1/mamori",
      "--language",
      "en",
    );
    assert.equal(run.code, 5);
    assert.match(run.err, /127\.0\.0\.1:1.*cannot be reached/);
    const wrong = mamori(
      "logs",
      "search",
      "x",
      "--data",
      join(work.path, "files"),
      "--archive",
      "http://127.0.0.1/",
      "--language",
      "en",
    );
    assert.equal(wrong.code, 2);
  });
});
