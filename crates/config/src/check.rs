//! Checks of text values: what is refused, in the words of the real server. Used by `table`.
//!
//! A value that ends up in a file of ours or in a packet to another node never holds a line break (an attacker
//! with CONFIG SET could otherwise write lines of his own).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use crate::directive::Family;

type Checked = Result<(), &'static str>;

fn ensure(ok: bool, otherwise: &'static str) -> Checked {
    if ok { Ok(()) } else { Err(otherwise) }
}

fn has_slash(value: &[u8]) -> bool {
    value.iter().any(|c| matches!(c, b'/' | b'\\'))
}

pub(crate) fn is_dump_file_name(value: &[u8], family: Family) -> Checked {
    ensure(family == Family::Redis || !value.is_empty(), "dbfilename can't be empty")?;
    ensure(!has_slash(value), "dbfilename can't be a path, just a filename")
}

pub(crate) fn is_append_file_name(value: &[u8], _: Family) -> Checked {
    ensure(!value.is_empty(), "appendfilename can't be empty")?;
    ensure(!has_slash(value), "appendfilename can't be a path, just a filename")
}

pub(crate) fn is_append_dir_name(value: &[u8], _: Family) -> Checked {
    ensure(!value.is_empty(), "appenddirname can't be empty")?;
    ensure(!has_slash(value), "appenddirname can't be a path, just a dirname")
}

pub(crate) fn is_cluster_file_name(value: &[u8], _: Family) -> Checked {
    ensure(!value.is_empty(), "cluster-config-file can't be empty")
}

pub(crate) fn is_hostname(value: &[u8], _: Family) -> Checked {
    ensure(value.len() < 256, "Hostnames must be less than 256 characters")?;
    ensure(
        value.iter().all(|c| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'.')),
        "Hostnames may only contain alphanumeric characters, hyphens or dots",
    )
}

pub(crate) fn is_node_name(value: &[u8], _: Family) -> Checked {
    ensure(
        value.iter().all(|c| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'.' | b'_')),
        "Announced human node name contained invalid character",
    )
}

fn is_parsed<T: FromStr>(value: &[u8]) -> bool {
    value.is_empty() || std::str::from_utf8(value).is_ok_and(|text| text.parse::<T>().is_ok())
}

pub(crate) fn is_v4_address(value: &[u8], _: Family) -> Checked {
    ensure(is_parsed::<Ipv4Addr>(value), "Invalid IPv4 address")
}

pub(crate) fn is_v6_address(value: &[u8], _: Family) -> Checked {
    ensure(is_parsed::<Ipv6Addr>(value), "Invalid IPv6 address")
}

/// Redis wants an address; Valkey takes names too.
pub(crate) fn is_announced_address(value: &[u8], family: Family) -> Checked {
    match family {
        Family::Redis => {
            ensure(is_parsed::<IpAddr>(value), "Cluster announce IP must be a valid IPv4 or IPv6 address")
        }
        Family::Valkey => {
            let plain = |c: &u8| c.is_ascii_alphanumeric() || !c.is_ascii() || b"-./:_`".contains(c);
            ensure(value.len() < 46, "cluster-announce-ip is too long")?;
            ensure(value.iter().all(plain), "cluster-announce-ip contains invalid character")
        }
    }
}

pub(crate) fn is_one_line(value: &[u8], _: Family) -> Checked {
    ensure(
        !value.iter().any(|c| matches!(c, b'\n' | b'\r' | 0)),
        "argument may not contain line breaks or zero bytes",
    )
}

/// `{title}` and the like in a process title; anything else in braces is unknown.
pub(crate) fn is_title_template(value: &[u8], _: Family) -> Checked {
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
    use crate::directive::Check;
    use crate::directive::Family::{Redis, Valkey};

    #[test]
    fn values() {
        let cases: &[(Check, Family, &str, bool)] = &[
            (is_dump_file_name, Redis, "dump.rdb", true),
            (is_dump_file_name, Redis, "a/b", false),
            (is_append_file_name, Redis, "", false),
            (is_append_dir_name, Redis, "a\\b", false),
            (is_hostname, Redis, "a-b.example", true),
            (is_hostname, Redis, "a b", false),
            (is_node_name, Redis, "a\nb", false),
            (is_dump_file_name, Redis, "", true),
            (is_dump_file_name, Valkey, "", false),
            (is_v4_address, Valkey, "", true),
            (is_v4_address, Valkey, "::1", false),
            (is_v6_address, Valkey, "::1", true),
            (is_announced_address, Redis, "::1", true),
            (is_announced_address, Redis, "host", false),
            (is_announced_address, Redis, "1.2.3.4\nmyself", false),
            (is_announced_address, Valkey, "my-host.example", true),
            (is_announced_address, Valkey, "1.2.3.4\nmyself", false),
            (is_one_line, Redis, "x\0", false),
            (is_title_template, Redis, "{title} {listen-addr} {server-mode}", true),
            (is_title_template, Redis, "{foo}", false),
            (is_title_template, Redis, "", false),
            (is_title_template, Redis, "{title", false),
        ];
        for (check, family, value, ok) in cases {
            assert_eq!(check(value.as_bytes(), *family).is_ok(), *ok, "{value:?}");
        }
    }
}
