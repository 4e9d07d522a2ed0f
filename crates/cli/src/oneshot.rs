//! One command from the command line: `redis-cli set k v`, with `-r`, `-i`, `-x`, `-X`, and `--eval`.

use std::io::Read;

use crate::session::{Outcome, Session, lower};
use crate::{emit, quote, warn};

/// Why the words cannot be run; for stderr, exit 1.
#[derive(Debug, PartialEq, Eq)]
pub struct Refused(pub String);

/// Replaces or appends what `-x` and `-X` read from `input`, and unquotes with `--quoted-input`.
///
/// # Errors
/// Quotes do not balance, or the tag is nowhere.
pub fn prepare(session: &Session, words: &[Vec<u8>], input: &mut dyn Read) -> Result<Vec<Vec<u8>>, Refused> {
    let mut argv = Vec::with_capacity(words.len() + 1);
    for word in words {
        if session.options.quoted_input {
            argv.push(quote::unquote(word).ok_or_else(|| Refused(BAD_QUOTES.to_owned()))?);
        } else {
            argv.push(word.clone());
        }
    }
    if session.options.stdin_last_arg {
        argv.push(read_all(input)?);
    } else if let Some(tag) = &session.options.stdin_tag {
        let at = argv.iter().position(|word| word == tag.as_bytes());
        let at = at.ok_or_else(|| Refused("Using -X option but stdin tag not match.\n".to_owned()))?;
        argv[at] = read_all(input)?;
    }
    Ok(argv)
}

fn read_all(input: &mut dyn Read) -> Result<Vec<u8>, Refused> {
    let mut bytes = Vec::new();
    input.read_to_end(&mut bytes).map_err(|error| Refused(format!("Error reading stdin: {error}\n")))?;
    Ok(bytes)
}

/// Runs the words; the exit code.
pub fn run(session: &mut Session, words: &[Vec<u8>]) -> i32 {
    match prepare(session, words, &mut std::io::stdin().lock()) {
        Ok(argv) => repeat(session, &argv),
        // Where the peers say it.
        Err(Refused(text)) if text == BAD_QUOTES => {
            emit::out(text.as_bytes());
            1
        }
        Err(Refused(text)) => {
            warn!("{text}");
            1
        }
    }
}

const BAD_QUOTES: &str = "Invalid quoted string\n";

/// Runs `argv` as often as `-r` says.
pub fn repeat(session: &mut Session, argv: &[Vec<u8>]) -> i32 {
    let name = lower(argv.first());
    if name == "help" || name == "?" {
        crate::docs::print_help(session, &argv[1..]);
        return 0;
    }
    let mut left = session.options.repeat;
    while left != 0 {
        if session.run(argv) != Outcome::Done {
            return 1;
        }
        left -= i64::from(left > 0);
        if left != 0 && !session.options.interval.is_zero() {
            emit::flush();
            std::thread::sleep(session.options.interval);
        }
    }
    0
}

/// `--eval FILE key ... , arg ...`: the EVAL command line.
///
/// # Errors
/// The file cannot be read.
pub fn eval_command(file: &str, words: &[Vec<u8>]) -> Result<Vec<Vec<u8>>, Refused> {
    let script = std::fs::read(file).map_err(|error| {
        Refused(format!("Can't open file '{file}': {}\n", crate::connection::strerror(&error)))
    })?;
    let comma = words.iter().position(|word| word == b",").unwrap_or(words.len());
    let mut argv = vec![b"EVAL".to_vec(), script, comma.to_string().into_bytes()];
    argv.extend_from_slice(&words[..comma]);
    argv.extend(words.iter().skip(comma + 1).cloned());
    Ok(argv)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::face::Face;
    use crate::options::Options;

    fn words(line: &str) -> Vec<Vec<u8>> {
        line.split(' ').map(|word| word.as_bytes().to_vec()).collect()
    }

    #[test]
    fn input_is_placed() {
        let mut session = Session::new(Options::new(Face::Redis, ""), false);
        session.options.stdin_last_arg = true;
        assert_eq!(
            prepare(&session, &words("set k"), &mut &b"v\n"[..]),
            Ok(vec![b"set".to_vec(), b"k".to_vec(), b"v\n".to_vec()])
        );
        session.options.stdin_last_arg = false;
        session.options.stdin_tag = Some("T".to_owned());
        assert_eq!(prepare(&session, &words("set T x"), &mut &b"v"[..]), Ok(words("set v x")));
        assert!(prepare(&session, &words("set k x"), &mut &b"v"[..]).is_err());
    }

    #[test]
    fn eval_splits_keys_from_arguments() {
        let file = std::env::temp_dir().join(format!("russet-cli-eval-{}", std::process::id()));
        std::fs::write(&file, "return 1").expect("temp file");
        let path = file.to_string_lossy().into_owned();
        let argv = eval_command(&path, &words("a b , c")).expect("reads");
        assert_eq!(
            argv[1..],
            [b"return 1".to_vec(), b"2".to_vec(), b"a".to_vec(), b"b".to_vec(), b"c".to_vec()]
        );
        let argv = eval_command(&path, &[]).expect("reads");
        assert_eq!(argv[2], b"0".to_vec());
        std::fs::remove_file(file).expect("remove");
        assert!(eval_command("/nonexistent/x", &[]).is_err());
    }
}
