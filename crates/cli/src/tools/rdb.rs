//! `rdb json|csv|stats|keys FILE`: reads a dump file with the server's own decoder. One pass; memory is that
//! of the largest key.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::BufReader;

use ds::num::format_f64;
use ds::zset::packed;
use rdb::{Event, HashValue, KeyRecord, Reader, SetValue, Value, ZsetValue};

use crate::format::json_string;
use crate::modes::progress;
use crate::number::human_bytes;
use crate::options::Options;
use crate::{emit, quote, say};

/// What each key is turned into.
trait Sink {
    fn key(&mut self, db: u64, record: &KeyRecord, bytes: u64);
    fn aux(&mut self, _name: &[u8], _value: &[u8]) {}
    fn function(&mut self) {}
    fn finish(&mut self) {}
}

/// Runs the tool.
pub fn run(_: &Options, words: &[String]) -> Result<(), String> {
    let [format, path] = words else { return Err(String::new()) };
    let mut sink: Box<dyn Sink> = match format.as_str() {
        "json" => Box::new(Json { first: true }),
        "csv" => Box::new(Csv),
        "keys" => Box::new(Keys),
        "stats" => Box::<Stats>::default(),
        _ => return Err(String::new()),
    };
    let file =
        File::open(path).map_err(|error| format!("{path}: {}", crate::connection::strerror(&error)))?;
    let size = file.metadata().map(|metadata| metadata.len()).ok();
    let bar = progress::bar(size, true);
    let mut reader = Reader::new(BufReader::new(file), rdb::Trust::default())
        .map_err(|error| format!("{path}: {error}"))?;
    if format == "csv" {
        say!("db,key,type,elements,bytes,expires\n");
    }
    let (mut db, mut before) = (0, reader.offset());
    while let Some(event) = reader.next_event().map_err(|error| format!("{path}: {error}"))? {
        let offset = reader.offset();
        match event {
            Event::SelectDb(number) => db = number,
            Event::Key(record) => sink.key(db, &record, offset - before),
            Event::Aux { name, value } => sink.aux(&name, &value),
            Event::Function(_) => sink.function(),
            _ => {}
        }
        bar.set_position(offset);
        before = offset;
    }
    bar.finish_and_clear();
    sink.finish();
    Ok(())
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Str(_) => "string",
        Value::List(_) => "list",
        Value::Set(_) => "set",
        Value::Hash(_) => "hash",
        Value::Zset(_) => "zset",
        Value::Stream(_) => "stream",
        Value::Vectors(_) => "vectorset",
    }
}

/// Elements; bytes of a string.
fn elements(value: &Value) -> u64 {
    let count = match value {
        Value::Str(text) => text.len(),
        Value::List(list) => list.len(),
        Value::Set(SetValue::Intset(set)) => set.view().len(),
        Value::Set(SetValue::Packed(pack)) => pack.len(),
        Value::Set(SetValue::Members(members)) => members.len(),
        Value::Set(SetValue::Large(set)) => set.len(),
        Value::Hash(HashValue::Packed(pack)) => pack.len() / 2,
        Value::Hash(HashValue::Fields(fields)) => fields.len(),
        Value::Zset(ZsetValue::Packed(pack)) => packed::len(pack.view()),
        Value::Zset(ZsetValue::Large(set)) => set.len(),
        Value::Stream(stream) => return stream.len(),
        Value::Vectors(set) => set.len(),
    };
    count as u64
}

/// JSON: an array, one key per line.
struct Json {
    first: bool,
}

impl Sink for Json {
    fn key(&mut self, db: u64, record: &KeyRecord, _: u64) {
        let mut out = if self.first { b"[\n".to_vec() } else { b",\n".to_vec() };
        self.first = false;
        out.extend_from_slice(format!("{{\"db\":{db},\"key\":").as_bytes());
        json_text(&mut out, &record.key);
        out.extend_from_slice(format!(",\"type\":\"{}\"", kind(&record.value)).as_bytes());
        if let Some(expire) = record.expire_ms {
            out.extend_from_slice(format!(",\"expires_ms\":{expire}").as_bytes());
        }
        out.extend_from_slice(b",\"value\":");
        json_value(&mut out, &record.value);
        out.push(b'}');
        emit::out(&out);
    }

    fn finish(&mut self) {
        emit::out(if self.first { b"[]\n" } else { b"\n]\n" });
    }
}

