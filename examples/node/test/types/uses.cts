import rollcore = require('rollcore');

export async function deploys(config: object): Promise<rollcore.Deployed> {
  const engine = await rollcore.Engine.open(config);
  return engine.deploy({ id: 'v2', path: '/srv/shop/v2', revision: 'abc' });
}
