//! The servers: which can be used, what they are, how they page, and what time it is there.

use std::time::Duration;

use super::super::connect::{Connection, connect};
use super::super::error::DirectoryError;
use super::super::settings::{Settings, SourceUrl};
use super::super::srv;
use super::{Probe, Verdict};
use crate::clock::{Clock, Timestamp};
use crate::roster::words::counted;

/// A certificate that ends sooner than this is warned about.
const EXPIRES_SOON: Duration = Duration::from_secs(30 * 86_400);
/// A clock that differs more than this is warned about.
const OFF: Duration = Duration::from_secs(60);

/// The first server that can be used; the others are tried as well, so that nobody learns of them when it is too late.
pub async fn servers(probe: &mut Probe, settings: &Settings, clock: &dyn Clock) -> Option<Connection> {
    let mut usable = None;
    let mut failures = Vec::new();
    let mut all = Vec::new();
    for url in &settings.urls {
        match srv::servers(url, settings.connect_timeout).await {
            Ok(servers) => {
                if let (SourceUrl::Domain(_), count) = (url, servers.len()) {
                    probe.note(
                        "dns",
                        Verdict::Ok,
                        format!("{url}: {} named", counted(count as u64, "server", "servers")),
                    );
                }
                all.extend(servers);
            }
            Err(error) => failures.push((step_of(&error), error.to_string())),
        }
    }
    for url in all {
        match connect(&Settings { urls: vec![url.clone().into()], ..settings.clone() }, clock).await {
            Ok(connection) => {
                probe.note("server", Verdict::Ok, format!("connected and bound to {url}"));
                usable.get_or_insert(connection);
            }
            Err(error) => {
                let stop = !error.tries_next();
                probe.bind_refused = probe.bind_refused.take().or(error.bind_refused().map(str::to_owned));
                failures.push((step_of(&error), error.to_string()));
                if stop {
                    break;
                }
            }
        }
    }
    let verdict = if usable.is_some() { Verdict::Warn } else { Verdict::Fail };
    for (step, text) in failures {
        probe.note(step, verdict, text);
    }
    usable
}

const fn step_of(error: &DirectoryError) -> &'static str {
    match error {
        DirectoryError::Resolve { .. } | DirectoryError::Dns { .. } | DirectoryError::NoRecord { .. } => "dns",
        DirectoryError::TlsFile { .. } | DirectoryError::Tls { .. } | DirectoryError::StartTls { .. } => "tls",
        DirectoryError::Password { .. } => "password",
        DirectoryError::Cleartext { .. } | DirectoryError::Bind { .. } | DirectoryError::Anonymous { .. } => "bind",
        _ => "connect",
    }
}

/// What the server says of itself.
pub fn about(probe: &mut Probe, connection: &Connection, now: Timestamp) {
    let about = connection.about();
    let vendor = if about.vendor.is_empty() { "does not say what it is" } else { &about.vendor };
    probe.note("kind", Verdict::Ok, format!("the server {vendor}, treated as kind `{}`", about.kind.as_str()));
    if about.read_only {
        let says = "it is a read-only domain controller: it may not show every attribute, and it learns of changes late; \
                    name a writable one in source.urls";
        probe.note("kind", Verdict::Warn, says);
    }
    clock(probe, about.clock, now);
    match &about.certificate {
        Some(certificate) if certificate.not_after <= now + EXPIRES_SOON => {
            probe.note("tls", Verdict::Warn, format!("{certificate}: less than 30 days; renew it"));
        }
        Some(certificate) => probe.note("tls", Verdict::Ok, certificate.to_string()),
        None => {}
    }
    match &about.authorized_as {
        Some(who) => probe.note("identity", Verdict::Ok, format!("the server knows us as `{who}`")),
        None => probe.note("identity", Verdict::Ok, "the server does not say who we are to it"),
    }
    match (connection.settings.page_size, about.pages) {
        (0, _) => {
            probe.note("paging", Verdict::Warn, "switched off by source.page_size = 0: limits of the server apply")
        }
        (size, true) => {
            probe.note("paging", Verdict::Ok, format!("{} a page", counted(u64::from(size), "entry", "entries")))
        }
        (_, false) => {
            probe.note(
                "paging",
                Verdict::Warn,
                "the server does not announce it; if it fails, set source.page_size = 0",
            );
        }
    }
}

/// The server's clock beside this host's: dates in the directory are judged by ours (U8).
fn clock(probe: &mut Probe, theirs: Option<Timestamp>, ours: Timestamp) {
    let Some(theirs) = theirs else { return };
    let (ahead, behind) = (theirs.since(ours), ours.since(theirs));
    let off = ahead.max(behind).as_secs();
    if ahead.max(behind) <= OFF {
        let says = format!("the server's clock and this host's differ by {}", counted(off, "second", "seconds"));
        return probe.note("clock", Verdict::Ok, says);
    }
    let which = if ahead > behind { "ahead of" } else { "behind" };
    let says = format!(
        "the server's clock is {} {which} this host's; set the one that is wrong (NTP): when an account expires is judged \
         by this host's, and certificates are, too",
        counted(off, "second", "seconds")
    );
    probe.note("clock", Verdict::Warn, says);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_is_off_is_told_with_its_direction() {
        let ours = Timestamp::parse("2026-06-01T12:00:00Z").unwrap();
        let told = |theirs: Option<Timestamp>| {
            let mut probe = Probe::default();
            clock(&mut probe, theirs, ours);
            probe.findings.pop().map(|found| (found.verdict, found.text))
        };
        let at = |text: &str| told(Timestamp::parse(text)).unwrap();
        assert_eq!(told(None), None);
        assert_eq!(at("2026-06-01T12:00:00Z").0, Verdict::Ok);
        assert_eq!(at("2026-06-01T11:59:00Z").0, Verdict::Ok);
        let (verdict, text) = at("2026-06-01T12:05:00Z");
        assert!(verdict == Verdict::Warn && text.contains("300 seconds ahead of"), "{text}");
        assert!(at("2026-06-01T11:58:59Z").1.contains("61 seconds behind"));
    }
}
