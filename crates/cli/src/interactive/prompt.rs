//! The prompt: where we are and in which state. `host:port[db](TX)> ` as in the classic clients, with the
//! role in front under our own name when it is not a primary.

use resp::reply::Value;

use crate::face::Face;
use crate::session::Session;

/// The server's role; empty when unknown or when the name is classic.
pub fn role(session: &mut Session) -> String {
    if session.options.face != Face::Russet {
        return String::new();
    }
    if !session.is_connected() {
        return String::new();
    }
    let reply = session.call(&["ROLE"]);
    if reply.is_err() {
        session.disconnect();
    }
    let reply = reply.ok();
    let role = reply.as_ref().and_then(Value::as_slice).and_then(<[Value]>::first).map(Value::to_text);
    match role.as_deref() {
        Some("slave") => "replica".to_owned(),
        Some("sentinel") => "sentinel".to_owned(),
        _ => String::new(),
    }
}

/// The text.
#[must_use]
pub fn text(session: &Session, role: &str) -> String {
    if !session.is_connected() {
        return "not connected> ".to_owned();
    }
    let mut out = String::new();
    if session.options.production {
        out.push_str("PRODUCTION ");
    }
    if let Some(profile) = &session.options.profile {
        out.push_str(profile);
        out.push(' ');
    }
    out.push_str(&address(session));
    if session.db != 0 {
        out.push_str(&format!("[{}]", session.db));
    }
    if !role.is_empty() {
        out.push_str(&format!("({role})"));
    }
    if session.in_multi {
        out.push_str("(TX)");
    }
    if session.pubsub.active() {
        out.push_str("(subscribed mode)");
    }
    out.push_str("> ");
    out
}

fn address(session: &Session) -> String {
    let options = &session.options;
    match &options.socket {
        Some(path) => format!("{} {path}", options.face.product().to_ascii_lowercase()),
        None if options.host.contains(':') => format!("[{}]:{}", options.host, options.port),
        None => format!("{}:{}", options.host, options.port),
    }
}