/// Text that is no UTF-8 is escaped first, so that the output is JSON in any case.
fn json_text(out: &mut Vec<u8>, text: &[u8]) {
    if std::str::from_utf8(text).is_ok() {
        json_string(out, text, false);
    } else {
        let escaped = quote::repr(text);
        json_string(out, &escaped[1..escaped.len() - 1], false);
    }
}

fn json_list<T>(out: &mut Vec<u8>, items: impl Iterator<Item = T>, mut write: impl FnMut(&mut Vec<u8>, T)) {
    out.push(b'[');
    for (index, item) in items.enumerate() {
        if index > 0 {
            out.push(b',');
        }
        write(out, item);
    }
    out.push(b']');
}

fn json_fields(out: &mut Vec<u8>, pairs: impl Iterator<Item = (Vec<u8>, Vec<u8>)>) {
    out.push(b'{');
    for (index, (name, value)) in pairs.enumerate() {
        if index > 0 {
            out.push(b',');
        }
        json_text(out, &name);
        out.push(b':');
        json_text(out, &value);
    }
    out.push(b'}');
}

fn json_scored(out: &mut Vec<u8>, pairs: impl Iterator<Item = (Vec<u8>, f64)>) {
    json_list(out, pairs, |out, (member, score)| {
        out.push(b'[');
        json_text(out, &member);
        out.push(b',');
        json_number(out, score);
        out.push(b']');
    });
}

fn json_number(out: &mut Vec<u8>, number: f64) {
    if number.is_finite() {
        return format_f64(number, out);
    }
    // JSON has no infinity.
    out.push(b'"');
    format_f64(number, out);
    out.push(b'"');
}

fn json_vectors(out: &mut Vec<u8>, set: &ds::vector::VectorSet) {
    json_list(out, set.from_name(b""), |out, slot| {
        let element = set.element(slot);
        out.extend_from_slice(b"{\"element\":");
        json_text(out, element.name);
        out.extend_from_slice(b",\"vector\":");
        json_list(out, set.vector(slot).into_iter(), |out, number| json_number(out, f64::from(number)));
        if let Some(attribute) = element.attribute {
            out.extend_from_slice(b",\"attributes\":");
            json_text(out, attribute);
        }
        out.push(b'}');
    });
}

fn json_value(out: &mut Vec<u8>, value: &Value) {
    match value {
        Value::Str(text) => json_text(out, text),
        Value::List(list) => json_list(out, list.iter(), |out, item| json_text(out, &item.to_vec())),
        Value::Set(SetValue::Intset(set)) => json_list(out, set.view().iter(), |out, item| {
            json_text(out, item.to_string().as_bytes());
        }),
        Value::Set(SetValue::Packed(pack)) => {
            json_list(out, pack.iter(), |out, item| json_text(out, &item.to_vec()))
        }
        Value::Set(SetValue::Members(members)) => {
            json_list(out, members.iter(), |out, item| json_text(out, item))
        }
        Value::Set(SetValue::Large(set)) => {
            json_list(out, set.iter(), |out, member| json_text(out, member.name()))
        }
        Value::Hash(HashValue::Packed(pack)) => {
            let items: Vec<Vec<u8>> = pack.iter().map(|item| item.to_vec()).collect();
            json_fields(out, items.chunks_exact(2).map(|pair| (pair[0].clone(), pair[1].clone())));
        }
        Value::Hash(HashValue::Fields(fields)) => {
            json_fields(out, fields.iter().map(|field| (field.name.clone(), field.value.clone())));
        }
        Value::Zset(ZsetValue::Packed(pack)) => {
            json_scored(out, packed::iter(pack.view()).map(|(member, score)| (member.to_vec(), score)));
        }
        Value::Zset(ZsetValue::Large(set)) => {
            json_scored(out, set.iter().map(|(member, score)| (member.to_vec(), score)));
        }
        Value::Vectors(set) => json_vectors(out, set),
        Value::Stream(stream) => json_list(
            out,
            stream.range(ds::stream::StreamId::MIN, ds::stream::StreamId::MAX),
            |out, entry| {
                let mut id = Vec::new();
                entry.id().write_to(&mut id);
                out.extend_from_slice(b"{\"id\":");
                json_text(out, &id);
                out.extend_from_slice(b",\"fields\":");
                json_fields(out, entry.fields().map(|(name, value)| (name.to_vec(), value.to_vec())));
                out.push(b'}');
            },
        ),
    }
}

/// One line of facts per key.
struct Csv;

