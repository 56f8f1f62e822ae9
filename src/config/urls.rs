//! URLs of directory servers and stores. Nothing of a URL that may hold a password is ever repeated.

use std::net::{IpAddr, Ipv6Addr};
use std::path::PathBuf;

use super::forms::quoted;
use super::problem::Fault;
use crate::directory::{ServerUrl, SourceUrl, Way};
use crate::roster::Domain;

const SHAPE: &str =
    "write it like \"ldaps://dc1.example.com\", \"ldap://[2001:db8::1]:389\" or \"ldapi://%2Frun%2Fslapd%2Fldapi\"";

/// The URL of a directory server, or of a domain's servers (E7): scheme, host and port, the socket, or the domain.
pub fn directory(text: &str) -> Result<SourceUrl, Fault> {
    let Some((scheme, rest)) = text.split_once("://") else {
        return Err(Fault::new(format!("{} is not a URL", unsigned(text)), SHAPE));
    };
    let scheme = scheme.to_ascii_lowercase();
    if scheme == "ldap+srv" {
        let remedy = "write ldaps+srv://, or name the servers with ldap:// and starttls = true";
        return Err(Fault::new("servers that DNS names are used over TLS from the first byte only", remedy));
    }
    if !matches!(scheme.as_str(), "ldap" | "ldaps" | "ldapi" | "ldaps+srv") {
        return Err(Fault::new(format!("{} is not a URL of a directory", unsigned(text)), SHAPE));
    }
    if rest.contains('@') {
        return Err(Fault::new(
            "a URL takes no user and no password",
            "use source.bind_dn and source.bind_password_file",
        ));
    }
    if scheme == "ldapi" {
        return socket(rest).map(SourceUrl::Server);
    }
    let authority = rest.strip_suffix('/').unwrap_or(rest);
    if authority.contains(['/', '?', '#']) {
        let remedy = "a base belongs into source.base_dn, a filter into users.filter";
        return Err(Fault::new("a URL takes only host and port", remedy));
    }
    if scheme == "ldaps+srv" {
        return domain(authority);
    }
    let (host, port) = host_and_port(authority)?;
    let port = port.unwrap_or(if scheme == "ldaps" { 636 } else { 389 });
    let server = if scheme == "ldaps" { ServerUrl::Ldaps { host, port } } else { ServerUrl::Ldap { host, port } };
    Ok(server.into())
}

/// The domain whose servers DNS names.
fn domain(authority: &str) -> Result<SourceUrl, Fault> {
    let (host, port) = host_and_port(authority)?;
    if port.is_some() {
        return Err(Fault::new("ldaps+srv:// takes no port: DNS says which one", "take the port out"));
    }
    let numbers = host.parse::<IpAddr>().is_ok();
    let domain = Domain::parse(host.trim_end_matches('.')).filter(|_| !numbers);
    let remedy = "write the domain, like \"ldaps+srv://example.com\"";
    domain.map(SourceUrl::Domain).ok_or_else(|| Fault::new(format!("{} is not a domain", quoted(authority)), remedy))
}

/// How to try to reach a server that somebody names by its URL, or by its host alone: with TLS first (E8).
///
/// # Errors
/// What is wrong with the text, and what to write.
pub fn ways(text: &str) -> Result<Vec<Way>, Fault> {
    let url = if text.contains("://") { Some(directory(text)?) } else { None };
    let (host, port) = match url {
        Some(SourceUrl::Server(ServerUrl::Ldap { host, port })) => return Ok(with_and_without(&host, port).to_vec()),
        Some(other) => return Ok(vec![Way { url: other, starttls: false }]),
        None => host_and_port(text)?,
    };
    let (secure, plain) = (port.unwrap_or(636), port.unwrap_or(389));
    let secure = ServerUrl::Ldaps { host: host.clone(), port: secure };
    let mut ways = vec![Way { url: secure.into(), starttls: false }];
    ways.extend(with_and_without(&host, plain));
    Ok(ways)
}

fn with_and_without(host: &str, port: u16) -> [Way; 2] {
    [true, false].map(|starttls| Way { url: ServerUrl::Ldap { host: host.to_owned(), port }.into(), starttls })
}

