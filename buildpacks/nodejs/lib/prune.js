// Removes development dependencies: `node prune.js NODE_MODULES`. Exit status 1: npm has to do it.
//
// npm's own record of an installation says which packages only development needs. Reading it takes a few
// milliseconds; `npm prune` takes a second to come to the same result.
'use strict';
const fs = require('fs');
const path = require('path');

const modules = process.argv[2];
const record = path.join(modules, '.package-lock.json');
let installed;
try {
  installed = JSON.parse(fs.readFileSync(record, 'utf8'));
} catch {
  process.exit(1);
}
if (!installed.packages || Object.values(installed.packages).some((found) => found.link)) process.exit(1);

let removed = 0;
for (const [place, found] of Object.entries(installed.packages)) {
  if (found.dev !== true || !place.startsWith('node_modules/') || place.split('/').includes('..')) continue;
  fs.rmSync(path.join(modules, place.slice('node_modules/'.length)), { recursive: true, force: true });
  delete installed.packages[place];
  removed += 1;
}
fs.rmSync(record);
fs.writeFileSync(record, `${JSON.stringify(installed, null, 2)}\n`);

for (const name of fs.readdirSync(modules)) {
  const dir = path.join(modules, name);
  if (name.startsWith('@') && fs.readdirSync(dir).length === 0) fs.rmdirSync(dir);
}
const bin = path.join(modules, '.bin');
if (fs.existsSync(bin)) {
  for (const name of fs.readdirSync(bin)) {
    if (!fs.existsSync(path.join(bin, name))) fs.rmSync(path.join(bin, name), { force: true });
  }
}
process.stdout.write(`removed ${removed} development packages\n`);
