//! What a run looks up, what commands list, and findings.

use std::collections::HashMap;

use rosterd::plan::{Conflict, ConflictKind, Mark, UserRef};
use rosterd::roster::{Digest, Skip, State};
use rosterd::store::rows::Which;
use rosterd::store::{Action, RunStart, Trigger};
use serde_json::json;

use super::fixture::{Fixture, SOURCE, address, change, day, delete, flag, key, mark, person};
use super::on_both_stores;

fn skip(dn: &str, detail: &str) -> Skip {
    let (reason, rule) = ("disabled".into(), "U4".into());
    Skip { dn: dn.to_owned(), unique_id: None, reason, rule, detail: detail.to_owned() }
}

on_both_stores! {
    async fn somebody_is_found_in_every_way_and_never_guessed(fixture: Fixture) {
        let ada = fixture.add(day(0), person("ada").alias("A.L@example.com")).await;
        fixture.add(day(0), person("bob").alias("b@example.com")).await;
        let id = fixture.user("ada").await.id;
        for who in [
            id.as_str(), &id.to_uppercase(), "id-ada", "uid=ada,ou=people,dc=example,dc=com",
            "UID=Ada, OU=people,dc=example,dc=com", "ADA", "ada@EXAMPLE.com", "a.l@example.com",
        ] {
            assert_eq!(fixture.user(who).await.id, id, "{who}");
        }
        for who in ["", "ad", "ada@", "example.com", "%", "00000000-0000-4000-8000-000000000000"] {
            assert_eq!(fixture.store.user_rows(&Which::Who(who.to_owned())).await.unwrap(), [], "{who}");
        }
        // an address that is also somebody's username: the username is asked first
        fixture.add(day(0), person("eve").field(rosterd::roster::FieldId::USERNAME, "A.l@Example.com")).await;
        let all = fixture.store.user_rows(&Which::All).await.unwrap();
        assert_eq!(all.iter().map(|user| user.username.as_deref().unwrap()).collect::<Vec<_>>(), ["A.l@Example.com", "Ada", "Bob"]);
        fixture.apply(day(1), &[delete(ada, "ada")]).await;
        assert_eq!(fixture.store.user_rows(&Which::Who("ada".to_owned())).await.unwrap(), []);
        assert_eq!(fixture.user(&id).await.state, "deleted");
        assert_eq!(fixture.user("id-ada").await.id, id);
    }

    async fn json_reads_the_same_from_both_stores(fixture: Fixture) {
        let ada = fixture.add(day(0), person("ada").field(fixture.names.extra("badge").unwrap(), "7")).await;
        fixture.apply(day(1), &[flag(ada, "ada", day(1), Some(day(15)))]).await;
        let mut user = serde_json::to_value(fixture.user("ada").await).unwrap();
        user["id"] = json!("…");
        assert_eq!(user, json!({
            "id": "…", "source": "corp", "origin": "directory", "unique_id": "id-ada",
            "dn": "uid=ada,ou=people,dc=example,dc=com", "username": "Ada", "user_principal_name": null,
            "primary_address": "Ada@example.com", "aliases": [], "display_name": "Ada Doe", "given_name": null,
            "surname": null, "home_phone": null, "mobile": null, "company": null, "department": null, "notes": null,
            "role": null, "state": "pending", "access": false, "pending_reason": "gone",
            "flagged_at": "2025-06-16T15:06:40.123Z", "delete_after": "2025-06-30T15:06:40.123Z",
            "transferred_to": null, "extra": { "badge": "7" },
            "created_at": "2025-06-15T15:06:40.123Z", "updated_at": "2025-06-16T15:06:40.123Z",
        }));
    }

    /// A3, U7: who holds what
    async fn owners_of_addresses_and_names_are_found(fixture: Fixture) {
        let ada = fixture.add(day(0), person("ada")).await;
        let bob = fixture.add(day(0), person("bob")).await;
        fixture.apply(day(1), &[flag(bob, "bob", day(1), None)]).await;
        let keys: Vec<_> = ["ADA@example.com", "bob@example.com", "eve@example.com"].map(|text| address(text).key()).into();
        let owners = fixture.store.owners(&keys).await.unwrap();
        assert_eq!(owners, [(keys[0].clone(), ada), (keys[1].clone(), bob)], "somebody pending keeps addresses");
        let names: Vec<_> = ["ada", "bob", "eve"].map(str::to_owned).into();
        assert_eq!(fixture.store.name_owners(&names).await.unwrap(), [("ada".to_owned(), ada)], "but yields the name");
        let mut all = fixture.store.usernames(SOURCE).await.unwrap();
        all.sort_by_key(|(_, user)| *user);
        assert_eq!(all, [(Digest::of("ada"), ada), (Digest::of("bob"), bob)]);
        assert_eq!(fixture.store.usernames("other").await.unwrap(), []);
        assert_eq!(fixture.store.owners(&[]).await.unwrap(), []);
        assert_eq!(fixture.store.accounts(&[]).await.unwrap(), []);
        let ids = [bob, ada, rosterd::roster::UserId(99), bob];
        let accounts = fixture.store.accounts(&ids).await.unwrap();
        assert_eq!(accounts.iter().map(|account| account.id).collect::<Vec<_>>(), [ada, bob]);
    }

    /// U8, L6: the next date on which something happens by itself
    async fn the_next_date_is_a_deletion_or_another_look(fixture: Fixture) {
        let store = &fixture.store;
        assert_eq!(store.next_deadline(SOURCE, day(0)).await.unwrap(), None);
        let ada = fixture.add(day(0), person("ada")).await;
        let bob = fixture.add(day(0), person("bob")).await;
        fixture.apply(day(0), &[flag(ada, "ada", day(0), Some(day(14)))]).await;
        assert_eq!(store.next_deadline(SOURCE, day(0)).await.unwrap(), Some(day(14)));
        let look = Mark { review_at: Some(day(3)), ..mark("bob") };
        fixture.apply(day(0), &[change(bob, "bob", vec![], Some(look))]).await;
        assert_eq!(store.next_deadline(SOURCE, day(0)).await.unwrap(), Some(day(3)));
        assert_eq!(store.next_deadline(SOURCE, day(3)).await.unwrap(), Some(day(14)));
        assert_eq!(store.next_deadline(SOURCE, day(14)).await.unwrap(), None);
        assert_eq!(store.next_deadline("other", day(0)).await.unwrap(), None);
        let index = store.index(SOURCE).await.unwrap();
        let known = |name: &str| *index.find(key(name).digest()).unwrap();
        assert_eq!(known("id-bob").review_at, Some(day(3)));
        assert_eq!((known("id-ada").state, known("id-ada").delete_after), (State::Pending, Some(day(14))));
    }

    /// I5: the newcomer's unique id goes with the question; who was called two people is remembered
    async fn a_question_about_two_people_keeps_both(fixture: Fixture) {
        let store = &fixture.store;
        let ada = fixture.add(day(0), person("ada")).await;
        let question = Conflict {
            kind: ConflictKind::MaybeSamePerson, subject: "ada".to_owned(), owner: Some(UserRef::Known(ada)),
            detail: "ask".to_owned(), other: Some(key("id-new")),
        };
        let none = HashMap::new();
        store.apply_findings(fixture.stamp(day(1), &[]), std::slice::from_ref(&question), &[], &[], &none).await.unwrap();
        assert_eq!(store.open_conflicts(SOURCE).await.unwrap()[0].conflict, question);
        assert!(store.two_people(SOURCE).await.unwrap().is_empty());
        fixture.by_hand("UPDATE rd_conflicts SET status = 'ignored'").await;
        assert_eq!(store.two_people(SOURCE).await.unwrap(), [(ada, key("id-new"))].into());
        assert!(store.two_people("other").await.unwrap().is_empty());
    }

    /// I5: whom the runs after one added, of this source, whether those runs came to their end or not
    async fn newcomers_are_known_by_their_run(fixture: Fixture) {
        let store = &fixture.store;
        let start = |source: &str| RunStart {
            source: source.to_owned(), trigger: Trigger::Schedule, action: Action::All, mode: "full", at: day(0) };
        let mut added = Vec::new();
        for (source, name) in [(SOURCE, "ada"), (SOURCE, "bob"), ("other", "cy"), (SOURCE, "dan")] {
            let run = store.begin_run(&start(source), &[]).await.unwrap();
            let stamp = rosterd::store::Stamp { run: Some(run), source, ..fixture.stamp(day(0), &[]) };
            let ids = store.apply_users(stamp, &[person(name).change()]).await.unwrap();
            added.push((run, ids[0].1));
        }
        let [(first, ada), (_, bob), _, (last, dan)] = added[..] else { panic!("four") };
        assert_eq!(store.added_since(SOURCE, None).await.unwrap(), [ada, bob, dan]);
        assert_eq!(store.added_since(SOURCE, Some(first)).await.unwrap(), [bob, dan]);
        assert_eq!(store.added_since(SOURCE, Some(last)).await.unwrap(), []);
        assert_eq!(store.added_since("nobody", None).await.unwrap(), []);
    }

    /// A4: one row for each thing contested, resolved by itself
    async fn conflicts_open_once_and_resolve(fixture: Fixture) {
        let store = &fixture.store;
        let ada = fixture.add(day(0), person("ada")).await;
        let added = fixture.apply(day(0), &[person("bob").change()]).await;
        let conflict = |detail: &str, owner| Conflict {
            kind: ConflictKind::AddressTaken, subject: "x@example.com".to_owned(), owner: Some(owner), detail: detail.to_owned(), other: None };
        let open = |detail: &'static str, owner| {
            let (stamp, added) = (fixture.stamp(day(1), &[]), &added);
            async move { store.apply_findings(stamp, &[conflict(detail, owner)], &[], &[], added).await.unwrap() }
        };
        open("bob claims it too", UserRef::Known(ada)).await;
        open("bob claims it too", UserRef::Known(ada)).await;
        open("now it is bob's", UserRef::New(key("id-bob").digest())).await;
        let rows = store.conflict_rows(true).await.unwrap();
        assert_eq!(rows.len(), 1);
        assert_eq!(rows[0].user_id, Some(fixture.user("bob").await.id));
        let open = store.open_conflicts(SOURCE).await.unwrap();
        assert_eq!(open[0].conflict, conflict("now it is bob's", UserRef::Known(added[&key("id-bob").digest()])));
        assert_eq!(store.open_conflicts("other").await.unwrap(), []);

        let none = HashMap::new();
        let stamp = fixture.stamp(day(2), &[]);
        store.apply_findings(stamp, &[], &[open[0].id], &[], &none).await.unwrap();
        assert_eq!(store.conflict_rows(true).await.unwrap(), []);
        assert_eq!(store.conflict_rows(false).await.unwrap()[0].status, "resolved");
        store.apply_findings(stamp, &[conflict("again", UserRef::Known(ada))], &[], &[], &none).await.unwrap();
        let rows = store.conflict_rows(false).await.unwrap();
        assert_eq!(rows.iter().map(|row| (row.id, row.status.as_str())).collect::<Vec<_>>(), [(2, "open"), (1, "resolved")]);
        let kinds: Vec<_> = fixture.events().await.into_iter().skip(2).collect();
        let expected = [("conflict.opened", "A4"), ("conflict.resolved", "A4"), ("conflict.opened", "A4")];
        assert_eq!(kinds, expected.map(|(kind, rule)| (kind.to_owned(), rule.to_owned())));
    }

    /// U3: what is as it was is not written again
    async fn skipped_entries_are_compared_not_rewritten(fixture: Fixture) {
        let store = &fixture.store;
        let none = HashMap::new();
        let apply = |at, skips: Vec<Skip>| {
            let (stamp, none) = (fixture.stamp(at, &[]), &none);
            async move { store.apply_findings(stamp, &[], &[], &skips, none).await.unwrap() }
        };
        apply(day(0), vec![skip("uid=a", "x"), skip("uid=b", "x"), skip("uid=a", "x")]).await;
        let version = store.version().await.unwrap();
        apply(day(1), vec![skip("uid=b", "x"), skip("uid=a", "x")]).await;
        assert_eq!(store.version().await.unwrap(), version);
        apply(day(2), vec![skip("uid=b", "x"), skip("uid=c", "y")]).await;
        let rows = store.skip_rows(Some(SOURCE)).await.unwrap();
        let seen: Vec<_> = rows.iter().map(|row| (row.dn.as_str(), row.seen_at.clone())).collect();
        assert_eq!(seen, [("uid=b", day(0).to_string()), ("uid=c", day(2).to_string())]);
        assert_eq!(store.skip_rows(None).await.unwrap(), rows);
        assert_eq!(store.skip_rows(Some("other")).await.unwrap(), []);
        assert_eq!(fixture.column("SELECT dn FROM roster_skipped ORDER BY dn").await, [json!("uid=b"), json!("uid=c")]);
        apply(day(3), vec![]).await;
        assert_eq!(store.skip_rows(None).await.unwrap(), []);
    }
}
