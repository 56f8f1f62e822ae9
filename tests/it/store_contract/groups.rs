//! Groups and who is in them.

use std::collections::HashMap;

use rosterd::plan::{GroupAct, GroupChange, GroupId, GroupRef, StoredMembership, UserRef, Via};
use rosterd::roster::{State, UserId};
use rosterd::store::StoreError;
use serde_json::json;

use super::fixture::{Fixture, SOURCE, day, group_added, key, person};
use super::on_both_stores;

fn known(id: GroupId, acts: Vec<GroupAct>) -> GroupChange {
    GroupChange {
        counted: Vec::new(),
        subject: GroupRef::Known(id),
        name: "staff".into(),
        acts,
        joins: vec![],
        leaves: vec![],
        changed: vec![],
    }
}

fn member(group: GroupId, user: UserId, via: Via) -> StoredMembership {
    StoredMembership { group, user, via }
}

on_both_stores! {
    /// G1: members by number of the row, or by the unique id of somebody added in the same run
    async fn people_join_and_leave(fixture: Fixture) {
        let ada = fixture.add(day(0), person("ada")).await;
        let added = fixture.apply(day(0), &[person("bob").change()]).await;
        let bob = added[&key("id-bob").digest()];
        let joins = vec![UserRef::Known(ada), UserRef::New(key("id-bob").digest())];
        let stamp = fixture.stamp(day(0), &[]);
        let groups = fixture.store.apply_groups(stamp, &[group_added("staff", joins)], &added).await.unwrap();
        let (digest, staff) = groups[0];
        assert_eq!(digest, key("id-group-staff").digest());
        assert_eq!(fixture.store.memberships(SOURCE).await.unwrap(), [member(staff, ada, Via::Direct), member(staff, bob, Via::Direct)]);
        assert_eq!(fixture.store.holdings(&[bob]).await.unwrap().memberships, [member(staff, bob, Via::Direct)]);
        let rows = fixture.rows("SELECT g.name, u.username, m.via FROM roster_memberships m \
             JOIN roster_groups g ON g.id = m.group_id JOIN roster_users u ON u.id = m.user_id ORDER BY u.username").await;
        assert_eq!(json!(rows), json!([
            { "name": "staff", "username": "Ada", "via": "direct" },
            { "name": "staff", "username": "Bob", "via": "direct" },
        ]));
        let id = fixture.user("ada").await.id;
        assert_eq!(fixture.store.user_groups(&id).await.unwrap()[0].name, "staff");

        let change = GroupChange { leaves: vec![(ada, Via::Direct)], joins: vec![(UserRef::Known(bob), Via::Direct)], ..known(staff, vec![]) };
        fixture.store.apply_groups(stamp, &[change], &added).await.unwrap();
        assert_eq!(fixture.store.memberships(SOURCE).await.unwrap(), [member(staff, bob, Via::Direct)], "joining twice is once");
        let last: Vec<_> = fixture.events().await.into_iter().skip(2).collect();
        let expected = [("group.added", "G1"), ("membership.added", "G1"), ("membership.added", "G1"),
            ("membership.removed", "G8"), ("membership.added", "G1")];
        assert_eq!(last, expected.map(|(kind, rule)| (kind.to_owned(), rule.to_owned())));
        let row = fixture.store.change_rows(&rosterd::store::rows::Changes::Since(5), 1).await.unwrap().remove(0);
        assert_eq!((row.kind.as_str(), row.user_id.as_deref()), ("membership.removed", Some(id.as_str())));
        assert_eq!(row.group_id, Some(fixture.store.group_rows().await.unwrap()[0].id.clone()));
    }

    /// G4: why somebody is in a group is kept, and a new reason is one change, no coming and going
    async fn a_membership_keeps_its_reason(fixture: Fixture) {
        let ada = fixture.add(day(0), person("ada")).await;
        let staff = fixture.add_group(day(0), "staff", &[]).await;
        let (stamp, none) = (fixture.stamp(day(1), &[]), HashMap::new());
        let via = "SELECT via FROM roster_memberships";
        let change = GroupChange { joins: vec![(UserRef::Known(ada), Via::Nested)], ..known(staff, vec![]) };
        fixture.store.apply_groups(stamp, &[change], &none).await.unwrap();
        assert_eq!(fixture.store.memberships(SOURCE).await.unwrap(), [member(staff, ada, Via::Nested)]);
        assert_eq!(fixture.column(via).await, [json!("nested")]);
        let change = GroupChange { changed: vec![(ada, Via::Nested, Via::Direct)], ..known(staff, vec![]) };
        fixture.store.apply_groups(stamp, &[change], &none).await.unwrap();
        assert_eq!(fixture.column(via).await, [json!("direct")]);
        let rows = fixture.store.change_rows(&rosterd::store::rows::Changes::Since(0), 10).await.unwrap();
        let last: Vec<_> = rows.into_iter().rev().take(2).map(|row| (row.kind, row.before, row.after)).collect();
        let via = |via: &str| Some(json!({ "via": via }));
        assert_eq!(last, [("membership.updated".to_owned(), via("nested"), via("direct")),
            ("membership.added".to_owned(), None, via("nested"))]);
    }

    /// G6: a group left out is a tombstone with nobody in it, and comes back with its id
    async fn a_group_left_out_comes_back(fixture: Fixture) {
        let ada = fixture.add(day(0), person("ada")).await;
        let staff = fixture.add_group(day(0), "staff", &[ada]).await;
        let (stamp, none) = (fixture.stamp(day(1), &[]), HashMap::new());
        let dropped = vec![GroupAct::Dropped { from: State::Active }];
        fixture.store.apply_groups(stamp, &[known(staff, dropped)], &none).await.unwrap();
        let row = fixture.store.group_rows().await.unwrap().remove(0);
        assert_eq!((row.state.as_str(), row.members), ("deleted", 0));
        let restored = vec![GroupAct::Restored { from: State::Deleted }];
        let change = GroupChange { joins: vec![(UserRef::Known(ada), Via::Direct)], ..known(staff, restored) };
        fixture.store.apply_groups(stamp, &[change], &none).await.unwrap();
        let back = fixture.store.group_rows().await.unwrap().remove(0);
        assert_eq!((back.id, back.state.as_str(), back.members), (row.id, "active", 1));
    }

    async fn somebody_unknown_cannot_join(fixture: Fixture) {
        let joins = vec![UserRef::New(key("nobody").digest())];
        let stamp = fixture.stamp(day(0), &[]);
        let error = fixture.store.apply_groups(stamp, &[group_added("staff", joins)], &HashMap::new()).await.unwrap_err();
        assert!(matches!(error, StoreError::Inconsistent { .. }), "{error:?}");
        assert_eq!(fixture.store.groups(SOURCE).await.unwrap(), []);
    }

    /// G2, G6: the id stays through rename, flag, return and deletion
    async fn a_group_keeps_its_id_for_life(fixture: Fixture) {
        let ada = fixture.add(day(0), person("ada")).await;
        let staff = fixture.add_group(day(0), "staff", &[ada]).await;
        let id = fixture.store.group_rows().await.unwrap()[0].id.clone();
        let stamp = fixture.stamp(day(1), &[]);
        let renamed = GroupAct::Updated {
            name: ("staff".into(), "Crew".into()),
            dn: ("cn=staff,ou=groups,dc=example,dc=com".into(), "cn=crew,ou=groups,dc=example,dc=com".into()),
        };
        let none = HashMap::new();
        fixture.store.apply_groups(stamp, &[known(staff, vec![renamed])], &none).await.unwrap();
        let flagged = GroupAct::Flagged { flagged_at: day(1), delete_after: Some(day(15)) };
        let change = GroupChange { leaves: vec![(ada, Via::Direct)], ..known(staff, vec![flagged.clone()]) };
        fixture.store.apply_groups(stamp, &[change], &none).await.unwrap();
        let stored = fixture.store.groups(SOURCE).await.unwrap().remove(0);
        assert_eq!((stored.state, stored.delete_after), (State::Pending, Some(day(15))));
        assert_eq!((stored.name.as_str(), stored.dn.as_str()), ("Crew", "cn=crew,ou=groups,dc=example,dc=com"));
        let restored = GroupAct::Restored { from: State::Pending };
        fixture.store.apply_groups(stamp, &[known(staff, vec![restored])], &none).await.unwrap();
        assert_eq!(fixture.store.groups(SOURCE).await.unwrap()[0].state, State::Active);
        fixture.store.apply_groups(stamp, &[known(staff, vec![flagged])], &none).await.unwrap();
        fixture.store.apply_groups(stamp, &[known(staff, vec![GroupAct::Deleted])], &none).await.unwrap();
        let row = fixture.store.group_rows().await.unwrap().remove(0);
        assert_eq!((row.id, row.state.as_str(), row.members), (id, "deleted", 0));
        let kinds: Vec<_> = fixture.events().await.into_iter().map(|(kind, _)| kind).collect();
        assert_eq!(kinds[3..], ["group.updated", "group.flagged", "membership.removed", "group.restored",
            "group.flagged", "group.deleted"]);
    }

    async fn groups_and_members_are_listed_in_order(fixture: Fixture) {
        let bob = fixture.add(day(0), person("bob")).await;
        let ada = fixture.add(day(0), person("ada")).await;
        fixture.add_group(day(0), "staff", &[bob, ada]).await;
        fixture.add_group(day(0), "admins", &[]).await;
        let groups = fixture.store.group_rows().await.unwrap();
        let names: Vec<_> = groups.iter().map(|group| (group.name.as_str(), group.members)).collect();
        assert_eq!(names, [("admins", 0), ("staff", 2)]);
        let members = fixture.store.group_members(&groups[1].id).await.unwrap();
        assert_eq!(members.iter().map(|member| member.username.as_deref().unwrap()).collect::<Vec<_>>(), ["Ada", "Bob"]);
        assert_eq!(fixture.store.group_members("no uuid").await.unwrap(), []);
    }
}
