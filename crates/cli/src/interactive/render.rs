//! Rich replies: hashes, streams and sorted sets as tables that fit the screen, other nested replies as
//! indented trees. Pure but for the renderer that prints. UTF-8 is shown, everything else escaped.

use std::cell::RefCell;
use std::rc::Rc;

use comfy_table::presets::UTF8_FULL_CONDENSED;
use comfy_table::{ContentArrangement, Table};
use resp::reply::Value;

use super::{Settings, live, pager};
use crate::session::{Renderer, lower};
use crate::{emit, format};

/// The session's hook: prints rich replies while `:set table` is on.
pub fn renderer(settings: Rc<RefCell<Settings>>) -> Renderer {
    Box::new(move |argv, value| {
        let settings = settings.borrow();
        if !settings.table {
            return false;
        }
        if argv.is_empty()
            && let Some(line) = live::line(value, &settings)
        {
            emit::out(line.as_bytes());
            return true;
        }
        let (width, _) = pager::screen();
        pager::show(&text(argv, value, width, &settings), settings.pager && !argv.is_empty());
        true
    })
}

/// A reply as text of whole lines.
#[must_use]
pub fn text(argv: &[Vec<u8>], value: &Value, width: usize, settings: &Settings) -> String {
    if format::is_verbatim(argv) && !value.is_error() {
        return verbatim(value, settings);
    }
    let name = lower(argv.first());
    if let Some(table) = as_table(&name, argv, value, width, settings) {
        return table;
    }
    let mut out = String::new();
    tree(&mut out, value, 0, settings);
    out
}

/// INFO and its like: headings and names in colour.
fn verbatim(value: &Value, settings: &Settings) -> String {
    let mut out = String::new();
    for line in value.to_text().lines() {
        let line = line.trim_end_matches('\r');
        if line.starts_with('#') {
            out.push_str(&settings.paint("1", line));
        } else if let Some((name, rest)) = line.split_once(':').filter(|(name, _)| !name.contains(' ')) {
            out.push_str(&format!("{}:{rest}", settings.paint("36", name)));
        } else {
            out.push_str(line);
        }
        out.push('\n');
    }
    out
}

/// Text as it is when it is printable, else with escapes.
fn show(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) if !text.chars().any(|c| c.is_control() && c != '\n') => text.to_owned(),
        _ => {
            let quoted = crate::quote::repr(bytes);
            String::from_utf8_lossy(&quoted[1..quoted.len() - 1]).into_owned()
        }
    }
}

/// A value on one line; aggregates in short.
#[must_use]
pub fn cell(value: &Value) -> String {
    match value {
        Value::Integer(number) => number.to_string(),
        Value::Null => "(nil)".to_owned(),
        Value::Boolean(flag) => flag.to_string(),
        Value::Array(items) | Value::Set(items) | Value::Push(items) => {
            items.iter().map(cell).collect::<Vec<_>>().join(", ")
        }
        Value::Map(pairs) | Value::Attribute(pairs) => pairs
            .iter()
            .map(|(key, item)| format!("{}={}", cell(key), cell(item)))
            .collect::<Vec<_>>()
            .join(", "),
        text => show(text.as_bytes().unwrap_or_default()),
    }
}

fn is_scalar(value: &Value) -> bool {
    value.as_slice().is_none() && !matches!(value, Value::Map(_) | Value::Attribute(_))
}

/// Commands whose flat reply is pairs in RESP2.
const PAIRED: &[&str] =
    &["hgetall", "config", "hrandfield", "zrange", "zrevrange", "zpopmin", "zpopmax", "zrangebyscore"];

fn as_table(
    name: &str,
    argv: &[Vec<u8>],
    value: &Value,
    width: usize,
    settings: &Settings,
) -> Option<String> {
    match value {
        Value::Map(pairs) if !pairs.is_empty() && name == "xread" || name == "xreadgroup" => {
            streams(value, width, settings)
        }
        Value::Map(pairs) if !pairs.is_empty() && pairs.iter().all(|(_, item)| is_scalar(item)) => {
            let rows = pairs.iter().map(|(key, item)| vec![cell(key), cell(item)]).collect();
            Some(draw(&["field", "value"], rows, width, settings))
        }
        Value::Array(items) if !items.is_empty() => {
            if name.starts_with('x')
                && let Some(table) = stream(items, width, settings)
            {
                return Some(table);
            }
            if let Some(table) =
                scored(items, width, settings).or_else(|| pairs(name, items, width, settings))
            {
                return Some(table);
            }
            if let Some(table) = records(items, width, settings) {
                return Some(table);
            }
            let asks_pairs =
                |word: &Vec<u8>| matches!(lower(Some(word)).as_str(), "withscores" | "withvalues");
            let paired = PAIRED.contains(&name)
                && (matches!(name, "hgetall" | "config") || argv.iter().any(asks_pairs));
            if paired && items.len() % 2 == 0 && items.iter().all(is_scalar) {
                let rows = items.chunks_exact(2).map(|pair| vec![cell(&pair[0]), cell(&pair[1])]).collect();
                let heads = if name.starts_with('z') { ["member", "score"] } else { ["field", "value"] };
                return Some(draw(&heads, rows, width, settings));
            }
            None
        }
        _ => None,
    }
}

