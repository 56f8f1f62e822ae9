//! What the brake compares losses with (B1).

use std::collections::BTreeSet;

use rosterd::plan::{Act, BrakeKind, Grant, GroupChange, GroupRef, Held, Loss, RightsAct, Via};
use rosterd::roster::{Address, PendingReason, UserId};
use rosterd::store::{Action, Outcome, RunEnd, RunStart, Trigger};

use super::fixture::{Fixture, SOURCE, change, day, flag, key, person};
use super::on_both_stores;

fn lost(address: &str, counted: bool) -> Act {
    Act::AliasRemoved { address: Address::parse(address).unwrap(), counted }
}

on_both_stores! {
    /// B1: aliases of those who had access when the window began; each counted loss once
    async fn the_window_knows_how_many_aliases_there_were(fixture: Fixture) {
        let ada = fixture.add(day(0), person("ada").alias("a1@example.com").alias("a2@example.com").alias("a3@example.com")).await;
        let bob = fixture.add(day(0), person("bob").alias("b1@example.com")).await;
        fixture.add(day(2), person("cy").alias("c1@example.com").alias("c2@example.com")).await;
        let more = vec![lost("A1@example.com", true), lost("a2@example.com", false), Act::AliasAdded(Address::parse("a4@example.com").unwrap())];
        fixture.apply(day(2), &[change(ada, "ada", more, None)]).await;
        fixture.apply(day(3), &[flag(bob, "bob", day(3), None)]).await;
        let window = async |since| {
            let recent = fixture.store.recent_departures(SOURCE, since).await.unwrap();
            fixture.store.alias_window(SOURCE, since, &recent).await.unwrap()
        };
        let then = window(day(1)).await;
        let a1 = Address::parse("a1@example.com").unwrap().key();
        assert_eq!((then.had, then.lost), (4, BTreeSet::from([(ada, a1)])), "three of ada, one of bob, none of cy");
        let first = window(day(0)).await;
        assert_eq!(first.had, 5, "nobody was there before: all who have access now, and what they lost");
        assert_eq!(window(day(3)).await.had, 5, "two of ada, one of bob, two of cy");
    }

    /// B1: memberships likewise, by group
    async fn the_window_knows_how_many_memberships_there_were(fixture: Fixture) {
        let ada = fixture.add(day(0), person("ada")).await;
        let bob = fixture.add(day(0), person("bob")).await;
        let staff = fixture.add_group(day(0), "staff", &[ada, bob]).await;
        let team = fixture.add_group(day(2), "team", &[ada, bob]).await;
        let leaves = |group, user, counted: &[UserId]| GroupChange {
            subject: GroupRef::Known(group), name: "x".into(), acts: vec![], joins: vec![],
            leaves: vec![(user, Via::Direct)], counted: counted.to_vec(), changed: vec![],
        };
        let changes = [leaves(staff, ada, &[ada]), leaves(team, bob, &[])];
        fixture.store.apply_groups(fixture.stamp(day(2), &[]), &changes, &Default::default()).await.unwrap();
        let recent = fixture.store.recent_departures(SOURCE, day(1)).await.unwrap();
        let window = fixture.store.membership_window(SOURCE, day(1), &recent).await.unwrap();
        assert_eq!(window.had, [(staff, 2), (team, 0)].into());
        assert_eq!(window.now, [(staff, 1), (team, 1)].into());
        assert_eq!(window.lost, [(staff, ada)].into());
    }

    /// B1: who had roles or grants when the window began
    async fn the_window_knows_who_had_rights(fixture: Fixture) {
        let ada = fixture.add(day(0), person("ada")).await;
        let role = |before: Option<&str>, after: Option<&str>| {
            Act::Rights(RightsAct::Role { before: before.map(Into::into), after: after.map(Into::into), counted: false })
        };
        let grant = Box::new(Grant { privilege: "read".into(), key: key("g"), dn: "cn=g".into() });
        let acts = vec![role(None, Some("user")), Act::Rights(RightsAct::Granted(grant.clone()))];
        fixture.apply(day(2), &[change(ada, "ada", acts, None)]).await;
        let acts = vec![role(Some("user"), None), Act::Rights(RightsAct::Revoked { grant, counted: true })];
        fixture.apply(day(3), &[change(ada, "ada", acts, None)]).await;
        let before = fixture.store.recent_rights(SOURCE, day(1)).await.unwrap();
        assert_eq!((before[&ada].role.clone(), before[&ada].grants.clone()), (Some(None), [("read".into(), false)].into()));
        let later = fixture.store.recent_rights(SOURCE, day(3)).await.unwrap();
        assert_eq!((later[&ada].role.clone(), later[&ada].grants.clone()), (Some(Some("user".into())), [("read".into(), true)].into()));
    }

    /// B1: somebody may lose several things at once, all held
    async fn several_losses_of_one_person_are_held_apart(fixture: Fixture) {
        let ada = fixture.add(day(0), person("ada")).await;
        let start = RunStart { source: SOURCE.into(), trigger: Trigger::Command, action: Action::All, mode: "full", at: day(0) };
        let run = fixture.store.begin_run(&start, &[]).await.unwrap();
        let held = |kind, loses| Held { user: ada, label: "ada".into(), kind, loses };
        let held = vec![
            held(BrakeKind::Aliases, Loss::Things("alias a@example.com".into())),
            held(BrakeKind::Memberships, Loss::Things("group staff".into())),
            held(BrakeKind::Missing, Loss::Access(PendingReason::Gone)),
        ];
        let end = RunEnd {
            outcome: Outcome::Held, at: day(0), counts: Default::default(), error: None, cause: None, server: None,
            held: held.clone(), coverage: None,
            basis: None, proof: None,
        };
        fixture.store.finish_run(run, &end, &[]).await.unwrap();
        assert_eq!(fixture.store.held(run).await.unwrap(), held);
    }
}
