//! FreeIPA's tree on a 389 Directory Server, which is what FreeIPA is made of.

use super::*;

const BASE: &str = "dc=example,dc=com";
const USERS: &str = "cn=users,cn=accounts";
const STAGED: &str = "cn=staged users,cn=accounts,cn=provisioning";
const PRESERVED: &str = "cn=deleted users,cn=accounts,cn=provisioning";

/// The classes and attributes of FreeIPA, and its containers.
fn freeipa() -> Option<Server> {
    let server = Server::ds389()?;
    server.ldif(
        "dn: cn=schema\nchangetype: modify\nadd: attributeTypes\nattributeTypes: ( 2.16.840.1.113730.3.8.3.1 NAME \
         'ipaUniqueID' EQUALITY caseIgnoreMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 )\n\n\
         dn: cn=schema\nchangetype: modify\nadd: objectClasses\nobjectClasses: ( 2.16.840.1.113730.3.8.4.1 NAME \
         'ipaObject' SUP top AUXILIARY MUST ipaUniqueID )\nobjectClasses: ( 2.16.840.1.113730.3.8.4.3 NAME \
         'ipaUserGroup' SUP groupOfNames STRUCTURAL )\n",
    );
    let containers = ["cn=accounts", USERS, "cn=groups,cn=accounts", "cn=provisioning", "cn=accounts,cn=provisioning"];
    for name in containers.iter().chain(&[STAGED, PRESERVED]) {
        server.ldif(&format!("dn: {name},{BASE}\nchangetype: add\nobjectClass: nsContainer\n\n"));
    }
    Some(server)
}

/// The lock of everybody below `cn=provisioning`, which the server computes (class of service).
fn lock_the_provisional(server: &Server) {
    let place = format!("cn=accounts,cn=provisioning,{BASE}");
    server.ldif(&format!(
        "dn: cn=locked,{place}\nchangetype: add\nobjectClass: extensibleObject\nobjectClass: cosTemplate\nnsAccountLock: \
         true\n\ndn: cn=lock,{place}\nchangetype: add\nobjectClass: cosSuperDefinition\nobjectClass: \
         cosPointerDefinition\ncosTemplateDn: cn=locked,{place}\ncosAttribute: nsAccountLock operational\n\n"
    ));
    let shown = || server.search(&["-b", &place, "(uid=*)", "nsAccountLock"]).contains("nsAccountLock: true");
    wait_until(Duration::from_secs(30), || shown().then_some(())).expect("the server computes the lock");
}

fn user(name: &str, place: &str, id: &str) -> String {
    format!(
        "dn: uid={name},{place},{BASE}\nchangetype: add\nobjectClass: inetOrgPerson\nobjectClass: ipaObject\nuid: {name}\n\
         cn: {name}\nsn: Test\nmail: {name}@example.com\nipaUniqueID: {id}\n\n"
    )
}

fn moved(name: &str, from: &str, to: &str) -> String {
    format!(
        "dn: uid={name},{from},{BASE}\nchangetype: modrdn\nnewrdn: uid={name}\ndeleteoldrdn: 1\nnewsuperior: {to},{BASE}\n\n"
    )
}

/// I4, L2, L5: whoever is staged or preserved is not in, wherever reading begins and whether or not the account may see
/// that they are locked; who is preserved is flagged, and has everything again when restored.
/// Faults: D8.
#[test]
fn whoever_is_staged_or_preserved_is_not_in() {
    for locked in [true, false] {
        let Some(server) = freeipa() else { return };
        let ids = ["a1", "b2", "c3"].map(|id| format!("{id}000000-0000-11ee-8000-525400000000"));
        server.ldif(&[user("ada", USERS, &ids[0]), user("bob", USERS, &ids[1]), user("cy", USERS, &ids[2])].concat());
        // As they are until somebody activates them.
        server.ldif(&[user("stan", STAGED, "autogenerate"), user("sue", STAGED, "autogenerate")].concat());
        if locked {
            lock_the_provisional(&server);
        }
        let mut site = site(&server);
        site.set("source", &source(&server, server.url(), "kind = \"freeipa\""));
        site.expect(0, &["sync"]);
        let is = |name: &str, state: &str| (name.to_owned(), state.to_owned());
        let all = [is("ada", "active"), is("bob", "active"), is("cy", "active")];
        assert_eq!(named(&site), all, "locked: {locked}");
        let had = site.rights();
        assert!(site.expect(0, &["sync"]).out.contains("nothing to do"), "U3");
        assert!(site.expect(0, &["check"]).out.contains("3 entries match"));

        server.ldif(&[moved("bob", USERS, PRESERVED), moved("cy", USERS, PRESERVED)].concat());
        site.expect(0, &["sync"]);
        assert_eq!(named(&site), [is("ada", "active"), is("bob", "pending"), is("cy", "pending")], "locked: {locked}");
        let reason = if locked { "disabled" } else { "moved-out" };
        assert_eq!(site.user("bob").unwrap()["pending_reason"], reason);
        let explained = site.expect(0, &["explain", "bob"]).out;
        assert!(explained.contains(PRESERVED), "{explained}");
        site.expect(0, &["sync", "--user", "cy"]);

        let restored = moved("bob", PRESERVED, USERS) + &moved("cy", PRESERVED, USERS);
        server.ldif(&restored);
        site.expect(0, &["sync"]);
        assert_eq!(site.rights(), had, "locked: {locked}");

        // Activated: another entry, with an id.
        let (stan, id) =
            (format!("dn: uid=stan,{STAGED},{BASE}\nchangetype: delete\n"), "d4000000-0000-11ee-8000-5254");
        server.ldif(&(user("stan", USERS, id) + &stan));
        site.expect(0, &["sync"]);
        assert_eq!((site.state("stan"), site.count("active")), ("active".to_owned(), 4));

        // Whoever wants them says so.
        site.set("users", &format!("base_dns = [\"{BASE}\", \"{STAGED},{BASE}\"]"));
        site.expect(0, &["sync"]);
        assert_eq!(site.user("sue").is_some(), !locked);
    }
}
