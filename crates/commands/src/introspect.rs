//! COMMAND and its subcommands: rendered from rows and `docs`, byte for byte as Redis does in RESP2 and RESP3.
//!
//! Only commands that have a row appear. Order is the table's. Called by the COMMAND handlers with the whole
//! table; replies go to a [`Sink`].

use config::Family;
use resp::writer::Writer;

use crate::docs::{self, Arg, Doc};
use crate::keys::{self, KeyRefs};
use crate::row::{Acl, Begin, Find, KeySpec, Row, flag, key};

/// Where replies go. Maps and sets are arrays in RESP2; the sink knows the protocol.
pub trait Sink {
    /// Opens an array of `len` elements.
    fn array(&mut self, len: usize);
    /// Opens a map of `len` pairs.
    fn map(&mut self, len: usize);
    /// Opens a set of `len` elements.
    fn set(&mut self, len: usize);
    /// A bulk string.
    fn bulk(&mut self, bytes: &[u8]);
    /// A simple string.
    fn simple(&mut self, text: &str);
    /// An integer.
    fn int(&mut self, number: i64);
    /// Null.
    fn null(&mut self);
}

impl Sink for Writer {
    fn array(&mut self, len: usize) {
        Writer::array(self, len);
    }

    fn map(&mut self, len: usize) {
        Writer::map(self, len);
    }

    fn set(&mut self, len: usize) {
        Writer::set(self, len);
    }

    fn bulk(&mut self, bytes: &[u8]) {
        Writer::bulk(self, bytes);
    }

    fn simple(&mut self, text: &str) {
        Writer::simple(self, text);
    }

    fn int(&mut self, number: i64) {
        Writer::int(self, number);
    }

    fn null(&mut self) {
        Writer::null(self);
    }
}

/// The table: top-level rows, each name once.
pub type Table<'a, H> = &'a [&'static Row<H>];

/// A row with its full name, which for a subcommand is `container|sub`.
struct Named<H: Copy + 'static> {
    name: String,
    row: &'static Row<H>,
}

impl<H: Copy + 'static> Named<H> {
    fn top(row: &'static Row<H>) -> Self {
        Self { name: row.name.to_owned(), row }
    }

    fn sub(&self, row: &'static Row<H>) -> Self {
        Self { name: format!("{}|{}", self.name, row.name), row }
    }

    fn subs(&self) -> impl Iterator<Item = Self> + '_ {
        self.row.subs.iter().map(|row| self.sub(row))
    }

    fn doc(&self, family: Family) -> &'static Doc {
        static NONE: std::sync::OnceLock<Doc> = std::sync::OnceLock::new();
        docs::doc(&self.name, family).unwrap_or_else(|| NONE.get_or_init(Doc::default))
    }
}

fn find<H: Copy + 'static>(table: Table<'_, H>, name: &[u8]) -> Option<Named<H>> {
    let mut words = name.splitn(2, |c| *c == b'|');
    let word = words.next()?;
    let top =
        table.iter().find(|row| row.name.as_bytes().eq_ignore_ascii_case(word)).map(|row| Named::top(row))?;
    match words.next() {
        None => Some(top),
        Some(sub) => top.row.sub(sub).map(|row| top.sub(row)),
    }
}

/// COMMAND COUNT: top-level commands.
pub fn count<H: Copy + 'static>(table: Table<'_, H>, out: &mut impl Sink) {
    out.int(table.len() as i64);
}

/// COMMAND, and COMMAND INFO with names. No names: all commands. An unknown one gives null.
pub fn info<H: Copy + 'static, A: AsRef<[u8]>>(
    table: Table<'_, H>,
    names: &[A],
    family: Family,
    out: &mut impl Sink,
) {
    if names.is_empty() {
        out.array(table.len());
        table.iter().for_each(|row| info_of(&Named::top(row), family, out));
        return;
    }
    out.array(names.len());
    for name in names {
        match find(table, name.as_ref()) {
            Some(named) => info_of(&named, family, out),
            None => out.null(),
        }
    }
}

