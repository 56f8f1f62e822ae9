//! Two directories of twelve people in three pages, two groups, a role and a grant.

use crate::support::fake::{ACCOUNT, Entry, Fake, Kind, Tree};
use crate::support::program::Site;

pub const BASE: &str = "dc=example,dc=com";
pub const PEOPLE: &str = "ou=people,dc=example,dc=com";
pub const GROUPS: &str = "ou=groups,dc=example,dc=com";
pub const STAFF: &str = "cn=staff,ou=groups,dc=example,dc=com";
/// How many people there are.
pub const COUNT: u32 = 12;

/// Which kind of server it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ground {
    OpenLdap,
    /// A domain controller that hands out three values at once.
    ActiveDirectory,
}

/// The DN of somebody, by number.
pub fn person(number: u32) -> String {
    format!("uid=p{number:02},{PEOPLE}")
}

/// Somebody on a domain controller.
pub fn account(number: u32) -> String {
    format!("cn=p{number:02},{PEOPLE}")
}

pub fn guid(number: u32) -> Vec<u8> {
    [&number.to_be_bytes()[..], &[7; 12]].concat()
}

/// A SID of this domain.
pub fn sid(number: u32) -> Vec<u8> {
    [&[1, 2, 0, 0, 0, 0, 0, 5, 21, 0, 0, 0][..], &number.to_le_bytes()].concat()
}

/// Somebody as OpenLDAP holds an entry.
pub fn uid_entry(number: u32) -> Entry {
    Entry::new(person(number))
        .with("objectClass", "inetOrgPerson")
        .with("uid", format!("p{number:02}"))
        .with("cn", format!("Person {number}"))
        .with("sn", format!("Of p{number:02}"))
        .with("mail", format!("p{number:02}@example.com"))
        .with_all(
            "proxyAddresses",
            [format!("smtp:a{number:02}@example.com"), format!("smtp:b{number:02}@example.com")],
        )
        .with("entryUUID", format!("{number:08x}-0000-4000-8000-0000000000aa"))
}

/// Somebody as a domain controller does.
pub fn account_entry(number: u32) -> Entry {
    Entry::new(account(number))
        .with_all("objectClass", ["top", "person", "organizationalPerson", "user"])
        .with("objectCategory", "person")
        .with("cn", format!("p{number:02}"))
        .with("name", format!("p{number:02}"))
        .with("sAMAccountName", format!("p{number:02}"))
        .with("mail", format!("p{number:02}@example.com"))
        .with_all(
            "proxyAddresses",
            [format!("SMTP:p{number:02}@example.com"), format!("smtp:a{number:02}@example.com")],
        )
        .with("userAccountControl", "512")
        .with("accountExpires", "9223372036854775807")
        .with("primaryGroupID", if number < 4 { "600" } else { "513" })
        .with("objectSid", sid(1000 + number))
        .with("objectGUID", guid(number))
}

impl Ground {
    pub fn kind(self) -> Kind {
        match self {
            Self::OpenLdap => Kind::openldap(),
            Self::ActiveDirectory => Kind { range: Some(3), ..Kind::active_directory() },
        }
    }

    pub fn tree(self) -> Tree {
        let mut tree = Tree::default();
        let unit = |dn: &str| Entry::new(dn).with("objectClass", "organizationalUnit");
        let base = Entry::new(BASE).with("objectClass", "domain");
        tree.add(match self {
            Self::OpenLdap => {
                base.with("entryUUID", "base").with("contextCSN", "20260601000000.000000Z#000000#001#000000")
            }
            Self::ActiveDirectory => base.with("objectGUID", [1; 16]),
        });
        for dn in [PEOPLE, GROUPS, "ou=services,dc=example,dc=com", "ou=former,dc=example,dc=com"] {
            tree.add(unit(dn));
        }
        tree.add(Entry::new(ACCOUNT).with("objectClass", "organizationalRole"));
        for (number, (name, size)) in (90..).zip([("staff", 8), ("admins", 2), ("base", 0)]) {
            let entry = Entry::new(format!("cn={name},{GROUPS}")).with("cn", name);
            let members = 1..=size;
            tree.add(match self {
                Self::OpenLdap => entry
                    .with("objectClass", "groupOfNames")
                    .with("entryUUID", format!("{number:08x}-0000-4000-8000-0000000000bb"))
                    .with_all("member", members.map(person)),
                Self::ActiveDirectory => entry
                    .with("objectClass", "group")
                    .with("objectGUID", guid(number))
                    .with("objectSid", sid(if name == "base" { 600 } else { number }))
                    .with_all("member", members.map(account)),
            });
        }
        for number in 1..=COUNT {
            // With places between them.
            let entry = if self == Self::OpenLdap { uid_entry(number) } else { account_entry(number) };
            tree.put(u64::from(number) * 10 + 100, entry);
        }
        tree
    }

    /// The program, configured for it.
    pub fn site(self, fake: &Fake) -> Site {
        let mut site = Site::of_fake(fake);
        self.configure(&mut site);
        site
    }

    /// The same site as it was configured first.
    pub fn site_again(self, mut site: Site) -> Site {
        self.configure(&mut site);
        site
    }

    fn configure(self, site: &mut Site) {
        site.set("users", &format!("base_dns = [\"{PEOPLE}\"]\n"));
        site.set("groups", &format!("base_dns = [\"{GROUPS}\"]\n"));
        site.set("[role]", &format!("name = \"admin\"\ngroups = [\"cn=admins,{GROUPS}\"]\n"));
        site.set("[grant]", &format!("privilege = \"files\"\ngroups = [\"{STAFF}\"]\n"));
        site.set("deletion", "minimum = \"0d\"\ndelay = \"14d\"\n");
        site.set("brake", "at_least = 5\n");
    }

    /// `[source]`, with more lines.
    pub fn source(self, site: &Site, fake: &Fake, more: &str) -> String {
        let file = site.path("password");
        let url = if more.contains("urls = ") { String::new() } else { format!("urls = [\"{}\"]\n", fake.url()) };
        let more = more.replace("PORT", &fake.port().to_string());
        let account = if more.contains("bind_password_file") {
            String::new()
        } else {
            format!("bind_password_file = \"{}\"\n", file.display())
        };
        format!("name = \"corp\"\nbind_dn = \"{ACCOUNT}\"\nbase_dn = \"{BASE}\"\n{url}{account}{more}\n")
    }
}
