import assert from 'node:assert/strict';
import { once } from 'node:events';
import { spawn, spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { Rollcore } from 'rollcore';
import { PATIENCE_MS } from './support.mjs';

const COUNT = 40;

/** libuv reaps its children on SIGCHLD; rollcore waits for its own by descriptor. Neither may see those of the other. */
test('40 children of Node and 40 of rollcore: every status is right', { timeout: PATIENCE_MS }, async () => {
  const rollcore = new Rollcore();
  const exits = new Map();
  const all = new Promise((resolve) => {
    rollcore.on('process.exit', (event) => {
      exits.set(event.data.id, event.data.code);
      if (exits.size === COUNT) resolve();
    });
  });
  const own = [];
  const numbers = Array.from({ length: COUNT }, (_, number) => number);
  const ours = numbers.map(async (number) => {
    const id = `p${number}`;
    // It exits once, and is not started again.
    const restart = { maxRestarts: 0 };
    await rollcore.processes.define({ id, command: `sleep 0.0${number % 10}; exit ${number}`, restart });
    own.push(once(spawn('sh', ['-c', `sleep 0.0${number % 10}; exit ${100 + number}`]), 'exit'));
    await rollcore.processes.start(id);
  });
  await Promise.all(ours);
  const status = spawnSync('sh', ['-c', 'exit 7']).status;
  rollcore.ref();
  await all;
  const codes = (await Promise.all(own)).map(([code]) => code).sort((one, other) => one - other);
  await rollcore.close();
  assert.equal(status, 7);
  assert.deepEqual(codes, numbers.map((number) => 100 + number));
  assert.deepEqual(numbers.map((number) => exits.get(`p${number}`)), numbers);
});
