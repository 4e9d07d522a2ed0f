//! The primary's side of a replica's link.

use commands::server::Server;

use crate::connection::Connection;

/// Streams the replication to a replica until the link ends.
pub async fn feed(_server: &'static Server, _connection: &mut Connection, _psync: bool, _from: Option<u64>) {}
