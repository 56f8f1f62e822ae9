//! Ways in, and ways in that have to be refused with the right words (E7, E8, E9).

use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use tokio::time::Instant;

use rosterd::directory::Kind;

use super::super::support::slapd::Certificate;
use super::*;

/// COVATA-23, OKV-1, OKV-5, E8, VIPRE-44, VIPRE-45, UNBLU-36
#[tokio::test]
async fn every_way_in_binds_as_the_service_account() {
    let Some(slapd) = Slapd::start(Options::default()) else { return };
    let plain = settings(&slapd, slapd.url());
    let starttls = Settings { starttls: true, ..plain.clone() };
    let named = Settings { urls: vec![url(&slapd.url().replace("127.0.0.1", "localhost"))], ..starttls.clone() };
    let ldaps = settings(&slapd, slapd.ldaps());
    let ldapi = Settings { bind: Bind::External, ..settings(&slapd, slapd.ldapi()) };
    let certificate = Some((slapd.tls("client.pem"), slapd.tls("client.key")));
    let client = Settings { bind: Bind::External, client_certificate: certificate, ..ldaps.clone() };
    for (how, settings, tls) in [
        ("plain", plain, false),
        ("StartTLS", starttls, true),
        ("StartTLS by name", named, true),
        ("ldaps", ldaps, true),
        ("ldapi", ldapi, false),
        ("client certificate", client, true),
    ] {
        let connection = connect(&settings).await.unwrap_or_else(|error| panic!("{how}: {error}"));
        let about = connection.about();
        assert_eq!(about.authorized_as.as_deref(), Some(&*format!("dn:{}", slapd.bind_dn())), "{how}");
        assert_eq!((about.kind, about.vendor.as_str()), (Kind::OpenLdap, "OpenLDAP"), "{how}");
        assert_eq!(about.naming_contexts, ["dc=example,dc=com"], "{how}");
        assert_eq!(about.directory_id, "dc=example,dc=com", "{how}");
        assert!(about.pages, "{how}");
        assert_eq!(about.certificate.is_some(), tls, "{how}");
    }
    let log = slapd.log();
    assert!(log.contains("TLS established"), "{log}");
}

/// E8
/// Faults: H8.
#[tokio::test]
async fn a_certificate_that_fails_a_check_is_named_with_the_check() {
    for (certificate, other_ca, expected) in [
        (Certificate::Good, true, ["`CN=rosterd test ca`, a CA that is not trusted: it is not in", "other-ca.pem"]),
        (Certificate::Expired, false, ["has expired", "valid until 2021-01-01"]),
        (Certificate::WrongName, false, ["not for the name `localhost`", "CN=ldap.elsewhere.example"]),
    ] {
        let Some(slapd) = Slapd::start(Options { certificate, ..Options::default() }) else { return };
        let mut ldaps = settings(&slapd, slapd.ldaps());
        if other_ca {
            ldaps.ca_file = Some(slapd.tls("other-ca.pem"));
        }
        let by_name = vec![url(&slapd.url().replace("127.0.0.1", "localhost"))];
        let starttls = Settings { urls: by_name, starttls: true, ..ldaps.clone() };
        for settings in [ldaps, starttls] {
            let (error, text) = refused(&settings).await;
            assert!(expected.iter().all(|words| text.contains(words)), "{certificate:?}: {text}");
            assert!(!error.is_transient());
        }
        assert!(!slapd.log().contains(&format!("BIND dn=\"{}\"", slapd.bind_dn())), "the password did not leave");
    }
}

/// OKV-5, E8
#[tokio::test]
async fn only_the_given_ca_is_trusted_and_its_file_has_to_hold_one() {
    let Some(slapd) = Slapd::start(Options::default()) else { return };
    let folder = tempfile::tempdir().unwrap();
    let empty = folder.path().join("empty.pem");
    std::fs::write(&empty, "nothing\n").unwrap();
    let ldaps = settings(&slapd, slapd.ldaps());
    let (_, text) = refused(&Settings { ca_file: None, ..ldaps.clone() }).await;
    assert!(text.contains("not trusted") || text.contains("ca-certificates"), "{text}");
    for (file, says) in [(empty, "holds nothing"), ("/nonexistent/ca.pem".into(), "it does not exist")] {
        let (_, text) = refused(&Settings { ca_file: Some(file.clone()), ..ldaps.clone() }).await;
        assert!(text.contains("source.ca_file") && text.contains(says), "{text}");
    }
}

/// E9, VIPRE-51
#[tokio::test]
async fn a_refused_bind_names_the_account_and_what_the_code_means() {
    let Some(slapd) = Slapd::start(Options::default()) else { return };
    let folder = tempfile::tempdir().unwrap();
    let wrong = folder.path().join("wrong");
    std::fs::write(&wrong, "wrong\n").unwrap();
    std::fs::set_permissions(&wrong, std::fs::Permissions::from_mode(0o600)).unwrap();
    let mut settings = settings(&slapd, slapd.ldaps());
    settings.urls.push(url(slapd.url()));
    let password = PasswordSource::File(wrong);
    settings.bind = Bind::Simple { dn: slapd.bind_dn().to_owned(), password };
    let (error, text) = refused(&settings).await;
    assert!(error.is_bind_refused() && !error.is_transient(), "{text}");
    for words in ["code 49", "wrong password", slapd.bind_dn(), "the password file"] {
        assert!(text.contains(words), "{text}");
    }
    let binds = slapd.log().matches(&format!("BIND dn=\"{}\" method=128", slapd.bind_dn())).count();
    assert_eq!(binds, 1, "the next server is not asked with the same password");
}

