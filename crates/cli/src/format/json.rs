//! JSON. Plain: control characters escaped, everything else as it came. Quoted: text is first escaped as in
//! the standard format, then its backslashes are escaped for JSON.

use resp::reply::Value;

use crate::quote::repr;

/// Appends `value` without a final line feed.
pub fn write(out: &mut Vec<u8>, value: &Value, quoted: bool) {
    match value {
        Value::Error(text) => {
            out.extend_from_slice(b"error:");
            string(out, text, quoted);
        }
        Value::Integer(number) => out.extend_from_slice(number.to_string().as_bytes()),
        Value::Double(text) | Value::BigNumber(text) => out.extend_from_slice(text),
        Value::Null => out.extend_from_slice(b"null"),
        Value::Boolean(flag) => out.extend_from_slice(if *flag { b"true" } else { b"false" }),
        Value::Array(items) | Value::Set(items) | Value::Push(items) => {
            out.push(b'[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                write(out, item, quoted);
            }
            out.push(b']');
        }
        Value::Map(pairs) | Value::Attribute(pairs) => map(out, pairs, quoted),
        text => string(out, text.as_bytes().unwrap_or_default(), quoted),
    }
}

fn map(out: &mut Vec<u8>, pairs: &[(Value, Value)], quoted: bool) {
    out.push(b'{');
    for (index, (key, item)) in pairs.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        if matches!(key, Value::Simple(_) | Value::Bulk(_) | Value::Verbatim(..)) {
            write(out, key, quoted);
        } else {
            // JSON allows only strings as keys.
            let mut bare = Vec::new();
            write(&mut bare, key, quoted);
            string(out, &bare, quoted);
        }
        out.push(b':');
        write(out, item, quoted);
    }
    out.push(b'}');
}

/// Appends a JSON string.
pub fn string(out: &mut Vec<u8>, text: &[u8], quoted: bool) {
    if quoted {
        for byte in repr(text) {
            if byte == b'\\' {
                out.push(b'\\');
            }
            out.push(byte);
        }
        return;
    }
    out.push(b'"');
    for &byte in text {
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            0x08 => out.extend_from_slice(b"\\b"),
            0x0c => out.extend_from_slice(b"\\f"),
            0..=0x1f => out.extend_from_slice(format!("\\u{byte:04x}").as_bytes()),
            other => out.push(other),
        }
    }
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings() {
        let table: &[(&[u8], bool, &[u8])] = &[
            (b"a\"b\\c\n\x01", false, b"\"a\\\"b\\\\c\\n\\u0001\""),
            (b"\xff\n", true, b"\"\\\\xff\\\\n\""),
            (b"\xff", false, b"\"\xff\""),
        ];
        for (text, quoted, expected) in table {
            let mut out = Vec::new();
            string(&mut out, text, *quoted);
            assert_eq!(out, *expected);
        }
    }
}
