// The story of examples/README.md, in this process: `node story.mjs`, or `node story.mjs --simulate`.

import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Engine, RollcoreError } from 'rollcore';

const releases = fileURLToPath(new URL('../releases/', import.meta.url));
const config = JSON.parse(readFileSync(`${releases}rollcore.json`, 'utf8'));
const simulate = process.argv.includes('--simulate') ? { seed: 1, broken: ['v3'] } : undefined;

const engine = await Engine.open(config, { simulate });
// As a server that listens: the program runs until it is closed.
engine.ref();
const say = (verb, text) => console.log(`${verb.padEnd(10)} ${text}`);
const active = () => `${engine.status().activeReleaseId} is active`;

say('start', `${engine.status().application} runs nothing yet`);

async function tell(verb, rollout) {
  const drained = once(engine, 'release.drained');
  const steps = [];
  const undone = [];
  for await (const { type, data } of rollout) {
    if (type === 'rollout.step') steps.push(data.step);
    if (type === 'rollout.step_undone') undone.push(data.undo);
  }
  say(verb, steps.join(', '));
  try {
    const { previousReleaseId } = await rollout;
    if (previousReleaseId) await drained;
    say('', active() + (previousReleaseId ? `; ${previousReleaseId} has answered its last request` : ''));
  } catch (error) {
    if (!(error instanceof RollcoreError)) throw error;
    say('', `${error.code}; undone: ${undone.join(', ')}`);
    say('', active());
  }
}

for (const id of ['v1', 'v2', 'v3']) {
  await tell(`deploy ${id}`, engine.deploy({ id, path: releases + id }));
}
await tell('rollback', engine.rollback());

const { survivors } = await engine.shutdown();
say('shutdown', survivors === 0 ? 'nothing is left' : `${survivors} processes are left`);
await engine.close();