fn info_of<H: Copy + 'static>(named: &Named<H>, family: Family, out: &mut impl Sink) {
    let (row, doc) = (named.row, named.doc(family));
    out.array(10);
    out.bulk(named.name.as_bytes());
    out.int(i64::from(row.arity));
    simples(row.flags.names(family), out);
    out.int(i64::from(row.legacy.first));
    out.int(i64::from(row.legacy.last));
    out.int(i64::from(row.legacy.step));
    simples(row.acl.categories(), out);
    out.set(doc.tips.len());
    doc.tips.iter().for_each(|tip| out.bulk(tip.as_bytes()));
    out.set(row.keys.len());
    for (index, spec) in row.keys.iter().enumerate() {
        let note = doc.notes.iter().find(|(of, _)| *of == index).map(|(_, note)| *note);
        key_spec(spec, note, family, out);
    }
    if row.subs.is_empty() && family == Family::Redis {
        out.set(0);
    } else {
        out.array(row.subs.len());
        named.subs().for_each(|sub| info_of(&sub, family, out));
    }
}

/// A set of simple strings.
fn simples<'a>(names: impl Iterator<Item = &'a str> + Clone, out: &mut impl Sink) {
    out.set(names.clone().count());
    names.for_each(|name| out.simple(name));
}

fn key_spec(spec: &KeySpec, note: Option<&str>, family: Family, out: &mut impl Sink) {
    out.map(3 + usize::from(note.is_some()));
    if let Some(note) = note {
        out.bulk(b"notes");
        out.bulk(note.as_bytes());
    }
    out.bulk(b"flags");
    simples(key::names(spec.flags, family), out);
    out.bulk(b"begin_search");
    match spec.begin {
        Begin::Index(at) => search("index", &[("index", i64::from(at))], out),
        Begin::Keyword { word, from } => {
            out.map(2);
            pair("type", "keyword", out);
            out.bulk(b"spec");
            out.map(2);
            pair("keyword", word, out);
            out.bulk(b"startfrom");
            out.int(i64::from(from));
        }
        Begin::Unknown => search("unknown", &[], out),
    }
    out.bulk(b"find_keys");
    match spec.find {
        Find::Range { last, step, limit } => {
            let fields =
                [("lastkey", i64::from(last)), ("keystep", i64::from(step)), ("limit", i64::from(limit))];
            search("range", &fields, out);
        }
        Find::KeyNum { idx, first, step } => {
            let fields =
                [("keynumidx", i64::from(idx)), ("firstkey", i64::from(first)), ("keystep", i64::from(step))];
            search("keynum", &fields, out);
        }
        Find::Unknown => search("unknown", &[], out),
    }
}

fn search(kind: &str, fields: &[(&str, i64)], out: &mut impl Sink) {
    out.map(2);
    pair("type", kind, out);
    out.bulk(b"spec");
    out.map(fields.len());
    for (name, value) in fields {
        out.bulk(name.as_bytes());
        out.int(*value);
    }
}

fn pair(name: &str, value: &str, out: &mut impl Sink) {
    out.bulk(name.as_bytes());
    out.bulk(value.as_bytes());
}

/// COMMAND DOCS: all commands, or those of the names that exist.
pub fn docs<H: Copy + 'static, A: AsRef<[u8]>>(
    table: Table<'_, H>,
    names: &[A],
    family: Family,
    out: &mut impl Sink,
) {
    let wanted: Vec<Named<H>> = if names.is_empty() {
        table.iter().map(|row| Named::top(row)).collect()
    } else {
        names.iter().filter_map(|name| find(table, name.as_ref())).collect()
    };
    out.map(wanted.len());
    for named in &wanted {
        out.bulk(named.name.as_bytes());
        docs_of(named, family, out);
    }
}