/// Entries `[id, [field, value, ...]]`: a column for each field, in the order of first sight.
fn stream(items: &[Value], width: usize, settings: &Settings) -> Option<String> {
    let mut heads: Vec<String> = vec!["id".to_owned()];
    let mut rows = Vec::new();
    for item in items {
        let [id, fields] = item.as_slice()? else { return None };
        let fields =
            fields.as_slice().filter(|fields| fields.len() % 2 == 0 && fields.iter().all(is_scalar))?;
        id.as_bytes().filter(|id| id.contains(&b'-'))?;
        let mut row = vec![cell(id)];
        for pair in fields.chunks_exact(2) {
            let name = cell(&pair[0]);
            let column = heads.iter().position(|head| *head == name).unwrap_or_else(|| {
                heads.push(name);
                heads.len() - 1
            });
            row.resize(row.len().max(column + 1), String::new());
            row[column] = cell(&pair[1]);
        }
        rows.push(row);
    }
    rows.iter_mut().for_each(|row| row.resize(heads.len(), String::new()));
    Some(draw(&heads, rows, width, settings))
}

/// XREAD: a table for each stream.
fn streams(value: &Value, width: usize, settings: &Settings) -> Option<String> {
    let mut out = String::new();
    for (name, entries) in value.to_pairs()? {
        out.push_str(&format!("{}\n", settings.paint("1", &cell(name))));
        out.push_str(&stream(entries.as_slice()?, width, settings)?);
    }
    Some(out)
}

/// `[member, score]` pairs of RESP3.
fn scored(items: &[Value], width: usize, settings: &Settings) -> Option<String> {
    let row = |item: &Value| match item.as_slice() {
        Some([member, score @ Value::Double(_)]) => Some(vec![cell(member), cell(score)]),
        _ => None,
    };
    let rows: Option<Vec<_>> = items.iter().map(row).collect();
    rows.map(|rows| draw(&["member", "score"], rows, width, settings))
}

/// `[field, value]` pairs of commands known for them.
fn pairs(name: &str, items: &[Value], width: usize, settings: &Settings) -> Option<String> {
    let row = |item: &Value| match item.as_slice() {
        Some([first, second]) if is_scalar(first) && is_scalar(second) => {
            Some(vec![cell(first), cell(second)])
        }
        _ => None,
    };
    let rows: Option<Vec<_>> = items.iter().map(row).collect();
    rows.filter(|_| PAIRED.contains(&name)).map(|rows| draw(&["field", "value"], rows, width, settings))
}

/// Maps with the same keys: one row each.
fn records(items: &[Value], width: usize, settings: &Settings) -> Option<String> {
    let keys = |item: &Value| match item {
        Value::Map(pairs) if pairs.iter().all(|(_, value)| is_scalar(value)) => {
            Some(pairs.iter().map(|(key, _)| cell(key)).collect::<Vec<_>>())
        }
        _ => None,
    };
    let heads = keys(items.first()?)?;
    if !items.iter().all(|item| keys(item).is_some_and(|keys| keys == heads)) {
        return None;
    }
    let values = |item: &Value| match item {
        Value::Map(pairs) => pairs.iter().map(|(_, value)| cell(value)).collect(),
        _ => Vec::new(),
    };
    Some(draw(&heads, items.iter().map(values).collect(), width, settings))
}

fn draw<H: AsRef<str>>(heads: &[H], rows: Vec<Vec<String>>, width: usize, settings: &Settings) -> String {
    let mut table = Table::new();
    table.load_style(UTF8_FULL_CONDENSED).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_width(u16::try_from(width).unwrap_or(u16::MAX));
    table.set_header(heads.iter().map(|head| head.as_ref().to_owned()).collect::<Vec<_>>());
    let count = rows.len();
    for row in rows {
        table.add_row(row);
    }
    let word = if count == 1 { "row" } else { "rows" };
    format!("{table}\n{}\n", settings.dim(&format!("({count} {word})")))
}

