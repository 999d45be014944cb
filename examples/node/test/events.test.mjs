import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Worker } from 'node:worker_threads';
import { Engine, Rollcore } from 'rollcore';
import { PATIENCE_MS, config, here, release, runModule } from './support.mjs';

const simulate = { seed: 1, broken: ['v3'] };

test('events come to listeners, to loops and to the operation, in their order', async () => {
  const engine = await Engine.open(config, { simulate });
  const heard = [];
  const steps = [];
  engine.on('event', ({ type }) => heard.push(type));
  engine.on('rollout.step', ({ data }) => steps.push(data.step));
  const all = engine.events();
  const watched = [];
  const deploy = engine.deploy(release('v1'));
  for await (const { type } of deploy) watched.push(type);
  assert.deepEqual(await deploy, { activeReleaseId: 'v1', previousReleaseId: null });
  assert.equal(steps[0], 'preflight');
  assert.ok(watched.includes('traffic.switched'), watched.join());
  assert.deepEqual(heard.slice(0, watched.length), watched);
  assert.equal((await all.next()).value.type, watched[0]);
  await all.return();
  assert.deepEqual(await all.next(), { value: undefined, done: true });
  await engine.close();
});

test('whoever watches a deploy that fails learns why when it awaits it', async () => {
  const engine = await Engine.open(config, { simulate });
  const deploy = engine.deploy(release('v3'));
  const types = [];
  for await (const { type } of deploy) types.push(type);
  assert.ok(types.includes('rollout.undone'), types.join());
  // Long after it failed.
  await new Promise((resolve) => setImmediate(resolve));
  await assert.rejects(Promise.resolve(deploy), { code: 'exited_before_ready' });
  await engine.close();
});

test('only what was subscribed to comes', async () => {
  const engine = await Engine.open(config, { simulate });
  engine.subscribe(['rollout.step', 'traffic.*']);
  const heard = new Set();
  engine.on('event', ({ type }) => heard.add(type));
  await engine.deploy(release('v1'));
  await engine.close();
  assert.deepEqual([...heard].sort(), ['rollout.step', 'traffic.switched']);
});

test('a listener that throws does not take the events of the others', { timeout: PATIENCE_MS }, async () => {
  const told = await runModule(`
    import { Engine } from 'rollcore';
    import { config, release } from './test/support.mjs';
    process.on('uncaughtException', (error) => console.log(error.message));
    const engine = await Engine.open(config, { simulate: { seed: 1 } });
    engine.once('rollout.step', () => { throw new Error('a bug of the host'); });
    await engine.deploy(release('v1'));
    console.log(engine.status().activeReleaseId);
    await engine.close();
  `);
  assert.equal(told.stdout, 'a bug of the host\nv1\n', told.stderr);
  assert.equal(told.code, 0);
});

test('abort ends the waiting, and the reason is the rejection', { timeout: PATIENCE_MS }, async () => {
  const rollcore = new Rollcore();
  const controller = new AbortController();
  const reason = new Error('enough');
  // Nobody answers there.
  const check = rollcore.health({ url: 'http://127.0.0.1:1/ping', timeoutMs: 60_000 }, { signal: controller.signal });
  setImmediate(() => controller.abort(reason));
  await assert.rejects(Promise.resolve(check), reason);
  await assert.rejects(Promise.resolve(rollcore.health({ url: 'http://127.0.0.1:1/' }, { signal: controller.signal })), reason);
  const cancelled = rollcore.health({ url: 'http://127.0.0.1:1/ping', timeoutMs: 60_000 });
  cancelled.cancel();
  await assert.rejects(Promise.resolve(cancelled), { code: 'cancelled', status: -9 });
  cancelled.cancel();
  await rollcore.close();
});

test('an aborted signal after the end changes nothing', async () => {
  const engine = await Engine.open(config, { simulate });
  const controller = new AbortController();
  const deployed = await engine.deploy(release('v1'), { signal: controller.signal });
  controller.abort();
  assert.equal(deployed.activeReleaseId, 'v1');
  await engine.close();
});

test('in worker threads each has its own', { timeout: PATIENCE_MS }, async () => {
  const text = `
    import { parentPort, workerData } from 'node:worker_threads';
    import { Engine } from 'rollcore';
    import { config, release } from './test/support.mjs';
    const engine = await Engine.open(config, { simulate: { seed: workerData } });
    for (const id of ['v1', 'v2']) await engine.deploy(release(id));
    parentPort.postMessage(engine.status().activeReleaseId);
    await engine.close();
  `;
  const url = new URL(`data:text/javascript,${encodeURIComponent(text.replaceAll("'./", `'file://${here}`).replace("'rollcore'", `'file://${here}index.mjs'`))}`);
  const workers = [1, 2, 3, 4].map((seed) => new Worker(url, { workerData: seed }));
  const answers = await Promise.all(
    workers.map((worker) => new Promise((resolve, reject) => {
      let answer;
      worker.on('message', (message) => (answer = message));
      worker.on('error', reject);
      worker.on('exit', (code) => resolve([answer, code]));
    })),
  );
  assert.deepEqual(answers, Array(4).fill(['v2', 0]));
});
