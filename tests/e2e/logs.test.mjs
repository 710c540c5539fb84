// The logs as senders, people and scripts meet them: real clients send, the real browser searches, the command line verifies.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { createConnection, createServer } from "node:net";
import { readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { Client } from "@elastic/elasticsearch";
import { OTLPLogExporter as HttpExporter } from "@opentelemetry/exporter-logs-otlp-http";
import { OTLPLogExporter as ProtoExporter } from "@opentelemetry/exporter-logs-otlp-proto";
import FhirClient from "fhir-kit-client";
import { Resource } from "@opentelemetry/resources";
import { LoggerProvider, SimpleLogRecordProcessor } from "@opentelemetry/sdk-logs";
import { axeProblems, folder, hospital, mamori, serve, shot } from "./mamori.mjs";

describe("the log archive", () => {
  let data, server, page, stop, token;
  const run = (...words) => mamori(...words, "--data", data.path);
  before(async () => {
    ({ data, server, page, stop } = await hospital({
      prepare: (path) => {
        const made = mamori("logs", "token", "LS-0011", "--data", path);
        assert.equal(made.code, 0, made.err);
        token = made.out.trim();
      },
      options: ["--syslog-tcp", "0", "--syslog-udp", "0"],
    }));
  });
  after(async () => {
    await server?.stop(); // one of the tests starts another
    await stop?.();
  });

  const post = (path, body, headers = {}) =>
    fetch(server.url + path, { method: "POST", body, headers: { Authorization: `Bearer ${token}`, ...headers } });
  const find = (question) =>
    run("logs", "search", question, "--format", "json")
      .out.trim()
      .split("\n")
      .filter(Boolean)
      .map((line) => JSON.parse(line));

  test("without a token nothing is taken, whatever else is shown", async () => {
    for (const path of [
      "/ingest/fhir",
      "/ingest/v1/logs",
      "/ingest/lines",
      "/ingest/elastic/_bulk",
      "/ingest/elastic/x/_bulk",
    ]) {
      for (const headers of [
        {},
        { Authorization: "Bearer mml_wrong" },
        { Authorization: "Basic " + Buffer.from("a:b").toString("base64") },
      ]) {
        const reply = await fetch(server.url + path, { method: "POST", body: "{}", headers });
        assert.equal(reply.status, 401, path);
      }
    }
  });

  test("the Elasticsearch client sends with _bulk", async () => {
    const client = new Client({ node: `${server.url}/ingest/elastic`, auth: { username: "mamori", password: token } });
    // What Beats and Logstash ask before they send.
    const [major, minor] = (await client.info()).version.number.split(".").map(Number);
    assert.ok(major === 8 && minor >= 11, "Beats of 8.1 to 8.10 refuse a server that is older than they are");
    assert.equal((await client.license.get()).license.status, "active");
    const result = await client.bulk({
      operations: [
        { create: { _index: "logs" } },
        { "@timestamp": "2026-11-20T01:02:03Z", message: "elasticzebra one", user: { name: "tanaka" } },
        { create: { _index: "logs" } },
        { message: "elasticzebra two" },
        { delete: { _index: "logs", _id: "1" } },
      ],
    });
    assert.equal(result.errors, true, "what is logged cannot be deleted");
    assert.deepEqual(
      result.items.map((item) => Object.values(item)[0].status),
      [201, 201, 400],
    );
    const found = find("elasticzebra");
    assert.equal(found.length, 2);
    assert.ok(found.some((event) => event.fields.user === "tanaka" && event.time === "2026-11-20T01:02:03Z"));
  });

  for (const [name, Exporter] of [
    ["JSON", HttpExporter],
    ["protobuf", ProtoExporter],
  ]) {
    test(`the OpenTelemetry exporter sends ${name}`, async () => {
      const word = `otlp${name.toLowerCase()}zebra`;
      const exporter = new Exporter({
        url: `${server.url}/ingest/v1/logs`,
        headers: { Authorization: `Bearer ${token}` },
        compression: name === "protobuf" ? "gzip" : "none",
      });
      const provider = new LoggerProvider({ resource: new Resource({ "host.name": "app7" }) });
      provider.addLogRecordProcessor(new SimpleLogRecordProcessor(exporter));
      provider.getLogger("test").emit({
        severityNumber: 17,
        body: word,
        attributes: { "user.name": "suzuki", nested: { list: [1, true, "x"] } },
      });
      await provider.forceFlush();
      await provider.shutdown();
      const found = find(word);
      assert.equal(found.length, 1);
      assert.deepEqual(
        [found[0].fields.kind, found[0].fields.user, found[0].fields.host, found[0].fields.severity],
        ["otlp", "suzuki", "app7", "3"],
      );
      assert.match(found[0].raw, /nested/);
    });
  }

  test("FHIR AuditEvents come singly and in a Bundle; a bad entry is named", async () => {
    const event = (patient) => ({
      resourceType: "AuditEvent",
      recorded: "2026-11-20T01:00:00Z",
      action: "R",
      agent: [{ who: { identifier: { value: "s10003" } }, requestor: true }],
      entity: [{ what: { reference: `Patient/${patient}` } }],
    });
    assert.equal((await post("/ingest/fhir", JSON.stringify(event("777001")))).status, 201);
    const bundle = await post(
      "/ingest/fhir",
      JSON.stringify({
        resourceType: "Bundle",
        type: "batch",
        entry: [{ resource: event("777002") }, { resource: { resourceType: "Patient" } }],
      }),
    );
    assert.equal(bundle.status, 200);
    assert.match(JSON.stringify(await bundle.json()), /entry 2/);
    assert.equal(find("patient:777001 OR patient:777002").length, 2);
    assert.equal((await post("/ingest/fhir", "{")).status, 422);
    // What was refused is kept as it came, and its event says why.
    const kept = find("kind:refused");
    assert.ok(kept.some((event) => event.raw.includes('"Patient"')) && kept.some((event) => event.raw === "{"));
    await page.goto(`${server.url}/logs?range=all&q=kind%3Arefused`);
    await page.locator(".events .event").first().click();
    await page.waitForSelector("dialog .proof");
    await page.getByText("ログとして読めなかった理由").waitFor();
    await shot(page, "log-refused");
    assert.deepEqual(await axeProblems(page), []);
  });

  test("a FHIR client asks what there is, creates, updates, and sends a batch", async () => {
    const client = new FhirClient({ baseUrl: `${server.url}/ingest/fhir`, bearerToken: token });
    const event = (patient, id) => ({
      resourceType: "AuditEvent",
      ...(id ? { id } : {}),
      recorded: "2026-11-20T03:00:00Z",
      action: "R",
      agent: [{ who: { identifier: { value: "s10003" } }, requestor: true }],
      entity: [{ what: { reference: `Patient/${patient}` } }],
    });
    const statement = await client.capabilityStatement();
    const [resource] = statement.rest[0].resource;
    assert.deepEqual(
      [resource.type, resource.interaction.map((one) => one.code)],
      ["AuditEvent", ["create", "update"]],
    );
    const made = await client.create({ resourceType: "AuditEvent", body: event("778001") });
    const { response } = FhirClient.httpFor(made);
    assert.equal(response.status, 201);
    assert.match(response.headers.get("location"), /AuditEvent\/[A-Za-z0-9.-]{1,64}\/_history\/1$/);
    await client.update({ resourceType: "AuditEvent", id: "e-1", body: event("778002", "e-1") });
    const batch = await client.batch({
      body: {
        resourceType: "Bundle",
        type: "batch",
        entry: ["778003", "778004"].map((patient) => ({
          request: { method: "POST", url: "AuditEvent" },
          resource: event(patient),
        })),
      },
    });
    assert.equal(batch.type, "batch-response");
    assert.deepEqual(
      batch.entry.map((one) => one.response.status),
      ["201 Created", "201 Created"],
    );
    await assert.rejects(client.create({ resourceType: "AuditEvent", body: { resourceType: "Patient" } }));
    for (const patient of ["778001", "778002", "778003", "778004"]) assert.equal(find(`patient:${patient}`).length, 1);
  });

  test("what is packed in a way not known here is refused, and its sender keeps it", async () => {
    const { brotliCompressSync, deflateSync, gzipSync } = await import("node:zlib");
    const twice = Buffer.concat([gzipSync("memberzebra one\n"), gzipSync("memberzebra two\n")]);
    assert.equal((await post("/ingest/lines", twice, { "Content-Encoding": "gzip" })).status, 201);
    assert.equal(
      (await post("/ingest/lines", deflateSync("memberzebra 3\n"), { "Content-Encoding": "deflate" })).status,
      201,
    );
    assert.equal(find("memberzebra").length, 3);
    const reply = await post("/ingest/lines", brotliCompressSync("no\n"), { "Content-Encoding": "br" });
    assert.equal(reply.status, 415);
    assert.match(reply.headers.get("accept-encoding"), /zstd/);
  });

  test("what a sender has begun when the server stops is kept", async () => {
    const place = folder();
    try {
      assert.equal(
        mamori("init", "--name", "別棟", "--kind", "clinic", "--login", "admin", "--data", place.path).code,
        0,
      );
      const free = createServer().listen(0, "127.0.0.1");
      await new Promise((resolve) => free.on("listening", resolve));
      const { port } = free.address();
      await new Promise((resolve) => free.close(resolve));
      const other = await serve(place.path, {}, "--syslog-tcp", String(port));
      const socket = createConnection(port, "127.0.0.1");
      await new Promise((resolve) => socket.on("connect", resolve));
      socket.on("error", () => {});
      const text = (word) => `<34>1 2026-11-20T00:00:00Z fw app - - - pendingzebra ${word}`;
      socket.write(`${text("whole")}\n500 ${text("half of a frame")}`);
      await new Promise((resolve) => setTimeout(resolve, 500));
      await other.stop();
      socket.destroy();
      const found = mamori("logs", "search", "pendingzebra", "--format", "json", "--data", place.path)
        .out.trim()
        .split("\n");
      assert.equal(found.length, 2, found.join());
    } finally {
      place.remove();
    }
  });

  test("another installation's heads come to this one as to a hub, and its logs are held against them", async () => {
    const hospital = folder(),
      stranger = folder();
    try {
      assert.equal(
        mamori("init", "--name", "分院", "--kind", "clinic", "--login", "admin", "--data", hospital.path).code,
        0,
      );
      const other = await serve(hospital.path, { MAMORI_HUB_TOKEN: token }, "--hub-heads", server.url);
      for (let i = 0; find("action:tree-head").length === 0 && i < 100; ++i)
        await new Promise((resolve) => setTimeout(resolve, 200));
      await other.stop();
      const heads = run("logs", "search", "action:tree-head", "--format", "json").out;
      assert.match(heads, /mamori\/[0-9a-z]+\/journal/);
      const file = join(hospital.path, "heads-of-the-hub.jsonl");
      writeFileSync(file, heads);
      const fits = mamori("verify", "--heads", file, "--data", hospital.path, "--language", "en");
      assert.equal(fits.code, 0, fits.err);
      assert.match(fits.out, /signed heads kept elsewhere fit/);
      // Whoever took the logs away, or began anew with another key, is found.
      const archive = join(hospital.path, "archive");
      for (const facility of readdirSync(archive).filter((name) => name !== "lock"))
        rmSync(join(archive, facility, "journal"), { recursive: true, force: true });
      const cut = mamori("verify", "--heads", file, "--data", hospital.path, "--language", "en");
      assert.equal(cut.code, 1);
      assert.match(cut.err, /does not fit the logs/);
      assert.equal(
        mamori("init", "--name", "別院", "--kind", "clinic", "--login", "admin", "--data", stranger.path).code,
        0,
      );
      const foreign = mamori("verify", "--heads", file, "--data", stranger.path, "--language", "en");
      assert.equal(foreign.code, 1);
      assert.match(foreign.err, /Not signed by the key/);
      writeFileSync(file, "no head here\n");
      assert.equal(mamori("verify", "--heads", file, "--data", stranger.path).code, 1);
    } finally {
      hospital.remove();
      stranger.remove();
    }
  });

  test("gzip that unpacks without end is refused", async () => {
    const { gzipSync } = await import("node:zlib");
    const reply = await post("/ingest/lines", gzipSync(Buffer.alloc(200 << 20, 0x61)), { "Content-Encoding": "gzip" });
    assert.equal(reply.status, 413);
    assert.equal((await post("/ingest/lines", "not gzip", { "Content-Encoding": "gzip" })).status, 422);
  });

  test("syslog from an unknown sender appears, and is accepted in the page", async () => {
    await page.goto(`${server.url}/logs/sources`);
    await page.waitForSelector("table");
    const receivers = await page.evaluate(async () => (await (await fetch("/api/v1/logs/sources")).json()).receivers);
    await new Promise((resolve, reject) => {
      const socket = createConnection(receivers.tcp, "127.0.0.1", () =>
        socket.end("<34>1 2026-11-20T00:00:00Z fw app - - - syslogzebra from a stranger\n"),
      );
      socket.on("close", resolve);
      socket.on("error", reject);
    });
    await page.waitForFunction(
      async () => (await (await fetch("/api/v1/logs/search?q=syslogzebra")).json()).items.length === 1,
    );
    await page.reload();
    await page.getByRole("button", { name: /^承認する: LS-0014/ }).click();
    await page.waitForFunction(() => !document.querySelector("[aria-label='承認する: LS-0014']"));
    await shot(page, "log-sources");
    assert.deepEqual(await axeProblems(page), []);
  });

  test("the search page finds while typing, narrows by click, and shows the event with its proof", async () => {
    await page.goto(`${server.url}/logs?range=all`);
    await page.waitForSelector(".events li");
    await page.waitForSelector(".bars rect");
    await page.getByLabel("探す言葉").fill("outcome:failure");
    await page.waitForFunction(
      () =>
        location.search.includes("outcome") &&
        document.querySelectorAll(".event.failed").length > 3 &&
        document.querySelectorAll(".event:not(.failed)").length === 0,
    );
    await shot(page, "logs");
    assert.deepEqual(await axeProblems(page), []);
    await page.locator(".events .event").first().click();
    await page.waitForSelector("dialog .proof");
    await shot(page, "log-event");
    assert.deepEqual(await axeProblems(page), []);
    await page.keyboard.press("Escape");
    await page.getByLabel("探す言葉").fill("(a");
    await page.waitForSelector(".log-question .problem");
    await page.getByLabel("探す言葉").fill("patient:777001");
    await page.waitForFunction(() => document.querySelectorAll(".events li").length === 1);
    await page.getByRole("button", { name: "この検索を保存" }).click();
    await page.getByLabel("検索の名前").fill("患者777001");
    await page.locator("dialog").getByRole("button", { name: "保存する" }).click();
    await page.waitForSelector(".views .chip:has-text('患者777001')");
  });

  test("who searched for a patient stands in the journal", async () => {
    const journal = await page.evaluate(async () => (await (await fetch("/api/v1/journal")).json()).items);
    assert.ok(journal.some((entry) => entry.action === "searched" && entry.after.question === "patient:777001"));
  });

  test("an event names the person behind its user and leads to her record", async () => {
    await page.goto(`${server.url}/logs?range=all&stream=access&q=user%3As10*`);
    const event = page.locator(".events .event").first();
    await event.waitFor();
    assert.match(await event.innerText(), /s10\d+ \p{Script=Han}+/u);
    await event.click();
    await page.waitForSelector("dialog .proof");
    await shot(page, "log-person");
    assert.deepEqual(await axeProblems(page), []);
    await page.getByRole("link", { name: /^職員：/ }).click();
    await page.waitForURL(/ledgers\/person\//);
    await page.waitForSelector(".history, .plain-record, form");
  });

  test("verification runs from the page", async () => {
    await page.goto(`${server.url}/logs/proof`);
    await page.getByRole("button", { name: "今すぐ検証: access" }).click();
    await page.waitForSelector(".notice:has-text('改ざんも欠落もなく')");
    await shot(page, "log-proof");
    assert.deepEqual(await axeProblems(page), []);
  });

  test("an export verifies elsewhere; each kind of tampering is named with its line", async () => {
    const file = join(data.path, "logs.zip");
    const made = run("logs", "export", "user:v-mirai", "--stream", "network", "--output", file, "--format", "csv");
    assert.equal(made.code, 0, made.err);
    const elsewhere = folder();
    try {
      const verify = (path) =>
        mamori("verify", path, "--format", "json", "--data", join(elsewhere.path, "none"), "--language", "en");
      assert.equal(verify(file).code, 7, verify(file).err);
      const unpack = spawnSync("python3", [
        "-c",
        "import sys,zipfile; zipfile.ZipFile(sys.argv[1]).extractall(sys.argv[2])",
        file,
        elsewhere.path,
      ]);
      assert.equal(unpack.status, 0);
      const lines = readFileSync(join(elsewhere.path, "events.jsonl"), "utf8").trimEnd().split("\n");
      const tampered = {
        altered: [lines[0], lines[1].replace("v-mirai", "v-other"), ...lines.slice(2)],
        missing: [lines[0], ...lines.slice(2)],
        reordered: [lines[1], lines[0], ...lines.slice(2)],
        added: [lines[0], lines[0], ...lines.slice(1)],
      };
      for (const [kind, changed] of Object.entries(tampered)) {
        writeFileSync(join(elsewhere.path, "events.jsonl"), changed.join("\n") + "\n");
        const path = join(elsewhere.path, `${kind}.zip`);
        spawnSync("python3", [
          "-c",
          "import sys,zipfile; z=zipfile.ZipFile(sys.argv[1],'w'); [z.write(sys.argv[2]+'/'+n,n) for n in ('README.txt','events.jsonl','proof.json')]",
          path,
          elsewhere.path,
        ]);
        const answer = verify(path);
        assert.equal(answer.code, 1, kind);
        const told = JSON.parse(answer.out);
        assert.equal(told.reason, `report.logs.${kind}`);
        assert.equal(told.facts.line, kind === "reordered" ? "1" : "2", kind);
      }
    } finally {
      elsewhere.remove();
    }
  });

  test("the command line searches, counts, imports and lists", async () => {
    assert.equal(run("logs", "search", "(").code, 2);
    const counted = JSON.parse(run("logs", "stats", "outcome:failure", "--format", "json").out);
    assert.ok(counted.total > 0 && counted.counts.user.length > 0);
    const file = join(data.path, "old.log");
    writeFileSync(
      file,
      "Nov 20 10:00:00 host app: importzebra 1\nNov 20 10:00:01 host app: importzebra 2\n" + "x".repeat(2 << 20) + "\n",
    );
    assert.equal(run("logs", "import", file, "--source", "LS-0001").code, 4, "another process writes");
    await server.stop();
    const imported = run("logs", "import", file, "--source", "LS-0001");
    assert.equal(imported.code, 1, "one line is too long");
    assert.match(imported.err, /old\.log:3: /);
    assert.equal(find("importzebra").length, 2);
    assert.ok(JSON.parse(run("logs", "streams", "--format", "json").out).some((stream) => stream.stream === "journal"));
    const verified = run("verify", "--format", "json");
    assert.equal(verified.code, 0, verified.err);
    server = await serve(data.path);
  });

  test("signed heads go to paper and to a folder elsewhere, and only to those who may make documents", async () => {
    const heads = folder();
    try {
      await server.stop();
      server = await serve(data.path, "--copy-heads", heads.path);
      const path = "/api/v1/documents/log-heads";
      assert.equal((await fetch(server.url + path)).status, 401);
      const paper = await page.request.get(server.url + path);
      assert.equal(paper.status(), 200);
      // The day's report: who was silent, and the notes as they are signed.
      const file = join(heads.path, "report.pdf");
      writeFileSync(file, await paper.body());
      const text = spawnSync("pdftotext", ["-layout", file, "-"], { encoding: "utf8" }).stdout;
      assert.match(text, /この24時間の受信/);
      assert.match(text, /vpn0004.*×/);
      assert.match(text, /mamori\/\S+\/access/);
      const notes = () => readdirSync(heads.path, { recursive: true }).filter((name) => name.endsWith(".note"));
      for (let tries = 0; tries < 180 && notes().length < 3; tries++)
        await new Promise((done) => setTimeout(done, 500));
      assert.ok(notes().length >= 3, "the folder holds a head of every stream");
      for (const name of notes())
        assert.match(readFileSync(join(heads.path, name), "utf8"), /^mamori\/\S+\n\d+\n\S+\n[^]*\n\u2014 mamori\+/);
    } finally {
      heads.remove();
    }
  });
});
