//! Stands between the server and ldap3, and lets nothing through that ldap3 would panic, abort or hang on.
//!
//! ldap3 is connected to one end of a socket pair; a task at the other end frames the server's messages. Answers are
//! read strictly and written anew. Entries and references of searches do not go to ldap3 at all: they are diverted
//! into a bounded channel, so that a slow consumer makes us stop reading from the server, and memory stays bounded.

use std::collections::HashMap;
use std::io;
use std::os::unix::net::UnixStream as StdUnixStream;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::ber;
use super::message::{self, Message, Outcome};

/// The longest message but for entries.
const MAX_MESSAGE: usize = 16 << 20;
/// The longest entry: a group of a million members by DN fits.
const MAX_ENTRY: usize = 64 << 20;
/// How much is read from the server at once; also about how much a batch holds.
const CHUNK: usize = 64 << 10;
/// Batches that wait for the consumer.
const WAITING: usize = 4;
/// Notice of Disconnection (RFC 4511, 4.4.1).
const DISCONNECTION: &str = "1.3.6.1.4.1.1466.20036";

/// A connection to a server, with or without TLS.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// What does not go to ldap3.
#[derive(Debug)]
pub enum Diverted {
    /// Contents of SearchResultEntry messages, in order.
    Entries(Vec<Bytes>),
    /// URLs of one SearchResultReference.
    Reference(Vec<String>),
}

/// Why the guard closed the connection.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Fault {
    /// The server closed it.
    Closed,
    /// The network did.
    Broken(String),
    /// The server said that it will (notice of disconnection).
    Notice {
        /// Result code.
        code: u32,
        /// Diagnostic text.
        text: String,
    },
    /// The server sent something that is not LDAP, or that nobody asked for.
    Protocol(String),
}

impl Fault {
    /// An end without TLS's good-bye, or a reset, is how a killed server looks.
    fn of(error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset => Self::Closed,
            _ => Self::Broken(error.to_string()),
        }
    }
}

/// What the guard knows while it works.
#[derive(Default, Debug)]
pub struct Watch {
    bytes: AtomicU64,
    fault: OnceLock<Fault>,
}

impl Watch {
    /// Bytes received from the server so far.
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Why the connection ended, once it has.
    pub fn fault(&self) -> Option<&Fault> {
        self.fault.get()
    }
}

/// The side of the guard that we hold; dropping it closes the connection.
#[derive(Debug)]
pub struct Guard {
    /// Entries and references, in order.
    pub diverted: mpsc::Receiver<Diverted>,
    /// What the guard knows.
    pub watch: Arc<Watch>,
    task: JoinHandle<()>,
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Guard {
    /// Puts a guard in front of a server; the returned socket is for ldap3.
    pub fn new(server: Box<dyn Stream>) -> io::Result<(Self, StdUnixStream)> {
        let (local, theirs) = UnixStream::pair()?;
        let (sender, diverted) = mpsc::channel(WAITING);
        let watch = Arc::new(Watch::default());
        let mut pump = Pump { server, local, sender, watch: watch.clone(), asked: HashMap::new() };
        let task = tokio::spawn(async move {
            let fault = pump.run().await;
            // Before ldap3 and the consumer see the end: they ask for its reason then.
            let _ = pump.watch.fault.set(fault);
        });
        Ok((Self { diverted, watch, task }, theirs.into_std()?))
    }
}

struct Pump {
    server: Box<dyn Stream>,
    local: UnixStream,
    sender: mpsc::Sender<Diverted>,
    watch: Arc<Watch>,
    /// Requests without a final answer, by message id: the tag of the request.
    asked: HashMap<i64, u8>,
}

impl Pump {
    async fn run(&mut self) -> Fault {
        let mut inbound = BytesMut::new();
        let mut outbound = BytesMut::new();
        loop {
            inbound.reserve(CHUNK);
            tokio::select! {
                read = self.server.read_buf(&mut inbound) => match read {
                    Ok(0) => return Fault::Closed,
                    Ok(count) => {
                        self.watch.bytes.fetch_add(count as u64, Ordering::Relaxed);
                        if let Err(fault) = self.receive(&mut inbound).await {
                            return fault;
                        }
                    }
                    Err(error) => return Fault::of(&error),
                },
                read = self.local.read_buf(&mut outbound) => match read {
                    Ok(0) | Err(_) => return Fault::Closed,
                    Ok(_) => if let Err(fault) = self.send(&mut outbound).await {
                        return fault;
                    },
                },
            }
        }
    }

