//! What `rosterd check` tells before the first run: of the server, of rights, of addresses.

use std::sync::Arc;
use std::time::Duration;

use rosterd::clock::{Clock as _, SystemClock};

use crate::support::desk::Desk;
use crate::support::fake::{ACCOUNT, Act, At, Entry, Fake, Kind, PASSWORD, Tree};
use crate::support::program::{Site, source};
use crate::support::server::Server;
use crate::support::slapd::{Options, Slapd, people};

const BASE: &str = "dc=example,dc=com";

/// Sets up, and gives the lines of `check` with the expected exit status.
fn checked(desk: &Desk, code: i32, who: (&str, &str, &str)) -> Vec<String> {
    desk.init(0, who, &["--out", "rosterd.toml", "--force"]);
    lines(desk, code)
}

fn lines(desk: &Desk, code: i32) -> Vec<String> {
    desk.with_it(code, &["check"]).out.lines().map(str::to_owned).collect()
}

/// The texts of a step that ended so.
#[track_caller]
fn has(lines: &[String], begins: &str, words: &str) {
    let found = lines.iter().any(|line| {
        let mut parts = line.split_whitespace();
        let step = [parts.next(), parts.next()].map(Option::unwrap_or_default).join(" ");
        step == begins && line.contains(words)
    });
    assert!(found, "{begins}: {words}\n{lines:#?}");
}

/// Rights: what nobody shows, and passwords that are shown; pages as the server really gives them.
#[test]
fn openldap_is_told_with_its_pages_and_with_rights_too_few_and_too_many() {
    let reader = "dn.exact=\"cn=rosterd,ou=services,dc=example,dc=com\"";
    let options =
        Options { limits: format!("limits {reader} size.pr=200 size.prtotal=unlimited"), ..Options::default() };
    let Some(mut slapd) = Slapd::start(options) else { return };
    slapd.load(&people(BASE, 600));
    let desk = Desk::new();
    let who = (slapd.url(), slapd.bind_dn(), slapd.password());
    let told = checked(&desk, 0, who);
    has(&told, "ok pace", "users: first entry after ");
    has(&told, "ok paging", "200 entries a page");
    let written = desk.written();
    assert!(written.contains("\npage_size = 200"), "{written}");
    std::fs::write(desk.path("rosterd.toml"), written.replace("\npage_size = 200", "\npage_size = 1000")).unwrap();
    let larger = lines(&desk, 0);
    has(&larger, "ok pace", ", not of the 1,000 asked for");
    has(
        &larger,
        "warn paging",
        "refuses pages of 1,000, as source.page_size has them, and gives pages of 200: set source.page_size = 200",
    );
    has(&told, "ok controls", "the server announces paged results, content synchronization");
    has(&told, "ok controls", "; not DirSync, persistent search");
    has(&told, "ok limits", "does not show its limits to this account");
    has(&told, "ok clock", "does not show its clock; the newest change that was seen, of 20");
    has(
        &told,
        "warn attributes",
        "none of the 600 people read has description, homephone, mobile, o; if somebody should",
    );
    has(&told, "ok attributes", "has pwdaccountlockedtime");
    has(&told, "ok rights", "no password of the 5 people looked at is shown");
    drop(slapd);
    let access = format!("access to attrs=userPassword by {reader} read by anonymous auth by * none");
    let Some(slapd) = Slapd::start(Options { access, ..Options::default() }) else { return };
    slapd.ldif(&format!(
        "dn: uid=ada,ou=people,{BASE}\nchangetype: add\nobjectClass: inetOrgPerson\nuid: ada\ncn: ada\nsn: ada\n\
         mail: ada@example.com\nuserPassword: hunter2\n\n"
    ));
    let told = checked(&desk, 0, (slapd.url(), slapd.bind_dn(), slapd.password()));
    has(&told, "warn rights", "may read userPassword of `uid=ada,ou=people,dc=example,dc=com`");
    assert!(!told.iter().any(|line| line.contains("hunter2") || line.starts_with("warn  attributes")), "{told:#?}");
    let text = desk.written().replace("managed = [", "managed = [\"exmaple.com\", ");
    std::fs::write(desk.path("rosterd.toml"), text).unwrap();
    has(&lines(&desk, 0), "warn domain", "nobody has an address in exmaple.com");
}

