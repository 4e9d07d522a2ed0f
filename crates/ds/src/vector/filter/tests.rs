//! Expressions with what a real server made of them, and any bytes at all.

use proptest::prelude::*;

use super::*;

/// Lines of `expression => yes | no | near TEXT`, for one attribute.
fn check(attribute: &str, lines: &str) {
    for line in lines.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (text, expected) = line.split_once(" => ").expect("expression => result");
        let found = match Filter::compile(text.as_bytes()) {
            Ok(filter) if filter.matches(Some(attribute.as_bytes())) => "yes".into(),
            Ok(_) => "no".into(),
            Err(FilterError(near)) => format!("near {}", String::from_utf8_lossy(&near)),
        };
        assert_eq!(found, expected, "{text} on {attribute}");
    }
}

#[test]
fn operators_and_their_order() {
    check(
        r#"{"x":1}"#,
        r#"
        1 => yes
        0 => no
        "" => no
        "0" => yes
        [] => yes
        null => no
        0/0 => yes
        2**3**2 == 512 => yes
        -2**2 == 4 => yes
        2*3**2 == 18 => yes
        not 0**0 => yes
        2 ** not 0 => yes
        not 2**0 == 0 => no
        not 1 == 0 => yes
        not 0 * 5 == 5 => yes
        1 or 0 and 0 => yes
        0 and 0 == 0 => no
        3 > 2 > 1 => no
        2 == 3 > 2 => no
        5 in [1] == 0 => yes
        1 - 1 - 1 == -1 => yes
        8/4*2 == 4 => yes
        2*3%4 == 2 => yes
        -5 % 3 == -2 => yes
        1 - -1 == 2 => yes
        1--1 == 2 => yes
        3 -2 -1 == 0 => yes
        "5"-2 == 3 => yes
        [1] -5 => yes
        .x -1 => no
        1 2 + == 3 => yes
        1 not => no
        1 notin [1] => no
        !(!1) => yes
        1&&!0 => yes
        1>=1and 1 => yes
        (.x) and not(0) => yes
        "#,
    );
}

#[test]
fn comparing_and_containing() {
    check(
        r#"{"s":"12","n":null,"t":true,"arr":[1,2,"x",null],"e":[],"y":1980,"name":"foo"}"#,
        r#"
        .s == 12 => yes
        .s in [12] => yes
        "12abc" == 0 => yes
        " 12" == 12 => yes
        "12 " == 12 => no
        "0x10" == 16 => yes
        "b" > "a" => no
        "10" > "9" => yes
        .y == "1980" => yes
        .t == 1 => yes
        .n == null => yes
        .n == 0 => no
        not .n => yes
        .n + 1 == 1 => yes
        1 != null => yes
        null >= 0 => yes
        "x" in .arr => yes
        2.0 in .arr => yes
        null in .arr => yes
        1 in .e => no
        .e => yes
        "x" == .arr => yes
        [1] == [1] => yes
        0 in ["a"] => yes
        "oo" in .name => yes
        "" in .name => yes
        .name in "foobar" => yes
        1 in "1" => no
        1 in 1 => no
        .nope or 1 => no
        1 or .nope => no
        not .nope => no
        "#,
    );
}

#[test]
fn errors_say_where_reading_stopped() {
    check(
        "{}",
        r#"
        .name == foo => near .name == foo
        .a b == 1 => near  == 1
        1e+3 == 1000 => near +3 == 1000
        0x10 == 16 => near 10 == 16
        1.5.2 and 1 => near  and 1
        1e => near 1e
        !!1 => near !!1
        not not 1 => near not not 1
        () => near ()
        (1 => near (1
        1) => near 1)
        1 1 => near 1 1
        + 1 => near + 1
        - 1 => near - 1
        -.x == 5 => near -.x == 5
        1 in [1 2] => near 2]
        1 in [,1] => near ,1]
        1 in [1,] => yes
        1 in [[1]] => near [1]]
        1 in [1 => near 1 in [1
        1 in [-] => near ]
        1 in [- 1] => near  1]
        1 in [true] => near true]
        true and true => near  and true
        (null) == null => near  == null
        null,1 => near ,1
        1 AND 1 => near  1
        1 andx 1 => near  1
        1=1 => near 1
        1<>2 => near 1<>2
        1 &&& 1 => near  1
        1 @ => near @
        1 ^ 1 => near ^ 1
        1,2 => near ,2
        ) < and , > => near , >
        + 1 ] => near ]
        "open => near "open
        1 and "open => near 1 and "open
        .o.year => near .o.year
        -.5 => near -.5
        "#,
    );
    assert_eq!(Filter::compile(b"").map(drop), Err(FilterError(Vec::new())));
    assert_eq!(Filter::compile(b"\"\0\" == 1").map(drop), Err(FilterError(Vec::new())));
    assert!(Filter::compile(b"1 \0 2").is_ok());
    assert!(Filter::compile(&[b'1'; MOST_BYTES + 1]).is_err());
}

