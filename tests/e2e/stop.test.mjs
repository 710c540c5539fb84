// A server that is told to end does so within seconds, whatever comes in, and what it has read whole is kept.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createSocket } from "node:dgram";
import { readFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { folder, mamori, program } from "./program.mjs";

const work = folder();
const data = join(work.path, "data");
const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));
const seconds = 5 * Number(process.env.MAMORI_SLOWER || 1); // the promise; a program with sanitizers on a busy machine needs more

async function start(...more) {
  const child = spawn(
    program,
    [
      "serve",
      "--data",
      data,
      "--port",
      "0",
      "--language",
      "en",
      "--syslog-udp",
      "0",
      "--syslog-tcp",
      "0",
      "--syslog-tls",
      "0",
      ...more,
    ],
    { stdio: ["ignore", "pipe", "pipe"] },
  );
  let text = "",
    err = "";
  child.stderr.on("data", (bytes) => (err += bytes));
  child.stdout.on("data", (bytes) => (text += bytes));
  for (let i = 0; !/syslog tls \S+:\d+/.test(text); i++) {
    assert.ok(i < 600 && child.exitCode === null, err);
    await pause(100);
  }
  const port = (what) => Number(new RegExp(what + "\\S*:(\\d+)").exec(text)[1]);
  return {
    http: port("http://"),
    udp: port("syslog udp "),
    tcp: port("syslog tcp "),
    tls: port("syslog tls "),
    rss: () => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${child.pid}/status`, "utf8"))[1]) / 1024,
    async stop() {
      const began = Date.now();
      const ended = new Promise((resolve) => child.on("exit", (code, signal) => resolve({ code, signal })));
      child.kill("SIGTERM");
      const late = setTimeout(() => child.kill("SIGKILL"), 60_000);
      const { code, signal } = await ended;
      clearTimeout(late);
      assert.equal(signal, null, "it had to be killed\n" + err);
      assert.equal(code, 0, err);
      const took = (Date.now() - began) / 1000;
      assert.ok(took < seconds, `ended after ${took} s\n${err}`);
      return err;
    },
  };
}

const quiet = (socket) => socket.on("error", () => {});

function flood(port) {
  const socket = quiet(createSocket("udp4"));
  let sent = 0,
    stopped = false;
  (async () => {
    while (!stopped) {
      for (let i = 0; i < 5; i++)
        socket.send(`<34>1 - flood app - - - datagram number ${sent++} end`, port, "127.0.0.1", () => {});
      await pause(2);
    }
    socket.close();
  })();
  return { stop: () => (stopped = true) };
}

function kept(name) {
  const found = mamori("logs", "search", name, "--data", data, "--format", "json", "--limit", "100000");
  assert.equal(found.code, 0, found.err);
  return found.out
    .trim()
    .split("\n")
    .filter(Boolean)
    .map((line) => Number(/number (\d+) end$/.exec(JSON.parse(line).raw)[1]));
}

const without_holes = (numbers) =>
  assert.equal(new Set(numbers).size, Math.max(-1, ...numbers) + 1, "nothing in between is lost");

describe("a server that is told to end", () => {
  before(() => {
    const made = mamori("init", "--name", "試験病院", "--login", "admin", "--data", data);
    assert.equal(made.code, 0, made.err);
  });
  after(() => work.remove());

  for (let round = 0; round < 4; round++)
    test(`under datagrams, round ${round}`, async () => {
      const server = await start();
      const sending = flood(server.udp);
      await pause(700 + 370 * round);
      await server.stop().finally(sending.stop);
      assert.ok(kept("datagram").length > 50);
    });

  test("under TCP senders in the middle of a frame, idle and half-open connections and an upload", async () => {
    const server = await start();
    const open = [];
    for (let i = 0; i < 300; i++) open.push(quiet(connect(server.http, "127.0.0.1")));
    for (let i = 0; i < 100; i++)
      open[i].write(
        i % 2 ? "GET / HT" : "POST /api/v1/imports HTTP/1.1\r\nHost: a\r\nContent-Length: 70000000\r\n\r\nxxxx",
      );
    for (let i = 0; i < 20; i++) open.push(quiet(connect(server.tls, "127.0.0.1")));
    const senders = [0, 1, 2].map((n) => {
      const socket = quiet(connect(server.tcp, "127.0.0.1"));
      let number = 0;
      const more = () => {
        while (!socket.destroyed) {
          let text = "";
          for (let i = 0; i < 20; i++) {
            const line = `<34>1 - tcp${n} app - - - number ${number++} end`;
            text += `${line.length} ${line}`;
          }
          const cut = number % 17;
          socket.write(text.slice(0, cut));
          if (!socket.write(text.slice(cut))) return void socket.once("drain", more);
          if (number % 200 === 0) return void setTimeout(more, 10); // few enough to be read back
        }
      };
      more();
      return socket;
    });
    await pause(1500);
    await server.stop().finally(() => [...open, ...senders].forEach((socket) => socket.destroy()));
    for (const n of [0, 1, 2]) {
      const numbers = kept(`tcp${n}`);
      assert.ok(numbers.length > 10);
      without_holes(numbers);
    }
  });

  test("strangers with large bodies take no memory", async () => {
    const server = await start();
    const first = server.rss();
    const piece = Buffer.alloc(1 << 20, "x");
    const sockets = [];
    for (let i = 0; i < 12; i++) {
      const socket = quiet(connect(server.http, "127.0.0.1"));
      sockets.push(socket);
      socket.write(`POST /ingest/lines HTTP/1.1\r\nHost: a\r\nContent-Length: ${70 << 20}\r\n\r\n`);
      for (let n = 0; n < 69 && !socket.destroyed; n++) if (!socket.write(piece)) await pause(5);
    }
    await pause(500);
    const grown = server.rss() - first;
    for (const socket of sockets) socket.destroy();
    await server.stop();
    if (!process.env.MAMORI_SLOWER) assert.ok(grown < 5, `grew by ${grown} MB`);
  });
});
