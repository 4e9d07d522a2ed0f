//! The wire protocol, without I/O: requests in, replies out, RESP2 and RESP3.
//!
//! - [`request`]: what clients send, parsed in batches. - [`inline`]: the line form of requests.
//! - [`writer`]: replies, as a server writes them. - [`reply`]: replies, as a client reads them.

#![forbid(unsafe_code)]

pub mod inline;
pub mod reply;
pub mod request;
pub mod writer;
