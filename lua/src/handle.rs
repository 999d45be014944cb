//! A handle of `rollcore::embed` as a userdata. When Lua collects it, it is closed.

use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::time::Duration;

use mlua::prelude::{Lua, LuaResult};
use mlua::{LuaString as Text, UserData, UserDataMethods, Value};
use rollcore::embed::{EmbedError, Embedded, Next};

use crate::answer::{Answer, answer, failure, refused};
use crate::engines::Engines;
use crate::json;

/// One handle.
pub(crate) struct Handle(Arc<Embedded>);

impl Handle {
    pub(crate) fn open(lua: &Lua, options: &str) -> Result<Self, EmbedError> {
        let embedded = Arc::new(Embedded::open(options)?);
        if let Some(engines) = lua.app_data_ref::<Engines>() {
            engines.add(&embedded);
        }
        Ok(Self(embedded))
    }

    fn submit(&self, lua: &Lua, (method, params): (Text, Value)) -> LuaResult<Answer> {
        let method = method.to_string_lossy();
        let op = json::written(&params).and_then(|params| self.0.submit(&method, &params, 0));
        answer(lua, op, number)
    }

    /// The only function that waits: `nil` for ever, 0 not at all.
    fn next(&self, lua: &Lua, seconds: Option<f64>) -> LuaResult<Answer> {
        let timeout =
            seconds.map(|seconds| Duration::try_from_secs_f64(seconds.max(0.0)).unwrap_or(Duration::MAX));
        match self.0.next_event(timeout) {
            Next::Event(event) => answer(lua, Ok(event.json), |event| json::read(lua, &event)),
            Next::TimedOut => failure(lua, &refused("timeout", "nothing happened in time")),
            Next::Interrupted => failure(lua, &refused("interrupted", "a signal came")),
            Next::Closed => failure(lua, &refused("closed", "the engine is closed")),
            Next::Failed(error) => failure(lua, &error),
            other => failure(lua, &refused("unknown", format!("{other:?}"))),
        }
    }

    fn subscribe(&self, lua: &Lua, types: Vec<Text>) -> LuaResult<Answer> {
        let types: Vec<String> = types.iter().map(Text::to_string_lossy).collect();
        let filter = serde_json::json!({ "types": types }).to_string();
        answer(lua, self.0.subscribe(&filter), |()| Ok(Value::Boolean(true)))
    }

    fn snapshot(&self, lua: &Lua, what: Text) -> LuaResult<Answer> {
        let selector = serde_json::json!({ "what": what.to_string_lossy() }).to_string();
        answer(lua, self.0.snapshot(&selector), |status| json::read(lua, &status))
    }
}

fn number(number: u64) -> LuaResult<Value> {
    Ok(i64::try_from(number).map_or(Value::Nil, Value::Integer))
}

impl UserData for Handle {
    fn add_methods<M: UserDataMethods<Self>>(methods: &mut M) {
        methods.add_method("submit", |lua, this, call| this.submit(lua, call));
        methods.add_method("next", |lua, this, seconds| this.next(lua, seconds));
        methods.add_method("subscribe", |lua, this, types| this.subscribe(lua, types));
        methods.add_method("snapshot", |lua, this, what| this.snapshot(lua, what));
        methods.add_method("cancel", |lua, this, op: u64| {
            answer(lua, this.0.cancel(op), |()| Ok(Value::Boolean(true)))
        });
        methods.add_method("fd", |_, this, ()| Ok(this.0.event_fd().as_raw_fd()));
        methods.add_method("close", |lua, this, ()| answer(lua, this.0.end(), |()| Ok(Value::Boolean(true))));
    }
}