/// Indented lines; a scalar on one line.
fn tree(out: &mut String, value: &Value, depth: usize, settings: &Settings) {
    let blanks = "  ".repeat(depth);
    match value {
        Value::Array(items) | Value::Set(items) | Value::Push(items) => {
            if items.is_empty() {
                out.push_str(&format!("{blanks}{}\n", settings.dim("(empty)")));
            }
            let width = items.len().to_string().len();
            for (index, item) in items.iter().enumerate() {
                let number = settings.dim(&format!("{:>width$})", index + 1));
                branch(out, &format!("{blanks}{number}"), item, depth, settings);
            }
        }
        Value::Map(pairs) | Value::Attribute(pairs) => {
            if pairs.is_empty() {
                out.push_str(&format!("{blanks}{}\n", settings.dim("(empty)")));
            }
            for (key, item) in pairs {
                let key = settings.paint("36", &cell(key));
                branch(out, &format!("{blanks}{key}:"), item, depth, settings);
            }
        }
        scalar => out.push_str(&format!("{blanks}{}\n", leaf(scalar, settings))),
    }
}

fn branch(out: &mut String, label: &str, item: &Value, depth: usize, settings: &Settings) {
    if is_scalar(item) {
        out.push_str(&format!("{label} {}\n", leaf(item, settings)));
    } else {
        out.push_str(&format!("{label}\n"));
        tree(out, item, depth + 2, settings);
    }
}

fn leaf(value: &Value, settings: &Settings) -> String {
    match value {
        Value::Error(text) => settings.paint("31", &format!("(error) {}", show(text))),
        Value::Integer(number) => format!("{} {number}", settings.dim("(integer)")),
        Value::Double(text) => format!("{} {}", settings.dim("(double)"), show(text)),
        Value::Null => settings.dim("(nil)"),
        Value::Boolean(flag) => settings.dim(&format!("({flag})")),
        Value::Bulk(text) => match std::str::from_utf8(text) {
            Ok(plain) if !plain.chars().any(char::is_control) => {
                format!("\"{}\"", plain.replace('"', "\\\""))
            }
            _ => String::from_utf8_lossy(&crate::quote::repr(text)).into_owned(),
        },
        text => show(text.as_bytes().unwrap_or_default()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::face::Face;
    use crate::options::Options;

    fn bulk(text: &str) -> Value {
        Value::Bulk(text.as_bytes().to_vec())
    }

    fn plain(argv: &str, value: &Value, width: usize) -> String {
        let mut settings = Settings::new(&Options::new(Face::Russet, ""));
        settings.color = false;
        let argv: Vec<Vec<u8>> = argv.split(' ').map(|word| word.as_bytes().to_vec()).collect();
        text(&argv, value, width, &settings)
    }

    #[test]
    fn hashes_become_tables() {
        let reply = Value::Map(vec![(bulk("name"), bulk("Zoë")), (bulk("raw"), Value::Bulk(vec![0xff]))]);
        let out = plain("hgetall k", &reply, 60);
        assert!(
            out.contains("│ name  ┆ Zoë   │") && out.contains("\\xff") && out.ends_with("(2 rows)\n"),
            "{out}"
        );
        let flat = Value::Array(vec![bulk("a"), bulk("1")]);
        assert!(plain("hgetall k", &flat, 60).contains("field"));
    }

    #[test]
    fn streams_get_a_column_per_field() {
        let entry = |id: &str, fields: &[&str]| {
            Value::Array(vec![bulk(id), Value::Array(fields.iter().map(|field| bulk(field)).collect())])
        };
        let reply = Value::Array(vec![entry("1-1", &["t", "20"]), entry("2-1", &["h", "5", "t", "21"])]);
        let out = plain("xrange s - +", &reply, 60);
        assert!(
            out.lines()
                .nth(1)
                .is_some_and(|head| head.contains("id") && head.contains('t') && head.contains('h')),
            "{out}"
        );
    }

    #[test]
    fn tables_fit_narrow_screens() {
        let reply = Value::Map(vec![(bulk("field"), bulk(&"x".repeat(200)))]);
        for line in plain("hgetall k", &reply, 30).lines() {
            assert!(unicode_width::UnicodeWidthStr::width(line) <= 30, "{line}");
        }
    }

    #[test]
    fn the_rest_is_a_tree() {
        let reply = Value::Array(vec![Value::Integer(1), Value::Array(vec![bulk("a\n"), Value::Null])]);
        assert_eq!(plain("eval x", &reply, 60), "1) (integer) 1\n2)\n    1) \"a\\n\"\n    2) (nil)\n");
        assert_eq!(plain("get k", &Value::Error(b"ERR x".to_vec()), 60), "(error) ERR x\n");
        assert_eq!(plain("get k", &bulk("日本"), 60), "\"日本\"\n");
        assert_eq!(plain("info", &bulk("# Server\r\na:1\r\n"), 60), "# Server\na:1\n");
    }
}
