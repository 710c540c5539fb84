// Starts the real program on a free loopback port with data of its own, and the real browser.
import { spawn } from "node:child_process";
import { mkdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";
import { folder, mamori, program } from "./program.mjs";

export { folder, mamori, program } from "./program.mjs";

const here = dirname(fileURLToPath(import.meta.url));
export const output = join(here, "output");
mkdirSync(output, { recursive: true });
const axe = readFileSync(join(here, "node_modules/axe-core/axe.min.js"), "utf8");

export function demo(path) {
  const made = mamori("demo", "--data", path);
  if (made.code !== 0) throw new Error(made.err);
  const users = {};
  for (const line of made.out.split("\n")) {
    const found = /^\s+(\S+)\s+(\S+)\s+(\S+)$/.exec(line);
    if (found) users[found[1]] = { password: found[2], role: found[3] };
  }
  return users;
}

// `more`: options; an object first stands for the environment.
export async function serve(path, ...more) {
  const env = typeof more[0] === "object" ? { ...process.env, ...more.shift() } : process.env;
  const child = spawn(program, ["serve", "--data", path, "--port", "0", "--language", "en", ...more], {
    stdio: ["ignore", "pipe", "pipe"],
    env,
  });
  let text = "",
    err = "";
  child.stderr.on("data", (bytes) => (err += bytes));
  const started = Date.now();
  await new Promise((resolve, reject) => {
    child.stdout.on("data", (bytes) => {
      text += bytes;
      if (text.includes("Press Ctrl+C")) setTimeout(resolve, 100);
    });
    child.on("exit", (code) => reject(new Error(`server ended with ${code}: ${err}`)));
  });
  const url = /(https?:\/\/[^\s/]+?)\.? /.exec(text)[1].replace(/\.$/, "");
  return {
    url,
    pid: child.pid,
    milliseconds: Date.now() - started,
    setup: /(https?:\/\/\S+\/setup#secret=\S+)/.exec(text)?.[1],
    // Also where it has ended already.
    stop: () =>
      new Promise((resolve) => {
        child.removeAllListeners("exit");
        if (child.exitCode !== null || child.signalCode !== null) return resolve();
        child.on("exit", resolve);
        child.kill("SIGTERM");
      }),
    kill: () => {
      child.removeAllListeners("exit");
      child.kill("SIGKILL");
    },
  };
}

export const launch = () =>
  chromium.launch({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    args: [
      "--no-sandbox",
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
    ],
  });

export async function axeProblems(page) {
  await page.evaluate(axe); // as the debugger, so that our content security policy does not stop it
  const result = await page.evaluate(() =>
    window.axe.run(document, { runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"] }),
  );
  return result.violations.map(
    (violation) =>
      `${violation.id}: ${violation.help} — ${violation.nodes
        .slice(0, 3)
        .map((node) => node.html.slice(0, 160))
        .join(" | ")}`,
  );
}

export async function signIn(page, url, login, password) {
  await page.goto(url);
  await page.getByLabel(/ログインID|Login/).fill(login);
  await page.getByLabel(/パスワード|Password/).fill(password);
  await page.getByRole("button", { name: /サインイン|Sign in/ }).click();
  await page.waitForSelector(".shell");
}

// The demonstration hospital, served, and a browser at its pages as the manager. `prepare` sees the data before it is
// served; `options` are the server's. What was begun ends with stop(), also where it could not all begin.
export async function hospital({ prepare = () => {}, options = [] } = {}) {
  const begun = { data: folder() };
  const stop = async () => {
    await begun.browser?.close();
    await begun.server?.stop();
    begun.data.remove();
  };
  try {
    begun.users = demo(begun.data.path);
    prepare(begun.data.path);
    begun.server = await serve(begun.data.path, ...options);
    begun.browser = await launch();
    const page = await begun.browser.newPage({ viewport: { width: 1440, height: 900 }, reducedMotion: "reduce" });
    page.setDefaultTimeout(20000);
    await signIn(page, begun.server.url, "manager", begun.users.manager.password);
    const visit = async (path, ready) => {
      await page.goto(begun.server.url + path);
      await page.waitForSelector(ready);
      await page.waitForFunction(() => !document.querySelector(".loading"));
    };
    return { ...begun, page, visit, stop };
  } catch (failure) {
    await stop();
    throw failure;
  }
}

export const shot = (page, name) => page.screenshot({ path: join(output, `${name}.png`), fullPage: true });
