//! LOLWUT: a small picture, different each time, and the version.

use resp::writer::Writer;

use crate::args::{Args, int};
use crate::cx::Cx;
use crate::error::{CommandError, Result};
use config::Family;

/// The largest picture.
const MOST: (i64, i64) = (160, 40);
/// From calm water to crests.
const SHADES: &[u8] = b" .-~=+*#";

/// Waves of two lengths that run into each other; `phase` shifts them.
fn waves(columns: usize, rows: usize, phase: f64) -> String {
    let mut text = String::with_capacity((columns + 1) * rows);
    for row in 0..rows {
        for column in 0..columns {
            let (x, y) = (column as f64 / 7.0, row as f64 / 2.5);
            let height = (x + phase).sin() + (y * 1.3 + x * 0.4 - phase).cos();
            let shade = ((height + 2.0) / 4.0 * SHADES.len() as f64) as usize;
            text.push(SHADES[shade.min(SHADES.len() - 1)] as char);
        }
        text.push('\n');
    }
    text
}

/// LOLWUT [VERSION n] [columns] [rows] [real imaginary]
pub(super) fn lolwut(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    let mut args = Args::new(argv, 1);
    // Every version is drawn alike, but what each takes differs.
    let version = if args.take_with("VERSION", 1) { Some(args.int()?) } else { None };
    let takes_sizes = version.is_some_and(|version| matches!(version, 5 | 6));
    if !takes_sizes && (cx.family() == Family::Redis || version == Some(8)) {
        args = Args::new(&argv[..1], 1);
    } else if !takes_sizes {
        let rest = &argv[if version.is_some() { 3 } else { 1 }..];
        if !matches!(rest.len(), 0 | 2 | 4) {
            return Err(CommandError::fixed("ERR Syntax error. Use: LOLWUT [columns rows] [real imaginary]"));
        }
        for size in rest.iter().take(2) {
            int(size)?;
        }
        for number in rest.iter().skip(2) {
            crate::args::double(number, Family::Valkey)
                .ok_or(CommandError::fixed("ERR value is not a valid float"))?;
        }
    }
    let mut size = |default: i64, most: i64| -> Result<usize> {
        match args.peek() {
            None => Ok(default as usize),
            Some(_) => Ok(int(args.arg()?)?.clamp(1, most) as usize),
        }
    };
    let (columns, rows) = (size(66, MOST.0)?, size(10, MOST.1)?);
    let phase = (cx.server.random() % 6283) as f64 / 1000.0;
    let mut text = waves(columns, rows, phase);
    let (product, version) = cx.server.config.identity();
    text.push_str(&format!("\nRust never sleeps. {product} ver. {version}\n"));
    out.verbatim("txt", text.as_bytes());
    Ok(())
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_picture_has_the_wanted_size() {
        let picture = super::waves(30, 4, 1.5);
        assert_eq!(picture.lines().map(str::len).collect::<Vec<_>>(), [30; 4]);
    }
}
