//! Directories, real and fake, and how one says to each of them what is to be so.

use std::fmt::Write as _;

use crate::support::fake::{ACCOUNT, Act, At, Entry, Fake, Kind, Tree};
use crate::support::program::{Site, source};
use crate::support::server::Server;
use crate::support::slapd::{Options, Slapd};

/// What a directory calls things.
#[derive(Clone, Copy)]
pub struct Words {
    /// As `source.kind` has it.
    pub kind: &'static str,
    pub base: &'static str,
    /// The attribute that names people.
    rdn: &'static str,
    classes: &'static [&'static str],
    /// Beside the name, for everybody: attribute and value, with `{}` for the name.
    given: &'static [(&'static str, &'static str)],
    /// The attribute of a lock, its value, and the one without.
    lock: (&'static str, &'static str, Option<&'static str>),
    group: (&'static str, &'static [(&'static str, &'static str)]),
    /// How a run ends, and what it says, whose filter has an attribute that is not there.
    pub unknown: (i32, &'static str),
}

const ORGANIZATION: Words = Words {
    kind: "openldap",
    base: "dc=example,dc=com",
    rdn: "uid",
    classes: &["inetOrgPerson"],
    given: &[("cn", "{}"), ("sn", "Of {}"), ("mail", "{}@example.com")],
    lock: ("pwdAccountLockedTime", "000001010000Z", None),
    group: ("groupOfNames", &[]),
    unknown: (1, "names the attribute `noSuchThing`"),
};
const NETSCAPE: Words = Words { kind: "389ds", lock: ("nsAccountLock", "true", None), ..ORGANIZATION };
const DOMAIN: Words = Words {
    kind: "active-directory",
    base: "DC=example,DC=test",
    rdn: "CN",
    classes: &["user"],
    given: &[("sAMAccountName", "{}"), ("mail", "{}@example.com"), ("userAccountControl", "512")],
    lock: ("userAccountControl", "514", Some("512")),
    group: ("group", &[("sAMAccountName", "{}")]),
    ..ORGANIZATION
};

/// A change that somebody makes in the directory.
enum Change {
    Add(Entry),
    /// New values in place of the old ones; none: the attribute goes.
    Replace(String, &'static str, Vec<String>),
    /// Another first name, and another place.
    Rename(String, String, String),
    Delete(String),
}

/// One directory.
pub struct Ground {
    pub words: Words,
    at: Host,
}

enum Host {
    Real(Server),
    Slapd(Slapd),
    Fake(Box<Fake>),
}

impl Ground {
    pub fn openldap() -> Option<Self> {
        Some(Self::with_units(ORGANIZATION, Host::Slapd(Slapd::start(Options::default())?)))
    }

    pub fn samba() -> Option<Self> {
        Some(Self::with_units(DOMAIN, Host::Real(Server::samba()?)))
    }

    pub fn ds389() -> Option<Self> {
        Some(Self::with_units(NETSCAPE, Host::Real(Server::ds389()?)))
    }

    /// The fake as OpenLDAP.
    pub fn fake() -> Option<Self> {
        Some(Self::pretended(ORGANIZATION, Kind::openldap()))
    }

    /// The fake as a domain controller.
    pub fn fake_domain() -> Option<Self> {
        Some(Self::pretended(
            Words { base: "dc=example,dc=com", unknown: (5, "found no user at all"), ..DOMAIN },
            Kind::active_directory(),
        ))
    }

    fn pretended(words: Words, kind: Kind) -> Self {
        let mut tree = Tree::default();
        let root = Change::Add(Entry::new(words.base).with("objectClass", "domain").with("dc", "example"));
        root.apply(&mut tree, words.kind);
        for unit in ["people", "groups"] {
            unit_of(words, unit).apply(&mut tree, words.kind);
        }
        Self::with_units(words, Host::Fake(Box::new(Fake::start(kind, tree))))
    }

    /// With units where people are looked for, too, and where not.
    fn with_units(words: Words, at: Host) -> Self {
        let ground = Self { words, at };
        for unit in ["branch", "former"] {
            ground.make(unit_of(words, unit));
        }
        ground
    }

    /// The program with a configuration that names URL, account, password and base only, and small pages.
    pub fn site(&self) -> Site {
        let more = "page_size = 4\nread_timeout = \"2s\"\n";
        let mut site =
            match &self.at {
                Host::Real(server) => of_server(server, more),
                Host::Slapd(slapd) => of_server(slapd, more),
                Host::Fake(fake) => {
                    let mut site = Site::of_fake(fake);
                    let password = site.path("password");
                    let (url, base) = (fake.url(), self.words.base);
                    site.set("source", &format!(
                    "name = \"corp\"\nurls = [\"{url}\"]\nbind_dn = \"{ACCOUNT}\"\nbind_password_file = \"{}\"\n\
                     base_dn = \"{base}\"\n{more}", password.display()));
                    site
                }
            };
        site.set("users", &format!("base_dns = [\"ou=people,{0}\", \"ou=branch,{0}\"]\n", self.words.base));
        site.set("groups", &format!("base_dns = [\"ou=groups,{}\"]\n", self.words.base));
        site
    }

    /// The DN of somebody, below a unit.
    pub fn dn(&self, name: &str, unit: &str) -> String {
        format!("{}={},ou={unit},{}", self.words.rdn, name.replace(',', "\\,"), self.words.base)
    }

    fn group_dn(&self, name: &str) -> String {
        format!("cn={name},ou=groups,{}", self.words.base)
    }

    /// Adds people to `ou=people`.
    pub fn hire(&self, names: &[&str]) {
        for name in names {
            let plain = name.replace(", ", ".").to_lowercase();
            let mut entry = Entry::new(self.dn(name, "people")).with_all("objectClass", self.words.classes);
            if self.words.rdn == "uid" {
                entry.add("uid", name);
            }
            self.words.given.iter().for_each(|(attribute, value)| entry.add(attribute, value.replace("{}", &plain)));
            self.make(Change::Add(entry));
        }
    }

    /// Adds a group; a member is one of the people, or a group by `@name`.
    pub fn form(&self, name: &str, members: &[&str]) {
        let (class, given) = self.words.group;
        let mut entry = Entry::new(self.group_dn(name)).with("objectClass", class);
        if self.words.rdn == "uid" {
            entry.add("cn", name);
        }
        given.iter().for_each(|(attribute, value)| entry.add(attribute, value.replace("{}", name)));
        self.member_dns(members).iter().for_each(|dn| entry.add("member", dn));
        self.make(Change::Add(entry));
    }

    fn member_dns(&self, members: &[&str]) -> Vec<String> {
        let dn = |name: &&str| match name.strip_prefix('@') {
            Some(group) => self.group_dn(group),
            None => self.dn(name, "people"),
        };
        members.iter().map(dn).collect()
    }

    /// The group has these members from now on.
    pub fn set_members(&self, name: &str, members: &[&str]) {
        self.make(Change::Replace(self.group_dn(name), "member", self.member_dns(members)));
    }

    pub fn lock(&self, name: &str) {
        let (attribute, value, _) = self.words.lock;
        self.make(Change::Replace(self.dn(name, "people"), attribute, vec![value.to_owned()]));
    }

    pub fn unlock(&self, name: &str) {
        let (attribute, _, value) = self.words.lock;
        self.make(Change::Replace(self.dn(name, "people"), attribute, value.into_iter().map(str::to_owned).collect()));
    }

    /// Another name in the DN, and another unit.
    pub fn rename(&self, name: &str, to: &str, unit: &str) {
        let place = format!("ou={unit},{}", self.words.base);
        self.make(Change::Rename(self.dn(name, "people"), format!("{}={to}", self.words.rdn), place));
    }

    pub fn fire(&self, name: &str) {
        self.make(Change::Delete(self.dn(name, "people")));
    }

    fn make(&self, change: Change) {
        match &self.at {
            Host::Real(server) => server.ldif(&change.ldif()),
            Host::Slapd(slapd) => slapd.ldif(&change.ldif()),
            Host::Fake(fake) => change.apply(&mut fake.tree(), self.words.kind),
        }
    }

    /// Nothing is answered any more.
    pub fn freeze(&self) {
        match &self.at {
            Host::Real(server) => server.stop(),
            Host::Slapd(slapd) => slapd.stop(),
            Host::Fake(fake) => fake.always(At::bind(), Act::Stall),
        }
    }

    /// It answers again.
    pub fn thaw(&self) {
        match &self.at {
            Host::Real(server) => server.cont(),
            Host::Slapd(slapd) => slapd.cont(),
            Host::Fake(fake) => _ = fake.repair(),
        }
    }
}

fn unit_of(words: Words, unit: &str) -> Change {
    let entry = Entry::new(format!("ou={unit},{}", words.base)).with("objectClass", "organizationalUnit");
    Change::Add(entry.with("ou", unit))
}

fn of_server(server: &Server, more: &str) -> Site {
    let mut site = Site::new(server);
    site.set("source", &source(server, server.url(), more));
    site
}

/// Adds what a domain controller does by itself.
fn as_controllers_do(entry: &mut Entry, number: u8) {
    let (_, after) = entry.dn.split_once('=').unwrap();
    let name = after.replace("\\,", "\0").split(',').next().unwrap().replace('\0', ",");
    entry.add("cn", name);
    entry.add("objectGUID", [number; 16]);
    let person = entry.values("userAccountControl").len() == 1;
    if person {
        entry.add("objectCategory", "person");
        entry.add("primaryGroupID", "513");
        entry.add("accountExpires", "9223372036854775807");
    }
    if person || !entry.values("sAMAccountName").is_empty() {
        // S-1-5-21-1-2-3-…
        let domain = [1, 5, 0, 0, 0, 0, 0, 5, 21, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0];
        entry.add("objectSid", [&domain[..], &[number, 4, 0, 0]].concat());
    }
}

impl Change {
    fn ldif(&self) -> String {
        match self {
            Self::Add(entry) => {
                let mut text = format!("dn: {}\nchangetype: add\n", entry.dn);
                for (name, values) in &entry.attributes {
                    values
                        .iter()
                        .for_each(|value| writeln!(text, "{name}: {}", String::from_utf8_lossy(value)).unwrap());
                }
                text + "\n"
            }
            Self::Replace(dn, attribute, values) => {
                let values: String = values.iter().map(|value| format!("{attribute}: {value}\n")).collect();
                format!("dn: {dn}\nchangetype: modify\nreplace: {attribute}\n{values}\n")
            }
            Self::Rename(dn, first, place) => {
                format!("dn: {dn}\nchangetype: modrdn\nnewrdn: {first}\ndeleteoldrdn: 1\nnewsuperior: {place}\n\n")
            }
            Self::Delete(dn) => format!("dn: {dn}\nchangetype: delete\n\n"),
        }
    }

    /// The same in the fake's tree, with what a server adds by itself.
    fn apply(self, tree: &mut Tree, kind: &str) {
        match self {
            Self::Add(mut entry) => {
                let number = u8::try_from(tree.added()).unwrap();
                if kind == DOMAIN.kind {
                    as_controllers_do(&mut entry, number);
                } else {
                    entry.add("entryUUID", format!("{number:08x}-0000-4000-8000-00000000abcd"));
                }
                tree.add(entry);
            }
            Self::Replace(dn, attribute, values) => {
                let entry = tree.find_mut(&dn).unwrap();
                entry.attributes.retain(|(name, _)| !name.eq_ignore_ascii_case(attribute));
                values.iter().for_each(|value| entry.add(attribute, value));
            }
            Self::Rename(dn, first, place) => {
                let entry = tree.find_mut(&dn).unwrap();
                let (name, value) = first.split_once('=').unwrap();
                entry.attributes.retain(|(known, _)| !known.eq_ignore_ascii_case(name));
                entry.add(name, value);
                entry.dn = format!("{first},{place}");
            }
            Self::Delete(dn) => _ = tree.remove(&dn).unwrap(),
        }
    }
}
