// What is done by itself: seen and steered at the page and the command line, and done by one server at a time where two share a database.
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { chmodSync, chownSync, existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { axeProblems, folder, hospital, mamori, serve, shot, signIn } from "./mamori.mjs";

const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));
async function comes(what, seconds = 20) {
  for (let i = 0; i < seconds * 10; i++) {
    const got = await what();
    if (got) return got;
    await pause(100);
  }
  return undefined;
}

describe("automatic work at the page", () => {
  let data, users, server, browser, page, stop;
  before(async () => {
    ({ data, users, server, browser, page, stop } = await hospital());
  });
  after(() => stop?.());

  test("each duty is listed with its turn, is accessible, and runs when asked", async () => {
    await page.goto(`${server.url}/jobs`);
    await page.waitForSelector(".grid tbody tr");
    await shot(page, "jobs");
    assert.deepEqual(await axeProblems(page), []);
    await page.getByRole("button", { name: "今すぐ実行: ログへの署名: access" }).click();
    const row = page.locator("tr", { hasText: "ログへの署名　access" });
    await row.locator("summary").click();
    await row.locator("li", { hasText: "成功" }).first().waitFor();
  });

  test("the command line tells the same, and says where there is nothing", () => {
    const list = JSON.parse(mamori("jobs", "list", "--format", "json", "--data", data.path).out);
    for (const kind of [
      "assess.facility",
      "logs.heads",
      "logs.journal",
      "logs.measure",
      "logs.room",
      "logs.verify",
      "sources.read",
    ])
      assert.ok(
        list.some((job) => job.kind === kind),
        kind,
      );
    const asked = mamori("jobs", "run", "logs.verify", "access", "--data", data.path);
    assert.equal(asked.code, 0, asked.err);
    assert.equal(mamori("jobs", "run", "logs.nothing", "--data", data.path).code, 3);
    assert.equal(mamori("jobs", "stop", "logs.verify", "nobody", "--data", data.path).code, 3);
    assert.match(mamori("jobs", "list", "--data", data.path).out, /logs\.verify/);
  });

  test("who may not set up sources may look, not run", async () => {
    const jobs = await (await page.request.get(`${server.url}/api/v1/jobs`)).json();
    const guest = await browser.newContext();
    const reader = await guest.newPage();
    const auditor = Object.entries(users).find(([, user]) => /auditor|監査|閲覧/.test(user.role));
    if (auditor) {
      await signIn(reader, server.url, auditor[0], auditor[1].password);
      assert.equal(
        (
          await reader.request.post(`${server.url}/api/v1/jobs/${jobs.items[0].id}/run`, {
            headers: { Origin: server.url },
          })
        ).status(),
        403,
      );
    }
    assert.equal((await fetch(`${server.url}/api/v1/jobs`)).status, 401);
    await guest.close();
  });
});

describe("two servers on one PostgreSQL", () => {
  const work = folder();
  const bin =
    "/usr/lib/postgresql/" +
    (existsSync("/usr/lib/postgresql") ? readdirSync("/usr/lib/postgresql").sort().at(-1) : "") +
    "/bin";
  let database, url;
  const servers = [];
  before(async () => {
    // Its server does not run as root.
    const other =
      process.getuid() === 0
        ? {
            uid: Number(spawnSync("id", ["-u", "postgres"]).stdout),
            gid: Number(spawnSync("id", ["-g", "postgres"]).stdout),
          }
        : {};
    const home = join(work.path, "postgres");
    mkdirSync(home);
    if (other.uid) for (const path of [work.path, home]) chownSync(path, other.uid, other.gid);
    const made = spawnSync(
      join(bin, "initdb"),
      ["-D", home, "-U", "mamori", "-A", "trust", "-E", "UTF8", "--no-locale"],
      { ...other, encoding: "utf8" },
    );
    assert.equal(made.status, 0, made.stderr);
    const port = await new Promise((resolve) => {
      const probe = createServer().listen(0, "127.0.0.1", () => {
        const { port } = probe.address();
        probe.close(() => resolve(port));
      });
    });
    database = spawn(
      join(bin, "postgres"),
      [
        "-D",
        home,
        "-p",
        String(port),
        "-c",
        "listen_addresses=127.0.0.1",
        "-c",
        "unix_socket_directories=",
        "-c",
        "fsync=off",
      ],
      { ...other, stdio: "ignore" },
    );
    url = `postgresql://mamori@127.0.0.1:${port}/postgres`;
    assert.ok(
      await comes(() => spawnSync(join(bin, "pg_isready"), ["-h", "127.0.0.1", "-p", String(port)]).status === 0),
    );
  });
  after(async () => {
    for (const server of servers) await server.stop?.();
    database?.kill("SIGINT");
    await new Promise((resolve) => (database ? database.on("exit", resolve) : resolve()));
    work.remove();
  });

  test(
    "a scan is made by one of them; where that one is killed the other goes on, and a stop ends it within seconds",
    { timeout: 180_000 },
    async () => {
      const tools = join(work.path, "bin"),
        scans = join(work.path, "scans");
      mkdirSync(tools);
      writeFileSync(scans, "");
      // Says whose child it is, and scans for ever.
      writeFileSync(join(tools, "nmap"), `#!/bin/sh\necho "$PPID $$" >> '${scans}'\nexec sleep 600\n`);
      chmodSync(join(tools, "nmap"), 0o755);
      const env = { PATH: `${tools}:${process.env.PATH}` };
      const one = join(work.path, "one"),
        two = join(work.path, "two");
      const run = (...words) => {
        const done = mamori(...words, "--data", one, "--database", url);
        assert.equal(done.code, 0, `${words.join(" ")}\n${done.err}`);
        return done.out;
      };
      run("init", "--name", "試験病院", "--login", "admin");
      writeFileSync(
        join(work.path, "segment.csv"),
        "区画名,用途,アドレス範囲,走査してよい\n事務系,業務,127.0.0.0/30,はい\n",
      );
      run("import", "segment", join(work.path, "segment.csv"));
      run("collect", "add", "network", "scan", "--every", "60", "--set", "targets=127.0.0.0/30");
      for (const path of [one, two]) servers.push(await serve(path, env, "--database", url));
      const begun = () =>
        readFileSync(scans, "utf8")
          .trim()
          .split("\n")
          .filter(Boolean)
          .map((line) => line.split(" "));
      assert.ok(await comes(() => begun().length > 0), "somebody scans");
      await pause(3000);
      assert.equal(begun().length, 1, "one of the two");
      const first = servers.find((server) => String(server.pid) === begun()[0][0]);
      assert.ok(first, "a server's own child");
      const job = () => JSON.parse(run("jobs", "list", "sources.read", "--format", "json"))[0];
      assert.equal(job().runs, true);
      // Killed: its scan dies with it, and its work is the other's.
      servers.splice(servers.indexOf(first), 1);
      first.kill();
      assert.ok(await comes(() => begun().length === 2, 60), "the other has taken over");
      assert.equal(begun()[1][0], String(servers[0].pid));
      assert.ok(!existsSync(`/proc/${begun()[0][1]}`), "the first scan ended with its server");
      const asked = Date.now();
      run("jobs", "stop", "sources.read", "scan");
      assert.ok(await comes(() => !job().runs), "it has ended");
      assert.ok(Date.now() - asked < 15_000 * Number(process.env.MAMORI_SLOWER || 1));
      assert.equal(job().failing_since, null, "which is no failure");
    },
  );
});
