//! What people do to people, as tables: every state with every command.

use super::world::*;
use crate::plan::by_hand::{Heir, Remembered, Rivals, add_rule, delete, ignore, remove_rule, restore};
use crate::plan::refusal::Refusal;
use crate::plan::{Act, HandAct, Rule, RuleKind, UserChange};
use crate::roster::address::fold;
use crate::roster::{Account, Address, AddressKey, FieldId, Former, PendingReason, State, UserId};

fn account(name: &str, state: State) -> Account {
    let world = World::with(&[name]);
    let mut account = world.account(name).clone();
    account.state = state;
    account.reason = (state == State::Pending).then_some(PendingReason::Gone);
    account.former = (state == State::Deleted).then(|| {
        let address = account.primary().map(Address::key);
        Box::new(Former { address, username: Some(name.into()), key: None, since: world.now })
    });
    account
}

impl World {
    fn rivals(&self, id: UserId, back: &Remembered) -> (Option<Account>, Option<Account>) {
        let bears = |name: &str| self.store.accounts.values().find(|one| bearer(one, name)).cloned();
        let name = self.store.accounts[&id].fields.get(&FieldId::USERNAME).map(String::as_str);
        let name = name.or(back.username.as_deref()).and_then(bears);
        let has = |key: AddressKey| move |one: &&Account| one.addresses.iter().any(|one| one.address.key() == key);
        let address = back.address.as_ref().and_then(|one| self.store.accounts.values().find(has(one.key())).cloned());
        (name, address)
    }

    /// `conflicts ignore`; whether it was done.
    pub fn ignore(&mut self, id: UserId) -> bool {
        let (name, _) = self.rivals(id, &Remembered::default());
        let done = ignore(&self.store.accounts[&id], Rivals { name: name.as_ref(), address: None });
        self.do_by_hand(done.map(|change| vec![change]))
    }

    /// `users restore`; whether it was done.
    pub fn restore(&mut self, id: UserId) -> bool {
        let account = &self.store.accounts[&id];
        let (name, address) = self.rivals(id, &Remembered::of(account));
        let done = restore(account, Rivals { name: name.as_ref(), address: address.as_ref() });
        self.do_by_hand(done.map(|change| vec![change]))
    }

    /// `users delete`; whether it was done.
    pub fn delete(&mut self, id: UserId) -> bool {
        let done = delete(&self.store.accounts[&id], self.store.rules.get(&id).map_or(&[], Vec::as_slice), None);
        self.do_by_hand(done)
    }

    fn do_by_hand(&mut self, done: Result<Vec<UserChange>, Refusal>) -> bool {
        done.map(|changes| self.store.apply_by_hand(&changes, self.now)).is_ok()
    }
}

fn bearer(account: &Account, name: &str) -> bool {
    account.state.access() && account.fields.get(&FieldId::USERNAME).is_some_and(|own| fold(own) == fold(name))
}

/// VIPRE-40, U5: deleted by hand: who is in the directory is back with the next run, under the same id; who is
/// disabled there stays away.
#[test]
fn the_next_run_adds_back_who_was_deleted_by_hand() {
    let mut world = World::with(&["ada", "bob"]);
    let (ada, bob) = (world.account("ada").id, world.account("bob").id);
    world.entry("bob").enabled = false;
    world.run();
    assert!(world.delete(ada) && world.delete(bob));
    assert_eq!(world.run(), ["ada: revive"]);
    assert_eq!(world.account("ada").id, ada);
    assert_eq!(world.state("bob"), State::Deleted);
    assert!(world.run().is_empty(), "U3");
}

