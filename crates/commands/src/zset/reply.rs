//! Scores and members as replies.

use ds::listpack::LpValue;
use ds::num::{IntText, double_as_integer, format_f64};
use resp::writer::Writer;

/// A score: a double in RESP3, its text in RESP2.
pub(crate) fn score(score: f64, out: &mut Writer) {
    match double_as_integer(score) {
        Some(integer) if integer != 0 || score.is_sign_positive() => {
            out.double(IntText::new().format(integer));
        }
        _ => {
            let mut text = Vec::with_capacity(32);
            format_f64(score, &mut text);
            out.double(&text);
        }
    }
}

/// A score, or null where there is none.
pub(crate) fn score_or_null(found: Option<f64>, out: &mut Writer) {
    match found {
        Some(found) => score(found, out),
        None => out.null(),
    }
}

/// A member's name.
pub(crate) fn name(name: LpValue<'_>, out: &mut Writer) {
    match name {
        LpValue::Int(number) => out.bulk_int(number),
        LpValue::Str(text) => out.bulk(text),
    }
}

/// The head of an array of `count` members: with scores it is flat in RESP2 and of pairs in RESP3.
pub(crate) fn members_head(count: usize, with_scores: bool, out: &mut Writer) {
    let flat = with_scores && !out.resp3;
    out.array(if flat { 2 * count } else { count });
}

/// One member of such an array.
pub(crate) fn member(member: LpValue<'_>, with: Option<f64>, out: &mut Writer) {
    if with.is_some() && out.resp3 {
        out.array(2);
    }
    name(member, out);
    if let Some(with) = with {
        score(with, out);
    }
}

/// A whole array of members.
pub(crate) fn members<'a>(
    members: impl ExactSizeIterator<Item = (&'a [u8], f64)>,
    with_scores: bool,
    out: &mut Writer,
) {
    members_head(members.len(), with_scores, out);
    for (name, score) in members {
        member(LpValue::Str(name), with_scores.then_some(score), out);
    }
}
