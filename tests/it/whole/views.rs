//! What applications see, and whether the feed explains it: a copy that is kept by the feed alone has to be the same.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use crate::store_contract::fixture::Fixture;

/// One user as anybody can see it.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct User {
    pub key: String,
    pub dn: Option<String>,
    pub name: Option<String>,
    pub surname: Option<String>,
    pub primary: Option<String>,
    /// Folded, the primary one included.
    pub addresses: BTreeSet<String>,
    pub state: String,
    pub reason: Option<String>,
    pub flagged: Option<String>,
    pub due: Option<String>,
}

#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Group {
    pub key: String,
    pub dn: String,
    pub name: String,
    pub state: String,
    /// Internal ids of people, also of those who wait for deletion.
    pub members: BTreeSet<String>,
}

/// Everything, by internal id.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Views {
    pub users: BTreeMap<String, User>,
    pub groups: BTreeMap<String, Group>,
}

impl User {
    pub fn access(&self) -> bool {
        ["active", "kept"].contains(&self.state.as_str())
    }

    fn gone(&mut self) {
        let key = std::mem::take(&mut self.key);
        *self = Self { key, state: "deleted".to_owned(), ..Self::default() };
    }

    fn take(&mut self, name: &str, value: &Value) {
        let text = value.as_str().map(str::to_owned);
        match name {
            "unique_id" => self.key = text.unwrap_or_default(),
            "dn" => self.dn = text,
            "username" => self.name = text,
            "surname" => self.surname = text,
            "state" => self.state = text.unwrap_or_default(),
            "pending_reason" => self.reason = text,
            "delete_after" => self.due = text,
            "primary_address" => {
                if let Some(before) = &self.primary {
                    self.addresses.remove(&before.to_lowercase());
                }
                self.addresses.extend(text.as_ref().map(|one| one.to_lowercase()));
                self.primary = text;
            }
            "aliases" => {
                let all = value.as_array().into_iter().flatten().filter_map(Value::as_str);
                self.addresses.extend(all.map(str::to_lowercase));
            }
            _ => {}
        }
    }
}

fn text(row: &Map<String, Value>, column: &str) -> Option<String> {
    row.get(column).and_then(Value::as_str).map(str::to_owned)
}

impl Views {
    /// What the views say now.
    pub async fn read(store: &Fixture) -> Self {
        let mut views = Self::default();
        for row in store.rows("SELECT * FROM roster_users").await {
            let user = User {
                key: text(&row, "unique_id").unwrap_or_default(),
                dn: text(&row, "dn"),
                name: text(&row, "username"),
                surname: text(&row, "surname"),
                primary: text(&row, "primary_address"),
                addresses: BTreeSet::new(),
                state: text(&row, "state").unwrap(),
                reason: text(&row, "pending_reason"),
                flagged: text(&row, "flagged_at").map(|at| moment(&at)),
                due: text(&row, "delete_after").map(|at| moment(&at)),
            };
            assert_eq!(row["access"] == 1, user.access(), "{row:?}");
            views.users.insert(text(&row, "id").unwrap(), user);
        }
        let mut bearers = BTreeSet::new();
        for row in store.rows("SELECT address, user_id, kind, access FROM roster_addresses").await {
            let (id, address) = (text(&row, "user_id").unwrap(), text(&row, "address").unwrap().to_lowercase());
            assert!(bearers.insert(address.clone()), "A3: {address} belongs to two");
            let user = views.users.get_mut(&id).unwrap();
            assert_eq!(row["access"] == 1, user.access(), "{row:?}");
            user.addresses.insert(address);
        }
        for row in store.rows("SELECT id, unique_id, dn, name, state FROM roster_groups").await {
            let of = |column: &str| text(&row, column).unwrap_or_default();
            let group = Group {
                key: of("unique_id"),
                dn: of("dn"),
                name: of("name"),
                state: of("state"),
                members: BTreeSet::new(),
            };
            views.groups.insert(of("id"), group);
        }
        for row in store.rows("SELECT group_id, user_id FROM roster_memberships").await {
            let (group, user) = (text(&row, "group_id").unwrap(), text(&row, "user_id").unwrap());
            views.groups.get_mut(&group).unwrap().members.insert(user);
        }
        let names = views.users.values().filter(|user| user.access()).filter_map(|user| user.name.as_ref());
        let mut seen = BTreeSet::new();
        for name in names {
            assert!(seen.insert(name.to_lowercase()), "U7: {name} belongs to two");
        }
        views
    }