fn docs_of<H: Copy + 'static>(named: &Named<H>, family: Family, out: &mut impl Sink) {
    let doc = named.doc(family);
    let head = [
        ("summary", doc.summary),
        ("since", doc.since),
        ("group", doc.group),
        ("complexity", doc.complexity),
        ("module", doc.module),
    ];
    let deprecation = [("deprecated_since", doc.deprecated_since), ("replaced_by", doc.replaced_by)];
    let texts = head.iter().chain(&deprecation).filter(|(_, text)| !text.is_empty()).count();
    let lists =
        [doc.flags.is_empty(), doc.history.is_empty(), doc.args.is_empty(), named.row.subs.is_empty()];
    out.map(texts + lists.iter().filter(|empty| !**empty).count());
    let known = |(name, text): &(&str, &str), out: &mut _| {
        if !text.is_empty() {
            pair(name, text, out);
        }
    };
    head.iter().for_each(|field| known(field, out));
    if !doc.flags.is_empty() {
        out.bulk(b"doc_flags");
        simples(doc.flags.iter().copied(), out);
    }
    deprecation.iter().for_each(|field| known(field, out));
    if !doc.history.is_empty() {
        out.bulk(b"history");
        out.set(doc.history.len());
        for (version, change) in &doc.history {
            out.array(2);
            out.bulk(version.as_bytes());
            out.bulk(change.as_bytes());
        }
    }
    arguments(&doc.args, out);
    if !named.row.subs.is_empty() {
        out.bulk(b"subcommands");
        out.map(named.row.subs.len());
        for sub in named.subs() {
            out.bulk(sub.name.as_bytes());
            docs_of(&sub, family, out);
        }
    }
}

/// The field with the list; nothing when it is empty.
fn arguments(args: &[Arg], out: &mut impl Sink) {
    if args.is_empty() {
        return;
    }
    out.bulk(b"arguments");
    out.array(args.len());
    args.iter().for_each(|arg| argument(arg, out));
}

fn argument(arg: &Arg, out: &mut impl Sink) {
    let display = arg.display.unwrap_or_default();
    let head = [("name", arg.name), ("type", arg.kind), ("display_text", display)];
    let tail = [("summary", arg.summary), ("since", arg.since), ("deprecated_since", arg.deprecated_since)];
    let texts = head.iter().chain(&tail).filter(|(_, text)| !text.is_empty()).count();
    let others = [arg.key_spec.is_some(), arg.token.is_some(), !arg.flags.is_empty(), !arg.args.is_empty()];
    out.map(texts + others.iter().filter(|present| **present).count());
    let known = |(name, text): &(&str, &str), out: &mut _| {
        if !text.is_empty() {
            pair(name, text, out);
        }
    };
    head.iter().for_each(|field| known(field, out));
    if let Some(index) = arg.key_spec {
        out.bulk(b"key_spec_index");
        out.int(index);
    }
    if let Some(token) = arg.token {
        pair("token", token, out);
    }
    tail.iter().for_each(|field| known(field, out));
    if !arg.flags.is_empty() {
        out.bulk(b"flags");
        simples(arg.flags.iter().copied(), out);
    }
    arguments(&arg.args, out);
}

