//! Certificates: other CAs while the daemon runs, clocks that are wrong, addresses in brackets (E8).

use std::path::{Path, PathBuf};

use rustix::process::Signal;

use crate::support::desk::Desk;
use crate::support::program::{Daemon, Site, source};
use crate::support::server::{installed, left_out};
use crate::support::slapd::{Certificate, Options, Slapd, people};

fn slapd(options: Options) -> Option<Slapd> {
    let mut slapd = Slapd::start(options)?;
    slapd.load(&people("dc=example,dc=com", 3));
    Some(slapd)
}

/// Puts files in the place of one, as whoever renews certificates does.
fn put(place: &Path, from: &[PathBuf]) {
    let text: Vec<u8> = from.iter().flat_map(|file| std::fs::read(file).unwrap()).collect();
    let beside = place.with_extension("new");
    std::fs::write(&beside, text).unwrap();
    std::fs::rename(&beside, place).unwrap();
}

/// How many runs have ended so far, in this way.
fn run(daemon: &mut Daemon, event: &str) {
    let so_far = daemon.events(event).len();
    daemon.signal(Signal::USR1);
    daemon.wait_for(event, so_far + 1);
}

/// The server gets a certificate of another CA, and the daemon, which goes on running, learns of it from the file.
fn changes_ca(site: &Site, daemon: &mut Daemon, slapd: &mut Slapd, file: &Path, whose: &str) {
    let (old, new) = (slapd.ca(), slapd.tls("other-ca.pem"));
    daemon.wait_for("run.finished", 1);
    let had = site.rights();
    slapd.show(Certificate::Other);
    run(daemon, "run.failed");
    let says = daemon.wait_for("source.unreachable", 1)[0]["error"].as_str().unwrap().to_owned();
    assert!(says.contains("issued by `CN=rosterd test other-ca`, a CA that is not trusted"), "{says}");
    assert!(says.contains(whose), "{says}");
    // A file that is not whole is no CA; nobody is let in by it, and it ends when the file is whole.
    std::fs::write(file, "-----BEGIN CERTIFICATE-----\nMIIB").unwrap();
    run(daemon, "run.failed");
    put(file, std::slice::from_ref(&new));
    run(daemon, "run.finished");
    daemon.wait_for("source.recovered", 1);
    // Both for a while, and nothing fails meanwhile.
    let failed = daemon.events("run.failed").len();
    put(file, &[new, old]);
    run(daemon, "run.finished");
    slapd.show(Certificate::Good);
    run(daemon, "run.finished");
    assert_eq!(daemon.events("run.failed").len(), failed, "{}", daemon.log());
    assert_eq!(site.rights(), had);
    assert_eq!(daemon.events("daemon.started").len(), 1);
    assert!(daemon.events("config.reloaded").is_empty());
}

/// E8: `source.ca_file` is read for every connection.
/// Faults: H9.
#[test]
fn another_ca_in_the_file_is_trusted_from_the_next_run_on() {
    let Some(mut slapd) = slapd(Options::default()) else { return };
    let mut site = Site::new(&slapd);
    let file = site.path("ca.pem");
    put(&file, &[slapd.ca()]);
    site.set("source", &source(&slapd, slapd.ldaps(), &format!("ca_file = \"{}\"", file.display())));
    let mut daemon = site.daemon();
    changes_ca(&site, &mut daemon, &mut slapd, &file, &format!("not in source.ca_file `{}`", file.display()));
}

/// E8: so are the system's roots, and one of them that cannot be read does not spoil the others.
/// Faults: B19.
#[test]
fn another_root_of_the_system_is_trusted_from_the_next_run_on() {
    let Some(mut slapd) = slapd(Options::default()) else { return };
    let mut site = Site::new(&slapd);
    site.set("source", &source(&slapd, slapd.ldaps(), ""));
    let (file, folder) = (site.path("roots.pem"), site.path("roots"));
    put(&file, &[slapd.ca()]);
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join("0123abcd.0"), "-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n").unwrap();
    let mut daemon = site.daemon_with(&[("SSL_CERT_FILE", &file), ("SSL_CERT_DIR", &folder)]);
    changes_ca(&site, &mut daemon, &mut slapd, &file, "set source.ca_file to this CA's certificate");
}

