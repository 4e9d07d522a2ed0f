//! Which connections CLIENT LIST shows and CLIENT KILL ends: the filters of both families.
//!
//! A filter that is given twice counts as given last; ids add up. With `NOT-` in front a filter excludes.

use std::sync::atomic::Ordering::Relaxed;

use config::Family;
use resp::writer::Writer;

use super::list::flags_of;
use crate::args::int_or;
use crate::client::{Client, ClientType, Details};
use crate::cx::Cx;
use crate::error::{CommandError, Result, SYNTAX};
use crate::session::Takeover;

const FLAG_LETTERS: &[u8] = b"OSMPxbtRBdcuAUreTIiEN";
const ID_TOO_SMALL: CommandError = CommandError::fixed("ERR client-id should be greater than 0");
const NO_SUCH_CLIENT: CommandError = CommandError::fixed("ERR No such client");

/// What a connection is compared with. All that are given must hold.
#[derive(Default)]
struct Criteria {
    ids: Vec<u64>,
    kind: Option<ClientType>,
    user: Option<Vec<u8>>,
    address: Option<Vec<u8>>,
    local_address: Option<Vec<u8>>,
    ip: Option<Vec<u8>>,
    name: Option<Vec<u8>>,
    flags: Option<Vec<u8>>,
    lib_name: Option<Vec<u8>>,
    lib_version: Option<Vec<u8>>,
    db: Option<usize>,
    /// The client can be redirected; the only ability there is.
    capa: bool,
}

/// See the module's text.
#[derive(Default)]
pub(super) struct Filter {
    include: Criteria,
    exclude: Criteria,
    max_age_s: Option<u64>,
    idle_s: Option<u64>,
    pub(super) skip_me: Option<bool>,
}

impl Filter {
    /// Reads pairs of filter and value to the end of `words`.
    pub(super) fn parse(cx: &Cx<'_>, words: &[&[u8]]) -> Result<Filter> {
        let mut filter = Filter::default();
        let mut at = 0;
        while at < words.len() {
            let value = *words.get(at + 1).ok_or(SYNTAX)?;
            let word = words[at].to_ascii_lowercase();
            at += 2;
            match &word[..] {
                b"maxage" => filter.max_age_s = Some(positive(value, "maxage")?),
                b"idle" => filter.idle_s = Some(positive(value, "idle")?),
                b"skipme" if value.eq_ignore_ascii_case(b"yes") => filter.skip_me = Some(true),
                b"skipme" if value.eq_ignore_ascii_case(b"no") => filter.skip_me = Some(false),
                b"id" | b"not-id" => {
                    let ids = if &word[..] == b"id" { &mut filter.include } else { &mut filter.exclude };
                    let wrong = if cx.family() == Family::Redis { ID_TOO_SMALL } else { SYNTAX };
                    at = at - 1 + read_ids(&words[at - 1..], &mut ids.ids, wrong)?;
                }
                _ => match word.strip_prefix(b"not-") {
                    Some(word) => filter.exclude.read(cx, word, value, true)?,
                    None => filter.include.read(cx, &word, value, false)?,
                },
            }
        }
        Ok(filter)
    }

    /// The filter of Redis' CLIENT LIST ID, behind which all words are ids. There is none below 1.
    pub(super) fn of_ids(words: &[&[u8]]) -> Result<Filter> {
        let id = |word: &&[u8]| int_or(word, CommandError::fixed("ERR Invalid client ID"));
        let ids = words.iter().map(|word| id(word).map(|id| u64::try_from(id).unwrap_or(0)));
        let include = Criteria { ids: ids.collect::<Result<_>>()?, ..Criteria::default() };
        Ok(Filter { include, ..Filter::default() })
    }

    /// Whether the connection is meant.
    pub(super) fn matches(&self, client: &Client, now_ms: u64) -> bool {
        let details = client.details();
        let seconds = |since: u64| now_ms.saturating_sub(since) / 1000;
        self.max_age_s.is_none_or(|age| seconds(client.created_ms) >= age)
            && self.idle_s.is_none_or(|idle| seconds(client.active_ms.load(Relaxed)) >= idle)
            && self.include.tests(client, &details).all(|test| test != Some(false))
            && self.exclude.tests(client, &details).all(|test| test != Some(true))
    }
}

/// Takes ids as long as numbers come; answers how many. `wrong` is the error if there is none.
fn read_ids(words: &[&[u8]], ids: &mut Vec<u64>, wrong: CommandError) -> Result<usize> {
    let mut taken = 0;
    while let Some(id) = words.get(taken).and_then(|word| ds::num::parse_i64(word)) {
        if id < 1 {
            return Err(ID_TOO_SMALL);
        }
        ids.push(id as u64);
        taken += 1;
    }
    if taken == 0 { Err(wrong) } else { Ok(taken) }
}

fn positive(value: &[u8], what: &str) -> Result<u64> {
    let number = int_or(value, CommandError::new(format!("ERR {what} is not an integer or out of range")))?;
    match number {
        1.. => Ok(number as u64),
        _ => Err(CommandError::new(format!("ERR {what} should be greater than 0"))),
    }
}

