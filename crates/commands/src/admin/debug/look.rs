//! How keys and tables are stored.

use config::{Directive, Family};
use ds::entry::{EntryRef, PackedRef, ValueRef};
use ds::object::Object;
use resp::writer::Writer;

use crate::args::int;
use crate::cx::Cx;
use crate::error::{CommandError, NO_SUCH_KEY, Result, wrong_syntax};
use crate::generic::encoding_name;

/// The longest subject of STRINGMATCH-LEN.
const MOST_BYTES: i64 = 1 << 20;

/// Bytes of the value in a file.
fn saved_bytes(entry: EntryRef<'_>) -> usize {
    crate::bridge::dump(entry, true, rdb::Dialect::Redis).len().saturating_sub(11)
}

pub(super) fn object(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    // `fast` is Valkey's.
    if argv.len() > 3 && cx.family() == Family::Redis {
        return Err(wrong_syntax("debug", argv[1]));
    }
    let now_ms = cx.now_ms;
    let fill = cx.server.config.int(Directive::ListMaxListpackSize);
    // Lists are never compressed here; what is asked for is shown.
    let compressed = u8::from(cx.server.config.int(Directive::ListCompressDepth) != 0);
    let fast = argv.get(3).is_some_and(|word| word.eq_ignore_ascii_case(b"fast"));
    let family = cx.family();
    let entry = cx.peek_any(argv[2]).ok_or(NO_SUCH_KEY)?;
    let mut text =
        format!("Value at:{:p} refcount:1 encoding:{} ", entry.key().as_ptr(), encoding_name(entry, family));
    if !fast {
        text.push_str(&format!("serializedlength:{} ", saved_bytes(entry)));
    }
    let idle_s = crate::lru::idle_ms(entry.lru(), now_ms) / 1000;
    text.push_str(&format!("lru:{} lru_seconds_idle:{idle_s}", entry.lru()));
    if let ValueRef::Object(Object::List(list)) = entry.value() {
        let chunks = list.chunk_count().max(1);
        text.push_str(&format!(
            " ql_nodes:{chunks} ql_avg_node:{:.2} ql_listpack_max:{fill} ql_compressed:{compressed} ql_uncompressed_size:{}",
            list.len() as f64 / chunks as f64,
            list.memory_bytes()
        ));
    }
    out.simple(&text);
    Ok(())
}

pub(super) fn sdslen(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    let entry = cx.peek(argv[2]).ok_or(NO_SUCH_KEY)?;
    let (ValueRef::Bytes(value) | ValueRef::Blob(value)) = entry.value() else {
        return Err(CommandError::fixed("ERR Not an sds encoded string."));
    };
    let key = entry.key().len();
    out.simple(&format!(
        "key_sds_len:{key}, key_sds_avail:0, key_zmalloc: {key}, val_sds_len:{}, val_sds_avail:0, val_zmalloc: {}",
        value.len(),
        entry.memory_bytes()
    ));
    Ok(())
}

pub(super) fn listpack(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    let entry = cx.peek(argv[2]).ok_or(NO_SUCH_KEY)?;
    let framed;
    let pack = match entry.value() {
        ValueRef::Packed(PackedRef::List(pack)) => pack,
        ValueRef::Packed(PackedRef::Set(pack) | PackedRef::Hash(pack, _) | PackedRef::Zset(pack)) => {
            // What is told are the bytes of the real servers, which have the frame in memory, too.
            framed = pack.to_framed();
            framed.view()
        }
        _ => return Err(CommandError::fixed("ERR Not a listpack encoded object.")),
    };
    let mut text = format!("{{total bytes {}}} {{num entries {}}}\n", pack.as_bytes().len(), pack.len());
    for (at, value) in pack.iter().enumerate() {
        text.push_str(&format!("{{idx {at}}} {}\n", String::from_utf8_lossy(&value.to_vec())));
    }
    out.verbatim("txt", text.as_bytes());
    Ok(())
}

const NO_DATABASE: CommandError = CommandError::fixed("ERR Out of range database");

pub(super) fn htstats(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    let db = usize::try_from(int(argv[2])?).map_err(|_| NO_DATABASE)?;
    if db >= cx.server.keyspace.databases() {
        return Err(NO_DATABASE);
    }
    let (mut keys, mut bytes, mut expires, mut shards) = (0, 0, 0, 0);
    cx.each_shard(|shard| {
        keys += shard.len(db);
        expires += shard.expires(db);
        bytes += shard.index_bytes(db);
        shards += usize::from(shard.len(db) > 0);
    });
    let table = |count: usize| match count {
        0 => String::new(),
        count => format!(
            "Hash table 0 stats (main hash table):\n table size: {}\n number of elements: {count}\n",
            bytes / 8
        ),
    };
    let text = format!(
        "[Dictionary HT]\n{}[Expires HT]\n{}shards in use: {shards}\n",
        table(keys),
        if expires == 0 { String::new() } else { format!(" number of elements: {expires}\n") },
    );
    out.verbatim("txt", text.as_bytes());
    Ok(())
}

pub(super) fn htstats_key(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    let entry = cx.peek(argv[2]).ok_or(NO_SUCH_KEY)?;
    let (len, bytes) = match entry.value() {
        ValueRef::Object(Object::Zset(zset)) => (zset.len(), zset.memory_bytes()),
        ValueRef::Object(Object::Set(fields) | Object::Hash(fields)) => (fields.len(), fields.memory_bytes()),
        _ => {
            return Err(CommandError::fixed(
                "ERR The value stored at the specified key is not represented using an hash table",
            ));
        }
    };
    let text =
        format!("Hash table 0 stats (main hash table):\n number of elements: {len}\n bytes: {bytes}\n");
    out.verbatim("txt", text.as_bytes());
    Ok(())
}

pub(super) fn jmap(_: &mut Cx<'_>, _: &[&[u8]], out: &mut Writer) -> Result {
    let heap = sys::alloc::figures();
    let text = format!(
        "allocated:{}\nactive:{}\nresident:{}\nretained:{}\ncounted:{}\n",
        heap.allocated,
        heap.active,
        heap.resident,
        heap.retained,
        sys::alloc::allocated()
    );
    out.verbatim("txt", text.as_bytes());
    Ok(())
}

pub(super) fn stringmatch_len(_: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    let length = int(argv[2])?;
    if !(0..=MOST_BYTES).contains(&length) {
        return Err(crate::error::OUT_OF_RANGE);
    }
    let subject = vec![b'a'; length as usize];
    out.int(i64::from(ds::glob::glob_match(argv[3], &subject, false)));
    Ok(())
}
