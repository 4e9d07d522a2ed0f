//! Entry of the client: arguments in, exit code out.
#![forbid(unsafe_code)]

use std::os::unix::ffi::OsStringExt;

fn main() {
    let mut argv = std::env::args_os().map(OsStringExt::into_vec);
    let argv0 = String::from_utf8_lossy(&argv.next().unwrap_or_default()).into_owned();
    let code = russet_cli::start::run(&argv0, &argv.collect::<Vec<_>>());
    russet_cli::emit::flush();
    std::process::exit(code);
}
