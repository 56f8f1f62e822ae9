//! Roles, grants, and the groups that give them.

use std::path::Path;

use rosterd::plan::{Act, Grant, KnownGroup, MappedAct, RightsAct};
use rosterd::roster::{State, UserId};
use rosterd::store::Schema;
use serde_json::json;
use sqlx::Connection as _;
use sqlx::migrate::Migrator;

use super::fixture::{Fixture, SOURCE, change, day, flag, key, person};
use super::on_both_stores;

const STAFF: &str = "cn=staff,ou=groups,dc=example,dc=com";

fn grant(privilege: &str) -> Box<Grant> {
    Box::new(Grant { privilege: privilege.into(), key: key("id-group-staff"), dn: STAFF.into() })
}

async fn put(fixture: &Fixture, acts: &[MappedAct]) -> Vec<(String, String, bool)> {
    fixture.store.put_mapped(fixture.stamp(day(0), &[]), acts).await.unwrap();
    let known = |known: KnownGroup| (known.dn, known.key.to_string(), known.settled);
    fixture.store.mapped(SOURCE).await.unwrap().into_iter().map(known).collect()
}

async fn rights(fixture: &Fixture, who: UserId, acts: Vec<RightsAct>) {
    let acts = acts.into_iter().map(Act::Rights).collect();
    fixture.apply(day(1), &[change(who, "ada", acts, None)]).await;
}

