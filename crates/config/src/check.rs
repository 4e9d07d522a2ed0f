//! Checks of text values: what is refused, in the words of the real server. Used by `table`.
//!
//! A value that ends up in a file of ours or in a packet to another node never holds a line break (an attacker
//! with CONFIG SET could otherwise write lines of his own).

use std::net::IpAddr;

type Checked = Result<(), &'static str>;

fn ensure(ok: bool, otherwise: &'static str) -> Checked {
    if ok { Ok(()) } else { Err(otherwise) }
}

fn has_slash(value: &[u8]) -> bool {
    value.iter().any(|c| matches!(c, b'/' | b'\\'))
}

pub(crate) fn is_dump_file_name(value: &[u8]) -> Checked {
    ensure(!has_slash(value), "dbfilename can't be a path, just a filename")
}

pub(crate) fn is_append_file_name(value: &[u8]) -> Checked {
    ensure(!value.is_empty(), "appendfilename can't be empty")?;
    ensure(!has_slash(value), "appendfilename can't be a path, just a filename")
}

pub(crate) fn is_append_dir_name(value: &[u8]) -> Checked {
    ensure(!value.is_empty(), "appenddirname can't be empty")?;
    ensure(!has_slash(value), "appenddirname can't be a path, just a dirname")
}

pub(crate) fn is_cluster_file_name(value: &[u8]) -> Checked {
    ensure(!value.is_empty(), "cluster-config-file can't be empty")
}

pub(crate) fn is_hostname(value: &[u8]) -> Checked {
    ensure(value.len() < 256, "Hostnames must be less than 256 characters")?;
    ensure(
        value.iter().all(|c| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'.')),
        "Hostnames may only contain alphanumeric characters, hyphens or dots",
    )
}

pub(crate) fn is_node_name(value: &[u8]) -> Checked {
    ensure(
        value.iter().all(|c| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'.' | b'_')),
        "Announced human node name contained invalid character",
    )
}

pub(crate) fn is_address(value: &[u8]) -> Checked {
    let parsed = std::str::from_utf8(value).ok().is_some_and(|text| text.parse::<IpAddr>().is_ok());
    ensure(value.is_empty() || parsed, "Cluster announce IP must be a valid IPv4 or IPv6 address")
}

pub(crate) fn is_one_line(value: &[u8]) -> Checked {
    ensure(
        !value.iter().any(|c| matches!(c, b'\n' | b'\r' | 0)),
        "argument may not contain line breaks or zero bytes",
    )
}

/// `{title}` and the like in a process title; anything else in braces is unknown.
pub(crate) fn is_title_template(value: &[u8]) -> Checked {
    const UNKNOWN: &str = "template format is invalid or contains unknown variables";
    const NAMES: [&[u8]; 7] =
        [b"title", b"listen-addr", b"server-mode", b"port", b"tls-port", b"unixsocket", b"config-file"];
    ensure(!value.is_empty(), UNKNOWN)?;
    let mut rest = value;
    while let Some(open) = rest.iter().position(|c| *c == b'{') {
        let inner = &rest[open + 1..];
        let known = inner.iter().position(|c| *c == b'}').filter(|end| NAMES.contains(&&inner[..*end]));
        match known {
            Some(end) => rest = &inner[end + 1..],
            None => return Err(UNKNOWN),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    type Check = fn(&[u8]) -> Checked;

    #[test]
    fn values() {
        let cases: &[(Check, &str, bool)] = &[
            (is_dump_file_name, "dump.rdb", true),
            (is_dump_file_name, "a/b", false),
            (is_append_file_name, "", false),
            (is_append_dir_name, "a\\b", false),
            (is_hostname, "a-b.example", true),
            (is_hostname, "a b", false),
            (is_node_name, "a\nb", false),
            (is_address, "", true),
            (is_address, "::1", true),
            (is_address, "1.2.3.4\nmyself", false),
            (is_one_line, "x\0", false),
            (is_title_template, "{title} {listen-addr} {server-mode}", true),
            (is_title_template, "{foo}", false),
            (is_title_template, "", false),
            (is_title_template, "{title", false),
        ];
        for (check, value, ok) in cases {
            assert_eq!(check(value.as_bytes()).is_ok(), *ok, "{value:?}");
        }
    }
}
