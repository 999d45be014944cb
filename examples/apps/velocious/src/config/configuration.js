import AsyncTrackedMultiConnection from "velocious/build/src/database/pool/async-tracked-multi-connection.js"
import Configuration from "velocious/build/src/configuration.js"
import InitializerFromRequireContext from "velocious/build/src/database/initializer-from-require-context.js"
import NodeEnvironmentHandler from "velocious/build/src/environment-handlers/node.js"
import PgsqlDriver from "velocious/build/src/database/drivers/pgsql/index.js"
import path from "node:path"

import Note from "../models/note.js"
import Recording from "../models/recording.js"

const models = {Note, Recording}

// A path instead of a host name is a directory with the server's socket in it.
const database = {
  driver: PgsqlDriver,
  poolType: AsyncTrackedMultiConnection,
  type: "pgsql",
  migrations: true,
  host: process.env.DATABASE_HOST || "/tmp/velocious-database",
  username: "recorder",
  database: "recorder"
}

export default new Configuration({
  database: {development: {default: database}, production: {default: database}},
  directory: path.resolve(import.meta.dirname, "../.."),
  environmentHandler: new NodeEnvironmentHandler(),
  initializeModels: async ({configuration}) => {
    const requireContext = Object.assign((name) => ({default: models[name]}), {id: "models", keys: () => Object.keys(models)})

    await configuration.ensureConnections(async () => {
      await new InitializerFromRequireContext({requireContext}).initialize({configuration})
    })
  },
  locale: () => "en",
  locales: ["en"],
  localeFallbacks: {en: ["en"]},
  // A line for each request would be most of what the daemon has to carry.
  logging: {console: true, file: false, levels: ["warn", "error"]},
  // The router has no word for the root itself.
  routeResolverHooks: [({currentPath}) => currentPath === "/" ? {controller: "_root", action: "index"} : null],
  structureSql: {enabledEnvironments: ["development"]}
})
