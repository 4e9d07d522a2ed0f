//! The manual page in troff, from the table of flags.

use crate::emit;
use crate::face::Face;
use crate::flags::{help, table};
use crate::options::Options;

/// Prints the page.
pub fn run(options: &Options, words: &[String]) -> Result<(), String> {
    if !words.is_empty() {
        return Err(String::new());
    }
    emit::out(page(options.face).as_bytes());
    Ok(())
}

/// Makes a text safe for troff.
fn escape(text: &str) -> String {
    let text = text.replace('\\', "\\e").replace('-', "\\-");
    if text.starts_with(['.', '\'']) { format!("\\&{text}") } else { text }
}

fn page(face: Face) -> String {
    let program = face.program();
    let mut out = format!(
        ".TH {} 1\n.SH NAME\n{program} \\- client of Redis, Valkey and Russet servers\n.SH SYNOPSIS\n.B {program}\n\
         [OPTIONS] [cmd [arg ...]]\n.br\n.B {program}\nrdb json|csv|stats|keys FILE\n.br\n.B {program}\ndoctor\n\
         .SH DESCRIPTION\nWith a command, runs it and prints the reply. Without one, on a terminal, starts a prompt with \
         completion, hints and history; otherwise runs the commands that it reads from standard input, one per line.\n\
         .SH OPTIONS\n",
        program.to_uppercase()
    );
    for flag in table() {
        let Some(entry) = help::entry(flag, face) else { continue };
        out.push_str(&format!(".TP\n.B {}\n{}\n", escape(&entry.head), escape(&entry.text)));
    }
    out.push_str(
        ".SH ENVIRONMENT\n.TP\n.B RUSSETCLI_AUTH, VALKEYCLI_AUTH, REDISCLI_AUTH\nPassword.\n.TP\n.B RUSSETCLI_HISTFILE\n\
         History file; /dev/null keeps none.\n.TP\n.B RUSSETCLI_RCFILE\nFile of :set lines.\n.TP\n.B RUSSETCLI_PROFILES\n\
         File of named connections.\n.TP\n.B NO_COLOR, CLICOLOR_FORCE, PAGER\nAs usual.\n\
         .SH EXIT STATUS\n0, or 1 when there was no connection, the command line was wrong, or with \\-e the server \
         replied with an error.\n",
    );
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_flag_has_its_entry() {
        let page = page(Face::Russet);
        for flag in table().filter(|flag| flag.help.lines(Face::Russet).is_some()) {
            assert!(page.contains(&format!(".TP\n.B {}", escape(flag.names[0]))), "{}", flag.names[0]);
        }
        assert!(!page.lines().any(|line| line.starts_with('\'')));
    }
}
