//! Idempotent producers: the options IDMP and IDMPAUTO of XADD, XCFGSET, and XIDMPRECORD.
//!
//! A producer names itself and each message; a message that it sends again, because it does not know whether the first
//! one arrived, is answered with the ID that it has. What is remembered lives in [`ds::stream::Idempotence`].

use config::Directive;
use ds::entry::Kind;
use ds::stream::Stream;
use resp::writer::Writer;
use twox_hash::XxHash3_128;

use super::args::strict_id;
use super::{change_in, find, update};
use crate::args::Args;
use crate::cx::Cx;
use crate::error::{CommandError, NO_SUCH_KEY, Result, SYNTAX};

/// Who sends a message, and under which idempotency ID.
pub(super) struct Producing<'a> {
    pub producer: &'a [u8],
    pub iid: Vec<u8>,
    /// IDMPAUTO: the ID is a digest of the message.
    auto: bool,
}

impl<'a> Producing<'a> {
    /// Takes IDMP or IDMPAUTO, if that is the next word.
    pub(super) fn take(args: &mut Args<'a>, into: &mut Option<Producing<'a>>) -> Result<bool> {
        const TWICE: CommandError =
            CommandError::fixed("ERR syntax error, IDMP/IDMPAUTO specified multiple times");
        const NO_PRODUCER: CommandError =
            CommandError::fixed("ERR syntax error, IDMP requires a non-empty producer ID");
        const NO_PRODUCER_AUTO: CommandError =
            CommandError::fixed("ERR syntax error, IDMPAUTO requires a non-empty producer ID");
        const NO_IID: CommandError =
            CommandError::fixed("ERR syntax error, IDMP requires a non-empty idempotent ID");
        let auto = args.take_with("IDMPAUTO", 1);
        if !auto && !args.take_with("IDMP", 2) {
            return Ok(false);
        }
        if into.is_some() {
            return Err(TWICE);
        }
        let producer = args.arg()?;
        if producer.is_empty() {
            return Err(if auto { NO_PRODUCER_AUTO } else { NO_PRODUCER });
        }
        let iid = if auto { Vec::new() } else { args.arg()?.to_vec() };
        if !auto && iid.is_empty() {
            return Err(NO_IID);
        }
        *into = Some(Producing { producer, iid, auto });
        Ok(true)
    }

    /// Derives the ID from the message, if it is to be derived.
    pub(super) fn with_content(mut self, pairs: &[&[u8]]) -> Producing<'a> {
        if self.auto {
            self.iid = digest(pairs).to_be_bytes().to_vec();
        }
        self
    }

    /// The option again, for the journal.
    pub(super) fn push_to(&self, argv: &mut Vec<Vec<u8>>) {
        if self.auto {
            argv.extend([b"IDMPAUTO".to_vec(), self.producer.to_vec()]);
        } else {
            argv.extend([b"IDMP".to_vec(), self.producer.to_vec(), self.iid.clone()]);
        }
    }
}

/// 128 bits over the fields and values; the order of the fields makes no difference, as with Redis.
fn digest(pairs: &[&[u8]]) -> u128 {
    let of_pair = |pair: &[&[u8]]| {
        let mut bytes = Vec::new();
        for part in pair {
            bytes.extend_from_slice(&(part.len() as u64).to_le_bytes());
            bytes.extend_from_slice(part);
        }
        XxHash3_128::oneshot(&bytes)
    };
    let mut digests: Vec<u128> = pairs.chunks(2).map(of_pair).collect();
    digests.sort_unstable();
    let all: Vec<u8> = digests.iter().flat_map(|digest| digest.to_le_bytes()).collect();
    XxHash3_128::oneshot(&all)
}

/// A stream with the limits that the configuration gives to new ones.
pub(super) fn new_stream(cx: &Cx<'_>) -> Stream {
    let mut stream = Stream::new();
    let limit = |directive| cx.server.config.int(directive).max(1) as u64;
    stream
        .idempotence_mut()
        .configure(limit(Directive::StreamIdmpDuration), limit(Directive::StreamIdmpMaxsize));
    stream
}

