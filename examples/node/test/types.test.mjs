import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { PATIENCE_MS, run } from './support.mjs';

const folder = fileURLToPath(new URL('types/', import.meta.url));
const tsc = `${folder}node_modules/typescript/bin/tsc`;

test('TypeScript takes index.d.ts, every right use of it, and no wrong one', { timeout: PATIENCE_MS }, async () => {
  assert.ok(existsSync(tsc), 'there is no TypeScript: run examples/apps/prepare');
  const told = await run(process.execPath, [tsc, '--project', folder], { cwd: folder });
  // The one mistake that is not marked as one: without it, a compiler that checks nothing would pass.
  const expected = "wrong.mts(3,47): error TS2322: Type 'string' is not assignable to type 'boolean | undefined'.\n";
  assert.deepEqual([told.stdout, told.stderr, told.code], [expected, '', 2]);
});
