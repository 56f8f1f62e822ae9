//! From a server's URL to an open connection: name, address, TCP or socket, StartTLS, TLS; each with its deadline.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream, lookup_host};
use tokio::time::timeout;

use super::ber::{self, INTEGER, SEQUENCE, Writer};
use super::codes;
use super::error::{CertificateInfo, DirectoryError};
use super::guard::Stream;
use super::message::{EXTENDED_REQUEST, EXTENDED_RESPONSE, Message, Outcome};
use super::settings::{ServerUrl, Settings};
use super::tls::Tls;
use crate::clock::Timestamp;

/// The StartTLS operation (RFC 4511, 4.14).
const START_TLS: &[u8] = b"1.3.6.1.4.1.1466.20037";
/// The longest answer to StartTLS that is read.
const MAX_ANSWER: usize = 64 << 10;

/// An open connection and the certificate of the server at its other end.
pub type Dialled = (Box<dyn Stream>, Option<CertificateInfo>);

/// Opens a connection, with TLS where the settings say so.
pub async fn dial(settings: &Settings, url: &ServerUrl, now: Timestamp) -> Result<Dialled, DirectoryError> {
    let server = url.to_string();
    let limit = Limit { server: &server, after: settings.connect_timeout };
    match url {
        ServerUrl::Ldapi { path } => {
            let opened = limit.within("connecting", UnixStream::connect(path)).await?;
            let stream = opened.map_err(|source| DirectoryError::Connect { server: server.clone(), source })?;
            Ok((Box::new(stream), None))
        }
        ServerUrl::Ldaps { host, port } => {
            let tls = Tls::new(settings, now)?;
            let stream = limit.tcp(settings, url, host, *port).await?;
            limit.within("making the TLS handshake", tls.handshake(&server, host, Box::new(stream))).await?
        }
        ServerUrl::Ldap { host, port } if settings.starttls => {
            let tls = Tls::new(settings, now)?;
            let mut stream = limit.tcp(settings, url, host, *port).await?;
            limit.within("asking for StartTLS", start_tls(&server, &mut stream)).await??;
            limit.within("making the TLS handshake", tls.handshake(&server, host, Box::new(stream))).await?
        }
        ServerUrl::Ldap { host, port } => Ok((Box::new(limit.tcp(settings, url, host, *port).await?), None)),
    }
}

struct Limit<'a> {
    server: &'a str,
    after: Duration,
}

impl Limit<'_> {
    async fn within<T>(&self, doing: &str, step: impl Future<Output = T>) -> Result<T, DirectoryError> {
        timeout(self.after, step).await.map_err(|_| DirectoryError::Timeout {
            server: self.server.to_owned(),
            doing: doing.to_owned(),
            after: self.after,
            key: "source.connect_timeout",
        })
    }

    /// Tries every address of the host in the resolver's order; the last failure is the one that is told.
    async fn tcp(
        &self,
        settings: &Settings,
        url: &ServerUrl,
        host: &str,
        port: u16,
    ) -> Result<TcpStream, DirectoryError> {
        let found = self.within("resolving its name", lookup_host((host, port))).await?;
        let mut addresses: Vec<SocketAddr> =
            found.map_err(|source| DirectoryError::Resolve { server: self.server.to_owned(), source })?.collect();
        if settings.needs_loopback(url) {
            addresses.retain(|address| address.ip().is_loopback());
            if addresses.is_empty() {
                return Err(DirectoryError::Cleartext { server: self.server.to_owned() });
            }
        }
        let none = io::Error::from(io::ErrorKind::AddrNotAvailable);
        let mut last = DirectoryError::Connect { server: self.server.to_owned(), source: none };
        for address in addresses {
            match self.within("connecting", TcpStream::connect(address)).await {
                Ok(Ok(stream)) => {
                    // Requests are small and waited for.
                    let _ = stream.set_nodelay(true);
                    return Ok(stream);
                }
                Ok(Err(source)) => last = DirectoryError::Connect { server: self.server.to_owned(), source },
                Err(late) => last = late,
            }
        }
        Err(last)
    }
}

