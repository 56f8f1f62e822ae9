//! The servers that DNS names for a domain (RFC 2782).

use std::cmp::Reverse;
use std::time::Duration;

use hickory_resolver::TokioResolver;
use hickory_resolver::net::NetError;
use hickory_resolver::proto::rr::RData;
use tokio::time::timeout;

use super::error::DirectoryError;
use super::settings::{ServerUrl, SourceUrl};
use crate::roster::Domain;

/// Where LDAP over TLS listens unless DNS says otherwise.
const LDAPS: u16 = 636;

/// The servers to try for one of `source.urls`, in this order.
///
/// For a domain: those of `_ldaps._tcp`, or, where there are none, the hosts of `_ldap._tcp` at port 636, as Active Directory
/// publishes them. Lowest priority first, highest weight first among equals, then by name: always the same server as long
/// as it can be used, because one that knows less than the last one proves nothing (E7).
///
/// # Errors
/// DNS does not answer, names no server, or only servers outside the domain: who answers for DNS must not be able to lead
/// us, and our password, to a server of somebody else's.
pub(super) async fn servers(url: &SourceUrl, limit: Duration) -> Result<Vec<ServerUrl>, DirectoryError> {
    let domain = match url {
        SourceUrl::Server(server) => return Ok(vec![server.clone()]),
        SourceUrl::Domain(domain) => domain,
    };
    let slow = |_| DirectoryError::Timeout {
        server: url.to_string(),
        doing: "asking DNS for the servers of the domain".to_owned(),
        after: limit,
        key: "source.connect_timeout",
    };
    let found = timeout(limit, records(domain)).await.map_err(slow)?;
    let failed = |source| DirectoryError::Dns { url: url.to_string(), source: Box::new(source) };
    let records = found.map_err(failed)?;
    chosen(records, domain).map_err(|says| DirectoryError::NoRecord { url: url.to_string(), says })
}

/// One SRV record.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Record {
    priority: u16,
    weight: u16,
    /// Host name in small letters, without the last dot; empty = the service is not offered.
    host: String,
    port: u16,
}

async fn records(domain: &Domain) -> Result<Vec<Record>, NetError> {
    let resolver = TokioResolver::builder_tokio()?.build()?;
    let secure = lookup(&resolver, &format!("_ldaps._tcp.{domain}.")).await?;
    if !secure.is_empty() {
        return Ok(secure);
    }
    let open = lookup(&resolver, &format!("_ldap._tcp.{domain}.")).await?;
    Ok(open.into_iter().map(|record| Record { port: LDAPS, ..record }).collect())
}

/// The records of a name; none where the name does not exist.
async fn lookup(resolver: &TokioResolver, name: &str) -> Result<Vec<Record>, NetError> {
    let answer = match resolver.srv_lookup(name).await {
        Err(error) if error.is_no_records_found() => return Ok(Vec::new()),
        answer => answer?,
    };
    let records = answer.answers().iter().filter_map(|record| match &record.data {
        RData::SRV(record) => Some(Record {
            priority: record.priority,
            weight: record.weight,
            host: record.target.to_ascii().trim_end_matches('.').to_ascii_lowercase(),
            port: record.port,
        }),
        _ => None,
    });
    Ok(records.collect())
}

/// The servers in order, or why there are none.
fn chosen(mut records: Vec<Record>, domain: &Domain) -> Result<Vec<ServerUrl>, String> {
    if records.is_empty() {
        return Err(format!("there is neither an SRV record `_ldaps._tcp.{domain}` nor `_ldap._tcp.{domain}`"));
    }
    records.retain(|record| !record.host.is_empty());
    if records.is_empty() {
        return Err(format!("DNS says that `{domain}` offers no LDAP"));
    }
    let within =
        |host: &str| host.strip_suffix(domain.as_str()).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
    records.sort_by(|a, b| {
        let order = |record: &Record| (record.priority, Reverse(record.weight));
        order(a).cmp(&order(b)).then_with(|| (&a.host, a.port).cmp(&(&b.host, b.port)))
    });
    records.dedup_by(|a, b| (&a.host, a.port) == (&b.host, b.port));
    let (ours, others): (Vec<_>, Vec<_>) = records.into_iter().partition(|record| within(&record.host));
    if ours.is_empty() {
        let others: Vec<_> = others.into_iter().map(|record| format!("`{}`", record.host)).collect();
        return Err(format!(
            "it names only {}, outside of `{domain}`, where a name proves nothing about the domain",
            others.join(", ")
        ));
    }
    Ok(ours.into_iter().map(|record| ServerUrl::Ldaps { host: record.host, port: record.port }).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(priority: u16, weight: u16, host: &str, port: u16) -> Record {
        Record { priority, weight, host: host.to_owned(), port }
    }

    fn of_example(records: &[Record]) -> Result<Vec<String>, String> {
        let domain = Domain::parse("example.com").unwrap();
        chosen(records.to_vec(), &domain).map(|servers| servers.iter().map(ToString::to_string).collect())
    }

    /// E7
    #[test]
    fn servers_come_by_priority_then_by_weight_always_in_the_same_order() {
        let mut records = [
            record(10, 5, "dc9.example.com", 636),
            record(0, 10, "dc3.example.com", 636),
            record(0, 100, "dc2.example.com", 1636),
            record(0, 10, "dc1.site.example.com", 636),
            record(0, 10, "dc3.example.com", 636),
        ];
        let order = [
            "ldaps://dc2.example.com:1636",
            "ldaps://dc1.site.example.com:636",
            "ldaps://dc3.example.com:636",
            "ldaps://dc9.example.com:636",
        ];
        assert_eq!(of_example(&records).unwrap(), order);
        records.reverse();
        assert_eq!(of_example(&records).unwrap(), order);
    }

    /// E8: DNS cannot send our password to somebody else's server.
    #[test]
    fn servers_outside_the_domain_are_not_used() {
        let theirs = [record(0, 0, "dc1.example.net", 636), record(0, 0, "dc.notexample.com", 636)];
        let says = of_example(&theirs).unwrap_err();
        assert!(says.contains("`dc.notexample.com`, `dc1.example.net`, outside of `example.com`"), "{says}");
        let mixed = [theirs.as_slice(), &[record(9, 0, "example.com", 636)]].concat();
        assert_eq!(of_example(&mixed).unwrap(), ["ldaps://example.com:636"]);
    }

    #[test]
    fn a_domain_without_servers_says_so() {
        assert!(of_example(&[]).unwrap_err().contains("`_ldaps._tcp.example.com`"));
        assert!(of_example(&[record(0, 0, "", 0)]).unwrap_err().contains("offers no LDAP"));
    }
}
