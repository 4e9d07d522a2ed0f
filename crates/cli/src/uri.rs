//! Server addresses as URIs: `redis://user:password@host:port/db`, `valkey://`, the TLS forms `rediss://`
//! and `valkeys://`, and `unix:///path?db=N`. Used by `-u` and by profiles.

use crate::options::Options;

/// Fills host, port, credentials, database and TLS from a URI.
///
/// # Errors
/// The peers' words for what is wrong.
pub fn apply(options: &mut Options, uri: &str) -> Result<(), String> {
    let rest = if let Some(rest) = strip_any(uri, &["rediss://", "valkeys://"]) {
        options.tls.on = true;
        rest
    } else if let Some(rest) = strip_any(uri, &["redis://", "valkey://"]) {
        rest
    } else if let Some(path) = uri.strip_prefix("unix://") {
        return unix(options, path);
    } else {
        return Err("Invalid URI scheme".to_owned());
    };
    let rest = match rest.split_once('@') {
        Some((credentials, rest)) => {
            userinfo(options, credentials)?;
            rest
        }
        None => rest,
    };
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (authority, db) = rest.split_once('/').unwrap_or((rest, ""));
    let (host, port) = host_port(authority);
    if !host.is_empty() {
        options.host = decode(host)?;
    }
    if let Some(port) = port.filter(|port| !port.is_empty()) {
        options.port = port.parse().map_err(|_| "Invalid port in URI".to_owned())?;
    }
    set_db(options, db)?;
    parameters(options, query)
}

fn strip_any<'a>(uri: &'a str, schemes: &[&str]) -> Option<&'a str> {
    let cut = |scheme: &&str| uri.get(..scheme.len()).is_some_and(|head| head.eq_ignore_ascii_case(scheme));
    schemes.iter().find(|scheme| cut(scheme)).map(|scheme| &uri[scheme.len()..])
}

fn set_db(options: &mut Options, db: &str) -> Result<(), String> {
    if !db.is_empty() {
        options.db = db.parse().map_err(|_| "Invalid database number in URI".to_owned())?;
    }
    Ok(())
}

fn parameters(options: &mut Options, query: &str) -> Result<(), String> {
    for pair in query.split('&') {
        if let Some(db) = pair.strip_prefix("db=") {
            set_db(options, db)?;
        }
    }
    Ok(())
}

fn unix(options: &mut Options, path: &str) -> Result<(), String> {
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let path = match path.split_once('@') {
        Some((credentials, path)) => {
            userinfo(options, credentials)?;
            path
        }
        None => path,
    };
    options.socket = Some(decode(path)?);
    parameters(options, query)
}

fn userinfo(options: &mut Options, credentials: &str) -> Result<(), String> {
    options.auth_in_argv = true;
    match credentials.split_once(':') {
        Some((user, password)) => {
            if !user.is_empty() {
                options.user = Some(decode(user)?);
            }
            options.auth = Some(decode(password)?);
        }
        None => options.auth = Some(decode(credentials)?),
    }
    Ok(())
}

/// Splits `host:port`, `[v6]:port`, `host`.
#[must_use]
pub fn host_port(authority: &str) -> (&str, Option<&str>) {
    if let Some((host, rest)) = authority.strip_prefix('[').and_then(|inner| inner.split_once(']')) {
        return (host, rest.strip_prefix(':'));
    }
    match authority.rsplit_once(':') {
        Some((host, port)) => (host, Some(port)),
        None => (authority, None),
    }
}

/// Percent-decoding.
fn decode(text: &str) -> Result<String, String> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            out.push(byte);
            continue;
        }
        let digit = |byte: Option<u8>| byte.and_then(|byte| char::from(byte).to_digit(16));
        match (digit(bytes.next()), digit(bytes.next())) {
            (Some(high), Some(low)) => out.push(u8::try_from(high * 16 + low).unwrap_or_default()),
            _ => return Err("Illegal character in URI encoding".to_owned()),
        }
    }
    Ok(String::from_utf8_lossy(&out).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::face::Face;

    #[test]
    fn parts() {
        type Parts<'a> = (&'a str, u16, Option<&'a str>, Option<&'a str>, u32, bool);
        let table: &[(&str, Parts)] = &[
            ("redis://localhost", ("localhost", 6379, None, None, 0, false)),
            ("valkey://h:7/3", ("h", 7, None, None, 3, false)),
            ("rediss://u:p%40@h:7", ("h", 7, Some("u"), Some("p@"), 0, true)),
            ("valkeys://p@h", ("h", 6379, None, Some("p"), 0, true)),
            ("redis://:p@/2", ("127.0.0.1", 6379, None, Some("p"), 2, false)),
            ("redis://[::1]:8", ("::1", 8, None, None, 0, false)),
            ("REDIS://h?db=4", ("h", 6379, None, None, 4, false)),
        ];
        for (uri, (host, port, user, auth, db, tls)) in table {
            let mut options = Options::new(Face::Redis, "");
            apply(&mut options, uri).expect(uri);
            assert_eq!((options.host.as_str(), options.port), (*host, *port), "{uri}");
            assert_eq!((options.user.as_deref(), options.auth.as_deref()), (*user, *auth), "{uri}");
            assert_eq!((options.db, options.tls.on), (*db, *tls), "{uri}");
        }
        let mut options = Options::new(Face::Redis, "");
        apply(&mut options, "unix:///tmp/x.sock?db=2").expect("unix");
        assert_eq!((options.socket.as_deref(), options.db), (Some("/tmp/x.sock"), 2));
        assert!(apply(&mut options, "http://x").is_err());
        assert!(apply(&mut options, "redis://a%4@b").is_err());
    }
}
