//! Makes a failing sequence short: leaves out what is not needed for the last difference.
//!
//! Invariant: what is returned was run and did differ (or is the sequence that came in). Callers: `random`.

use anyhow::Result;

use super::{Arena, Line};

/// Runs of the sequence that shrinking may cost.
const MAX_TRIES: usize = 400;

/// The shortest sequence found whose last line (or, without `by_reply`, whose final keyspace) differs.
pub fn shrink(arena: &mut Arena, mut lines: Vec<Line>, by_reply: bool) -> Result<Vec<Line>> {
    let mut tries = 0;
    let mut chunk = lines.len().div_ceil(2);
    while chunk > 0 && tries < MAX_TRIES {
        let mut at = 0;
        let mut shrunk = false;
        // The last line is what differs; it stays.
        while at < lines.len().saturating_sub(usize::from(by_reply)) && tries < MAX_TRIES {
            let end = (at + chunk).min(lines.len() - usize::from(by_reply));
            let mut shorter = lines[..at].to_vec();
            shorter.extend_from_slice(&lines[end..]);
            tries += 1;
            if still_differs(arena, &shorter, by_reply)? {
                lines = shorter;
                shrunk = true;
            } else {
                at = end;
            }
        }
        chunk = if shrunk && chunk == 1 { 1 } else { chunk / 2 };
    }
    Ok(lines)
}

fn still_differs(arena: &mut Arena, lines: &[Line], by_reply: bool) -> Result<bool> {
    arena.reset()?;
    let Some((last, before)) = lines.split_last() else { return Ok(false) };
    for line in before {
        // A difference on the way is another one: this sequence shows something else.
        if arena.differs(line).is_some() {
            return Ok(false);
        }
    }
    let differs = arena.differs(last).is_some();
    if by_reply { Ok(differs) } else { Ok(!differs && arena.keyspace()?.is_some()) }
}
