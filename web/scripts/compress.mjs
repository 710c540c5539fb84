// A .gz beside every text file of the build: the server sends it as it is. Prints what the start page costs.
import { readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";

let total = 0;
function walk(folder) {
  for (const name of readdirSync(folder)) {
    const path = join(folder, name);
    if (statSync(path).isDirectory()) walk(path);
    else if (/\.(html|js|css|svg|webmanifest)$/.test(name)) {
      const zipped = gzipSync(readFileSync(path), { level: 9 });
      writeFileSync(path + ".gz", zipped);
      total += zipped.length;
    }
  }
}
walk("dist");
console.log(`start page, compressed: ${Math.round(total / 1024)} KB`);
