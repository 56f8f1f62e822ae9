//! What differs from one kind of directory to the next, as data.

use super::settings::{DisabledTest, Kind};

/// The defaults of one kind; the configuration replaces them key by key.
#[derive(Debug)]
pub struct Defaults {
    /// `kind` as written.
    pub name: &'static str,
    /// `users.filter`.
    pub user_filter: &'static str,
    /// `users.attributes`, but for aliases: key and attribute; unmapped keys have an empty one.
    pub attributes: &'static [(&'static str, &'static str)],
    /// `users.attributes.aliases`.
    pub aliases: &'static [&'static str],
    /// `[[users.disabled]]` with values: attribute and value.
    pub disabled_values: &'static [(&'static str, &'static str)],
    /// `[[users.disabled]]` with bits: attribute and bits.
    pub disabled_bits: &'static [(&'static str, u64)],
    /// `[[users.disabled]]` with `expired = true`.
    pub disabled_expired: &'static [&'static str],
    /// `groups.filter`.
    pub group_filter: &'static str,
    /// `groups.attributes.unique_id`.
    pub group_unique_id: &'static str,
    /// `groups.attributes.name`.
    pub group_name: &'static str,
    /// `groups.attributes.members`.
    pub members: &'static [&'static str],
    /// Below a base, where there are only people who are not in yet or not any more; such an entry counts as outside.
    pub aside: &'static [&'static str],
}

/// The attributes of inetOrgPerson (RFC 2798), with the kind's unique id.
macro_rules! inet_org_person {
    ($unique_id:literal) => {
        &[
            ("unique_id", $unique_id),
            ("username", "uid"),
            ("user_principal_name", ""),
            ("display_name", "displayName"),
            ("mail", "mail"),
            ("given_name", "givenName"),
            ("surname", "sn"),
            ("home_phone", "homePhone"),
            ("mobile", "mobile"),
            ("company", "o"),
            ("department", "departmentNumber"),
            ("notes", "description"),
        ]
    };
}

const OPENLDAP: Defaults = Defaults {
    name: "openldap",
    user_filter: "(objectClass=inetOrgPerson)",
    attributes: inet_org_person!("entryUUID"),
    aliases: &["proxyAddresses"],
    // A lockout after failures writes its time into the same attribute: only this value is an administrator's.
    disabled_values: &[("pwdAccountLockedTime", "000001010000Z")],
    disabled_bits: &[],
    disabled_expired: &["shadowExpire"],
    group_filter: "(|(objectClass=groupOfNames)(objectClass=groupOfUniqueNames)(objectClass=posixGroup))",
    group_unique_id: "entryUUID",
    group_name: "cn",
    members: &["member", "uniqueMember", "memberUid"],
    aside: &[],
};

/// The attributes by which the servers that are told by no kind say that an account is switched off or over; eDirectory's are
/// the last of each. Its lockout after wrong passwords (lockedByIntruder) ends by itself and is none of them.
const GENERIC: Defaults = Defaults {
    name: "generic",
    disabled_values: &[("pwdAccountLockedTime", "000001010000Z"), ("nsAccountLock", "true"), ("loginDisabled", "TRUE")],
    disabled_expired: &["shadowExpire", "loginExpirationTime"],
    ..OPENLDAP
};

/// Computers are users by class, but not by category; two entries of one name that were made on two domain controllers are
/// told apart by a line feed and `CNF:` in the name of the loser.
const ACTIVE_DIRECTORY: Defaults = Defaults {
    name: "active-directory",
    user_filter: r"(&(objectCategory=person)(objectClass=user)(!(isCriticalSystemObject=TRUE))(!(name=*\0ACNF:*)))",
    attributes: &[
        ("unique_id", "objectGUID"),
        ("username", "sAMAccountName"),
        ("user_principal_name", "userPrincipalName"),
        ("display_name", "displayName"),
        ("mail", "mail"),
        ("given_name", "givenName"),
        ("surname", "sn"),
        ("home_phone", "homePhone"),
        ("mobile", "mobile"),
        ("company", "company"),
        ("department", "department"),
        ("notes", "info"),
    ],
    aliases: &["proxyAddresses"],
    disabled_values: &[],
    // ACCOUNTDISABLE
    disabled_bits: &[("userAccountControl", 2)],
    disabled_expired: &["accountExpires"],
    group_filter: r"(&(objectClass=group)(!(isCriticalSystemObject=TRUE))(!(name=*\0ACNF:*)))",
    group_unique_id: "objectGUID",
    group_name: "cn",
    // Nobody is listed as a member of the primary group: its own SID stands for them (MS-ADTS 6.1.1.4.12).
    members: &["member", "objectSid"],
    aside: &[],
};

const DS_389: Defaults = Defaults {
    name: "389ds",
    user_filter: "(|(objectClass=inetOrgPerson)(objectClass=nsPerson))",
    attributes: inet_org_person!("nsUniqueId"),
    // An administrator's, or that of a role; the server computes it, and shows it only when asked by name.
    disabled_values: &[("nsAccountLock", "true")],
    group_unique_id: "nsUniqueId",
    ..OPENLDAP
};

