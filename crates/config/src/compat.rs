//! The part of the compatibility page that the table decides: directives without effect and those refused.

use std::fmt::Write;

use crate::directive::Status;
use crate::table::{LINES, ROWS};
use crate::value;

/// Markdown: two sections, names in the order of the table.
pub fn markdown() -> String {
    let mut out = String::from("### Directives that are refused\n\nOnly the default is accepted.\n\n");
    out.push_str("| directive | default | what is missing |\n|---|---|---|\n");
    for row in ROWS {
        if let Status::Refused(what) = row.status {
            let default = value::shown(row, &value::default_of(row));
            let default = String::from_utf8_lossy(&default).into_owned();
            line(&mut out, row.name, row.alias, &format!(" `{default}` | {what} |").replace("``", ""));
        }
    }
    for row in LINES {
        if let Status::Refused(what) = row.status {
            line(&mut out, row.name, None, &format!(" | {what} |"));
        }
    }
    out.push_str("\n### Directives without effect\n\nAccepted, kept, shown and rewritten.\n\n");
    let inert: Vec<_> = ROWS.iter().filter(|row| row.status == Status::Inert).map(|row| row.name).collect();
    for name in inert {
        out.push_str("- `");
        out.push_str(name);
        out.push_str("`\n");
    }
    out.push_str("\nWords of older versions are passed over in files: ");
    let old: Vec<_> = LINES.iter().filter(|row| row.status == Status::Inert).map(|row| row.name).collect();
    out.push_str(&format!("`{}`.\n", old.join("`, `")));
    out
}

fn line(out: &mut String, name: &str, alias: Option<&str>, rest: &str) {
    let alias = alias.map(|alias| format!(", `{alias}`")).unwrap_or_default();
    writeln!(out, "| `{name}`{alias} |{rest}").expect("invariant: writing to a string does not fail");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_without_effect_is_listed_once() {
        let page = markdown();
        for row in ROWS {
            let listed = page.matches(&format!("`{}`", row.name)).count();
            assert_eq!(listed, usize::from(row.status != Status::Works), "{}", row.name);
        }
    }
}
