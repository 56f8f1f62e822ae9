//! Which attribute means what: the kind's defaults with the configuration's overrides, resolved.

use std::collections::{BTreeMap, BTreeSet};

use super::disabled::Test;
use super::entry::AttributeName;
use super::kinds::{Defaults, is_secret, is_server_given};
use super::settings::{DisabledTest, GroupSettings, Kind, UserSettings};
use crate::roster::address::fold;
use crate::roster::digest::Digester;
use crate::roster::filter::{Filter, FilterError};
use crate::roster::{AttributeUse, Digest, FieldId, FieldNames};

/// Why the configuration cannot be resolved.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum MappingError {
    /// A password attribute (U6).
    #[error("{key} names `{attribute}`, which holds passwords and is never read; take it out")]
    Secret {
        /// Configuration key.
        key: String,
        /// The attribute.
        attribute: String,
    },
    /// Not an attribute's name.
    #[error("{key} is `{attribute}`, which is not the name of an attribute; correct it")]
    Name {
        /// Configuration key.
        key: String,
        /// What stands there.
        attribute: String,
    },
    /// Not a filter.
    #[error("{key} is not a filter (RFC 4515); correct it")]
    Filter {
        /// Configuration key.
        key: String,
        /// What is wrong, and where.
        source: FilterError,
    },
    /// The unique id is switched off.
    #[error("{key} is empty, but without a unique id nobody can be told from anybody else; name an attribute")]
    NoUniqueId {
        /// Configuration key.
        key: String,
    },
}

/// How the values of an attribute become address claims (A1, A2).
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct AddressSource {
    pub attribute: AttributeName,
    /// Place in `users.primary`, if it stands there.
    pub rank: Option<u8>,
    /// Values may have a prefix (`SMTP:`), as those of proxyAddresses have.
    pub prefixed: bool,
    /// A value without a prefix can become the primary.
    pub plain_primary: bool,
}

/// How users are read.
#[derive(Clone, Debug)]
pub(crate) struct UserMapping {
    pub unique_id: AttributeName,
    pub fields: Vec<(FieldId, AttributeName)>,
    pub addresses: Vec<AddressSource>,
    pub disabled: Vec<Test>,
    /// The kind's own tests that `[[users.disabled]]` replaces, for whoever asks what that means.
    pub replaced: Vec<(DisabledTest, Test)>,
    pub member_of: Option<AttributeName>,
    /// The person's own SID, and the number of the primary group in its domain.
    pub primary_group: Option<(AttributeName, AttributeName)>,
    /// Everything asked for, in order, without repeats.
    pub asked: Vec<AttributeName>,
    pub filter: Filter,
}

/// How groups are read.
#[derive(Clone, Debug)]
pub(crate) struct GroupMapping {
    pub unique_id: AttributeName,
    pub name: AttributeName,
    pub members: Vec<AttributeName>,
    pub filter: Filter,
}

/// The kind's defaults with the configuration's overrides.
#[derive(Clone, Debug)]
pub struct Mapping {
    pub(crate) users: Option<UserMapping>,
    pub(crate) groups: Option<GroupMapping>,
    names: FieldNames,
    mapped: BTreeSet<FieldId>,
    uses: BTreeMap<String, BTreeSet<AttributeUse>>,
    /// Key and attribute of everything that the configuration itself names.
    written: Vec<(String, String)>,
    digest: Digest,
}

impl Mapping {
    /// Resolves the configuration for one kind of directory; users or groups that are switched off are left out.
    ///
    /// # Errors
    /// The first key that names a password attribute, no attribute, or no filter.
    pub fn resolve(
        kind: Kind,
        users: Option<&UserSettings>,
        groups: Option<&GroupSettings>,
    ) -> Result<Self, MappingError> {
        let defaults = kind.defaults();
        let members = groups.map(|groups| member_attributes(defaults, groups)).transpose()?.unwrap_or_default();
        let mut resolver = Resolver { defaults, written: Vec::new() };
        let names = users.map(|users| users.attributes.names()).unwrap_or_default();
        let user_mapping = users.map(|users| resolver.users(users, &names, &members)).transpose()?;
        let group_mapping = groups.map(|groups| resolver.groups(groups, members)).transpose()?;
        let mut mapping = Self {
            mapped: user_mapping.iter().flat_map(|users| users.fields.iter().map(|(field, _)| *field)).collect(),
            uses: user_mapping.as_ref().map(uses).unwrap_or_default(),
            digest: digest(user_mapping.as_ref(), &names),
            users: user_mapping,
            groups: group_mapping,
            names,
            written: resolver.written,
        };
        mapping.written.sort();
        mapping.written.dedup();
        Ok(mapping)
    }

