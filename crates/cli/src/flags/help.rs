//! The help page, laid out from the table of flags.

use super::{Flag, table};
use crate::face::Face;

/// The whole page for one name.
#[must_use]
pub fn page(face: Face) -> String {
    let program = face.program();
    let mut out =
        format!("{program} {}\n\nUsage: {program} [OPTIONS] [cmd [arg [arg ...]]]\n", face.version());
    for flag in table() {
        if let Some(lines) = flag.help.lines(face) {
            out.push_str(&reword(lines, face));
            out.push('\n');
        }
    }
    if face == Face::Russet {
        out.push_str(TOOLS);
    }
    out.push_str(&TAIL.replace("{program}", program).replace("{scheme}", scheme(face)));
    out
}

/// A flag's lines taken apart, for the manual page and the documentation.
pub struct Entry {
    /// Flag and value, all spellings: `--pass <password>`, `-v, --version`.
    pub head: String,
    /// What it does, on one line.
    pub text: String,
}

/// The entry of a flag; `None` when the page does not list it.
#[must_use]
pub fn entry(flag: &Flag, face: Face) -> Option<Entry> {
    let lines = reword(flag.help.lines(face)?, face);
    let (first, more) = lines.trim_start().split_once('\n').unwrap_or((lines.trim_start(), ""));
    // The text starts behind a gap, or behind the value when a long flag leaves no gap.
    let gap = first.find("  ").unwrap_or(first.len());
    let value = first.find("> ").filter(|at| *at < gap && !first[at + 2..].starts_with('['));
    let (head, body) = first.split_at(value.map_or(gap, |at| at + 1));
    let mut head = head.to_owned();
    for name in flag.names.iter().skip(1) {
        head.push_str(", ");
        head.push_str(name);
    }
    let lines = std::iter::once(body).chain(more.lines());
    let text: Vec<&str> = lines.map(str::trim).filter(|line| !line.is_empty()).collect();
    Some(Entry { head, text: text.join(" ") })
}

fn scheme(face: Face) -> &'static str {
    if face == Face::Valkey { "valkey" } else { "redis" }
}

/// Under our own name the texts speak of no other product.
fn reword(lines: &str, face: Face) -> String {
    if face == Face::Russet {
        lines.replace("REDISCLI_AUTH", "RUSSETCLI_AUTH").replace("Sample Redis keys", "Sample keys")
    } else {
        lines.to_owned()
    }
}

const TOOLS: &str = "
Tools:
  rdb json|csv|stats|keys <file>   Read a dump file.
  doctor                           Look at a server and its host, say what to mend.
  completions bash|zsh|fish        Print a completion script.
  man                              Print the manual page.
";

const TAIL: &str = "
Cluster Manager Commands:
  Use --cluster help to list all available cluster manager commands.

Examples:
  {program} -u {scheme}://default:PASSWORD@localhost:6379/0
  cat /etc/passwd | {program} -x set mypasswd
  {program} -D \"\" --raw dump key > key.dump && {program} -X dump_tag restore key2 0 dump_tag replace < key.dump
  {program} -r 100 lpush mylist x
  {program} -r 100 -i 1 info | grep used_memory_human:
  {program} --quoted-input set '\"null-\\x00-separated\"' value
  {program} --eval myscript.lua key1 key2 , arg1 arg2 arg3
  {program} --scan --pattern '*:12345*'
  {program} --scan --pattern '*:12345*' --count 100

  (Note: when using --eval the comma separates KEYS[] from ARGV[] items)

When no command is given, {program} starts in interactive mode.
Type \"help\" in interactive mode for information on available commands
and settings.

";
