//! Completion scripts for shells, from the table of flags.

use crate::docs::Docs;
use crate::emit;
use crate::flags::{Apply, Flag, table};
use crate::options::Options;

/// Prints a script.
pub fn run(options: &Options, words: &[String]) -> Result<(), String> {
    let program = options.face.program();
    let script = match words {
        [shell] if shell == "bash" => bash(program),
        [shell] if shell == "zsh" => zsh(program),
        [shell] if shell == "fish" => fish(program),
        _ => return Err(String::new()),
    };
    emit::out(script.as_bytes());
    Ok(())
}

/// First line of a flag's help, without its name.
fn summary(flag: &Flag) -> String {
    let lines = flag.help.lines(crate::face::Face::Russet).unwrap_or_default();
    let first = lines.lines().next().unwrap_or_default().trim();
    let after_name = first.split_once("  ").map_or("", |(_, rest)| rest.trim());
    after_name.to_owned()
}

fn names() -> Vec<&'static str> {
    table().flat_map(|flag| flag.names.iter().copied()).filter(|name| !name.starts_with("--test")).collect()
}

fn commands() -> Vec<String> {
    let docs = Docs::built_in();
    docs.all()
        .iter()
        .filter(|command| !command.name.contains(' '))
        .map(|command| command.name.to_lowercase())
        .collect()
}

fn bash(program: &str) -> String {
    let function = program.replace('-', "_");
    format!(
        "_{function}() {{\n    local word=\"${{COMP_WORDS[COMP_CWORD]}}\"\n    \
         if [[ $word == -* ]]; then\n        COMPREPLY=($(compgen -W '{}' -- \"$word\"))\n    else\n        \
         COMPREPLY=($(compgen -W '{}' -- \"$word\") $(compgen -f -- \"$word\"))\n    fi\n}}\n\
         complete -F _{function} {program}\n",
        names().join(" "),
        commands().join(" ")
    )
}

fn zsh(program: &str) -> String {
    let mut out = format!("#compdef {program}\n_arguments \\\n");
    for flag in table().filter(|flag| flag.help.lines(crate::face::Face::Russet).is_some()) {
        let text = summary(flag).replace('\'', "").replace(['[', ']', ':'], " ");
        let value = if matches!(flag.apply, Apply::Value(_)) { ":value:_files" } else { "" };
        for name in flag.names {
            out.push_str(&format!("  '{name}[{text}]{value}' \\\n"));
        }
    }
    out.push_str(&format!("  '1:command:({})' \\\n  '*::arguments:_files'\n", commands().join(" ")));
    out
}

fn fish(program: &str) -> String {
    let mut out = String::new();
    for flag in table().filter(|flag| flag.help.lines(crate::face::Face::Russet).is_some()) {
        let text = summary(flag).replace('\'', "\\'");
        let value = if matches!(flag.apply, Apply::Value(_)) { " -r" } else { "" };
        for name in flag.names {
            let option = match name.strip_prefix("--") {
                Some(long) => format!("-l {long}"),
                None => format!("-s {}", name.trim_start_matches('-')),
            };
            out.push_str(&format!("complete -c {program} {option}{value} -d '{text}'\n"));
        }
    }
    out.push_str(&format!("complete -c {program} -n __fish_is_first_arg -a '{}'\n", commands().join(" ")));
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_flag_is_offered() {
        for (script, dash) in [(bash("x-cli"), true), (zsh("x-cli"), true), (fish("x-cli"), false)] {
            for flag in table().filter(|flag| flag.help.lines(crate::face::Face::Russet).is_some()) {
                let name = if dash { flag.names[0] } else { flag.names[0].trim_start_matches('-') };
                assert!(script.contains(name), "{name}");
            }
            assert!(script.contains("hgetall"));
        }
    }
}
