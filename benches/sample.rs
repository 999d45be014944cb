//! What is measured on.

/// A config as a small shop would have it: one process of each policy, and most of the settings there are.
pub const CONFIG: &str = r#"{
    "application": "shop",
    "proxy": { "port": 8182, "healthPath": "/up", "healthTimeoutMs": 30000, "drainTimeoutMs": 60000 },
    "control": { "path": "/run/shop/rollcore.sock", "mode": "660", "group": "deploy" },
    "releaseRetention": { "keep": 5, "maxAgeMs": 604800000 },
    "processes": [
        {
            "id": "web", "policy": "proxied", "port": { "from": 18000, "to": 18099 },
            "command": "bin/serve --host {{proxy.upstreamHost}} --port {{port}} --release {{releaseId}}",
            "env": { "BROKER_URL": "tcp://127.0.0.1:{{ports.broker}}", "REVISION": "{{revision}}" },
            "health": { "timeoutMs": 20000, "intervalMs": 100 },
            "restart": { "maxRestarts": 5, "windowMs": 60000, "backoffFactor": 2, "maxDelayMs": 30000 }
        },
        {
            "id": "worker", "command": ["bin/work", "--queue", "mail"], "replicas": 4, "nonBlockingDrain": true,
            "lifecycle": { "quietCommand": "bin/quiet", "drainCommand": "bin/drain", "drainTimeoutMs": 30000 },
            "gracefulStopMs": "indefinite", "outputLines": 200
        },
        { "id": "cron", "policy": "singleton", "command": "bin/cron", "stopSignal": "SIGINT", "minUptimeMs": 500 },
        {
            "id": "broker", "policy": "service", "deployStrategy": "handoff", "command": "bin/broker {{port}}",
            "port": { "from": 19000, "to": 19009 }
        }
    ]
}"#;
