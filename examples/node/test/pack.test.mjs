import assert from 'node:assert/strict';
import { cpSync, mkdtempSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { PATIENCE_MS, here, releases, run } from './support.mjs';

const HOST = `
const engine = await Engine.open(config, { simulate: { seed: 1 } });
for (const id of ['v1', 'v2']) await engine.deploy({ id, path: '/releases/' + id });
console.log(engine.status().activeReleaseId);
await engine.close();
`;

test('npm pack, install in an empty folder, run', { timeout: PATIENCE_MS }, async (t) => {
  assert.ok(process.env.ROLLCORE_LIB, 'ROLLCORE_LIB says which library to pack');
  const folder = mkdtempSync(join(tmpdir(), 'rollcore-npm-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const [source, host] = [join(folder, 'source'), join(folder, 'host')];
  const skipped = new Set(['node_modules', 'native', 'test']);
  cpSync(here, source, { recursive: true, filter: (path) => !skipped.has(path.slice(here.length)) });
  const done = async (command, args, cwd) => {
    const env = { ...process.env };
    delete env.ROLLCORE_LIB;
    const told = await run(command, args, { cwd, env });
    assert.equal(told.code, 0, `${command} ${args.join(' ')}\n${told.stdout}${told.stderr}`);
    return told.stdout;
  };
  await done(process.execPath, ['bundle.mjs', process.env.ROLLCORE_LIB], source);
  const [packed] = JSON.parse(await done('npm', ['pack', '--json', '--ignore-scripts'], source));
  const files = packed.files.map((file) => file.path);
  assert.ok(files.includes(`native/linux-${process.arch}/librollcore.so`), files.join());
  assert.ok(!files.some((file) => /^(test|node_modules|story)/.test(file)), files.join());
  t.diagnostic(`${packed.filename}: ${packed.size} bytes, ${files.length} files`);

  mkdirSync(host);
  await done('npm', ['init', '-y'], host);
  await done('npm', ['install', '--ignore-scripts', '--prefer-offline', join(source, packed.filename)], host);
  cpSync(join(releases, 'rollcore.json'), join(host, 'config.json'));
  writeFileSync(join(host, 'host.mjs'), `
import { createRequire } from 'node:module';
import { Engine } from 'rollcore';
const config = createRequire(import.meta.url)('./config.json');
${HOST}`);
  writeFileSync(join(host, 'host.cjs'), `
const { Engine } = require('rollcore');
const config = require('./config.json');
(async () => {${HOST}})();`);
  assert.equal(await done(process.execPath, ['host.mjs'], host), 'v2\n');
  assert.equal(await done(process.execPath, ['host.cjs'], host), 'v2\n');
});

test('without a library it says what to do', { timeout: PATIENCE_MS }, async () => {
  const env = { ...process.env, ROLLCORE_LIB: '/nowhere/librollcore.so' };
  const text = `const { Rollcore } = require('./index.cjs');
    try { new Rollcore() } catch (error) { console.log(error.code, error.message) }`;
  const told = await run(process.execPath, ['--eval', text], { cwd: here, env });
  assert.match(told.stdout, /^library_not_found \/nowhere.*ROLLCORE_LIB/s, told.stderr);
});
