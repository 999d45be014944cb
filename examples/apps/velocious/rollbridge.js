// Which processes a release of this application has, and how they follow each other. Rollbridge reads it as well.

const range = (name, otherwise) => {
  const [from, to] = (process.env[name] || otherwise).split("-").map(Number)

  return {from, to}
}

// Node comes with the release: Velocious needs a newer one than many systems have.
const node = (script) => `exec node_modules/.bin/node ${script}`
const velocious = (command) => node(`node_modules/.bin/velocious ${command}`)

export default function rollbridge() {
  // What is set here, every process below sees.
  process.env.VELOCIOUS_ENV ||= "production"
  process.env.DATABASE_HOST ||= "/tmp/velocious-database"

  const application = process.env.APP_NAME || "velocious-recorder"

  return {
    application,
    control: {path: process.env.CONTROL_PATH || `/tmp/rollbridge-${application}.sock`},
    proxy: {port: Number(process.env.PROXY_PORT || 8182), healthPath: "/ping", drainTimeoutMs: 30_000},
    processes: [
      {
        // Gives the jobs to the workers. Outlives the release that it came with.
        id: "jobs-main",
        policy: "service",
        command: velocious("background-jobs-main"),
        port: range("JOBS_PORTS", "7331-7399"),
        env: {VELOCIOUS_BACKGROUND_JOBS_PORT: "{{port}}"}
      },
      {
        // Each release has its own. The old one takes no new job and finishes those it has, while the new one works.
        id: "jobs-worker",
        policy: "companion",
        command: node("src/worker.js"),
        nonBlockingDrain: true,
        gracefulStopMs: 3_600_000,
        env: {VELOCIOUS_BACKGROUND_JOBS_PORT: "{{ports.jobs-main}}"}
      },
      {
        id: "web",
        policy: "proxied",
        command: velocious("server --port {{port}}"),
        port: range("WEB_PORTS", "18182-18299"),
        health: {timeoutMs: 30_000, intervalMs: 100},
        env: {VELOCIOUS_BACKGROUND_JOBS_PORT: "{{ports.jobs-main}}"}
      }
    ]
  }
}
