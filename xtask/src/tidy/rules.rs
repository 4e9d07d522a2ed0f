//! Rules about single files: size, header, unsafe, unwrap, and places of this or that machine.
//!
//! Invariant: a rule looks at code with literals and comments taken out, so that prose never trips it.
//! Callers: `tidy::run`; `report` counts with the same functions.

use std::fs;

use anyhow::Result;

use super::lexer::block_end;
use super::{File, Finding};
use crate::peers::workspace;

const MAX_FUNCTION_LINES: usize = 100;
const LONG_FUNCTION_LINES: usize = 70;
const MAX_FILE_LINES: usize = 1000;
/// Crates that may hold unsafe code.
const UNSAFE_HOMES: &[&str] = &["crates/ds", "crates/sys"];
/// How far above a block its SAFETY comment may begin.
const SAFETY_LINES: usize = 12;
/// The same for an `unsafe fn` of an `unsafe impl`, which is explained once, above the impl.
const IMPL_LINES: usize = 40;

/// Checks one Rust file.
pub fn check_file(file: &File, findings: &mut Vec<Finding>) {
    let mut find =
        |rule, line, text: String| findings.push(Finding { rule, path: file.path.clone(), line, text });
    let lines = file.source.code.len();
    if lines > MAX_FILE_LINES {
        find("size", 0, format!("{lines} lines, at most {MAX_FILE_LINES}"));
    }
    for (line, name, length) in functions(file) {
        if length >= MAX_FUNCTION_LINES {
            find(
                "size",
                line + 1,
                format!("fn {name} has {length} lines, fewer than {MAX_FUNCTION_LINES} allowed"),
            );
        }
    }
    let has_header =
        file.source.comments.iter().zip(&file.source.code).take(3).any(|(c, _)| c.starts_with("//!"));
    if !has_header {
        find("header", 1, "the file does not open with //! (what it is, its invariant, who calls it)".into());
    }
    let root = ["/src/lib.rs", "/src/main.rs"].iter().any(|end| file.path.ends_with(end));
    let may_be_unsafe = UNSAFE_HOMES.contains(&file.home());
    if root && !may_be_unsafe && !file.text.contains("#![forbid(unsafe_code)]") {
        find("unsafe", 1, "#![forbid(unsafe_code)] is missing".into());
    }
    for (line, code) in file.source.code.iter().enumerate() {
        if has_word(code, "unsafe") {
            if !may_be_unsafe {
                find("unsafe", line + 1, "unsafe outside ds and sys".into());
            } else if !explained(file, line) {
                find("unsafe", line + 1, "unsafe without a SAFETY: comment (or # Safety section)".into());
            }
        }
        if code.contains(".unwrap()") && !file.source.in_tests[line] && !file.is_test() {
            find("unwrap", line + 1, "unwrap() outside tests".into());
        }
    }
}

/// (line from 0, name, length in lines) of each function with a body.
pub fn functions(file: &File) -> Vec<(usize, String, usize)> {
    let code = &file.source.code;
    let mut all = Vec::new();
    for (line, text) in code.iter().enumerate() {
        let Some(at) = word_at(text, "fn") else { continue };
        let name: String =
            text[at + 2..].trim_start().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
        if name.is_empty() {
            continue;
        }
        let end = block_end(code, line);
        all.push((line, name, end - line + 1));
    }
    all
}

/// How many functions are longer than they should be.
pub fn long_functions(files: &[File]) -> usize {
    files.iter().flat_map(functions).filter(|(_, _, length)| *length >= LONG_FUNCTION_LINES).count()
}

/// Lines with the word `unsafe` in code.
pub fn unsafe_lines(file: &File) -> usize {
    file.source.code.iter().filter(|code| has_word(code, "unsafe")).count()
}

fn explained(file: &File, line: usize) -> bool {
    let comments = &file.source.comments;
    let marked = |i: usize| comments[i].contains("SAFETY:") || comments[i].contains("# Safety");
    let reach = if file.source.code[line].contains("unsafe fn") { IMPL_LINES } else { SAFETY_LINES };
    (line.saturating_sub(reach)..=line).any(marked)
}

fn has_word(code: &str, word: &str) -> bool {
    word_at(code, word).is_some()
}

fn word_at(code: &str, word: &str) -> Option<usize> {
    let part_of_word = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
    code.match_indices(word).map(|(at, _)| at).find(|&at| {
        !part_of_word(code[..at].chars().next_back()) && !part_of_word(code[at + word.len()..].chars().next())
    })
}

/// Text that only means something on one machine.
fn places() -> [String; 5] {
    // Put together here, so that this file does not find itself.
    ["/ro!ot/", "/wo!rk/", "/opt/pe!ers", "replace!-with", "registry = \"htt!p"].map(|s| s.replace('!', ""))
}

/// No tracked text file names a place of some machine or a registry.
pub fn check_places(paths: &[String], findings: &mut Vec<Finding>) -> Result<()> {
    const LOCK_SOURCE: &str = "registry+https://github.com/rust-lang/crates.io-index";
    for path in paths {
        let Ok(text) = String::from_utf8(fs::read(workspace().join(path))?) else { continue };
        for (index, line) in text.lines().enumerate() {
            let bad_source =
                path.ends_with("Cargo.lock") && line.starts_with("source = ") && !line.contains(LOCK_SOURCE);
            if bad_source || places().iter().any(|place| line.contains(place.as_str())) {
                let text = format!("names a place of one machine: {}", line.trim());
                findings.push(Finding { rule: "places", path: path.clone(), line: index + 1, text });
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::split;
    use super::*;

    fn check(path: &str, text: &str) -> Vec<(&'static str, usize)> {
        let file = File { path: path.into(), text: text.into(), source: split(text) };
        let mut findings = Vec::new();
        check_file(&file, &mut findings);
        findings.into_iter().map(|f| (f.rule, f.line)).collect()
    }

    #[test]
    fn each_rule_finds_its_case() {
        let long = format!("//! x\nfn long() {{\n{}}}\n", "    call();\n".repeat(98));
        let fits = format!("//! x\nfn fits() {{\n{}}}\n", "    call();\n".repeat(97));
        type Case<'a> = (&'a str, &'a str, &'a [(&'a str, usize)]);
        let cases: &[Case<'_>] = &[
            ("crates/ds/src/a.rs", "//! x\nfn f() {}\n", &[]),
            ("crates/ds/src/a.rs", "fn f() {}\n", &[("header", 1)]),
            ("crates/ds/src/a.rs", "//! x\nfn f() { unsafe { g() } }\n", &[("unsafe", 2)]),
            ("crates/ds/src/a.rs", "//! x\n// SAFETY: g is harmless.\nfn f() { unsafe { g() } }\n", &[]),
            ("crates/acl/src/a.rs", "//! x\n// SAFETY: no.\nunsafe fn f() {}\n", &[("unsafe", 3)]),
            ("crates/acl/src/a.rs", "//! unsafe in prose\nconst A: &str = \"unsafe\"; // unsafe\n", &[]),
            ("crates/acl/src/lib.rs", "//! x\n", &[("unsafe", 1)]),
            ("crates/acl/src/a.rs", "//! x\nfn f() { g().unwrap() }\n", &[("unwrap", 2)]),
            ("crates/acl/src/a.rs", "//! x\n#[cfg(test)]\nmod tests { fn f() { g().unwrap() } }\n", &[]),
            ("crates/acl/src/a.rs", &long, &[("size", 2)]),
            ("crates/acl/src/a.rs", &fits, &[]),
        ];
        for (path, text, expected) in cases {
            assert_eq!(check(path, text), *expected, "{text}");
        }
    }
}