/// On a domain controller: its clock, and what the account may change.
#[test]
fn samba_is_told_with_its_clock_and_what_the_account_may_change() {
    let Some(server) = Server::samba() else { return };
    server.ldif(
        "dn: CN=ada,OU=people,DC=example,DC=test\nchangetype: add\nobjectClass: user\nsAMAccountName: ada\n\
         mail: ada@example.com\nuserAccountControl: 512\n\n",
    );
    let desk = Desk::new();
    let told = checked(&desk, 0, (server.url(), server.bind_dn(), server.password()));
    has(&told, "ok clock", "differ by");
    has(&told, "ok controls", "DirSync");
    has(&told, "ok limits", "MaxPageSize=1000");
    has(&told, "ok limits", "MaxValRange=1500");
    has(&told, "ok state", "the server stands at update sequence number ");
    desk.with_it(0, &["sync"]);
    has(&lines(&desk, 0), "ok state", "no less than at run 1, the last complete one");
    has(&lines(&desk, 0), "ok proof", "; the server stood at update sequence number ");
    has(&lines(&desk, 0), "ok proof", " of invocation id ");
    let told = checked(&desk, 0, (server.url(), "Administrator", server.fact("admin_password")));
    has(&told, "warn rights", "rosterd only reads");
}

/// On 389 Directory Server: what the account may change, by the server's own word.
#[test]
fn ds389_is_told_with_what_the_account_may_change() {
    let Some(server) = Server::ds389() else { return };
    server.ldif(&format!(
        "dn: uid=ada,ou=people,{BASE}\nchangetype: add\nobjectClass: inetOrgPerson\nuid: ada\ncn: ada\nsn: ada\n\
         mail: ada@example.com\n\n"
    ));
    let desk = Desk::new();
    let told = checked(&desk, 0, (server.url(), server.bind_dn(), server.password()));
    has(&told, "ok rights", "no password of the 1 person looked at is shown");
    has(&told, "ok rights", "the bind account may change nothing of the 1 person looked at");
    has(&told, "ok clock", "differ by");
    has(&told, "ok limits", "nsPagedLookThroughLimit=-1");
    has(&told, "ok controls", "persistent search");
    desk.with_it(0, &["sync"]);
    has(&lines(&desk, 0), "ok proof", "; the server stood at update sequence number ");
    server.ldif(&format!(
        "dn: {BASE}\nchangetype: modify\nadd: aci\naci: (targetattr=\"mail\")(version 3.0; acl \"too much\"; allow (write) \
         userdn=\"ldap:///{}\";)\n\n",
        server.bind_dn()
    ));
    has(&lines(&desk, 0), "warn rights", "the bind account may change `uid=ada,ou=people,dc=example,dc=com` (mail)");
}

/// E1: what ends a search on a 389 Directory Server is told with the names that its limits have there.
#[test]
fn limits_of_ds389_are_told_in_its_words() {
    let Some(server) = Server::ds389() else { return };
    let person = |name: &str| {
        format!(
            "dn: uid={name},ou=people,{BASE}\nchangetype: add\nobjectClass: inetOrgPerson\nuid: {name}\ncn: {name}\n\
             sn: {name}\nmail: {name}@example.com\n\n"
        )
    };
    server.ldif(&["ada", "bob", "cy", "dan"].map(person).concat());
    let desk = Desk::new();
    checked(&desk, 0, (server.url(), server.bind_dn(), server.password()));
    let limit = |size: &str, look_through: &str| {
        let set = |name: &str, value: &str| format!("replace: {name}\n{name}: {value}\n-\n");
        let all = [("nsSizeLimit", size), ("nsPagedSizeLimit", size)];
        let all =
            all.into_iter().chain([("nsLookThroughLimit", look_through), ("nsPagedLookThroughLimit", look_through)]);
        let sets = all.map(|(name, value)| set(name, value)).collect::<String>();
        server.ldif(&format!("dn: {}\nchangetype: modify\n{sets}\n", server.bind_dn()));
    };
    for (size, look_through, words) in [
        (
            "2",
            "-1",
            "code 4: sizeLimitExceeded: the server's size limit cut the list off; raise it for the bind account (nsSizeLimit",
        ),
        (
            "-1",
            "2",
            "code 11: adminLimitExceeded: the limit of entries that the server looks at ended the search; raise it for the bind \
                     account (nsLookThroughLimit",
        ),
    ] {
        limit(size, look_through);
        let told = lines(&desk, 1);
        has(&told, "fail users", words);
        assert!(!told.iter().any(|line| line.contains("dn.exact")), "OpenLDAP's words: {told:#?}");
    }
}