    /// Takes over one event of the feed.
    pub fn follow(&mut self, row: &Map<String, Value>) {
        let kind = text(row, "kind").unwrap();
        let (user, group) = (text(row, "user_id"), text(row, "group_id"));
        let after = row["after"].as_object().cloned().unwrap_or_default();
        if let ("membership.added" | "membership.removed", Some(user), Some(group)) =
            (kind.as_str(), user.as_ref(), group.as_ref())
        {
            let members = &mut self.groups.get_mut(group).unwrap().members;
            let news = if kind == "membership.added" { members.insert(user.clone()) } else { members.remove(user) };
            assert!(news, "{kind} says nothing new: {row:?}");
        } else if let (Some(id), true) = (&user, kind.starts_with("user.") || kind.starts_with("alias.")) {
            self.follow_user(id, &kind, row, &after);
        } else if let Some(id) = group.filter(|_| kind.starts_with("group.")) {
            let group = self.groups.entry(id).or_default();
            for (name, value) in &after {
                let value = value.as_str().unwrap_or_default().to_owned();
                match name.as_str() {
                    "unique_id" => group.key = value,
                    "dn" => group.dn = value,
                    "name" => group.name = value,
                    "state" => group.state = value,
                    _ => {}
                }
            }
            if kind == "group.added" {
                group.state = "active".to_owned();
            }
        }
    }

    fn follow_user(&mut self, id: &str, kind: &str, row: &Map<String, Value>, after: &Map<String, Value>) {
        let user = self.users.entry(id.to_owned()).or_default();
        let address = |side: &str| row[side]["address"].as_str().unwrap().to_lowercase();
        match kind {
            "alias.added" => assert!(user.addresses.insert(address("after")), "{row:?}"),
            "alias.removed" => assert!(user.addresses.remove(&address("before")), "{row:?}"),
            _ => {
                if ["user.added", "user.revived"].contains(&kind) {
                    user.gone();
                    user.state = "active".to_owned();
                }
                if let Some(before) = row["before"]["state"].as_str() {
                    assert_eq!(before, user.state, "{row:?}");
                }
                after.iter().for_each(|(name, value)| user.take(name, value));
                if kind == "user.flagged" {
                    user.flagged.get_or_insert_with(|| moment(&text(row, "at").unwrap()));
                } else if user.state != "pending" {
                    (user.reason, user.flagged, user.due) = (None, None, None);
                }
                if user.state == "deleted" {
                    user.gone();
                    self.groups.values_mut().for_each(|group| _ = group.members.remove(id));
                }
            }
        }
    }

    /// As the views show it: memberships are of people with access.
    pub fn shown(&self) -> Self {
        let mut views = self.clone();
        let users = &self.users;
        views.groups.values_mut().for_each(|group| group.members.retain(|id| users[id].access()));
        views
    }

    /// The user of an entry.
    pub fn of(&self, key: &str) -> Option<(&String, &User)> {
        self.users.iter().find(|(_, user)| user.key == key)
    }

    /// In words that do not depend on internal ids, for comparing two plays of a seed.
    pub fn words(&self) -> Vec<String> {
        let users = self.users.values().map(|user| format!("{user:?}"));
        let key = |id: &String| self.users[id].key.clone();
        let groups = self.groups.values().map(|group| {
            let members: BTreeSet<String> = group.members.iter().map(key).collect();
            format!("{} {} {} {} {members:?}", group.key, group.dn, group.name, group.state)
        });
        let mut words: Vec<String> = users.chain(groups).collect();
        words.sort();
        words
    }
}

/// A moment as both stores write it.
fn moment(text: &str) -> String {
    rosterd::clock::Timestamp::parse(text).unwrap().to_string()
}

/// Everything in the feed behind a number.
pub async fn feed(store: &Fixture, seen: i64) -> Vec<Map<String, Value>> {
    let rows = store.rows("SELECT * FROM roster_changes ORDER BY seq").await;
    rows.into_iter().filter(|row| row["seq"].as_i64().unwrap() > seen).collect()
}