/// The first octet of what a server says that speaks TLS and is asked something else (RFC 8446, 5.1).
const TLS_ALERT: u8 = 0x15;

/// Asks for TLS and reads exactly one answer. Whatever else the server says, nothing of it is believed (RFC 4513, 6.2).
async fn start_tls<S: Stream>(server: &str, stream: &mut S) -> Result<(), DirectoryError> {
    let lost = |source: io::Error| DirectoryError::Lost {
        server: server.to_owned(),
        doing: "asking for StartTLS".to_owned(),
        says: source.to_string(),
    };
    let refused = |says: String| DirectoryError::StartTls { server: server.to_owned(), says };
    let name = Writer::default().put(0x80, START_TLS);
    let request = Writer::default().number(INTEGER, 1).nest(EXTENDED_REQUEST, name);
    stream.write_all(&Writer::default().nest(SEQUENCE, request).into_bytes()).await.map_err(lost)?;
    stream.flush().await.map_err(lost)?;
    let mut answer = Vec::new();
    let (head, whole) = loop {
        if stream.read_buf(&mut answer).await.map_err(lost)? == 0 {
            return Err(refused("it closed the connection".to_owned()));
        }
        if answer.first() != Some(&SEQUENCE) || answer.len() > MAX_ANSWER {
            return Err(refused(match answer.first() {
                Some(&TLS_ALERT) => "its answer is TLS, so this port speaks it already".to_owned(),
                Some(byte) => format!("it sent something that is not LDAP, beginning with {byte:#04x}"),
                None => "it sent nothing".to_owned(),
            }));
        }
        match ber::header(&answer) {
            Ok(Some((head, length))) if answer.len() >= head.saturating_add(length) => break (head, head + length),
            Ok(_) => {}
            Err(ber::Malformed) => return Err(refused("its answer is not well-formed".to_owned())),
        }
    };
    if answer.len() > whole {
        return Err(refused("it sent more than its answer before TLS".to_owned()));
    }
    let message = Message::parse(answer.get(head..).unwrap_or_default());
    let outcome = message.ok().filter(|message| message.operation == EXTENDED_RESPONSE && message.id == 1);
    match outcome.and_then(|message| Outcome::parse(&message).ok()) {
        Some(outcome) if outcome.code == 0 => Ok(()),
        Some(outcome) => {
            let (code, name) = (outcome.code, codes::name(outcome.code));
            Err(refused(format!("code {code}, {name}{}", codes::quoted(&outcome.text))))
        }
        None => Err(refused("its answer is not one to StartTLS".to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn answered(answer: &[u8]) -> Result<(), DirectoryError> {
        let (mut ours, mut theirs) = tokio::io::duplex(1024);
        theirs.write_all(answer).await.unwrap();
        let result = start_tls("ldap://x:389", &mut ours).await;
        drop(ours);
        let mut sent = Vec::new();
        theirs.read_to_end(&mut sent).await.unwrap();
        assert_eq!(sent.len(), 31, "nothing but the request was sent");
        result
    }

    fn answer(id: i64, code: i64) -> Vec<u8> {
        let result = Writer::default().number(ber::ENUMERATED, code).put(ber::OCTETS, b"").put(ber::OCTETS, b"no");
        let message = Writer::default().number(INTEGER, id).nest(EXTENDED_RESPONSE, result);
        Writer::default().nest(SEQUENCE, message).into_bytes()
    }

    /// E8
    #[tokio::test]
    async fn start_tls_goes_on_only_after_a_clean_success() {
        answered(&answer(1, 0)).await.unwrap();
        for code in [1, 2, 10, 49, 52, 53, 80] {
            let refused = answered(&answer(1, code)).await.unwrap_err();
            assert!(refused.to_string().contains(&format!("code {code}")), "{refused}");
        }
        let mut injected = answer(1, 0);
        injected.extend(answer(2, 0));
        for bad in [injected, answer(2, 0), b"HTTP/1.1 400\r\n".to_vec(), vec![0x30, 0x80], vec![0x15, 3, 3]] {
            assert!(matches!(answered(&bad).await, Err(DirectoryError::StartTls { .. })), "{bad:02x?}");
        }
    }
}