/// E1: a server that does not let the account page at all is told with the setting that helps, and the rest is looked at all
/// the same; `init` writes that setting.
#[test]
fn a_server_that_does_not_let_the_account_page_is_told_with_the_setting() {
    let reader = "dn.exact=\"cn=rosterd,ou=services,dc=example,dc=com\"";
    let options =
        Options { limits: format!("limits {reader} size=unlimited size.prtotal=disabled"), ..Options::default() };
    let Some(mut slapd) = Slapd::start(options) else { return };
    slapd.load(&people(BASE, 20));
    let mut site = Site::new(&slapd);
    site.set("source", &source(&slapd, slapd.url(), ""));
    let told: Vec<String> = site.expect(1, &["check"]).out.lines().map(str::to_owned).collect();
    has(&told, "fail paging", "does not let the bind account page; set source.page_size = 0");
    has(&told, "ok users", "20 entries match");
    assert_eq!(told.iter().filter(|line| line.starts_with("fail ")).count(), 1, "{told:#?}");
    site.set("source", &source(&slapd, slapd.url(), "page_size = 0"));
    let told: Vec<String> = site.expect(0, &["check"]).out.lines().map(str::to_owned).collect();
    has(&told, "warn paging", "switched off by source.page_size = 0");
    site.expect(0, &["sync"]);
    let desk = Desk::new();
    checked(&desk, 0, (slapd.url(), slapd.bind_dn(), slapd.password()));
    assert!(desk.written().contains("\npage_size = 0"), "{}", desk.written());
}

/// E7: what a run would say of a server that was restored from a backup, and of another one that does not tell its state.
#[test]
fn a_server_that_knows_less_than_the_last_complete_run_is_told() {
    let Some(mut slapd) = Slapd::start(Options::default()) else { return };
    slapd.ldif(&people(BASE, 8));
    let site = Site::new(&slapd);
    let told = |code| site.expect(code, &["check"]).out.lines().map(str::to_owned).collect::<Vec<_>>();
    has(&told(0), "ok state", "no run was complete yet");
    slapd.back_up();
    slapd.ldif(&format!(
        "dn: uid=new,ou=people,{BASE}\nchangetype: add\nobjectClass: inetOrgPerson\nuid: new\ncn: new\nsn: new\n\
         mail: new@example.com\n\n"
    ));
    site.expect(0, &["sync"]);
    has(&told(0), "ok state", "the server stands at contextCSN 20");
    has(&told(0), "ok state", "no less than at run 1, the last complete one");
    has(&told(0), "ok proof", "; the server stood at contextCSN 20");
    assert!(site.json(&["runs", "show", "1"])["proof"]["state"].as_str().unwrap().starts_with("contextCSN 20"));
    slapd.restore();
    has(&told(1), "fail state", "was its data restored from a backup");
    has(&told(1), "fail state", "every run is incomplete (server-behind), and nobody is missed or restored");
    assert!(site.expect(5, &["sync"]).out.contains("was its data restored from a backup"));
    site.by_hand("UPDATE rd_runs SET basis = replace(basis, '\"server\":\"ldap', '\"server\":\"ldaps')");
    site.by_hand("UPDATE rd_runs SET basis = json_set(basis, '$.change_numbers', json('{}')) WHERE basis IS NOT NULL");
    has(&told(0), "warn state", "nobody can tell whether it is up to date");
    has(&told(0), "warn state", "until then runs are incomplete (server-changed)");
}

