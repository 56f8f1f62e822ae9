//! Who is given something: members by name and from the user's side (G3, R1), and what a person may give (R2).

use super::rights::rights;
use super::world::World;
use crate::plan::refusal::Refusal;
use crate::plan::rights::by_hand::{give, take};
use crate::plan::{Act, BrakeKind, RightsAct, UserChange};
use crate::roster::{Account, State};

const STAFF: &str = "cn=staff,ou=groups,dc=example";

/// Ada, Bob and Cy; whoever is in `staff` is a `user` and may `read`, and `required` says whether the others may be in.
fn world(members: &[&str], required: bool) -> World {
    let mut world = World::new(&[]);
    world.policy.rights = rights(&[("user", &["staff"])], &[("read", &["staff"])]);
    world.policy.rights.required = required;
    world.policy.brake.at_least = 100;
    world.groups.insert("staff".into(), ("staff".into(), members.iter().map(|one| (*one).to_owned()).collect()));
    ["ada", "bob", "cy"].iter().for_each(|name| _ = world.hire(name));
    world
}

/// Runs; who has the role, and U3.
#[track_caller]
fn users(world: &mut World) -> Vec<String> {
    let said = world.run();
    let again = world.look();
    assert!(again.plan.is_empty() && again.plan.users.is_empty(), "U3: {:?} after {said:?}", again.text);
    let may: Vec<_> = world.store.grants.keys().map(|(user, _)| *user).collect();
    assert_eq!(may, world.store.roles.keys().copied().collect::<Vec<_>>(), "role and grant of one group");
    may.iter().map(|user| world.store.accounts[user].label()).collect()
}

/// G3, R1, R2: members by username, in whatever case, of the name that somebody has after the run.
#[test]
fn a_mapped_group_may_name_its_members() {
    let mut world = world(&["name:ADA", "name:zoe"], false);
    assert_eq!(users(&mut world), ["ada"]);
    world.entry("bob").uid = Some("zoe".into());
    assert_eq!(users(&mut world), ["ada", "zoe"], "renamed in this run");
    world.entry("ada").uid = Some("eve".into());
    assert_eq!(users(&mut world), ["zoe"], "nobody is called so any more");
    world.groups.get_mut("staff").unwrap().1 = vec!["name:cy".into()];
    assert_eq!(users(&mut world), ["cy"]);
}

/// R3 with G3: a name decides who may come in, and who stays.
#[test]
fn a_name_in_a_mapped_group_lets_somebody_in() {
    let mut world = world(&["name:ada"], true);
    assert_eq!(users(&mut world), ["ada"]);
    assert_eq!(world.store.accounts.len(), 1);
    world.groups.get_mut("staff").unwrap().1 = vec!["name:bob".into()];
    assert_eq!(users(&mut world), ["ada", "bob"], "frozen while pending (L4)");
    assert_eq!((world.state("ada"), world.state("bob")), (State::Pending, State::Active));
    world.entry("bob").uid = Some("bert".into());
    users(&mut world);
    assert_eq!(world.state("bob"), State::Pending, "the name went to nobody");
    world.groups.get_mut("staff").unwrap().1 = vec!["name:bert".into(), "name:Ada".into()];
    users(&mut world);
    assert_eq!((world.state("ada"), world.state("bob")), (State::Active, State::Active));
}

/// G3, R1, R2, R3: memberships that people's entries name, also of people who come in, and of whoever is read unchanged.
#[test]
fn a_mapped_group_may_be_named_by_its_members() {
    for required in [false, true] {
        let mut world = world(&[], required);
        let is_in = |who: &str| (STAFF.to_owned(), who.to_owned());
        world.member_of.insert(is_in("ada"));
        assert_eq!(users(&mut world), ["ada"]);
        assert_eq!(users(&mut world), ["ada"]);
        world.member_of.insert(is_in("bob"));
        assert_eq!(users(&mut world), ["ada", "bob"]);
        world.member_of.remove(&is_in("ada"));
        users(&mut world);
        let ada = world.account("ada").id;
        assert_eq!(world.store.roles.contains_key(&ada), required, "frozen while pending, else gone");
        assert_eq!(world.state("ada"), if required { State::Pending } else { State::Active });
        world.member_of.insert((STAFF.to_uppercase(), "ada".into()));
        assert_eq!(users(&mut world), ["ada", "bob"], "DNs are compared as such (E6)");
    }
}

