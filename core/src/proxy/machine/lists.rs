//! Lists in field values (RFC 9110 §5.6.1).

/// The elements of comma-separated field values (RFC 9110 §5.6.1), without spaces and empty ones.
pub(crate) fn tokens<'a>(values: impl IntoIterator<Item = &'a [u8]>) -> impl Iterator<Item = &'a [u8]> {
    values
        .into_iter()
        .flat_map(|value| value.split(|byte| *byte == b','))
        .map(<[u8]>::trim_ascii)
        .filter(|token| !token.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_split_at_commas_and_lines() {
        let lines: [&[u8]; 3] = [b"close , X-Secret", b"", b",keep-alive,"];
        let found: Vec<_> = tokens(lines).map(|token| String::from_utf8_lossy(token).into_owned()).collect();
        assert_eq!(found, ["close", "X-Secret", "keep-alive"]);
    }
}
