//! The numbered format for people.

use resp::reply::Value;

use crate::quote::repr_into;

/// Appends `value`; `indent` blanks precede every line but the first. Ends with a line feed.
pub fn write(out: &mut Vec<u8>, value: &Value, indent: usize) {
    match value {
        Value::Simple(text) | Value::BigNumber(text) | Value::Verbatim(_, text) => {
            out.extend_from_slice(text)
        }
        Value::Error(text) => {
            out.extend_from_slice(b"(error) ");
            out.extend_from_slice(text);
        }
        Value::Integer(number) => out.extend_from_slice(format!("(integer) {number}").as_bytes()),
        Value::Double(text) => {
            out.extend_from_slice(b"(double) ");
            out.extend_from_slice(text);
        }
        Value::Bulk(text) => repr_into(out, text),
        Value::Null => out.extend_from_slice(b"(nil)"),
        Value::Boolean(flag) => out.extend_from_slice(if *flag { b"(true)" } else { b"(false)" }),
        Value::Array(items) => return list(out, items, indent, b')', "array"),
        Value::Push(items) => return list(out, items, indent, b')', "push"),
        Value::Set(items) => return list(out, items, indent, b'~', "set"),
        Value::Map(pairs) | Value::Attribute(pairs) => return map(out, pairs, indent),
    }
    out.push(b'\n');
}

/// Width of the numbers of `count` elements.
fn digits(count: usize) -> usize {
    count.to_string().len()
}

fn number(out: &mut Vec<u8>, index: usize, width: usize, mark: u8, indent: usize) {
    let blanks = if index == 0 { 0 } else { indent };
    out.extend_from_slice(format!("{:blanks$}{:>width$}{} ", "", index + 1, char::from(mark)).as_bytes());
}

fn list(out: &mut Vec<u8>, items: &[Value], indent: usize, mark: u8, name: &str) {
    if items.is_empty() {
        out.extend_from_slice(format!("(empty {name})\n").as_bytes());
        return;
    }
    let width = digits(items.len());
    for (index, item) in items.iter().enumerate() {
        number(out, index, width, mark, indent);
        write(out, item, indent + width + 2);
    }
}

fn map(out: &mut Vec<u8>, pairs: &[(Value, Value)], indent: usize) {
    if pairs.is_empty() {
        out.extend_from_slice(b"(empty hash)\n");
        return;
    }
    let width = digits(pairs.len());
    let inner = indent + width + 2;
    for (index, (key, value)) in pairs.iter().enumerate() {
        number(out, index, width, b'#', indent);
        write(out, key, inner);
        if out.last() == Some(&b'\n') {
            out.pop();
        }
        out.extend_from_slice(b" => ");
        let start = out.len();
        write(out, value, inner);
        // A value of several lines starts on a line of its own.
        if is_aggregate(value) && out[start..].iter().filter(|byte| **byte == b'\n').count() > 1 {
            let blanks = std::iter::once(b'\n').chain(std::iter::repeat_n(b' ', inner));
            out.splice(start..start, blanks);
        }
    }
}

fn is_aggregate(value: &Value) -> bool {
    value.as_slice().is_some() || matches!(value, Value::Map(_))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nests_as_the_peers_do() {
        let bulk = |text: &str| Value::Bulk(text.as_bytes().to_vec());
        let map = Value::Map(vec![
            (bulk("a"), Value::Array(vec![Value::Integer(1)])),
            (bulk("b"), Value::Array(vec![Value::Integer(1), Value::Integer(2)])),
            (bulk("c"), Value::Map(vec![])),
            (bulk("f"), Value::Map(vec![(bulk("x"), Value::Map(vec![(bulk("y"), Value::Integer(1))]))])),
        ]);
        let mut out = Vec::new();
        write(&mut out, &Value::Array(vec![map, Value::Set(vec![bulk("s"), Value::Null])]), 0);
        let expected = "1) 1# \"a\" => 1) (integer) 1\n   2# \"b\" => \n      1) (integer) 1\n      2) (integer) 2\n   \
                        3# \"c\" => (empty hash)\n   4# \"f\" => 1# \"x\" => 1# \"y\" => (integer) 1\n\
                        2) 1~ \"s\"\n   2~ (nil)\n";
        assert_eq!(String::from_utf8_lossy(&out), expected);
    }

    #[test]
    fn numbers_align() {
        let mut out = Vec::new();
        write(&mut out, &Value::Array(vec![Value::Null; 10]), 0);
        assert!(out.starts_with(b" 1) (nil)\n"));
        assert!(out.ends_with(b"\n10) (nil)\n"));
    }
}