impl Criteria {
    fn read(&mut self, cx: &Cx<'_>, word: &[u8], value: &[u8], not: bool) -> Result {
        let shown = String::from_utf8_lossy(value);
        let unknown = |what: &str| {
            let filter = if not { format!("NOT-{}", what.to_uppercase()) } else { "provided".to_owned() };
            CommandError::new(format!("ERR Unknown {what} found in the {filter} filter: {shown}"))
        };
        let given = Some(value.to_vec());
        match word {
            b"type" => {
                let kind = ClientType::parse(value)
                    .ok_or_else(|| CommandError::new(format!("ERR Unknown client type '{shown}'")))?;
                self.kind = Some(kind);
            }
            b"user" if value != b"default" => {
                return Err(CommandError::new(format!("ERR No such user '{shown}'")));
            }
            b"user" => self.user = given,
            b"addr" => self.address = given,
            b"laddr" => self.local_address = given,
            b"ip" => self.ip = given,
            b"name" => self.name = given,
            b"lib-name" => self.lib_name = given,
            b"lib-ver" => self.lib_version = given,
            b"flags" if value.iter().all(|letter| FLAG_LETTERS.contains(letter)) => self.flags = given,
            b"flags" => return Err(unknown("flags")),
            b"capa" if value.iter().all(|&letter| letter == b'r') => self.capa = true,
            b"capa" => return Err(unknown("capa")),
            b"db" => self.db = Some(read_db(cx, value)?),
            _ => return Err(SYNTAX),
        }
        Ok(())
    }

    /// For each criterion whether it holds; `None` where it is not given.
    fn tests(&self, client: &Client, details: &Details) -> impl Iterator<Item = Option<bool>> {
        let same = |wanted: &Option<Vec<u8>>, is: &[u8]| wanted.as_ref().map(|wanted| wanted == is);
        let flags = flags_of(client, details);
        [
            (!self.ids.is_empty()).then(|| self.ids.contains(&client.id)),
            self.kind.map(|kind| kind == details.kind),
            same(&self.user, &details.user),
            same(&self.address, client.address.as_bytes()),
            same(&self.local_address, client.local_address.as_bytes()),
            same(&self.ip, ip_of(&client.address).as_bytes()),
            same(&self.name, &details.name),
            same(&self.lib_name, &details.lib_name),
            same(&self.lib_version, &details.lib_version),
            self.flags.as_ref().map(|wanted| wanted.iter().all(|letter| flags.as_bytes().contains(letter))),
            self.db.map(|db| db == details.db),
            self.capa.then_some(details.capa_redirect),
        ]
        .into_iter()
    }
}

fn read_db(cx: &Cx<'_>, value: &[u8]) -> Result<usize> {
    let db = int_or(value, CommandError::fixed("ERR DB is not an integer or out of range"))?;
    let most = cx.server.keyspace.databases() - 1;
    usize::try_from(db)
        .ok()
        .filter(|&db| db <= most)
        .ok_or_else(|| CommandError::new(format!("ERR DB number should be between 0 and {most}")))
}

/// The address without port and brackets.
fn ip_of(address: &str) -> &str {
    let ip = address.rsplit_once(':').map_or(address, |(ip, _)| ip);
    ip.strip_prefix('[').and_then(|ip| ip.strip_suffix(']')).unwrap_or(ip)
}

/// CLIENT KILL: with one argument the address, else filters. The client's own connection ends behind the reply.
pub(super) fn kill(cx: &mut Cx<'_>, argv: &[&[u8]], out: &mut Writer) -> Result {
    let by_address = argv.len() == 3;
    let filter = match argv {
        [_, _, address] => Filter {
            include: Criteria { address: Some(address.to_vec()), ..Criteria::default() },
            skip_me: Some(false),
            ..Filter::default()
        },
        _ => Filter::parse(cx, &argv[2..])?,
    };
    let mut killed = 0;
    for client in cx.server.clients.all() {
        let own = client.id == cx.session.client.id;
        if client.is_killed()
            || (own && filter.skip_me.unwrap_or(true))
            || !filter.matches(&client, cx.now_ms)
        {
            continue;
        }
        killed += 1;
        if own {
            cx.session.takeover = Some(Takeover::Close);
            client.close_after_reply.store(true, Relaxed);
        } else {
            client.kill();
        }
    }
    match (by_address, killed) {
        (true, 0) => return Err(NO_SUCH_CLIENT),
        (true, _) => out.ok(),
        (false, _) => out.int(killed),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ips_lose_port_and_brackets() {
        for (address, ip) in [("127.0.0.1:80", "127.0.0.1"), ("[::1]:6379", "::1"), ("/tmp/s:0", "/tmp/s")] {
            assert_eq!(ip_of(address), ip);
        }
    }

    #[test]
    fn ids_are_taken_as_long_as_numbers_come() {
        let mut ids = Vec::new();
        assert_eq!(read_ids(&[b"1", b"22", b"TYPE", b"3"], &mut ids, SYNTAX), Ok(2));
        assert_eq!(ids, [1, 22]);
        assert_eq!(read_ids(&[b"x"], &mut ids, SYNTAX), Err(SYNTAX));
        assert!(read_ids(&[b"3", b"0"], &mut ids, SYNTAX).is_err());
    }
}
