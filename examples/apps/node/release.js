"use strict"

// What this release is. A process starts in its release's directory, where `app.env` holds its settings.

const fs = require("node:fs")

function settings() {
  if (!fs.existsSync("app.env")) return {}
  const lines = fs.readFileSync("app.env", "utf8").split("\n")
  return Object.fromEntries(lines.filter((line) => line.includes("=")).map((line) => line.trim().split(/=(.*)/, 2)))
}

module.exports = {
  id: process.env.ROLLCORE_RELEASE_ID || "unreleased",
  // Where to listen: a Unix socket for a process with `socket: true`, else a port.
  address: process.env.ROLLCORE_SOCKET
    ? { path: process.env.ROLLCORE_SOCKET }
    : { host: "127.0.0.1", port: Number(process.env.ROLLCORE_PORT || 0) },
  settings: settings()
}
