//! What a run asks the directory for: mapping, bases, scopes and filters, resolved for one kind of server.

use super::entry::AttributeName;
use super::mapped::Mapped;
use super::mapping::{Mapping, MappingError};
use super::paging::Search;
use super::settings::{GroupSettings, Kind, MappedSettings, Scope, Settings, UserSettings};
use crate::roster::digest::Digester;
use crate::roster::{Digest, Dn, Passes};

/// The bases, scope and filter of users or of groups.
#[derive(Clone, Debug)]
pub(crate) struct Pass {
    /// `users` or `groups`.
    pub name: &'static str,
    pub bases: Vec<String>,
    pub scope: Scope,
    pub filter: String,
    pub attributes: Vec<String>,
    /// What lies below these is outside, unless a base itself does.
    pub aside: Vec<Dn>,
}

/// Everything that is asked for.
#[derive(Clone, Debug)]
pub struct Searches {
    mapping: Mapping,
    pub(crate) users: Option<Pass>,
    pub(crate) groups: Option<Pass>,
    pub(crate) mapped: Option<Mapped>,
    pub(crate) base_dn: String,
    pub(crate) outside: Vec<String>,
    pub(crate) must_see: Vec<String>,
    pub(super) page_size: u32,
    pub(super) page_rate: u32,
    salt: Digest,
}

/// Where people are kept, below one of the bases, who are not in.
fn aside(kind: Kind, bases: &[String]) -> Vec<Dn> {
    let names = kind.defaults().aside;
    bases.iter().flat_map(|base| names.iter().filter_map(move |name| Dn::parse(&format!("{name},{base}")))).collect()
}

fn texts(names: &[AttributeName]) -> Vec<String> {
    names.iter().map(|name| name.as_str().to_owned()).collect()
}

impl Searches {
    /// Resolves the configuration for the kind of server that was found ([`super::About::kind`]); users or groups
    /// that are switched off are left out.
    ///
    /// # Errors
    /// What does not fit, by key.
    pub fn new(
        settings: &Settings,
        users: Option<&UserSettings>,
        groups: Option<&GroupSettings>,
        kind: Kind,
    ) -> Result<Self, MappingError> {
        let mapping = Mapping::resolve(kind, users, groups)?;
        let user_pass = users.zip(mapping.users.as_ref()).map(|(users, mapped)| Pass {
            name: "users",
            bases: users.base_dns.clone(),
            scope: users.scope,
            filter: mapped.filter.to_string(),
            attributes: texts(&mapped.asked),
            aside: aside(kind, &users.base_dns),
        });
        let group_pass = groups.zip(mapping.groups.as_ref()).map(|(groups, mapped)| Pass {
            name: "groups",
            bases: groups.base_dns.clone(),
            scope: groups.scope,
            filter: mapped.filter.to_string(),
            attributes: texts(&mapped.asked()),
            aside: Vec::new(),
        });
        Ok(Self {
            salt: mapping.digest(),
            mapping,
            users: user_pass,
            groups: group_pass,
            mapped: None,
            base_dn: settings.base_dn.clone(),
            outside: settings.outside.clone(),
            must_see: settings.must_see.clone(),
            page_size: settings.page_size,
            page_rate: settings.page_rate,
        })
    }

    /// The same searches for another policy: an entry that was applied under one policy is looked at again under
    /// another. `policy` is anything that differs when decisions about an unchanged entry may differ.
    pub fn with_policy(mut self, policy: impl AsRef<[u8]>) -> Self {
        let mut digester = Digester::default();
        digester.part(self.mapping.digest().to_bytes()).part(policy);
        self.salt = digester.finish();
        self
    }

    /// The same searches, and those for groups that give roles and grants; `new` has to have been given
    /// [`MappedSettings::groups`].
    ///
    /// # Errors
    /// What does not fit, by key.
    pub fn with_mapped(mut self, settings: &MappedSettings) -> Result<Self, MappingError> {
        if let Some(groups) = self.mapping.groups.as_ref().filter(|_| !settings.places.is_empty()) {
            self.mapped = Some(Mapped::new(groups, settings)?);
        }
        Ok(self)
    }

    /// Which attribute means what.
    pub fn mapping(&self) -> &Mapping {
        &self.mapping
    }

    /// The bases that these passes read.
    pub fn bases(&self, passes: Passes) -> impl Iterator<Item = &str> {
        let groups = self.groups.iter().filter(move |_| passes.groups);
        groups.chain(self.users.iter().filter(move |_| passes.users)).flat_map(|pass| &pass.bases).map(String::as_str)
    }

    /// What every fingerprint begins with.
    pub(crate) fn salt(&self) -> Digest {
        self.salt
    }

    /// The search of a pass under one of its bases.
    pub(crate) fn search(&self, pass: &Pass, base: &str) -> Search {
        Search {
            base: base.to_owned(),
            scope: pass.scope,
            filter: pass.filter.clone(),
            attributes: pass.attributes.clone(),
            page_size: self.page_size,
            page_rate: self.page_rate,
            without: Dn::parse(base).map(|base| pass.aside_of(&base).cloned().collect()).unwrap_or_default(),
        }
    }
}

impl Pass {
    /// Whether an entry with this DN lies under a base, within the scope.
    pub fn covers(&self, dn: &Dn) -> bool {
        self.bases.iter().filter_map(|base| Dn::parse(base)).any(|base| {
            dn.is_under(&base)
                && !self.aside_of(&base).any(|aside| dn.is_under(aside))
                && match self.scope {
                    Scope::Subtree => true,
                    Scope::OneLevel => dn.depth() == base.depth() + 1,
                    Scope::Base => dn.depth() == base.depth(),
                }
        })
    }

    /// What lies below a base and is outside all the same.
    fn aside_of<'p>(&'p self, base: &'p Dn) -> impl Iterator<Item = &'p Dn> {
        self.aside.iter().filter(|aside| !base.is_under(aside))
    }
}
