// The API against its own document: schemathesis makes up requests for every route, good ones and bad ones.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { folder } from "./program.mjs";

const here = dirname(fileURLToPath(import.meta.url));
const program = join(here, "../../build/peers/schemathesis/bin/schemathesis");
const alone =
  spawnSync("unshare", ["--user", "--map-root-user", "--net", "ip", "link", "set", "lo", "up"]).status === 0;
const skip = !existsSync(program)
  ? "schemathesis could not be installed"
  : !alone && "no network of its own can be made here";

// What would end the session that asks, or the account.
const never = [
  "DELETE /api/v1/session",
  "POST /api/v1/account/password",
  "DELETE /api/v1/account/sessions/{session}",
  "POST /api/v1/account/totp/confirm",
  "PATCH /api/v1/users/{user}",
];

test("no request ends in an error of the server, no answer is other than its shape", { skip }, () => {
  const kept = folder();
  const run = spawnSync(
    "unshare",
    [
      ...["--user", "--map-root-user", "--net", process.execPath, join(here, "contract_run.mjs"), program, kept.path],
      ...["--phases", "coverage,fuzzing", "--max-examples", "8", "--seed", "1", "--continue-on-failure"],
      ...[
        "--checks",
        "not_a_server_error,response_schema_conformance,status_code_conformance,content_type_conformance",
      ],
      ...["--request-timeout", "30", "--warnings", "off", ...never.flatMap((name) => ["--exclude-name", name])],
    ],
    { encoding: "utf8", maxBuffer: 1 << 28, env: { ...process.env, NO_COLOR: "1" }, timeout: 600_000 },
  );
  kept.remove();
  assert.equal(run.status, 0, (run.stdout + run.stderr).slice(-8000));
});