    /// The fields that the directory gives.
    pub fn mapped(&self) -> &BTreeSet<FieldId> {
        &self.mapped
    }

    /// Names of the extra fields.
    pub fn names(&self) -> &FieldNames {
        &self.names
    }

    /// What each mapped attribute (lower case) is used for.
    pub fn uses(&self) -> &BTreeMap<String, BTreeSet<AttributeUse>> {
        &self.uses
    }

    /// Key and attribute of everything that the configuration itself names, for checking against the schema.
    pub(crate) fn written(&self) -> &[(String, String)] {
        &self.written
    }

    /// Digest of everything that decides what an entry means.
    pub(crate) fn digest(&self) -> Digest {
        self.digest
    }
}

fn member_attributes(defaults: &Defaults, groups: &GroupSettings) -> Result<Vec<AttributeName>, MappingError> {
    let key = "groups.attributes.members";
    match &groups.members {
        Some(members) => members.iter().filter(|name| !name.is_empty()).map(|name| attribute(key, name)).collect(),
        None => defaults.members.iter().map(|name| attribute(key, name)).collect(),
    }
}

pub(super) fn attribute(key: &str, text: &str) -> Result<AttributeName, MappingError> {
    let named = || (key.to_owned(), text.to_owned());
    if is_secret(text) {
        let (key, attribute) = named();
        return Err(MappingError::Secret { key, attribute });
    }
    AttributeName::parse(text).ok_or_else(|| {
        let (key, attribute) = named();
        MappingError::Name { key, attribute }
    })
}

pub(super) fn filter(key: &str, text: &str) -> Result<Filter, MappingError> {
    let filter = Filter::parse(text).map_err(|source| MappingError::Filter { key: key.to_owned(), source })?;
    for name in filter.attributes() {
        attribute(key, name)?;
    }
    Ok(filter)
}

/// The key of the disabled tests.
const DISABLED: &str = "users.disabled";

struct Resolver {
    defaults: &'static Defaults,
    written: Vec<(String, String)>,
}

impl Resolver {
    /// The attribute the configuration gives, else the default; `None` when switched off or without a default.
    fn chosen(
        &mut self,
        key: &str,
        configured: Option<&str>,
        default: Option<&str>,
    ) -> Result<Option<AttributeName>, MappingError> {
        if let Some(text) = configured.filter(|text| !text.is_empty()) {
            let name = attribute(key, text)?;
            self.written.push((key.to_owned(), name.base().to_owned()));
            return Ok(Some(name));
        }
        default.filter(|_| configured.is_none()).map(|name| attribute(key, name)).transpose()
    }

    fn users(
        &mut self,
        users: &UserSettings,
        names: &FieldNames,
        members: &[AttributeName],
    ) -> Result<UserMapping, MappingError> {
        let overrides = &users.attributes;
        let defaults = self.defaults;
        let single = |resolver: &mut Self, key: &str| {
            let configured = overrides.single.get(key).map(String::as_str);
            resolver.chosen(&format!("users.attributes.{key}"), configured, defaults.attribute(key))
        };
        let unique_id = single(self, "unique_id")?
            .ok_or_else(|| MappingError::NoUniqueId { key: "users.attributes.unique_id".to_owned() })?;
        let mail = single(self, "mail")?;
        let mut fields = Vec::new();
        for field in FieldId::fixed() {
            if let Some(attribute) = single(self, field.column().unwrap_or_default())? {
                fields.push((field, attribute));
            }
        }
        for (name, text) in &overrides.extra {
            let key = format!("users.attributes.extra.{name}");
            if let (Some(field), Some(attribute)) = (names.extra(name), self.chosen(&key, Some(text), None)?) {
                fields.push((field, attribute));
            }
        }
        let addresses = self.addresses(users, mail)?;
        let disabled = self.disabled(users)?;
        let replaced = self.replaced(&disabled)?;
        let member_of = members.iter().find(|name| is_member_of(name)).cloned();
        let sid = members.iter().find(|name| is_sid(name)).cloned();
        let primary_group = sid.zip(AttributeName::parse("primaryGroupID"));
        let mut asked: Vec<AttributeName> = [unique_id.clone()].into_iter().chain(member_of.clone()).collect();
        asked.extend(primary_group.iter().flat_map(|(sid, number)| [sid.clone(), number.clone()]));
        asked.extend(fields.iter().map(|(_, attribute)| attribute.clone()));
        asked.extend(addresses.iter().map(|source| source.attribute.clone()));
        asked.extend(disabled.iter().flat_map(Test::attributes).cloned());
        asked.sort();
        asked.dedup();
        let filter = self.filter("users.filter", users.filter.as_deref(), defaults.user_filter)?;
        Ok(UserMapping { unique_id, fields, addresses, disabled, replaced, member_of, primary_group, asked, filter })
    }

