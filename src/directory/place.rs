//! What groups may name one person by: noted when the person's entry is read (S4).

use std::ops::ControlFlow;

use super::collect::UserSink;
use super::entry::{AttributeName, RawEntry};
use super::mapping::UserMapping;
use super::paging::Sink;
use super::understand::{PrimaryGroup, primary_group};
use crate::roster::FieldId;

/// What groups name the person by.
pub struct Place {
    pub dn: String,
    pub username: Option<String>,
    /// DNs of groups that the entry itself names.
    pub member_of: Vec<String>,
    /// SID of the primary group.
    pub primary: Option<Vec<u8>>,
}

/// Notes what groups may name the person by.
pub struct Watching<'p, 'c, 'a> {
    pub inner: UserSink<'c, 'a>,
    pub mapping: &'p UserMapping,
    pub place: &'p mut Option<Place>,
}

impl Sink for Watching<'_, '_, '_> {
    fn entry(&mut self, entry: &RawEntry<'_>) {
        let texts = |name: &AttributeName| -> Vec<String> {
            entry.values(name).map(|value| String::from_utf8_lossy(value).into_owned()).collect()
        };
        let name = self.mapping.fields.iter().find(|(field, _)| *field == FieldId::USERNAME);
        *self.place = Some(Place {
            dn: entry.shown_dn(),
            username: name.and_then(|(_, name)| texts(name).pop()),
            member_of: self.mapping.member_of.as_ref().map(texts).unwrap_or_default(),
            primary: self.mapping.primary_group.as_ref().and_then(|names| match primary_group(entry, names) {
                PrimaryGroup::Sid(sid) => Some(sid),
                PrimaryGroup::None | PrimaryGroup::Unreadable => None,
            }),
        });
        self.inner.entry(entry);
    }

    fn reference(&mut self, urls: Vec<String>) {
        self.inner.reference(urls);
    }

    fn batch(&mut self) -> ControlFlow<()> {
        self.inner.batch()
    }
}
