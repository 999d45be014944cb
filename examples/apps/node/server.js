"use strict"

// A small shop window: pages, a stream, server-sent events, an echo, and a WebSocket. It says in `x-release` which release
// answered. On SIGTERM it finishes what it has begun, says goodbye to its WebSockets, and ends.

const http = require("node:http")
const net = require("node:net")
const { WebSocketServer } = require("ws")
const release = require("./release")

const PIECES = 10
const STREAM_PAUSE_MS = 100
const EVENT_PAUSE_MS = 50
const LEAVE_AFTER_MS = 200

const broken = release.settings.BROKEN

if (broken === "exits-at-boot") {
  console.error("AUTH_SECRET missing")
  process.exit(1)
}

if (broken === "never-listens") {
  setInterval(() => {}, 60_000)
} else if (broken === "hangs-on-accept") {
  net.createServer(() => {}).listen(release.address)
} else {
  serve()
}

function serve() {
  const server = http.createServer(answer)
  const sockets = new WebSocketServer({ server, path: "/ws" })
  sockets.on("headers", (headers) => headers.push(`x-release: ${release.id}`))
  sockets.on("connection", (socket) => {
    socket.on("message", (message, isBinary) => socket.send(message, { binary: isBinary }))
    socket.on("error", (error) => console.error(`websocket: ${error.message}`))
  })
  server.listen(release.address, () => {
    console.log(`${release.id} is listening on ${release.address.path || server.address().port}`)
  })
  let leaving = false
  for (const signal of ["SIGTERM", "SIGINT"]) {
    process.on(signal, () => {
      // A second signal changes nothing: we are on our way.
      if (!leaving) leave(server, sockets)
      leaving = true
    })
  }
}

function leave(server, sockets) {
  server.close(() => process.exit(0))
  server.closeIdleConnections()
  setTimeout(() => {
    for (const socket of sockets.clients) socket.close(1001, "the release is leaving")
  }, LEAVE_AFTER_MS).unref()
}

function answer(request, response) {
  response.setHeader("x-release", release.id)
  if (broken === "answers-500") return text(response, 500, "broken\n")
  switch (`${request.method} ${request.url}`) {
    case "GET /ping": return text(response, 200, "pong\n")
    case "GET /": return text(response, 200, `${release.settings.GREETING || "hello"} (${release.id})\n`)
    case "GET /stream": return slowly(response, STREAM_PAUSE_MS, (n) => `piece ${n} of ${PIECES}\n`)
    case "GET /events":
      response.setHeader("content-type", "text/event-stream")
      return slowly(response, EVENT_PAUSE_MS, (n) => `data: ${n} of ${PIECES}\n\n`)
    case "POST /echo": return echo(request, response)
    default: return text(response, 404, "not found\n")
  }
}

function text(response, status, body) {
  response.writeHead(status, { "content-type": "text/plain; charset=utf-8", "content-length": Buffer.byteLength(body) })
  response.end(body)
}

function echo(request, response) {
  const chunks = []
  request.on("data", (chunk) => chunks.push(chunk))
  request.on("end", () => response.end(Buffer.concat(chunks)))
}

function slowly(response, pauseMs, piece) {
  let number = 0
  const next = () => {
    number += 1
    response.write(piece(number))
    if (number === PIECES) response.end()
    else setTimeout(next, pauseMs)
  }
  next()
}
