// Prints what decides about the build as shell assignments: `node inspect.js BUILD_DIR ENV_DIR`.
'use strict';
const crypto = require('crypto');
const fs = require('fs');
const path = require('path');

const [buildDir, envDir] = process.argv.slice(2);

function fail(...lines) {
  for (const line of lines) process.stderr.write(` !     ${line}\n`);
  process.exit(1);
}

function read(name) {
  try {
    return fs.readFileSync(path.join(buildDir, name), 'utf8');
  } catch {
    return null;
  }
}

function manifest() {
  let json;
  try {
    json = JSON.parse((read('package.json') || '').replace(/^\uFEFF/, ''));
  } catch (error) {
    fail(`package.json is not valid JSON: ${error.message}`);
  }
  if (json === null || typeof json !== 'object' || Array.isArray(json)) fail('package.json must be a JSON object.');
  return json;
}

const object = (value) => (value && typeof value === 'object' && !Array.isArray(value) ? value : {});
const pkg = manifest();
const scripts = object(pkg.scripts);
const engines = object(pkg.engines);
const npmDir = findNpm();

function findNpm() {
  for (const dir of (process.env.PATH || '').split(':')) {
    try {
      return path.resolve(path.dirname(fs.realpathSync(path.join(dir, 'npm'))), '..');
    } catch { /* not there */ }
  }
  return null;
}

function npmVersion() {
  try {
    return JSON.parse(fs.readFileSync(path.join(npmDir, 'package.json'), 'utf8')).version;
  } catch {
    return '';
  }
}

// npm brings the reader of version ranges; without it only a plain major version can be judged.
function satisfies(range) {
  if (!range) return true;
  try {
    return require(path.join(npmDir, 'node_modules', 'semver')).satisfies(process.version, range);
  } catch {
    const major = /(\d+)/.exec(range);
    return !major || process.version.startsWith(`v${major[1]}.`);
  }
}

function lock() {
  const pnpm = read('pnpm-lock.yaml') !== null && 'pnpm-lock.yaml';
  const yarn = read('yarn.lock') !== null && 'yarn.lock';
  const npm = ['npm-shrinkwrap.json', 'package-lock.json'].find((name) => read(name) !== null);
  const asked = String(pkg.packageManager || '').split('@')[0];
  if (npm && (pnpm || yarn)) {
    fail(`The app has both ${npm} and ${pnpm || yarn}.`, 'Keep the lock file of the package manager that you use and remove the other.');
  }
  if (pnpm) return ['pnpm', pnpm];
  if (yarn) return ['yarn', yarn];
  return [!npm && ['yarn', 'pnpm'].includes(asked) ? asked : 'npm', npm || ''];
}

function config() {
  const vars = {};
  try {
    for (const name of fs.readdirSync(envDir)) vars[name] = fs.readFileSync(path.join(envDir, name), 'utf8');
  } catch { /* none */ }
  return vars;
}

const KINDS = ['dependencies', 'devDependencies', 'optionalDependencies', 'peerDependencies'];
const specs = KINDS.flatMap((kind) => Object.values(object(pkg[kind])).map(String));
const [manager, lockfile] = lock();
const vars = config();
// Set by the platform where tests follow.
const nodeEnv = vars.NODE_ENV || process.env.NODE_ENV || (process.env.FLOWLINE_TEST ? 'test' : 'production');
// npm runs these of the app itself around an installation; they see the app's files, not only the lock file.
const LIFECYCLE = ['install', 'postinstall', 'prepublish', 'preprepare', 'prepare', 'postprepare'];
const lifecycle = LIFECYCLE.filter((name) => scripts[name]);
const build = ['heroku-postbuild', 'build'].find((name) => scripts[name]) || '';
const hasDev = Object.keys(object(pkg.devDependencies)).length > 0;
const keepDev = nodeEnv !== 'production' || (vars.NPM_CONFIG_PRODUCTION || process.env.NPM_CONFIG_PRODUCTION) === 'false';
const withDev = manager !== 'npm' || keepDev || Boolean(build) || lifecycle.length > 0;
const checkedIn = fs.existsSync(path.join(buildDir, 'node_modules')) && !(process.env.FLOWLINE_LAYERS || '').includes('node_modules=');

// Does node_modules follow from what the key below holds, and from nothing else?
const reusable = manager === 'npm' && !checkedIn && !pkg.workspaces && !scripts['heroku-prebuild'] && !scripts.preinstall
  && !specs.some((spec) => /^(file:|link:|\.|\/|~)/.test(spec));

function key() {
  const lockText = lockfile ? read(lockfile) : '';
  // Scripts of dependencies may read any config var; without such scripts only npm's own settings count.
  const scripted = !lockText || lockText.includes('"hasInstallScript": true');
  const counts = (name) => scripted || /^npm_|^node_env$|_auth|token/i.test(name);
  const settings = Object.entries(vars).filter(([name]) => counts(name));
  const site = Object.entries(process.env).filter(([name]) => /^npm_config_/i.test(name) && !/^npm_config_(cache|logs_max|update_notifier)$/.test(name));
  const parts = [
    'v1', process.version, process.arch, npmVersion(), withDev, lifecycle.length > 0, nodeEnv, lockText, read('.npmrc') || '',
    KINDS.map((kind) => object(pkg[kind])), pkg.overrides || null, settings.sort(), site.sort(),
  ];
  return crypto.createHash('sha256').update(JSON.stringify(parts)).digest('hex').slice(0, 40);
}

const start = scripts.start ? 'npm start' : read('server.js') !== null ? 'node server.js' : '';
const cacheDirs = [pkg.cacheDirectories, pkg.cache_directories].flat().filter((dir) => typeof dir === 'string'
  && dir !== 'node_modules' && !dir.startsWith('/') && !dir.split('/').includes('..'));
const found = {
  node_version: process.versions.node,
  npm_version: npmVersion(),
  engines_node: engines.node || '',
  node_satisfies: satisfies(engines.node) ? 'yes' : 'no',
  manager,
  lockfile,
  yarn_berry: read('.yarnrc.yml') !== null ? 'yes' : 'no',
  prebuild: scripts['heroku-prebuild'] ? 'yes' : 'no',
  cleanup: scripts['heroku-cleanup'] ? 'yes' : 'no',
  build,
  start,
  lifecycle: lifecycle.join(' '),
  with_dev: withDev ? 'yes' : 'no',
  prune: withDev && hasDev && !keepDev ? 'yes' : 'no',
  checked_in: checkedIn ? 'yes' : 'no',
  reusable: reusable ? 'yes' : 'no',
  key: reusable ? key() : '',
  cache_dirs: cacheDirs.join('\n'),
};
for (const [name, value] of Object.entries(found)) {
  process.stdout.write(`${name}='${String(value).replace(/'/g, `'\\''`)}'\n`);
}