    fn filter(&mut self, key: &str, configured: Option<&str>, default: &str) -> Result<Filter, MappingError> {
        let filter = filter(key, configured.unwrap_or(default))?;
        if configured.is_some() {
            self.written.extend(filter.attributes().into_iter().map(|name| (key.to_owned(), name.to_owned())));
        }
        Ok(filter)
    }

    /// `users.primary` ranks its attributes; the rest of the aliases can be aliases only (A1, A2).
    fn addresses(
        &mut self,
        users: &UserSettings,
        mail: Option<AttributeName>,
    ) -> Result<Vec<AddressSource>, MappingError> {
        let mut aliases = Vec::new();
        match &users.attributes.aliases {
            Some(names) => {
                for name in names {
                    aliases.extend(self.chosen("users.attributes.aliases", Some(name), None)?);
                }
            }
            None => {
                for name in self.defaults.aliases {
                    aliases.push(attribute("users.attributes.aliases", name)?);
                }
            }
        }
        let mut sources: Vec<AddressSource> = Vec::new();
        for (rank, text) in (0_u8..).zip(&users.primary) {
            let is_mail = text.eq_ignore_ascii_case("mail");
            let named = if is_mail { mail.clone() } else { Some(attribute("users.primary", text)?) };
            let Some(attribute) = named else { continue };
            let is_mail = is_mail || mail.as_ref() == Some(&attribute);
            let is_alias = aliases.contains(&attribute);
            // A list of aliases that is switched off takes its default attribute out of the ranking too.
            let switched_off = self.defaults.aliases.iter().any(|name| name.eq_ignore_ascii_case(text));
            if sources.iter().any(|known| known.attribute == attribute) || switched_off && !is_alias && !is_mail {
                continue;
            }
            if !is_mail && !is_alias {
                self.written.push(("users.primary".to_owned(), attribute.base().to_owned()));
            }
            let plain_primary = is_mail || !is_alias;
            sources.push(AddressSource { attribute, rank: Some(rank), prefixed: !is_mail, plain_primary });
        }
        let others = mail.into_iter().map(|name| (name, false)).chain(aliases.into_iter().map(|name| (name, true)));
        for (attribute, prefixed) in others {
            if !sources.iter().any(|known| known.attribute == attribute) {
                sources.push(AddressSource { attribute, rank: None, prefixed, plain_primary: false });
            }
        }
        Ok(sources)
    }

    fn disabled(&mut self, users: &UserSettings) -> Result<Vec<Test>, MappingError> {
        let Some(own) = &users.disabled else { return tests(&self.defaults.disabled()) };
        let own = tests(own)?;
        let names = own.iter().flat_map(Test::attributes);
        self.written.extend(names.map(|name| (DISABLED.to_owned(), name.base().to_owned())));
        Ok(own)
    }

    /// The kind's own tests that those of the configuration do not cover.
    fn replaced(&self, own: &[Test]) -> Result<Vec<(DisabledTest, Test)>, MappingError> {
        let usual = self.defaults.disabled();
        let all = tests(&usual)?.into_iter();
        Ok(usual.into_iter().zip(all).filter(|(_, test)| !own.iter().any(|one| one.covers(test))).collect())
    }

