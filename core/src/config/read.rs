//! Typed reading of JSON that goes on after a mistake, and notes it (compat C-10 to C-14).
//!
//! Nothing here knows which keys there are: whoever reads asks for them, and what was never asked for is unknown.

use std::time::Duration;

use serde_json::{Map, Value};

use super::Issue;
use super::unknown::unknown_key;

/// What was noticed so far.
#[derive(Debug, Default)]
pub(super) struct Notes {
    pub(super) issues: Vec<Issue>,
    pub(super) warnings: Vec<Issue>,
}

impl Notes {
    pub(super) fn issue(&mut self, message: impl Into<String>, fix: impl Into<String>) {
        self.issues.push(Issue::new(message, fix));
    }
}

/// A mapping of the config, and which of its keys mean something.
pub(super) struct Section<'v> {
    prefix: String,
    map: Option<&'v Map<String, Value>>,
    asked: Vec<&'static str>,
}

impl<'v> Section<'v> {
    /// The config itself; anything but a mapping reads as an empty one.
    pub(super) fn root(value: &'v Value) -> Self {
        Self { prefix: String::new(), map: value.as_object(), asked: Vec::new() }
    }

    /// What stands at `key`, whether it is set or not.
    pub(super) fn field(&mut self, key: &'static str) -> Field<'v> {
        self.asked.push(key);
        Field { key: format!("{}{key}", self.prefix), value: self.map.and_then(|map| map.get(key)) }
    }

    /// Warns about every key that was never asked for.
    pub(super) fn close(self, notes: &mut Notes) {
        for key in self.map.into_iter().flat_map(Map::keys) {
            if !self.asked.contains(&key.as_str()) {
                notes.warnings.push(unknown_key(&self.prefix, key, &self.asked));
            }
        }
    }
}

/// A place in the config, and what stands there.
#[derive(Clone)]
pub(super) struct Field<'v> {
    /// The dotted path, such as `processes[1].restart.windowMs`.
    pub(super) key: String,
    value: Option<&'v Value>,
}

/// One millisecond more than 64 bits can count.
const MS_MAX: f64 = u64::MAX as f64;

impl<'v> Field<'v> {
    /// An element of a list that stands at `key`.
    pub(super) fn element(key: &str, index: usize, value: &'v Value) -> Self {
        Self { key: format!("{key}[{index}]"), value: Some(value) }
    }

    /// What stands at a key of this field, which is no section because its keys are free.
    pub(super) fn entry(&self, key: &str, value: &'v Value) -> Self {
        Self { key: format!("{}.{key}", self.key), value: Some(value) }
    }

    /// What is set; `null` is not (compat C-12).
    pub(super) fn set(&self) -> Option<&'v Value> {
        self.value.filter(|value| !value.is_null())
    }

    /// Whether `null` was written, which is something else than nothing in a few places (compat C-12).
    pub(super) fn is_null(&self) -> bool {
        self.value.is_some_and(Value::is_null)
    }

    /// Notes `<key> <problem>`.
    pub(super) fn refuse(&self, problem: &str, fix: impl Into<String>, notes: &mut Notes) {
        notes.issue(format!("{} {problem}", self.key), fix);
    }

    /// The section here; `None` when there is nothing, or something else, which is then noted.
    pub(super) fn section(&self, fix: impl Into<String>, notes: &mut Notes) -> Option<Section<'v>> {
        let value = self.set()?;
        let section = self.mapping(value);
        if section.is_none() {
            self.refuse("must be an object", fix, notes);
        }
        section
    }

    /// The section that `value` is, if it is one.
    pub(super) fn mapping(&self, value: &'v Value) -> Option<Section<'v>> {
        let map = value.as_object()?;
        Some(Section { prefix: format!("{}.", self.key), map: Some(map), asked: Vec::new() })
    }

    /// A section without keys, to take the defaults from.
    pub(super) fn empty_section(&self) -> Section<'v> {
        Section { prefix: format!("{}.", self.key), map: None, asked: Vec::new() }
    }

    /// The text here, if any.
    pub(super) fn text(&self, notes: &mut Notes) -> Option<String> {
        let value = self.set()?;
        match value.as_str() {
            None => self.refuse("must be a string", self.text_fix(), notes),
            // No operating system takes a NUL in a path, an argument or a variable.
            Some(text) if text.contains('\0') => {
                self.refuse(
                    "must not contain a NUL character",
                    format!("Remove the NUL character from {}.", self.key),
                    notes,
                );
            }
            Some(text) => return Some(text.to_owned()),
        }
        None
    }

    /// The text here, which has to be there.
    pub(super) fn required_text(&self, notes: &mut Notes) -> Option<String> {
        if self.set().is_none() {
            self.refuse("is required", self.text_fix(), notes);
        }
        self.text(notes)
    }

    /// The text here, if any; `null` is refused where it would be mistaken for "none".
    pub(super) fn text_but_not_null(&self, notes: &mut Notes) -> Option<String> {
        if self.is_null() { self.required_text(notes) } else { self.text(notes) }
    }

    /// `text` of this field, for a name: it stands in file names, in variables and in lines of a log.
    pub(super) fn as_name(&self, text: Option<String>, notes: &mut Notes) -> Option<String> {
        let text = text?;
        if text.contains(char::is_control) {
            self.refuse(
                "must not contain control characters",
                format!("Remove line breaks and other control characters from {}.", self.key),
                notes,
            );
            return None;
        }
        Some(text)
    }

    fn text_fix(&self) -> String {
        format!("Set {} to a string value.", self.key)
    }

    /// The number here, if any.
    pub(super) fn number(&self, notes: &mut Notes) -> Option<f64> {
        let number = self.set()?.as_f64().filter(|number| number.is_finite());
        if number.is_none() {
            self.refuse("must be a number", format!("Set {} to a finite number.", self.key), notes);
        }
        number
    }

    /// The number here, if any, which is 0 or more.
    pub(super) fn non_negative(&self, fix: impl Into<String>, notes: &mut Notes) -> Option<f64> {
        let number = self.number(notes)?;
        if number < 0.0 {
            self.refuse("must be a non-negative number", fix, notes);
            return None;
        }
        Some(number)
    }

    /// The milliseconds here, or `default`.
    pub(super) fn duration(&self, default: Duration, notes: &mut Notes) -> Duration {
        let fix = format!("Set {} to a non-negative number, e.g. {}.", self.key, default.as_millis());
        self.duration_or_fix(default, &fix, notes)
    }

    /// The milliseconds here, or `default`; `fix` is for negative ones.
    pub(super) fn duration_or_fix(&self, default: Duration, fix: &str, notes: &mut Notes) -> Duration {
        match self.non_negative(fix, notes) {
            None => default,
            Some(ms) if ms >= MS_MAX => {
                self.refuse(
                    &format!("must be less than {} milliseconds", u64::MAX),
                    format!("Set {} to a smaller number, e.g. {}.", self.key, default.as_millis()),
                    notes,
                );
                default
            }
            Some(ms) => milliseconds(ms),
        }
    }

    /// The number here if it is whole and from `min` to `max`; `None` with no note when nothing is set.
    pub(super) fn whole(
        &self,
        min: u64,
        max: u64,
        problem: &str,
        fix: impl Into<String>,
        notes: &mut Notes,
    ) -> Option<u64> {
        let value = self.set()?;
        match whole_number(value).filter(|number| *number >= min) {
            None => self.refuse(problem, fix, notes),
            Some(number) if number > max => {
                self.refuse(
                    &format!("must be at most {max}"),
                    format!("Set {} to {max} or less.", self.key),
                    notes,
                );
            }
            Some(number) => return Some(number),
        }
        None
    }

    /// Like [`Field::whole`], for what is counted in 32 bits.
    pub(super) fn whole_u32(
        &self,
        min: u32,
        problem: &str,
        fix: impl Into<String>,
        notes: &mut Notes,
    ) -> Option<u32> {
        let number = self.whole(min.into(), u32::MAX.into(), problem, fix, notes)?;
        Some(u32::try_from(number).expect("`whole` refuses larger ones"))
    }
}