/// E2: an attribute that people had at the last complete run and nobody shows now, mapped or of a disabled test.
#[test]
fn attributes_that_vanished_since_the_last_complete_run_are_told() {
    let Some(slapd) = Slapd::start(Options::default()) else { return };
    slapd.ldif(&people(BASE, 9));
    let mut site = Site::new(&slapd);
    site.set("log", "format = \"json\"\n");
    let all = |change: &str| {
        let one = |number: usize| format!("dn: uid=u{number:05},ou=people,{BASE}\nchangetype: modify\n{change}\n\n");
        slapd.ldif(&(0..9).map(one).collect::<String>());
    };
    let one = |change: &str| slapd.ldif(&format!("dn: uid=u00003,ou=people,{BASE}\nchangetype: modify\n{change}\n\n"));
    one("add: pwdAccountLockedTime\npwdAccountLockedTime: 000001010000Z");
    one("add: mobile\nmobile: 1");
    site.expect(0, &["sync"]);
    let told = |code| site.expect(code, &["check"]).out.lines().map(str::to_owned).collect::<Vec<_>>();
    let before = told(0);
    assert!(!before.iter().any(|line| line.contains("at the last complete run, is shown")), "{before:#?}");
    one("delete: mobile");
    one("delete: pwdAccountLockedTime");
    let after = told(0);
    has(&after, "warn attributes", "`mobile`, which 1 of 9 people had at the last complete run, is shown of none");
    has(&after, "warn attributes", "`pwdaccountlockedtime`, which 1 of 9 people had at the last complete run");
    let log = site.expect(0, &["sync"]).err;
    assert!(log.contains("attribute.unseen") && log.contains("nobody has `pwdaccountlockedtime` any more"), "{log}");
    assert!(!log.contains("nobody has `mobile`"), "{log}");
    let few = "nobody has any more what a few had: `mobile` (1), `pwdaccountlockedtime` (1)";
    has(&told(0), "ok proof", few);
    // What a run would not believe fails.
    all("add: pwdAccountLockedTime\npwdAccountLockedTime: 000001010000Z");
    site.expect(4, &["sync"]);
    all("delete: mail");
    all("delete: pwdAccountLockedTime");
    let after = told(1);
    let says = "`mail`, which 9 of 9 people had at the last complete run, is shown of none of the 9 people read now: every run \
                would be incomplete; let the bind account read it";
    has(&after, "fail attributes", says);
    has(&after, "fail attributes", "`pwdaccountlockedtime`, which 9 of 9 people had at the last complete run");
    assert!(!after.iter().any(|line| line.contains("people read has mail")), "told once: {after:#?}");
    assert!(site.expect(5, &["sync"]).out.contains("attribute `mail`"));
}

/// What Samba does not do: ranges, a clock that is off, a filter that makes the server look at every entry; a controller that
/// is read-only.
///
/// Faults: C14.
#[test]
fn a_domain_controller_is_told_with_its_ranges_its_clock_and_its_pace() {
    let mut kind = Kind { schema: Vec::new(), range: Some(3), largest_page: Some(2), ..Kind::active_directory() };
    let behind = (SystemClock.now() - Duration::from_secs(600)).to_string();
    let time = format!("{}.0Z", behind[..19].replace(['-', ':', 'T'], ""));
    kind.root.push(("currentTime", vec![time]));
    kind.root.push(("supportedCapabilities", vec!["1.2.840.113556.1.4.1920".to_owned()]));
    let mut tree = Tree::default();
    tree.add(Entry::new(BASE).with("objectClass", "domain").with("dc", "example"));
    tree.add(Entry::new(format!("OU=people,{BASE}")).with("objectClass", "organizationalUnit"));
    for number in 0..5_u8 {
        let name = format!("u{number}");
        let entry = Entry::new(format!("CN={name},OU=people,{BASE}")).with_all("objectClass", ["person", "user"]);
        let entry =
            entry.with("objectCategory", "person").with("objectGUID", [number; 16]).with("sAMAccountName", &name);
        let entry = entry.with("userAccountControl", "512").with("accountExpires", "0");
        let entry = entry.with("mail", format!("{name}@example.com"));
        tree.add(if number == 4 { entry.with("unicodePwd", "hunter2") } else { entry });
    }
    let group = Entry::new(format!("CN=all,{BASE}")).with("objectClass", "group").with("objectGUID", [9; 16]);
    tree.add(group.with("cn", "all").with_all("member", (0..5).map(|number| format!("CN=u{number},OU=people,{BASE}"))));
    let fake = Fake::start(kind, tree);
    let desk = Desk::new();
    let told = checked(&desk, 0, (&fake.url(), ACCOUNT, PASSWORD));
    assert!(
        !desk.written().lines().any(|line| line.starts_with("base_dns")),
        "people are made anywhere: {}",
        desk.written()
    );
    has(&told, "warn clock", "seconds behind this host's");
    has(&told, "warn kind", "a read-only domain controller");
    has(&told, "warn rights", "the bind account may read unicodePwd of `CN=u4,OU=people");
    let asked = fake.log().into_iter().filter(|line| line.ends_with(", no values")).count();
    assert_eq!(asked, 5, "values of passwords are not asked for");
    has(&told, "warn attributes", "none of the 5 people read has company, department");
    has(&told, "ok range", "`member` out in ranges of 3 values");
    has(&told, "ok pace", "users: first entry after");
    has(&told, "ok pace", "pages of 2, not of the 1,000 asked for");
    fake.always(At::below(BASE), Act::Do(Arc::new(|_| std::thread::sleep(Duration::from_millis(1100)))));
    has(&lines(&desk, 0), "warn index", "index the attributes of `(&(objectCategory=person)");
    fake.repair();
    fake.always(At::below(BASE), Act::Answer(11, "look-through limit"));
    has(
        &lines(&desk, 1),
        "fail users",
        "index the filter's attributes, or raise the limit in the server's query policy",
    );
}