/// What COMMAND LIST filters by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Filter<'a> {
    /// No filter. Subcommands are listed, too.
    All,
    /// `FILTERBY MODULE name`
    Module(&'a [u8]),
    /// `FILTERBY ACLCAT category`
    Category(&'a [u8]),
    /// `FILTERBY PATTERN glob`
    Pattern(&'a [u8]),
}

impl<'a> Filter<'a> {
    /// Reads what follows COMMAND LIST; None is a syntax error.
    pub fn parse<A: AsRef<[u8]>>(words: &'a [A]) -> Option<Filter<'a>> {
        let (by, kind, value) = match words {
            [] => return Some(Filter::All),
            [by, kind, value] => (by.as_ref(), kind.as_ref(), value.as_ref()),
            _ => return None,
        };
        if !by.eq_ignore_ascii_case(b"FILTERBY") {
            None
        } else if kind.eq_ignore_ascii_case(b"MODULE") {
            Some(Filter::Module(value))
        } else if kind.eq_ignore_ascii_case(b"ACLCAT") {
            Some(Filter::Category(value))
        } else if kind.eq_ignore_ascii_case(b"PATTERN") {
            Some(Filter::Pattern(value))
        } else {
            None
        }
    }
}

/// COMMAND LIST: names. `matches(pattern, name)` is a glob match that ignores case.
pub fn list<H: Copy + 'static>(
    table: Table<'_, H>,
    filter: Filter<'_>,
    matches: impl Fn(&[u8], &[u8]) -> bool,
    out: &mut impl Sink,
) {
    let category = match filter {
        Filter::Category(name) => Acl::category(name).unwrap_or(0),
        _ => 0,
    };
    let wanted = |named: &Named<H>| match filter {
        Filter::All => true,
        Filter::Module(module) => {
            named.row.flags.has(flag::MODULE)
                && named.doc(Family::Redis).module.as_bytes().eq_ignore_ascii_case(module)
        }
        Filter::Category(_) => named.row.acl.has(category),
        Filter::Pattern(pattern) => matches(pattern, named.name.as_bytes()),
    };
    let mut names = Vec::new();
    for row in table {
        let top = Named::top(row);
        let subs: Vec<_> = top.subs().collect();
        names.extend(std::iter::once(top).chain(subs).filter(&wanted).map(|named| named.name));
    }
    out.array(names.len());
    names.iter().for_each(|name| out.bulk(name.as_bytes()));
}

/// COMMAND GETKEYS and, with the family in whose words the flags are, GETKEYSANDFLAGS, for the command that `argv` is. An error is its text,
/// without `ERR`.
pub fn getkeys<H: Copy + 'static, A: AsRef<[u8]>>(
    table: Table<'_, H>,
    argv: &[A],
    flags: Option<Family>,
    out: &mut impl Sink,
) -> Result<(), &'static str> {
    let name = argv.first().map(A::as_ref).unwrap_or_default();
    let top = table.iter().find(|row| row.name.as_bytes().eq_ignore_ascii_case(name));
    let row = match (top, argv.get(1)) {
        (Some(top), Some(word)) if !top.subs.is_empty() => top.sub(word.as_ref()),
        (top, _) => top.copied(),
    };
    let row = row.ok_or("Invalid command specified")?;
    let no_keys = row.extract.is_none() && row.keys.iter().all(|spec| spec.flags & key::NOT_KEY != 0);
    if no_keys {
        return Err("The command has no key arguments");
    }
    if !row.accepts(argv.len()) {
        return Err("Invalid number of arguments specified for command");
    }
    let found = match keys::reported_keys(row, argv) {
        Ok(found) if !found.is_empty() => found,
        _ if row.flags.has(flag::NO_MANDATORY_KEYS) => KeyRefs::NONE,
        _ => return Err("Invalid arguments specified for command"),
    };
    out.array(found.len());
    for found in found.iter() {
        let name = argv[found.index as usize].as_ref();
        if let Some(family) = flags {
            out.array(2);
            out.bulk(name);
            simples(key::names(found.flags, family), out);
        } else {
            out.bulk(name);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::row::{Extract, acl, flag::*, key::*};

    type Handler = fn();
    fn nop() {}

    static TABLE: &[&Row<Handler>] = &[
        &Row::container(
            "config",
            -2,
            0,
            0,
            &[
                Row::new("get", -3, ADMIN | NOSCRIPT | LOADING | STALE, 0, &[], nop),
                Row::new("set", -4, ADMIN | NOSCRIPT | LOADING | STALE, 0, &[], nop),
            ],
        ),
        &Row::new("blpop", -3, WRITE | BLOCKING, acl::LIST, &[range(1, -2, 1, RW | ACCESS | DELETE)], nop),
        &Row::new(
            "eval",
            -3,
            NOSCRIPT | STALE | SKIP_MONITOR | NO_MANDATORY_KEYS,
            acl::SCRIPTING,
            &[counted(2, RW | ACCESS | UPDATE)],
            nop,
        ),
        &Row::new("ping", -1, FAST, acl::CONNECTION, &[], nop),
        &Row::<Handler>::new(
            "set",
            -3,
            WRITE | DENYOOM,
            acl::STRING,
            &[one(1, RW | ACCESS | UPDATE | VARIABLE_FLAGS)],
            nop,
        )
        .extract(Extract::Set),
        &Row::new("spublish", 3, PUBSUB | LOADING | STALE | FAST, 0, &[one(1, NOT_KEY)], nop),
    ];

    fn reply(resp3: bool, write: impl FnOnce(&mut Writer)) -> String {
        let mut out = Writer::new(resp3);
        write(&mut out);
        String::from_utf8(out.take_bytes()).expect("text").replace("\r\n", " ")
    }

    /// Recorded from Redis 8.6.3.
    #[test]
    fn command_info() {
        assert_eq!(
            reply(true, |out| info(TABLE, &["nosuch", "BLPOP"], Family::Redis, out)),
            "*2 _ *10 $5 blpop :-3 ~2 +write +blocking :1 :-2 :1 ~4 +@write +@list +@slow +@blocking ~0 ~1 \
             %3 $5 flags ~3 +RW +access +delete $12 begin_search %2 $4 type $5 index $4 spec %1 $5 index :1 \
             $9 find_keys %2 $4 type $5 range $4 spec %3 $7 lastkey :-2 $7 keystep :1 $5 limit :0 ~0 "
        );
        assert_eq!(reply(false, |out| info(TABLE, &["nosuch"], Family::Redis, out)), "*1 $-1 ");
        assert_eq!(
            reply(true, |out| info(TABLE, &["config|get"], Family::Redis, out)),
            "*1 *10 $10 config|get :-3 ~4 +admin +noscript +loading +stale :0 :0 :0 \
             ~3 +@admin +@slow +@dangerous ~0 ~0 ~0 "
        );
        let config = reply(true, |out| info(TABLE, &["config"], Family::Redis, out));
        assert!(
            config.starts_with("*1 *10 $6 config :-2 ~0 :0 :0 :0 ~1 +@slow ~0 ~0 *2 *10 $10 config|get :-3 ")
        );
    }

    /// Recorded from Redis 8.6.3.
    #[test]
    fn command_docs() {
        assert_eq!(
            reply(false, |out| docs(TABLE, &["nosuch", "config|get"], Family::Redis, out)),
            "*2 $10 config|get *12 $7 summary $57 Returns the effective values of configuration parameters. \
             $5 since $5 2.0.0 $5 group $6 server $10 complexity \
             $62 O(N) when N is the number of configuration parameters provided $7 history *1 *2 $5 7.0.0 \
             $65 Added the ability to pass multiple pattern parameters in one call $9 arguments *1 *8 $4 name \
             $9 parameter $4 type $6 string $12 display_text $9 parameter $5 flags *1 +multiple "
        );
        let config = reply(true, |out| docs(TABLE, &["config"], Family::Redis, out));
        assert!(config.contains(" $11 subcommands %2 $10 config|get %6 $7 summary "));
    }

    #[test]
    fn command_list() {
        let list = |words: &[&str]| {
            let filter = Filter::parse(words)?;
            // The test's patterns are a prefix and a star.
            let prefix = |pattern: &[u8], name: &[u8]| name.starts_with(&pattern[..pattern.len() - 1]);
            Some(reply(false, |out| super::list(TABLE, filter, prefix, out)))
        };
        assert_eq!(list(&["x"]), None);
        assert_eq!(list(&["FILTERBY", "x", "y"]), None);
        assert_eq!(list(&["filterby", "aclcat", "LIST"]), Some("*1 $5 blpop ".to_owned()));
        assert_eq!(list(&["filterby", "aclcat", "nosuch"]), Some("*0 ".to_owned()));
        assert_eq!(list(&["filterby", "module", "x"]), Some("*0 ".to_owned()));
        assert_eq!(
            list(&["filterby", "pattern", "con*"]),
            Some("*3 $6 config $10 config|get $10 config|set ".to_owned())
        );
        assert!(list(&[]).is_some_and(|all| all.starts_with("*8 ")));
    }

    /// Recorded from Redis 8.6.3.
    #[test]
    fn command_getkeys() {
        let cases = [
            ("blpop a b 0", Ok("*2 *2 $1 a *3 +RW +access +delete *2 $1 b *3 +RW +access +delete ")),
            ("set a b", Ok("*1 *2 $1 a *2 +OW +update ")),
            ("eval x 0", Ok("*0 ")),
            ("eval x 5 a", Ok("*0 ")),
            ("eval x", Err("Invalid number of arguments specified for command")),
            ("ping", Err("The command has no key arguments")),
            ("ping a b c", Err("The command has no key arguments")),
            ("spublish a", Err("The command has no key arguments")),
            ("config", Err("The command has no key arguments")),
            ("config get", Err("The command has no key arguments")),
            ("config nosuch", Err("Invalid command specified")),
            ("nosuch", Err("Invalid command specified")),
        ];
        for (line, expected) in cases {
            let argv: Vec<_> = line.split(' ').collect();
            let mut result = Ok(());
            let text = reply(false, |out| result = getkeys(TABLE, &argv, Some(Family::Redis), out));
            assert_eq!(result.map(|()| text.as_str()), expected, "{line}");
        }
    }

    #[test]
    fn the_rows_of_this_test_are_the_real_ones() {
        crate::recorded::check(TABLE, &["config"]);
    }
}
