//! A proxy on loopback between the program and a server, that cuts or freezes after so many bytes.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

/// What happens when the limit is reached.
#[derive(Clone, Copy, Debug)]
pub enum Fault {
    /// Both sides see the connection closed.
    Cut,
    /// Nothing more arrives, and nobody is told.
    Freeze,
}

/// A running proxy.
pub struct Proxy {
    /// `ldap://127.0.0.1:PORT`.
    pub url: String,
    passed: Arc<AtomicU64>,
}

impl Proxy {
    /// Forwards to `ldap://HOST:PORT`; of what the server sends on each connection, `limit` bytes pass.
    pub fn start(server: &str, limit: u64, fault: Fault) -> Self {
        let server = server.trim_start_matches("ldap://").trim_end_matches('/').to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("ldap://{}", listener.local_addr().unwrap());
        let passed = Arc::new(AtomicU64::new(0));
        let count = Arc::clone(&passed);
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let Ok(server) = TcpStream::connect(&server) else { continue };
                let (from, to) = (client.try_clone().unwrap(), server.try_clone().unwrap());
                thread::spawn(move || forward(from, to, u64::MAX, Fault::Cut, &AtomicU64::new(0)));
                let count = Arc::clone(&count);
                thread::spawn(move || forward(server, client, limit, fault, &count));
            }
        });
        Self { url, passed }
    }

    /// How many bytes the server has sent through.
    pub fn passed(&self) -> u64 {
        self.passed.load(Ordering::SeqCst)
    }
}

fn forward(mut from: TcpStream, mut to: TcpStream, limit: u64, fault: Fault, passed: &AtomicU64) {
    let mut left = limit;
    let mut buffer = [0; 4096];
    while left > 0 {
        let most = usize::try_from(left).unwrap_or(usize::MAX).min(buffer.len());
        let Ok(read @ 1..) = from.read(&mut buffer[..most]) else { break };
        if to.write_all(&buffer[..read]).is_err() {
            break;
        }
        left -= read as u64;
        passed.fetch_add(read as u64, Ordering::SeqCst);
    }
    if left == 0 && matches!(fault, Fault::Freeze) {
        // Longer than any test waits; the thread ends with the process.
        thread::sleep(Duration::from_secs(600));
    }
    let _ = to.shutdown(Shutdown::Both);
    let _ = from.shutdown(Shutdown::Both);
}
