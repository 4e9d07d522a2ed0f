//! XADD and XTRIM.

use config::{Directive, Events};
use ds::entry::{Kind, Value};
use ds::object::Object;
use ds::stream::{AddId, BlockLimits, RefPolicy, Stream, StreamId, TrimTo};
use resp::writer::Writer;
use smallvec::SmallVec;

use super::args::{INVALID_ID, Trim};
use super::idempotent::{Producing, new_stream};
use super::{change_in, find, id_text, reply_id, update};
use crate::args::Args;
use crate::cx::Cx;
use crate::error::{CommandError, Result, SYNTAX, wrong_arity};

const TOO_SMALL: CommandError =
    CommandError::fixed("ERR The ID specified in XADD is equal or smaller than the target stream top item");

const ONLY_AUTO: CommandError =
    CommandError::fixed("ERR syntax error, IDMP/IDMPAUTO can be used only with auto-generated IDs");

/// What became of a message.
enum Added {
    New(StreamId),
    /// It was there before.
    Again(StreamId),
}

struct Add<'a> {
    create: bool,
    trim: Trim,
    id: AddId,
    producing: Option<Producing<'a>>,
    /// field, value, field, value...
    pairs: &'a [&'a [u8]],
}

impl<'a> Add<'a> {
    fn parse(argv: &'a [&'a [u8]], any_id: bool) -> Result<Add<'a>> {
        const ZERO: CommandError =
            CommandError::fixed("ERR The ID specified in XADD must be greater than 0-0");
        let (mut create, mut trim, mut producing) = (true, Trim::default(), None);
        let mut args = Args::new(argv, 2);
        let id = loop {
            if args.peek() == Some(b"*") {
                break AddId::parse(args.arg()?).ok_or(INVALID_ID)?;
            } else if trim.take(&mut args)? || Producing::take(&mut args, &mut producing)? {
            } else if args.take("NOMKSTREAM") {
                create = false;
            } else {
                break AddId::parse(args.arg().map_err(|_| wrong_arity("xadd"))?).ok_or(INVALID_ID)?;
            }
        };
        if producing.is_some() && id != AddId::Auto && !any_id {
            return Err(ONLY_AUTO);
        }
        trim.check(false)?;
        let pairs = args.rest();
        let producing = producing.map(|it: Producing<'a>| it.with_content(pairs));
        if pairs.is_empty() || pairs.len() % 2 == 1 {
            return Err(wrong_arity("xadd"));
        }
        if id == AddId::Exact(StreamId::MIN) {
            return Err(ZERO);
        }
        Ok(Add { create, trim, id, producing, pairs })
    }

    /// What the producer's message became when it was sent before; else the message is appended, and remembered.
    fn append_once(
        &self,
        stream: &mut Stream,
        now_ms: u64,
        clock_ms: u64,
        limits: BlockLimits,
    ) -> Result<Added> {
        let Some(producing) = &self.producing else {
            return self.append(stream, now_ms, limits).map(Added::New);
        };
        if let Some(id) = stream.idempotence().find(producing.producer, &producing.iid, clock_ms) {
            stream.idempotence_mut().duplicates += 1;
            return Ok(Added::Again(id));
        }
        let id = self.append(stream, now_ms, limits)?;
        stream.idempotence_mut().expire(clock_ms);
        stream.idempotence_mut().record(producing.producer, &producing.iid, id);
        Ok(Added::New(id))
    }

    fn append(&self, stream: &mut Stream, now_ms: u64, limits: BlockLimits) -> Result<StreamId> {
        const EXHAUSTED: CommandError = CommandError::fixed(
            "ERR The stream has exhausted the last possible ID, unable to add more items",
        );
        const TOO_LARGE: CommandError = CommandError::fixed("ERR Elements are too large to be stored");
        if stream.last_id() == StreamId::MAX {
            return Err(EXHAUSTED);
        }
        let id = stream.resolve_id(self.id, now_ms).ok_or(TOO_SMALL)?;
        if stream.append(id, self.pairs, limits) { Ok(id) } else { Err(TOO_LARGE) }
    }
}

fn block_limits(cx: &Cx<'_>) -> BlockLimits {
    BlockLimits {
        bytes: cx.server.config.int(Directive::StreamNodeMaxBytes).max(0) as usize,
        entries: cx.server.config.int(Directive::StreamNodeMaxEntries).max(0) as usize,
    }
}

fn do_trim(stream: &mut Stream, trim: &Trim, limit: Option<u64>) -> u64 {
    trim.to.map_or(0, |to| stream.trim(to, trim.approximate, limit, trim.policy()))
}

