//! From settings to a bound connection: servers in the order given (E7), TLS (E8), bind, who we are, what is there.

use std::collections::BTreeSet;

use secrecy::ExposeSecret;
use tokio::time::Instant;

use super::codes;
use super::dial::dial;
use super::disabled::generalized_time;
use super::entry::RawEntry;
use super::error::{CertificateInfo, DirectoryError};
use super::paging::{self, Search};
use super::session::{Deadlines, Wire};
use super::settings::{Bind, Kind, Scope, ServerUrl, Settings};
use super::srv::servers;
use crate::clock::{Clock, Timestamp};
use crate::roster::Dn;

/// Who Am I (RFC 4532).
const WHO_AM_I: &str = "1.3.6.1.4.1.4203.1.11.3";

/// What is known of the server at the other end.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct About {
    /// Its URL, as recorded with the run (E7).
    pub server: String,
    /// Its kind, configured or found.
    pub kind: Kind,
    /// What it calls itself; empty when it does not say.
    pub vendor: String,
    /// Naming contexts.
    pub naming_contexts: Vec<String>,
    /// The one of them that the server calls its default; domain controllers do.
    pub default_context: Option<String>,
    /// What tells this directory from another: the naming context that holds `source.base_dn`.
    pub directory_id: String,
    /// Who the server says we are; `None` when it cannot be asked.
    pub authorized_as: Option<String>,
    /// Whether it announces paging.
    pub pages: bool,
    /// The controls that it announces, by object identifier.
    pub controls: BTreeSet<String>,
    /// Its certificate.
    pub certificate: Option<CertificateInfo>,
    /// Its own clock, where it shows one.
    pub clock: Option<Timestamp>,
    /// Whether it is a read-only domain controller.
    pub read_only: bool,
    /// Where its schema is.
    pub(crate) schema: Option<String>,
}

/// A bound connection to one server, for one run.
pub struct Connection {
    pub(crate) wire: Wire,
    pub(crate) about: About,
    pub(crate) settings: Settings,
}

impl Connection {
    /// What is known of the server.
    pub fn about(&self) -> &About {
        &self.about
    }

    /// Bytes received so far.
    pub fn bytes(&self) -> u64 {
        self.wire.bytes()
    }
}

/// Connects to the first server of the list that can be used, and binds.
///
/// A refused bind, an unusable password or certificate file end the attempt at once: another server would not do
/// better, and each refusal counts against the account (E9). The time for the whole run begins here.
///
/// # Errors
/// What failed on which server; when several were tried, all of it.
pub async fn connect(settings: &Settings, clock: &dyn Clock) -> Result<Connection, DirectoryError> {
    let run = settings.run_timeout;
    let deadlines = Deadlines { silence: settings.read_timeout, end: Instant::now() + run, run };
    let mut attempts = Vec::new();
    for url in &settings.urls {
        let servers = match servers(url, settings.connect_timeout).await {
            Ok(servers) => servers,
            Err(error) => {
                tracing::debug!(event = "source.server_failed", server = %url, error = %error);
                attempts.push(error);
                continue;
            }
        };
        for server in &servers {
            match connect_to(settings, server, clock.now(), deadlines).await {
                Ok(connection) => return Ok(connection),
                Err(error) if error.tries_next() => {
                    tracing::debug!(event = "source.server_failed", server = %server, error = %error);
                    attempts.push(error);
                }
                Err(error) => return Err(error),
            }
        }
    }
    Err(DirectoryError::of_attempts(attempts))
}