/// E8, L2: a certificate that is not valid by a clock that is wrong is told with what the clock says; nobody loses
/// anything, and it ends with the clock.
/// Faults: H10.
#[test]
fn a_clock_that_is_wrong_is_told_with_the_certificate() {
    if !installed("faketime") {
        return left_out("clock that is wrong", "faketime is not installed (Debian: faketime)");
    }
    let Some(slapd) = slapd(Options::default()) else { return };
    let mut site = Site::new(&slapd);
    site.set("source", &source(&slapd, slapd.ldaps(), &format!("ca_file = \"{}\"", slapd.ca().display())));
    site.expect(0, &["sync"]);
    let had = site.rights();
    for (offset, says) in [("-3000d", "is not valid yet: it begins 20"), ("+6000d", "has expired: it ended 20")] {
        for arguments in [&["sync"][..], &["check"]] {
            let said = site.at(offset, arguments);
            let text = said.out.clone() + &said.err;
            assert_eq!(said.code, 1, "{said:?}");
            for words in [says, "this machine's clock says 20", "set it (timedatectl)", "CN=localhost"] {
                assert!(text.contains(words), "{words}: {said:?}");
            }
        }
        assert_eq!(site.rights(), had);
        assert!(site.expect(0, &["sync"]).out.contains("nothing to do"), "{offset}");
    }
    assert_eq!(site.rights(), had);
}

/// E7, E8: an IPv6 address stands in brackets, and what is in them is what the certificate has to be for.
/// Faults: B23.
#[test]
fn an_ipv6_address_in_brackets_is_reached_and_its_certificate_checked() {
    if std::net::TcpListener::bind("[::1]:0").is_err() {
        return left_out("IPv6", "this machine has no ::1");
    }
    let Some(server) = slapd(Options { listen: Some("[::1]"), ..Options::default() }) else { return };
    let port = |url: &str| url.rsplit_once(':').unwrap().1.to_owned();
    let (plain, secure) = (port(server.url()), port(server.ldaps()));
    let ca = format!("ca_file = \"{}\"", server.ca().display());
    for (url, more) in [
        (format!("ldaps://[::1]:{secure}"), ca.clone()),
        (format!("ldaps://[0:0:0:0:0:0:0:1]:{secure}/"), ca.clone()),
        (format!("ldap://[::1]:{plain}"), format!("{ca}\nstarttls = true")),
        (format!("ldap://[::1]:{plain}"), String::new()),
    ] {
        let mut site = Site::new(&server);
        site.set("source", &source(&server, &url, &more));
        let check = site.run(&["check"]);
        assert!(check.out.contains("]:"), "{url}: {check:?}");
        site.expect(0, &["sync"]);
        assert_eq!(site.count("active"), 3, "{url}");
    }
    let desk = Desk::new();
    let (host, ca) = (format!("[::1]:{secure}"), server.ca());
    let who = (host.as_str(), server.bind_dn(), server.password());
    desk.init(0, who, &["--ca-file", ca.to_str().unwrap(), "--out", "rosterd.toml"]);
    assert!(desk.written().contains(&format!("urls = [\"ldaps://[::1]:{secure}\"]")), "{}", desk.written());
    desk.works();

    let other = Options { listen: Some("[::1]"), certificate: Certificate::WrongName, ..Options::default() };
    let Some(other) = slapd(other) else { return };
    let mut site = Site::new(&other);
    let url = format!("ldaps://[::1]:{}", port(other.ldaps()));
    site.set("source", &source(&other, &url, &format!("ca_file = \"{}\"", other.ca().display())));
    let said = site.expect(1, &["sync"]);
    assert!(said.err.contains("not for the name `::1`") && said.err.contains(&url), "{said:?}");
}
