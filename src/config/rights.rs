//! `[[role]]`, `[[grant]]`, `users.default_role` and `users.require_role`, checked (R1-R3).

use super::draft::Draft;
use super::people::scope;
use super::problem::Fault;
use crate::directory::{GroupSettings, MappedPlace, MappedSettings};
use crate::plan::policy::{Mapped, Place, Rights};
use crate::roster::Dn;
use crate::roster::filter::escape;

/// Roles and grants, and where the groups that give them are looked for; `groups` and `flatten` say how they are read.
/// The names of privileges that cannot be given locally come last (R2).
pub fn rights(draft: &mut Draft<'_>, groups: GroupSettings, flatten: bool) -> (Rights, MappedSettings, Vec<String>) {
    let mut collected =
        Collected { rights: Rights::default(), settings: MappedSettings { groups, flatten, places: Vec::new() } };
    for n in 0..draft.values.count("role").unwrap_or(0) {
        role(draft, n, &mut collected);
    }
    let mut directory_only = Vec::new();
    for n in 0..draft.values.count("grant").unwrap_or(0) {
        let privilege = grant(draft, n, &mut collected);
        directory_only.extend(privilege.filter(|_| draft.values.flag(&format!("grant[{n}].directory_only"))));
    }
    let Collected { mut rights, settings } = collected;
    rights.default_role = draft.values.text("users.default_role").map(str::to_owned);
    rights.required = draft.values.flag("users.require_role");
    let mapped = draft.values.count("role").unwrap_or(0) + draft.values.count("grant").unwrap_or(0);
    if rights.required && mapped == 0 {
        let remedy = "add a [[role]] or a [[grant]], or leave it at false";
        draft.wrong("users.require_role", "nothing gives a role or a grant, so nobody would be in", remedy);
    }
    (rights, settings, directory_only)
}

struct Collected {
    rights: Rights,
    settings: MappedSettings,
}

impl Collected {
    /// The position of a place; the same one for the same group read in the same way.
    fn place(&mut self, place: MappedPlace) -> usize {
        let same = |one: &MappedPlace| {
            Dn::digest_of(&one.base) == Dn::digest_of(&place.base)
                && (&one.filter, &one.members) == (&place.filter, &place.members)
        };
        if let Some(at) = self.settings.places.iter().position(same) {
            return at;
        }
        self.rights.places.push(match &place.filter {
            None => Place::Dn(place.base.clone()),
            Some((filter, _)) => Place::Filter(filter.clone()),
        });
        self.settings.places.push(place);
        self.settings.places.len() - 1
    }

    fn by_dn(&mut self, groups: Vec<String>, members: Option<&Vec<String>>) -> Vec<usize> {
        let place = |base| self.place(MappedPlace { base, filter: None, members: members.cloned() });
        groups.into_iter().map(place).collect()
    }
}

/// A role needs a way to find its groups, and a filter has to name the role.
fn role(draft: &mut Draft<'_>, n: usize, collected: &mut Collected) {
    let path = |name: &str| format!("role[{n}].{name}");
    if ["name", "groups", "filter", "base_dn", "members"].into_iter().any(|name| draft.values.is_broken(&path(name))) {
        return;
    }
    let name = draft.values.text(&path("name")).unwrap_or_default().to_owned();
    let groups = draft.values.texts(&path("groups")).unwrap_or_default();
    let members = draft.values.texts(&path("members"));
    let filter = draft.values.text(&path("filter")).map(str::to_owned);
    let fault = match (groups.is_empty(), &filter) {
        (false, Some(_)) => Fault::new("a role takes groups or a filter, not both", "take one of them out"),
        (true, None) => Fault::new("no group gives this role", "give groups, or a filter with %role%"),
        (true, Some(filter)) if !filter.contains("%role%") => {
            Fault::new("the filter does not say %role%", "write it like \"(&(objectClass=groupOfNames)(cn=%role%))\"")
        }
        _ if members.iter().flatten().any(|name| name.eq_ignore_ascii_case("memberOf")) => Fault::new(
            "memberOf stands in the entries of users, not of the role's group",
            "name it in groups.attributes.members",
        ),
        _ if collected.rights.roles.iter().any(|role| role.name == name) => {
            Fault::new("this role stands there already", "give all its groups in one [[role]]")
        }
        _ => {
            let places = match filter {
                None => collected.by_dn(groups, members.as_ref()),
                Some(filter) => {
                    let text = |key: &str| draft.values.text(&path(key)).unwrap_or_default().to_owned();
                    let identifier = escape(text("identifier").as_bytes());
                    let filter =
                        Some((filter.replace("%role%", &identifier), scope(draft.values.text(&path("scope")))));
                    vec![collected.place(MappedPlace { base: text("base_dn"), filter, members })]
                }
            };
            collected.rights.roles.push(Mapped { name, places });
            return;
        }
    };
    let place = Some(draft.values.place(&path("name")));
    draft.wrong_at(place, "role", fault);
}

/// The privilege, if it is well given.
fn grant(draft: &mut Draft<'_>, n: usize, collected: &mut Collected) -> Option<String> {
    let path = |name: &str| format!("grant[{n}].{name}");
    if ["privilege", "groups"].into_iter().any(|name| draft.values.is_broken(&path(name))) {
        return None;
    }
    let name = draft.values.text(&path("privilege"))?.to_owned();
    let groups = draft.values.texts(&path("groups")).unwrap_or_default();
    let fault = if groups.is_empty() {
        Fault::new("no group carries this privilege", "name at least one in groups")
    } else if collected.rights.grants.iter().any(|grant| grant.name == name) {
        Fault::new("this privilege stands there already", "give all its groups in one [[grant]]")
    } else {
        let places = collected.by_dn(groups, None);
        collected.rights.grants.push(Mapped { name: name.clone(), places });
        return Some(name);
    };
    let place = Some(draft.values.place(&path("privilege")));
    draft.wrong_at(place, "grant", fault);
    None
}