/// E8
/// Faults: H1.
#[tokio::test]
async fn nobody_is_not_an_account() {
    let Some(slapd) = Slapd::start(Options::default()) else { return };
    let mut settings = settings(&slapd, slapd.ldaps());
    // OpenLDAP takes a bind with an empty DN and any password as anonymous, and says so to nobody who does not ask
    settings.bind = Bind::Simple { dn: String::new(), password: PasswordSource::File(slapd.password_file()) };
    let (_, text) = refused(&settings).await;
    assert!(text.contains("anonymous") || text.contains("refused the bind"), "{text}");
    settings.bind = Bind::External;
    let (_, text) = refused(&settings).await;
    assert!(text.contains("SASL EXTERNAL") && text.contains("client certificate"), "{text}");
}

/// VIPRE-45, E8
#[tokio::test]
async fn a_password_never_travels_in_clear_text_to_another_host() {
    let Some(slapd) = Slapd::start(Options::default()) else { return };
    let mut settings = settings(&slapd, slapd.url());
    settings.urls = vec![ServerUrl::Ldap { host: "192.0.2.1".to_owned(), port: 389 }.into()];
    let begun = Instant::now();
    let (_, text) = refused(&settings).await;
    assert!(text.contains("source.cleartext = true") && text.contains("ldap://192.0.2.1:389"), "{text}");
    assert!(begun.elapsed().as_secs() < 2, "nothing was connected to");
}

/// E7
#[tokio::test]
async fn servers_are_tried_in_order_and_every_failure_is_told() {
    let Some(slapd) = Slapd::start(Options::default()) else { return };
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let down = SourceUrl::from(ServerUrl::Ldap { host: "127.0.0.1".to_owned(), port: free });
    let nowhere = ServerUrl::Ldaps { host: "no-such-host.invalid".to_owned(), port: 636 }.into();
    let mut settings = settings(&slapd, slapd.ldaps());
    settings.urls.insert(0, down.clone());
    let connection = connect(&settings).await.unwrap();
    assert_eq!(connection.about().server, slapd.ldaps());
    settings.urls = vec![down.clone(), nowhere];
    let (error, text) = refused(&settings).await;
    assert!(error.is_transient());
    for words in ["connection refused", "cannot resolve", "no-such-host.invalid", &free.to_string()] {
        assert!(text.contains(words), "{text}");
    }
    settings.urls = vec![down];
    let (error, text) = refused(&settings).await;
    assert!(matches!(error, DirectoryError::Connect { .. }) && text.contains("connection refused"), "{text}");
}

/// VIPRE-51, COVATA-24
/// Faults: H12.
#[tokio::test]
async fn a_port_that_hangs_is_given_up_at_its_deadline() {
    let Some(slapd) = Slapd::start(Options::default()) else { return };
    let hanging = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = hanging.local_addr().unwrap().port();
    let short = Duration::from_millis(300);
    let hurry = Settings { connect_timeout: short, read_timeout: short, ..settings(&slapd, slapd.url()) };
    let to = |scheme: &str| vec![url(&format!("{scheme}://127.0.0.1:{port}"))];
    for (settings, step) in [
        (Settings { urls: to("ldap"), ..hurry.clone() }, "while binding"),
        (Settings { urls: to("ldap"), starttls: true, ..hurry.clone() }, "while asking for StartTLS"),
        (Settings { urls: to("ldaps"), ..hurry.clone() }, "while making the TLS handshake"),
    ] {
        let begun = Instant::now();
        let (error, text) = refused(&settings).await;
        assert!(matches!(error, DirectoryError::Timeout { .. }) && text.contains(step), "{text}");
        assert!(begun.elapsed() < Duration::from_secs(3), "{step}");
    }
    slapd.stop();
    // every thread of it has to have noticed
    tokio::time::sleep(Duration::from_millis(300)).await;
    let (error, text) = refused(&hurry).await;
    slapd.cont();
    assert!(matches!(error, DirectoryError::Timeout { .. }) && text.contains("source.read_timeout"), "{text}");
}

/// VIPRE-44, VIPRE-51
#[tokio::test]
async fn the_wrong_port_is_recognised() {
    let Some(slapd) = Slapd::start(Options::default()) else { return };
    let plain_to_tls = settings(&slapd, &slapd.ldaps().replace("ldaps", "ldap"));
    let (_, text) = refused(&plain_to_tls).await;
    assert!(text.contains("use ldaps://"), "{text}");
    let (_, text) = refused(&Settings { starttls: true, ..plain_to_tls }).await;
    assert!(text.contains("use ldaps://"), "{text}");
    let (_, text) = refused(&settings(&slapd, &slapd.url().replace("ldap", "ldaps"))).await;
    assert!(text.contains("speak no TLS on this port") || text.contains("speaks no TLS on this port"), "{text}");
}

/// E9
/// Faults: H2.
#[tokio::test]
async fn the_password_file_is_read_anew_for_every_connection() {
    let Some(slapd) = Slapd::start(Options::default()) else { return };
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("password");
    let mut settings = settings(&slapd, slapd.url());
    settings.bind = Bind::Simple { dn: slapd.bind_dn().to_owned(), password: PasswordSource::File(file.clone()) };
    let (_, text) = refused(&settings).await;
    assert!(text.contains("cannot use the bind password"), "{text}");
    std::fs::write(&file, format!("{}\n", slapd.password())).unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
    let (_, text) = refused(&settings).await;
    assert!(text.contains("chmod 0600"), "{text}");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    connect(&settings).await.unwrap();
}