async fn connect_to(
    settings: &Settings,
    url: &ServerUrl,
    now: Timestamp,
    deadlines: Deadlines,
) -> Result<Connection, DirectoryError> {
    if settings.refuses_cleartext(url) {
        return Err(DirectoryError::Cleartext { server: url.to_string() });
    }
    let credentials = match &settings.bind {
        Bind::Simple { dn, password } => Some((dn, password.read()?)),
        Bind::External => None,
    };
    let (stream, certificate) = dial(settings, url, now).await?;
    let mut wire = Wire::new(url.to_string(), stream, deadlines).await?;
    let account = match &credentials {
        Some((dn, password)) => {
            let account = format!("`{}`", codes::printable(dn));
            let bound = wire.wait("binding", async |ldap| ldap.simple_bind(dn, password.expose_secret()).await);
            accepted(url, &account, bound.await?)?;
            account
        }
        None => {
            let account = "SASL EXTERNAL".to_owned();
            let bound = wire.wait("binding", async |ldap| ldap.sasl_external_bind().await);
            accepted(url, &account, bound.await?)?;
            account
        }
    };
    let root = Root::read(&mut wire).await?;
    let authorized_as = if root.extensions.contains(WHO_AM_I) { who_am_i(&mut wire).await? } else { None };
    if authorized_as.as_ref().is_some_and(|who| who.is_empty() || who.eq_ignore_ascii_case("dn:")) {
        return Err(DirectoryError::Anonymous { server: url.to_string(), account });
    }
    let about = root.about(settings, url, authorized_as, certificate)?;
    wire.kind = about.kind;
    Ok(Connection { wire, about, settings: settings.clone() })
}

fn accepted(url: &ServerUrl, account: &str, result: ldap3::LdapResult) -> Result<(), DirectoryError> {
    if result.rc == 0 {
        return Ok(());
    }
    Err(DirectoryError::Bind {
        server: url.to_string(),
        account: account.to_owned(),
        code: result.rc,
        meaning: codes::bind_meaning(result.rc, &result.text),
        text: result.text,
    })
}

/// Who the server says we are; `None` when it refuses to tell.
async fn who_am_i(wire: &mut Wire) -> Result<Option<String>, DirectoryError> {
    let answer = wire
        .wait("asking who we are", async |ldap| {
            ldap.extended(ldap3::exop::Exop { name: Some(WHO_AM_I.to_owned()), val: None }).await
        })
        .await?;
    let who = answer.0.val.unwrap_or_default();
    Ok((answer.1.rc == 0).then(|| codes::printable(&String::from_utf8_lossy(&who))))
}

/// What a server says of itself to somebody it does not know yet: no account, no password, no bind.
///
/// # Errors
/// When it cannot be reached by this way, or does not speak LDAP. A root DSE that is hidden is no error.
pub(super) async fn hello(settings: &Settings, url: &ServerUrl, clock: &dyn Clock) -> Result<About, DirectoryError> {
    let run = settings.run_timeout;
    let deadlines = Deadlines { silence: settings.read_timeout, end: Instant::now() + run, run };
    let (stream, certificate) = dial(settings, url, clock.now()).await?;
    let mut wire = Wire::new(url.to_string(), stream, deadlines).await?;
    let root = Root::read(&mut wire).await?;
    root.about(settings, url, None, certificate)
}

/// The root DSE.
#[derive(Default)]
struct Root {
    vendor: Vec<String>,
    classes: Vec<String>,
    naming_contexts: Vec<String>,
    default_context: Option<String>,
    clock: Option<Timestamp>,
    controls: BTreeSet<String>,
    extensions: BTreeSet<String>,
    /// Whether it says that it is a domain controller.
    active_directory: bool,
    /// Whether it says that it is a read-only one.
    read_only: bool,
    /// Whether it shows what only FreeIPA's servers do.
    free_ipa: bool,
    schema: Option<String>,
}

/// LDAP_CAP_ACTIVE_DIRECTORY_OID (MS-ADTS, 3.1.1.3.4.3.1): a domain controller, and Samba as one.
const ACTIVE_DIRECTORY: &str = "1.2.840.113556.1.4.800";
/// LDAP_CAP_ACTIVE_DIRECTORY_PARTIAL_SECRETS_OID (ibid.): a read-only domain controller.
const READ_ONLY: &str = "1.2.840.113556.1.4.1920";

