//! What a command answers when it fails. Each wire text is written once, here or at the one place that raises it.

use std::borrow::Cow;

/// A failed command's error reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandError(pub Cow<'static, [u8]>);

/// What handlers return: the reply is in the writer, or the error is to be.
pub type Result<T = ()> = std::result::Result<T, CommandError>;

impl CommandError {
    /// An error with a fixed text, its code included.
    pub const fn fixed(text: &'static str) -> CommandError {
        CommandError(Cow::Borrowed(text.as_bytes()))
    }

    /// An error with a text made for the occasion, its code included.
    pub fn new(text: impl Into<Vec<u8>>) -> CommandError {
        CommandError(Cow::Owned(text.into()))
    }

    /// The error's code: its first word.
    pub fn code(&self) -> &[u8] {
        self.0.split(|&byte| byte == b' ').next().unwrap_or(b"ERR")
    }
}

pub const WRONG_TYPE: CommandError =
    CommandError::fixed("WRONGTYPE Operation against a key holding the wrong kind of value");
pub const SYNTAX: CommandError = CommandError::fixed("ERR syntax error");
pub const NOT_AN_INTEGER: CommandError = CommandError::fixed("ERR value is not an integer or out of range");
pub const NOT_A_FLOAT: CommandError = CommandError::fixed("ERR value is not a valid float");
pub const NO_SUCH_KEY: CommandError = CommandError::fixed("ERR no such key");
pub const OUT_OF_RANGE: CommandError = CommandError::fixed("ERR value is out of range");
pub const MUST_BE_POSITIVE: CommandError = CommandError::fixed("ERR value is out of range, must be positive");
pub const INDEX_OUT_OF_RANGE: CommandError = CommandError::fixed("ERR index out of range");
pub const DB_OUT_OF_RANGE: CommandError = CommandError::fixed("ERR DB index is out of range");
pub const SAME_OBJECT: CommandError = CommandError::fixed("ERR source and destination objects are the same");
pub const STRING_TOO_LONG: CommandError =
    CommandError::fixed("ERR string exceeds maximum allowed size (proto-max-bulk-len)");
pub const OUT_OF_MEMORY: CommandError =
    CommandError::fixed("OOM command not allowed when used memory > 'maxmemory'.");

/// `LOADING Redis is loading the dataset in memory`
pub fn loading(config: &config::Store) -> CommandError {
    CommandError::new(format!("LOADING {} is loading the dataset in memory", config.identity().0))
}

/// `ERR wrong number of arguments for 'name' command`
pub fn wrong_arity(name: &str) -> CommandError {
    CommandError::new(format!("ERR wrong number of arguments for '{name}' command"))
}

/// `ERR unknown subcommand or wrong number of arguments for 'x'. Try NAME HELP.`
pub fn wrong_syntax(container: &str, word: &[u8]) -> CommandError {
    let shown = String::from_utf8_lossy(&word[..word.len().min(128)]);
    let container = container.to_uppercase();
    CommandError::new(format!(
        "ERR unknown subcommand or wrong number of arguments for '{shown}'. Try {container} HELP."
    ))
}

/// `ERR unknown subcommand 'x'. Try NAME HELP.`
pub fn unknown_subcommand(container: &str, given: &[u8]) -> CommandError {
    let shown = String::from_utf8_lossy(&given[..given.len().min(128)]).into_owned();
    CommandError::new(format!("ERR unknown subcommand '{shown}'. Try {} HELP.", container.to_uppercase()))
}
