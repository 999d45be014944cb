import assert from 'node:assert/strict';
import http from 'node:http';
import { once } from 'node:events';
import { test } from 'node:test';
import { Engine } from 'rollcore';
import { PATIENCE_MS, config, release } from './support.mjs';

const CLIENTS = 8;

/** One request; resolves to the release that answered. */
function ask(agent, { host, port }) {
  return new Promise((resolve, reject) => {
    const request = http.get({ agent, host, port, path: '/' }, (response) => {
      response.resume();
      response.on('error', reject);
      response.on('end', () => {
        if (response.statusCode === 200) resolve(response.headers['x-release']);
        else reject(new Error(`HTTP ${response.statusCode}`));
      });
    });
    request.on('error', reject);
  });
}

/** Asks without a pause until it is told to stop. */
async function client(address, answers, state) {
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
  while (!state.isOver) {
    const answer = await ask(agent, address).catch((error) => `failed: ${error.message}`);
    answers.set(answer, (answers.get(answer) ?? 0) + 1);
  }
  agent.destroy();
}

test('a real application is deployed twice under load, in this process, and no request fails', { timeout: PATIENCE_MS }, async (t) => {
  const engine = await Engine.open(config);
  await engine.deploy(release('v1'));
  const answers = new Map();
  const state = { isOver: false };
  const clients = Array.from({ length: CLIENTS }, () => client(engine.address, answers, state));
  const served = async (id) => {
    const before = answers.get(id) ?? 0;
    while ((answers.get(id) ?? 0) < before + 200) await new Promise((resolve) => setImmediate(resolve));
  };
  await served('v1');
  for (const [id, previous] of [['v2', 'v1'], ['v1', 'v2']]) {
    const drained = once(engine, 'release.drained');
    const deployed = await engine.deploy(release(id));
    assert.deepEqual(deployed, { activeReleaseId: id, previousReleaseId: previous });
    await served(id);
    const [{ data }] = await drained;
    assert.equal(data.releaseId, previous);
  }
  await assert.rejects(Promise.resolve(engine.deploy(release('v3'))), { code: 'exited_before_ready' });
  await served('v1');
  state.isOver = true;
  await Promise.all(clients);
  await engine.close();
  const total = [...answers.values()].reduce((sum, count) => sum + count, 0);
  assert.deepEqual([...answers.keys()].sort(), ['v1', 'v2'], JSON.stringify([...answers]));
  t.diagnostic(`${total} requests, none failed: ${JSON.stringify(Object.fromEntries(answers))}`);
});

test('two engines in one program know nothing of each other', { timeout: PATIENCE_MS }, async () => {
  const engines = await Promise.all([Engine.open(config), Engine.open(config)]);
  await Promise.all(engines.map((engine, number) => engine.deploy(release(number === 0 ? 'v1' : 'v2'))));
  const agent = new http.Agent();
  const answers = await Promise.all(engines.map((engine) => ask(agent, engine.address)));
  assert.deepEqual(answers, ['v1', 'v2']);
  await engines[0].close();
  assert.equal(await ask(agent, engines[1].address), 'v2');
  await engines[1].close();
});