/// VIPRE-41, L8: kept while any of L2's reasons holds, whichever it is by now, and active again when none does.
#[test]
fn somebody_kept_stays_until_no_reason_is_left() {
    let mut world = World::with(&["ada"]);
    let ada = world.account("ada").id;
    world.entry("ada").enabled = false;
    world.run();
    assert!(world.ignore(ada) && !world.ignore(ada));
    for change in [
        (|entry: &mut Entry| entry.in_base = false) as fn(&mut Entry),
        |entry| entry.in_filter = false,
        |entry| (entry.enabled, entry.in_base) = (true, true),
        |entry| (entry.in_filter, entry.enabled) = (true, false),
    ] {
        change(world.entry("ada"));
        world.later(DAY * 30);
        world.run();
        assert_eq!(world.state("ada"), State::Kept);
        assert!(world.run().is_empty(), "U3");
    }
    let entry = world.people.remove("ada").unwrap();
    world.hire("bob");
    world.run();
    assert_eq!(world.state("ada"), State::Kept, "gone altogether");
    world.people.insert("ada".into(), entry);
    world.entry("ada").enabled = true;
    assert_eq!(world.run(), ["ada: restore"]);
    // A new reason after that is a new flag.
    world.entry("ada").enabled = false;
    assert!(world.run()[0].starts_with("ada: flag disabled"));
}

/// L8: a tombstone comes back with name and address; the next run adds what the directory says.
#[test]
fn somebody_deleted_is_restored() {
    let mut world = World::with(&["ada", "bob"]);
    let ada = world.account("ada").id;
    let entry = world.people.remove("ada").unwrap();
    world.run();
    assert!(world.delete(ada) && world.restore(ada));
    assert_eq!((world.state("ada"), world.account("ada").addresses.len()), (State::Kept, 1));
    assert!(world.run().is_empty(), "kept while gone");
    world.people.insert("ada".into(), entry);
    assert_eq!(world.run(), ["ada: restore", "ada: move to uid=ada,ou=people,dc=example"]);
    // Somebody else has the name meanwhile.
    world.people.remove("ada");
    world.run();
    world.hire("eve").uid = Some("ADA".into());
    world.run();
    assert!(!world.ignore(ada) && !world.restore(ada));
    assert!(world.delete(ada) && !world.restore(ada));
}

fn rule(kind: RuleKind, pattern: &str) -> Rule {
    Rule { kind, pattern: pattern.into() }
}

fn said<T>(done: Result<T, Refusal>) -> String {
    done.err().map(|refusal| refusal.to_string()).unwrap_or_default()
}

fn acts(change: &UserChange) -> Vec<String> {
    change.acts.iter().map(|act| format!("{} {:?}", act.event(), act.before_after(&Default::default()))).collect()
}

/// L8: every state with every command; the words of each refusal name the way out.
#[test]
fn every_state_with_every_command() {
    let table = [
        (State::Active, "", "is active, not pending", "neither pending nor deleted"),
        (State::Pending, "", "", ""),
        (State::Kept, "", "is kept, not pending", "neither pending nor deleted"),
        (State::Dormant, "", "is dormant, not pending", "neither pending nor deleted"),
        (State::Deleted, "is deleted already; `rosterd users restore", "is deleted, not pending", ""),
    ];
    for (state, deleted, ignored, restored) in table {
        let bob = account("bob", state);
        for (says, wanted) in [
            (said(delete(&bob, &[], None)), deleted),
            (said(ignore(&bob, Rivals::default())), ignored),
            (said(restore(&bob, Rivals::default())), restored),
        ] {
            assert_eq!(says.is_empty(), wanted.is_empty(), "{state}: {says}");
            assert!(says.contains(wanted), "{state}: {says}");
        }
    }
    let nothing = Former { address: None, username: None, key: None, since: World::with(&[]).now };
    let erased = Account { former: Some(Box::new(nothing)), ..account("bob", State::Deleted) };
    let erased = said(restore(&erased, Rivals::default()));
    assert!(erased.contains("nothing is left"), "{erased}");
}

