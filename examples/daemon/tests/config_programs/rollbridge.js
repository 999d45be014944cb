export default () => ({
  application: process.env.APP_NAME || "ticket-server",
  control: {path: `/tmp/rollbridge-${process.env.APP_NAME || "ticket-server"}.sock`, mode: "660"},
  statePath: "/tmp/ticket-server.state.json",
  proxy: {host: "127.0.0.1", port: 8182, healthPath: "/ping", healthTimeoutMs: 30000, drainTimeoutMs: 60000, forceStopTimeoutMs: 10000},
  releaseRetention: {keep: 5, maxAgeMs: 86400000},
  processes: [
    {id: "beacon", policy: "service", cwd: "{{releasePath}}", command: "exec ./bin/beacon --port {{port}}", port: 7330},
    {id: "jobs-main", policy: "service", deployStrategy: "handoff", command: "exec ./bin/jobs-main --port {{port}}", port: {from: 7331, to: 7399}},
    {id: "worker", policy: "companion", command: "exec ./bin/worker --main {{ports.jobs-main}} --shard {{replicaIndex}}/{{replicaCount}}", replicas: 2,
     nonBlockingDrain: true, stopSignal: "SIGINT", gracefulStopMs: 60000, memory: {limitBytes: 536870912, warnBytes: 402653184},
     restart: {maxRestarts: 5, windowMs: 60000, backoffFactor: 2, maxDelayMs: 30000}},
    {id: "scheduler", policy: "singleton", command: "exec ./bin/scheduler", lifecycle: {quietCommand: "kill -TSTP -$ROLLBRIDGE_PID", drainTimeoutMs: 5000}},
    {id: "web", policy: "proxied", command: "exec ./bin/web --port {{port}}", port: {from: 18182, to: 18299}, health: {path: "/ping", intervalMs: 250}, outputLines: 200}
  ]
})
