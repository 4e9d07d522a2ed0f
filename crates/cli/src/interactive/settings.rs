//! `:set` and what it sets: one row per setting. The rc file holds such lines.

use std::cell::RefCell;
use std::io::IsTerminal;
use std::rc::Rc;

use crate::face::Face;
use crate::options::{Options, Output};
use crate::say;
use crate::session::Session;

/// Ways to behave.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Rich replies.
    pub table: bool,
    /// Say how long commands took.
    pub timing: bool,
    /// Show hints while typing.
    pub hints: bool,
    /// Page long replies.
    pub pager: bool,
    /// Use colours.
    pub color: bool,
}

struct Row {
    name: &'static str,
    field: fn(&mut Settings) -> &mut bool,
    help: &'static str,
}

const ROWS: &[Row] = &[
    Row { name: "hints", field: |s| &mut s.hints, help: "argument hints while typing" },
    Row { name: "table", field: |s| &mut s.table, help: "replies as tables and trees" },
    Row { name: "timing", field: |s| &mut s.timing, help: "time of every command" },
    Row { name: "pager", field: |s| &mut s.pager, help: "page replies taller than the screen" },
    Row { name: "color", field: |s| &mut s.color, help: "colours" },
];

impl Settings {
    /// The defaults for a command line and a terminal.
    #[must_use]
    pub fn new(options: &Options) -> Self {
        let fixed_output = options.output.is_some_and(|output| output != Output::Standard);
        Self {
            table: (options.face == Face::Russet || options.table) && !fixed_output,
            timing: false,
            hints: true,
            pager: std::io::stdout().is_terminal() && !is_dumb(),
            color: options.color.unwrap_or_else(wants_color),
        }
    }

    /// Text in grey, where there are colours.
    #[must_use]
    pub fn dim(&self, text: &str) -> String {
        self.paint("90", text)
    }

    /// Text in a colour.
    #[must_use]
    pub fn paint(&self, code: &str, text: &str) -> String {
        if self.color { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

/// The terminal can do nothing but print.
#[must_use]
pub fn is_dumb() -> bool {
    std::env::var("TERM").is_ok_and(|term| term == "dumb")
}

/// `NO_COLOR`, `CLICOLOR_FORCE`, and whether there is a terminal at all.
fn wants_color() -> bool {
    let value = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    // https://no-color.org: whatever the value.
    if value("NO_COLOR").is_some() {
        return false;
    }
    value("CLICOLOR_FORCE").is_some_and(|value| value != "0")
        || (std::io::stdout().is_terminal() && !is_dumb())
}

/// `:set`, `:set name`, `:set noname`, `:set raw|csv|json|standard`. False for an unknown name.
pub fn set(session: &mut Session, settings: &Rc<RefCell<Settings>>, words: &[String]) -> bool {
    let Some(name) = words.first() else {
        list(&settings.borrow());
        return true;
    };
    let formats = [
        ("standard", Output::Standard),
        ("raw", Output::Raw),
        ("csv", Output::Csv),
        ("json", Output::Json),
        ("quoted-json", Output::QuotedJson),
    ];
    if let Some((_, output)) = formats.iter().find(|(known, _)| known == name) {
        session.output = *output;
        settings.borrow_mut().table = false;
        return true;
    }
    let (bare, on) = match name.strip_prefix("no") {
        Some(rest) if ROWS.iter().any(|row| row.name == rest) => (rest, false),
        _ => (name.as_str(), !words.get(1).is_some_and(|word| word == "off" || word == "no")),
    };
    match ROWS.iter().find(|row| row.name == bare) {
        Some(row) => {
            *(row.field)(&mut settings.borrow_mut()) = on;
            true
        }
        None => false,
    }
}

fn list(settings: &Settings) {
    let mut copy = settings.clone();
    for row in ROWS {
        let on = *(row.field)(&mut copy);
        say!("  {:<8} {:<4} {}\n", row.name, if on { "on" } else { "off" }, row.help);
    }
    say!("  standard, raw, csv, json, quoted-json: format of replies\n");
}

/// Runs the `:set` lines of the rc file.
pub fn read_rc_file(session: &mut Session, settings: &Rc<RefCell<Settings>>) {
    let face = session.options.face;
    let path = face.env("RCFILE").map(std::path::PathBuf::from).or_else(|| {
        let home = std::env::var_os("HOME")?;
        Some(std::path::Path::new(&home).join(face.dot_file("rc")))
    });
    let Some(text) = path.and_then(|path| std::fs::read_to_string(path).ok()) else { return };
    for line in text.lines() {
        let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        if words.first().is_some_and(|word| word == ":set") && !set(session, settings, &words[1..]) {
            crate::warn!("{}: unknown setting '{line}'\n", face.dot_file("rc"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_their_opposites() {
        let options = Options::new(Face::Redis, "");
        let mut session = Session::new(options.clone(), true);
        let settings = Rc::new(RefCell::new(Settings::new(&options)));
        let mut run = |line: &str| {
            let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
            set(&mut session, &settings, &words)
        };
        assert!(run("table") && run("timing") && run("nohints"));
        assert!(!run("nosuch"));
        assert!(run("json"));
        let now = settings.borrow();
        assert!(now.timing && !now.hints && !now.table);
    }
}
