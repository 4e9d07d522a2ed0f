//! Tables as Markdown, on the screen and in `docs/performance.md`.
//!
//! Invariant: a section of the document is replaced as a whole; the text around it stays.
//! Callers: rounds, memory, scenarios; `report` reads the saved sections.

use std::fs;

use anyhow::Result;

use super::options::Options;
use super::procstat;
use crate::peers::{self, REDIS, VALKEY};

/// Prints a table, saves it under `target/bench`, and puts it into the document when `--write` asks for it.
pub fn publish(
    section: &str,
    title: &str,
    head: &[&str],
    rows: &[Vec<String>],
    options: &Options,
) -> Result<()> {
    let table = render(head, rows);
    println!("\n{title}\n\n{table}");
    let text = format!("## {title}\n\n{}\n\n{table}", conditions(options));
    let dir = peers::workspace().join("target/bench");
    fs::create_dir_all(&dir)?;
    fs::write(dir.join(format!("{section}.md")), &text)?;
    if options.write {
        write_section(section, &text)?;
    }
    Ok(())
}

fn conditions(options: &Options) -> String {
    format!(
        "{}; valkey {}, redis {}; {} worker(s) on core {:?}, load on core {:?}, {} connections, {} keys, values of {} bytes, \
         median of {} rounds{}{}.",
        procstat::machine(),
        VALKEY.version,
        REDIS.version,
        options.workers,
        options.cpus,
        options.load_cpus,
        options.connections,
        options.keys,
        options.value_bytes,
        options.rounds,
        if options.replica { ", a replica attached" } else { "" },
        if options.args.is_empty() { String::new() } else { format!(", all with `{}`", options.args) },
    )
}

/// A Markdown table whose columns line up.
pub fn render(head: &[&str], rows: &[Vec<String>]) -> String {
    let width = |i: usize| {
        rows.iter()
            .filter_map(|r| r.get(i))
            .map(|c| c.chars().count())
            .chain([head[i].len()])
            .max()
            .unwrap_or(0)
    };
    let widths: Vec<usize> = (0..head.len()).map(width).collect();
    let line = |cells: &mut dyn Iterator<Item = String>| {
        let parts: Vec<String> = cells.zip(&widths).map(|(c, w)| format!("{c:<w$}")).collect();
        format!("| {} |\n", parts.join(" | "))
    };
    let mut out = line(&mut head.iter().map(|h| h.to_string()));
    out += &line(&mut widths.iter().map(|w| "-".repeat(*w)));
    rows.iter().for_each(|row| out += &line(&mut row.iter().cloned()));
    out
}

fn write_section(section: &str, text: &str) -> Result<()> {
    let path = peers::workspace().join("docs/performance.md");
    let old = fs::read_to_string(&path).unwrap_or_else(|_| String::from("# Performance\n"));
    fs::create_dir_all(peers::workspace().join("docs"))?;
    fs::write(path, replace_section(&old, section, text))?;
    Ok(())
}

/// `old` with the text between the marks of `section` replaced, or added at the end.
pub fn replace_section(old: &str, section: &str, text: &str) -> String {
    let begin = format!("<!-- begin {section} -->\n");
    let end = format!("<!-- end {section} -->\n");
    let body = format!("{begin}{}\n{end}", text.trim_end());
    match (old.find(&begin), old.find(&end)) {
        (Some(from), Some(to)) if from < to => format!("{}{body}{}", &old[..from], &old[to + end.len()..]),
        _ => format!("{}\n\n{body}", old.trim_end()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up() {
        let table = render(&["a", "long head"], &[vec!["wide cell".into(), "1".into()]]);
        assert_eq!(
            table,
            "| a         | long head |\n| --------- | --------- |\n| wide cell | 1         |\n"
        );
    }

    #[test]
    fn a_section_is_replaced_in_place() {
        let once = replace_section("# Title\n", "x", "one\n");
        let other = replace_section(&once, "y", "two\n");
        let twice = replace_section(&other, "x", "three\n");
        assert!(twice.contains("three") && twice.contains("two") && !twice.contains("one"), "{twice}");
        assert_eq!(twice.matches("begin x").count(), 1);
    }
}