    /// Passes whole requests on, and remembers which answers they may get.
    async fn send(&mut self, outbound: &mut BytesMut) -> Result<(), Fault> {
        while let Ok(Some((head, length))) = ber::header(outbound) {
            if outbound.len() < head + length {
                break;
            }
            let frame = outbound.split_to(head + length).freeze();
            if let Ok(request) = Message::parse(frame.get(head..).unwrap_or_default())
                && matches!(
                    request.operation,
                    message::BIND_REQUEST | message::SEARCH_REQUEST | message::EXTENDED_REQUEST
                )
            {
                self.asked.insert(request.id, request.operation);
            }
            self.server.write_all(&frame).await.map_err(broken)?;
        }
        self.server.flush().await.map_err(broken)
    }

    /// Takes every whole message out of the buffer.
    async fn receive(&mut self, inbound: &mut BytesMut) -> Result<(), Fault> {
        let mut entries = Vec::new();
        while let Some(frame) = Self::frame(inbound)? {
            let message = Message::parse(&frame).map_err(|_| protocol("a message that is not well-formed"))?;
            let asked = self.asked.get(&message.id).copied();
            match (message.operation, asked) {
                (message::SEARCH_ENTRY, Some(message::SEARCH_REQUEST)) => {
                    entries.push(frame.slice_ref(message.content))
                }
                _ if frame.len() > MAX_MESSAGE => return Err(protocol("an answer of more than 16 MiB")),
                (message::SEARCH_REFERENCE, Some(message::SEARCH_REQUEST)) => {
                    self.divert(&mut entries).await?;
                    let urls = message::strings(message.content);
                    let urls = urls.map_err(|_| protocol("a continuation reference that is not well-formed"))?;
                    self.sender.send(Diverted::Reference(urls)).await.map_err(|_| Fault::Closed)?;
                }
                (message::INTERMEDIATE, Some(_)) => {}
                (message::SEARCH_DONE, Some(message::SEARCH_REQUEST))
                | (message::BIND_RESPONSE, Some(message::BIND_REQUEST))
                | (message::EXTENDED_RESPONSE, Some(message::EXTENDED_REQUEST)) => {
                    self.divert(&mut entries).await?;
                    self.answer(&message).await?;
                }
                (message::EXTENDED_RESPONSE, None) if message.id == 0 => notice(&message)?,
                (operation, _) => {
                    let id = message.id;
                    return Err(protocol(format!("an answer of type {operation:#04x} to message {id}, not asked for")));
                }
            }
        }
        self.divert(&mut entries).await
    }

    /// The inside of the next whole message.
    fn frame(inbound: &mut BytesMut) -> Result<Option<Bytes>, Fault> {
        match inbound.first() {
            None => return Ok(None),
            Some(&ber::SEQUENCE) => {}
            Some(0x15) => return Err(protocol("a TLS alert; this port speaks TLS: use ldaps:// in source.urls")),
            Some(byte) => return Err(protocol(format!("something that is not LDAP, beginning with {byte:#04x}"))),
        }
        let header = ber::header(inbound).map_err(|_| protocol("a message of indefinite or impossible length"))?;
        let Some((head, length)) = header else { return Ok(None) };
        if length > MAX_ENTRY {
            return Err(protocol(format!("a message of {length} bytes, which is more than {} MiB", MAX_ENTRY >> 20)));
        }
        let whole = head + length;
        if inbound.len() < whole {
            inbound.reserve(whole - inbound.len());
            return Ok(None);
        }
        let mut frame = inbound.split_to(whole).freeze();
        frame.advance(head);
        Ok(Some(frame))
    }

    async fn divert(&mut self, entries: &mut Vec<Bytes>) -> Result<(), Fault> {
        if entries.is_empty() {
            return Ok(());
        }
        self.sender.send(Diverted::Entries(std::mem::take(entries))).await.map_err(|_| Fault::Closed)
    }

    async fn answer(&mut self, message: &Message<'_>) -> Result<(), Fault> {
        let outcome = Outcome::parse(message).map_err(|_| protocol("a result that is not well-formed"))?;
        self.asked.remove(&message.id);
        self.local.write_all(&outcome.encode(message.id, message.operation)).await.map_err(|_| Fault::Closed)
    }
}

/// An unsolicited notification: the end of the connection, or something that RFC 4511, 4.4 lets us ignore.
fn notice(message: &Message<'_>) -> Result<(), Fault> {
    let outcome = Outcome::parse(message).map_err(|_| protocol("a notification that is not well-formed"))?;
    // AD writes the name where it does not belong, so that it is missing here.
    if outcome.name().is_none_or(|name| name == DISCONNECTION) {
        return Err(Fault::Notice { code: outcome.code, text: outcome.text });
    }
    Ok(())
}

fn protocol(says: impl Into<String>) -> Fault {
    Fault::Protocol(says.into())
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn broken(error: io::Error) -> Fault {
    Fault::of(&error)
}

#[cfg(test)]
#[path = "guard_tests.rs"]
mod tests;
