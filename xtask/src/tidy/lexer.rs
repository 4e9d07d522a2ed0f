//! Splits Rust source into code, comments and string literals, line by line.
//!
//! Invariant: `code` and `comments` have as many lines as the source, so that findings name the right line;
//! literals appear in `code` as `""` or `' '`. It knows raw strings, nested comments and lifetimes; it is no
//! parser. Callers: the rules.

/// A source file taken apart.
#[derive(Debug, Default)]
pub struct Source {
    pub code: Vec<String>,
    pub comments: Vec<String>,
    /// (line number from 0, text between the quotes, code of the line before the literal)
    pub strings: Vec<(usize, String, String)>,
    /// Lines that belong to tests.
    pub in_tests: Vec<bool>,
}

/// Takes a source file apart.
pub fn split(text: &str) -> Source {
    let mut lexer = Lexer { chars: text.chars().collect(), at: 0, out: Source::default() };
    lexer.new_line();
    lexer.run();
    let mut source = lexer.out;
    source.in_tests = test_lines(&source.code);
    source
}

struct Lexer {
    chars: Vec<char>,
    at: usize,
    out: Source,
}

impl Lexer {
    fn peek(&self, ahead: usize) -> char {
        self.chars.get(self.at + ahead).copied().unwrap_or('\0')
    }

    fn new_line(&mut self) {
        self.out.code.push(String::new());
        self.out.comments.push(String::new());
    }

    fn code(&mut self, c: char) {
        if let Some(line) = self.out.code.last_mut() {
            line.push(c);
        }
    }

    fn run(&mut self) {
        while self.at < self.chars.len() {
            match (self.peek(0), self.peek(1)) {
                ('\n', _) => {
                    self.new_line();
                    self.at += 1;
                }
                ('/', '/') => self.comment_line(),
                ('/', '*') => self.comment_block(),
                ('"', _) => self.string(0),
                ('r', '"' | '#') if self.raw_start() && !self.after_word() => self.raw_string(),
                ('\'', _) => self.quote(),
                (c, _) => {
                    self.code(c);
                    self.at += 1;
                }
            }
        }
    }

    fn after_word(&self) -> bool {
        // `br"..."` is a raw string too; `for"..."` does not occur.
        let before = self.at.checked_sub(1).map(|i| self.chars[i]);
        before.is_some_and(|c| c != 'b' && (c.is_alphanumeric() || c == '_'))
    }

    fn raw_start(&self) -> bool {
        let hashes = (1..).take_while(|&i| self.peek(i) == '#').count();
        self.peek(hashes + 1) == '"'
    }

    fn comment_line(&mut self) {
        while self.at < self.chars.len() && self.peek(0) != '\n' {
            let c = self.peek(0);
            self.comment(c);
        }
    }

    fn comment(&mut self, c: char) {
        self.at += 1;
        if c == '\n' {
            self.new_line();
        } else if let Some(line) = self.out.comments.last_mut() {
            line.push(c);
        }
    }

    fn comment_block(&mut self) {
        let mut depth = 0;
        while self.at < self.chars.len() {
            match (self.peek(0), self.peek(1)) {
                ('/', '*') => depth += 1,
                ('*', '/') => depth -= 1,
                (c, _) => {
                    self.comment(c);
                    continue;
                }
            }
            let pair = [self.peek(0), self.peek(1)];
            pair.into_iter().for_each(|c| self.comment(c));
            if depth == 0 {
                return;
            }
        }
    }

    fn raw_string(&mut self) {
        let hashes = (1..).take_while(|&i| self.peek(i) == '#').count();
        self.at += 1 + hashes;
        self.string(hashes + usize::from(hashes == 0) * usize::MAX);
    }

    /// A literal whose opening quote is next; `hashes` is 0 for a plain one, `usize::MAX` for `r"..."`.
    fn string(&mut self, hashes: usize) {
        let line = self.out.code.len() - 1;
        let before = self.out.code.last().cloned().unwrap_or_default();
        self.at += 1;
        let mut text = String::new();
        while self.at < self.chars.len() {
            let c = self.peek(0);
            if c == '\\' && hashes == 0 {
                text.extend([c, self.peek(1)]);
                if self.peek(1) == '\n' {
                    self.new_line();
                }
                self.at += 2;
                continue;
            }
            self.at += 1;
            let needed = if hashes == usize::MAX { 0 } else { hashes };
            if c == '"' && (0..needed).all(|i| self.peek(i) == '#') {
                self.at += needed;
                break;
            }
            if c == '\n' {
                self.new_line();
            }
            text.push(c);
        }
        self.code('"');
        self.code('"');
        self.out.strings.push((line, text, before));
    }

    /// A character literal or the start of a lifetime.
    fn quote(&mut self) {
        let escaped = self.peek(1) == '\\';
        if escaped || self.peek(2) == '\'' {
            self.at += if escaped { 3 } else { 2 };
            while self.at < self.chars.len() && self.peek(0) != '\'' {
                self.at += 1;
            }
            self.at += 1;
            "' '".chars().for_each(|c| self.code(c));
        } else {
            self.code('\'');
            self.at += 1;
        }
    }
}

/// Marks the lines of `#[cfg(test)]` modules.
fn test_lines(code: &[String]) -> Vec<bool> {
    let mut marks = vec![false; code.len()];
    let mut line = 0;
    while line < code.len() {
        let is_test = code[line].contains("#[cfg(test)]") || code[line].contains("#[cfg(all(test");
        let end = if is_test { block_end(code, line) } else { line };
        if is_test {
            marks[line..=end].iter_mut().for_each(|m| *m = true);
        }
        line = end + 1;
    }
    marks
}

/// The line on which the first brace opened at or after `start` is closed; `start` when a `;` comes first.
pub fn block_end(code: &[String], start: usize) -> usize {
    let mut depth = 0usize;
    let mut brackets = 0isize;
    for (index, line) in code.iter().enumerate().skip(start) {
        for c in line.chars() {
            match c {
                '(' | '[' => brackets += 1,
                ')' | ']' => brackets -= 1,
                '{' => depth += 1,
                '}' if depth == 1 => return index,
                '}' => depth = depth.saturating_sub(1),
                ';' if depth == 0 && brackets == 0 => return index,
                _ => {}
            }
        }
    }
    code.len() - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals_and_comments_leave_the_code() {
        let source =
            split("let a = \"x // {\"; // why {\nlet b = '{'; let c: &'a str = r#\"}\"#;\n/* } */ end");
        assert_eq!(source.code, ["let a = \"\"; ", "let b = ' '; let c: &'a str = \"\";", " end"]);
        assert_eq!(source.comments, ["// why {", "", "/* } */"]);
        let texts: Vec<&str> = source.strings.iter().map(|(_, t, _)| t.as_str()).collect();
        assert_eq!(texts, ["x // {", "}"]);
    }

    #[test]
    fn lines_stay_in_step_through_long_strings() {
        let source = split("a(\"one\ntwo\\\n three\");\nb();");
        assert_eq!(source.code.len(), 4);
        assert_eq!(source.code[3], "b();");
    }

    #[test]
    fn test_modules_are_marked() {
        let source = split("fn a() {}\n#[cfg(test)]\nmod tests {\n fn b() {}\n}\nfn c() {}");
        assert_eq!(source.in_tests, [false, true, true, true, true, false]);
    }
}
