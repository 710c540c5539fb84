// Today's ClickHouse engine (the npm package chdb, in this process) behind the HTTP interface that a server would have: the very
// statements of the program run on it. Usage: node clickhouse_now.mjs FOLDER; prints its port.
import { writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { join } from "node:path";

const { Session } = createRequire(import.meta.url)("chdb");
const session = new Session(process.argv[2]);

// The database of the request, as a server would take it from the address: statements name their tables in full.
async function answer(body) {
  const end = body.indexOf(10);
  const first = body.subarray(0, end < 0 ? body.length : end).toString();
  const insert = /^INSERT INTO (\S+) FORMAT (\w+)$/.exec(first);
  if (insert) {
    // The engine in this process takes rows from a file where a server takes them from the request.
    const [, table, format] = insert;
    const columns = Buffer.from(
      (await session.queryAsync(`DESCRIBE TABLE ${table}`, { format: "TabSeparated" })).bytes(),
    ).toString();
    const structure = columns
      .trim()
      .split("\n")
      .map((line) => line.split("\t").slice(0, 2).join(" "))
      .join(", ");
    const file = join(process.argv[2], "rows");
    writeFileSync(file, body.subarray(end + 1));
    await session.queryAsync(`INSERT INTO ${table} SELECT * FROM file('${file}', ${format}, '${structure}')`);
    return Buffer.alloc(0);
  }
  const statement = body.toString();
  const asked = / FORMAT (\w+)$/.exec(statement);
  const result = await session.queryAsync(asked ? statement.slice(0, asked.index) : statement, {
    format: asked ? asked[1] : "TabSeparated",
  });
  return Buffer.from(result.bytes());
}

let turn = Promise.resolve();
const server = createServer((request, response) => {
  const parts = [];
  request.on("data", (part) => parts.push(part));
  request.on("end", () => {
    turn = turn.then(async () => {
      try {
        const bytes = await answer(Buffer.concat(parts));
        response.writeHead(200, { "Content-Length": bytes.length });
        response.end(bytes);
      } catch (failure) {
        response.writeHead(500);
        response.end(String(failure.message ?? failure));
      }
    });
  });
});
server.listen(0, "127.0.0.1", () => console.log(server.address().port));
