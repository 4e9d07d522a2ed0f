//! A tiny server for the tests of the client: loopback, port of the system's choice, a handful of commands.
//! `FRAME bytes` answers with exactly these bytes, `CUT bytes` hangs up after them.
#![allow(dead_code)]

pub mod run;
pub mod terminal;

use std::collections::{HashMap, VecDeque};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use resp::reply::{Decoder, Value};

/// What the connections share.
#[derive(Default)]
pub struct State {
    strings: HashMap<Vec<u8>, Vec<u8>>,
    /// Every command received, first word in upper case.
    pub log: Vec<String>,
    /// Asked for with AUTH.
    pub password: Option<String>,
    /// Replies that come before all others, by command and first argument: `GET key`.
    pub scripted: HashMap<String, VecDeque<Vec<u8>>>,
    /// Connections that subscribed or monitor.
    listeners: Vec<TcpStream>,
}

/// The server; lives until the test process ends.
pub struct Server {
    /// Where it listens.
    pub port: u16,
    /// What it knows.
    pub state: Arc<Mutex<State>>,
}

impl Server {
    /// Starts one.
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("bind");
        let port = listener.local_addr().expect("address").port();
        let state = Arc::new(Mutex::new(State::default()));
        let shared = Arc::clone(&state);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = Arc::clone(&shared);
                std::thread::spawn(move || serve(&stream, &stream, &shared));
            }
        });
        Self { port, state }
    }

    /// Starts one that speaks TLS.
    pub fn start_tls(config: rustls::ServerConfig) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("bind");
        let port = listener.local_addr().expect("address").port();
        let state = Arc::new(Mutex::new(State::default()));
        let (shared, config) = (Arc::clone(&state), Arc::new(config));
        std::thread::spawn(move || {
            for socket in listener.incoming().flatten() {
                let (shared, config) = (Arc::clone(&shared), Arc::clone(&config));
                std::thread::spawn(move || {
                    let plain = socket.try_clone().expect("socket");
                    let connection = rustls::ServerConnection::new(config).expect("connection");
                    serve(rustls::StreamOwned::new(connection, socket), &plain, &shared);
                });
            }
        });
        Self { port, state }
    }

    /// The next time that `command` comes, it is answered with exactly these bytes.
    pub fn script(&self, command: &str, reply: &str) {
        let mut state = self.state.lock().expect("lock");
        state.scripted.entry(command.to_owned()).or_default().push_back(reply.as_bytes().to_vec());
    }

    /// Commands received so far.
    pub fn log(&self) -> Vec<String> {
        self.state.lock().expect("lock").log.clone()
    }

    /// Whether a command came.
    pub fn saw(&self, name: &str) -> bool {
        self.state.lock().expect("lock").log.iter().any(|seen| seen == name)
    }

    /// Sends a message to all subscribers.
    pub fn publish(&self, text: &str) {
        self.tell(&format!("*3\r\n$7\r\nmessage\r\n$2\r\nch\r\n${}\r\n{text}\r\n", text.len()));
    }

    /// Sends bytes to all that subscribed or monitor.
    pub fn tell(&self, frame: &str) {
        for stream in &self.state.lock().expect("lock").listeners {
            let _ = (&mut &*stream).write_all(frame.as_bytes());
        }
    }
}

fn serve(mut stream: impl Read + Write, plain: &TcpStream, shared: &Mutex<State>) {
    let mut decoder = Decoder::new();
    let mut chunk = [0; 4096];
    loop {
        let Ok(read) = stream.read(&mut chunk) else { return };
        if read == 0 {
            return;
        }
        // As replicas send it: a line, no array.
        if chunk[..read].eq_ignore_ascii_case(b"SYNC\r\n") {
            let _ = stream.write_all(b"$5\r\nDUMP!");
            continue;
        }
        decoder.feed(&chunk[..read]);
        loop {
            let items = match decoder.next() {
                Ok(Some(Value::Array(items))) => items,
                Ok(None) => break,
                // As servers do with what is no request.
                _ => {
                    let _ = stream.write_all(b"-ERR Protocol error\r\n");
                    return;
                }
            };
            let argv: Vec<Vec<u8>> =
                items.iter().map(|item| item.as_bytes().unwrap_or_default().to_vec()).collect();
            let name = String::from_utf8_lossy(&argv[0]).to_uppercase();
            let reply = answer(&name, &argv, plain, shared);
            if stream.write_all(&reply).and_then(|()| stream.flush()).is_err() || name == "CUT" {
                return;
            }
        }
    }
}

