// Names the installed packages that have install scripts of their own, a line each: `node scripted.js NODE_MODULES`.
'use strict';
const fs = require('fs');
const path = require('path');

let installed = {};
try {
  installed = JSON.parse(fs.readFileSync(path.join(process.argv[2], '.package-lock.json'), 'utf8'));
} catch { /* nothing was installed */ }
const names = Object.entries(installed.packages || {})
  .filter(([, found]) => found.hasInstallScript)
  .map(([place]) => place.slice(place.lastIndexOf('node_modules/') + 'node_modules/'.length));
for (const name of new Set(names)) process.stdout.write(`${name}\n`);