#[test]
fn json_is_read_leniently() {
    for (attribute, lines) in [
        (r#"{"year":1, garbage"#, ".year => yes\n.nope => no"),
        (r#"{"year":1"#, ".year == 1 => yes"),
        (r#"{"a":{"year":5},"year":1}"#, ".year == 1 => yes"),
        (r#"{"year":1,"year":2}"#, ".year == 1 => yes"),
        (r#"{"a":[1}],"year":1}"#, ".year => yes"),
        (r#"{"a":{"b":1]},"year":1}"#, ".year => yes"),
        (r#"{"a":-,"year":1}"#, ".year => yes"),
        (r#"{"a":nan,"year":1}"#, ".year => no"),
        (r#"{"a":1 2,"year":1}"#, ".year => no"),
        (r#"{"a":truex,"year":1}"#, ".year => no"),
        (r#"{"year":+1}"#, ".year == 1 => yes"),
        (r#"{"year":1.}"#, ".year == 1 => yes"),
        (r#"{"year":.5}"#, ".year == 0.5 => no"),
        (r#"{"year":1e}"#, ".year => no"),
        (r#"{"year":1a}"#, ".year => yes"),
        (r#"{"year":trueX}"#, ".year => no"),
        (r#"{"year":true"x"}"#, ".year => no"),
        (r#"x{"year":1}"#, ".year => no\n1 => yes"),
        (r#"{"u":"\u0041x","q":"a\qb\n"}"#, ".u == \"u0041x\" => yes\n\"qb\" in .q => yes"),
        (
            r#"{"g":[1,],"d":[{}],"e":[1 2],"n":[1,[2]]}"#,
            ".g => no\n.d => no\n.e => no\n.n => yes\n[2] in .n => yes",
        ),
        (r#"{"a-b":1,"a_b":2,"1x":5}"#, ".a-b == 1 => yes\n.a_b == 2 => yes\n.1x == 5 => yes"),
    ] {
        check(attribute, lines);
    }
    let deep = format!("{{\"a\":{}{},\"z\":1}}", "[".repeat(100_000), "]".repeat(100_000));
    check(&deep, ".z => yes\n.a => no");
    assert!(!Filter::compile(b"1").expect("an expression").matches(None));
}

proptest! {
    /// Any bytes give a filter or an error, and a filter an answer.
    #[test]
    fn any_bytes_are_fine(text in prop::collection::vec(any::<u8>(), 0..60), attribute in prop::collection::vec(any::<u8>(), 0..60)) {
        if let Ok(filter) = Filter::compile(&text) {
            filter.matches(Some(&attribute));
        }
    }

    /// So do words in any order.
    #[test]
    fn any_words_are_fine(
        words in prop::collection::vec(prop::sample::select(vec![
            "1", "-2", "0.5", "'a'", "\"b\"", ".a", ".b", "[1,'a']", "null", "(", ")", "not", "!", "**", "*", "/", "%", "+", "-",
            ">", ">=", "<", "<=", "==", "!=", "in", "and", "&&", "or", "||", " ", "x", "\\",
        ]), 0..20),
        attribute in prop::collection::vec(prop::sample::select(vec![
            "{", "}", "[", "]", "\"a\"", "\"b\"", ":", ",", "1", "-", "true", "null", "\"", "\\", " ", "x",
        ]), 0..20),
    ) {
        if let Ok(filter) = Filter::compile(words.concat().as_bytes()) {
            filter.matches(Some(attribute.concat().as_bytes()));
        }
    }
}
