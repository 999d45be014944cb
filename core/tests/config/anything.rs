//! Whatever comes in, an answer comes out.

use proptest::prelude::*;
use rollcore::{Config, ConfigError};
use serde_json::Value;

use super::{merge, read, with_web};

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "[a-z#\\PC]{0,8}".prop_map(Value::from),
        prop::sample::select(vec!["proxied", "service", "handoff", "indefinite", "SIGINT", "660"])
            .prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 64, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(any_key(), inner, 0..6)
                .prop_map(|map| Value::from(map.into_iter().collect::<serde_json::Map<_, _>>())),
        ]
    })
}

/// Mostly keys that mean something, so that the values get looked at.
fn any_key() -> impl Strategy<Value = String> {
    let known = "application control proxy processes releaseRetention legacyTakeover statePath path mode owner group \
                 host port upstreamHost healthPath healthTimeoutMs drainTimeoutMs forceStopTimeoutMs keep maxAgeMs id \
                 command policy deployStrategy cwd env health gracefulStopMs stopSignal lifecycle nonBlockingDrain \
                 outputLines replicas restartDelayMs restart memory minUptimeMs from to timeoutMs intervalMs startDelayMs \
                 quietCommand drainCommand stopCommand maxRestarts windowMs backoffFactor maxDelayMs limitBytes \
                 warnBytes checkIntervalMs screens includes name restoreOnStart trustedFronts \
                 tls certificates certPath keyPath handshakeTimeoutMs http2 streamsMax resetsMax proxyProtocol \
                 socket limits workers upgrades connectionsMax headTimeoutMs headBytesMax requestTimeoutMs parkedMax";
    prop_oneof![
        9 => prop::sample::select(known.split_whitespace().map(str::to_owned).collect::<Vec<_>>()),
        1 => any::<String>(),
    ]
}

fn any_fields() -> impl Strategy<Value = Value> {
    prop::collection::btree_map(any_key(), any_json(), 0..8)
        .prop_map(|map| Value::from(map.into_iter().collect::<serde_json::Map<_, _>>()))
}

/// What holds for every answer.
fn assert_sound(answer: &Result<Config, ConfigError>) {
    match answer {
        Ok(config) => {
            let proxied = config.application().proxied();
            assert!(proxied.listen_at().is_some());
        }
        Err(error) => {
            assert!(!error.issues().is_empty());
            assert!(error.issues().iter().all(|issue| !issue.fix.is_empty() && !issue.message.is_empty()));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_json_makes_it_panic(config in any_json()) {
        assert_sound(&read(&config));
    }

    #[test]
    fn no_fields_make_it_panic(top in any_fields(), web in any_fields(), worker in any_fields()) {
        let mut config = with_web(&web);
        config["processes"].as_array_mut().expect("a list").push(worker);
        assert_sound(&read(&config));
        merge(&mut config, &top);
        assert_sound(&read(&config));
    }

    #[test]
    fn no_text_makes_it_panic(text in any::<String>()) {
        assert_sound(&Config::from_json(&text));
    }
}