/// The whole non-negative number that `value` is, if it is one; 5.0 is one, as in JavaScript.
pub(super) fn whole_number(value: &Value) -> Option<u64> {
    if let Some(number) = value.as_u64() {
        return Some(number);
    }
    let number = value.as_f64()?;
    let is_whole = number.fract() == 0.0 && (0.0..MS_MAX).contains(&number);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it was just looked at")]
    is_whole.then_some(number as u64)
}

/// Exact for whole milliseconds, however many. `ms` is from 0 to below [`MS_MAX`].
fn milliseconds(ms: f64) -> Duration {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the caller looked at it")]
    let whole = Duration::from_millis(ms as u64);
    whole + Duration::from_secs_f64(ms.fract() / 1_000.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn duration(value: Value) -> (Duration, Vec<Issue>) {
        let mut notes = Notes::default();
        let field = Field { key: "waitMs".to_owned(), value: Some(&value) };
        (field.duration(Duration::from_secs(1), &mut notes), notes.issues)
    }

    #[test]
    fn milliseconds_are_exact_and_may_be_fractions() {
        for (value, expected) in [
            (json!(250), Duration::from_millis(250)),
            (json!(0.5), Duration::from_micros(500)),
            (json!(-0.0), Duration::ZERO),
            (json!(9_007_199_254_740_991_u64), Duration::from_millis(9_007_199_254_740_991)),
            (json!(null), Duration::from_secs(1)),
        ] {
            assert_eq!(duration(value.clone()), (expected, vec![]), "{value}");
        }
    }

    #[test]
    fn milliseconds_that_cannot_be_waited_are_refused() {
        for (value, message) in [
            (json!(-1), "waitMs must be a non-negative number"),
            (json!("1"), "waitMs must be a number"),
            (json!(1e300), "waitMs must be less than 18446744073709551615 milliseconds"),
        ] {
            let (used, issues) = duration(value);
            assert_eq!(used, Duration::from_secs(1));
            assert_eq!(issues.iter().map(|issue| issue.message.as_str()).collect::<Vec<_>>(), [message]);
        }
    }

    #[test]
    fn a_whole_number_may_be_written_with_a_point() {
        assert_eq!(whole_number(&json!(5.0)), Some(5));
        for value in [json!(5.5), json!(-1), json!("5"), json!(true), json!(1e300), json!([])] {
            assert_eq!(whole_number(&value), None, "{value}");
        }
    }

    proptest! {
        #[test]
        fn no_number_makes_it_panic(number in any::<f64>()) {
            let _ = duration(json!(number));
            let _ = whole_number(&json!(number));
        }
    }
}