/// B1: what a person approved is carried out, and counts for no later run.
#[test]
fn an_approved_loss_of_rights_is_not_counted() {
    let mut world = world(&["name:ada", "name:bob"], false);
    users(&mut world);
    (world.policy.brake.at_least, world.policy.brake.percent) = (0, 0.0);
    world.groups.get_mut("staff").unwrap().1.clear();
    let mut held = world.look().plan.held;
    held.retain(|held| held.kind == BrakeKind::Rights);
    assert_eq!(held.len(), 2);
    world.approval.rights = held.iter().map(|held| held.user).collect();
    let plan = world.look().plan;
    let acts = plan.users.iter().flat_map(|change| &change.acts);
    let losses: Vec<bool> =
        acts.filter_map(|act| if let Act::Rights(act) = act { Some(act.counted()) } else { None }).collect();
    assert_eq!(losses, [false; 4], "{plan:?}");
    assert_eq!(users(&mut world), [""; 0]);
}

fn account(state: State) -> Account {
    let world = World::with(&["ada"]);
    Account { state, ..world.account("ada").clone() }
}

fn says(done: Result<UserChange, Refusal>) -> String {
    match done {
        Err(refusal) => refusal.to_string(),
        Ok(change) => match change.acts.as_slice() {
            [Act::Rights(act @ (RightsAct::GivenByHand(_) | RightsAct::TakenByHand(_)))] => act.event().to_owned(),
            other => panic!("{other:?}"),
        },
    }
}

/// R2, L4: every state with every command.
#[test]
fn grants_by_hand_in_every_state() {
    let table = [
        (State::Active, "grant.added", "grant.removed"),
        (State::Kept, "grant.added", "grant.removed"),
        (State::Dormant, "grant.added", "grant.removed"),
        (State::Pending, "the grants of `ada` are frozen", "the grants of `ada` are frozen"),
        (State::Deleted, "`ada` is deleted already", "`ada` is deleted already"),
    ];
    assert_eq!(table.len(), State::ALL.len());
    for (state, given, taken) in table {
        let ada = account(state);
        let (give, take) = (says(give(&ada, &[], "read", &[])), says(take(&ada, (&["read".into()], &[]), "read")));
        assert!(give.contains(given) && take.contains(taken), "{state}: {give}; {take}");
    }
}

/// R2: what is refused whatever the state, with the way out.
#[test]
fn grants_by_hand_that_make_no_sense_are_refused() {
    let ada = account(State::Active);
    let (local, only) = (["read".to_owned()], ["wallet".to_owned()]);
    let long = "x".repeat(129);
    let table = [
        (give(&ada, &local, "read", &[]), "`ada` has the local grant `read` already"),
        (give(&ada, &local, "wallet", &only), "put `ada` into one of its groups"),
        (give(&ada, &["wallet".into()], "wallet", &only), "is given by the directory only"),
        (give(&ada, &[], "", &[]), "a privilege needs at least one visible character"),
        (give(&ada, &[], " \u{a0} ", &[]), "a privilege needs at least one visible character"),
        (give(&ada, &[], "a\nb", &[]), "a privilege has no control characters"),
        (give(&ada, &[], &long, &[]), "a privilege has at most 128 octets"),
        (give(&ada, &[], &long[1..], &[]), "grant.added"),
        (give(&ada, &local, "write", &only), "grant.added"),
        (take(&ada, (&local, &[]), "write"), "`ada` has no local grant `write`"),
        (take(&ada, (&[], &["cn=x".into(), "cn=y".into()]), "read"), "`cn=x` and `cn=y` give it"),
        // Somebody who was given it before it became the directory's alone is not stuck with it.
        (take(&ada, (&only, &["cn=x".into()]), "wallet"), "grant.removed"),
    ];
    for (done, expected) in table {
        let said = says(done);
        assert!(said.contains(expected), "{expected}: {said}");
    }
}
