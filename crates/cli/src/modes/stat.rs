//! `--stat`: one line of load per interval.

use std::time::Duration;

use resp::reply::Value;

use super::spark::Spark;
use super::{Context, Failure};
use crate::number::human_bytes;
use crate::{emit, say};

/// Fields of INFO.
pub struct Info(String);

impl Info {
    /// Asks the server.
    ///
    /// # Errors
    /// The connection's or the server's.
    pub fn fetch(context: &mut Context) -> Result<Self, Failure> {
        Ok(Self(context.call(&["INFO"])?.to_text()))
    }

    /// A field as text.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        self.0.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim_end)
    }

    /// A field as number, 0 when absent.
    #[must_use]
    pub fn number(&self, name: &str) -> i64 {
        self.text(name).and_then(|text| text.parse().ok()).unwrap_or(0)
    }

    /// Keys of all databases.
    #[must_use]
    pub fn keys(&self) -> i64 {
        let of_db = |line: &str| -> Option<i64> {
            let (name, fields) = line.split_once(':')?;
            name.strip_prefix("db")?.parse::<u32>().ok()?;
            fields.split(',').find_map(|field| field.strip_prefix("keys="))?.parse().ok()
        };
        self.0.lines().filter_map(of_db).sum()
    }
}

/// Runs until killed, or `-r` lines.
pub fn run(context: &mut Context) -> Result<(), Failure> {
    let interval = context.options.interval;
    let interval = if interval.is_zero() { Duration::from_secs(1) } else { interval };
    let mut spark = context.is_rich().then(|| Spark::new(20));
    let (mut line, mut before) = (0u64, None);
    let mut left = if context.options.repeat > 1 { context.options.repeat } else { -1 };
    while left != 0 {
        if line.is_multiple_of(20) {
            say!(
                "------- data ------ --------------------- load -------------------- - child -\n\
                 keys       mem      clients blocked requests            connections          \n"
            );
        }
        line += 1;
        left -= i64::from(left > 0);
        let info = Info::fetch(context)?;
        let requests = info.number("total_commands_processed");
        let since = requests - before.unwrap_or(requests);
        before = Some(requests);
        let mut text = row(&info, requests, since);
        if let Some(spark) = &mut spark {
            #[allow(clippy::cast_precision_loss)]
            spark.push(since as f64);
            text.push_str(&spark.draw());
        }
        say!("{text}\n");
        emit::flush();
        if left != 0 {
            std::thread::sleep(interval);
        }
    }
    Ok(())
}

fn row(info: &Info, requests: i64, since: i64) -> String {
    let child = match (info.number("rdb_bgsave_in_progress"), info.number("aof_rewrite_in_progress")) {
        (0, 0) => "",
        (_, 0) => "SAVE",
        (0, _) => "AOF",
        _ => "SAVE+AOF",
    };
    let requests = format!("{requests} (+{since})");
    format!(
        "{:<11}{:<9}{:<8}{:<8}{requests:<20}{:<12}{child}",
        info.keys(),
        human_bytes(info.number("used_memory")),
        info.number("connected_clients"),
        info.number("blocked_clients"),
        info.number("total_connections_received"),
    )
}

/// INFO from a reply that is already there.
impl From<&Value> for Info {
    fn from(value: &Value) -> Self {
        Self(value.to_text())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn row_has_the_peers_columns() {
        let info = Info(
            "used_memory:2443181\r\nconnected_clients:1\r\nblocked_clients:0\r\ntotal_connections_received:2720\r\n\
             db0:keys=258,expires=0\r\ndb3:keys=2,expires=0\r\n"
                .to_owned(),
        );
        assert_eq!(
            row(&info, 6314, 1),
            "260        2.33M    1       0       6314 (+1)           2720        "
        );
    }
}
