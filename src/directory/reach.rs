//! How a server is best reached before anybody has an account there: with TLS wherever it offers any (E8).

use std::path::PathBuf;
use std::time::Duration;

use super::connect::{About, hello};
use super::error::DirectoryError;
use super::settings::{Bind, PAGE_SIZE, ServerUrl, Settings, SourceUrl};
use super::srv::servers;
use crate::clock::Clock;

/// One way to a server.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Way {
    /// Where.
    pub url: SourceUrl,
    /// Whether TLS begins with StartTLS.
    pub starttls: bool,
}

impl Way {
    /// Whether a password would go this way in clear text over the network.
    fn is_open(&self) -> bool {
        matches!(self.url, SourceUrl::Server(ServerUrl::Ldap { .. })) && !self.starttls && !self.is_local()
    }

    /// Whether nothing leaves this host.
    fn is_local(&self) -> bool {
        matches!(&self.url, SourceUrl::Server(server) if server.is_local())
    }
}

/// A server that answers.
#[derive(Debug)]
pub struct Reached {
    /// The way in, without an account and a base.
    pub settings: Settings,
    /// What the server says of itself to anybody.
    pub about: About,
    /// What was tried before, and did not do.
    pub passed: Vec<DirectoryError>,
}

impl Reached {
    /// The server's URL.
    pub fn url(&self) -> Option<&SourceUrl> {
        self.settings.urls.first()
    }
}

/// Tries the ways in order; a server whose certificate is not trusted is not asked in clear text instead, but on this host.
///
/// `cleartext`: a password may go over the network in clear text.
///
/// # Errors
/// The failure of the only way, or of all of them.
pub async fn reach(
    ways: &[Way],
    ca_file: Option<PathBuf>,
    cleartext: bool,
    clock: &dyn Clock,
) -> Result<Reached, DirectoryError> {
    let mut passed = Vec::new();
    for way in ways.iter().filter(|way| cleartext || !way.is_open()) {
        let settings = Settings {
            urls: vec![way.url.clone()],
            starttls: way.starttls,
            cleartext: cleartext && way.is_open(),
            ca_file: ca_file.clone(),
            ..usual()
        };
        match greet(&settings, &way.url, clock).await {
            Ok(about) => return Ok(Reached { settings, about, passed }),
            Err(error) => {
                let distrusted = matches!(error, DirectoryError::Tls { certificate: Some(_), .. });
                let unusable = matches!(error, DirectoryError::TlsFile { .. });
                passed.push(error);
                if unusable || distrusted && !way.is_local() {
                    break;
                }
            }
        }
    }
    Err(DirectoryError::of_attempts(passed))
}

/// What the first server says that answers.
async fn greet(settings: &Settings, url: &SourceUrl, clock: &dyn Clock) -> Result<About, DirectoryError> {
    let mut passed = Vec::new();
    for server in servers(url, settings.connect_timeout).await? {
        match hello(settings, &server, clock).await {
            Err(error) if error.tries_next() => passed.push(error),
            answer => return answer,
        }
    }
    Err(DirectoryError::of_attempts(passed))
}

/// `[source]` as it is when nothing is written.
fn usual() -> Settings {
    Settings {
        name: String::new(),
        urls: Vec::new(),
        starttls: false,
        cleartext: false,
        ca_file: None,
        client_certificate: None,
        bind: Bind::External,
        base_dn: String::new(),
        kind: None,
        page_size: PAGE_SIZE,
        page_rate: 0,
        connect_timeout: Duration::from_secs(10),
        read_timeout: Duration::from_secs(60),
        run_timeout: Duration::from_secs(30 * 60),
        outside: Vec::new(),
        must_see: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::SystemClock;

    /// E8: no server over the network is asked in clear text, unless that was said.
    #[tokio::test]
    async fn clear_text_over_the_network_is_not_even_tried() {
        let ways = [true, false].map(|starttls| Way {
            url: ServerUrl::Ldap { host: "no-such-host.invalid".to_owned(), port: 389 }.into(),
            starttls,
        });
        let error = reach(&ways, None, false, &SystemClock).await.unwrap_err();
        assert!(matches!(error, DirectoryError::Resolve { .. }), "one try: {error}");
        let error = reach(&ways, None, true, &SystemClock).await.unwrap_err();
        assert!(matches!(&error, DirectoryError::NoServer { attempts } if attempts.len() == 2), "{error}");
    }
}
