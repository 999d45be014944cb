// `velocious background-jobs-worker`, with a better end: on a signal it takes no new job, finishes those that it has,
// tells their outcome, and only then exits. The original exits at once, and its jobs stay handed off for two hours.

import BackgroundJobsWorker from "velocious/build/src/background-jobs/worker.js"

import configuration from "./config/configuration.js"

// Long enough for a main process that is being restarted, short enough for one that will never come back.
const REPORT_TIMEOUT_MS = 30_000

class DrainingWorker extends BackgroundJobsWorker {
  constructor(args) {
    super(args)
    this.underWay = new Set()
  }

  /** Resolves when nothing is left to do. */
  async drain() {
    const {jsonSocket} = this
    const isOpen = !jsonSocket.socket.destroyed
    const closed = new Promise((resolve) => jsonSocket.on("close", resolve))

    await this.stop()
    // A job may have been sent to us before the other side saw the end, so only its goodbye is the end.
    if (isOpen) await closed
    this.jsonSocket = undefined
    while (this.underWay.size > 0) await Promise.allSettled(this.underWay)
  }

  async _connect() {
    if (!this.shouldStop) await super._connect()
  }

  async _handleJob(payload) {
    await this.track(super._handleJob(payload))
  }

  async _reportJobResult(result) {
    await this.track(this.statusReporter.reportWithRetry({...result, maxDurationMs: REPORT_TIMEOUT_MS}))
  }

  track(work) {
    this.underWay.add(work)

    return work.finally(() => this.underWay.delete(work))
  }
}

const worker = new DrainingWorker({configuration})
const asked = new Promise((resolve) => {
  process.on("SIGTERM", resolve)
  process.on("SIGINT", resolve)
})

await worker.start()
console.log("Background jobs worker connected")
await asked
console.log(`Background jobs worker is leaving, with ${worker.underWay.size} under way`)
await worker.drain()
await configuration.closeDatabaseConnections()
console.log("Background jobs worker has finished")