fn socket(rest: &str) -> Result<ServerUrl, Fault> {
    let name = rest.trim_end_matches('/');
    let remedy = "write the path with %2F for /, like \"ldapi://%2Frun%2Fslapd%2Fldapi\"";
    if name.is_empty() {
        return Err(Fault::new("the path of the socket is missing", remedy));
    }
    if name.contains('/') {
        let encoded = name.replace('/', "%2F");
        return Err(Fault::new("the path of the socket has to be encoded", format!("write \"ldapi://{encoded}\"")));
    }
    match decoded(name) {
        Some(path) if path.starts_with('/') => Ok(ServerUrl::Ldapi { path: PathBuf::from(path) }),
        _ => Err(Fault::new(format!("{} is not the whole path of a socket", quoted(name)), remedy)),
    }
}

fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let digits = [rest.next()?, rest.next()?];
        let digits = Some(digits).filter(|digits| digits.iter().all(u8::is_ascii_hexdigit))?;
        bytes.push(u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?);
    }
    String::from_utf8(bytes).ok().filter(|path| !path.contains('\0'))
}

/// Host (IPv6 without brackets, names in A-labels) and port.
fn host_and_port(authority: &str) -> Result<(String, Option<u16>), Fault> {
    let (host, port) = if let Some(rest) = authority.strip_prefix('[') {
        let Some((host, after)) = rest.split_once(']') else {
            return Err(Fault::new("the bracket of the IPv6 address is not closed", SHAPE));
        };
        if host.parse::<Ipv6Addr>().is_err() {
            return Err(Fault::new(format!("{} is not an IPv6 address", quoted(host)), SHAPE));
        }
        if !after.is_empty() && !after.starts_with(':') {
            return Err(Fault::new("only a port may follow the IPv6 address", SHAPE));
        }
        (host.to_owned(), after.strip_prefix(':'))
    } else if authority.matches(':').count() > 1 {
        return Err(Fault::new("an IPv6 address stands in brackets", format!("write [{authority}]")));
    } else {
        let (host, port) = authority.split_once(':').map_or((authority, None), |(host, port)| (host, Some(port)));
        (name(host)?, port)
    };
    let Some(port) = port else { return Ok((host, None)) };
    match port.parse::<u16>() {
        Ok(number) if number > 0 && port.bytes().all(|b| b.is_ascii_digit()) => Ok((host, Some(number))),
        _ => Err(Fault::new(format!("{} is not a port", quoted(port)), "give 1 to 65535")),
    }
}

fn name(host: &str) -> Result<String, Fault> {
    if host.is_empty() {
        return Err(Fault::new("the host is missing", SHAPE));
    }
    let plain = |host: &str| host.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_'));
    if plain(host) {
        return Ok(host.to_owned());
    }
    let fault = || Fault::new(format!("{} is not a host", quoted(host)), SHAPE);
    Domain::parse(host).map(|domain| domain.as_str().to_owned()).ok_or_else(fault)
}

/// Whether a host is this one.
pub fn is_loopback(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost") || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Which store a URL names.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum StoreKind {
    /// A file.
    Sqlite,
    /// A server.
    Postgres,
}

/// Whether a text is the URL of a store.
///
/// # Errors
/// What is wrong with it, and what to write.
pub fn check_store(text: &str) -> Result<(), Fault> {
    store(text).map(drop)
}

/// The URL of a store.
pub fn store(text: &str) -> Result<StoreKind, Fault> {
    const SHAPE: &str =
        "write it like \"sqlite:///var/lib/rosterd/roster.db\" or \"postgres://rosterd@db.example.com/roster\"";
    let Some((scheme, rest)) = text.split_once(':') else {
        return Err(Fault::new(format!("{} is not a URL", unsigned(text)), SHAPE));
    };
    match (scheme, rest.strip_prefix("//")) {
        ("sqlite", Some(rest)) => {
            let path = rest.split('?').next().unwrap_or(rest);
            if !path.starts_with('/') {
                return Err(Fault::new(
                    "the path of the store has to be absolute",
                    "write it with three slashes: \"sqlite:///path\"",
                ));
            }
            if path.ends_with('/') {
                return Err(Fault::new("this names a folder", SHAPE));
            }
            Ok(StoreKind::Sqlite)
        }
        ("sqlite", None) => Err(Fault::new("a store in memory would forget everybody", SHAPE)),
        ("postgres" | "postgresql", Some(rest)) => postgres(rest, SHAPE),
        _ => Err(Fault::new(format!("{} is not a URL of a store", unsigned(text)), SHAPE)),
    }
}

