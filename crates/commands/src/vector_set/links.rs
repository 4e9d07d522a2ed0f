//! VLINKS: the neighbours of an element, the highest level first.

use resp::writer::Writer;

use super::{find, reply_number};
use crate::cx::Cx;
use crate::error::{Result, wrong_arity};

/// As [`super::similarity`], but in single precision, as Redis computes it here.
fn similarity(distance: f32) -> f64 {
    f64::from(1.0 - distance / 2.0)
}

pub(super) fn vlinks(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    let with_scores = match argv[3..] {
        [] => false,
        [word] if word.eq_ignore_ascii_case(b"WITHSCORES") => true,
        _ => return Err(wrong_arity("VLINKS")),
    };
    let Some((set, slot)) = find(cx, argv[1])?.and_then(|set| Some((set, set.find(argv[2])?))) else {
        out.null();
        return Ok(());
    };
    let levels = set.element(slot).levels();
    out.array(levels.len());
    for links in levels.rev() {
        if with_scores {
            out.map(links.len());
        } else {
            out.array(links.len());
        }
        for other in links {
            out.bulk(set.element(*other).name);
            if with_scores {
                reply_number(similarity(set.distance(slot, *other)), out);
            }
        }
    }
    Ok(())
}
