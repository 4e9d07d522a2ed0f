//! The words of an expression.
//!
//! ```text
//! number     [-] digit, then digits . e E        a minus belongs to it unless a value stands in front
//! 'text'     up to the next quote of its kind; a backslash keeps the byte behind it, and itself
//! [1, 'a']   numbers and texts
//! .field     letters, digits, _ and -
//! operator   the longest that a run of letters and signs begins with
//! ```

use super::Value;

/// What is done with the topmost values.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Operator {
    Open,
    Close,
    Not,
    Power,
    Times,
    Divide,
    Modulo,
    Plus,
    Minus,
    Greater,
    GreaterEqual,
    Less,
    LessEqual,
    Equal,
    NotEqual,
    In,
    And,
    Or,
}

/// Text, operator, precedence, operands.
const OPERATORS: &[(&str, Operator, u8, usize)] = &[
    ("(", Operator::Open, 0, 0),
    (")", Operator::Close, 0, 0),
    ("!", Operator::Not, 7, 1),
    ("not", Operator::Not, 7, 1),
    ("**", Operator::Power, 6, 2),
    ("*", Operator::Times, 5, 2),
    ("/", Operator::Divide, 5, 2),
    ("%", Operator::Modulo, 5, 2),
    ("+", Operator::Plus, 4, 2),
    ("-", Operator::Minus, 4, 2),
    (">", Operator::Greater, 3, 2),
    (">=", Operator::GreaterEqual, 3, 2),
    ("<", Operator::Less, 3, 2),
    ("<=", Operator::LessEqual, 3, 2),
    ("==", Operator::Equal, 3, 2),
    ("!=", Operator::NotEqual, 3, 2),
    ("in", Operator::In, 3, 2),
    ("and", Operator::And, 2, 2),
    ("&&", Operator::And, 2, 2),
    ("or", Operator::Or, 1, 2),
    ("||", Operator::Or, 1, 2),
];

impl Operator {
    fn row(self) -> Option<(u8, usize)> {
        OPERATORS.iter().find(|row| row.1 == self).map(|row| (row.2, row.3))
    }

    pub(super) fn operands(self) -> usize {
        self.row().map_or(0, |row| row.1)
    }

    /// Whether this one, read earlier, is applied before the next. Powers go from right to left.
    pub(super) fn goes_before(self, next: Operator) -> bool {
        let (Some((own, _)), Some((other, _))) = (self.row(), next.row()) else { return false };
        own > other || (own == other && self != Operator::Power)
    }
}

/// A word.
#[derive(Debug)]
pub(super) enum Token {
    Value(Value<'static>),
    Field(Vec<u8>),
    Operator(Operator),
}

/// Reads the words one by one.
pub(super) struct Tokens<'a> {
    text: &'a [u8],
    at: usize,
    /// Whether the last word ended a value, so that a minus behind it is an operator.
    behind_value: bool,
}

fn is_blank(byte: u8) -> bool {
    byte == b' ' || (9..=13).contains(&byte)
}

fn in_operator(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || b"+-*%/!()<>=|&".contains(&byte)
}

impl<'a> Tokens<'a> {
    pub(super) fn new(text: &'a [u8]) -> Tokens<'a> {
        Tokens { text, at: 0, behind_value: false }
    }

    fn peek(&self, ahead: usize) -> u8 {
        self.text.get(self.at + ahead).copied().unwrap_or(0)
    }

    /// Takes all bytes that `wanted` holds for.
    fn run(&mut self, wanted: impl Fn(u8) -> bool) -> &'a [u8] {
        let rest = &self.text[self.at..];
        let len = rest.iter().position(|byte| !wanted(*byte)).unwrap_or(rest.len());
        self.at += len;
        &rest[..len]
    }

    /// The next word; none at the end; or where reading stopped.
    pub(super) fn next(&mut self) -> Result<Option<Token>, usize> {
        self.run(is_blank);
        let token = match self.peek(0) {
            _ if self.at == self.text.len() => return Ok(None),
            b'0'..=b'9' => Token::Value(self.number()?),
            b'-' if self.peek(1).is_ascii_digit() && !self.behind_value => Token::Value(self.number()?),
            quote @ (b'"' | b'\'') => Token::Value(self.quoted(quote)?),
            b'.' => self.field()?,
            b'[' => Token::Value(self.list()?),
            byte if in_operator(byte) => self.word()?,
            _ => return Err(self.at),
        };
        self.behind_value = !matches!(token, Token::Operator(operator) if operator != Operator::Close);
        Ok(Some(token))
    }

    fn field(&mut self) -> Result<Token, usize> {
        let from = self.at;
        self.at += 1;
        let name = self.run(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte));
        // At the very end an empty name is taken, and found in no object.
        if name.is_empty() && self.at < self.text.len() {
            return Err(from);
        }
        Ok(Token::Field(name.to_vec()))
    }

    fn number(&mut self) -> Result<Value<'static>, usize> {
        let from = self.at;
        self.at += usize::from(self.peek(0) == b'-');
        self.run(|byte| byte.is_ascii_digit() || b".eE".contains(&byte));
        super::json::number(&self.text[from..self.at]).map(Value::Number).ok_or(self.at)
    }

    fn quoted(&mut self, quote: u8) -> Result<Value<'static>, usize> {
        self.at += 1;
        let from = self.at;
        while self.peek(0) != quote {
            self.at += if self.peek(0) == b'\\' && self.at + 1 < self.text.len() { 2 } else { 1 };
            if self.at >= self.text.len() {
                return Err(self.text.len());
            }
        }
        self.at += 1;
        Ok(Value::Text(self.text[from..self.at - 1].to_vec().into()))
    }

    fn list(&mut self) -> Result<Value<'static>, usize> {
        self.at += 1;
        let mut items = Vec::new();
        loop {
            self.run(is_blank);
            let item = match self.peek(0) {
                b']' => break,
                b'0'..=b'9' | b'-' => self.number()?,
                quote @ (b'"' | b'\'') => self.quoted(quote)?,
                _ => return Err(self.at),
            };
            items.push(item);
            self.run(is_blank);
            match self.peek(0) {
                b',' => self.at += 1,
                b']' => break,
                _ => return Err(self.at),
            }
        }
        self.at += 1;
        Ok(Value::List(items))
    }

    fn word(&mut self) -> Result<Token, usize> {
        let from = self.at;
        let run = self.run(in_operator);
        if run == b"null" {
            return Ok(Token::Value(Value::Null));
        }
        let fitting = OPERATORS.iter().filter(|row| run.starts_with(row.0.as_bytes()));
        let longest = fitting.max_by_key(|row| row.0.len()).ok_or(self.at)?;
        self.at = from + longest.0.len();
        Ok(Token::Operator(longest.1))
    }
}
