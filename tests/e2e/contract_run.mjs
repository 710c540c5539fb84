// Run in a network of its own, where there is nothing but this machine: whatever a made-up request sets going
// reaches nobody. Serves the demonstration hospital, and lets schemathesis try every route of its document.
// Arguments: schemathesis, its folder for what it leaves behind, and further options of its.
import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { demo, serve } from "./mamori.mjs";
import { folder } from "./program.mjs";

const [program, kept, ...options] = process.argv.slice(2);
if (spawnSync("ip", ["link", "set", "lo", "up"]).status !== 0) process.exit(77);
const data = folder();
const users = demo(data.path);
const server = await serve(data.path);
try {
  const answer = await fetch(`${server.url}/api/v1/session`, {
    method: "POST",
    headers: { "X-Mamori": "1", "Content-Type": "application/json" },
    body: JSON.stringify({ login: "manager", password: users.manager.password }),
  });
  const cookie = answer.headers.get("set-cookie").split(";")[0];
  const first = async (path) => {
    const list = await fetch(`${server.url}/api/v1/${path}`, { headers: { Cookie: cookie } });
    return (await list.json()).items.map((one) => one.id ?? one.framework ?? one.stream).slice(0, 3);
  };
  // Names that there are, so that routes are tried beyond "no such thing".
  const names = {
    "path.register": ["asset", "person", "account", "document"],
    "path.id": await first("registers/asset/records?limit=3"),
    "path.framework": await first("frameworks"),
    "path.stream": await first("logs/streams"),
    "path.index": ["0", "1"],
  };
  const lines = Object.entries(names).map(([name, values]) => `"${name}" = ${JSON.stringify(values)}`);
  writeFileSync(join(kept, "schemathesis.toml"), `[parameters]\n${lines.join("\n")}\n`);
  const run = spawnSync(
    program,
    ["run", `${server.url}/api/v1/openapi.json`, "-H", `Cookie:${cookie}`, "-H", "X-Mamori:1", ...options],
    { cwd: kept, stdio: "inherit" },
  );
  process.exitCode = run.status ?? 1;
} finally {
  await server.stop();
  data.remove();
}
