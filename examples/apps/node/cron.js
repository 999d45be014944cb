"use strict"

// There must never be two of these: a singleton.

const release = require("./release")

if (release.settings.BROKEN === "singleton-fails") {
  console.error("CRON_TABLE missing")
  process.exit(1)
}
console.log(`cron of ${release.id} is up`)
setInterval(() => {}, 60_000)
process.on("SIGTERM", () => process.exit(0))
