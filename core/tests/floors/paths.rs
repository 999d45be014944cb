//! Every path that a source file names, as if it had been written out in full from the crate.

use super::scan::{Token, tokens};

/// One path, such as `crate::spec::Command`, with the line that names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Path {
    pub(crate) segments: Vec<String>,
    pub(crate) line: usize,
    /// From a `use`, where even a single segment is a path.
    pub(crate) imported: bool,
    /// Inside a `#[cfg(test)]` module.
    pub(crate) in_test: bool,
}

impl Path {
    pub(crate) fn text(&self) -> String {
        self.segments.join("::")
    }

    pub(crate) fn starts_with(&self, prefix: &str) -> bool {
        let mut segments = self.segments.iter();
        prefix.split("::").all(|wanted| segments.next().is_some_and(|segment| segment == wanted))
    }
}

/// The paths of `source`, which is the module `module` (empty for the crate root).
pub(crate) fn paths(module: &[String], source: &str) -> Vec<Path> {
    let mut reader =
        Reader { tokens: tokens(source), at: 0, depth: 0, inline: Vec::new(), found: Vec::new() };
    reader.read(module);
    reader.found
}

/// The modules that `source` declares under `#[cfg(test)]` and keeps in files of their own.
pub(crate) fn test_modules(source: &str) -> Vec<String> {
    let tokens = tokens(source);
    (0..tokens.len())
        .filter(|at| tokens[*at].is("mod") && is_for_tests(&tokens, *at))
        .filter(|at| tokens.get(at + 2).is_some_and(|token| token.is(";")))
        .map(|at| tokens[at + 1].text.clone())
        .collect()
}

/// An inline module that is being read: it ends with the brace that brings the depth back to `depth`.
struct Inline {
    name: String,
    depth: usize,
    test: bool,
}

struct Reader {
    tokens: Vec<Token>,
    at: usize,
    depth: usize,
    inline: Vec<Inline>,
    found: Vec<Path>,
}

impl Reader {
    fn read(&mut self, module: &[String]) {
        while self.at < self.tokens.len() {
            match self.tokens[self.at].text.as_str() {
                "{" => self.open(),
                "}" => self.close(),
                "mod" if self.is_inline_module() => self.enter(),
                "use" => self.read_use(module),
                _ if self.begins_path() => self.read_plain(module),
                _ => self.at += 1,
            }
        }
    }

    fn open(&mut self) {
        self.depth += 1;
        self.at += 1;
    }

    fn close(&mut self) {
        self.depth = self.depth.saturating_sub(1);
        let depth = self.depth;
        self.inline.retain(|inline| inline.depth < depth);
        self.at += 1;
    }

    fn is(&self, at: usize, text: &str) -> bool {
        self.tokens.get(at).is_some_and(|token| token.is(text))
    }

    fn is_inline_module(&self) -> bool {
        self.is(self.at + 2, "{") && self.tokens[self.at + 1].is_word()
    }

    fn enter(&mut self) {
        let name = self.tokens[self.at + 1].text.clone();
        let test = is_for_tests(&self.tokens, self.at);
        self.inline.push(Inline { name, depth: self.depth, test });
        self.at += 2;
    }

    /// A word followed by `::` and not itself reached by one, unless that one begins a `::global::path`.
    fn begins_path(&self) -> bool {
        let reached = self.at > 0 && self.is(self.at - 1, "::");
        let global =
            reached && (self.at < 2 || !self.tokens[self.at - 2].is_word() && !self.is(self.at - 2, ">"));
        self.tokens[self.at].is_word() && self.is(self.at + 1, "::") && (!reached || global)
    }

    fn read_plain(&mut self, module: &[String]) {
        let line = self.tokens[self.at].line;
        let mut segments = vec![self.tokens[self.at].text.clone()];
        self.at += 1;
        while self.is(self.at, "::") && self.tokens.get(self.at + 1).is_some_and(Token::is_word) {
            segments.push(self.tokens[self.at + 1].text.clone());
            self.at += 2;
        }
        self.add(module, segments, line, false);
    }

    fn read_use(&mut self, module: &[String]) {
        self.at += 1;
        // `impl Trait + use<'a>` is another use of the word.
        if !self.is(self.at, "<") {
            self.read_tree(module, Vec::new());
        }
    }

    /// `a::b`, `a::{b, c::d}`, `a::*`, `a as b`, each below `prefix`.
    fn read_tree(&mut self, module: &[String], mut prefix: Vec<String>) {
        let mut line = self.tokens.get(self.at).map_or(0, |token| token.line);
        while let Some(token) = self.tokens.get(self.at) {
            match token.text.as_str() {
                "::" | "#" => self.at += 1,
                "{" => return self.read_group(module, &prefix),
                "as" => self.at += 2,
                "*" => {
                    prefix.push("*".to_owned());
                    self.at += 1;
                }
                _ if token.is_word() => {
                    line = token.line;
                    prefix.push(token.text.clone());
                    self.at += 1;
                }
                _ => break,
            }
        }
        if prefix.len() > 1 {
            prefix.pop_if(|last| last == "self");
        }
        self.add(module, prefix, line, true);
    }