fn bulk(text: &[u8]) -> Vec<u8> {
    [format!("${}\r\n", text.len()).as_bytes(), text, b"\r\n"].concat()
}

fn answer(name: &str, argv: &[Vec<u8>], stream: &TcpStream, shared: &Mutex<State>) -> Vec<u8> {
    let mut state = shared.lock().expect("lock");
    state.log.push(name.to_owned());
    let argument = |at: usize| argv.get(at).cloned().unwrap_or_default();
    let whole = format!("{name} {}", String::from_utf8_lossy(&argument(1)));
    if let Some(reply) = state.scripted.get_mut(whole.trim_end()).and_then(VecDeque::pop_front) {
        return reply;
    }
    match name {
        "PING" => b"+PONG\r\n".to_vec(),
        "FRAME" | "CUT" => argument(1),
        "AUTH" => match &state.password {
            Some(password) if password.as_bytes() == argument(1) => b"+OK\r\n".to_vec(),
            _ => b"-WRONGPASS invalid username-password pair or user is disabled.\r\n".to_vec(),
        },
        "SELECT" | "FLUSHALL" | "READONLY" => b"+OK\r\n".to_vec(),
        "SET" => {
            state.strings.insert(argument(1), argument(2));
            b"+OK\r\n".to_vec()
        }
        "GET" => state.strings.get(&argument(1)).map_or_else(|| b"$-1\r\n".to_vec(), |value| bulk(value)),
        "HGETALL" => b"*4\r\n$4\r\nname\r\n$4\r\nZo\xc3\xab\r\n$4\r\nmail\r\n$5\r\nz@x.y\r\n".to_vec(),
        "SCAN" => b"*2\r\n$1\r\n0\r\n*1\r\n$6\r\nuser:1\r\n".to_vec(),
        "TYPE" => b"+hash\r\n".to_vec(),
        "DBSIZE" => b":5\r\n".to_vec(),
        "HLEN" => b":2\r\n".to_vec(),
        "BRPOP" => Vec::new(),
        "SUBSCRIBE" => {
            state.listeners.extend(stream.try_clone());
            b"*3\r\n$9\r\nsubscribe\r\n$2\r\nch\r\n:1\r\n".to_vec()
        }
        "MONITOR" => {
            state.listeners.extend(stream.try_clone());
            b"+OK\r\n".to_vec()
        }
        "TALL" => {
            let line = |number: usize| format!("$7\r\nline {number:02}\r\n");
            format!("*60\r\n{}", (0..60).map(line).collect::<String>()).into_bytes()
        }
        "MEMORY" => b":100\r\n".to_vec(),
        "OBJECT" => b"$8\r\nlistpack\r\n".to_vec(),
        "PTTL" => b":90000\r\n".to_vec(),
        "HRANDFIELD" => b"*2\r\n$4\r\nname\r\n$4\r\nZo\xc3\xab\r\n".to_vec(),
        "ROLE" => b"*3\r\n$6\r\nmaster\r\n:0\r\n*0\r\n".to_vec(),
        "ECHO" => bulk(&argument(1)),
        "ASKING" => b"+OK\r\n".to_vec(),
        "INFO" => bulk(b"# Keyspace\r\ndb0:keys=5\r\n"),
        other => format!("-ERR unknown command '{other}'\r\n").into_bytes(),
    }
}
