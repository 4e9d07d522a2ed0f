//! Comma separated values: nested replies are flattened, text is quoted and escaped.

use resp::reply::Value;

use crate::quote::repr_into;

/// Appends `value` without a final line feed.
pub fn write(out: &mut Vec<u8>, value: &Value) {
    match value {
        Value::Error(text) => {
            out.extend_from_slice(b"ERROR,");
            repr_into(out, text);
        }
        Value::Integer(number) => out.extend_from_slice(number.to_string().as_bytes()),
        Value::Double(text) | Value::BigNumber(text) => out.extend_from_slice(text),
        Value::Null => out.extend_from_slice(b"NULL"),
        Value::Boolean(flag) => out.extend_from_slice(if *flag { b"true" } else { b"false" }),
        Value::Array(items) | Value::Set(items) | Value::Push(items) => {
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                write(out, item);
            }
        }
        Value::Map(pairs) | Value::Attribute(pairs) => {
            for (index, (key, item)) in pairs.iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                write(out, key);
                out.push(b',');
                write(out, item);
            }
        }
        text => repr_into(out, text.as_bytes().unwrap_or_default()),
    }
}
