//! The servers: which can be used, what they are, how they page, and what time it is there.

use std::time::Duration;

use super::super::connect::{Connection, connect};
use super::super::disabled::generalized_time;
use super::super::error::DirectoryError;
use super::super::paging::{self, Search};
use super::super::settings::{Scope, Settings, SourceUrl};
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
}

/// The server's own clock: as a domain controller shows it, or where servers show what they do (389 Directory Server, and
/// OpenLDAP with its monitor).
pub async fn clock_of(connection: &mut Connection) -> Result<Option<Timestamp>, DirectoryError> {
    let mut theirs = connection.about.clock;
    for (place, name) in [("cn=monitor", "currentTime"), ("cn=Current,cn=Time,cn=Monitor", "monitorTimestamp")] {
        if theirs.is_none() {
            let search = Search::once(place, Scope::Base, "(objectClass=*)", &[name]);
            paging::one(&mut connection.wire, &search, "asking for the server's time", |entry| {
                theirs = entry.texts(name).find_map(|time| generalized_time(time.as_bytes()));
            })
            .await?;
        }
    }
    Ok(theirs)
}

/// The server's clock beside this host's: dates in the directory are judged by ours (U8).
///
/// Where it shows none, the newest of the changes that were seen is the least that its clock can be.
pub fn clock(probe: &mut Probe, (theirs, newest): (Option<Timestamp>, Option<Timestamp>), ours: Timestamp) {
    let Some(theirs) = theirs else { return by_changes(probe, newest, ours) };
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

/// What the newest change says of the server's clock.
fn by_changes(probe: &mut Probe, newest: Option<Timestamp>, ours: Timestamp) {
    let Some(newest) = newest else {
        let says =
            "the server does not show its clock, nor when anything was changed: how far it is off cannot be known";
        return probe.note("clock", Verdict::Ok, says);
    };
    let ahead = newest.since(ours);
    if ahead > OFF {
        let says = format!(
            "the server does not show its clock, but a change of {newest} is {} ahead of this host's; set the one that is \
             wrong (NTP): when an account expires is judged by this host's, and certificates are, too",
            counted(ahead.as_secs(), "second", "seconds")
        );
        return probe.note("clock", Verdict::Warn, says);
    }
    let says = format!(
        "the server does not show its clock; the newest change that was seen, of {newest}, is not ahead of this host's; \
         whether the server's is behind cannot be known"
    );
    probe.note("clock", Verdict::Ok, says);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_is_off_is_told_with_its_direction() {
        let ours = Timestamp::parse("2026-06-01T12:00:00Z").unwrap();
        let told = |theirs: Option<Timestamp>, newest: Option<Timestamp>| {
            let mut probe = Probe::default();
            clock(&mut probe, (theirs, newest), ours);
            probe.findings.pop().map(|found| (found.verdict, found.text)).unwrap()
        };
        let at = |text: &str| told(Timestamp::parse(text), None);
        assert!(told(None, None).1.contains("cannot be known"));
        let by_changes = |text: &str| told(None, Timestamp::parse(text));
        let (verdict, text) = by_changes("2026-06-01T12:01:01Z");
        assert!(verdict == Verdict::Warn && text.contains("61 seconds ahead of this host's"), "{text}");
        let (verdict, text) = by_changes("2026-05-01T12:00:00Z");
        assert!(verdict == Verdict::Ok && text.contains("whether the server's is behind cannot be known"), "{text}");
        assert_eq!(at("2026-06-01T12:00:00Z").0, Verdict::Ok);
        assert_eq!(at("2026-06-01T11:59:00Z").0, Verdict::Ok);
        let (verdict, text) = at("2026-06-01T12:05:00Z");
        assert!(verdict == Verdict::Warn && text.contains("300 seconds ahead of"), "{text}");
        assert!(at("2026-06-01T11:58:59Z").1.contains("61 seconds behind"));
    }
}
