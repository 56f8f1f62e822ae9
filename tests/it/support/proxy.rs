//! A proxy on loopback between the program and a server, that records, and after so many bytes cuts, freezes or drips.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use super::fake::frames;

/// What happens when the limit is reached.
#[derive(Clone, Copy, Debug)]
pub enum Fault {
    /// Both sides see the connection closed.
    Cut,
    /// Nothing more arrives, and nobody is told.
    Freeze,
    /// The server itself is frozen.
    Stop(Pid),
    /// What follows comes one byte at a time, so long after each other.
    Drip(Duration),
}

/// A running proxy.
pub struct Proxy {
    /// `ldap://127.0.0.1:PORT`.
    pub url: String,
    passed: Arc<AtomicU64>,
    record: Arc<Mutex<Vec<u8>>>,
}

impl Proxy {
    /// Forwards to `ldap://HOST:PORT`; of what the server sends on each connection, `limit` bytes pass.
    pub fn start(server: &str, limit: u64, fault: Fault) -> Self {
        let server = server.trim_start_matches("ldap://").trim_end_matches('/').to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("ldap://{}", listener.local_addr().unwrap());
        let passed = Arc::new(AtomicU64::new(0));
        let record = Arc::new(Mutex::new(Vec::new()));
        let count = (Arc::clone(&passed), Arc::clone(&record));
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let Ok(server) = TcpStream::connect(&server) else { continue };
                let (from, to) = (client.try_clone().unwrap(), server.try_clone().unwrap());
                thread::spawn(move || forward(from, to, u64::MAX, Fault::Cut, &|_| ()));
                let (passed, record) = count.clone();
                thread::spawn(move || {
                    forward(server, client, limit, fault, &|bytes| {
                        passed.fetch_add(bytes.len() as u64, Ordering::SeqCst);
                        record.lock().unwrap().extend(bytes);
                    });
                });
            }
        });
        Self { url, passed, record }
    }

    /// How many bytes the server has sent through.
    pub fn passed(&self) -> u64 {
        self.passed.load(Ordering::SeqCst)
    }

    /// Where each message of the server ended, when all of it went over one connection.
    pub fn boundaries(&self) -> Vec<u64> {
        let record = self.record.lock().unwrap();
        frames(&record).into_iter().map(|end| end as u64).collect()
    }
}

fn forward(mut from: TcpStream, mut to: TcpStream, limit: u64, fault: Fault, passed: &dyn Fn(&[u8])) {
    let mut left = limit;
    let mut buffer = [0; 4096];
    let mut pause = None;
    loop {
        if left == 0 {
            match fault {
                Fault::Cut => break,
                // Longer than any test waits; the thread ends with the process.
                Fault::Freeze => thread::sleep(Duration::from_secs(600)),
                Fault::Stop(server) => kill_process(server, Signal::STOP).unwrap(),
                Fault::Drip(span) => pause = Some(span),
            }
            left = u64::MAX;
        }
        let most = if pause.is_some() { 1 } else { usize::try_from(left).unwrap_or(usize::MAX).min(buffer.len()) };
        let Ok(read @ 1..) = from.read(&mut buffer[..most]) else { break };
        if to.write_all(&buffer[..read]).is_err() {
            break;
        }
        left = left.saturating_sub(read as u64);
        passed(&buffer[..read]);
        if let Some(span) = pause {
            thread::sleep(span);
        }
    }
    let _ = to.shutdown(Shutdown::Both);
    let _ = from.shutdown(Shutdown::Both);
}