/// One limit of XCFGSET.
fn limit(args: &mut Args<'_>, into: &mut Option<u64>, name: &str, most: u64, unit: &str) -> Result {
    if into.is_some() {
        return Err(CommandError::new(format!("ERR {name} specified multiple times")));
    }
    let given = u64::try_from(args.int()?).ok().filter(|given| (1..=most).contains(given));
    let error = || CommandError::new(format!("ERR {name} must be between 1 and {most} {unit}"));
    *into = Some(given.ok_or_else(error)?);
    Ok(())
}

pub(super) fn xcfgset(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    const NONE: CommandError = CommandError::fixed("ERR At least one parameter must be specified");
    find(cx, argv[1])?.ok_or(NO_SUCH_KEY)?;
    let (mut duration_s, mut max_size) = (None, None);
    let mut args = Args::new(argv, 2);
    while !args.is_empty() {
        if args.take_with("IDMP-DURATION", 1) {
            limit(&mut args, &mut duration_s, "IDMP-DURATION", 86_400, "seconds")?;
        } else if args.take_with("IDMP-MAXSIZE", 1) {
            limit(&mut args, &mut max_size, "IDMP-MAXSIZE", 10_000, "entries")?;
        } else {
            return Err(SYNTAX);
        }
    }
    if duration_s.or(max_size).is_none() {
        return Err(NONE);
    }
    let changed = update(cx, argv[1], |stream| {
        let state = stream.idempotence_mut();
        state.configure(duration_s.unwrap_or(state.duration_s), max_size.unwrap_or(state.max_size))
    })?;
    if changed.ok_or(NO_SUCH_KEY)? {
        cx.changed(argv[1]);
    }
    out.ok();
    Ok(())
}

/// What an append with IDMP remembered, told once more: for files and replicas.
pub(super) fn xidmprecord(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    const NO_PRODUCER: CommandError = CommandError::fixed("ERR producer ID must be non-empty");
    const NO_IID: CommandError = CommandError::fixed("ERR idempotent ID must be non-empty");
    const NO_ENTRY: CommandError = CommandError::fixed("ERR No such message in stream");
    const OTHER: CommandError =
        CommandError::fixed("ERR IID already exists for this producer with a different stream ID");
    let (key, producer, iid) = (argv[1], argv[2], argv[3]);
    let id = strict_id(argv[4], 0)?;
    if producer.is_empty() {
        return Err(NO_PRODUCER);
    }
    if iid.is_empty() {
        return Err(NO_IID);
    }
    let mut slot = cx.find_mut_kind(key, Kind::Stream)?.ok_or(NO_SUCH_KEY)?;
    let recorded = change_in(&mut slot, |stream| {
        if !stream.contains(id) {
            return Err(NO_ENTRY);
        }
        match stream.idempotence().find(producer, iid, 0) {
            Some(known) if known == id => Ok(false),
            Some(_) => Err(OTHER),
            None => {
                stream.idempotence_mut().record(producer, iid, id);
                Ok(true)
            }
        }
    });
    if recorded.ok_or(SYNTAX)?? {
        cx.changed(key);
    }
    out.ok();
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::digest;

    #[test]
    fn digest_tells_messages_apart_but_not_orders_of_fields() {
        let messages: &[&[&[u8]]] = &[
            &[b"a", b"b"],
            &[b"ab", b""],
            &[b"", b"ab"],
            &[b"b", b"a"],
            &[b"a", b"b", b"a", b"b"],
            &[b"a", b"b", b"c", b"d"],
        ];
        for (at, one) in messages.iter().enumerate() {
            assert!(messages[at + 1..].iter().all(|other| digest(one) != digest(other)));
        }
        assert_eq!(digest(&[b"a", b"b", b"c", b"d"]), digest(&[b"c", b"d", b"a", b"b"]));
    }
}
