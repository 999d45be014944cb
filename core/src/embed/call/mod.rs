//! The methods by name: what they are called, what they take, and what that means.
//!
//! This is the only table of methods. A text becomes a [`Call`] here, or is refused at once: whoever carries it out sees
//! values that make sense.

mod engine;
mod hands;

use std::time::Duration;

use serde_json::{Map, Value};

use super::code::{Code, EmbedError};
use super::filter::Filter;
use super::json;
use super::options::Options;
use super::params as p;
use crate::exit::Signal;
use crate::health::{HealthSchedule, HttpProbe};
use crate::id::{ReleaseId, UnsafeName};
use crate::rollout::{RestartSelection, RollbackTo};
use crate::spec::Application;

pub(super) use engine::{Drain, Events, Open, ReleaseCall};
pub(super) use hands::{Acquire, Decide, Define, OpenProxy, Switch};

macro_rules! methods {
    ($($name:literal => $variant:ident($params:ty), $check:path => $value:ty;)*) => {
        /// What a host wants, checked.
        #[derive(Clone, Debug)]
        pub(in crate::embed) enum Call {
            $($variant($value),)*
        }

        /// Every method.
        pub(in crate::embed) const METHODS: &[&str] = &[$($name,)*];

        impl Call {
            /// What `method` with these parameters means.
            pub(in crate::embed) fn read(method: &str, params: &str) -> Result<Self, EmbedError> {
                match method {
                    $($name => $check(json::read::<$params>(params)?).map(Self::$variant),)*
                    _ => Err(unknown(method)),
                }
            }
        }

        fn schema_of(method: &str) -> Option<schemars::Schema> {
            match method {
                $($name => Some(schemars::schema_for!($params)),)*
                _ => None,
            }
        }
    };
}

methods! {
    "engine.open" => EngineOpen(p::EngineOpen), engine::open => Open;
    "engine.plan" => EnginePlan(p::ReleaseParams), engine::release => ReleaseCall;
    "engine.deploy" => EngineDeploy(p::ReleaseParams), engine::release => ReleaseCall;
    "engine.rollback" => EngineRollback(p::ReleaseName), engine::rollback => RollbackTo;
    "engine.stop" => EngineStop(p::ReleaseName), engine::stop => Option<ReleaseId>;
    "engine.restart" => EngineRestart(p::EngineRestart), engine::restart => RestartSelection;
    "engine.reload" => EngineReload(p::EngineReload), engine::reload => Box<Application>;
    "engine.status" => EngineStatus(p::Nothing), nothing => ();
    "engine.events" => EngineEvents(p::EngineEvents), engine::events => Events;
    "engine.pause" => EnginePause(p::EnginePause), engine::pause => Option<Duration>;
    "engine.resume" => EngineResume(p::Nothing), nothing => ();
    "engine.shutdown" => EngineShutdown(p::Shutdown), engine::shutdown => Drain;
    "process.define" => ProcessDefine(p::Spelled), hands::define => Box<Define>;
    "process.start" => ProcessStart(p::ProcessName), hands::process => String;
    "process.stop" => ProcessStop(p::ProcessName), hands::process => String;
    "process.restart" => ProcessRestart(p::ProcessName), hands::process => String;
    "process.signal" => ProcessSignal(p::ProcessSignal), hands::signal => (String, Signal);
    "process.status" => ProcessStatus(p::ProcessSelect), hands::process_select => Option<String>;
    "process.remove" => ProcessRemove(p::ProcessName), hands::process => String;
    "port.acquire" => PortAcquire(p::PortAcquire), hands::acquire => Acquire;
    "port.release" => PortRelease(p::PortRelease), hands::release_port => String;
    "health.check" => HealthCheck(p::HealthCheck), hands::health => (HttpProbe, HealthSchedule);
    "proxy.open" => ProxyOpen(p::Spelled), hands::open_proxy => Box<OpenProxy>;
    "proxy.switch" => ProxySwitch(p::ProxySwitch), hands::switch => Switch;
    "proxy.drain" => ProxyDrain(p::ProxyDrain), hands::drain => (String, Duration);
    "proxy.close" => ProxyClose(p::ProxyClose), hands::close => (String, Duration);
    "proxy.status" => ProxyStatus(p::ProxySelect), hands::proxy_select => Option<String>;
    "restart.decide" => RestartDecide(p::RestartDecide), hands::decide => Decide;
    "shutdown" => Shutdown(p::Shutdown), engine::shutdown => Drain;
}

type Checked<T> = Result<T, EmbedError>;

fn invalid(message: impl Into<String>) -> EmbedError {
    EmbedError::new(Code::Argument, "invalid_params", message)
}

fn unknown(method: &str) -> EmbedError {
    // Whatever it is, it is compared with short names.
    let shown: String = method.chars().take(100).collect();
    let alike =
        |one: &&&str, other: &&&str| strsim::jaro(&shown, one).total_cmp(&strsim::jaro(&shown, other));
    let nearest = METHODS.iter().max_by(alike).expect("there are methods");
    let message = format!("unknown method {shown:?}; did you mean {nearest:?}?");
    EmbedError::new(Code::Argument, "unknown_method", message)
}

impl From<UnsafeName> for EmbedError {
    fn from(error: UnsafeName) -> Self {
        Self::new(Code::Argument, "unsafe_name", error.to_string())
    }
}

fn nothing(_: p::Nothing) -> Checked<()> {
    Ok(())
}

/// The schema of what `name` takes: a method, or `options`, `subscribe` or `snapshot`.
pub(in crate::embed) fn schema(name: &str) -> Option<schemars::Schema> {
    match name {
        "options" => Some(schemars::schema_for!(Options)),
        "subscribe" => Some(schemars::schema_for!(Filter)),
        "snapshot" => Some(schemars::schema_for!(p::Snapshot)),
        // What only a config spells out is open to it; what is known here is written down.
        "process.define" => Some(schemars::schema_for!(p::ProcessDefine)),
        "proxy.open" => Some(schemars::schema_for!(p::ProxyOpen)),
        method => schema_of(method),
    }
}

/// Whether `text` would be understood, as what `kind` names: what a schema has, or `config`.
pub(in crate::embed) fn validate(kind: &str, text: &str) -> Checked<()> {
    match kind {
        "options" => Options::read(text).map(drop),
        "subscribe" => json::read::<Filter>(text).map(drop),
        "snapshot" => json::read::<p::Snapshot>(text).map(drop),
        "config" => json::read::<Map<String, Value>>(text).and_then(engine::config).map(drop),
        method => Call::read(method, text).map(drop),
    }
}