    fn groups(&mut self, groups: &GroupSettings, members: Vec<AttributeName>) -> Result<GroupMapping, MappingError> {
        let key = "groups.attributes.unique_id";
        let unique_id = self
            .chosen(key, groups.unique_id.as_deref(), Some(self.defaults.group_unique_id))?
            .ok_or_else(|| MappingError::NoUniqueId { key: key.to_owned() })?;
        let default = AttributeName::parse(self.defaults.group_name);
        let name = self.chosen("groups.attributes.name", groups.name.as_deref(), Some(self.defaults.group_name))?;
        if groups.members.is_some() {
            let key = "groups.attributes.members".to_owned();
            self.written.extend(members.iter().map(|name| (key.clone(), name.base().to_owned())));
        }
        Ok(GroupMapping {
            name: name.or(default).unwrap_or_else(|| unique_id.clone()),
            unique_id,
            members: members.into_iter().filter(|name| !is_member_of(name)).collect(),
            filter: self.filter("groups.filter", groups.filter.as_deref(), self.defaults.group_filter)?,
        })
    }
}

/// Whether the attribute is a group's own SID, which stands for the people whose primary group it is (G3).
pub(super) fn is_sid(name: &AttributeName) -> bool {
    name.base() == "objectsid"
}

/// Whether the attribute names groups from the users' side (G3).
pub(super) fn is_member_of(name: &AttributeName) -> bool {
    name.base() == "memberof"
}

fn tests(tests: &[DisabledTest]) -> Result<Vec<Test>, MappingError> {
    let test = |test: &DisabledTest| {
        Ok(match test {
            DisabledTest::Values { attribute: name, values } => {
                Test::Values(attribute(DISABLED, name)?, values.iter().map(|value| fold(value)).collect())
            }
            DisabledTest::Bits { attribute: name, bits } => Test::Bits(attribute(DISABLED, name)?, *bits),
            DisabledTest::Expired { attribute: name } => Test::Expired(attribute(DISABLED, name)?),
            DisabledTest::Filter { filter: text } => {
                let filter = filter(DISABLED, text)?;
                let names = filter.attributes().into_iter().filter_map(AttributeName::parse).collect();
                Test::Filter(filter, names)
            }
        })
    };
    tests.iter().map(test).collect()
}

impl UserMapping {
    /// Whether servers give the unique id to every entry (E3, E5).
    pub fn server_given(&self) -> bool {
        is_server_given(self.unique_id.base())
    }
}

impl GroupMapping {
    /// Whether servers give the unique id to every entry.
    pub fn server_given(&self) -> bool {
        is_server_given(self.unique_id.base())
    }

    /// Everything asked for.
    pub fn asked(&self) -> Vec<AttributeName> {
        [&self.unique_id, &self.name].into_iter().chain(&self.members).cloned().collect()
    }
}

fn uses(users: &UserMapping) -> BTreeMap<String, BTreeSet<AttributeUse>> {
    let mut uses: BTreeMap<String, BTreeSet<AttributeUse>> = BTreeMap::new();
    let mut add = |name: &AttributeName, what| {
        uses.entry(name.as_str().to_owned()).or_default().insert(what);
    };
    for (field, attribute) in &users.fields {
        add(attribute, AttributeUse::Field(*field));
    }
    for source in &users.addresses {
        add(&source.attribute, AttributeUse::Addresses);
    }
    for attribute in users.disabled.iter().flat_map(Test::attributes) {
        add(attribute, AttributeUse::Disabled);
    }
    uses
}

fn digest(users: Option<&UserMapping>, names: &FieldNames) -> Digest {
    let mut digester = Digester::default();
    if let Some(users) = users {
        digester.part(users.unique_id.as_str());
        for (field, attribute) in &users.fields {
            digester.part(names.name(*field)).part(attribute.as_str());
        }
        for source in &users.addresses {
            let rank = source.rank.map_or_else(String::new, |rank| rank.to_string());
            digester
                .part(source.attribute.as_str())
                .part(rank)
                .part([source.prefixed.into(), source.plain_primary.into()]);
        }
        users.disabled.iter().for_each(|test| test.digest_into(&mut digester));
    }
    digester.finish()
}