impl Root {
    async fn read(wire: &mut Wire) -> Result<Self, DirectoryError> {
        let names = [
            "objectClass",
            "vendorName",
            "vendorVersion",
            "namingContexts",
            "defaultNamingContext",
            "currentTime",
            "supportedControl",
            "supportedExtension",
            "supportedCapabilities",
            "ipaDomainLevel",
            "ipaTopologyPluginVersion",
            "subschemaSubentry",
        ];
        let search = Search::once("", Scope::Base, "(objectClass=*)", &names);
        let mut root = Self::default();
        // A server that hides its root DSE can still be read.
        paging::one(wire, &search, "reading the root DSE", |entry| root = Self::from_entry(entry)).await?;
        Ok(root)
    }

    fn from_entry(entry: &RawEntry<'_>) -> Self {
        let texts = |name: &str| entry.texts(name).map(|text| codes::printable(&text)).collect::<Vec<_>>();
        let capable = |what: &str| texts("supportedCapabilities").iter().any(|one| one == what);
        Self {
            vendor: [texts("vendorName"), texts("vendorVersion")].concat(),
            classes: texts("objectClass"),
            naming_contexts: texts("namingContexts"),
            default_context: texts("defaultNamingContext").into_iter().next(),
            clock: entry.texts("currentTime").find_map(|time| generalized_time(time.as_bytes())),
            controls: texts("supportedControl").into_iter().collect(),
            extensions: texts("supportedExtension").into_iter().collect(),
            active_directory: capable(ACTIVE_DIRECTORY),
            read_only: capable(READ_ONLY),
            free_ipa: ["ipaDomainLevel", "ipaTopologyPluginVersion"].iter().any(|name| !texts(name).is_empty()),
            schema: texts("subschemaSubentry").into_iter().next(),
        }
    }

    /// What the server says of itself; not what it can do, which others can, too.
    fn kind(&self) -> Kind {
        let vendor = self.vendor.join(" ").to_ascii_lowercase();
        let is = |names: &[&str]| names.iter().any(|name| vendor.contains(name));
        if self.active_directory {
            Kind::ActiveDirectory
        } else if self.free_ipa {
            Kind::FreeIpa
        } else if is(&["389 project", "389-directory", "red hat directory", "redhat-directory"]) {
            Kind::Ds389
        } else if is(&["openldap"]) || self.classes.iter().any(|class| class.eq_ignore_ascii_case("OpenLDAProotDSE")) {
            Kind::OpenLdap
        } else {
            Kind::Generic
        }
    }

    /// # Errors
    /// Where it is the Global Catalog, which shows of everybody what all domains share: whoever is not seen to be expired
    /// there may be, and a group may have members that it does not show.
    fn about(
        self,
        settings: &Settings,
        url: &ServerUrl,
        authorized_as: Option<String>,
        certificate: Option<CertificateInfo>,
    ) -> Result<About, DirectoryError> {
        let found = self.kind();
        let server = url.to_string();
        if self.active_directory && url.is_catalog() {
            return Err(DirectoryError::Catalog { server });
        }
        let vendor = match (self.vendor.is_empty(), found) {
            (true, Kind::OpenLdap) => "OpenLDAP".to_owned(),
            (true, Kind::ActiveDirectory) => "Active Directory".to_owned(),
            _ => self.vendor.join(" "),
        };
        let base = Dn::parse(&settings.base_dn);
        let contexts = self.naming_contexts.iter().filter_map(|context| Dn::parse(context));
        let holding = contexts.filter(|context| base.as_ref().is_some_and(|base| base.is_under(context)));
        let directory_id = holding.max_by_key(Dn::depth).or_else(|| base.clone());
        Ok(About {
            server,
            kind: settings.kind.unwrap_or(found),
            vendor,
            directory_id: directory_id.map(|dn| dn.normalized()).unwrap_or_default(),
            pages: self.controls.contains(super::session::PAGING),
            controls: self.controls,
            naming_contexts: self.naming_contexts,
            default_context: self.default_context,
            authorized_as,
            certificate,
            clock: self.clock,
            read_only: self.read_only,
            schema: self.schema,
        })
    }
}
