//! An HTTP server of which a test decides every byte, and which counts what it was asked.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What it does with one request.
pub(crate) enum Reply {
    /// Sends these bytes and closes.
    Bytes(Vec<u8>),
    /// Sends them after a while.
    Late(Duration, Vec<u8>),
    /// Keeps the connection and says nothing.
    Silence,
}

type Handler = Box<dyn Fn(&str) -> Reply + Send>;

pub(crate) struct Double {
    url: String,
    asked: Arc<Mutex<Vec<String>>>,
    handler: Arc<Mutex<Handler>>,
}

impl Double {
    /// On a free port of loopback, until the process ends.
    pub(crate) fn start(handler: impl Fn(&str) -> Reply + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let handler: Arc<Mutex<Handler>> = Arc::new(Mutex::new(Box::new(handler)));
        let (log, answers) = (Arc::clone(&asked), Arc::clone(&handler));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (log, answers) = (Arc::clone(&log), Arc::clone(&answers));
                std::thread::spawn(move || serve(stream.unwrap(), &log, &answers));
            }
        });
        Self {
            url,
            asked,
            handler,
        }
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// From now on it does this.
    pub(crate) fn now(&self, handler: impl Fn(&str) -> Reply + Send + 'static) {
        *self.handler.lock().unwrap() = Box::new(handler);
    }

    /// What was asked since the last call, in the order in which it came.
    pub(crate) fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.asked.lock().unwrap())
    }
}

fn serve(mut stream: TcpStream, log: &Mutex<Vec<String>>, handler: &Mutex<Handler>) {
    let mut head = Vec::new();
    let mut piece = [0; 1024];
    while !head.windows(4).any(|end| end == b"\r\n\r\n") {
        match stream.read(&mut piece) {
            Ok(0) | Err(_) => return,
            Ok(len) => head.extend_from_slice(&piece[..len]),
        }
    }
    let line = String::from_utf8_lossy(&head);
    let target = line.split(' ').nth(1).unwrap_or_default().to_owned();
    log.lock().unwrap().push(target.clone());
    let reply = (handler.lock().unwrap())(&target);
    let bytes = match reply {
        Reply::Bytes(bytes) => bytes,
        Reply::Late(wait, bytes) => {
            std::thread::sleep(wait);
            bytes
        }
        Reply::Silence => {
            let _ = stream.read(&mut piece);
            return;
        }
    };
    // A client that had enough closes before all is sent.
    let _ = stream.write_all(&bytes);
}

/// An answer of HTTP/1.1.
pub(crate) fn answer(status: &str, headers: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let mut bytes = format!("HTTP/1.1 {status}\r\n").into_bytes();
    for (name, value) in headers {
        bytes.extend(format!("{name}: {value}\r\n").into_bytes());
    }
    bytes.extend(format!("Content-Length: {}\r\n\r\n", body.len()).into_bytes());
    bytes.extend(body);
    bytes
}
