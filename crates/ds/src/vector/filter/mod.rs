//! FILTER expressions: `.year > 1980 and .genre in ["drama", "noir"]` over the JSON attribute of an element.
//!
//! `token` cuts the text, [`Filter::compile`] orders it for a stack machine (Dijkstra's shunting yard), `eval` runs it, `json`
//! finds a field. Whatever Redis' parser lets pass we let pass too, operands in front of their operator for instance; the
//! text of its error is that of the rest behind the place where reading stopped. Everything is total: no recursion follows the
//! length of an input, and a field that is missing makes the whole expression false.

mod eval;
mod json;
#[cfg(test)]
mod tests;
mod token;

use std::borrow::Cow;

use token::{Operator, Token, Tokens};

/// Most bytes of an expression.
pub const MOST_BYTES: usize = 1 << 20;

/// Why an expression is refused: the text near the error.
#[derive(Debug, PartialEq, Eq)]
pub struct FilterError(pub Vec<u8>);

/// A value while an expression runs.
#[derive(Clone, Debug, PartialEq)]
enum Value<'a> {
    Null,
    Number(f64),
    Text(Cow<'a, [u8]>),
    List(Vec<Value<'a>>),
    /// A list of the expression itself.
    Constants(&'a [Value<'a>]),
}

/// One step of the stack machine.
#[derive(Debug, PartialEq)]
enum Step {
    Push(Value<'static>),
    /// Pushes the field of this name, or ends with false.
    Field(Vec<u8>),
    Apply(Operator),
}

/// A compiled expression.
#[derive(Debug)]
pub struct Filter(Vec<Step>);

impl Filter {
    /// Compiles an expression, which ends at its first zero byte.
    pub fn compile(text: &[u8]) -> Result<Filter, FilterError> {
        let end = text.iter().position(|byte| *byte == 0).unwrap_or(text.len());
        let whole = &text[..end];
        if text.len() > MOST_BYTES {
            return Err(FilterError(whole[..end.min(MOST_BYTES)].to_vec()));
        }
        let mut tokens = Tokens::new(whole);
        let mut words = Vec::new();
        loop {
            match tokens.next() {
                Ok(Some(token)) => words.push(token),
                Ok(None) => break,
                // What stopped at the very end is shown whole.
                Err(at) if at < text.len() => return Err(FilterError(whole[at..].to_vec())),
                Err(_) => return Err(FilterError(whole.to_vec())),
            }
        }
        let mut yard = Yard::default();
        words
            .into_iter()
            .try_for_each(|token| yard.take(token))
            .ok_or_else(|| FilterError(whole.to_vec()))?;
        yard.finish().map(Filter).ok_or_else(|| FilterError(whole.to_vec()))
    }

    /// Whether the expression is true for an element with this attribute; never without one.
    pub fn matches(&self, attribute: Option<&[u8]>) -> bool {
        attribute.and_then(|attribute| eval::run(&self.0, attribute)).is_some_and(|value| value.is_true())
    }
}

/// Operators that wait for their turn, and what is ready.
#[derive(Default)]
struct Yard {
    steps: Vec<Step>,
    waiting: Vec<Operator>,
    /// Values that the steps leave on the stack.
    depth: usize,
}

impl Yard {
    fn take(&mut self, token: Token) -> Option<()> {
        match token {
            Token::Value(value) => self.push(Step::Push(value)),
            Token::Field(name) => self.push(Step::Field(name)),
            Token::Operator(Operator::Open) => self.waiting.push(Operator::Open),
            Token::Operator(Operator::Close) => loop {
                match self.waiting.pop()? {
                    Operator::Open => break,
                    operator => self.apply(operator)?,
                }
            },
            Token::Operator(operator) => {
                while let Some(top) = self.waiting.last().copied().filter(|top| top.goes_before(operator)) {
                    self.waiting.pop();
                    self.apply(top)?;
                }
                self.waiting.push(operator);
            }
        }
        Some(())
    }

    fn push(&mut self, step: Step) {
        self.steps.push(step);
        self.depth += 1;
    }

    fn apply(&mut self, operator: Operator) -> Option<()> {
        self.depth = (self.depth + 1).checked_sub(operator.operands()).filter(|depth| *depth > 0)?;
        self.steps.push(Step::Apply(operator));
        Some(())
    }

    fn finish(mut self) -> Option<Vec<Step>> {
        while let Some(operator) = self.waiting.pop() {
            if operator == Operator::Open {
                return None;
            }
            self.apply(operator)?;
        }
        (self.depth == 1).then_some(self.steps)
    }
}
