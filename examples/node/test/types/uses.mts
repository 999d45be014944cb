// Every use of this file is right, but for those that say that they are not. Nothing here runs.

import { Engine, Rollcore, RollcoreError, schema, validate, version } from 'rollcore';
import type { Deployed, Event, Operation } from 'rollcore';

export async function deploys(config: object, signal: AbortSignal): Promise<string | null> {
  await using engine = await Engine.open(config, { keepState: true, simulate: { seed: 1, broken: ['v3'] } });
  engine.ref().closeOn('SIGINT', 'SIGTERM').unref();
  engine.on('release.drained', (event) => console.log(event.data?.['releaseId'], event.at));
  const deploy: Operation<Deployed> = engine.deploy({ id: 'v2', path: '/srv/shop/v2' }, { signal });
  for await (const { type, data } of deploy) if (type === 'rollout.step') console.log(data?.['step']);
  const { activeReleaseId, previousReleaseId } = await deploy;
  const { host, port } = engine.address;
  const { restarted } = await engine.restart({ policy: 'singleton' });
  const { events, lastSeq } = await engine.log({ after: 7 });
  const { survivors }: { survivors: number } = await engine.shutdown({ drain: true });
  console.log(activeReleaseId.length, host.length, port + lastSeq + survivors, restarted.join(), events.length);
  return previousReleaseId;
}

export async function hands(): Promise<Event[]> {
  const rollcore = new Rollcore({ log: 'warn', graceMs: 500 });
  await rollcore.processes.define({ id: 'web', command: ['node', 'server.js'], env: {} });
  const lease = await rollcore.ports.acquire({ port: { from: 8000, to: 8010 } });
  await rollcore.proxies.open({ id: 'p', port: 0 });
  await rollcore.proxies.switch('p', [{ port: lease.port }]);
  rollcore.subscribe(['process.*']);
  const check = rollcore.health({ url: 'http://127.0.0.1:8000/' });
  check.cancel();
  const seen: Event[] = [];
  for await (const event of rollcore.events()) seen.push(event);
  await check.catch((error: unknown) => {
    if (error instanceof RollcoreError) console.log(error.code, error.detail['reason'], error.status + 1);
  });
  rollcore.destroy();
  console.log(version().length, schema('engine.deploy'), validate('config', {}));
  return seen;
}

export async function mistakes(engine: Engine): Promise<void> {
  // @ts-expect-error a release has a path
  await engine.deploy({ id: 'v2' });
  // @ts-expect-error a release is no text
  await engine.rollback({ id: 'v1' });
  // @ts-expect-error an engine is opened
  new Engine({});
  // @ts-expect-error milliseconds are a number
  new Rollcore({ graceMs: '10 s' });
  // @ts-expect-error there is no such level
  new Rollcore({ log: 'loud' });
  // @ts-expect-error there is no such signal
  engine.closeOn('SIGNONSENSE');
  // @ts-expect-error where it listens is not for you to say
  engine.address = { host: '127.0.0.1', port: 1 };
  // @ts-expect-error a release that there may not be
  (await engine.rollback()).previousReleaseId.length;
}
