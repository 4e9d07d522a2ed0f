//! OBJECT: how a value is stored, and when it was used.

use config::{Directive, Family};
use ds::entry::{Encoding, EntryRef};
use resp::writer::Writer;

use crate::cx::Cx;
use crate::error::{CommandError, Result};
use crate::{lru, reply_help};

/// Key and value of the largest string that is called `embstr` by Redis 8.6, which keeps both with the header.
const EMBEDDED_PAIR_BYTES: usize = 41;
/// The same counted as Valkey does: one allocation of this size would hold it all.
const EMBEDDED_BYTES: usize = 128;

/// The name of an encoding, as OBJECT ENCODING and DEBUG OBJECT show it.
pub(crate) fn encoding_name(entry: EntryRef<'_>, family: Family) -> &'static str {
    match entry.encoding() {
        Encoding::Int => "int",
        Encoding::Inline | Encoding::Blob if is_embedded(entry, family) => "embstr",
        Encoding::Inline | Encoding::Blob | Encoding::Vectors => "raw",
        Encoding::ListPacked | Encoding::SetPacked | Encoding::HashPacked | Encoding::ZsetPacked => {
            "listpack"
        }
        Encoding::HashPackedTtl => match family {
            Family::Redis => "listpackex",
            // It has no packed form with expiries.
            Family::Valkey => "hashtable",
        },
        Encoding::SetIntset => "intset",
        Encoding::List => "quicklist",
        Encoding::Set | Encoding::Hash => "hashtable",
        Encoding::Zset => "skiplist",
        Encoding::Stream => "stream",
    }
}

/// Whether the real server would keep this string with its header in one allocation. In Valkey's are header, expiry, key
/// and value with the headers and terminators of their strings.
fn is_embedded(entry: EntryRef<'_>, family: Family) -> bool {
    let ds::entry::ValueRef::Bytes(value) = entry.value() else { return false };
    if family == Family::Redis {
        return !entry.is_raw() && entry.key().len() + value.len() <= EMBEDDED_PAIR_BYTES;
    }
    let key = entry.key().len();
    let expiry = if entry.expire_ms().is_some() { 8 } else { 0 };
    let key = 1 + if key < 32 { 1 } else { 3 } + key + 1;
    !entry.is_raw() && 8 + expiry + key + 3 + value.len() < EMBEDDED_BYTES
}

/// Replies what `answer` makes of a key, without counting as a use of it.
fn ask(
    cx: &mut Cx<'_>,
    key: &[u8],
    out: &mut Writer,
    answer: impl FnOnce(EntryRef<'_>, &mut Writer) -> Result,
) -> Result {
    match cx.peek(key) {
        Some(entry) => answer(entry, out),
        None => {
            out.null();
            Ok(())
        }
    }
}

pub(super) fn encoding(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    let family = cx.family();
    ask(cx, argv[2], out, |entry, out| {
        out.bulk(encoding_name(entry, family).as_bytes());
        Ok(())
    })
}

pub(super) fn refcount(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    ask(cx, argv[2], out, |_, out| {
        out.int(1);
        Ok(())
    })
}

pub(super) fn idletime(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    let (server, now_ms) = (cx.server, cx.now_ms);
    ask(cx, argv[2], out, |entry, out| {
        if server.counts_frequency() {
            return Err(CommandError::fixed(
                "ERR An LFU maxmemory policy is selected, idle time not tracked. Please note that when switching between \
                 policies at runtime LRU and LFU data will take some time to adjust.",
            ));
        }
        out.int((lru::idle_ms(entry.lru(), now_ms) / 1000) as i64);
        Ok(())
    })
}

pub(super) fn freq(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    let (server, now_ms) = (cx.server, cx.now_ms);
    ask(cx, argv[2], out, |entry, out| {
        if !server.counts_frequency() {
            return Err(CommandError::fixed(
                "ERR An LFU maxmemory policy is not selected, access frequency not tracked. Please note that when \
                 switching between policies at runtime LRU and LFU data will take some time to adjust.",
            ));
        }
        let decay = server.config.int(Directive::LfuDecayTime).max(0) as u64;
        out.int(i64::from(lru::frequency(entry.lru(), now_ms, decay)));
        Ok(())
    })
}

pub(super) fn help(_cx: &mut Cx<'_>, _argv: &[&[u8]], out: &mut Writer) -> Result {
    const LINES: &[&str] = &[
        "OBJECT <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
        "ENCODING <key>",
        "    Return the kind of internal representation used in order to store the value",
        "    associated with a <key>.",
        "FREQ <key>",
        "    Return the access frequency index of the <key>. The returned integer is",
        "    proportional to the logarithm of the recent access frequency of the key.",
        "IDLETIME <key>",
        "    Return the idle time of the <key>, that is the approximated number of",
        "    seconds elapsed since the last access to the key.",
        "REFCOUNT <key>",
        "    Return the number of references of the value associated with the specified",
        "    <key>.",
        "HELP",
        "    Print this help.",
    ];
    reply_help(LINES, out);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use ds::entry::{Entry, Value};

    /// The longest embedded values that a Valkey 9.1 server reported: key length, with an expiry or not, value length.
    #[test]
    fn strings_are_embedded_up_to_the_size_that_valkey_has() {
        for (key, expires, longest) in [
            (1, false, 112),
            (1, true, 104),
            (10, false, 103),
            (20, true, 85),
            (40, false, 71),
            (60, true, 43),
            (100, false, 11),
            (100, true, 3),
        ] {
            let name = |value: usize| {
                let value = vec![b'x'; value];
                let entry = Entry::new(&vec![b'k'; key], expires.then_some(1), 0, Value::Bytes(&value));
                encoding_name(entry.view(), Family::Valkey)
            };
            assert_eq!((name(longest), name(longest + 1)), ("embstr", "raw"), "{key} {expires}");
        }
        for key in [1, 10, 33, 40] {
            let name = |value: usize| {
                let value = vec![b'x'; value];
                encoding_name(
                    Entry::new(&vec![b'k'; key], None, 0, Value::Bytes(&value)).view(),
                    Family::Redis,
                )
            };
            assert_eq!((name(41 - key), name(42 - key)), ("embstr", "raw"), "{key}");
        }
    }
}
