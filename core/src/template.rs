//! `{{port}}` becomes `18182`, or the name that is missing (compat C-35 to C-39).

/// A placeholder that nothing is known for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("Missing template value for {placeholder}")]
pub struct MissingValue {
    placeholder: String,
}

impl MissingValue {
    /// The placeholder as it was written, with its braces and spaces.
    #[must_use]
    pub fn placeholder(&self) -> &str {
        &self.placeholder
    }
}

/// Replaces each `{{key}}` by what `lookup` says for `key`.
///
/// A key is made of `A-Z a-z 0-9 _ . -` and may have spaces around it; anything else between braces is left as it is.
/// Values go in as they are: they are not quoted for a shell, and a placeholder inside a value is not replaced again.
///
/// ```
/// use rollcore::render;
///
/// let lookup = |key: &str| (key == "port").then_some("18182");
/// assert_eq!(render("serve --port {{ port }}", lookup)?, "serve --port 18182");
/// assert_eq!(render("{{not a key}}", lookup)?, "{{not a key}}");
/// let missing = render("{{prot}}", lookup).expect_err("nothing is known for it");
/// assert_eq!(missing.to_string(), "Missing template value for {{prot}}");
/// # Ok::<(), rollcore::MissingValue>(())
/// ```
///
/// # Errors
/// [`MissingValue`] names the first placeholder that `lookup` has nothing for.
pub fn render<V: AsRef<str>>(text: &str, lookup: impl Fn(&str) -> Option<V>) -> Result<String, MissingValue> {
    let mut rendered = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find("{{") {
        rendered.push_str(&rest[..start]);
        rest = &rest[start..];
        match Placeholder::at_start_of(rest) {
            Some(found) => {
                let value = lookup(found.key)
                    .ok_or_else(|| MissingValue { placeholder: rest[..found.len].to_owned() })?;
                rendered.push_str(value.as_ref());
                rest = &rest[found.len..];
            }
            // Only one brace is passed over, for `{{{port}}` holds a placeholder after its first one.
            None => {
                rendered.push('{');
                rest = &rest[1..];
            }
        }
    }
    rendered.push_str(rest);
    Ok(rendered)
}

struct Placeholder<'t> {
    key: &'t str,
    len: usize,
}

impl<'t> Placeholder<'t> {
    fn at_start_of(text: &'t str) -> Option<Self> {
        let inside = text.strip_prefix("{{")?.trim_start();
        let key_len = inside.find(|c: char| !is_key_char(c))?;
        let after = inside[key_len..].trim_start().strip_prefix("}}")?;
        (key_len > 0).then(|| Self { key: &inside[..key_len], len: text.len() - after.len() })
    }
}

fn is_key_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn known(key: &str) -> Option<String> {
        match key {
            "port" => Some("18182".to_owned()),
            "env.A_b-1" => Some("{{port}}".to_owned()),
            "empty" => Some(String::new()),
            _ => None,
        }
    }

    /// C-35.
    #[test]
    fn placeholders_are_replaced_and_the_rest_is_left_alone() {
        for (text, expected) in [
            ("", ""),
            ("plain", "plain"),
            ("{{port}}", "18182"),
            ("a{{port}}b{{  port }}c", "a18182b18182c"),
            ("[{{empty}}]", "[]"),
            ("{{{port}}}", "{18182}"),
            ("{{{{port}}}}", "{{18182}}"),
            ("{{foo bar}} {{}} {{ }} {{port} {port}}", "{{foo bar}} {{}} {{ }} {{port} {port}}"),
            ("{{pört}} {{port", "{{pört}} {{port"),
            ("{{port}", "{{port}"),
            ("{{", "{{"),
        ] {
            assert_eq!(render(text, known).as_deref(), Ok(expected), "{text:?}");
        }
    }

    /// C-37.
    #[test]
    fn a_missing_value_is_named_as_it_was_written() {
        let error = |text| render(text, known).expect_err(text).to_string();
        assert_eq!(error("x {{prot}}"), "Missing template value for {{prot}}");
        assert_eq!(error("{{port}} {{ a.b }} {{c}}"), "Missing template value for {{ a.b }}");
    }

    #[test]
    fn a_placeholder_inside_a_value_is_text() {
        assert_eq!(render("{{env.A_b-1}}", known).as_deref(), Ok("{{port}}"));
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "([{} a-c.é]|\\{\\{|\\}\\})*") {
            let _ = render(&text, known);
            prop_assert!(render(&text, |_| Some("{{x}}")).is_ok());
        }

        #[test]
        fn text_without_placeholders_is_unchanged(text in any::<String>()) {
            prop_assume!(!text.contains("{{"));
            prop_assert_eq!(render(&text, known), Ok(text));
        }

        /// C-39.
        #[test]
        fn a_value_goes_in_as_it_is(before in "[a-z ]*", value in any::<String>(), after in "[a-z ]*") {
            let rendered = render(&format!("{before}{{{{key}}}}{after}"), |_| Some(&value));
            prop_assert_eq!(rendered, Ok(format!("{before}{value}{after}")));
        }
    }
}
