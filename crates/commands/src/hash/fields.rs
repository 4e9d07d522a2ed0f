//! The argument `FIELDS count field...` of the commands for expiring fields.

use config::Family;

use super::view::find_to_change;
use crate::args::{int, int_or};
use crate::cx::Cx;
use crate::error::{CommandError, Result, SYNTAX};

/// What is said of a count that is not that of the fields.
pub(super) const COUNT: CommandError =
    CommandError::fixed("ERR numfields should be greater than 0 and match the provided number of fields");

/// Some arguments of a command.
pub(super) type Words<'a> = &'a [&'a [u8]];

/// The arguments behind `argv[at]`, which must be FIELDS, each group of `width` being a field; `wrong` is the error for
/// a wrong count.
pub(super) fn behind<'a>(argv: Words<'a>, at: usize, width: usize, wrong: CommandError) -> Result<Words<'a>> {
    if !argv.get(at).is_some_and(|word| word.eq_ignore_ascii_case(b"FIELDS")) {
        return Err(SYNTAX);
    }
    let Some(count) = argv.get(at + 1) else { return Err(wrong) };
    let given = &argv[at + 2..];
    match usize::try_from(int(count)?) {
        Ok(count) if count > 0 && count.checked_mul(width) == Some(given.len()) => Ok(given),
        _ => Err(wrong),
    }
}

/// The arguments behind `argv[2]`, which must be FIELDS, as each family says what is wrong with them; `wrong` is Valkey's
/// error for a wrong count.
pub(super) fn only<'a>(argv: Words<'a>, family: Family, wrong: CommandError) -> Result<Words<'a>> {
    const NO_FIELDS: CommandError =
        CommandError::fixed("ERR Mandatory argument FIELDS is missing or not at the right position");
    const NUMBER: CommandError = CommandError::fixed("ERR Number of fields must be a positive integer");
    const MATCH: CommandError =
        CommandError::fixed("ERR The `numfields` parameter must match the number of arguments");
    if family == Family::Valkey {
        return behind(argv, 2, 1, wrong);
    }
    if !argv[2].eq_ignore_ascii_case(b"FIELDS") {
        return Err(NO_FIELDS);
    }
    let count = int_or(argv[3], NUMBER)?;
    let given = &argv[4..];
    match usize::try_from(count) {
        Ok(count) if count == given.len() => Ok(given),
        _ if count < 1 => Err(NUMBER),
        _ => Err(MATCH),
    }
}

/// As [`only`], for a command that changes the hash `argv[1]`; Redis looks at its type before the arguments.
pub(super) fn of_hash<'a>(cx: &mut Cx<'_>, argv: Words<'a>) -> Result<Words<'a>> {
    let family = cx.family();
    if family == Family::Redis {
        find_to_change(cx, argv[1])?;
    }
    only(argv, family, COUNT)
}

/// Splits the arguments from `from` on at FIELDS: the options before it, and the fields behind it.
pub(super) fn split<'a>(
    argv: Words<'a>,
    from: usize,
    width: usize,
) -> Result<(Words<'a>, Result<Words<'a>>)> {
    let at = argv[from..].iter().position(|word| word.eq_ignore_ascii_case(b"FIELDS")).ok_or(COUNT)?;
    Ok((&argv[..from + at], behind(argv, from + at, width, COUNT)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_must_fit() {
        for (text, width, fields) in [
            ("FIELDS 1 a", 1, Some(1)),
            ("fields 2 a b", 1, Some(2)),
            ("FIELDS 1 a b", 2, Some(2)),
            ("FIELDS 2 a b", 2, None),
            ("FIELDS 0", 1, None),
            ("FIELDS", 1, None),
            ("FIELDS -1 a", 1, None),
            ("FIELDS x a", 1, None),
            ("FIELDS 9223372036854775807 a b", 2, None),
            ("1 a", 1, None),
        ] {
            let argv: Vec<&[u8]> = text.split(' ').map(str::as_bytes).collect();
            assert_eq!(behind(&argv, 0, width, COUNT).ok().map(<[_]>::len), fields, "{text}");
        }
    }
}
