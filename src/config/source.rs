//! `[source]`, checked (E8).

use std::path::{Path, PathBuf};

use super::draft::Draft;
use super::files;
use super::problem::Fault;
use super::urls;
use crate::directory::{Bind, Kind, PasswordSource, ServerUrl, Settings, SourceUrl};

/// The settings of the directory. Where something is wrong, a problem is recorded and a stand-in returned.
pub fn settings(draft: &mut Draft<'_>) -> Settings {
    let urls = servers(draft);
    let client_certificate = client_certificate(draft);
    let bind = bind(draft, &urls);
    let file = |key: &str, draft: &Draft<'_>| draft.values.text(key).map(PathBuf::from);
    let ca_file = file("source.ca_file", draft);
    if let (Some(path), true) = (&ca_file, draft.values.flag("source.enabled"))
        && let Err(fault) = files::certificates(path)
    {
        draft.wrong("source.ca_file", fault.says, fault.remedy);
    }
    let kind = kind(draft);
    let values = &draft.values;
    let time = |key: &str| values.time(key).unwrap_or_default();
    let number = |key: &str| u32::try_from(values.number(key)).unwrap_or(u32::MAX);
    Settings {
        name: values.text("source.name").unwrap_or_default().to_owned(),
        urls,
        starttls: values.flag("source.starttls"),
        cleartext: values.flag("source.cleartext"),
        ca_file,
        client_certificate,
        bind,
        base_dn: values.text("source.base_dn").unwrap_or_default().to_owned(),
        kind,
        page_size: number("source.page_size"),
        page_rate: number("source.page_rate"),
        connect_timeout: time("source.connect_timeout"),
        read_timeout: time("source.read_timeout"),
        run_timeout: time("source.run_timeout"),
        outside: values.texts("source.outside").unwrap_or_default(),
        must_see: values.texts("source.must_see").unwrap_or_default(),
    }
}

fn servers(draft: &mut Draft<'_>) -> Vec<SourceUrl> {
    draft.not_empty("source.urls", "name at least one server, like urls = [\"ldaps://dc1.example.com\"]");
    let starttls = draft.values.flag("source.starttls");
    let items = draft.values.list("source.urls").unwrap_or_default().to_vec();
    let mut servers = Vec::new();
    for item in items {
        // The form was checked when the list was read.
        let Ok(server) = urls::directory(&item.text) else { continue };
        if starttls && !matches!(server, SourceUrl::Server(ServerUrl::Ldap { .. })) {
            let says = format!("{} cannot begin with StartTLS", item.text);
            let fault = Fault::new(says, "StartTLS belongs to ldap://; take starttls out, or the server");
            draft.wrong_at(item.place, "source.urls", fault);
        }
        servers.push(server);
    }
    servers
}

fn client_certificate(draft: &mut Draft<'_>) -> Option<(PathBuf, PathBuf)> {
    let (cert_key, key_key) = ("source.client_cert_file", "source.client_key_file");
    let path = |key: &str, draft: &Draft<'_>| draft.values.text(key).map(PathBuf::from);
    let (cert, key) = (path(cert_key, draft), path(key_key, draft));
    if draft.values.is_broken(cert_key) || draft.values.is_broken(key_key) {
        return None;
    }
    match (&cert, &key) {
        (Some(_), None) => draft.wrong(cert_key, "a client certificate needs its key", "give client_key_file, too"),
        (None, Some(_)) => draft.wrong(key_key, "a client key needs its certificate", "give client_cert_file, too"),
        _ => {}
    }
    if draft.values.flag("source.enabled") {
        check_file(draft, cert_key, cert.as_deref(), files::certificates);
        check_file(draft, key_key, key.as_deref(), files::private_key);
    }
    cert.zip(key)
}

fn check_file(draft: &mut Draft<'_>, key: &str, file: Option<&Path>, check: fn(&Path) -> Result<(), Fault>) {
    if let Some(Err(fault)) = file.map(check) {
        draft.wrong(key, fault.says, fault.remedy);
    }
}

