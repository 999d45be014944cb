import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Engine, Rollcore, RollcoreError, schema, validate } from 'rollcore';
import { config, release } from './support.mjs';

const simulate = { seed: 1, broken: ['v3'] };
const fails = (code, status) => (error) => {
  assert.ok(error instanceof RollcoreError, error?.stack);
  assert.equal(error.code, code, error.message);
  if (status !== undefined) assert.equal(error.status, status, error.message);
  return true;
};

test('a deploy that fails says why, and where', async () => {
  const engine = await Engine.open(config, { simulate });
  await engine.deploy(release('v1'));
  const failed = engine.deploy(release('v3'));
  await assert.rejects(failed, fails('exited_before_ready', -10));
  await failed.catch(({ detail, message, stack }) => {
    assert.match(stack, /errors\.test\.mjs/, 'it says where it was asked for');
    assert.deepEqual(detail, { outcome: 'undone', releaseId: 'v3', step: 'await ready web' });
    assert.match(message, /exited with code 1 before it was ready/);
  });
  await assert.rejects(engine.rollback('v9'), fails('not_retained', -3));
  await assert.rejects(engine.rollback(), fails('no_previous_release'));
  assert.equal(engine.status().activeReleaseId, 'v1');
  await engine.close();
});

test('what makes no sense is refused, and nothing happens', async () => {
  const engine = await Engine.open(config, { simulate });
  const refused = [
    [engine.call('engine.dance'), 'unknown_method'],
    [engine.call('engine.deploy', { releaseId: 'v1' }), 'invalid_params'],
    [engine.call('engine.deploy', { releaseId: 'v1', releasePath: '/', speed: 9 }), 'invalid_params'],
    [engine.deploy({ id: 'v1; rm', path: '/' }), 'unsafe_name'],
    [engine.pause(-1), 'invalid_params'],
    [engine.reload({ processes: [] }), 'config_invalid'],
  ];
  for (const [operation, code] of refused) await assert.rejects(operation, fails(code));
  const typed = [
    engine.call('engine.status', null),
    engine.call('engine.status', []),
    engine.call('engine.status', 'now'),
    engine.call(7),
    engine.call('engine.status\0'),
  ];
  for (const operation of typed) await assert.rejects(operation, TypeError);
  assert.throws(() => engine.deploy(), TypeError);
  assert.throws(() => engine.subscribe('process.*'), fails('invalid_params', -1));
  assert.throws(() => engine.snapshot('weather'), fails('invalid_params', -1));
  assert.equal(engine.status().activeReleaseId, null);
  await engine.close();
});

test('options and configs are checked', async () => {
  assert.throws(() => new Rollcore({ queue: 0 }), fails('invalid_options', -1));
  assert.throws(() => new Rollcore({ speed: 9 }), fails('invalid_params', -1));
  assert.throws(() => new Rollcore(7), TypeError);
  await assert.rejects(Engine.open({}, { simulate }), fails('config_invalid', -2));
  await assert.rejects(Engine.open(undefined, { simulate }), fails('invalid_params', -1));
  validate('config', config);
  assert.throws(() => validate('config', { ...config, procesess: [] }), fails('config_invalid', -2));
  assert.ok(schema('engine.deploy').properties.releaseId);
  assert.throws(() => schema('engine.dance'), RollcoreError);
});

test('after it is closed everything says so, and closing again does nothing', async () => {
  const engine = await Engine.open(config, { simulate });
  await engine.close();
  await engine.close();
  assert.equal(engine.closed, true);
  await assert.rejects(engine.deploy(release('v1')), fails('closed', 3));
  assert.throws(() => engine.status(), fails('closed', 3));
  for await (const event of engine.events()) assert.fail(event.type);
});

test('a big parameter and every character arrive as they were', async () => {
  const engine = await Engine.open(config, { simulate });
  const path = `/releases/${'ä'.repeat(1_000_000)}\u{1F600}"\\\n`;
  await engine.deploy({ id: 'v1', path });
  assert.equal(engine.status().releases[0].releasePath, path);
  // Half of a character is no text.
  await assert.rejects(engine.deploy({ id: 'v2', path: '\ud800' }), fails('invalid_json', -1));
  await engine.close();
});
