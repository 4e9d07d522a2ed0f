//! Keys that a command makes itself are found again under their names, wherever in memory the names have lain.

use russet_nodes::Node;

#[test]
fn keys_that_a_command_makes_are_found_again() {
    let mut node = Node::new();
    for digits in 1..6 {
        // Names of one length, made one after the other, come to lie at one address.
        let (from, count) = (10_usize.pow(digits), 200);
        node.words(&format!("DEBUG POPULATE {} key 20", from + count));
        for number in from..from + count {
            assert_eq!(node.words(&format!("EXISTS key:{number}")), ":1", "key:{number}");
        }
    }
}

#[test]
fn sort_by_other_keys_reads_each_of_them() {
    let mut node = Node::new();
    for number in 0..50 {
        node.words(&format!("SET weight:{number:02} {}", 100 - number));
        node.words(&format!("RPUSH list {number:02}"));
    }
    let sorted = node.words("SORT list BY weight:* GET weight:*");
    let expected: Vec<String> = (51..=100).map(|weight| weight.to_string()).collect();
    assert_eq!(
        sorted.split(|c: char| !c.is_ascii_digit()).filter(|w| !w.is_empty()).collect::<Vec<_>>(),
        expected
    );
}

#[test]
fn writers_wait_for_a_snapshot_that_is_behind_and_readers_do_not() {
    let mut node = Node::new();
    node.words("SET k old");
    node.server.keyspace.set_snapshot_behind(true);
    let (mut writer, mut transaction) = (node.connect(), node.connect());
    assert_eq!(node.feed(&mut writer, b"GET k\r\nSET k new\r\n"), b"$3\r\nold\r\n");
    assert_eq!(
        node.feed(&mut transaction, b"MULTI\r\nDEL k\r\nEXEC\r\n"),
        b"+OK\r\n+QUEUED\r\n",
        "what is queued is no write yet"
    );
    node.server.keyspace.set_snapshot_behind(false);
    assert_eq!(node.poll(&mut writer), b"+OK\r\n");
    assert_eq!(node.poll(&mut transaction), b"*1\r\n:1\r\n");
}
