//! Live views: subscriptions and MONITOR run until Ctrl-C, which leads back to the prompt. Each message is one
//! line, so that a busy channel can be read as it scrolls by.

use resp::reply::Value;

use super::{Settings, render};
use crate::pubsub;
use crate::session::{Session, lower};
use crate::{say, warn};

/// A command that ends only by Ctrl-C.
#[must_use]
pub fn is_endless(words: &[Vec<u8>]) -> bool {
    matches!(lower(words.first()).as_str(), "monitor" | "subscribe" | "psubscribe" | "ssubscribe")
}

/// Prints messages until Ctrl-C, then opens a fresh connection without subscriptions.
pub fn subscribed(session: &mut Session) {
    if let Err(error) = session.stream_forever() {
        if error.is_interrupt() {
            say!("(back at the prompt, unsubscribed)\n");
        } else {
            warn!("Error: {error}\n");
        }
    }
    session.connect(true);
}

/// A message, a confirmation or a line of MONITOR; `None` for anything else.
#[must_use]
pub fn line(value: &Value, settings: &Settings) -> Option<String> {
    if let Value::Simple(text) = value {
        let text = String::from_utf8_lossy(text);
        let (head, command) = text.split_once("] ")?;
        let (time, place) = head.split_once(" [")?;
        return Some(format!("{} {command}\n", settings.dim(&format!("{time} [{place}]"))));
    }
    let items = value.as_slice()?;
    if pubsub::is_confirmation(value) {
        let text =
            format!("{} {} ({} in all)", items[0].to_text(), render::cell(&items[1]), items[2].to_text());
        return Some(format!("{}\n", settings.dim(&text)));
    }
    if !pubsub::is_message(value) {
        return None;
    }
    let (message, names) = items[1..].split_last()?;
    // A pattern's message names the pattern, then the channel.
    let names: Vec<String> = names.iter().map(render::cell).collect();
    Some(format!(
        "{} {}\n",
        settings.paint("36", &format!("{}:", names.join(" "))),
        render::cell(message).replace('\n', "\\n")
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::face::Face;
    use crate::options::Options;

    #[test]
    fn each_event_is_one_line() {
        let mut settings = Settings::new(&Options::new(Face::Russet, ""));
        settings.color = false;
        let push = |parts: &[&str]| {
            Value::Push(parts.iter().map(|part| Value::Bulk(part.as_bytes().to_vec())).collect())
        };
        for (value, expected) in [
            (push(&["message", "news", "été\n1"]), Some("news: été\\n1\n")),
            (push(&["message", "news", "été"]), Some("news: été\n")),
            (push(&["pmessage", "n*", "news", "x"]), Some("n* news: x\n")),
            (push(&["subscribe", "news", "1"]), Some("subscribe news (1 in all)\n")),
            (push(&["invalidate", "k"]), None),
            (Value::Simple(b"1.5 [0 lua] \"get\" \"a\"".to_vec()), Some("1.5 [0 lua] \"get\" \"a\"\n")),
            (Value::Simple(b"OK".to_vec()), None),
        ] {
            assert_eq!(line(&value, &settings).as_deref(), expected, "{value:?}");
        }
    }
}
