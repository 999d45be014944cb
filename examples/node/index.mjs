import rollcore from './index.cjs';

export const { Engine, Rollcore, RollcoreError, schema, validate, version } = rollcore;
export default rollcore;