/// U8: which of the kind's disabled tests the configuration's own list replaces, and whom only that one would hold.
#[test]
fn disabled_tests_that_are_replaced_are_told() {
    let Some(slapd) = Slapd::start(Options::default()) else { return };
    slapd.ldif(&people(BASE, 4));
    let lock = |uid: &str| {
        let lock = "replace: pwdAccountLockedTime\npwdAccountLockedTime: 000001010000Z";
        slapd.ldif(&format!("dn: uid={uid},ou=people,{BASE}\nchangetype: modify\n{lock}\n"));
    };
    let mut site = Site::new(&slapd);
    let uids: Vec<String> = {
        site.expect(0, &["sync"]);
        let all = site.json(&["users", "list"]);
        all.as_array().unwrap().iter().map(|user| user["username"].as_str().unwrap().to_owned()).collect()
    };
    let own = "[[users.disabled]]\nattribute = \"employeeType\"\nvalues = [\"left\"]\n";
    let kept = "[[users.disabled]]\nattribute = \"pwdAccountLockedTime\"\nvalues = [\"000001010000Z\"]\n";
    let users = |tests: &str| format!("base_dns = [\"ou=people,{BASE}\"]\n{tests}");
    let told = |site: &Site| site.expect(0, &["check"]).out.lines().map(str::to_owned).collect::<Vec<_>>();
    site.set("users", &users(own));
    let lines = told(&site);
    has(
        &lines,
        "ok disabled-test",
        "replaces the usual test on `pwdaccountlockedtime`, which disables none of the 4 entries",
    );
    has(&lines, "ok disabled-test", "replaces the usual test on `shadowexpire`");
    lock(&uids[0]);
    lock(&uids[1]);
    let lines = told(&site);
    let says = "by which 2 of the 4 entries looked at are disabled: without it they come in; to keep both, add another \
                [[users.disabled]] with attribute = \"pwdAccountLockedTime\", values = [\"000001010000Z\"]";
    has(&lines, "warn disabled-test", says);
    let told_of = |lines: &[String], name: &str| {
        lines.iter().any(|line| line.contains("replaces the usual test on") && line.contains(name))
    };
    site.set("users", &users(&format!("{own}{kept}")));
    let lines = told(&site);
    assert!(!told_of(&lines, "pwdaccountlockedtime") && told_of(&lines, "shadowexpire"), "{lines:#?}");
    // Without a list of one's own, the kind's tests hold.
    site.set("users", &users(""));
    assert!(!told_of(&told(&site), ""));
}

/// B1, E2: fewer than the roster holds, with the probable cause.
#[test]
fn people_and_groups_of_the_roster_who_are_not_found_are_told() {
    let Some(slapd) = Slapd::start(Options::default()) else { return };
    slapd.ldif(&people(BASE, 40));
    let mut site = Site::new(&slapd);
    site.expect(0, &["sync"]);
    let told = |site: &Site| site.expect(0, &["check"]).out.lines().map(str::to_owned).collect::<Vec<_>>();
    assert!(!told(&site).iter().any(|line| line.starts_with("warn  roster")), "all are found");
    let one = site.json(&["users", "list"])[0]["username"].as_str().unwrap().to_owned();
    site.set("users", &format!("base_dns = [\"ou=people,{BASE}\"]\nfilter = \"(uid={one})\"\n"));
    site.set("groups", &format!("base_dns = [\"ou=groups,{BASE}\"]\nfilter = \"(cn=team-0000)\"\n"));
    let lines = told(&site);
    let says = "39 of the 40 users and 1 of the 2 groups that the roster has of this source were not found";
    has(&lines, "warn roster", says);
    let cause = format!(
        "changed since run 1, the last that ended well: `groups.filter` was not set and is \"(cn=team-0000)\"; `users.filter` was not set and is \"(uid={one})\""
    );
    has(&lines, "warn roster", &cause);
    site.set("users", &format!("base_dns = [\"ou=people,{BASE}\"]\n"));
    site.set("groups", &format!("base_dns = [\"ou=groups,{BASE}\"]\n"));
    slapd.ldif(&format!("dn: uid={one},ou=people,{BASE}\nchangetype: delete\n"));
    let cause = "1 of the 40 users that the roster has of this source was not found, and a run would look for each";
    has(&told(&site), "warn roster", cause);
    has(&told(&site), "warn roster", "since run 1, the last that ended well, neither configuration nor server changed");
}
