//! Every kind of directory at the first try: nothing is given but URL, account, password and base DN.

mod edirectory;
mod freeipa;

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::program::{Site, source, wait_until};
use crate::support::server::Server;

/// A configuration of `[source]`, `[store]` and what makes tests quick; the rest is by kind.
fn site(server: &Server) -> Site {
    let mut site = Site::new(server);
    site.unset("users");
    site.unset("groups");
    site
}

fn named(site: &Site) -> Vec<(String, String)> {
    let all = site.json(&["users", "list"]);
    let one = |user: &Value| {
        (user["username"].as_str().unwrap_or_default().to_owned(), user["state"].as_str().unwrap().to_owned())
    };
    all.as_array().unwrap().iter().map(one).collect()
}

mod active_directory {
    use super::*;

    const BASE: &str = "DC=example,DC=test";

    fn entry(class: &str, name: &str, unit: &str, more: &str) -> String {
        format!("dn: CN={name},OU={unit},{BASE}\nchangetype: add\nobjectClass: {class}\n{more}\n\n")
    }

    fn user(name: &str, control: u32, more: &str) -> String {
        let more = format!(
            "sAMAccountName: {name}\nuserPrincipalName: {name}@example.test\ngivenName: {name}\nsn: Test\n\
             mail: {name}@example.com\nuserAccountControl: {control}\n{more}"
        );
        entry("user", name, "people", &more)
    }

    /// Windows file time of so many days from now.
    fn in_days(days: i64) -> String {
        let seconds = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs().cast_signed() + days * 86_400;
        ((seconds + 11_644_473_600) * 10_000_000).to_string()
    }

    fn expires_in(days: i64) -> String {
        format!("accountExpires: {}\n", in_days(days))
    }

