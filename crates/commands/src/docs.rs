//! The prose about commands: summaries, history, argument trees, tips. Recorded from the real servers' COMMAND
//! DOCS and COMMAND INFO: `data/docs.tsv` has Redis 8.6.3, and Valkey 9.1.2 for what only it has; `data/docs-valkey.tsv`
//! has what Valkey says in other words.
//!
//! A file is a list of fields, one per line, tab separated, in blocks that a `command` line opens; an argument
//! carries its depth in the tree. To document a command, add its block. Parsed once, at the first question.
//! Called by `introspect`.

use std::collections::HashMap;
use std::sync::OnceLock;

use config::Family;

/// Everything about one command or subcommand that is not in its row.
#[derive(Debug, Default)]
pub struct Doc {
    /// One sentence.
    pub summary: &'static str,
    /// Version that brought it.
    pub since: &'static str,
    /// Such as `string`.
    pub group: &'static str,
    /// In words; empty when not told.
    pub complexity: &'static str,
    /// Module that provides it; mostly empty.
    pub module: &'static str,
    /// `deprecated`, `syscmd`
    pub flags: Vec<&'static str>,
    /// Empty when it is not.
    pub deprecated_since: &'static str,
    /// What to use instead.
    pub replaced_by: &'static str,
    /// Versions and what they changed.
    pub history: Vec<(&'static str, &'static str)>,
    /// Hints for clients, such as `request_policy:all_nodes`.
    pub tips: Vec<&'static str>,
    /// Remarks on key specs, by their index.
    pub notes: Vec<(usize, &'static str)>,
    /// Top level of the argument tree.
    pub args: Vec<Arg>,
}

/// A node of the argument tree.
#[derive(Debug, Default)]
pub struct Arg {
    /// `string`, `key`, `oneof`, ...
    pub kind: &'static str,
    /// Name in the documentation.
    pub name: &'static str,
    /// Name to show; inner nodes (`oneof`, `block`) have none.
    pub display: Option<&'static str>,
    /// Index of its key spec.
    pub key_spec: Option<i64>,
    /// Word that stands before it, or alone. May be the empty word.
    pub token: Option<&'static str>,
    /// One sentence; mostly empty.
    pub summary: &'static str,
    /// Version that brought it.
    pub since: &'static str,
    /// Empty when it is not.
    pub deprecated_since: &'static str,
    /// `optional`, `multiple`, `multiple_token`
    pub flags: Vec<&'static str>,
    /// Inner arguments.
    pub args: Vec<Arg>,
}

/// The documentation of a command by its full lower-case name (`config|get`), in the words of the family.
pub fn doc(name: &str, family: Family) -> Option<&'static Doc> {
    static DOCS: OnceLock<HashMap<&'static str, Doc>> = OnceLock::new();
    static OF_VALKEY: OnceLock<HashMap<&'static str, Doc>> = OnceLock::new();
    let read = |text| parse(text).expect("invariant: the data file is well formed");
    let own = match family {
        Family::Redis => None,
        Family::Valkey => OF_VALKEY.get_or_init(|| read(include_str!("../data/docs-valkey.tsv"))).get(name),
    };
    own.or_else(|| DOCS.get_or_init(|| read(include_str!("../data/docs.tsv"))).get(name))
}

/// None on a line that has no place.
fn parse(text: &'static str) -> Option<HashMap<&'static str, Doc>> {
    let mut docs = HashMap::new();
    let mut open: Option<(&'static str, Doc)> = None;
    for line in text.lines() {
        let (field, rest) = line.split_once('\t')?;
        if field == "command" {
            docs.extend(open.replace((rest, Doc::default())));
        } else {
            open.as_mut()?.1.field(field, rest)?;
        }
    }
    docs.extend(open);
    Some(docs)
}

impl Doc {
    fn field(&mut self, field: &str, rest: &'static str) -> Option<()> {
        match field {
            "summary" => self.summary = rest,
            "since" => self.since = rest,
            "group" => self.group = rest,
            "complexity" => self.complexity = rest,
            "module" => self.module = rest,
            "doc_flags" => self.flags = rest.split(',').collect(),
            "deprecated_since" => self.deprecated_since = rest,
            "replaced_by" => self.replaced_by = rest,
            "history" => self.history.push(rest.split_once('\t')?),
            "tip" => self.tips.push(rest),
            "note" => {
                let (index, note) = rest.split_once('\t')?;
                self.notes.push((index.parse().ok()?, note));
            }
            "arg" => {
                let (depth, arg) = rest.split_once('\t')?;
                let level = level_at(&mut self.args, depth.parse().ok()?)?;
                level.push(Arg::parse(arg)?);
            }
            _ => return None,
        }
        Some(())
    }
}

/// The list that an argument of that depth belongs to: inside the last argument of each level above.
fn level_at(args: &mut Vec<Arg>, depth: usize) -> Option<&mut Vec<Arg>> {
    match depth {
        0 => Some(args),
        _ => level_at(&mut args.last_mut()?.args, depth - 1),
    }
}

impl Arg {
    fn parse(line: &'static str) -> Option<Arg> {
        let mut fields = line.split('\t');
        let (kind, name) = (fields.next()?, fields.next()?);
        let display = if matches!(kind, "oneof" | "block") { None } else { Some(name) };
        let mut arg = Arg { kind, name, display, ..Arg::default() };
        for field in fields {
            let (key, value) = field.split_once('=')?;
            match key {
                "display" => arg.display = Some(value),
                "key_spec" => arg.key_spec = Some(value.parse().ok()?),
                "token" => arg.token = Some(value),
                "summary" => arg.summary = value,
                "since" => arg.since = value,
                "deprecated_since" => arg.deprecated_since = value,
                "flags" => arg.flags = value.split(',').collect(),
                _ => return None,
            }
        }
        Some(arg)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tree_is_built() {
        let getex = doc("getex", Family::Redis).expect("documented");
        assert_eq!((getex.group, getex.since), ("string", "6.2.0"));
        let names: Vec<_> = getex.args.iter().map(|arg| (arg.name, arg.args.len())).collect();
        assert_eq!(names, [("key", 0), ("expiration", 5)]);
        assert_eq!(getex.args[1].flags, ["optional"]);
        assert_eq!(getex.args[1].args[0].token, Some("EX"));
        assert_eq!(doc("sort", Family::Redis).map(|doc| doc.notes.len()), Some(2));
        assert!(doc("nosuch", Family::Valkey).is_none());
        let tokens = |family| {
            let condition = &doc("set", family).expect("documented").args[2];
            condition.args.iter().filter_map(|arg| arg.token).collect::<Vec<_>>()
        };
        assert_eq!(tokens(Family::Redis), ["NX", "XX", "IFEQ", "IFNE", "IFDEQ", "IFDNE"]);
        assert_eq!(tokens(Family::Valkey), ["NX", "XX", "IFEQ"]);
    }

    #[test]
    fn a_line_without_a_place_is_refused() {
        for bad in [
            "summary\tx\n",
            "command\ta\nfoo\tx\n",
            "command\ta\narg\t1\tkey\tk\n",
            "command\ta\narg\t0\tkey\n",
        ] {
            assert!(parse(bad).is_none(), "{bad}");
        }
    }
}