fn postgres(rest: &str, shape: &str) -> Result<StoreKind, Fault> {
    let (before, query) = rest.split_once('?').unwrap_or((rest, ""));
    let authority = before.rsplit_once('/').map_or(before, |(authority, _)| authority);
    let signed = authority.rsplit_once('@').is_some_and(|(user, _)| user.contains(':'));
    let asked = query.split('&').any(|part| part.to_ascii_lowercase().starts_with("password="));
    if signed || asked {
        let remedy =
            "take it out, and name a file with store.password_file or a credential with store.password_credential";
        return Err(Fault::new("a URL takes no password", remedy));
    }
    let server = authority.rsplit_once('@').map_or(authority, |(_, server)| server);
    if server.is_empty() && !query.contains("host=") {
        return Err(Fault::new("the host is missing", shape));
    }
    // A socket's folder may stand in place of the host, encoded.
    if !server.is_empty() && !server.contains('%') {
        host_and_port(server).map_err(|_| Fault::new("host or port cannot be understood", shape))?;
    }
    if before.rsplit_once('/').is_none_or(|(_, database)| database.is_empty()) {
        return Err(Fault::new("the name of the database is missing", shape));
    }
    Ok(StoreKind::Postgres)
}

/// A text that should have been a URL, as far as it cannot hold a password.
fn unsigned(text: &str) -> String {
    let plain = !text.contains(['@', '?']);
    match text.split_once("://") {
        Some((_, rest)) if plain && host_and_port(rest.split('/').next().unwrap_or(rest)).is_ok() => quoted(text),
        Some((scheme, _)) => quoted(&format!("{scheme}://…")),
        None if plain => quoted(text),
        None => "this".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ldap(host: &str, port: u16) -> SourceUrl {
        ServerUrl::Ldap { host: host.to_owned(), port }.into()
    }

    /// VIPRE-44, E7
    #[test]
    fn servers_are_named_by_scheme_host_and_port() {
        assert_eq!(directory("ldap://dc1.example.com"), Ok(ldap("dc1.example.com", 389)));
        assert_eq!(directory("LDAP://dc1.example.com:3389/"), Ok(ldap("dc1.example.com", 3389)));
        assert_eq!(directory("ldap://[2001:db8::1]"), Ok(ldap("2001:db8::1", 389)));
        assert_eq!(directory("ldap://[::1]:1389"), Ok(ldap("::1", 1389)));
        assert_eq!(directory("ldap://bücher.example"), Ok(ldap("xn--bcher-kva.example", 389)));
        assert_eq!(directory("ldaps://10.0.0.1"), Ok(ServerUrl::Ldaps { host: "10.0.0.1".into(), port: 636 }.into()));
        let socket = SourceUrl::from(ServerUrl::Ldapi { path: "/run/slapd/ldapi".into() });
        assert_eq!(directory("ldapi://%2Frun%2fslapd%2Fldapi"), Ok(socket.clone()));
        assert_eq!(directory("ldapi://%2Frun%2Fslapd%2Fldapi/"), Ok(socket));
        let domain = |text: &str| SourceUrl::Domain(Domain::parse(text).unwrap());
        assert_eq!(directory("ldaps+srv://example.com"), Ok(domain("example.com")));
        assert_eq!(directory("LDAPS+SRV://Bücher.Example/"), Ok(domain("xn--bcher-kva.example")));
    }

    /// E8
    #[test]
    fn a_server_is_tried_with_tls_before_without() {
        let shown = |text: &str| -> Vec<String> {
            let word = |way: &Way| format!("{}{}", way.url, if way.starttls { " starttls" } else { "" });
            ways(text).unwrap().iter().map(word).collect()
        };
        assert_eq!(shown("ldaps://dc1"), ["ldaps://dc1:636"]);
        assert_eq!(shown("ldap://dc1"), ["ldap://dc1:389 starttls", "ldap://dc1:389"]);
        assert_eq!(shown("dc1"), ["ldaps://dc1:636", "ldap://dc1:389 starttls", "ldap://dc1:389"]);
        assert_eq!(shown("[::1]:1636"), ["ldaps://[::1]:1636", "ldap://[::1]:1636 starttls", "ldap://[::1]:1636"]);
        assert_eq!(shown("ldapi://%2Frun%2Fldapi"), ["ldapi://%2Frun%2Fldapi"]);
        assert_eq!(shown("ldaps+srv://example.com"), ["ldaps+srv://example.com"]);
        for text in ["", "http://dc1", "dc 1", "dc1:x", "dc1/dc=x", "ldaps://"] {
            assert!(ways(text).is_err(), "{text}");
        }
    }

    #[test]
    fn what_was_typed_is_repeated_but_for_what_may_be_a_password() {
        for (text, says) in [
            ("http://dc1.example.com:389/", "\"http://dc1.example.com:389/\" is not a URL of a directory"),
            ("mysql://db/roster", "\"mysql://db/roster\" is not a URL of a directory"),
            ("dc1.example.com", "\"dc1.example.com\" is not a URL"),
            ("http://cn=x:hunter2@dc1", "\"http://…\" is not a URL of a directory"),
            ("mysql://x:hunter2", "\"mysql://…\" is not a URL of a directory"),
            ("x:hunter2@dc1", "this is not a URL"),
        ] {
            assert_eq!(directory(text).unwrap_err().says, says);
        }
    }

    #[test]
    fn other_urls_are_refused_without_repeating_a_password() {
        for text in [
            "dc1.example.com",
            "http://dc1.example.com",
            "ldap+srv://example.com",
            "ldaps+srv://",
            "ldaps+srv://example.com:636",
            "ldaps+srv://10.0.0.1",
            "ldaps+srv://[::1]",
            "ldaps+srv://example.com/dc=example",
            "ldap://",
            "ldap://:389",
            "ldap://dc1:0",
            "ldap://dc1:65536",
            "ldap://dc1:+389",
            "ldap://dc1:",
            "ldap://2001:db8::1",
            "ldap://[2001:db8::1",
            "ldap://[2001:db8::1]389",
            "ldap://[dc1]",
            "ldap://dc 1",
            "ldap://dc1/dc=example,dc=com",
            "ldap://dc1?x",
            "ldapi://",
            "ldapi:///run/slapd/ldapi",
            "ldapi://run",
            "ldapi://%2",
            "ldapi://%2Frun%00",
        ] {
            assert!(directory(text).is_err(), "{text}");
        }
        for text in ["ldap://cn=x:hunter2@dc1", "cn=x:hunter2@dc1"] {
            let fault = directory(text).unwrap_err();
            assert!(!format!("{fault:?}").contains("hunter2"), "{fault:?}");
        }
    }

    #[test]
    fn stores_are_absolute_files_or_servers_without_a_password() {
        assert_eq!(store("sqlite:///var/lib/rosterd/roster.db"), Ok(StoreKind::Sqlite));
        for text in [
            "postgres://rosterd@db.example.com/roster",
            "postgresql://db:5432/roster?sslmode=verify-full",
            "postgres://rosterd@[::1]:5432/roster",
            "postgres://%2Frun%2Fpostgresql/roster",
            "postgres:///roster?host=/run/postgresql&user=rosterd",
        ] {
            assert_eq!(store(text), Ok(StoreKind::Postgres), "{text}");
        }
        for text in [
            "/var/lib/roster.db",
            "sqlite://roster.db",
            "sqlite:///var/lib/",
            "sqlite::memory:",
            "mysql://db/roster",
            "postgres://db",
            "postgres:///roster",
            "postgres://db:x/roster",
            "postgres://rosterd:hunter2@db/roster",
            "postgres://rosterd:hun/ter2@db/roster",
            "postgres://rosterd:hun?ter2@db/roster",
            "postgres://db/roster?password=hunter2",
        ] {
            let fault = store(text).unwrap_err();
            let shown = format!("{fault:?}");
            assert!(!shown.contains("hun") && !shown.contains("ter2"), "{shown}");
        }
    }

    /// E8
    #[test]
    fn loopback_is_this_host_only() {
        assert!(["localhost", "127.0.0.1", "127.8.0.1", "::1"].into_iter().all(is_loopback));
        assert!(!["localhost.example.com", "10.0.0.1", "::2", "127.example.com"].into_iter().any(is_loopback));
    }
}
