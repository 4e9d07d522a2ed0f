//! A tiny server for the tests of the client: loopback, port of the system's choice, a handful of commands.
//! `FRAME bytes` answers with exactly these bytes, `CUT bytes` hangs up after them.
#![allow(dead_code)]

use std::collections::HashMap;
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
    /// Connections that subscribed.
    subscribers: Vec<TcpStream>,
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
                std::thread::spawn(move || serve(stream, &shared));
            }
        });
        Self { port, state }
    }

    /// Whether a command came.
    pub fn saw(&self, name: &str) -> bool {
        self.state.lock().expect("lock").log.iter().any(|seen| seen == name)
    }

    /// Sends a message to all subscribers.
    pub fn publish(&self, text: &str) {
        let frame = format!("*3\r\n$7\r\nmessage\r\n$2\r\nch\r\n${}\r\n{text}\r\n", text.len());
        for stream in &self.state.lock().expect("lock").subscribers {
            let _ = (&mut &*stream).write_all(frame.as_bytes());
        }
    }
}

fn serve(mut stream: TcpStream, shared: &Mutex<State>) {
    let mut decoder = Decoder::new();
    let mut chunk = [0; 4096];
    loop {
        let Ok(read) = stream.read(&mut chunk) else { return };
        if read == 0 {
            return;
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
            let reply = answer(&name, &argv, &stream, shared);
            if stream.write_all(&reply).is_err() || name == "CUT" {
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
            state.subscribers.extend(stream.try_clone());
            b"*3\r\n$9\r\nsubscribe\r\n$2\r\nch\r\n:1\r\n".to_vec()
        }
        "INFO" => bulk(b"# Keyspace\r\ndb0:keys=5\r\n"),
        other => format!("-ERR unknown command '{other}'\r\n").into_bytes(),
    }
}
