//! The stack machine.
//!
//! Two texts are equal byte for byte and contain each other; everything else is compared as numbers, what is none being 0.
//! Nothing is equal to null but null.

use std::borrow::Cow;

use super::token::Operator;
use super::{Step, Value, json};

/// The value of an expression; `None` if a field is missing.
pub(super) fn run<'a>(steps: &'a [Step], attribute: &'a [u8]) -> Option<Value<'a>> {
    let mut stack: Vec<Value<'a>> = Vec::new();
    for step in steps {
        let value = match step {
            Step::Push(value) => value.borrowed(),
            Step::Field(name) => json::field(attribute, name)?,
            Step::Apply(operator) => {
                let right = stack.pop()?;
                let left = if operator.operands() == 2 { stack.pop()? } else { Value::Null };
                Value::Number(apply(*operator, &left, &right))
            }
        };
        stack.push(value);
    }
    stack.pop()
}

fn apply(operator: Operator, left: &Value<'_>, right: &Value<'_>) -> f64 {
    let (a, b) = (left.number(), right.number());
    let truth = |truth: bool| f64::from(u8::from(truth));
    match operator {
        Operator::Not => truth(!right.is_true()),
        Operator::Power => a.powf(b),
        Operator::Times => a * b,
        Operator::Divide => a / b,
        Operator::Modulo => a % b,
        Operator::Plus => a + b,
        Operator::Minus => a - b,
        Operator::Greater => truth(a > b),
        Operator::GreaterEqual => truth(a >= b),
        Operator::Less => truth(a < b),
        Operator::LessEqual => truth(a <= b),
        Operator::Equal => truth(left.equals(right)),
        Operator::NotEqual => truth(!left.equals(right)),
        Operator::In => truth(left.is_in(right)),
        Operator::And => truth(left.is_true() && right.is_true()),
        Operator::Or => truth(left.is_true() || right.is_true()),
        Operator::Open | Operator::Close => 0.0,
    }
}

impl<'a> Value<'a> {
    /// The same value without copying texts.
    fn borrowed(&'a self) -> Value<'a> {
        match self {
            Value::Null => Value::Null,
            Value::Number(number) => Value::Number(*number),
            Value::Text(text) => Value::Text(Cow::Borrowed(text)),
            Value::List(items) => Value::Constants(items),
            Value::Constants(items) => Value::Constants(items),
        }
    }

    fn number(&self) -> f64 {
        match self {
            Value::Number(number) => *number,
            Value::Text(text) => crate::num::parse_f64(text.trim_ascii_start()).unwrap_or(0.0),
            Value::Null | Value::List(_) | Value::Constants(_) => 0.0,
        }
    }

    pub(super) fn is_true(&self) -> bool {
        match self {
            Value::Null => false,
            Value::Number(number) => *number != 0.0,
            Value::Text(text) => !text.is_empty(),
            Value::List(_) | Value::Constants(_) => true,
        }
    }

    fn equals(&self, other: &Value<'_>) -> bool {
        match (self, other) {
            (Value::Text(a), Value::Text(b)) => a == b,
            (Value::Null, Value::Null) => true,
            (Value::Null, _) | (_, Value::Null) => false,
            _ => self.number() == other.number(),
        }
    }

    fn is_in(&self, other: &Value<'_>) -> bool {
        match (self, other) {
            (_, Value::List(items)) => items.iter().any(|item| self.equals(item)),
            (_, Value::Constants(items)) => items.iter().any(|item| self.equals(item)),
            (Value::Text(part), Value::Text(whole)) => {
                part.is_empty() || memchr::memmem::find(whole, part).is_some()
            }
            _ => false,
        }
    }
}
