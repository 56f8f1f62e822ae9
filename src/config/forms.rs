//! What a single text has to be: DN, filter, attribute, domain, path, URL, cron expression, time zone.

use std::net::SocketAddr;
use std::path::Path;
use std::str::FromStr;

use super::problem::Fault;
use super::schedule;
use super::schema::Form;
use super::urls;
use crate::roster::filter::{Filter, FilterError};
use crate::roster::{Dn, Domain};

/// Attributes that hold passwords or keys, in lower case; a `*` at the end stands for anything.
const PASSWORDS: &[&str] = &[
    "userpassword",
    "2.5.4.35",
    "unicodepwd",
    "1.2.840.113556.1.4.90",
    "dbcspwd",
    "ntpwdhistory",
    "lmpwdhistory",
    "supplementalcredentials",
    "sambantpassword",
    "sambalmpassword",
    "sambapasswordhistory",
    "sambacleartextpassword",
    "krbprincipalkey",
    "krbpwdhistory",
    "krbmkey",
    "ipanthash",
    "ipaprotectedoperation*",
    "ms-mcs-admpwd*",
    "mslaps-*",
    "msds-managedpassword*",
    "msds-groupmsamembership",
    "mssfu30password",
    "unixuserpassword",
    "authpassword",
    "passwordhistory",
    "pwdhistory",
    "olcrootpw",
    "nsds5replicacredentials",
    "nsmultiplexorcredentials",
    "userpkcs12",
];

/// A text in quotes, cut where it is long; control characters are written as escapes.
pub fn quoted(text: &str) -> String {
    const MOST: usize = 80;
    match text.char_indices().nth(MOST) {
        Some((at, _)) => format!("{:?}…", text.get(..at).unwrap_or_default()),
        None => format!("{text:?}"),
    }
}

/// Checks a text that has to be there; gives it back as it is to be used (paths are made whole, see [`Form::Path`]).
pub fn check(form: Form, text: &str, folder: &Path) -> Result<String, Fault> {
    if text.trim().is_empty() {
        return Err(Fault::new("it is empty", format!("give a value ({}), or leave it out", form.words())));
    }
    let length = text.chars().count();
    if length > form.most() {
        return Err(Fault::new(
            format!("it is {length} characters long"),
            format!("at most {} are taken", form.most()),
        ));
    }
    if text.chars().any(char::is_control) {
        return Err(Fault::new("it has a control character in it", "write it on one line, without tabs"));
    }
    match form {
        Form::Name | Form::Argument => Ok(()),
        Form::Dn => dn(text),
        Form::Account => account(text),
        Form::Filter => filter(text),
        Form::RoleFilter => filter(&text.replace("%role%", "role")),
        Form::Attribute => attribute(text),
        Form::Primary => primary(text),
        Form::Reference => reference(text),
        Form::Path => return Ok(folder.join(text).to_string_lossy().into_owned()),
        Form::Credential => credential(text),
        Form::DirectoryUrl => urls::directory(text).map(drop),
        Form::StoreUrl => urls::store(text).map(drop),
        Form::Domain => domain(text),
        Form::Cron => schedule::parse(text).map(drop),
        Form::Zone => schedule::zone(text).map(drop),
        Form::Listen => listen(text),
    }?;
    Ok(text.to_owned())
}

/// Whether a DN is another one, or lies below it; also when one of them cannot be read, which is said elsewhere.
pub fn lies_under(dn: &str, base: &str) -> bool {
    Dn::parse(dn).zip(Dn::parse(base)).is_none_or(|(dn, base)| dn.is_under(&base))
}

fn dn(text: &str) -> Result<(), Fault> {
    let fault = || Fault::new(format!("{} is not a DN", quoted(text)), "write it like \"ou=people,dc=example,dc=com\"");
    Dn::parse(text).map(drop).ok_or_else(fault)
}

