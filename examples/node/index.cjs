'use strict';

const { Engine } = require('./lib/engine.cjs');
const { RollcoreError } = require('./lib/error.cjs');
const { Rollcore, schema, validate, version } = require('./lib/handle.cjs');

module.exports = { Engine, Rollcore, RollcoreError, schema, validate, version };
