//! What differs from one kind of fake directory to the next, as data.

use super::tree::Syntax;

/// How a server pages (RFC 2696).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Paging {
    /// As it should.
    Yes,
    /// Code 12 to a critical control.
    Refused,
    /// Gives everything at once, without the control.
    Ignored,
}

/// What a server is like.
#[derive(Clone, Debug)]
pub struct Kind {
    /// The root DSE.
    pub root: Vec<(&'static str, Vec<String>)>,
    /// Attributes of the schema, and how they are compared; empty: any attribute is text.
    pub schema: Vec<(&'static str, Syntax)>,
    /// Where the schema is shown.
    pub subschema: Option<&'static str>,
    /// Attributes that are sent only to who asks for them by name.
    pub operational: &'static [&'static str],
    pub paging: Paging,
    /// The largest page it gives; larger ones are cut to that.
    pub largest_page: Option<usize>,
    /// Entries that a search without paging gives at most, then code 4.
    pub size_limit: Option<usize>,
    /// Values that are handed out at once, the rest in ranges (`member;range=0-1499`).
    pub range: Option<usize>,
    /// Whether `<GUID=hex>` is understood as a base.
    pub by_guid: bool,
    /// What it answers to Who Am I; `None`: it does not know that operation.
    pub who_am_i: Option<&'static str>,
}

const TEXT: &[&str] = &[
    "objectClass",
    "uid",
    "cn",
    "sn",
    "mail",
    "givenName",
    "displayName",
    "ou",
    "dc",
    "o",
    "description",
    "proxyAddresses",
    "homePhone",
    "mobile",
    "departmentNumber",
    "employeeType",
    "pwdAccountLockedTime",
    "memberUid",
    "entryUUID",
    "contextCSN",
    "nsAccountLock",
];
const ACTIVE: &[&str] = &[
    "objectCategory",
    "sAMAccountName",
    "userPrincipalName",
    "company",
    "department",
    "info",
    "name",
    "isCriticalSystemObject",
];

fn schema(text: &[&'static str], more: &[(&'static str, Syntax)]) -> Vec<(&'static str, Syntax)> {
    text.iter().map(|name| (*name, Syntax::Text)).chain(more.iter().copied()).collect()
}

impl Kind {
    /// OpenLDAP with `dc=example,dc=com`.
    pub fn openldap() -> Self {
        let texts = |values: &[&str]| values.iter().map(|one| (*one).to_owned()).collect::<Vec<_>>();
        Self {
            root: vec![
                ("objectClass", texts(&["top", "OpenLDAProotDSE"])),
                ("namingContexts", texts(&["dc=example,dc=com"])),
                ("supportedControl", texts(&["1.2.840.113556.1.4.319"])),
                ("supportedExtension", texts(&["1.3.6.1.4.1.4203.1.11.3"])),
                ("subschemaSubentry", texts(&["cn=Subschema"])),
            ],
            schema: schema(
                TEXT,
                &[
                    ("member", Syntax::Dn),
                    ("uniqueMember", Syntax::Dn),
                    ("memberOf", Syntax::Dn),
                    ("entryDN", Syntax::Dn),
                    ("shadowExpire", Syntax::Number),
                    ("createTimestamp", Syntax::Time),
                    ("modifyTimestamp", Syntax::Time),
                ],
            ),
            subschema: Some("cn=Subschema"),
            operational: &[
                "entryUUID",
                "contextCSN",
                "createTimestamp",
                "modifyTimestamp",
                "pwdAccountLockedTime",
                "memberOf",
                "entryDN",
            ],
            paging: Paging::Yes,
            largest_page: None,
            size_limit: None,
            range: None,
            by_guid: false,
            who_am_i: Some("dn:cn=rosterd,ou=services,dc=example,dc=com"),
        }
    }

    /// A domain controller of Active Directory with `dc=example,dc=com`.
    pub fn active_directory() -> Self {
        let texts = |values: &[&str]| values.iter().map(|one| (*one).to_owned()).collect::<Vec<_>>();
        let text = [TEXT, ACTIVE].concat();
        Self {
            root: vec![
                ("namingContexts", texts(&["DC=example,DC=com", "CN=Configuration,DC=example,DC=com"])),
                ("defaultNamingContext", texts(&["DC=example,DC=com"])),
                ("supportedControl", texts(&["1.2.840.113556.1.4.319"])),
                ("supportedExtension", texts(&["1.3.6.1.4.1.4203.1.11.3"])),
                ("supportedCapabilities", texts(&["1.2.840.113556.1.4.800"])),
            ],
            schema: schema(
                &text,
                &[
                    ("objectGUID", Syntax::Bytes),
                    ("objectSid", Syntax::Bytes),
                    ("member", Syntax::Dn),
                    ("memberOf", Syntax::Dn),
                    ("userAccountControl", Syntax::Number),
                    ("accountExpires", Syntax::Number),
                    ("uSNChanged", Syntax::Number),
                    ("primaryGroupID", Syntax::Number),
                    ("whenCreated", Syntax::Time),
                    ("whenChanged", Syntax::Time),
                ],
            ),
            subschema: None,
            operational: &["memberOf"],
            paging: Paging::Yes,
            largest_page: Some(1000),
            size_limit: Some(1000),
            range: Some(1500),
            by_guid: true,
            who_am_i: Some("u:EXAMPLE\\rosterd"),
        }
    }

    /// How an attribute is compared; `None` where the schema does not know it.
    pub fn syntax(&self, name: &str) -> Option<Syntax> {
        if self.schema.is_empty() {
            return Some(Syntax::Text);
        }
        self.schema.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, syntax)| *syntax)
    }
}