/// People who are not in yet (staged) or not any more (preserved) are locked, but by a lock that the server computes and
/// that an account need not be allowed to read; the place says it without doubt.
const FREEIPA: Defaults = Defaults {
    name: "freeipa",
    user_filter: "(objectClass=inetOrgPerson)",
    attributes: inet_org_person!("ipaUniqueID"),
    disabled_expired: &["krbPrincipalExpiration"],
    group_filter: "(objectClass=ipaUserGroup)",
    group_unique_id: "ipaUniqueID",
    members: &["member"],
    aside: &["cn=provisioning"],
    ..DS_389
};

/// Unique ids that servers give, so that every entry has exactly one (I2, E5).
const SERVER_GIVEN: &[&str] = &["entryuuid", "objectguid", "nsuniqueid", "ipauniqueid", "guid", "ibm-entryuuid"];

/// Attributes that hold passwords or what is made of them; never asked for (U6).
pub(super) const SECRET: &[&str] = &[
    "userpassword",
    "authpassword",
    "unicodepwd",
    "dbcspwd",
    "lmpwdhistory",
    "ntpwdhistory",
    "supplementalcredentials",
    "pwdhistory",
    "passwordhistory",
    "sambantpassword",
    "sambalmpassword",
    "sambapasswordhistory",
    "krbprincipalkey",
    "krb5key",
    "ipanthash",
    "msds-managedpassword",
    "ms-mcs-admpwd",
    "mslaps-password",
    "mslaps-encryptedpassword",
];

impl Kind {
    /// Every kind this version knows.
    pub const ALL: [Self; 5] = [Self::ActiveDirectory, Self::OpenLdap, Self::Ds389, Self::FreeIpa, Self::Generic];

    /// The kind's defaults.
    pub const fn defaults(self) -> &'static Defaults {
        match self {
            Self::ActiveDirectory => &ACTIVE_DIRECTORY,
            Self::OpenLdap => &OPENLDAP,
            Self::Ds389 => &DS_389,
            Self::FreeIpa => &FREEIPA,
            Self::Generic => &GENERIC,
        }
    }

    /// `kind` as written in the configuration.
    pub const fn as_str(self) -> &'static str {
        self.defaults().name
    }

    /// The kind with this written name.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }
}

impl Defaults {
    /// The default attribute of a key of `[users.attributes]`; `None` when there is no such key, or no default.
    pub fn attribute(&self, key: &str) -> Option<&'static str> {
        let found = self.attributes.iter().find(|(known, _)| *known == key).map(|(_, attribute)| *attribute);
        found.filter(|attribute| !attribute.is_empty())
    }

    /// The kind's disabled tests.
    pub fn disabled(&self) -> Vec<DisabledTest> {
        let values = self.disabled_values.iter().map(|(attribute, value)| DisabledTest::Values {
            attribute: (*attribute).to_owned(),
            values: vec![(*value).to_owned()],
        });
        let bits = self
            .disabled_bits
            .iter()
            .map(|(attribute, bits)| DisabledTest::Bits { attribute: (*attribute).to_owned(), bits: *bits });
        let expired =
            self.disabled_expired.iter().map(|attribute| DisabledTest::Expired { attribute: (*attribute).to_owned() });
        values.chain(bits).chain(expired).collect()
    }
}

/// Whether an attribute is a unique id that servers give to every entry.
pub fn is_server_given(attribute: &str) -> bool {
    SERVER_GIVEN.contains(&attribute.to_ascii_lowercase().as_str())
}

/// Whether an attribute holds a password or what is made of one; the configuration refuses to map it (U6).
pub fn is_secret(attribute: &str) -> bool {
    let base = attribute.split(';').next().unwrap_or_default().trim();
    SECRET.contains(&base.to_ascii_lowercase().as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_on_configuration_has_every_default_of_every_kind() {
        let page = include_str!("../../docs/configuration.md").replace("\\|", "|");
        for defaults in Kind::ALL.map(Kind::defaults) {
            let attributes = defaults.attributes.iter().map(|(_, attribute)| attribute);
            let disabled = defaults.disabled_values.iter().flat_map(|(attribute, value)| [attribute, value]);
            let bits = defaults.disabled_bits.iter().map(|(attribute, _)| attribute);
            let filters = [&defaults.user_filter, &defaults.group_filter, &defaults.group_unique_id];
            let all = attributes.chain(disabled).chain(bits).chain(defaults.disabled_expired).chain(defaults.members);
            let all = all
                .chain(defaults.aliases)
                .chain(defaults.aside)
                .chain(filters)
                .chain([&defaults.name, &defaults.group_name]);
            for word in all.filter(|word| !word.is_empty()) {
                assert!(page.contains(&format!("`{word}`")), "{word} of {}", defaults.name);
            }
        }
    }
}