pub(super) fn xadd(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    let key = argv[1];
    // What comes from a primary has its ID already, and finds what the primary found.
    let clock_ms = cx.field_clock();
    let add = Add::parse(argv, clock_ms == 0)?;
    let (now_ms, limits, limit) = (cx.now_ms, block_limits(cx), add.trim.limit(cx));
    let (added, trimmed) = match cx.find_mut_kind(key, Kind::Stream)? {
        Some(mut slot) => {
            let added = change_in(&mut slot, |stream| {
                let added = add.append_once(stream, now_ms, clock_ms, limits)?;
                let trims = matches!(added, Added::New(_));
                Ok((added, if trims { do_trim(stream, &add.trim, limit) } else { 0 }))
            });
            added.ok_or(SYNTAX)??
        }
        None if !add.create => {
            out.null();
            return Ok(());
        }
        None => {
            let mut stream = new_stream(cx);
            let added = add.append_once(&mut stream, now_ms, clock_ms, limits)?;
            let trimmed = do_trim(&mut stream, &add.trim, limit);
            cx.put(key, Value::Object(Box::new(Object::Stream(stream))), None);
            (added, trimmed)
        }
    };
    let id = match added {
        Added::New(id) => id,
        Added::Again(id) => {
            // Replicas count the repeat, and would take it for a new message if they knew less.
            cx.effects.dirty += 1;
            propagate(cx, key, &add, id)?;
            reply_id(id, out);
            return Ok(());
        }
    };
    cx.changed(key);
    cx.notify(Events::STREAM, "xadd", key);
    if trimmed > 0 {
        cx.notify(Events::STREAM, "xtrim", key);
    }
    if !matches!(add.id, AddId::Exact(_)) || add.trim.approximate {
        propagate(cx, key, &add, id)?;
    }
    reply_id(id, out);
    Ok(())
}

/// The journal gets the ID that was given, and what an approximate trim came to.
fn propagate(cx: &mut Cx<'_>, key: &[u8], add: &Add<'_>, id: StreamId) -> Result {
    if !cx.is_recorded() {
        cx.propagate_nothing();
        return Ok(());
    }
    let mut options: Vec<Vec<u8>> = Vec::new();
    if let Some(producing) = &add.producing {
        producing.push_to(&mut options);
    }
    push_trim(cx, key, &add.trim, &mut options)?;
    options.push(id_text(id));
    let mut argv: SmallVec<[&[u8]; 16]> = SmallVec::from_slice(&[b"XADD", key]);
    argv.extend(options.iter().map(|option| &option[..]));
    argv.extend_from_slice(add.pairs);
    cx.propagate(&argv);
    Ok(())
}

fn push_trim(cx: &mut Cx<'_>, key: &[u8], trim: &Trim, argv: &mut Vec<Vec<u8>>) -> Result {
    match trim.policy() {
        RefPolicy::Keep => {}
        RefPolicy::Delete => argv.push(b"DELREF".to_vec()),
        RefPolicy::Acked => argv.push(b"ACKED".to_vec()),
    }
    let Some(to) = trim.to else { return Ok(()) };
    let after = find(cx, key)?.map_or((0, StreamId::MIN), |stream| (stream.len(), stream.first_id()));
    let (word, value) = match to {
        TrimTo::MaxLen(length) => {
            (&b"MAXLEN"[..], if trim.approximate { after.0 } else { length }.to_string().into_bytes())
        }
        TrimTo::MinId(id) => (&b"MINID"[..], id_text(if trim.approximate { after.1 } else { id })),
    };
    argv.extend([word.to_vec(), b"=".to_vec(), value]);
    Ok(())
}

pub(super) fn xtrim(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    let key = argv[1];
    let mut trim = Trim::default();
    let mut args = Args::new(argv, 2);
    while !args.is_empty() {
        if !trim.take(&mut args)? {
            return Err(SYNTAX);
        }
    }
    trim.check(true)?;
    let limit = trim.limit(cx);
    let removed = update(cx, key, |stream| do_trim(stream, &trim, limit))?.unwrap_or(0);
    if removed > 0 {
        cx.changed(key);
        cx.effects.dirty += removed - 1;
        cx.notify(Events::STREAM, "xtrim", key);
        if trim.approximate {
            let mut argv: Vec<Vec<u8>> = vec![b"XTRIM".to_vec(), key.to_vec()];
            push_trim(cx, key, &trim, &mut argv)?;
            cx.propagate(&argv);
        }
    }
    out.int(removed as i64);
    Ok(())
}
