//! XREAD and the arguments that it shares with XREADGROUP.

use config::Family;
use ds::stream::StreamId;
use resp::writer::Writer;

use super::args::strict_id;
use super::range::reply_entries;
use super::{find, id_text};
use crate::args::{Args, int_or};
use crate::block::{BlockRequest, TimeoutReply};
use crate::cx::Cx;
use crate::error::{CommandError, Result, SYNTAX, wrong_arity};

/// Everything but the IDs, which are read against the streams.
pub(super) struct Read<'a> {
    pub group: Option<(&'a [u8], &'a [u8])>,
    pub noack: bool,
    /// CLAIM: pending entries that were delivered at least so many milliseconds ago are read first.
    pub claim_ms: Option<u64>,
    pub count: Option<u64>,
    /// Milliseconds to wait, 0 for ever.
    pub block_ms: Option<u64>,
    pub keys: &'a [&'a [u8]],
    pub ids: &'a [&'a [u8]],
}

impl<'a> Read<'a> {
    pub(super) fn parse(argv: &'a [&'a [u8]], name: &str, family: Family) -> Result<Read<'a>> {
        let in_group = name == "xreadgroup";
        let mut read = Read {
            group: None,
            noack: false,
            claim_ms: None,
            count: None,
            block_ms: None,
            keys: &[],
            ids: &[],
        };
        let mut args = Args::new(argv, 1);
        while !args.is_empty() {
            if args.take_with("BLOCK", 1) {
                read.block_ms = Some(block_ms(args.arg()?)?);
            } else if args.take_with("COUNT", 1) {
                read.count = u64::try_from(args.int()?).ok().filter(|&count| count > 0);
            } else if args.take_with("STREAMS", 1) {
                let rest = args.rest();
                if rest.len() % 2 == 1 {
                    let sign = match family {
                        _ if in_group => " or '>'",
                        Family::Redis => ", '+', or '$'",
                        Family::Valkey => " or '$'",
                    };
                    return Err(CommandError::new(format!(
                        "ERR Unbalanced '{name}' list of streams: for each stream key an ID{sign} must be specified."
                    )));
                }
                (read.keys, read.ids) = rest.split_at(rest.len() / 2);
            } else if args.take_with("GROUP", 2) {
                only_in_group(in_group, "GROUP")?;
                read.group = Some((args.arg()?, args.arg()?));
            } else if args.take_with("CLAIM", 1) {
                only_in_group(in_group, "CLAIM")?;
                read.claim_ms = Some(claim_ms(args.arg()?)?);
            } else if args.take("NOACK") {
                only_in_group(in_group, "NOACK")?;
                read.noack = true;
            } else {
                return Err(SYNTAX);
            }
        }
        if read.keys.is_empty() {
            return Err(if argv.len() < 4 { wrong_arity(name) } else { SYNTAX });
        }
        if in_group && read.group.is_none() {
            return Err(CommandError::fixed("ERR Missing GROUP option for XREADGROUP"));
        }
        Ok(read)
    }

    /// Waits for the streams, or answers that there is nothing. `ids` are what the client waits behind.
    pub(super) fn wait(&self, cx: &mut Cx<'_>, name: &str, ids: &[Vec<u8>], out: &mut Writer) {
        let Some(timeout_ms) = self.block_ms.filter(|_| cx.may_block) else { return out.null_array() };
        let argv_for = |(key, id): (&&[u8], &Vec<u8>)| {
            let mut argv: Vec<Vec<u8>> = vec![name.as_bytes().to_vec()];
            if let Some((group, consumer)) = self.group {
                argv.extend([b"GROUP".to_vec(), group.to_vec(), consumer.to_vec()]);
            }
            if let Some(count) = self.count {
                argv.extend([b"COUNT".to_vec(), count.to_string().into_bytes()]);
            }
            argv.extend([b"BLOCK".to_vec(), timeout_ms.to_string().into_bytes()]);
            if self.noack {
                argv.push(b"NOACK".to_vec());
            }
            if let Some(claim_ms) = self.claim_ms {
                argv.extend([b"CLAIM".to_vec(), claim_ms.to_string().into_bytes()]);
            }
            argv.extend([b"STREAMS".to_vec(), key.to_vec(), id.clone()]);
            (key.to_vec(), argv)
        };
        let keys = self.keys.iter().zip(ids).map(argv_for).collect();
        let mut request = BlockRequest::keys(keys, timeout_ms, TimeoutReply::NullArray);
        request.unblock_on_delete = self.group.is_some();
        cx.block = Some(request);
    }
}

fn only_in_group(in_group: bool, option: &str) -> Result {
    if in_group {
        return Ok(());
    }
    Err(CommandError::new(format!(
        "ERR The {option} option is only supported by XREADGROUP. You called XREAD instead."
    )))
}

fn claim_ms(given: &[u8]) -> Result<u64> {
    let ms = int_or(given, CommandError::fixed("ERR min-idle-time is not an integer or out of range"))?;
    u64::try_from(ms).map_err(|_| CommandError::fixed("ERR min-idle-time must be a positive integer"))
}

fn block_ms(given: &[u8]) -> Result<u64> {
    let ms = int_or(given, CommandError::fixed("ERR timeout is not an integer or out of range"))?;
    u64::try_from(ms).map_err(|_| CommandError::fixed("ERR timeout is negative"))
}

/// Writes the streams that had something: a map in RESP3, an array of pairs in RESP2.
pub(super) fn reply_streams(count: usize, mut body: Writer, resp3: bool, out: &mut Writer) {
    if resp3 {
        out.map(count)
    } else {
        out.array(count)
    }
    out.append(&mut body);
}

/// Writes the name of a stream in front of its entries.
pub(super) fn begin_stream(key: &[u8], resp3: bool, body: &mut Writer) {
    if !resp3 {
        body.array(2);
    }
    body.bulk(key);
}

pub(super) fn xread(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    let read = Read::parse(argv, "xread", cx.family())?;
    let resp3 = cx.session.resp3;
    let mut after = Vec::with_capacity(read.keys.len());
    for (key, id) in read.keys.iter().zip(read.ids) {
        let stream = find(cx, key)?;
        after.push(match *id {
            b"$" => stream.map_or(StreamId::MIN, |stream| stream.last_id()),
            b"+" => {
                let last =
                    stream.and_then(|stream| stream.range_rev(StreamId::MIN, StreamId::MAX).next());
                last.and_then(|entry| entry.id().prev()).unwrap_or(StreamId::MIN)
            }
            b">" => {
                return Err(CommandError::fixed(
                    "ERR The > ID can be specified only when calling XREADGROUP using the GROUP <group> <consumer> option.",
                ));
            }
            text => strict_id(text, 0)?,
        });
    }
    let mut body = Writer::new(resp3);
    let mut served = 0;
    let most = read.count.map_or(usize::MAX, |count| usize::try_from(count).unwrap_or(usize::MAX));
    for (key, after) in read.keys.iter().zip(&after) {
        let Some(stream) = find(cx, key)? else { continue };
        let Some(from) = after.next() else { continue };
        let mut entries = stream.range(from, StreamId::MAX).take(most).peekable();
        if entries.peek().is_some() {
            begin_stream(key, resp3, &mut body);
            reply_entries(entries, resp3, &mut body);
            served += 1;
        }
    }
    if served > 0 {
        reply_streams(served, body, resp3, out);
    } else {
        let ids: Vec<Vec<u8>> = after.into_iter().map(id_text).collect();
        read.wait(cx, "xread", &ids, out);
    }
    Ok(())
}
