//! The process's title, from `proc-title-template`.

use std::sync::Mutex;

use commands::server::Server;
use config::Directive;
use sys::title::Title;

struct Shown {
    title: Title,
    /// How the program was called.
    program: String,
}

static SHOWN: Mutex<Option<Shown>> = Mutex::new(None);

/// Takes the title over, as `set-proc-title` says. For the only thread, once the arguments are not looked at any more.
pub fn claim(server: &Server) {
    if !server.config.flag(Directive::SetProcTitle) {
        return;
    }
    let program = std::env::args_os().next().unwrap_or_default().to_string_lossy().into_owned();
    let shown = Title::claim().map(|title| Shown { title, program });
    *SHOWN.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) = shown;
    show(server);
}

/// Shows what the template gives now.
pub fn show(server: &Server) {
    if let Some(shown) = &mut *SHOWN.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) {
        let text = expand(server, &shown.program);
        shown.title.set(text.trim_end().as_bytes());
    }
}

fn expand(server: &Server, program: &str) -> String {
    let config = &server.config;
    let template = config.text(Directive::ProcTitleTemplate);
    let mut text = String::new();
    let mut rest = &*template;
    while let Some((before, (name, after))) =
        rest.split_once('{').and_then(|(before, inner)| Some((before, inner.split_once('}')?)))
    {
        text.push_str(before);
        match name {
            "title" => text.push_str(program),
            "listen-addr" => text.push_str(&address(config)),
            "port" => text.push_str(&config.int(Directive::Port).to_string()),
            "tls-port" => text.push_str(&config.int(Directive::TlsPort).to_string()),
            "unixsocket" => text.push_str(&config.text(Directive::Unixsocket)),
            "config-file" => text.push_str(&config_file(server)),
            // `server-mode` is empty but for clusters and sentinels; the directive takes no other names.
            _ => {}
        }
        rest = after;
    }
    text.push_str(rest);
    text
}

fn config_file(server: &Server) -> String {
    let file = server.config_file.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    if file.is_empty() { "-".to_owned() } else { file.clone() }
}

/// The first address, or the socket where there is none.
fn address(config: &config::Store) -> String {
    let port = match (config.int(Directive::Port), config.int(Directive::TlsPort)) {
        (0, 0) => return format!("unixsocket:{}", config.text(Directive::Unixsocket)),
        (0, port) | (port, _) => port,
    };
    let bind = config.text(Directive::Bind);
    format!("{}:{port}", bind.split(' ').next().filter(|host| !host.is_empty()).unwrap_or("*"))
}
