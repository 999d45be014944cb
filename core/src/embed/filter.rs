//! Which unsolicited events a host wants.

use schemars::JsonSchema;
use serde::Deserialize;

/// What to put into the queue from now on. Without it: everything.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Filter {
    /// The types, such as "process.exit", or all that begin alike: "process.*"; "*" is all of them. `op.done` and
    /// `queue.lagged` always come.
    types: Option<Vec<String>>,
}

impl Filter {
    pub(super) fn wants(&self, kind: &str) -> bool {
        let Some(types) = &self.types else { return true };
        types.iter().any(|pattern| match pattern.strip_suffix('*') {
            Some(beginning) => kind.starts_with(beginning),
            None => pattern == kind,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wants(types: Option<&[&str]>, kind: &str) -> bool {
        let types = types.map(|types| types.iter().map(|one| (*one).to_owned()).collect());
        Filter { types }.wants(kind)
    }

    #[test]
    fn types_are_named_or_begin_alike() {
        assert!(wants(None, "log"));
        assert!(!wants(Some(&[]), "log"));
        assert!(wants(Some(&["*"]), "log"));
        assert!(wants(Some(&["rollout.*", "process.exit"]), "rollout.step"));
        assert!(wants(Some(&["rollout.*", "process.exit"]), "process.exit"));
        assert!(!wants(Some(&["rollout.*", "process.exit"]), "process.started"));
        assert!(!wants(Some(&["process"]), "process.exit"));
    }
}