    /// VIPRE-12, VIPRE-21, OKV-1, I2, U6, U8, G3: people, not computers, contacts or the domain's own accounts; who is disabled or expired stays out;
    /// groups by member.
    #[test]
    fn a_domain_is_synchronised_at_the_first_try() {
        let Some(server) = Server::samba() else { return };
        server.ldif(
            &[
                user(
                    "ada",
                    512,
                    "proxyAddresses: SMTP:ada@example.com\nproxyAddresses: smtp:lovelace@example.com\ninfo: first\n\
                     displayName: Ada Lovelace\nhomePhone: 1\nmobile: 2\ncompany: Engines\ndepartment: Analysis\n",
                ),
                user("bob", 514, ""),
                user("cy", 512, &expires_in(-1)),
                user("dan", 512, &expires_in(30)),
                entry(
                    "computer",
                    "pc1",
                    "people",
                    "sAMAccountName: pc1$\nuserAccountControl: 4096\nmail: pc1@example.com\n",
                ),
                entry("contact", "carl", "people", "mail: carl@example.com\n"),
                entry("group", "devs", "groups", &format!("sAMAccountName: devs\nmember: CN=ada,OU=people,{BASE}\n")),
                entry("group", "all", "groups", &format!("sAMAccountName: all\nmember: CN=devs,OU=groups,{BASE}\n")),
            ]
            .concat(),
        );
        let site = site(&server);
        let said = site.expect(0, &["sync"]);
        let active = |name: &str| (name.to_owned(), "active".to_owned());
        assert_eq!(named(&site), [active("ada"), active("dan")], "{said:?}");
        // As Windows writes accounts.
        for (who, words) in
            [("EXAMPLE\\ada", "In, with access"), ("EXAMPLE\\bob", "Enable the entry"), ("EXAMPLE\\zoe", "Look at")]
        {
            let said = site.expect(0, &["explain", who]);
            assert!(said.out.lines().last().unwrap().starts_with(words), "{who}: {said:?}");
        }
        site.expect(0, &["sync", "--user", "EXAMPLE\\ada"]);
        site.expect(0, &["sync", "--user", "EXAMPLE\\bob"]);
        for empty in [&["explain", ""][..], &["explain", " "], &["sync", "--user", ""]] {
            assert!(site.expect(2, empty).err.contains("WHO is empty"));
        }
        let ada = site.user("ada").unwrap();
        for (field, value) in [
            ("primary_address", json!("ada@example.com")),
            ("aliases", json!(["lovelace@example.com"])),
            ("user_principal_name", json!("ada@example.test")),
            ("display_name", json!("Ada Lovelace")),
            ("given_name", json!("ada")),
            ("surname", json!("Test")),
            ("home_phone", json!("1")),
            ("mobile", json!("2")),
            ("company", json!("Engines")),
            ("department", json!("Analysis")),
            ("notes", json!("first")),
        ] {
            assert_eq!(ada[field], value, "{field}");
        }
        let groups = site.json(&["groups", "list"]);
        let names: Vec<&str> = groups.as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap()).collect();
        assert_eq!(names, ["all", "devs"], "not those that the domain itself needs");
        assert_eq!(site.json(&["groups", "show", "devs"])["members"].as_array().unwrap().len(), 1);
        for (who, why) in [("bob", "disabled"), ("cy", "disabled")] {
            let shown = site.expect(1, &["users", "show", who]);
            assert!(shown.err.contains(why), "{who}: {shown:?}");
        }
        assert!(site.expect(0, &["sync"]).out.contains("nothing to do"), "U3");
        let check = site.expect(0, &["check"]).out;
        assert!(check.contains("active-directory"), "{check}");
    }

    /// I3, L2: who is disabled is flagged, who is renamed and moved is the same, who is deleted is gone.
    #[test]
    fn people_change_and_leave() {
        let Some(server) = Server::samba() else { return };
        server.ldif(&[user("ada", 512, ""), user("bob", 512, ""), user("cy", 512, "")].concat());
        let site = site(&server);
        site.expect(0, &["sync"]);
        let id = site.user("ada").unwrap()["id"].clone();
        server.ldif(&format!(
            "dn: CN=ada,OU=people,{BASE}\nchangetype: modrdn\nnewrdn: CN=Ada Lovelace\ndeleteoldrdn: 1\nnewsuperior: \
             OU=groups,{BASE}\n\ndn: CN=bob,OU=people,{BASE}\nchangetype: modify\nreplace: userAccountControl\n\
             userAccountControl: 514\n\ndn: CN=cy,OU=people,{BASE}\nchangetype: delete\n"
        ));
        site.expect(0, &["sync"]);
        let ada = site.user("ada").unwrap();
        assert_eq!((&ada["id"], &ada["dn"]), (&id, &json!(format!("CN=Ada Lovelace,OU=groups,{BASE}"))));
        for (who, reason) in [("bob", "disabled"), ("cy", "gone")] {
            let user = site.user(who).unwrap();
            assert_eq!((&user["state"], &user["pending_reason"]), (&json!("pending"), &json!(reason)), "{who}");
        }
    }

    /// Adds an entry to the access list of an object.
    fn control_access(server: &Server, dn: &str, entry: &str) {
        let folder = server.folder.display();
        let done = std::process::Command::new("samba-tool")
            .args(["dsacl", "set", "-H", &format!("{folder}/private/sam.ldb"), "-s", &format!("{folder}/smb.conf")])
            .args([format!("--objectdn={dn}"), format!("--sddl={entry}")])
            .output()
            .unwrap();
        assert!(done.status.success(), "{done:?}");
    }

    /// Takes from everybody the right to read somebody's `accountExpires`.
    fn hide_expiry(server: &Server, who: &str) {
        let entry = "(OD;;RP;bf967915-0de6-11d0-a285-00aa003049e2;;AU)";
        control_access(server, &format!("CN={who},OU=people,{BASE}"), entry);
    }

    /// L2: a unit that is hidden from the account looks like one that was deleted; the reason says no more than is known.
    #[test]
    fn whoever_is_hidden_is_not_said_to_be_deleted() {
        let Some(server) = Server::samba() else { return };
        let unit = format!("OU=secret,OU=people,{BASE}");
        server.ldif(&format!("dn: {unit}\nchangetype: add\nobjectClass: organizationalUnit\n\n"));
        server.ldif(&[user("ada", 512, ""), user("bob", 512, "")].concat());
        server.ldif(&format!(
            "dn: CN=bob,OU=people,{BASE}\nchangetype: modrdn\nnewrdn: CN=bob\ndeleteoldrdn: 1\nnewsuperior: {unit}\n\n"
        ));
        let site = site(&server);
        site.expect(0, &["sync"]);
        assert_eq!(named(&site).len(), 2);
        control_access(&server, &unit, "(D;CI;RPLCLORC;;;AU)");
        let planned = site.expect(3, &["plan"]);
        assert!(planned.out.contains("it was deleted, or is hidden from it"), "{planned:?}");
        site.expect(0, &["sync"]);
        assert_eq!(site.user("bob").unwrap()["pending_reason"], "gone");
        let conflicts = site.json(&["conflicts", "list"]).to_string();
        assert!(conflicts.contains("visible to the bind account: it was deleted, or is hidden from it"), "{conflicts}");
    }

    /// U8: every user of a domain has `accountExpires`; where it is hidden of one person, nobody knows: she stays as she is,
    /// and somebody new is not let in.
    ///
    /// Faults: E10.
    #[test]
    fn a_hidden_expiry_brings_nobody_back() {
        let Some(server) = Server::samba() else { return };
        server.ldif(&[user("ada", 512, ""), user("bob", 512, ""), user("cy", 512, &expires_in(-1))].concat());
        hide_expiry(&server, "cy");
        let site = site(&server);
        site.expect(0, &["sync"]);
        assert_eq!(named(&site).len(), 2, "cy is not let in");
        let said = site.expect(0, &["explain", "cy"]);
        assert!(said.out.contains("`accountexpires`, where its value would say so, is missing"), "{said:?}");
        server.ldif(&format!(
            "dn: CN=ada,OU=people,{BASE}\nchangetype: modify\nreplace: accountExpires\n{}\n",
            expires_in(-1)
        ));
        site.expect(0, &["sync"]);
        assert_eq!(site.state("ada"), "pending");
        hide_expiry(&server, "ada");
        hide_expiry(&server, "bob");
        site.expect(0, &["sync"]);
        assert_eq!((site.state("ada"), site.state("bob")), ("pending".to_owned(), "active".to_owned()));
        let check = site.expect(0, &["check"]).out;
        assert!(check.contains("`accountexpires` cannot be judged for 3 of the 4 entries"), "{check}");
    }

    /// RSA-10, E7: a domain controller whose update sequence number is lower than at the last complete run has lost what it
    /// knew; nobody is missed for it.
    /// Faults: I2.
    #[test]
    fn a_controller_that_knows_less_than_before_is_doubted() {
        let Some(server) = Server::samba() else { return };
        server.ldif(&[user("ada", 512, ""), user("bob", 512, "")].concat());
        let site = site(&server);
        site.expect(0, &["sync"]);
        site.by_hand("UPDATE rd_runs SET basis = replace(basis, '\":\"0000', '\":\"9000')");
        server.ldif(&format!("dn: CN=bob,OU=people,{BASE}\nchangetype: delete\n"));
        let said = site.expect(5, &["sync"]);
        assert!(said.out.contains("was its data restored from a backup"), "{said:?}");
        assert_eq!(site.state("bob"), "active");
        site.by_hand("UPDATE rd_runs SET basis = replace(basis, '\":\"9000', '\":\"0000')");
        site.expect(0, &["sync"]);
        assert_eq!(site.state("bob"), "pending");
    }

    /// E9: why a bind was refused is told in words, also while it is not tried again.
    #[test]
    fn a_refused_bind_says_why_each_time() {
        let Some(server) = Server::samba() else { return };
        let control = |number: u32| {
            server.ldif(&format!(
                "dn: CN=rosterd,CN=Users,{BASE}\nchangetype: modify\nreplace: userAccountControl\nuserAccountControl: \
                 {number}\n\n"
            ));
        };
        control(514);
        let site = site(&server);
        let said = site.expect(1, &["sync"]).err;
        assert!(said.contains("the account is disabled (533)") && said.contains("AcceptSecurityContext"), "{said}");
        for command in ["sync", "plan"] {
            let said = site.expect(1, &[command]).err;
            assert!(
                said.contains("with code 49: invalidCredentials: the account is disabled (533); enable it;"),
                "{said}"
            );
            assert!(!said.contains("AcceptSecurityContext"), "not tried again: {said}");
        }
        for command in ["check", "status"] {
            let said = site.run(&[command]);
            assert!(said.out.contains("the account is disabled (533)"), "{command}: {said:?}");
        }
        control(512);
        site.by_hand("UPDATE rd_refused_binds SET at = at - 16 * 60000");
        site.expect(0, &["sync"]);
    }

    /// E7, E8: the Global Catalog does not show everything that decides; nobody is judged by it.
    ///
    /// Faults: C8.
    #[test]
    fn the_global_catalog_is_not_asked() {
        let Some(server) = Server::samba() else { return };
        server.ldif(&user("ada", 512, &expires_in(30)));
        let mut site = site(&server);
        site.expect(0, &["sync"]);
        server.ldif(&format!("dn: CN=ada,OU=people,{BASE}\nchangetype: delete\n"));
        let (host, _) = server.url().rsplit_once(':').unwrap();
        let catalog = format!("{host}:3268");
        site.set("source", &source(&server, &catalog, ""));
        let said = site.expect(1, &["sync"]);
        assert!(said.err.contains(":3268 is the Global Catalog, which lacks attributes"), "{said:?}");
        assert_eq!(site.state("ada"), "active");
        site.set("source", &source(&server, &format!("{catalog}\", \"{}", server.url()), ""));
        site.expect(0, &["sync"]);
        assert_eq!(site.state("ada"), "pending");
        assert!(site.expect(0, &["check"]).out.contains("Global Catalog"));
    }

    /// What `primaryGroupID` is of those who have this group as the primary one.
    fn number(server: &Server, group: &str) -> String {
        let said = server.search(&["-b", &format!("CN={group},OU=groups,{BASE}"), "-s", "base", "primaryGroupToken"]);
        said.lines().find_map(|line| line.strip_prefix("primaryGroupToken: ")).unwrap().to_owned()
    }

    /// G3, G7, S4: whoever has a group as the primary one is in it, although it lists nobody.
    /// Faults: C4.
    #[test]
    fn a_primary_group_is_a_group() {
        let Some(server) = Server::samba() else { return };
        let group = |name: &str, members: &[&str]| {
            let members = members.iter().map(|name| format!("member: CN={name},OU=people,{BASE}\n"));
            entry("group", name, "groups", &format!("sAMAccountName: {name}\n{}", members.collect::<String>()))
        };
        let people = [user("ada", 512, ""), user("bob", 512, "")];
        let groups = [group("crew", &["ada"]), group("devs", &["ada", "bob"])];
        server.ldif(&[people, groups].concat().concat());
        let number = |name: &str| number(&server, name);
        let set = |who: &str, number: &str| {
            server.ldif(&format!(
                "dn: CN={who},OU=people,{BASE}\nchangetype: modify\nreplace: primaryGroupID\nprimaryGroupID: {number}\n\n"
            ));
        };
        let mut site = site(&server);
        site.set("[role]", &format!("name = \"admin\"\ngroups = [\"CN=devs,OU=groups,{BASE}\"]"));
        let told = |site: &Site, group: &str| {
            let shown = site.json(&["groups", "show", group]);
            let one = |member: &Value| {
                format!("{} {}", member["username"].as_str().unwrap(), member["via"].as_str().unwrap())
            };
            shown["members"].as_array().unwrap().iter().map(one).collect::<Vec<_>>()
        };
        let sync = |site: &Site| {
            site.expect(0, &["sync"]);
            assert!(site.expect(0, &["sync"]).out.contains("nothing to do"), "U3");
        };
        set("ada", &number("devs"));
        let listed = server.search(&["-b", &format!("CN=devs,OU=groups,{BASE}"), "-s", "base", "member"]);
        assert!(!listed.contains("CN=ada"), "{listed}");
        sync(&site);
        assert_eq!(
            (told(&site, "crew"), told(&site, "devs")),
            (vec!["ada direct".into()], vec!["ada primary".into(), "bob direct".into()])
        );
        assert_eq!(site.user("ada").unwrap()["role"], "admin");
        let explained = site.expect(0, &["explain", "ada"]).out;
        assert!(explained.contains("is the person's primary group"), "{explained}");
        // The old one lists her from now on.
        set("ada", &number("crew"));
        sync(&site);
        assert_eq!(
            (told(&site, "crew"), told(&site, "devs")),
            (vec!["ada primary".into()], vec!["ada direct".into(), "bob direct".into()])
        );
        // One person alone: into a group that she was in, and out of one that she is in.
        set("bob", &number("devs"));
        server.ldif(&format!(
            "dn: CN=devs,OU=groups,{BASE}\nchangetype: modify\ndelete: member\nmember: CN=ada,OU=people,{BASE}\n\n"
        ));
        for (who, crew, devs) in
            [("bob", &["ada primary"], &["ada direct", "bob primary"][..]), ("ada", &["ada primary"], &["bob primary"])]
        {
            site.expect(0, &["sync", "--user", who]);
            assert_eq!(
                (told(&site, "crew"), told(&site, "devs")),
                (crew.map(str::to_owned).to_vec(), devs.iter().map(ToString::to_string).collect())
            );
        }
        let role = |who: &str| site.user(who).unwrap()["role"].clone();
        assert_eq!((role("ada"), role("bob")), (Value::Null, json!("admin")));
        // Where no people are read, their primary groups are.
        let groups = |devs: &str| {
            site.expect(0, &["sync", "--only", "groups"]);
            assert_eq!((told(&site, "crew"), told(&site, "devs")), (vec!["ada primary".into()], vec![devs.to_owned()]));
        };
        set("bob", "513");
        groups("bob direct");
        set("bob", &number("devs"));
        groups("bob primary");
        sync(&site);
    }
}

