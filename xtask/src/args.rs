//! Command lines of the form `[WORD...] [--name VALUE] [--flag]`.
//!
//! Invariant: an option that nobody asked for is an error, not silence. Callers: every command.

use std::path::PathBuf;
use std::str::FromStr;

use anyhow::{Context, Result, bail};

/// What is left of a command line while a command takes its options out of it.
#[derive(Debug)]
pub struct Args(Vec<String>);

impl Args {
    /// Wraps the words after the command.
    pub fn new(argv: Vec<String>) -> Args {
        Args(argv)
    }

    /// Takes `--name` out; true when it was there.
    pub fn flag(&mut self, name: &str) -> bool {
        let before = self.0.len();
        self.0.retain(|word| word != name);
        self.0.len() != before
    }

    /// Takes `--name VALUE` out.
    pub fn value<T: FromStr>(&mut self, name: &str) -> Result<Option<T>>
    where
        T::Err: std::error::Error + Send + Sync + 'static,
    {
        let Some(at) = self.0.iter().position(|word| word == name) else { return Ok(None) };
        if at + 1 >= self.0.len() {
            bail!("{name} needs a value");
        }
        let text = self.0.remove(at + 1);
        self.0.remove(at);
        text.parse().map(Some).with_context(|| format!("{name} {text}"))
    }

    /// Takes `--name PATH` out, made absolute: servers start in directories of their own.
    pub fn path(&mut self, name: &str) -> Result<Option<PathBuf>> {
        let Some(path) = self.value::<PathBuf>(name)? else { return Ok(None) };
        Ok(Some(std::path::absolute(path)?))
    }

    /// Takes all `--name VALUE` out, in order.
    pub fn values(&mut self, name: &str) -> Result<Vec<String>> {
        let mut all = Vec::new();
        while let Some(value) = self.value::<String>(name)? {
            all.push(value);
        }
        Ok(all)
    }

    /// Takes `--name A,B,C` out.
    pub fn list<T>(&mut self, name: &str, default: &[T]) -> Result<Vec<T>>
    where
        T: FromStr + Clone,
        T::Err: std::error::Error + Send + Sync + 'static,
    {
        let Some(text) = self.value::<String>(name)? else { return Ok(default.to_vec()) };
        text.split(',').map(|part| part.parse().with_context(|| format!("{name} {part}"))).collect()
    }

    /// The words that are no options. Call last: options still there are errors.
    pub fn words(self) -> Result<Vec<String>> {
        match self.0.iter().find(|word| word.starts_with("--")) {
            Some(unknown) => bail!("unknown option {unknown}"),
            None => Ok(self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(line: &str) -> Args {
        Args::new(line.split(' ').map(String::from).collect())
    }

    #[test]
    fn options_are_taken_out_and_words_stay() {
        let mut a = args("get --keys 10 set --replica --p 1,16");
        assert_eq!(a.value::<u64>("--keys").expect("number"), Some(10));
        assert!(a.flag("--replica"));
        assert_eq!(a.list::<usize>("--p", &[]).expect("list"), [1, 16]);
        assert_eq!(a.words().expect("words"), ["get", "set"]);
    }

    #[test]
    fn mistakes_are_errors() {
        assert!(args("--keys").value::<u64>("--keys").is_err());
        assert!(args("--keys x").value::<u64>("--keys").is_err());
        assert!(args("get --unknown").words().is_err());
    }
}
