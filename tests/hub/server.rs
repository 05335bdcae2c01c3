//! A hub on loopback: answers as the real one does, and misbehaves where a test asks for it.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

/// What a client asked for.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) path: String,
    pub(crate) range: Option<usize>,
    pub(crate) token: Option<String>,
}

/// What it gets.
#[derive(Debug, Clone, Default)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    /// Bytes of the body after which the connection is cut.
    pub(crate) cut: Option<usize>,
    /// The length that is announced, where it is not the body's.
    pub(crate) length: Option<usize>,
}

impl Reply {
    pub(crate) fn new(status: u16) -> Self {
        Self {
            status,
            ..Self::default()
        }
    }

    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// A file as servers send it: from a byte on, where that is asked for.
    pub(crate) fn file(bytes: &[u8], range: Option<usize>) -> Self {
        match range {
            None => Self::new(200).body(bytes),
            Some(from) if from < bytes.len() => Self::new(206)
                .with(
                    "Content-Range",
                    &format!("bytes {from}-{}/{}", bytes.len() - 1, bytes.len()),
                )
                .body(&bytes[from..]),
            Some(_) => Self::new(416),
        }
    }

    fn send(&self, stream: &mut TcpStream) -> std::io::Result<()> {
        let length = self.length.unwrap_or(self.body.len());
        let mut head = format!(
            "HTTP/1.1 {} X\r\nContent-Length: {length}\r\nConnection: close\r\n",
            self.status
        );
        for (name, value) in &self.headers {
            // Writing to a String cannot fail.
            let _ = write!(head, "{name}: {value}\r\n");
        }
        head.push_str("\r\n");
        stream.write_all(head.as_bytes())?;
        let sent = self.cut.unwrap_or(self.body.len()).min(self.body.len());
        stream.write_all(&self.body[..sent])?;
        stream.flush()
    }
}

type Handler = Box<dyn FnMut(&Request) -> Reply + Send>;

/// A server on a port of its own, stopped when dropped.
pub(crate) struct Server {
    pub(crate) address: String,
    seen: Arc<Mutex<Vec<Request>>>,
    /// Replies that go before the handler's, in this order, to the requests that end so.
    faults: Arc<Mutex<VecDeque<(String, Reply)>>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

/// Longest that one connection may keep the server.
const PATIENCE: Duration = Duration::from_secs(10);

impl Server {
    pub(crate) fn new(handler: impl FnMut(&Request) -> Reply + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("an address").to_string();
        let (seen, faults, stop) = (Arc::default(), Arc::default(), Arc::default());
        let mut serving = Serving {
            handler: Box::new(handler),
            seen: Arc::clone(&seen),
            faults: Arc::clone(&faults),
        };
        let stopped: Arc<AtomicBool> = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming() {
                if stopped.load(Ordering::SeqCst) {
                    return;
                }
                if let Ok(stream) = stream {
                    serving.serve(stream);
                }
            }
        });
        Self {
            address,
            seen,
            faults,
            stop,
            thread: Some(thread),
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Lets the next request whose path ends so get this reply.
    pub(crate) fn fault(&self, end: &str, reply: Reply) {
        let mut faults = self.faults.lock().expect("no panic");
        faults.push_back((end.to_owned(), reply));
    }

    /// The requests so far whose path holds a text, and forgets all.
    pub(crate) fn requests(&self, part: &str) -> Vec<Request> {
        let mut seen = std::mem::take(&mut *self.seen.lock().expect("no panic"));
        seen.retain(|r| r.path.contains(part));
        seen
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        // Wakes the thread from its wait.
        TcpStream::connect(&self.address).ok();
        if let Some(thread) = self.thread.take() {
            thread.join().ok();
        }
    }
}

struct Serving {
    handler: Handler,
    seen: Arc<Mutex<Vec<Request>>>,
    faults: Arc<Mutex<VecDeque<(String, Reply)>>>,
}

impl Serving {
    fn serve(&mut self, mut stream: TcpStream) {
        stream.set_read_timeout(Some(PATIENCE)).ok();
        stream.set_write_timeout(Some(PATIENCE)).ok();
        let Some(request) = read(&stream) else { return };
        let planned = {
            let mut faults = self.faults.lock().expect("no panic");
            let place = faults
                .iter()
                .position(|(end, _)| request.path.ends_with(end));
            place.and_then(|i| faults.remove(i))
        };
        let reply = match planned {
            Some((_, reply)) => reply,
            None => (self.handler)(&request),
        };
        self.seen.lock().expect("no panic").push(request);
        // A client that has gone away is what some tests want.
        reply.send(&mut stream).ok();
        stream.shutdown(Shutdown::Both).ok();
    }
}

fn read(stream: &TcpStream) -> Option<Request> {
    let mut lines = BufReader::new(stream).lines();
    let first = lines.next()?.ok()?;
    let mut request = Request {
        path: first.split(' ').nth(1)?.to_owned(),
        range: None,
        token: None,
    };
    for line in lines {
        let line = line.ok()?;
        let Some((name, value)) = line.split_once(':') else {
            break;
        };
        match name.to_lowercase().as_str() {
            "authorization" => request.token = Some(value.trim().to_owned()),
            "range" => {
                let from = value.trim().strip_prefix("bytes=")?.strip_suffix('-')?;
                request.range = from.parse().ok();
            }
            _ => {}
        }
    }
    Some(request)
}
