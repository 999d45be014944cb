import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PATIENCE_MS, isAlive, runModule } from './support.mjs';

const timeout = PATIENCE_MS;
const PROLOGUE = `
  import { Rollcore } from 'rollcore';
  const rollcore = new Rollcore();
  await rollcore.processes.define({ id: 'p', command: ['sleep', '600'] });
  await rollcore.processes.start('p');
  const [{ pid }] = rollcore.snapshot('processes').processes;
  console.log(pid);
`;

function pidOf({ stdout, stderr }) {
  assert.match(stdout, /^\d+\n/, stderr);
  return Number(stdout.split('\n')[0]);
}

test('a handle that nobody waits for lets the program end, and its processes end with it', { timeout }, async () => {
  const told = await runModule(PROLOGUE);
  assert.equal(told.code, 0, told.stderr);
  assert.equal(isAlive(pidOf(told)), false);
});

test('process.exit ends the processes, too', { timeout }, async () => {
  const told = await runModule(`${PROLOGUE} process.exit(3);`);
  assert.equal(told.code, 3, told.stderr);
  assert.equal(isAlive(pidOf(told)), false);
});

test('with closeOn a signal ends the processes before the program', { timeout }, async () => {
  const told = await runModule(`${PROLOGUE}
    rollcore.ref().closeOn('SIGINT', 'SIGTERM');
    process.kill(process.pid, 'SIGTERM');
  `);
  assert.deepEqual([told.code, told.signal], [null, 'SIGTERM'], told.stderr);
  assert.equal(isAlive(pidOf(told)), false);
});

test('an error that nobody catches ends the processes, too', { timeout }, async () => {
  const told = await runModule(`${PROLOGUE} throw new Error('a bug of the host');`);
  assert.equal(told.code, 1);
  assert.match(told.stderr, /a bug of the host/);
  assert.equal(isAlive(pidOf(told)), false);
});

test('ref keeps the program running, unref lets it end', { timeout }, async () => {
  const told = await runModule(`${PROLOGUE}
    rollcore.ref();
    // It would not be reached if the program had ended before.
    setTimeout(() => { console.log('still here'); rollcore.unref(); }, 300).unref();
  `);
  assert.match(told.stdout, /still here\n$/, told.stderr);
  assert.equal(told.code, 0);
});

test('a loop over events keeps it running until it is left', { timeout }, async () => {
  const told = await runModule(`${PROLOGUE}
    setTimeout(() => rollcore.processes.stop('p'), 100).unref();
    for await (const event of rollcore.events()) if (event.type === 'process.exit') break;
    console.log('left');
  `);
  assert.match(told.stdout, /left\n$/, told.stderr);
  assert.equal(told.code, 0);
});

test('200 handles come and go without leaving descriptors or threads', { timeout }, async () => {
  const told = await runModule(`
    import { readdirSync } from 'node:fs';
    import { Rollcore } from 'rollcore';
    const count = (what) => readdirSync('/proc/self/' + what).length;
    const cycle = async () => new Rollcore().close();
    for (let number = 0; number < 5; number += 1) await cycle();
    await new Promise((resolve) => setImmediate(resolve));
    const [fds, threads] = [count('fd'), count('task')];
    for (let number = 0; number < 200; number += 1) await cycle();
    await new Promise((resolve) => setTimeout(resolve, 100));
    console.log(JSON.stringify({ fds: count('fd') - fds, threads: count('task') - threads }));
  `);
  assert.equal(told.code, 0, told.stderr);
  const { fds, threads } = JSON.parse(told.stdout);
  assert.ok(fds <= 2 && threads <= 0, told.stdout);
});
