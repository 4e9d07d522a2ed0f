//! The interactive face: a line editor with completion, hints and history in front of a session, readable
//! replies, live views, and a few commands of its own that start with a colon.
//!
//! Ctrl-C cancels the line, the running command or the live view, never the program; Ctrl-D leaves. Under a
//! classic name only the input is rich: replies stay in the classic format until `:set table`.

mod commands;
pub mod guard;
mod helper;
mod history;
mod live;
mod pager;
pub mod profiles;
pub mod prompt;
pub mod render;
mod settings;

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustyline::error::ReadlineError;
use rustyline::history::FileHistory;
use rustyline::{ColorMode, CompletionType, Config, Editor};

use crate::face::Face;
use crate::repl::{self, Step};
use crate::session::{Session, lower};
use crate::{emit, quote, say, warn};
use helper::LineHelper;
pub use settings::Settings;

/// Longest wait for a connection at the prompt unless `-t` says otherwise: a prompt that does not come cannot be
/// interrupted without leaving.
const CONNECT_LIMIT: Duration = Duration::from_secs(15);

/// Lines kept, over all sessions.
const HISTORY_LINES: usize = 20_000;

type LineEditor = Editor<LineHelper, FileHistory>;

/// Runs until Ctrl-D or `quit`; the exit code.
pub fn run(mut session: Session) -> i32 {
    let face = session.options.face;
    let settings = Rc::new(RefCell::new(Settings::new(&session.options)));
    session.interactive = true;
    session.options.timeout.get_or_insert(CONNECT_LIMIT);
    let interrupt = Arc::new(AtomicBool::new(false));
    // Without the handler Ctrl-C would kill us: still usable.
    let _ = signal_hook::flag::register(signal_hook::consts::SIGINT, Arc::clone(&interrupt));
    session.interrupt = Some(Arc::clone(&interrupt));
    if face == Face::Russet && session.options.protocol == crate::options::Protocol::Unset {
        session.options.protocol = crate::options::Protocol::PreferResp3;
    }
    session.renderer = Some(render::renderer(Rc::clone(&settings)));
    session.connect(false);
    let mut editor = match editor(&session, &settings) {
        Ok(editor) => editor,
        Err(error) => {
            warn!("Error: {error}\n");
            return repl::run(&mut session);
        }
    };
    settings::read_rc_file(&mut session, &settings);
    let history = history::File::open(face, &mut editor);
    prompt_loop(&mut session, &mut editor, &settings, &history, &interrupt)
}

fn editor(session: &Session, settings: &Rc<RefCell<Settings>>) -> rustyline::Result<LineEditor> {
    let color = if settings.borrow().color { ColorMode::Forced } else { ColorMode::Disabled };
    let config = Config::builder()
        .max_history_size(HISTORY_LINES)?
        .history_ignore_dups(true)?
        .history_ignore_space(true)
        .completion_type(CompletionType::List)
        .color_mode(color)
        .build();
    let mut editor = Editor::with_config(config)?;
    editor.set_helper(Some(LineHelper::new(session.options.clone(), Rc::clone(settings))));
    Ok(editor)
}

fn prompt_loop(
    session: &mut Session,
    editor: &mut LineEditor,
    settings: &Rc<RefCell<Settings>>,
    history: &history::File,
    interrupt: &AtomicBool,
) -> i32 {
    let mut role = prompt::role(session);
    loop {
        emit::flush();
        let target = session.options.target_text();
        let prompt = prompt::text(session, &role);
        if let Some(helper) = editor.helper() {
            helper.prompt(&prompt);
        }
        let line = match editor.readline(&prompt) {
            Ok(line) => line,
            Err(ReadlineError::Interrupted) => continue,
            Err(ReadlineError::Eof) => break,
            Err(error) => {
                warn!("Error: {error}\n");
                return 1;
            }
        };
        interrupt.store(false, Ordering::Relaxed);
        let Some(words) = quote::split(line.as_bytes()).filter(|words| !words.is_empty()) else { continue };
        if !history::is_secret(&words) {
            history.add(editor, &line);
        }
        if let Some(helper) = editor.helper_mut() {
            helper.seen(&words);
        }
        match one_line(session, settings, &words, line.as_bytes()) {
            Step::Continue => {}
            Step::Cancelled => {
                say!("(cancelled)\n");
                session.connect(true);
            }
            Step::Quit => break,
        }
        let connection_commands = ["connect", "replicaof", "slaveof", "failover"];
        if session.options.target_text() != target
            || connection_commands.contains(&lower(words.first()).as_str())
        {
            role = prompt::role(session);
            if let Some(helper) = editor.helper_mut() {
                helper.reconnect(session.options.clone());
            }
        }
    }
    if session.in_multi {
        warn!("Leaving an open transaction: its commands are discarded.\n");
    }
    0
}

/// Runs one line: our own commands, guarded commands, then what the classic prompt knows.
fn one_line(session: &mut Session, settings: &Rc<RefCell<Settings>>, words: &[Vec<u8>], line: &[u8]) -> Step {
    if session.options.production && !guard::allows(session, words) {
        return Step::Continue;
    }
    if words[0].first() == Some(&b':') {
        return commands::run(session, settings, words);
    }
    if live::is_endless(words) {
        say!("{}\n", settings.borrow().dim("Live view: Ctrl-C returns to the prompt."));
    }
    session.elapsed = Duration::ZERO;
    let step = repl::step(session, line);
    if session.pubsub.active() {
        live::subscribed(session);
        return Step::Continue;
    }
    if settings.borrow().timing && step == Step::Continue && !session.elapsed.is_zero() {
        say!("{}\n", settings.borrow().dim(&format!("({:.3} ms)", session.elapsed.as_secs_f64() * 1e3)));
    }
    step
}
