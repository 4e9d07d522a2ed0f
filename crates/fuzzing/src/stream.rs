//! Whole command streams into an engine: no panic, and whatever is answered is well-formed RESP.
//!
//! Input: lines of words (as an inline request has them), or raw protocol bytes when it starts with `*`.
//! Invariant: every run starts on an empty node. Callers: `TARGETS`.

use std::cell::RefCell;

use nodes::Node;
use testkit::client::encode;
use testkit::reply::frame_len;

/// Longest stream that is run; longer ones only cost time.
const MOST_BYTES: usize = 16 << 10;
/// Commands that end, stop or block the process that fuzzes, or that write files.
const LEFT_OUT: &[&[u8]] = &[
    b"shutdown",
    b"debug",
    b"save",
    b"bgsave",
    b"config",
    b"replicaof",
    b"slaveof",
    b"migrate",
    b"psync",
    b"sync",
    b"monitor",
    b"failover",
    b"client",
];

thread_local! {
    static NODE: RefCell<Node> = RefCell::new(Node::new());
}

/// The target.
pub fn commands(data: &[u8]) {
    if data.len() > MOST_BYTES {
        return;
    }
    let bytes = if data.first() == Some(&b'*') { data.to_vec() } else { from_lines(data) };
    let lower = bytes.to_ascii_lowercase();
    if LEFT_OUT.iter().any(|name| lower.windows(name.len()).any(|window| window == *name)) {
        return;
    }
    NODE.with_borrow_mut(|node| {
        node.reset();
        let mut connection = node.connect();
        let replies = node.feed(&mut connection, &bytes);
        let mut at = 0;
        while at < replies.len() {
            match frame_len(&replies[at..]) {
                Ok(Some(len)) => at += len,
                other => panic!("reply at {at} is no frame ({other:?}): {}", replies.escape_ascii()),
            }
        }
        node.disconnect(&mut connection);
    });
}

fn from_lines(data: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    for line in data.split(|&b| b == b'\n') {
        let words: Vec<&[u8]> = line.split(|&b| b == b' ').filter(|w| !w.is_empty()).collect();
        if !words.is_empty() {
            encode(&mut out, &words);
        }
    }
    out
}
