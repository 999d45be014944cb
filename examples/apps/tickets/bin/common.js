"use strict"

// What every program of the ticket server needs: where its release is, its arguments, and a way to talk.

const http = require("node:http")

const env = (name) => process.env[`ROLLBRIDGE_${name}`]

/** The value behind `--name`. */
function argument(name) {
  const at = process.argv.indexOf(`--${name}`)
  return at < 0 ? undefined : process.argv[at + 1]
}

/** Asks `jobs-main` at this port; `undefined` while it cannot be reached. */
function ask(port, method, path, body) {
  return new Promise((resolve) => {
    const request = http.request({ host: "127.0.0.1", port, method, path, agent: false }, (response) => {
      let text = ""
      response.setEncoding("utf8")
      response.on("data", (piece) => { text += piece })
      response.on("end", () => resolve(text === "" ? null : JSON.parse(text)))
    })
    request.on("error", () => resolve(undefined))
    request.end(body === undefined ? undefined : JSON.stringify(body))
  })
}

/** The whole body of a request. */
async function bodyOf(request) {
  let text = ""
  for await (const piece of request) text += piece
  return text === "" ? {} : JSON.parse(text)
}

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms))

module.exports = { ask, argument, bodyOf, env, pause, release: env("RELEASE_ID") || "unknown" }
