//! What a config that is a program came to.

use std::collections::BTreeMap;
use std::fmt::Write;

use rollcore::{Config, ConfigError, Defaults};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::Said;

/// Stands for a value that JSON has no word for, such as a function; see [`Evaluated::config_with`].
pub(super) const ODD: &str = "\0odd";

/// What the program returned, and what it changed on the way.
#[derive(Debug, Default, Deserialize, Serialize)]
pub(super) struct Evaluated {
    /// With [`ODD`] where JSON has no word.
    pub(super) config: Value,
    /// What it set in its environment, and what it removed (compat C-3).
    #[serde(default)]
    pub(super) environment: BTreeMap<String, Option<String>>,
    /// The places of [`ODD`], each with what is there.
    #[serde(default)]
    pub(super) odd: Vec<(String, String)>,
}

impl Evaluated {
    /// The config, when it is valid.
    ///
    /// A value without a JSON word has to be reported where it means something, as one of the wrong type (C-13), and
    /// ignored under an unknown key (C-11). `true` is the wrong type everywhere but where a boolean is wanted, and a
    /// list is wrong there: so the config has to be valid with either.
    pub(super) fn into_config(self, defaults: &Defaults, said: Said<'_>) -> Result<Config, ConfigError> {
        let config = self.config_with(&json!(true), defaults).and_then(|config| match self.odd.is_empty() {
            true => Ok(config),
            false => self.config_with(&json!([true]), defaults),
        });
        if let Err(error) = &config {
            said(self.odd_told(error).as_bytes());
        }
        config.map(|config| config.with_environment(self.environment))
    }

    fn config_with(&self, stand_in: &Value, defaults: &Defaults) -> Result<Config, ConfigError> {
        match self.odd.is_empty() {
            true => Config::from_value(&self.config, defaults),
            false => Config::from_value(replaced(&self.config, stand_in), defaults),
        }
    }

    /// The issues say what was wanted; this says what was there.
    fn odd_told(&self, error: &ConfigError) -> String {
        let is_issue =
            |key: &str| error.issues().iter().any(|issue| issue.message.starts_with(&format!("{key} ")));
        self.odd.iter().filter(|(key, _)| is_issue(key)).fold(String::new(), |mut told, (key, what)| {
            let _ = writeln!(told, "Note: {key} is {what}, which means nothing in a config.");
            told
        })
    }
}

fn replaced(value: &Value, stand_in: &Value) -> Value {
    match value {
        Value::String(text) if text == ODD => stand_in.clone(),
        Value::Array(values) => values.iter().map(|value| replaced(value, stand_in)).collect(),
        Value::Object(map) => {
            map.iter().map(|(key, value)| (key.clone(), replaced(value, stand_in))).collect()
        }
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;

    fn issues(config: &str, odd: &[(&str, &str)]) -> (Vec<String>, String) {
        let evaluated = Evaluated {
            config: serde_json::from_str(config).expect("it is JSON"),
            odd: odd.iter().map(|(key, what)| ((*key).to_owned(), (*what).to_owned())).collect(),
            ..Evaluated::default()
        };
        let said = RefCell::new(String::new());
        let say = |bytes: &[u8]| said.borrow_mut().push_str(&String::from_utf8_lossy(bytes));
        let found = evaluated.into_config(&Defaults::default(), &say);
        let issues = found.err().map_or_else(Vec::new, |error| error.issues().to_vec());
        (issues.into_iter().map(|issue| issue.message).collect(), said.into_inner())
    }

    /// C-11, C-13.
    #[test]
    fn what_json_cannot_say_is_wrong_where_it_means_something_and_ignored_elsewhere() {
        let config = |proxy: &str, web: &str| {
            format!(
                r#"{{ "proxy": {{ {proxy} }}, "processes": [{{ "id": "web", "policy": "proxied", "port": 1,
                    "command": "serve" }}, {{ "id": "worker", "command": "work" {web} }}] }}"#
            )
        };
        let odd = r#""\u0000odd""#;
        for (proxy, web, expected) in [
            (format!(r#""port": {odd}"#), String::new(), "proxy.port must be a number"),
            (format!(r#""host": {odd}"#), String::new(), "proxy.host must be a string"),
            (String::new(), format!(r#", "env": {odd}"#), "processes[1].env must be an object"),
            (
                String::new(),
                format!(r#", "nonBlockingDrain": {odd}"#),
                "processes[1].nonBlockingDrain must be a boolean",
            ),
            (String::new(), format!(r#", "env": {{ "A": {odd} }}"#), "processes[1].env.A must be a string"),
        ] {
            let key = expected.split(' ').next().expect("it begins with the key");
            let (messages, said) = issues(&config(&proxy, &web), &[(key, "a function"), ("other", "NaN")]);
            assert_eq!(messages, [expected]);
            assert_eq!(said, format!("Note: {key} is a function, which means nothing in a config.\n"));
        }
        let (messages, said) =
            issues(&config(&format!(r#""helper": {odd}"#), ""), &[("proxy.helper", "a function")]);
        assert_eq!((messages.len(), said.as_str()), (0, ""));
    }
}
