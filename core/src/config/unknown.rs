//! Keys that mean nothing, with the one that was probably meant.

use super::Issue;

/// A warning for `key`, which stands under `prefix` (`proxy.`, or nothing at the top) where only `known` mean
/// something.
pub(super) fn unknown_key(prefix: &str, key: &str, known: &[&str]) -> Issue {
    let shown = format!("{prefix}{}", key.escape_debug());
    let fix = match nearest(key, known) {
        Some(near) => format!("Did you mean {prefix}{near}? Rename it, or remove it: it has no effect."),
        None => format!("Remove {shown}: it has no effect. Known here: {}.", sorted(known).join(", ")),
    };
    Issue::new(format!("Unknown key {shown}"), fix)
}

/// The known key that is spelled nearly like this one, if any is.
fn nearest<'k>(key: &str, known: &[&'k str]) -> Option<&'k str> {
    // A very long key is no misspelling, and comparing costs the product of the lengths.
    if key.len() > KEY_BYTES_MAX {
        return None;
    }
    let folded = fold(key);
    let distance = |candidate: &&str| strsim::damerau_levenshtein(&folded, &fold(candidate));
    let near = known.iter().copied().min_by_key(distance)?;
    let slips_max = (near.len() / 3).max(1);
    (distance(&near) <= slips_max).then_some(near)
}

/// Longer keys are not compared.
const KEY_BYTES_MAX: usize = 64;

/// `drain_timeout-MS` and `drainTimeoutMs` are the same word in two habits.
fn fold(key: &str) -> String {
    key.chars().filter(|c| !matches!(c, '_' | '-' | ' ')).flat_map(char::to_lowercase).collect()
}

fn sorted<'k>(known: &[&'k str]) -> Vec<&'k str> {
    let mut sorted = known.to_vec();
    sorted.sort_unstable();
    sorted
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: [&str; 4] = ["host", "port", "drainTimeoutMs", "upstreamHost"];

    #[test]
    fn a_slip_and_a_foreign_habit_find_the_key_that_was_meant() {
        for (key, meant) in [
            ("prot", "port"),
            ("Host", "host"),
            ("drain_timeout_ms", "drainTimeoutMs"),
            ("drainTimeout", "drainTimeoutMs"),
            ("upstreamhost", "upstreamHost"),
        ] {
            assert_eq!(nearest(key, &KNOWN), Some(meant), "{key}");
        }
    }

    #[test]
    fn a_key_that_resembles_none_gets_the_list() {
        for key in ["colour", "", "x", "\u{0}", &"host".repeat(1000)] {
            assert_eq!(nearest(key, &KNOWN), None, "{key}");
        }
        let issue = unknown_key("proxy.", "co\nlour", &KNOWN);
        assert_eq!(issue.message, "Unknown key proxy.co\\nlour");
        assert_eq!(
            issue.fix,
            "Remove proxy.co\\nlour: it has no effect. Known here: drainTimeoutMs, host, port, upstreamHost."
        );
    }
}
