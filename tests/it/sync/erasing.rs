//! Nothing personal is left of somebody erased (B3).

use serde_json::{Value, json};
use sqlx::{Connection as _, Row as _};

use super::{dn, on_both, people, person};
use crate::support::program::Site;
use crate::support::slapd::{Options, Slapd};

/// Every value of every table, a line a row.
fn everything(site: &Site) -> Vec<String> {
    const COLUMNS: &str = "SELECT m.name, group_concat('CASE typeof(' || c.name || ') WHEN ''blob'' THEN hex(' \
                           || c.name || ') ELSE ifnull(' || c.name || ', 0) END', ' || '' '' || ') \
                           FROM sqlite_master m JOIN pragma_table_info(m.name) c \
                           WHERE m.type = 'table' AND m.name LIKE 'rd%' AND c.name <> 'trigger' GROUP BY m.name";
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(site.path("roster.db"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut store = sqlx::SqliteConnection::connect_with(&options).await.unwrap();
        let mut lines = Vec::new();
        for table in sqlx::query(COLUMNS).fetch_all(&mut store).await.unwrap() {
            let (name, columns): (String, String) = (table.get(0), table.get(1));
            let sql = format!("SELECT {columns} FROM {name}");
            let rows: Vec<String> = sqlx::query_scalar(sqlx::AssertSqlSafe(sql)).fetch_all(&mut store).await.unwrap();
            lines.extend(rows.into_iter().map(|row| format!("{name}: {row}")));
        }
        store.close().await.unwrap();
        lines
    })
}

/// Whether a text stands anywhere in the store's files, in whatever SQLite keeps there.
fn in_files(site: &Site, text: &str) -> bool {
    let files = ["roster.db", "roster.db-wal"].map(|name| std::fs::read(site.path(name)).unwrap_or_default());
    assert!(files[0].len() > 4096);
    files.iter().any(|bytes| bytes.windows(text.len()).any(|here| here == text.as_bytes()))
}

/// B3: tombstone, feed, conflicts, skipped entries; what is told of others stays. Nor is it left in the file where no table has
/// it any more.
#[test]
fn nothing_personal_is_left_of_somebody_erased() {
    let Some(slapd) = Slapd::start(Options::default()) else { return };
    slapd.ldif(&people(&["ada", "bob", "dan"]));
    let mut site = Site::new(&slapd);
    site.expect(0, &["sync"]);
    let id = site.user("bob").unwrap()["id"].as_str().unwrap().to_owned();
    // Bob wants what ada has, and somebody wants what bob has.
    slapd.ldif(&format!("dn: {}\nchangetype: modify\nreplace: mail\nmail: ada@example.com\n", dn("bob")));
    slapd.ldif(&person("cy").replace("cy@example.com", "bob@example.com"));
    site.expect(0, &["sync"]);
    assert_eq!(site.json(&["conflicts"]).as_array().unwrap().len(), 2);
    slapd.ldif(&format!("dn: {}\nchangetype: delete\n", dn("bob")));
    slapd.ldif(&format!("dn: {}\nchangetype: delete\n", dn("cy")));
    slapd.ldif(&format!("dn: {}\nchangetype: delete\n", dn("dan")));
    // A held run names people, too.
    site.set("brake", "at_least = 1\n");
    site.expect(4, &["sync"]);
    site.unset("brake");
    assert!(everything(&site).iter().any(|line| line.starts_with("rd_runs") && line.contains("first: bob, dan")));
    site.expect(0, &["sync"]);
    let said = site.expect(1, &["users", "erase", "bob"]);
    assert!(said.err.contains("is pending: only what is left of a deleted user is erased"), "{said:?}");
    site.expect(0, &["users", "delete", "bob"]);
    let tells = |lines: &[String]| lines.iter().filter(|line| line.contains("bob")).cloned().collect::<Vec<_>>();
    assert!(tells(&everything(&site)).len() > 5 && in_files(&site, "bob"), "or this test would prove nothing");
    let done = site.expect(0, &["users", "erase", "bob"]);
    assert!(done.out.contains(&format!("Done: `{id}` erased.")), "{done:?}");
    let after = everything(&site);
    assert_eq!(tells(&after), Vec::<String>::new());
    assert!(!in_files(&site, "bob") && in_files(&site, "ada@example.com"));
    assert!(after.iter().any(|line| line.starts_with("rd_runs") && line.contains("first: erased, dan")));
    assert!(after.iter().any(|line| line.starts_with("rd_changes") && line.contains("ada@example.com")));
    let user = site.json(&["users", "show", &id]);
    assert_eq!((&user["state"], &user["unique_id"]), (&json!("deleted"), &Value::Null));
    let last = user["history"].as_array().unwrap().last().unwrap().clone();
    assert_eq!((&last["kind"], &last["rule"], &last["after"]), (&json!("user.erased"), &json!("B3"), &Value::Null));
    site.expect(0, &["users", "erase", &id]);
    assert_eq!(tells(&everything(&site)), Vec::<String>::new(), "again is no mistake");
    let restored = site.expect(1, &["users", "restore", &id]);
    assert!(restored.err.contains("nothing is left"), "{restored:?}");
}

/// B3, I1: whoever comes back after an erasure is somebody new.
#[test]
fn whoever_comes_back_after_an_erasure_is_somebody_new() {
    on_both(|slapd, site| {
        slapd.ldif(&people(&["ada", "bob"]));
        site.expect(0, &["sync"]);
        let id = site.user("bob").unwrap()["id"].clone();
        site.expect(0, &["users", "delete", "bob", "--yes"]);
        site.expect(0, &["users", "erase", "bob", "--yes"]);
        site.expect(0, &["sync"]);
        let bob = site.user("bob").unwrap();
        assert!(bob["id"] != id && bob["state"] == "active", "{bob}");
        assert_eq!(site.count("deleted"), 1);
        site.expect(0, &["plan"]);
    });
}

/// B3, I5: of somebody who was two users for a while nothing is left of either.
#[test]
fn what_was_told_of_an_interim_user_is_erased_with_the_person() {
    let Some(slapd) = Slapd::start(Options::default()) else { return };
    slapd.ldif(&people(&["ada", "bob"]));
    let site = Site::new(&slapd);
    site.expect(0, &["sync"]);
    slapd.ldif(&format!("dn: {}\nchangetype: delete\n", dn("bob")));
    site.expect(0, &["sync"]);
    // The same name, another address: somebody new until a person says who it is.
    slapd.ldif(&person("bob").replace("bob@example.com", "robert@example.com"));
    site.expect(0, &["sync"]);
    let conflicts = site.json(&["conflicts"]);
    let maybe = conflicts.as_array().unwrap().iter().find(|one| one["kind"] == "maybe-same-person").unwrap().clone();
    site.expect(0, &["conflicts", "relink", &maybe["id"].to_string()]);
    site.expect(0, &["sync"]);
    let id = maybe["user_id"].as_str().unwrap();
    slapd.ldif(&format!("dn: {}\nchangetype: delete\n", dn("bob")));
    site.expect(0, &["sync"]);
    site.expect(0, &["users", "delete", id, "--yes"]);
    let unique_id = site.json(&["users", "show", id])["unique_id"].as_str().unwrap().to_owned();
    site.expect(0, &["users", "erase", id, "--yes"]);
    let told = |line: &&String| line.contains("bob") || line.contains("robert") || line.contains(&unique_id);
    assert_eq!(everything(&site).iter().filter(told).collect::<Vec<_>>(), Vec::<&String>::new());
}
