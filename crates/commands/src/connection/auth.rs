//! AUTH, HELLO, RESET, QUIT: who the client is, and which protocol it speaks.

use resp::writer::Writer;

use super::identity::check_word;
use crate::args::{Args, int_or};
use crate::cx::Cx;
use crate::error::{CommandError, Result, SYNTAX};
use crate::server::Server;
use crate::session::{ReplyMode, Session, Takeover};
use crate::stats::Counter;

const DEFAULT_USER: &[u8] = b"default";
const NO_PASSWORD_SET: CommandError = CommandError::fixed(
    "ERR AUTH <password> called without any password configured for the default user. Are you sure your configuration is correct?",
);
const WRONG_PASS: CommandError =
    CommandError::fixed("WRONGPASS invalid username-password pair or user is disabled.");
const HELLO_NOAUTH: CommandError = CommandError::fixed(
    "NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO <proto> AUTH <user> <pass> \
     option can be used to authenticate the client and select the RESP protocol version at the same time",
);

/// Compares without telling by its duration where the first difference is.
fn equal_in_constant_time(a: &[u8], b: &[u8]) -> bool {
    let mut difference = a.len() ^ b.len();
    for (at, byte) in a.iter().enumerate() {
        difference |= usize::from(byte ^ b.get(at).copied().unwrap_or(!byte));
    }
    std::hint::black_box(difference) == 0
}

/// Whether the default user needs a password.
fn wants_password(server: &Server) -> bool {
    !server.config.bytes(config::Directive::Requirepass).is_empty()
}

fn authenticate(cx: &mut Cx<'_>, user: &[u8], password: &[u8]) -> Result {
    let wanted = cx.server.config.bytes(config::Directive::Requirepass);
    let right = equal_in_constant_time(password, &wanted);
    if user != DEFAULT_USER || !(wanted.is_empty() || right) {
        cx.stats.add(Counter::AccessDeniedAuth, 1);
        return Err(WRONG_PASS);
    }
    cx.session.authenticated = true;
    cx.session.was_authenticated = true;
    cx.session.client.details().user = DEFAULT_USER.to_vec();
    Ok(())
}

pub(super) fn auth(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    match argv {
        [_, password] => {
            if !wants_password(cx.server) {
                return Err(NO_PASSWORD_SET);
            }
            authenticate(cx, DEFAULT_USER, password)?;
        }
        [_, user, password] => authenticate(cx, user, password)?,
        _ => return Err(SYNTAX),
    }
    out.ok();
    Ok(())
}

pub(super) fn hello(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    let mut args = Args::new(argv, 1);
    let mut resp3 = cx.session.resp3;
    if let Some(version) = args.peek() {
        let unreadable = CommandError::fixed("ERR Protocol version is not an integer or out of range");
        resp3 = match int_or(version, unreadable)? {
            2 => false,
            3 => true,
            _ => return Err(CommandError::fixed("NOPROTO unsupported protocol version")),
        };
        args.arg()?;
    }
    let (mut credentials, mut name) = (None, None);
    while let Some(word) = args.peek() {
        if args.take_with("AUTH", 2) {
            credentials = Some((args.arg()?, args.arg()?));
        } else if args.take_with("SETNAME", 1) {
            let given = args.arg()?;
            check_word(given, "Client names")?;
            name = Some(given);
        } else {
            let shown = String::from_utf8_lossy(word);
            return Err(CommandError::new(format!("ERR Syntax error in HELLO option '{shown}'")));
        }
    }
    if let Some((user, password)) = credentials {
        authenticate(cx, user, password)?;
    }
    if !cx.session.authenticated && wants_password(cx.server) {
        return Err(HELLO_NOAUTH);
    }
    if let Some(name) = name {
        cx.session.client.details().name = name.to_vec();
    }
    cx.session.resp3 = resp3;
    out.resp3 = resp3;
    greet(cx, out);
    Ok(())
}

fn greet(cx: &Cx<'_>, out: &mut Writer) {
    let zone = cx.server.config.bytes(config::Directive::AvailabilityZone);
    out.map(7 + usize::from(!zone.is_empty()));
    out.bulk(b"server");
    let (product, version) = cx.server.config.identity();
    out.bulk(product.to_ascii_lowercase().as_bytes());
    out.bulk(b"version");
    out.bulk(version.as_bytes());
    out.bulk(b"proto");
    out.int(if cx.session.resp3 { 3 } else { 2 });
    out.bulk(b"id");
    out.int(cx.session.client.id as i64);
    out.bulk(b"mode");
    out.bulk(b"standalone");
    out.bulk(b"role");
    out.bulk(if cx.server.replication.is_replica() { b"replica" } else { b"master" });
    out.bulk(b"modules");
    out.array(0);
    if !zone.is_empty() {
        out.bulk(b"availability_zone");
        out.bulk(&zone);
    }
}

/// Makes the connection as if it had just been opened.
fn start_over(server: &Server, session: &mut Session) {
    crate::end_session(server, session);
    session.transaction = None;
    session.kind = crate::client::ClientType::Normal;
    session.db = 0;
    session.resp3 = false;
    session.authenticated = !wants_password(server);
    session.reply_mode = ReplyMode::On;
    session.no_touch = false;
    session.import_source = false;
    session.readonly = false;
    session.redirects = false;
    session.asking = false;
    let mut details = session.client.details();
    details.name.clear();
    details.user = DEFAULT_USER.to_vec();
    details.no_evict = false;
    details.capa_redirect = false;
}

pub(super) fn reset(cx: &mut Cx<'_>, _: &[&[u8]], out: &mut Writer) -> Result {
    start_over(cx.server, cx.session);
    cx.db = 0;
    out.resp3 = false;
    out.simple("RESET");
    Ok(())
}

pub(super) fn quit(cx: &mut Cx<'_>, _: &[&[u8]], out: &mut Writer) -> Result {
    cx.session.takeover = Some(Takeover::Close);
    out.ok();
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_equal_only_if_all_of_them_is() {
        for (a, b, equal) in [
            ("", "", true),
            ("a", "", false),
            ("", "a", false),
            ("secret", "secret", true),
            ("secret", "secreT", false),
            ("secret", "secrets", false),
            ("\u{0}", "", false),
        ] {
            assert_eq!(equal_in_constant_time(a.as_bytes(), b.as_bytes()), equal, "{a:?} {b:?}");
        }
    }
}
