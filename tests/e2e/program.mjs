// The real program, for tests that need no browser.
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

export const program =
  process.env.MAMORI_PROGRAM ?? join(dirname(fileURLToPath(import.meta.url)), "../../build/release/bin/mamori");

export function folder() {
  const path = mkdtempSync(join(tmpdir(), "mamori-e2e-"));
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) };
}

export function mamori(...words) {
  const run = spawnSync(program, words, { encoding: "utf8", maxBuffer: 1 << 28 });
  return { code: run.status, out: run.stdout, err: run.stderr };
}
