//! The directory that a life goes on in, and how it is shown to a fake server.

use std::collections::{BTreeMap, BTreeSet};

use rosterd::clock::Timestamp;

use crate::support::fake::{ACCOUNT, Entry, Tree};

pub const ACCOUNT_DN: &str = ACCOUNT;
pub const BASE: &str = "dc=example,dc=com";
pub const PEOPLE: &str = "ou=people,dc=example,dc=com";
pub const GROUPS: &str = "ou=groups,dc=example,dc=com";
pub const NAMES: [&str; 12] = ["ada", "bob", "cy", "dee", "eve", "fay", "gus", "hal", "ida", "jon", "kim", "lea"];
pub const TEAMS: [&str; 4] = ["crew", "guests", "staff", "team"];
pub const DOMAINS: [&str; 2] = ["ours.example", "theirs.example"];

/// Where an entry is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unit {
    People,
    /// Below the people.
    Sales,
    /// Outside of what is read.
    Former,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Mail {
    None,
    /// Something that is no address.
    Bad,
    One(String),
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Person {
    /// Where a search brings the entry.
    pub place: u64,
    pub uid: String,
    pub unit: Unit,
    /// Left out by the filter.
    pub robot: bool,
    pub locked: bool,
    pub mail: Mail,
    pub aliases: Vec<String>,
    pub surname: String,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Team {
    pub place: u64,
    pub name: String,
    /// Unique ids of people.
    pub members: BTreeSet<String>,
}

/// Everything that is so in the directory, by unique id.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Directory {
    pub people: BTreeMap<String, Person>,
    pub teams: BTreeMap<String, Team>,
    /// When anything last changed; `None`: the server does not tell.
    pub changed: Option<Timestamp>,
    numbers: u64,
}

impl Person {
    pub fn dn(&self) -> String {
        let unit = match self.unit {
            Unit::People => PEOPLE.to_owned(),
            Unit::Sales => format!("ou=sales,{PEOPLE}"),
            Unit::Former => format!("ou=former,{BASE}"),
        };
        format!("uid={},{unit}", self.uid)
    }

    /// Whether the search for people brings the entry.
    pub fn in_scope(&self) -> bool {
        self.unit != Unit::Former && !self.robot
    }

    /// Every address that the entry names, folded.
    pub fn addresses(&self) -> BTreeSet<String> {
        let mail = match &self.mail {
            Mail::One(mail) => Some(mail.to_lowercase()),
            Mail::None | Mail::Bad => None,
        };
        self.aliases.iter().map(|one| one.to_lowercase()).chain(mail).collect()
    }

    fn entry(&self, id: &str) -> Entry {
        let entry = Entry::new(self.dn())
            .with("objectClass", "inetOrgPerson")
            .with("uid", &self.uid)
            .with("sn", &self.surname)
            .with("entryUUID", id)
            .with_all("proxyAddresses", self.aliases.iter().map(|one| format!("smtp:{one}")))
            .with_all("employeeType", self.robot.then_some("robot"))
            .with_all("pwdAccountLockedTime", self.locked.then_some("000001010000Z"));
        match &self.mail {
            Mail::None => entry,
            Mail::Bad => entry.with("mail", "no address"),
            Mail::One(mail) => entry.with("mail", mail),
        }
    }
}

impl Directory {
    pub fn new(changed: Option<Timestamp>) -> Self {
        Self { people: BTreeMap::new(), teams: BTreeMap::new(), changed, numbers: 100 }
    }

    /// A unique id that nothing ever had, and a place.
    fn fresh(&mut self) -> (String, u64) {
        self.numbers += 1;
        (format!("{:08x}-0000-4000-8000-0000000000aa", self.numbers), self.numbers)
    }

    /// Whether an entry bears this name already, wherever it is.
    pub fn has(&self, uid: &str) -> bool {
        self.people.values().any(|one| one.uid.eq_ignore_ascii_case(uid))
    }

    pub fn hire(&mut self, uid: &str, mail: Mail) -> String {
        let (id, place) = self.fresh();
        let (uid, surname) = (uid.to_owned(), format!("Of {uid}"));
        let (unit, aliases) = (Unit::People, Vec::new());
        self.people
            .insert(id.clone(), Person { place, uid, unit, robot: false, locked: false, mail, aliases, surname });
        id
    }

    /// The same person as a new entry.
    pub fn add_again(&mut self, id: &str) {
        let Some(person) = self.people.remove(id) else { return };
        let (new, place) = self.fresh();
        for team in self.teams.values_mut() {
            if team.members.remove(id) {
                team.members.insert(new.clone());
            }
        }
        self.people.insert(new, Person { place, ..person });
    }

    pub fn team(&mut self, name: &str) -> &mut Team {
        let known = self.teams.iter().find(|(_, team)| team.name == name).map(|(id, _)| id.clone());
        let id = known.unwrap_or_else(|| {
            let (id, place) = self.fresh();
            self.teams.insert(id.clone(), Team { place, name: name.to_owned(), members: BTreeSet::new() });
            id
        });
        self.teams.get_mut(&id).unwrap()
    }

    /// As a server holds it.
    pub fn tree(&self) -> Tree {
        let mut tree = Tree::default();
        let numbers = self.changed.map(|at| at.to_datetime().format("%Y%m%d%H%M%S%.6fZ#000000#001#000000").to_string());
        let base = Entry::new(BASE).with("objectClass", "domain").with("entryUUID", "base");
        tree.add(base.with_all("contextCSN", numbers));
        for dn in [PEOPLE.to_owned(), GROUPS.to_owned(), format!("ou=sales,{PEOPLE}"), format!("ou=former,{BASE}")] {
            tree.add(Entry::new(dn).with("objectClass", "organizationalUnit"));
        }
        tree.add(Entry::new(format!("ou=services,{BASE}")).with("objectClass", "organizationalUnit"));
        tree.add(Entry::new(ACCOUNT).with("objectClass", "organizationalRole"));
        self.people.iter().for_each(|(id, person)| tree.put(person.place, person.entry(id)));
        for (id, team) in &self.teams {
            let members = team.members.iter().filter_map(|id| self.people.get(id)).map(Person::dn);
            let entry = Entry::new(format!("cn={},{GROUPS}", team.name)).with("objectClass", "groupOfNames");
            tree.put(team.place, entry.with("cn", &team.name).with("entryUUID", id).with_all("member", members));
        }
        tree
    }
}
