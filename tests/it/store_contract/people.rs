//! What becomes of people, seen through the views.

use rosterd::plan::{Act, BrakeKind, Mark};
use rosterd::roster::{AddressKind, FieldId, Origin, PendingReason, State};
use rosterd::store::rows::{Changes, Which};
use serde_json::json;

use super::fixture::{
    Fixture, SOURCE, address, change, day, delete, digest, flag, flagged, key, mark, person, updated,
};
use super::on_both_stores;

on_both_stores! {
    /// U1, I1: the internal id is drawn once; the feed has the whole person in one event
    async fn somebody_new_is_in_the_views_at_once(fixture: Fixture) {
        let badge = fixture.names.extra("badge").unwrap();
        fixture.add(day(0), person("ada").alias("a.l@example.com").field(badge, "7").field(FieldId::NOTES, "x\ny")).await;
        let users = fixture.rows("SELECT * FROM roster_users").await;
        let user = &users[0];
        assert_eq!(users.len(), 1);
        assert_eq!(user["username"], json!("Ada"));
        assert_eq!(user["primary_address"], json!("Ada@example.com"));
        assert_eq!(user["unique_id"], json!("id-ada"));
        assert_eq!(user["dn"], json!("uid=ada,ou=people,dc=example,dc=com"));
        assert_eq!((&user["source"], &user["origin"]), (&json!(SOURCE), &json!("directory")));
        assert_eq!((&user["state"], &user["access"]), (&json!("active"), &json!(1)));
        assert_eq!((&user["extra"], &user["notes"]), (&json!({ "badge": "7" }), &json!("x\ny")));
        assert_eq!((&user["pending_reason"], &user["delete_after"]), (&json!(null), &json!(null)));
        assert!(user["created_at"].as_str().unwrap().starts_with("2025-06-15T15:06:40.123"), "{}", user["created_at"]);
        assert_eq!(uuid::Uuid::parse_str(user["id"].as_str().unwrap()).unwrap().get_version_num(), 7);

        let addresses = fixture.rows("SELECT address, kind, access FROM roster_addresses ORDER BY address").await;
        assert_eq!(json!(addresses), json!([
            { "address": "Ada@example.com", "kind": "primary", "access": 1 },
            { "address": "a.l@example.com", "kind": "alias", "access": 1 },
        ]));
        assert_eq!(fixture.events().await, [("user.added".to_owned(), "U1".to_owned())]);
        let after = fixture.column("SELECT after FROM roster_changes").await.remove(0);
        assert_eq!(after["aliases"], json!(["a.l@example.com"]));
    }

    /// UNBLU-16, U2: exactly the fields that differ; U3: a mark alone is nothing anybody sees
    async fn only_what_differs_is_written(fixture: Fixture) {
        let badge = fixture.names.extra("badge").unwrap();
        let ada = fixture.add(day(0), person("ada").field(badge, "7").field(FieldId::MOBILE, "1")).await;
        fixture.by_hand("UPDATE rd_users SET extra = '{\"badge\":\"7\",\"own\":{\"a\":null}}', role = 'admin'").await;
        let plan = fixture.names.extra("plan").unwrap();
        let acts = vec![
            Act::Updated(Box::new([
                updated(Some(FieldId::USERNAME), Some("Ada"), Some("ADÈLE")),
                updated(Some(FieldId::MOBILE), Some("1"), None),
                updated(Some(badge), Some("7"), None),
                updated(Some(plan), None, Some("gold")),
            ])),
            Act::Moved { before: "uid=ada".into(), after: "uid=adele,dc=example,dc=com".into() },
        ];
        fixture.apply(day(1), &[change(ada, "ada", acts, Some(mark("v2")))]).await;
        let user = fixture.user("adèle").await;
        assert_eq!((user.username.as_deref(), user.mobile.as_deref()), (Some("ADÈLE"), None));
        assert_eq!(user.dn.as_deref(), Some("uid=adele,dc=example,dc=com"));
        assert_eq!(user.extra, json!({ "plan": "gold", "own": { "a": null } }));
        assert_eq!((user.role.as_deref(), user.display_name.as_deref()), (Some("admin"), Some("Ada Doe")));
        assert_eq!(user.updated_at, day(1).to_string());
        assert_eq!(user.created_at, day(0).to_string());
        let rows = fixture.store.change_rows(&Changes::OfUser(user.id.clone()), 9).await.unwrap();
        assert_eq!(rows[1].before, Some(json!({ "username": "Ada", "mobile": "1", "badge": "7", "plan": null })));
        assert_eq!(rows[2].kind, "user.moved");

        fixture.apply(day(2), &[change(ada, "ada", vec![], Some(mark("v3")))]).await;
        assert_eq!(fixture.user("adèle").await, user);
        assert_eq!(fixture.account(ada).await.fingerprint, Some(digest("v3")));
        let index = fixture.store.index(SOURCE).await.unwrap();
        let known = index.find(key("id-ada").digest()).unwrap();
        assert_eq!(known.dn, rosterd::roster::Dn::digest_of("UID=Adele, dc=example,dc=com"));
        assert_eq!(fixture.events().await.len(), 3);
    }

    /// A1, A2: the primary moves, an alias becomes the primary, the old primary stays as alias or goes
    async fn addresses_change_their_kind_and_their_bearer(fixture: Fixture) {
        let ada = fixture.add(day(0), person("ada").alias("a.l@example.com")).await;
        let kinds = async || {
            let kind = |kind: AddressKind| if kind == AddressKind::Primary { "P" } else { "a" };
            let account = fixture.account(ada).await;
            account.addresses.iter().map(|it| format!("{} {}", kind(it.kind), it.address)).collect::<Vec<_>>()
        };
        let primary = |before: &str, after: &str| Act::Updated(Box::new([updated(None, Some(before), Some(after))]));
        // the alias becomes the primary, the old primary an alias
        let acts = vec![
            primary("Ada@example.com", "a.l@example.com"),
            Act::AliasAdded(address("ada@example.com")),
        ];
        fixture.apply(day(1), &[change(ada, "ada", acts, None)]).await;
        assert_eq!(kinds().await, ["P a.l@example.com", "a ada@example.com"]);
        // the old primary goes
        fixture.apply(day(2), &[change(ada, "ada", vec![primary("a.l@example.com", "new@example.com")], None)]).await;
        assert_eq!(kinds().await, ["P new@example.com", "a ada@example.com"]);
        // only the case changes, and an alias goes
        let acts = vec![primary("new@example.com", "New@Example.com"), Act::AliasRemoved { address: address("Ada@example.com"), counted: false }];
        fixture.apply(day(3), &[change(ada, "ada", acts, None)]).await;
        assert_eq!(kinds().await, ["P New@Example.com"]);
        let kinds: Vec<_> = fixture.events().await.into_iter().map(|(kind, _)| kind).collect();
        assert_eq!(kinds, ["user.added", "user.updated", "alias.added", "user.updated", "user.updated", "alias.removed"]);
    }

    /// I5: the user goes on by another unique id, a tombstone as well; the old id is nobody's
    async fn whoever_is_re_linked_is_found_by_the_new_id(fixture: Fixture) {
        let ada = fixture.add(day(0), person("ada")).await;
        let id = fixture.user("ada").await.id;
        let relinked = |before: &str, after: &str, from| Act::Relinked { before: key(before), after: key(after), from };
        fixture.apply(day(1), &[change(ada, "ada", vec![relinked("id-ada", "id-two", State::Active)], None)]).await;
        assert_eq!(fixture.user("id-two").await.id, id);
        let index = fixture.store.index(SOURCE).await.unwrap();
        assert_eq!(index.find(key("id-two").digest()).map(|known| known.id), Some(ada));
        assert!(index.find(key("id-ada").digest()).is_none());
        fixture.apply(day(1), &[flag(ada, "ada", day(1), Some(day(2)))]).await;
        fixture.apply(day(2), &[delete(ada, "ada")]).await;
        let mut new = person("ada").user();
        new.key = key("id-three");
        let acts = vec![relinked("id-two", "id-three", State::Deleted), Act::Revived(new)];
        fixture.apply(day(3), &[change(ada, "ada", acts, Some(mark("v3")))]).await;
        let back = fixture.user("id-three").await;
        assert_eq!((back.id, back.state.as_str()), (id, "active"));
        let told: Vec<_> = fixture.events().await.into_iter().filter(|(_, rule)| rule == "I5").collect();
        assert_eq!(told, [("user.relinked".into(), "I5".into()), ("user.relinked".into(), "I5".into())]);
    }

    /// A5
    async fn two_people_swap_addresses_in_one_batch(fixture: Fixture) {
        let ada = fixture.add(day(0), person("ada")).await;
        let bob = fixture.add(day(0), person("bob")).await;
        let to = |before: &str, after: &str| vec![Act::Updated(Box::new([updated(None, Some(before), Some(after))]))];
        fixture.apply(day(1), &[
            change(ada, "ada", to("ada@example.com", "bob@example.com"), None),
            change(bob, "bob", to("bob@example.com", "ada@example.com"), None),
        ]).await;
        let keys = ["ada@example.com", "bob@example.com"].map(|text| address(text).key());
        let owners = fixture.store.owners(&keys).await.unwrap();
        assert_eq!(owners, [(keys[0].clone(), bob), (keys[1].clone(), ada)]);
    }

    /// COVATA-36, A3: one bearer, whatever is asked for; nothing of the batch is left behind
    async fn an_address_has_one_bearer_and_a_failed_batch_leaves_nothing(fixture: Fixture) {
        fixture.add(day(0), person("ada")).await;
        let version = fixture.store.version().await.unwrap();
        let batch = [person("bob").change(), person("eve").alias("ADA@example.com").change()];
        let error = fixture.try_apply(day(1), &batch).await.unwrap_err();
        assert!(error.to_string().contains("somebody else has this address"), "{error}");
        assert!(error.is_transient(), "the next plan sees the owner");
        assert_eq!(fixture.store.version().await.unwrap(), version);
        assert_eq!(fixture.column("SELECT username FROM roster_users").await, [json!("Ada")]);
        assert_eq!(fixture.column("SELECT count(*) FROM roster_changes").await, [json!(1)]);
        let bob = fixture.add(day(1), person("bob")).await;
        assert_eq!(fixture.account(bob).await.label(), "Bob");
    }

    /// VIPRE-11, VIPRE-26, VIPRE-36, L1, L2: access ends in the transaction that flags; what is frozen stays
    async fn a_flag_takes_access_and_keeps_everything_else(fixture: Fixture) {
        let ada = fixture.add(day(0), person("ada").alias("a.l@example.com")).await;
        fixture.add_group(day(0), "staff", &[ada]).await;
        fixture.apply(day(1), &[flag(ada, "ada", day(1), Some(day(15)))]).await;
        let user = fixture.user("ada").await;
        assert_eq!((user.state.as_str(), user.access), ("pending", false));
        assert_eq!(user.pending_reason.as_deref(), Some("gone"));
        assert_eq!(user.flagged_at, Some(day(1).to_string()));
        assert_eq!(user.delete_after, Some(day(15).to_string()));
        assert_eq!(user.aliases, ["a.l@example.com"]);
        assert_eq!(fixture.column("SELECT access FROM roster_addresses").await, [json!(0), json!(0)]);
        assert_eq!(fixture.rows("SELECT * FROM roster_memberships").await, []);
        assert_eq!(fixture.column("SELECT count(*) FROM rd_memberships").await, [json!(1)]);
        let account = fixture.account(ada).await;
        assert_eq!((account.state, account.reason), (State::Pending, Some(PendingReason::Gone)));
        assert_eq!(account.reasons_seen, [PendingReason::Gone]);

        let conflicts = fixture.store.conflict_rows(true).await.unwrap();
        assert_eq!((conflicts[0].kind.as_str(), conflicts[0].subject.as_str()), ("pending-deletion", "ada"));
        assert_eq!(conflicts[0].user_id, Some(user.id));
        assert_eq!(conflicts[0].due_at, Some(day(15).to_string()));
        let detail = &conflicts[0].detail;
        for part in ["ada has no access", "gone", "no entry bears this id", "comes back when", &day(15).to_string()] {
            assert!(detail.contains(part), "{detail}");
        }
    }

    /// L2: a reason that changes moves the date, and stays one conflict
    async fn another_reason_is_the_same_conflict(fixture: Fixture) {
        let ada = fixture.add(day(0), person("ada")).await;
        fixture.apply(day(1), &[flag(ada, "ada", day(1), Some(day(15)))]).await;
        let acts = vec![flagged(PendingReason::Disabled, day(1), None, None)];
        let seen = vec![PendingReason::Gone, PendingReason::Disabled];
        let mark = Mark { reasons_seen: seen.clone(), ..mark("v2") };
        fixture.apply(day(2), &[change(ada, "ada", acts, Some(mark))]).await;
        let conflicts = fixture.store.conflict_rows(false).await.unwrap();
        assert_eq!(conflicts.len(), 1);
        assert_eq!((conflicts[0].due_at.as_deref(), conflicts[0].status.as_str()), (None, "open"));
        assert!(conflicts[0].detail.contains("never deleted"), "{}", conflicts[0].detail);
        let account = fixture.account(ada).await;
        assert_eq!((account.flagged_at, account.delete_after), (Some(day(1)), None));
        assert_eq!(account.reasons_seen, seen);
    }

    /// L5
    async fn whoever_comes_back_is_active_with_everything(fixture: Fixture) {
        let ada = fixture.add(day(0), person("ada").alias("a.l@example.com")).await;
        fixture.add_group(day(0), "staff", &[ada]).await;
        let before = fixture.user("ada").await;
        fixture.apply(day(1), &[flag(ada, "ada", day(1), Some(day(15)))]).await;
        let acts = vec![Act::Restored { from: State::Pending, reason: Some(PendingReason::Gone) }];
        fixture.apply(day(2), &[change(ada, "ada", acts, Some(mark("ada")))]).await;
        let mut after = fixture.user("ada").await;
        assert_eq!(after.updated_at, day(2).to_string());
        after.updated_at.clone_from(&before.updated_at);
        assert_eq!(after, before);
        assert_eq!(fixture.account(ada).await.reasons_seen, []);
        assert_eq!(fixture.column("SELECT status FROM roster_conflicts").await, [json!("resolved")]);
        assert_eq!(fixture.rows("SELECT * FROM roster_memberships").await.len(), 1);
    }

    /// VIPRE-11, VIPRE-37, VIPRE-38, VIPRE-39, UNBLU-16, L4: a flag keeps the rules; L6: a tombstone; L7: back with the
    /// same internal id
    async fn whoever_is_deleted_stays_as_a_tombstone_and_can_be_revived(fixture: Fixture) {
        let badge = fixture.names.extra("badge").unwrap();
        let new = person("ada").alias("a.l@example.com").field(badge, "7");
        let ada = fixture.add(day(0), new.clone()).await;
        fixture.add_group(day(0), "staff", &[ada]).await;
        fixture.by_hand(
            "INSERT INTO rd_rules VALUES (1, 'allow', '*@partner.example'); \
             INSERT INTO rd_grants (user_id, privilege) VALUES (1, 'wallet-read')",
        ).await;
        assert_eq!(fixture.column("SELECT pattern FROM roster_rules").await, [json!("*@partner.example")]);
        assert_eq!(fixture.column("SELECT via FROM roster_grants").await, [json!("local")]);
        let id = fixture.user("ada").await.id;
        fixture.apply(day(1), &[flag(ada, "ada", day(1), Some(day(15)))]).await;
        assert_eq!(fixture.rows("SELECT * FROM roster_grants").await, []);
        assert_eq!(fixture.rows("SELECT * FROM roster_rules").await.len(), 1, "rules are only frozen");
        // What the entry says in the end stays out of it.
        let mut last = delete(ada, "ada");
        let fields = [updated(Some(badge), Some("7"), Some("8")), updated(Some(FieldId::SURNAME), None, Some("Late"))];
        last.acts.insert(0, Act::Updated(fields.into()));
        last.acts.insert(1, Act::Moved { before: "cn=ada".into(), after: "cn=late".into() });
        fixture.apply(day(15), &[last]).await;

        let row = fixture.rows("SELECT * FROM roster_users").await.remove(0);
        let kept = ["id", "source", "origin", "unique_id", "state", "access", "created_at", "updated_at"];
        for (column, value) in &row {
            assert_eq!(value.is_null(), !kept.contains(&column.as_str()), "{column}: {value}");
        }
        assert_eq!((&row["state"], &row["access"], &row["id"]), (&json!("deleted"), &json!(0), &json!(id)));
        assert_eq!(
            json!(fixture.rows("SELECT former_address, former_username FROM rd_users").await),
            json!([{ "former_address": "ada@example.com", "former_username": "ada" }])
        );
        // I5: by whom it is recognised.
        let remembers = [address("Ada@example.com").key(), address("a.l@example.com").key()];
        assert_eq!(fixture.store.remembering(SOURCE, &remembers).await.unwrap(), [ada]);
        assert!(fixture.store.remembering("other", &remembers).await.unwrap().is_empty());
        let former = fixture.account(ada).await.former.unwrap();
        assert_eq!((former.address, former.username), (Some(remembers[0].clone()), Some("ada".into())));
        assert_eq!(former.since, day(15));
        for sql in [
            "SELECT * FROM rd_addresses", "SELECT * FROM rd_memberships", "SELECT * FROM rd_rules",
            "SELECT * FROM rd_grants", "SELECT * FROM roster_addresses",
        ] {
            assert_eq!(fixture.rows(sql).await, [], "{sql}");
        }
        assert_eq!(fixture.column("SELECT status FROM roster_conflicts").await, [json!("resolved")]);
        assert_eq!(fixture.user(&id).await.extra, json!(null));
        let index = fixture.store.index(SOURCE).await.unwrap();
        assert_eq!(index.find(key("id-ada").digest()).unwrap().state, State::Deleted);

        // somebody else may have the address and the name now, and gives them up again
        let acts = vec![Act::Revived(new.user())];
        fixture.apply(day(20), &[change(ada, "ada", acts, Some(mark("back")))]).await;
        let user = fixture.user("ada").await;
        assert_eq!((user.id, user.state.as_str()), (id, "active"));
        assert_eq!((user.aliases.as_slice(), user.extra), (["a.l@example.com".to_owned()].as_slice(), json!({ "badge": "7" })));
        assert_eq!(user.created_at, day(0).to_string());
        assert_eq!(fixture.rows("SELECT * FROM roster_rules").await, []);
        assert_eq!(fixture.account(ada).await.fingerprint, Some(digest("back")));
        let last = fixture.events().await.pop().unwrap();
        assert_eq!(last, ("user.revived".to_owned(), "L7".to_owned()));
    }

    /// L9: the address of whoever is deleted goes to the claimant of the same run
    async fn a_deleted_address_is_free_within_the_batch(fixture: Fixture) {
        let ada = fixture.add(day(0), person("ada")).await;
        fixture.apply(day(1), &[flag(ada, "ada", day(1), Some(day(15)))]).await;
        let added = fixture.apply(day(15), &[person("bob").alias("ada@example.com").change(), delete(ada, "ada")]).await;
        let bob = added[&key("id-bob").digest()];
        assert_eq!(fixture.store.owners(&[address("ada@example.com").key()]).await.unwrap()[0].1, bob);
    }

    /// B3: whole people, however many
    async fn ten_thousand_people_arrive_and_are_found_again(fixture: Fixture) {
        let people: Vec<_> = (0..10_000).map(|n| person(&format!("p{n}")).alias(&format!("a{n}@example.com"))).collect();
        let changes: Vec<_> = people.iter().map(super::fixture::New::change).collect();
        let added = fixture.apply(day(0), &changes).await;
        assert_eq!(added.len(), 10_000);
        let index = fixture.store.index(SOURCE).await.unwrap();
        assert_eq!((index.len(), index.with_access()), (10_000, 10_000));
        for (n, person) in people.iter().enumerate().step_by(777) {
            let known = index.find(person.key.digest()).unwrap();
            assert_eq!(known.id, added[&person.key.digest()]);
            assert_eq!(known.fingerprint, Some(digest(&format!("p{n}"))));
            assert_eq!(known.dn, rosterd::roster::Dn::digest_of(&person.dn()));
        }
        let ids: Vec<_> = index.iter().map(|known| known.id).collect();
        let accounts = fixture.store.accounts(&ids).await.unwrap();
        assert_eq!(accounts.len(), 10_000);
        assert!(accounts.is_sorted_by_key(|account| account.id));
        assert!(accounts.iter().all(|account| account.addresses.len() == 2 && account.primary().is_some()));
        let flags: Vec<_> = ids.iter().map(|id| flag(*id, "x", day(1), Some(day(15)))).collect();
        fixture.apply(day(1), &flags).await;
        assert_eq!(fixture.store.user_counts(Some(SOURCE)).await.unwrap(), [(State::Pending, 10_000)]);
        let recent = fixture.store.recent_departures(SOURCE, day(1)).await.unwrap();
        assert_eq!((recent.departed.len(), recent.lost.len(), recent.gained.len()), (10_000, 10_000, 0));
        assert_eq!(fixture.store.user_rows(&Which::All).await.unwrap().len(), 10_000);
    }

    /// B1: distinct people by kind inside the window, and who had access when it began
    async fn the_window_of_the_brake_knows_each_person_once_a_kind(fixture: Fixture) {
        let ada = fixture.add(day(0), person("ada")).await;
        let bob = fixture.add(day(0), person("bob")).await;
        let act = |reason, at, counted| vec![flagged(reason, at, None, counted)];
        for (id, at, kind) in [
            (ada, day(1), Some(BrakeKind::Missing)), (ada, day(2), Some(BrakeKind::Missing)),
            (bob, day(2), Some(BrakeKind::Disabled)), (ada, day(3), None),
        ] {
            fixture.apply(at, &[change(id, "x", act(PendingReason::Gone, at, kind), None)]).await;
        }
        fixture.add(day(3), person("cy")).await;
        let back = vec![Act::Restored { from: State::Pending, reason: Some(PendingReason::Gone) }];
        fixture.apply(day(4), &[change(bob, "bob", back, None)]).await;
        let recent = |since| fixture.store.recent_departures(SOURCE, since);
        let everybody = recent(day(0)).await.unwrap();
        let went = [(BrakeKind::Missing, ada), (BrakeKind::Disabled, bob)];
        assert_eq!(everybody.departed, went.into());
        assert_eq!((everybody.lost.len(), everybody.gained.len()), (0, 2), "all came within the window; bob and cy are in");
        let later = recent(day(1)).await.unwrap();
        assert_eq!((later.departed, later.lost.len(), later.gained.len()), (went.into(), 1, 1), "ada had access, cy had not");
        let last = recent(day(4)).await.unwrap();
        assert_eq!((last.departed.len(), last.lost.len(), last.gained.len()), (0, 0, 1), "bob was pending when it began");
        // Whoever is adopted is the directory's only since then (M2).
        let (key, dn) = (rosterd::roster::UniqueId::new("dee-2").unwrap(), "uid=dee,o=x".into());
        let dee = fixture.add(day(0), person("dee")).await;
        let linked = vec![Act::Linked { key, dn, from: Origin::Manual, to: Origin::Directory }];
        fixture.apply(day(5), &[change(dee, "dee", linked, None)]).await;
        assert_eq!(recent(day(5)).await.unwrap().gained.len(), 1);
        let other = fixture.store.recent_departures("other", day(0)).await.unwrap();
        assert_eq!(other, rosterd::store::RecentDepartures::default());
    }

    /// U2: a change made by hand makes the next run look again; rosterd's own do not
    async fn a_change_made_by_hand_makes_the_next_run_look_again(fixture: Fixture) {
        let ada = fixture.add(day(0), person("ada").alias("a.l@example.com")).await;
        let group = fixture.add_group(day(0), "staff", &[ada]).await;
        assert_eq!(group.0, 1);
        assert_eq!(fixture.account(ada).await.fingerprint, Some(digest("ada")), "our own membership does not count");
        for edit in [
            "UPDATE rd_users SET display_name = 'Eve'",
            "UPDATE rd_users SET extra = '{\"badge\":\"8\"}'",
            "UPDATE rd_users SET dn = 'cn=elsewhere'",
            "UPDATE rd_addresses SET address = 'X@example.com' WHERE kind = 'alias'",
            "DELETE FROM rd_addresses WHERE kind = 'alias'",
            "INSERT INTO rd_addresses (key, user_id, kind, address) VALUES ('y@example.com', 1, 'alias', 'y@example.com')",
        ] {
            fixture.by_hand(edit).await;
            assert_eq!(fixture.account(ada).await.fingerprint, None, "{edit}");
            fixture.apply(day(1), &[change(ada, "ada", vec![], Some(mark("again")))]).await;
            assert_eq!(fixture.account(ada).await.fingerprint, Some(digest("again")));
        }
        for edit in ["UPDATE rd_users SET transferred_to = 'somebody', flagged_at = 5", "DELETE FROM rd_memberships"] {
            fixture.by_hand(edit).await;
            assert_eq!(fixture.account(ada).await.fingerprint, Some(digest("again")), "not what an entry says: {edit}");
        }
        let acts = vec![Act::Updated(Box::new([updated(Some(FieldId::NOTES), None, Some("n"))])),
            Act::AliasAdded(address("z@example.com"))];
        fixture.apply(day(2), &[change(ada, "ada", acts, None)]).await;
        assert_eq!(fixture.account(ada).await.fingerprint, Some(digest("again")), "our own change");
    }

    /// I1: ids are never lost, not even by hand
    async fn nobody_deletes_a_row_by_hand(fixture: Fixture) {
        fixture.add(day(0), person("ada")).await;
        let refused = fixture.try_by_hand("DELETE FROM rd_users").await.unwrap_err();
        assert!(refused.contains("never deleted"), "{refused}");
        let refused = fixture.try_by_hand("UPDATE rd_users SET extra = '[]'").await.unwrap_err();
        assert!(refused.contains("extra"), "{refused}");
        assert_eq!(fixture.user("ada").await.state, "active");
    }

    /// Neither store keeps a NUL, whatever comes
    async fn text_with_a_nul_is_stored_without_it(fixture: Fixture) {
        let badge = fixture.names.extra("badge").unwrap();
        fixture.add(day(0), person("ada").field(FieldId::NOTES, "a\0b").field(badge, "\0")).await;
        let user = fixture.user("ada").await;
        assert_eq!((user.notes.as_deref(), user.extra), (Some("ab"), json!({ "badge": "" })));
        assert_eq!(fixture.store.user_rows(&Which::Who("a\0da".to_owned())).await.unwrap().len(), 1);
    }
}