fn bind(draft: &mut Draft<'_>, urls: &[SourceUrl]) -> Bind {
    let password = password(draft, "source.bind_password_file", "source.bind_password_credential");
    let dn = draft.values.text("source.bind_dn").map(str::to_owned);
    if draft.values.is_broken("source.bind_dn") {
        return Bind::External;
    }
    let Some(dn) = dn else {
        if let Some((key, _)) = password {
            draft.wrong(key, "there is a password, but no account", "give bind_dn");
        } else {
            external(draft, urls);
        }
        return Bind::External;
    };
    let places = ["source.bind_password_file", "source.bind_password_credential"];
    let said = places.into_iter().any(|key| draft.values.text(key).is_some() || draft.values.is_broken(key));
    let Some((_, password)) = password else {
        if !said {
            let remedy = "give bind_password_file or bind_password_credential; for SASL EXTERNAL leave bind_dn empty";
            draft.wrong("source.bind_dn", "the password of this account is missing", remedy);
        }
        return Bind::External;
    };
    clear_text(draft);
    Bind::Simple { dn, password }
}

/// SASL EXTERNAL needs something that says who we are.
fn external(draft: &mut Draft<'_>, urls: &[SourceUrl]) {
    let starttls = draft.values.flag("source.starttls");
    let files = ["source.client_cert_file", "source.client_key_file"];
    let certificate = files.into_iter().any(|key| draft.values.text(key).is_some() || draft.values.is_broken(key));
    let told = |url: &SourceUrl| match url {
        SourceUrl::Server(ServerUrl::Ldapi { .. }) => true,
        SourceUrl::Server(ServerUrl::Ldaps { .. }) | SourceUrl::Domain(_) => certificate,
        SourceUrl::Server(ServerUrl::Ldap { .. }) => certificate && starttls,
    };
    if urls.iter().all(told) {
        return;
    }
    let key = "source.bind_dn";
    if certificate {
        let remedy = "use ldaps://, or starttls = true with ldap://";
        draft.wrong(key, "a client certificate is only shown over TLS", remedy);
    } else {
        let remedy = "give bind_dn and bind_password_file; or a client certificate, or ldapi://, for SASL EXTERNAL";
        draft.wrong(key, "there is no account to bind as", remedy);
    }
}

/// No password over the network in clear text, unless that was said on purpose.
fn clear_text(draft: &mut Draft<'_>) {
    if draft.values.flag("source.starttls")
        || draft.values.flag("source.cleartext")
        || draft.values.is_broken("source.starttls")
    {
        return;
    }
    for item in draft.values.list("source.urls").unwrap_or_default().to_vec() {
        if let Ok(SourceUrl::Server(ServerUrl::Ldap { host, .. })) = urls::directory(&item.text)
            && !urls::is_loopback(&host)
        {
            let says = format!("the password would travel to {host} in clear text");
            let remedy = "use ldaps://, or starttls = true; cleartext = true allows it on purpose";
            draft.wrong_at(item.place, "source.urls", Fault::new(says, remedy));
        }
    }
}

/// Where a password is, from a key for a file and one for a credential; the key is given back with it.
pub fn password<'k>(
    draft: &mut Draft<'_>,
    file_key: &'k str,
    credential_key: &'k str,
) -> Option<(&'k str, PasswordSource)> {
    let file = draft.values.text(file_key).map(PathBuf::from);
    let credential = draft.values.text(credential_key).map(str::to_owned);
    match (file, credential) {
        (Some(_), Some(_)) => {
            let remedy = format!("keep {file_key} or {credential_key}");
            draft.wrong(credential_key, "there are two places for one password", remedy);
            None
        }
        (Some(file), None) => {
            if draft.values.flag("source.enabled") || !file_key.starts_with("source.") {
                check_file(draft, file_key, Some(&file), |file| files::password(file).map(drop));
            }
            Some((file_key, PasswordSource::File(file)))
        }
        (None, Some(name)) => {
            match &draft.environment.credentials {
                Some(folder) => {
                    let file = folder.join(&name);
                    check_file(draft, credential_key, Some(&file), |file| files::credential(file).map(drop));
                }
                None => {
                    let remedy = "systemd hands it to the service; a command outside of the service cannot use it";
                    draft.note(credential_key, "there is no $CREDENTIALS_DIRECTORY here", remedy);
                }
            }
            Some((credential_key, PasswordSource::Credential(name)))
        }
        (None, None) => None,
    }
}

fn kind(draft: &Draft<'_>) -> Option<Kind> {
    // Anything else is refused as it is read; `auto` is none.
    Kind::parse(draft.values.text("source.kind")?)
}
