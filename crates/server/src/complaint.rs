//! What the log says of a client that does not keep to the protocol, and of a replica that asks for more than the stream.
//!
//! What anybody who connects can cause is at level verbose. It shows the client, and how what cannot be parsed
//! begins and ends, unless `hide-user-data-from-log` forbids it. `connection` calls this before it closes.

use commands::client::Client;
use commands::connection::{REDACTED, log_line};
use commands::server::{LogLevel, Server};
use config::Directive;

/// Most bytes of input that are shown whole; of more, as many are shown of both ends together.
const SHOWN_BYTES: usize = 128;

/// Logs that `client` sent `input`, which is no request because of `error`, the text of its reply.
pub fn protocol_error(server: &Server, client: &Client, error: &str, input: &[u8]) {
    let what = error.trim_start_matches("Protocol error: ");
    let query = match server.config.flag(Directive::HideUserDataFromLog) {
        true => REDACTED.to_owned(),
        false => excerpt(input),
    };
    let client = log_line(client, sys::os::unix_ms(), &server.config);
    let text = format!("Protocol error ({what}) from client: {client}. Query buffer: {query}");
    server.log(LogLevel::Verbose, &text);
}

/// Logs that the last command of `client`, a replica, has made `reply`, which must not get into its stream: the connection
/// that it comes from is closed.
pub fn replica_reply(server: &Server, client: &Client, reply: &[u8]) {
    let command = client.last_command();
    if let Some(error) = reply.strip_prefix(b"-") {
        let error = String::from_utf8_lossy(error.trim_ascii_end());
        server.log(
            LogLevel::Warning,
            &format!(
                "== CRITICAL == This primary is sending an error to its replica: '{error}' after processing the command \
                 '{command}'"
            ),
        );
    }
    let client = log_line(client, sys::os::unix_ms(), &server.config);
    let text = format!("Replica generated a reply to command '{command}', disconnecting it: {client}");
    server.log(LogLevel::Warning, &text);
}

/// Bytes in quotes, with points for what cannot be printed.
fn excerpt(input: &[u8]) -> String {
    let text = |bytes: &[u8]| -> String {
        let shown = |byte: &u8| if (b' '..=b'~').contains(byte) { char::from(*byte) } else { '.' };
        bytes.iter().map(shown).collect()
    };
    let Some(left_out) = input.len().checked_sub(SHOWN_BYTES).filter(|left_out| *left_out > 0) else {
        return format!("'{}'", text(input));
    };
    let (head, tail) = (&input[..SHOWN_BYTES / 2], &input[input.len() - SHOWN_BYTES / 2..]);
    format!("'{}' (... more {left_out} bytes ...) '{}'", text(head), text(tail))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn excerpts_are_short_and_printable() {
        let long = |count| [&[b'a'; 64][..], &b"b".repeat(count), &[b'c'; 64]].concat();
        for (input, want) in [
            (b"$bl\x01a\"\r\n\xff".to_vec(), "'$bl.a\"...'".to_owned()),
            (Vec::new(), "''".to_owned()),
            (long(0), format!("'{}{}'", "a".repeat(64), "c".repeat(64))),
            (long(7), format!("'{}' (... more 7 bytes ...) '{}'", "a".repeat(64), "c".repeat(64))),
        ] {
            assert_eq!(excerpt(&input), want);
        }
    }
}
