//! All commands: the families' rows in one place, and finding one by its name.

use std::sync::OnceLock;

use crate::cx::Handler;
use crate::row::Row;

/// A command of this server.
pub type CommandRow = Row<Handler>;

/// The families, in the order of COMMAND LIST.
const FAMILIES: &[&[CommandRow]] = &[
    crate::admin::ROWS,
    crate::bitmap::ROWS,
    crate::command::ROWS,
    crate::configure::ROWS,
    crate::connection::ROWS,
    crate::generic::ROWS,
    crate::geo::ROWS,
    crate::hyperloglog::ROWS,
    crate::hash::ROWS,
    crate::list::ROWS,
    crate::pubsub::ROWS,
    crate::replicating::ROWS,
    crate::saving::ROWS,
    crate::set::ROWS,
    crate::sort::ROWS,
    crate::stream::ROWS,
    crate::string::ROWS,
    crate::transactions::ROWS,
    crate::vector_set::ROWS,
    crate::zset::ROWS,
];

/// Places of the index; a power of two, many times the number of commands.
const INDEX: usize = 2048;

/// The table with its index.
pub struct Table {
    /// Rows and subcommands; the position is the row id of the statistics.
    rows: Vec<Known>,
    /// Open addressing by name: row id + 1, 0 is free.
    index: Box<[u16; INDEX]>,
}

/// A row with what follows from its place.
pub struct Known {
    pub row: &'static CommandRow,
    /// `name`, or `container|name`.
    pub full_name: &'static str,
    pub container: Option<&'static CommandRow>,
}

/// A command that was found: its row, or its subcommand's, and the id for statistics.
#[derive(Clone, Copy)]
pub struct Found {
    pub row: &'static CommandRow,
    pub id: u16,
}

/// The table, built at first use.
pub fn table() -> &'static Table {
    static TABLE: OnceLock<Table> = OnceLock::new();
    TABLE.get_or_init(Table::build)
}

/// Names are short, and their first eight bytes tell nearly all apart.
#[inline]
fn name_hash(name: &[u8]) -> usize {
    let mut word = [0u8; 8];
    let short = name.len().min(8);
    word[..short].copy_from_slice(&name[..short]);
    // Clearing bit 5 folds the case of letters; other characters may collide, the comparison sorts it out.
    let folded = u64::from_le_bytes(word) & !0x2020_2020_2020_2020;
    let last = name.last().map_or(0, |&byte| u64::from(byte & !0x20));
    ((folded ^ last << 56 ^ name.len() as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 48) as usize
}

impl Table {
    fn build() -> Table {
        let mut rows = Vec::new();
        for row in FAMILIES.iter().copied().flatten() {
            rows.push(Known { row, full_name: row.name, container: None });
            for sub in row.subs {
                let full_name: &'static str =
                    Box::leak(format!("{}|{}", row.name, sub.name).into_boxed_str());
                rows.push(Known { row: sub, full_name, container: Some(row) });
            }
        }
        let mut index = Box::new([0u16; INDEX]);
        for (id, known) in rows.iter().enumerate().filter(|(_, known)| known.container.is_none()) {
            let mut at = name_hash(known.row.name.as_bytes()) % INDEX;
            while index[at] != 0 {
                at = (at + 1) % INDEX;
            }
            index[at] = id as u16 + 1;
        }
        Table { rows, index }
    }

    /// Rows and subcommands, by id.
    pub fn rows(&self) -> &[Known] {
        &self.rows
    }

    /// Commands without subcommands.
    pub fn commands(&self) -> impl Iterator<Item = &'static CommandRow> {
        self.rows.iter().filter(|known| known.container.is_none()).map(|known| known.row)
    }

    /// `name`, or `container|name`.
    pub fn full_name(&self, id: u16) -> &'static str {
        self.rows[usize::from(id)].full_name
    }

    /// A command by its name, ignoring case; not its subcommand.
    #[inline]
    pub fn find(&self, name: &[u8]) -> Option<Found> {
        let mut at = name_hash(name) % INDEX;
        while self.index[at] != 0 {
            let id = self.index[at] - 1;
            let row = self.rows[usize::from(id)].row;
            if row.name.as_bytes().eq_ignore_ascii_case(name) {
                return Some(Found { row, id });
            }
            at = (at + 1) % INDEX;
        }
        None
    }

    /// The subcommand of a container.
    pub fn find_sub(&self, container: Found, name: &[u8]) -> Option<Found> {
        let at = container.row.subs.iter().position(|row| row.name.as_bytes().eq_ignore_ascii_case(name))?;
        Some(Found { row: &container.row.subs[at], id: container.id + 1 + at as u16 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_found_under_its_name_and_only_once() {
        let mut names: Vec<_> = table().rows().iter().map(|known| known.full_name).collect();
        for row in table().commands() {
            let found = table().find(row.name.to_uppercase().as_bytes()).expect("its own name");
            assert_eq!(found.row.name, row.name);
            for sub in row.subs {
                let sub = table().find_sub(found, sub.name.as_bytes()).expect("its own name");
                assert_eq!(table().full_name(sub.id), format!("{}|{}", row.name, sub.row.name));
            }
        }
        names.sort_unstable();
        let count = names.len();
        names.dedup();
        assert_eq!(names.len(), count);
        assert!(table().find(b"nosuch").is_none() && table().find(b"").is_none());
    }
}
