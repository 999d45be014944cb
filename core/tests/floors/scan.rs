//! Rust text to tokens: enough of the language to find paths, and no more.
//!
//! Comments, strings and characters are blanked first, so nothing in them can look like code.

/// A word or a sign, with the line it stands on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Token {
    pub(crate) text: String,
    pub(crate) line: usize,
}

impl Token {
    pub(crate) fn is(&self, text: &str) -> bool {
        self.text == text
    }

    pub(crate) fn is_word(&self) -> bool {
        self.text.starts_with(is_word_char)
    }
}

fn is_word_char(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// The tokens of a source text. `::` is one token; any other sign is a token of its own.
pub(crate) fn tokens(source: &str) -> Vec<Token> {
    let blanked = blank(source);
    let mut tokens = Vec::new();
    for (index, line) in blanked.lines().enumerate() {
        let mut rest = line.trim_start();
        while let Some(first) = rest.chars().next() {
            let length = match first {
                c if is_word_char(c) => rest.find(|c| !is_word_char(c)).unwrap_or(rest.len()),
                ':' if rest.starts_with("::") => 2,
                c => c.len_utf8(),
            };
            tokens.push(Token { text: rest[..length].to_owned(), line: index + 1 });
            rest = rest[length..].trim_start();
        }
    }
    tokens
}

/// The text with every comment, string and character replaced by spaces; line ends stay where they are.
pub(crate) fn blank(source: &str) -> String {
    let chars: Vec<char> = source.chars().collect();
    let mut out = String::with_capacity(source.len());
    let mut at = 0;
    while at < chars.len() {
        let end = if out.ends_with(is_word_char) { None } else { prefixed_literal(&chars, at) }
            .or_else(|| comment(&chars, at))
            .or_else(|| quoted(&chars, at));
        match end {
            Some(end) => {
                out.extend(chars[at..end].iter().map(|c| if *c == '\n' { '\n' } else { ' ' }));
                at = end;
            }
            None => {
                out.push(chars[at]);
                at += 1;
            }
        }
    }
    out
}

fn starts_with(chars: &[char], at: usize, text: &str) -> bool {
    text.chars().enumerate().all(|(offset, c)| chars.get(at + offset) == Some(&c))
}

fn comment(chars: &[char], at: usize) -> Option<usize> {
    if starts_with(chars, at, "//") {
        return Some(chars[at..].iter().position(|c| *c == '\n').map_or(chars.len(), |length| at + length));
    }
    if !starts_with(chars, at, "/*") {
        return None;
    }
    let (mut depth, mut end) = (1, at + 2);
    while depth > 0 && end < chars.len() {
        if starts_with(chars, end, "/*") {
            (depth, end) = (depth + 1, end + 2);
        } else if starts_with(chars, end, "*/") {
            (depth, end) = (depth - 1, end + 2);
        } else {
            end += 1;
        }
    }
    Some(end)
}

/// `r"…"`, `r#"…"#`, `b"…"`, `br"…"`, `c"…"`, `cr"…"` and `b'…'`. A raw name such as `r#type` is none of these.
fn prefixed_literal(chars: &[char], at: usize) -> Option<usize> {
    let prefix = ["br", "cr", "r", "b", "c"].into_iter().find(|prefix| starts_with(chars, at, prefix))?;
    let after = at + prefix.len();
    if !prefix.ends_with('r') {
        return quoted(chars, after);
    }
    let hashes = chars[after..].iter().take_while(|c| **c == '#').count();
    if chars.get(after + hashes) != Some(&'"') {
        return None;
    }
    let closing = format!("\"{}", "#".repeat(hashes));
    let mut end = after + hashes + 1;
    while end < chars.len() && !starts_with(chars, end, &closing) {
        end += 1;
    }
    Some((end + closing.len()).min(chars.len()))
}

fn quoted(chars: &[char], at: usize) -> Option<usize> {
    match chars.get(at)? {
        '"' => Some(closing_quote(chars, at, '"')),
        // `'a'` and `'\n'` are characters; `'a` alone is a lifetime.
        '\'' if chars.get(at + 1) == Some(&'\\') || chars.get(at + 2) == Some(&'\'') => {
            Some(closing_quote(chars, at, '\''))
        }
        _ => None,
    }
}

fn closing_quote(chars: &[char], at: usize, quote: char) -> usize {
    let mut end = at + 1;
    while end < chars.len() && chars[end] != quote {
        end += if chars[end] == '\\' { 2 } else { 1 };
    }
    (end + 1).min(chars.len())
}

#[test]
fn what_is_not_code_is_blanked_and_lines_stay() {
    for (source, code) in [
        ("a // crate::x\nb", "a\nb"),
        ("a /* /* x */ y\n */ b", "a\n b"),
        (r#"f("crate::x \" y", z)"#, "f( , z)"),
        ("r#\"crate::\"x\"# y", "y"),
        ("br\"\\\" y", "y"),
        ("'\"' x '\\'' y", "x y"),
        ("&'a str + '_'", "&'a str +"),
        ("r#type::x", "r#type::x"),
        ("var\"x\"", "var"),
        ("\"multi\nline\" x", "\n x"),
        ("x \"never closed", "x"),
        ("x /* never closed", "x"),
    ] {
        let squeeze = |text: &str| -> Vec<String> {
            text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
        };
        assert_eq!(squeeze(&blank(source)), squeeze(code), "{source:?}");
        assert_eq!(blank(source).lines().count(), source.lines().count(), "{source:?}");
    }
}

#[test]
fn tokens_know_their_line() {
    let found = tokens("use a::b;\n\n  c!{}");
    let words: Vec<_> = found.iter().map(|token| (token.text.as_str(), token.line)).collect();
    assert_eq!(
        words,
        [("use", 1), ("a", 1), ("::", 1), ("b", 1), (";", 1), ("c", 3), ("!", 3), ("{", 3), ("}", 3)]
    );
}