mod ds389 {
    use super::*;

    const BASE: &str = "dc=example,dc=com";

    fn user(name: &str, more: &str) -> String {
        format!(
            "dn: uid={name},ou=people,{BASE}\nchangetype: add\nobjectClass: inetOrgPerson\nuid: {name}\ncn: {name}\nsn: Test\n\
             mail: {name}@example.com\n{more}\n\n"
        )
    }

    /// I2, U8, G3, L2: people by nsUniqueId; a lock disables; groups by member and memberUid.
    /// Faults: E6.
    #[test]
    fn a_directory_is_synchronised_at_the_first_try() {
        let Some(server) = Server::ds389() else { return };
        let group = format!(
            "dn: cn=devs,ou=groups,{BASE}\nchangetype: add\nobjectClass: groupOfNames\ncn: devs\nmember: \
             uid=ada,ou=people,{BASE}\n\n"
        );
        server.ldif(&[user("ada", ""), user("bob", "nsAccountLock: true\n"), user("cy", ""), group].concat());
        let site = site(&server);
        let said = site.expect(0, &["sync"]);
        let is = |name: &str, state: &str| (name.to_owned(), state.to_owned());
        assert_eq!(named(&site), [is("ada", "active"), is("cy", "active")], "{said:?}");
        assert_eq!(site.json(&["groups", "show", "devs"])["members"].as_array().unwrap().len(), 1);
        let check = site.expect(0, &["check"]).out;
        assert!(check.contains("389ds"), "{check}");
        server.ldif(&format!(
            "dn: uid=ada,ou=people,{BASE}\nchangetype: modify\nadd: nsAccountLock\nnsAccountLock: true\n\n\
             dn: uid=cy,ou=people,{BASE}\nchangetype: delete\n"
        ));
        site.expect(0, &["sync"]);
        assert_eq!(named(&site), [is("ada", "pending"), is("cy", "pending")]);
        let reason = |who: &str| site.user(who).unwrap()["pending_reason"].clone();
        assert_eq!((reason("ada"), reason("cy")), (json!("disabled"), json!("gone")));
    }
}