on_both_stores! {
    /// R4: one group holds under a DN, however the DN is written, until it leaves the configuration
    async fn the_group_that_holds_under_a_mapped_dn_is_remembered(fixture: Fixture) {
        let row = |dn: &str, key: &str, settled| (dn.to_owned(), key.to_owned(), settled);
        let dn = || STAFF.to_owned();
        let version = fixture.store.version().await.unwrap();
        let first = MappedAct::Remember { dn: dn(), key: key("id-group-staff") };
        assert_eq!(put(&fixture, &[first]).await, [row(STAFF, "id-group-staff", false)]);
        assert!(fixture.store.version().await.unwrap() > version, "a saved plan sees it");
        assert_eq!(put(&fixture, &[MappedAct::Settle { dn: dn() }]).await, [row(STAFF, "id-group-staff", true)]);
        assert_eq!(put(&fixture, &[MappedAct::Return { dn: dn() }]).await, [row(STAFF, "id-group-staff", false)]);
        put(&fixture, &[MappedAct::Settle { dn: dn() }]).await;
        let shouted = "CN=Staff, OU=groups, DC=example, DC=com";
        let other = MappedAct::Remember { dn: shouted.to_owned(), key: key("another") };
        assert_eq!(put(&fixture, &[other]).await, [row(shouted, "another", false)], "the same DN, another group");
        assert_eq!(fixture.store.mapped("other").await.unwrap(), []);
        let version = fixture.store.version().await.unwrap();
        assert_eq!(put(&fixture, &[]).await.len(), 1);
        assert_eq!(fixture.store.version().await.unwrap(), version, "nothing is no change");
        assert_eq!(put(&fixture, &[MappedAct::Forget { dn: dn() }]).await, []);
    }

    /// R2: what a group gives and what was given by hand stand side by side; either is taken alone
    async fn grants_of_groups_and_of_people_stand_side_by_side(fixture: Fixture) {
        put(&fixture, &[MappedAct::Remember { dn: STAFF.to_owned(), key: key("id-group-staff") }]).await;
        let ada = fixture.add(day(0), person("ada")).await;
        let given = RightsAct::GivenByHand("read".into());
        rights(&fixture, ada, vec![RightsAct::Granted(grant("read")), RightsAct::Granted(grant("write")), given]).await;
        let held: Vec<_> = fixture.store.grants(SOURCE).await.unwrap().into_iter().map(|one| one.grant).collect();
        assert_eq!(held, [*grant("read"), *grant("write")], "those of groups");
        assert_eq!(fixture.store.local_grants(ada).await.unwrap(), ["read"]);
        assert_eq!(fixture.store.grants("other").await.unwrap(), []);
        // The group that comes to the roster later bears the id that grants name.
        let group = fixture.add_group(day(1), "staff", &[]).await;
        assert_eq!(group.0, 1);
        let shown = fixture.column(
            "SELECT g.privilege FROM roster_grants g JOIN roster_groups t ON CAST(t.id AS text) = g.via ORDER BY 1",
        ).await;
        assert_eq!(shown, [json!("read"), json!("write")]);

        let revoked = |privilege| RightsAct::Revoked { grant: grant(privilege), counted: false };
        rights(&fixture, ada, vec![revoked("read"), RightsAct::TakenByHand("write".into())]).await;
        let left = fixture.rows("SELECT privilege, via = 'local' AS local FROM roster_grants ORDER BY privilege").await;
        assert_eq!(json!(left), json!([{ "privilege": "read", "local": 1 }, { "privilege": "write", "local": 0 }]));
        rights(&fixture, ada, vec![RightsAct::TakenByHand("read".into())]).await;
        assert_eq!(fixture.store.local_grants(ada).await.unwrap(), Vec::<String>::new());
        fixture.apply(day(2), &[flag(ada, "ada", day(2), None)]).await;
        assert_eq!(fixture.rows("SELECT * FROM roster_grants").await, [], "nobody pending may anything");
        assert_eq!(fixture.store.grants(SOURCE).await.unwrap().len(), 1, "but it is frozen, not lost (L4)");
        let back = vec![Act::Restored { from: State::Pending, reason: None }];
        fixture.apply(day(3), &[change(ada, "ada", back, None)]).await;
        assert_eq!(fixture.column("SELECT privilege FROM roster_grants").await, [json!("write")]);
    }

    /// R2: migration 0003 keeps what was given by hand in a store of before, and the store works on
    async fn an_older_store_keeps_its_local_grants(fixture: Fixture) {
        let Some(old) = fixture.of_before().await else { return };
        old.by_hand(
            "INSERT INTO rd_users (id, source, uuid, unique_id, unique_id_digest, username, created_at, updated_at) VALUES \
             (1, 'corp', '018f0000-0000-7000-8000-000000000001', 'id-ada', NULL, 'Ada', 0, 0); \
             INSERT INTO rd_groups (id, uuid, source, unique_id, dn, name, created_at, updated_at) VALUES \
             (1, '018f0000-0000-7000-8000-000000000002', 'corp', 'id-group-staff', 'cn=staff', 'staff', 0, 0); \
             INSERT INTO rd_grants (user_id, privilege, group_id) VALUES (1, 'read', NULL), (1, 'write', 1); \
             UPDATE rd_store SET last_user = 1, last_group = 1",
        ).await;
        assert_eq!(old.store.schema().await.unwrap(), Schema::Old);
        old.store.migrate().await.unwrap();
        assert_eq!(old.store.schema().await.unwrap(), Schema::Current);
        let rows = old.rows("SELECT privilege, via FROM roster_grants").await;
        assert_eq!(json!(rows), json!([{ "privilege": "read", "via": "local" }]));
        assert_eq!(old.store.local_grants(UserId(1)).await.unwrap(), ["read"]);
        let remembered = MappedAct::Remember { dn: STAFF.to_owned(), key: key("id-group-staff") };
        old.store.put_mapped(old.stamp(day(0), &[]), &[remembered]).await.unwrap();
        rights(&old, UserId(1), vec![RightsAct::Granted(grant("read"))]).await;
        let via = old.column("SELECT via FROM roster_grants ORDER BY via").await;
        assert_eq!(via, [json!("018f0000-0000-7000-8000-000000000002"), json!("local")], "the id of the group of before");
    }
}

impl Fixture {
    /// A store as the first migration alone made it.
    async fn of_before(&self) -> Option<Self> {
        let old = if self.is_sqlite() { Self::empty_sqlite().await } else { Self::empty_postgres().await? };
        let dialect = if self.is_sqlite() { "sqlite" } else { "postgres" };
        let folder = tempfile::tempdir().unwrap();
        let name = "0001_roster.sql";
        let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations").join(dialect).join(name);
        std::fs::copy(from, folder.path().join(name)).unwrap();
        let mut migrations = Migrator::new(folder.path()).await.unwrap();
        migrations.dangerous_set_table_name("rd_migrations");
        if let Some(path) = old.settings.url.strip_prefix("sqlite://") {
            let options = sqlx::sqlite::SqliteConnectOptions::new().filename(path).create_if_missing(true);
            let mut connection = sqlx::SqliteConnection::connect_with(&options).await.unwrap();
            migrations.run(&mut connection).await.unwrap();
            connection.close().await.unwrap();
        } else {
            let mut connection = sqlx::PgConnection::connect(&old.settings.url).await.unwrap();
            migrations.run(&mut connection).await.unwrap();
        }
        Some(old)
    }
}
