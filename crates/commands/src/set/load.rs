//! Sets from dump files and payloads, in the form that the configured limits ask for.

use rdb::SetValue;

use super::edit::{Editor, Limits};

/// The set of a loaded value, which is not empty.
pub(crate) fn loaded(value: SetValue, limits: Limits) -> Editor<'static> {
    match value {
        SetValue::Intset(ints) => {
            let mut editor = Editor::Ints(ints);
            editor.expect(editor.len(), limits);
            editor
        }
        SetValue::Packed(pack) => {
            let mut editor = Editor::Packed(pack.into());
            editor.expect(editor.len(), limits);
            editor
        }
        SetValue::Members(names) => {
            let mut editor = Editor::for_loading(names.len(), limits);
            names.iter().for_each(|name| {
                editor.add(name, limits);
            });
            editor
        }
        SetValue::Large(set) => {
            let mut editor = Editor::for_loading(set.len(), limits);
            if let Editor::Own(_) = editor {
                return Editor::Own(Box::new(set));
            }
            set.iter().for_each(|member| {
                editor.add(member.name(), limits);
            });
            editor
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ds::fields::Fields;
    use ds::intset::Intset;
    use ds::listpack::FlatPack;

    fn form(value: SetValue, limits: Limits) -> &'static str {
        match loaded(value, limits) {
            Editor::Ints(_) => "intset",
            Editor::Packed(_) => "listpack",
            Editor::Own(_) | Editor::Table(_) => "hashtable",
        }
    }

    fn ints(count: i64) -> SetValue {
        let mut ints = Intset::new();
        (0..count).for_each(|number| assert!(ints.insert(number)));
        SetValue::Intset(ints)
    }

    fn packed(count: usize) -> SetValue {
        let mut pack = FlatPack::new();
        (0..count).for_each(|number| pack.push_back(format!("m{number}").as_bytes()));
        SetValue::Packed(pack)
    }

    fn members(count: usize, name: &str) -> SetValue {
        SetValue::Members((0..count).map(|number| format!("{name}{number}").into_bytes()).collect())
    }

    fn large(count: usize) -> SetValue {
        let mut set = Fields::new();
        (0..count).for_each(|number| assert!(set.add(format!("m{number}").as_bytes())));
        SetValue::Large(set)
    }

    #[test]
    fn loaded_sets_take_the_form_that_the_limits_ask_for() {
        let limits = |ints, entries, value_bytes| Limits::new(ints, entries, value_bytes);
        for (value, limits, expected) in [
            (ints(8), limits(8, 4, 64), "intset"),
            (ints(9), limits(8, 4, 64), "hashtable"),
            (packed(4), limits(8, 4, 64), "listpack"),
            (packed(5), limits(8, 4, 64), "hashtable"),
            // As the real servers, the length of members is not looked at once they are packed.
            (packed(4), limits(8, 4, 1), "listpack"),
            (members(8, ""), limits(8, 4, 64), "intset"),
            (members(9, ""), limits(8, 4, 64), "hashtable"),
            (members(4, "m"), limits(8, 4, 64), "listpack"),
            (members(5, "m"), limits(8, 4, 64), "hashtable"),
            (members(4, "m"), limits(8, 4, 1), "hashtable"),
            (members(4, "m"), limits(3, 4, 64), "hashtable"),
            (large(2000), limits(3000, 3000, 64), "listpack"),
            (large(2000), limits(512, 128, 64), "hashtable"),
        ] {
            assert_eq!(form(value, limits), expected);
        }
    }
}
