//! `ldaps+srv://domain`: the servers that DNS names (E7, E8).

use std::net::TcpListener;

use crate::support::desk::Desk;
use crate::support::dns::{Dns, Zone};
use crate::support::program::{Site, source};
use crate::support::slapd::{Certificate, Options, Slapd};

const DOMAIN: &str = "elsewhere.example";
/// The name that the server's certificate has.
const HOST: &str = "ldap.elsewhere.example";

fn site(slapd: &Slapd) -> Site {
    let mut site = Site::new(slapd);
    let ca = slapd.ca();
    site.set("source", &source(slapd, "ldaps+srv://elsewhere.example", &format!("ca_file = \"{}\"\n", ca.display())));
    site
}

fn service(name: &str, priority: u16, port: u16, host: &str) -> (String, u16, u16, u16, String) {
    (format!("{name}._tcp.{DOMAIN}"), priority, 0, port, host.to_owned())
}

fn port_of(url: &str) -> u16 {
    url.rsplit_once(':').unwrap().1.parse().unwrap()
}

/// E7: the first server that can be used is; `check` tells of all of them, and the run says which it was.
#[test]
fn the_servers_that_dns_names_are_used_in_their_order() {
    let options = Options { certificate: Certificate::WrongName, ..Options::default() };
    let Some(slapd) = Slapd::start(options) else { return };
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let port = port_of(slapd.ldaps());
    let site = site(&slapd);
    let dns = Dns::start(Zone {
        hosts: vec![HOST.to_owned(), format!("dc2.{DOMAIN}")],
        services: vec![
            service("_ldaps", 20, port, HOST),
            service("_ldaps", 10, closed, &format!("dc2.{DOMAIN}")),
            service("_ldap", 0, 389, &format!("never.{DOMAIN}")),
        ],
    });
    let check = dns.run(&site, &["check"]);
    assert_eq!(check.code, 0, "{check:?}");
    let used = format!("ldaps://{HOST}:{port}");
    for words in [
        "ldaps+srv://elsewhere.example: 2 servers named".to_owned(),
        format!("connected and bound to {used}"),
        format!("cannot connect to ldaps://dc2.{DOMAIN}:{closed}: connection refused"),
    ] {
        assert!(check.out.contains(&words), "{words}\n{}", check.out);
    }
    let sync = dns.run(&site, &["sync"]);
    assert_eq!(sync.code, 0, "{sync:?}");
    assert_eq!(site.json(&["runs", "show", "1"])["server"], used.as_str());
}

/// E8: a configuration is written for the domain, not for the server that answered.
#[test]
fn init_writes_the_domain_and_what_it_wrote_works() {
    let options = Options { certificate: Certificate::WrongName, ..Options::default() };
    let Some(mut slapd) = Slapd::start(options) else { return };
    slapd.load_people(3);
    let services = vec![service("_ldaps", 0, port_of(slapd.ldaps()), HOST)];
    let dns = Dns::start(Zone { hosts: vec![HOST.to_owned()], services });
    let desk = Desk::new();
    let (ca, password) = (slapd.ca(), slapd.password_file());
    let words = ["init", "ldaps+srv://elsewhere.example", "--bind-dn", slapd.bind_dn(), "--out", "rosterd.toml"];
    let mut command = desk.command(&words);
    command.arg("--ca-file").arg(ca).arg("--password-file").arg(password);
    let said = dns.output(&command);
    assert_eq!(said.code, 0, "{said:?}");
    assert!(desk.written().contains("urls = [\"ldaps+srv://elsewhere.example\"]"), "{}", desk.written());
    let said = dns.output(&desk.command(&["sync", "--config", "rosterd.toml"]));
    assert!(said.code == 0 && said.out.contains("3 added"), "{said:?}\n{}", desk.written());
}

/// E7, as Active Directory publishes its servers: `_ldap._tcp` names hosts, TLS is at port 636 there.
#[test]
fn where_dns_names_no_ldaps_the_hosts_of_ldap_are_asked_at_port_636() {
    let Some(slapd) = Slapd::start(Options::default()) else { return };
    let site = site(&slapd);
    let services = vec![service("_ldap", 0, 389, HOST)];
    let said = Dns::start(Zone { hosts: vec![HOST.to_owned()], services }).run(&site, &["sync"]);
    assert_eq!(said.code, 1, "{said:?}");
    assert!(said.err.contains(&format!("cannot connect to ldaps://{HOST}:636: connection refused")), "{said:?}");
}

/// E1, E8: nobody is missing because DNS fails, and no password goes to a server outside the domain.
#[test]
fn dns_that_fails_or_names_strangers_changes_nobody() {
    let options = Options { certificate: Certificate::WrongName, ..Options::default() };
    let Some(mut slapd) = Slapd::start(options) else { return };
    slapd.load_people(3);
    let site = site(&slapd);
    let port = port_of(slapd.ldaps());
    let hosts = vec![HOST.to_owned(), "ldap.stranger.example".to_owned()];
    let right = Zone { hosts: hosts.clone(), services: vec![service("_ldaps", 0, port, HOST)] };
    let first = Dns::start(right).run(&site, &["sync"]);
    assert_eq!(first.code, 0, "{first:?}");
    let before = site.count("active");
    assert!(before > 0);
    let stranger = Zone { hosts, services: vec![service("_ldaps", 0, port, "ldap.stranger.example")] };
    for (dns, words) in [
        (Dns::start(stranger), "names only `ldap.stranger.example`, outside of `elsewhere.example`"),
        (Dns::start(Zone::default()), "neither an SRV record `_ldaps._tcp.elsewhere.example`"),
        (
            Dns::start(Zone { services: vec![service("_ldaps", 0, 0, "")], ..Zone::default() }),
            "`elsewhere.example` offers no LDAP",
        ),
        (Dns::dead(), "DNS did not answer which servers ldaps+srv://elsewhere.example has"),
    ] {
        let said = dns.run(&site, &["sync"]);
        assert_eq!(said.code, 1, "{said:?}");
        assert!(said.err.contains(words), "{words}\n{}", said.err);
        assert_eq!(site.count("active"), before);
        let check = dns.run(&site, &["check"]);
        assert_eq!(check.code, 1, "{check:?}");
        assert!(check.out.contains("fail  dns") && check.out.contains(words), "{check:?}");
    }
    let log = slapd.log();
    let binds = log.lines().filter(|line| line.contains("method=128") && line.contains(slapd.bind_dn()));
    assert_eq!(binds.count(), 1, "the first sync alone: {log}");
}
