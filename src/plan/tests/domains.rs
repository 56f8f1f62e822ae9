//! A domain that is no longer managed (D2), and one that comes back (L7).

use super::policy;
use super::world::{DAY, World};
use crate::plan::BrakeKind;
use crate::roster::State;

const NOTHING: [&str; 0] = [];

fn world(people: &[&str]) -> World {
    let mut world = World::new(&["ours.example", "theirs.example"]);
    for name in people {
        world.hire(name);
    }
    world
}

fn manage(world: &mut World, domains: &[&str]) {
    world.policy.managed = policy(domains).managed;
}

/// VIPRE-19, D2: at once, without delay and without a conflict, the pending and the kept too; who has a managed address
/// meanwhile stays, and of who stays the aliases in it go.
#[test]
fn people_go_with_their_domain() {
    let mut world = world(&["ada", "bob", "cy", "di", "eve"]);
    world.entry("bob").mail = vec!["bob@theirs.example".into()];
    world.entry("cy").aliases = vec!["cy@theirs.example".into()];
    for name in ["di", "eve"] {
        world.entry(name).mail = vec![format!("{name}@theirs.example")];
        world.entry(name).enabled = name == "eve";
    }
    world.entry("di").enabled = true;
    world.run();
    world.entry("di").enabled = false;
    world.run();
    assert_eq!((world.state("di"), world.state("eve")), (State::Pending, State::Active));
    world.entry("eve").mail = vec!["eve@ours.example".into()];
    manage(&mut world, &["ours.example"]);
    let said = world.look();
    assert!(said.plan.opened.is_empty(), "{:?}", said.plan.opened);
    let expected = ["bob: remove", "cy: lose cy@theirs.example", "di: remove", "eve: update primary"];
    let text = world.run();
    for line in expected {
        assert!(text.iter().any(|said| said.starts_with(line)), "{line}: {text:?}");
    }
    assert_eq!(world.run(), NOTHING);
    assert_eq!((world.state("bob"), world.state("di")), (State::Deleted, State::Deleted));
    manage(&mut world, &["ours.example", "theirs.example"]);
    let text = world.run();
    assert!(text.iter().any(|said| said.starts_with("bob: revive")), "the domain is back: {text:?}");
    assert_eq!(world.run(), NOTHING);
}

/// D2, E1, E5: from a partial read nobody goes, and who was seen but not understood waits; who is gone goes at once.
#[test]
fn a_domain_is_taken_away_in_complete_runs_only() {
    let mut world = world(&["ada", "bob", "cy"]);
    for name in ["ada", "bob", "cy"] {
        world.entry(name).mail = vec![format!("{name}@theirs.example")];
    }
    world.run();
    manage(&mut world, &["ours.example"]);
    world.broken = Some("connection-lost");
    assert_eq!(world.run(), NOTHING);
    world.broken = None;
    world.entry("bob").readable = false;
    world.people.remove("cy");
    assert_eq!(world.run(), ["cy: remove", "ada: remove"]);
    assert_eq!(world.state("bob"), State::Active);
    assert_eq!(world.run(), NOTHING);
}

/// D2, B1: the brake counts it, a kind of its own; held people keep access and addresses until a person approves.
#[test]
fn the_brake_counts_people_who_go_with_their_domain() {
    let names = ["a", "b", "c", "d", "e", "f", "g", "h"];
    let mut world = world(&names);
    for name in &names[..6] {
        world.entry(name).mail = vec![format!("{name}@theirs.example")];
    }
    world.run();
    world.later(2 * DAY);
    manage(&mut world, &["ours.example"]);
    let said = world.look();
    assert_eq!(
        said.plan.holds.iter().map(|hold| (hold.kind, hold.would_go)).collect::<Vec<_>>(),
        [(BrakeKind::Domains, 6)]
    );
    let text = world.run();
    assert!(text.iter().all(|line| line.ends_with("held theirs.example")), "{text:?}");
    assert_eq!((world.state("a"), text.len()), (State::Active, 6));
    world.approval.people = world.look().plan.held.iter().map(|held| held.user).collect();
    assert_eq!(world.run(), ["a: remove", "b: remove", "c: remove", "d: remove", "e: remove", "f: remove"]);
}

/// D2, U8, B1: a lock that was read locks out whoever waits with a domain that is held, and the domain takes nobody the
/// sooner for it, not even after the brake's window.
#[test]
fn a_lock_is_applied_while_the_domain_is_held() {
    let names = ["a", "b", "c", "d", "e", "f", "g", "h"];
    let mut world = world(&names);
    for name in &names[..6] {
        world.entry(name).mail = vec![format!("{name}@theirs.example")];
    }
    world.run();
    world.later(2 * DAY);
    manage(&mut world, &["ours.example"]);
    world.entry("a").enabled = false;
    for _ in 0..3 {
        let holds = world.look().plan.holds;
        let holds: Vec<_> = holds.iter().map(|hold| (hold.kind, hold.would_go)).collect();
        assert_eq!(holds, [(BrakeKind::Domains, 6)]);
        world.run();
        assert_eq!((world.state("a"), world.state("b")), (State::Pending, State::Active));
        assert!(world.look().plan.users.is_empty(), "{:?}", world.look().text);
        world.later(2 * DAY);
    }
    world.approval.people = world.look().plan.held.iter().map(|held| held.user).collect();
    assert_eq!(world.run(), ["a: remove", "b: remove", "c: remove", "d: remove", "e: remove", "f: remove"]);
}

/// D2, U8, L5: who was locked while the domain was held has access again once the domain is back.
#[test]
fn who_was_locked_while_the_domain_was_held_comes_back() {
    let names = ["a", "b", "c", "d", "e", "f", "g", "h"];
    let mut world = world(&names);
    for name in &names[..6] {
        world.entry(name).mail = vec![format!("{name}@theirs.example")];
    }
    world.run();
    world.later(2 * DAY);
    manage(&mut world, &["ours.example"]);
    world.run();
    world.entry("a").enabled = false;
    world.run();
    assert_eq!(world.state("a"), State::Pending);
    manage(&mut world, &["ours.example", "theirs.example"]);
    world.entry("a").enabled = true;
    world.run();
    assert_eq!(world.state("a"), State::Active);
}