    fn read_group(&mut self, module: &[String], prefix: &[String]) {
        self.at += 1;
        while self.at < self.tokens.len() && !self.is(self.at, "}") {
            let before = self.at;
            self.read_tree(module, prefix.to_vec());
            if self.is(self.at, ",") || self.at == before {
                self.at += 1;
            }
        }
        self.at += 1;
    }

    fn add(&mut self, module: &[String], segments: Vec<String>, line: usize, imported: bool) {
        let here: Vec<String> =
            module.iter().cloned().chain(self.inline.iter().map(|inline| inline.name.clone())).collect();
        let in_test = self.inline.iter().any(|inline| inline.test);
        self.found.push(Path { segments: resolve(&here, segments), line, imported, in_test });
    }
}

/// `self::` and `super::` written out as `crate::`.
fn resolve(module: &[String], segments: Vec<String>) -> Vec<String> {
    let supers = segments.iter().skip_while(|s| *s == "self").take_while(|s| *s == "super").count();
    let selfs = segments.iter().take_while(|s| *s == "self").count();
    if supers + selfs == 0 {
        return segments;
    }
    let kept = module.len().saturating_sub(supers);
    std::iter::once("crate".to_owned())
        .chain(module[..kept].iter().cloned())
        .chain(segments.into_iter().skip(supers + selfs))
        .collect()
}

/// Whether `#[cfg(test)]` stands before the `mod` at `at`, perhaps with other attributes or `pub` between.
fn is_for_tests(tokens: &[Token], at: usize) -> bool {
    let begin = tokens[..at].iter().rposition(|t| t.is(";") || t.is("}") || t.is("{")).map_or(0, |i| i + 1);
    let between: Vec<_> = tokens[begin..at].iter().map(|token| token.text.as_str()).collect();
    between.windows(4).any(|window| window == ["cfg", "(", "test", ")"])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(module: &str, source: &str) -> Vec<String> {
        let module: Vec<String> = module.split("::").filter(|s| !s.is_empty()).map(str::to_owned).collect();
        paths(&module, source).iter().map(|path| format!("{} {}", path.line, path.text())).collect()
    }

    #[test]
    fn nested_groups_are_written_out() {
        let source = "use crate::{\n  id::{Pid, Seq as S},\n  spec::*, exit,\n  clock::{self, now},\n};";
        let expected = [
            "2 crate::id::Pid",
            "2 crate::id::Seq::S",
            "3 crate::spec::*",
            "3 crate::exit",
            "4 crate::clock",
            "4 crate::clock::now",
        ];
        let without_rename: Vec<_> =
            expected.iter().map(|line| line.trim_end_matches("::S").to_owned()).collect();
        assert_eq!(found("a", source), without_rename);
    }

    #[test]
    fn paths_in_code_are_found_without_a_use() {
        let source =
            "fn f(x: crate::id::Pid) -> Vec<u8> {\n Vec::<crate::exit::Exit>::new(); ::tokio::spawn(x) }";
        assert_eq!(
            found("a", source),
            ["1 crate::id::Pid", "2 Vec", "2 crate::exit::Exit", "2 tokio::spawn"]
        );
    }

    #[test]
    fn super_and_self_are_resolved_even_in_inline_modules() {
        assert_eq!(found("supervisor::machine", "use super::spawn;"), ["1 crate::supervisor::spawn"]);
        assert_eq!(found("supervisor", "super::engine::x()"), ["1 crate::engine::x"]);
        assert_eq!(
            found("a::b", "mod tests { use super::*; use super::super::c; }\nuse self::d;"),
            ["1 crate::a::b::*", "1 crate::a::c", "2 crate::a::b::d"]
        );
    }

    #[test]
    fn test_modules_are_marked() {
        let all = paths(
            &[],
            "use a::b;\n#[cfg(test)]\n#[expect(x)]\nmod tests { use c::d; }\nmod other { e::f() }",
        );
        let marks: Vec<_> = all.iter().map(|path| (path.text(), path.in_test)).collect();
        let expected = [("a::b", false), ("c::d", true), ("e::f", false)];
        assert_eq!(marks, expected.map(|(text, mark)| (text.to_owned(), mark)));
        assert_eq!(test_modules("#[cfg(test)]\nmod x;\nmod y;\n#[cfg(test)] mod z { }"), ["x"]);
    }

    #[test]
    fn half_written_code_ends_the_scan_and_not_the_scanner() {
        for source in ["use", "use a::{b, {", "use crate::", "mod x {", "}}}", "use a::{;}", "a::"] {
            let _ = found("m", source);
        }
    }
}