fn account(text: &str) -> Result<(), Fault> {
    let windows = text.split_once('\\').is_some_and(|(domain, name)| !domain.is_empty() && !name.is_empty());
    let principal =
        text.rsplit_once('@').is_some_and(|(name, domain)| !name.is_empty() && Domain::parse(domain).is_some());
    if Dn::parse(text).is_some() || (!text.contains('=') && (windows || principal)) {
        return Ok(());
    }
    let remedy = "write it like \"cn=rosterd,ou=services,dc=example,dc=com\", or user@domain on AD";
    Err(Fault::new(format!("{} is neither a DN nor user@domain", quoted(text)), remedy))
}

/// RFC 4515.
fn filter(text: &str) -> Result<(), Fault> {
    let fault = |error: FilterError| {
        let wrapped = format!("({text})");
        let whole = if Filter::parse(&wrapped).is_ok() { &wrapped } else { "(objectClass=person)" };
        Fault::new(format!("{} is not a filter: {error}", quoted(text)), format!("write it like \"{whole}\""))
    };
    Filter::parse(text).map(drop).map_err(fault)
}

/// RFC 4512, 1.4 and 2.5: a name or an OID, with options.
fn is_attribute(text: &str) -> bool {
    let (name, options) = text.split_once(';').unwrap_or((text, "x"));
    let word =
        |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
    let numbers = |text: &str| text.split('.').all(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()));
    let named = word(name) && name.starts_with(|c: char| c.is_ascii_alphabetic());
    (named || (name.contains('.') && numbers(name))) && options.split(';').all(word)
}

/// Whether an attribute holds a password or a key, by its name.
pub fn holds_password(attribute: &str) -> bool {
    let name = attribute.split(';').next().unwrap_or(attribute).to_ascii_lowercase();
    PASSWORDS.iter().any(|known| known.strip_suffix('*').map_or(name == *known, |start| name.starts_with(start)))
}

fn attribute(text: &str) -> Result<(), Fault> {
    if !is_attribute(text) {
        return Err(Fault::new(format!("{} is not an attribute", quoted(text)), "give the name of one LDAP attribute"));
    }
    if holds_password(text) {
        let says = format!("{text} holds passwords, and those are never read");
        return Err(Fault::new(says, "map another attribute"));
    }
    Ok(())
}

fn primary(text: &str) -> Result<(), Fault> {
    if ["mail", "proxyaddresses"].contains(&text.to_ascii_lowercase().as_str()) {
        return Ok(());
    }
    let remedy = "\"mail\" and \"proxyAddresses\" are; another attribute is mapped with users.attributes.mail";
    Err(Fault::new(format!("{} is not known here", quoted(text)), remedy))
}

fn reference(text: &str) -> Result<(), Fault> {
    let url = text.split_once("://").is_some_and(|(scheme, rest)| {
        ["ldap", "ldaps"].contains(&scheme.to_ascii_lowercase().as_str()) && !rest.is_empty()
    });
    if url || Dn::parse(text).is_some() {
        return Ok(());
    }
    let remedy = "write it like \"ldap://child.example.com\" or \"dc=child,dc=example,dc=com\"";
    Err(Fault::new(format!("{} is neither an LDAP URL nor a DN", quoted(text)), remedy))
}

fn credential(text: &str) -> Result<(), Fault> {
    if text.contains('/') || text == "." || text == ".." {
        let says = format!("{} is not the name of a credential", quoted(text));
        return Err(Fault::new(says, "give the name before the colon of LoadCredential=, or use the key for a file"));
    }
    Ok(())
}

fn domain(text: &str) -> Result<(), Fault> {
    if Domain::parse(text).is_some() {
        return Ok(());
    }
    let bare = text.trim_start_matches(['*', '.', '@']);
    let remedy = match Domain::parse(bare) {
        Some(_) if bare.len() < text.len() => format!("did you mean {bare:?}? Each domain is named by itself"),
        _ => "write it like \"example.com\"".to_owned(),
    };
    Err(Fault::new(format!("{} is not a domain", quoted(text)), remedy))
}

fn listen(text: &str) -> Result<(), Fault> {
    let fault =
        |_| Fault::new(format!("{} is not an address with a port", quoted(text)), "write it like \"127.0.0.1:9569\"");
    SocketAddr::from_str(text).map(drop).map_err(fault)
}
