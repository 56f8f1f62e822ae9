//! The words of `init`.

use std::path::PathBuf;

use clap::Args;

use crate::roster::{Dn, Domain};

/// Arguments of `init`.
#[derive(Args, Debug)]
pub struct Init {
    /// The server: ldaps://dc1.example.com, ldap://…, ldapi://…, or only its host; or
    /// ldaps+srv://example.com for the servers of a domain
    #[arg(value_name = "URL")]
    pub url: String,
    /// Account to bind as: a DN; on Active Directory user@domain, or only the user
    #[arg(long, value_name = "ACCOUNT", visible_alias = "bind-user")]
    pub bind_dn: Option<String>,
    /// File with its password, chmod 600; - reads standard input. A terminal is asked otherwise
    #[arg(long, value_name = "FILE")]
    pub password_file: Option<PathBuf>,
    /// CA certificates (PEM) to trust instead of the system's
    #[arg(long, value_name = "FILE")]
    pub ca_file: Option<PathBuf>,
    /// Send the password over the network in clear text where the server offers no TLS
    #[arg(long)]
    pub cleartext: bool,
    /// Where the directory begins; found where there is one choice
    #[arg(long, value_name = "DN", value_parser = dn)]
    pub base: Option<String>,
    /// Domain of the people's addresses that are yours; several times for several
    #[arg(long, value_name = "DOMAIN", value_parser = domain)]
    pub domain: Vec<Domain>,
    /// Name of the source in the store; from the base otherwise
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// The store: sqlite:///path or postgres://user@host/database
    #[arg(long, value_name = "URL", value_parser = store)]
    pub store: Option<String>,
    /// Write the configuration here; standard output otherwise
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Replace files that are there
    #[arg(long)]
    pub force: bool,
}

fn dn(text: &str) -> Result<String, String> {
    let fits = Dn::parse(text).is_some_and(|dn| dn.depth() > 0);
    fits.then(|| text.to_owned()).ok_or_else(|| "a base is written like dc=example,dc=com".to_owned())
}

fn domain(text: &str) -> Result<Domain, String> {
    let domain = text.strip_prefix('@').unwrap_or(text);
    Domain::parse(domain).ok_or_else(|| "a domain is written like example.com".to_owned())
}

fn store(text: &str) -> Result<String, String> {
    crate::config::check_store(text)
        .map(|()| text.to_owned())
        .map_err(|fault| format!("{}; {}", fault.says, fault.remedy))
}