/// L8, U7, A3: refused while the name, or a tombstone's address, belongs to somebody else; the message names her.
#[test]
fn nobody_gets_access_while_somebody_else_bears_the_name() {
    let (bob, mut eve) = (account("bob", State::Pending), account("eve", State::Active));
    eve.id = UserId(99);
    let rivals = Rivals { name: Some(&eve), address: None };
    for says in [said(ignore(&bob, rivals)), said(restore(&bob, rivals))] {
        assert!(says.contains("the username `bob` belongs to `eve` (eve@ours.example)"), "{says}");
    }
    let itself = Rivals { name: Some(&bob), address: None };
    assert_eq!(said(ignore(&bob, itself)), "");
    let rivals = Rivals { name: None, address: Some(&eve) };
    let says = said(restore(&account("bob", State::Deleted), rivals));
    assert!(says.contains("the address `bob@ours.example` belongs to `eve`"), "{says}");
}

/// COVATA-9, L8: the heir gets what it has no entry for; itself and people without access are refused.
#[test]
fn rules_are_handed_over_before_the_deletion() {
    let (bob, mut eve) = (account("bob", State::Pending), account("eve", State::Active));
    eve.id = UserId(99);
    let of_bob = [rule(RuleKind::Allow, "a"), rule(RuleKind::Deny, "b"), rule(RuleKind::Deny, "c")];
    let of_eve = [rule(RuleKind::Allow, "b"), rule(RuleKind::Deny, "c")];
    let changes = delete(&bob, &of_bob, Some(Heir { account: &eve, rules: &of_eve })).unwrap();
    assert_eq!(changes[0].acts, [Act::ByHand(HandAct::RuleAdded(rule(RuleKind::Allow, "a")))]);
    let gone =
        HandAct::Deleted { from: State::Pending, reason: Some(PendingReason::Gone), transferred_to: Some(eve.uuid) };
    assert_eq!(changes[1].acts, [Act::ByHand(gone)]);
    assert!(changes.iter().all(|change| change.unit == 0), "one transaction");
    let own = said(delete(&bob, &of_bob, Some(Heir { account: &bob, rules: &of_bob })));
    assert!(own.contains("cannot hand over to the same user"), "{own}");
    for state in [State::Pending, State::Dormant, State::Deleted] {
        eve.state = state;
        let says = said(delete(&bob, &of_bob, Some(Heir { account: &eve, rules: &[] })));
        assert!(says.contains(&format!("who is {state}")), "{says}");
    }
}

/// L4: entries are frozen while pending; one of the other kind gives way.
#[test]
fn the_last_word_on_a_pattern_counts() {
    let bob = account("bob", State::Active);
    let (allow, deny) = (rule(RuleKind::Allow, "x"), rule(RuleKind::Deny, "x"));
    let change = add_rule(&bob, std::slice::from_ref(&deny), allow.clone()).unwrap();
    assert_eq!(
        acts(&change),
        [
            r#"rule.removed (Some(Object {"kind": String("deny"), "pattern": String("x")}), None)"#,
            r#"rule.added (None, Some(Object {"kind": String("allow"), "pattern": String("x")}))"#,
        ]
    );
    assert!(said(add_rule(&bob, std::slice::from_ref(&allow), allow.clone())).contains("has the entry `x` already"));
    assert!(said(remove_rule(&bob, &[], "x")).contains("has no entry `x`"));
    let several = [rule(RuleKind::Deny, "y"), allow.clone(), rule(RuleKind::Allow, "z")];
    assert_eq!(
        acts(&remove_rule(&bob, &several, "x").unwrap()),
        [r#"rule.removed (Some(Object {"kind": String("allow"), "pattern": String("x")}), None)"#]
    );
    let long = "x".repeat(1_001);
    for pattern in ["", " ", "a\nb", &long] {
        assert!(said(add_rule(&bob, &[], rule(RuleKind::Deny, pattern))).starts_with("a pattern"), "{pattern:?}");
    }
    let pending = account("bob", State::Pending);
    let rules = [allow.clone()];
    for says in [said(add_rule(&pending, &[], allow)), said(remove_rule(&pending, &rules, "x"))] {
        assert!(says.contains("frozen while the user is pending"), "{says}");
    }
    assert!(said(remove_rule(&account("bob", State::Deleted), &rules, "x")).contains("deleted already"));
}