impl Sink for Csv {
    fn key(&mut self, db: u64, record: &KeyRecord, bytes: u64) {
        let (kind, count) = (kind(&record.value), elements(&record.value));
        let expires = record.expire_ms.map(|expire| expire.to_string()).unwrap_or_default();
        let mut out = format!("{db},").into_bytes();
        csv_text(&mut out, &record.key);
        out.extend_from_slice(format!(",{kind},{count},{bytes},{expires}\n").as_bytes());
        emit::out(&out);
    }
}

/// Quoted as RFC 4180 says; bytes that are no UTF-8 escaped.
fn csv_text(out: &mut Vec<u8>, text: &[u8]) {
    let shown = match std::str::from_utf8(text) {
        Ok(text) => text.to_owned(),
        Err(_) => String::from_utf8_lossy(&quote::repr(text)).trim_matches('"').to_owned(),
    };
    out.extend_from_slice(format!("\"{}\"", shown.replace('"', "\"\"")).as_bytes());
}

/// Names only, escaped when they are not printable.
struct Keys;

impl Sink for Keys {
    fn key(&mut self, _: u64, record: &KeyRecord, _: u64) {
        let plain = std::str::from_utf8(&record.key).is_ok_and(|key| !key.chars().any(char::is_control));
        let mut line = if plain { record.key.clone() } else { quote::repr(&record.key) };
        line.push(b'\n');
        emit::out(&line);
    }
}

/// How many of the largest keys are listed.
const TOP: usize = 10;

#[derive(Default)]
struct Stats {
    facts: Vec<(String, String)>,
    functions: u64,
    databases: BTreeMap<u64, (u64, u64)>,
    kinds: BTreeMap<&'static str, (u64, u64, u64)>,
    top: Vec<(u64, &'static str, Vec<u8>)>,
}

impl Sink for Stats {
    fn key(&mut self, db: u64, record: &KeyRecord, bytes: u64) {
        let (keys, expires) = self.databases.entry(db).or_default();
        *keys += 1;
        *expires += u64::from(record.expire_ms.is_some());
        let kind = kind(&record.value);
        let row = self.kinds.entry(kind).or_default();
        row.0 += 1;
        row.1 += elements(&record.value);
        row.2 += bytes;
        let place = self.top.partition_point(|(size, ..)| *size >= bytes);
        if place < TOP {
            self.top.insert(place, (bytes, kind, record.key.clone()));
            self.top.truncate(TOP);
        }
    }

    fn aux(&mut self, name: &[u8], value: &[u8]) {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        self.facts.push((text(name), text(value)));
    }

    fn function(&mut self) {
        self.functions += 1;
    }

    fn finish(&mut self) {
        for (name, value) in &self.facts {
            say!("{name:<16} {value}\n");
        }
        say!("functions        {}\n\n", self.functions);
        for (db, (keys, expires)) in &self.databases {
            say!("db{db}: {keys} keys, {expires} with expiry\n");
        }
        say!("\ntype            keys     elements  in the file\n");
        for (kind, (keys, elements, bytes)) in &self.kinds {
            say!("{kind:<8} {keys:>11} {elements:>12} {:>12}\n", human(*bytes));
        }
        say!("\nlargest keys in the file\n");
        for (bytes, kind, key) in &self.top {
            say!("{:>10} {kind:<8} {}\n", human(*bytes), String::from_utf8_lossy(&quote::repr(key)));
        }
    }
}

fn human(bytes: u64) -> String {
    human_bytes(i64::try_from(bytes).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_json() {
        let render = |value: &Value| {
            let mut out = Vec::new();
            json_value(&mut out, value);
            String::from_utf8(out).expect("UTF-8")
        };
        assert_eq!(render(&Value::Str(b"a\"\xff".to_vec())), "\"a\\\\\\\"\\\\xff\"");
        let members = Value::Set(SetValue::Members(vec![b"x".to_vec(), b"y".to_vec()]));
        assert_eq!(render(&members), "[\"x\",\"y\"]");
        assert_eq!(elements(&members), 2);
        let mut set = ds::zset::Zset::new();
        set.insert(b"m", 1.5);
        set.insert(b"n", f64::INFINITY);
        assert_eq!(render(&Value::Zset(ZsetValue::Large(set))), "[[\"m\",1.5],[\"n\",\"inf\"]]");
    }

    #[test]
    fn csv_quotes() {
        let mut out = Vec::new();
        csv_text(&mut out, b"a\"b,c");
        assert_eq!(out, b"\"a\"\"b,c\"");
    }
}
