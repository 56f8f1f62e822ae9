//! Which attribute goes where.

use serde_json::{Value, json};

use super::{BASE, dn, person};
use crate::support::program::Site;
use crate::support::slapd::{Options, Slapd};

fn modify(uid: &str, changes: &[&str]) -> String {
    let changes: String = changes.iter().map(|change| format!("{change}\n-\n")).collect();
    format!("dn: {}\nchangetype: modify\n{changes}\n", dn(uid))
}

fn people_at(site: &mut Site, more: &str) {
    site.set("users", &format!("base_dns = [\"ou=people,{BASE}\"]\n{more}"));
}

#[track_caller]
fn has(user: &Value, expected: &Value) {
    for (key, value) in expected.as_object().unwrap() {
        assert_eq!(&user[key], value, "{key}: {user}");
    }
}

/// COVATA-20, U1: given once, shown beforehand, and from then on the store's; not in a field that the directory gives.
#[test]
fn new_users_begin_with_the_default_values() {
    let Some(slapd) = Slapd::start(Options::default()) else { return };
    slapd.ldif(&person("ada"));
    let mut site = Site::new(&slapd);
    site.expect(0, &["sync"]);
    let more = "[users.attributes]\nnotes = \"\"\n[users.attributes.extra]\nroom = \"roomNumber\"\n[users.defaults]\n\
                plan = \"standard\"\nseats = 3\nnotes = \"new here\"\n";
    people_at(&mut site, more);
    site.expect(0, &["plan"]);
    assert_eq!(site.user("ada").unwrap()["extra"], json!({}), "on creation only");
    slapd.ldif(&person("bob"));
    let plan = site.expect(3, &["plan"]);
    assert!(
        plan.out.contains("plan: standard") || plan.out.contains("plan") && plan.out.contains("standard"),
        "{}",
        plan.out
    );
    site.expect(0, &["sync"]);
    let given = json!({ "extra": { "plan": "standard", "seats": "3" }, "notes": "new here" });
    has(&site.user("bob").unwrap(), &given);
    site.expect(0, &["plan"]);
    site.expect(0, &["users", "set", "bob", "plan=gold", "notes="]);
    site.expect(0, &["sync"]);
    has(&site.user("bob").unwrap(), &json!({ "extra": { "plan": "gold", "seats": "3" }, "notes": null }));
    site.expect(0, &["users", "delete", "bob"]);
    site.expect(0, &["sync"]);
    has(&site.user("bob").unwrap(), &given);
    people_at(
        &mut site,
        "[users.attributes.extra]\nroom = \"roomNumber\"\n[users.defaults]\nroom = \"1\"\ncompany = \"x\"\n",
    );
    let refused = site.expect(78, &["config", "validate"]);
    assert_eq!(refused.err.matches("the directory gives this field").count(), 2, "{}", refused.err);
}

/// VIPRE-10, VIPRE-21, COVATA-10, OKV-22, U6: every field arrives, and is kept current.
#[test]
fn every_field_arrives_and_follows_the_directory() {
    let Some(slapd) = Slapd::start(Options::default()) else { return };
    slapd.ldif(&format!(
        "{}givenName: Ada\ndisplayName: Ada L\nhomePhone: 1\nmobile: 2\no: Engines\ndepartmentNumber: 7\n\
         description: first\nproxyAddresses: smtp:a.l@example.com\n\n",
        person("ada").trim_end_matches('\n').to_owned() + "\n"
    ));
    slapd.ldif(&format!(
        "dn: cn=staff,ou=groups,{BASE}\nobjectClass: groupOfNames\ncn: staff\nmember: {}\n\n",
        dn("ada")
    ));
    let site = Site::new(&slapd);
    site.expect(0, &["sync"]);
    let first = json!({
        "username": "ada", "primary_address": "ada@example.com", "aliases": ["a.l@example.com"], "given_name": "Ada",
        "surname": "ada", "display_name": "Ada L", "home_phone": "1", "mobile": "2", "company": "Engines",
        "department": "7", "notes": "first",
    });
    has(&site.user("ada").unwrap(), &first);
    assert_eq!(site.json(&["groups", "list"])[0]["members"], 1);
    slapd.ldif(&modify(
        "ada",
        &[
            "replace: givenName\ngivenName: A.",
            "replace: sn\nsn: Lovelace",
            "replace: displayName\ndisplayName: Ada Lovelace",
            "replace: homePhone\nhomePhone: 11",
            "replace: mobile\nmobile: 22",
            "replace: o\no: Looms",
            "replace: departmentNumber\ndepartmentNumber: 8",
            "replace: description\ndescription: second",
            "replace: mail\nmail: ada.lovelace@example.com",
            "replace: proxyAddresses\nproxyAddresses: smtp:countess@example.com",
        ],
    ));
    site.expect(0, &["sync"]);
    let second = json!({
        "username": "ada", "primary_address": "ada.lovelace@example.com", "aliases": ["countess@example.com"],
        "given_name": "A.", "surname": "Lovelace", "display_name": "Ada Lovelace", "home_phone": "11", "mobile": "22",
        "company": "Looms", "department": "8", "notes": "second",
    });
    has(&site.user("ada").unwrap(), &second);
}

/// VIPRE-12, COVATA-30, COVATA-31, COVATA-32, COVATA-33, UNBLU-12, UNBLU-26, UNBLU-27, UNBLU-41, RSA-4, I2, U6: every field
/// can come from another attribute; a unique id of the operator's choice survives that the entry is made anew.
#[test]
fn every_field_can_come_from_another_attribute() {
    let Some(slapd) = Slapd::start(Options::default()) else { return };
    let entry = format!(
        "{}employeeNumber: 4711\ntitle: EXAMPLE\\Ada Löwe\ncarLicense: ada@ad.example\nlabeledURI: lions@example.com\n\
         street: Ada the Great\ninitials: A\nl: Löwe\npager: 5\nfacsimileTelephoneNumber: 6\nou: Zoo\nst: Cats\n\
         postalAddress: purrs\nroomNumber: 12\nregisteredAddress: smtp:cats@example.com\n\n",
        person("ada").trim_end_matches('\n').to_owned() + "\n"
    );
    slapd.ldif(&entry);
    let mut site = Site::new(&slapd);
    people_at(
        &mut site,
        "[users.attributes]\nunique_id = \"employeeNumber\"\nusername = \"title\"\nuser_principal_name = \"carLicense\"\n\
         mail = \"labeledURI\"\naliases = [\"registeredAddress\"]\ndisplay_name = \"street\"\ngiven_name = \"initials\"\n\
         surname = \"l\"\nhome_phone = \"pager\"\nmobile = \"facsimileTelephoneNumber\"\ncompany = \"ou\"\n\
         department = \"st\"\nnotes = \"postalAddress\"\n[users.attributes.extra]\nroom = \"roomNumber\"\n",
    );
    site.expect(0, &["sync"]);
    let before = site.user("lions@example.com").unwrap();
    let expected = json!({
        "unique_id": "4711", "username": "EXAMPLE\\Ada Löwe", "user_principal_name": "ada@ad.example",
        "aliases": ["cats@example.com"], "display_name": "Ada the Great", "given_name": "A", "surname": "Löwe",
        "home_phone": "5", "mobile": "6", "company": "Zoo", "department": "Cats", "notes": "purrs",
        "extra": { "room": "12" },
    });
    has(&before, &expected);
    slapd.ldif(&format!("dn: {}\nchangetype: delete\n", dn("ada")));
    slapd.ldif(&entry.replace("uid=ada,", "uid=anew,").replace("uid: ada", "uid: anew"));
    site.expect(0, &["sync"]);
    let after = site.user("lions@example.com").unwrap();
    assert_eq!((&after["id"], &after["state"]), (&before["id"], &"active".into()));
    assert_eq!(site.count("pending"), 0);
}

/// UNBLU-42, G2, G3: a group's id, name and members can come from other attributes, the members from several.
#[test]
fn a_group_can_be_made_of_other_attributes() {
    let Some(slapd) = Slapd::start(Options::default()) else { return };
    slapd.ldif(&["ada", "bob", "cy"].map(person).concat());
    let group = |cn: &str| {
        format!(
            "dn: cn={cn},ou=groups,{BASE}\nobjectClass: groupOfNames\ncn: {cn}\nbusinessCategory: g-1\no: The Staff\n\
             member: {}\nowner: {}\nseeAlso: {}\n\n",
            dn("cy"),
            dn("ada"),
            dn("bob")
        )
    };
    slapd.ldif(&group("staff"));
    let mut site = Site::new(&slapd);
    let attributes =
        "[groups.attributes]\nunique_id = \"businessCategory\"\nname = \"o\"\nmembers = [\"owner\", \"seeAlso\"]\n";
    site.set("groups", &format!("base_dns = [\"ou=groups,{BASE}\"]\n{attributes}"));
    site.expect(0, &["sync"]);
    let before = site.json(&["groups", "show", "The Staff"]);
    let names: Vec<&str> =
        before["members"].as_array().unwrap().iter().map(|member| member["username"].as_str().unwrap()).collect();
    assert_eq!(names, ["ada", "bob"]);
    slapd.ldif(&format!("dn: cn=staff,ou=groups,{BASE}\nchangetype: delete\n"));
    slapd.ldif(&group("crew"));
    site.expect(0, &["sync"]);
    assert_eq!(site.json(&["groups", "show", "The Staff"])["id"], before["id"]);
}

/// VIPRE-32, COVATA-34, COVATA-35, OKV-2, U8: any attribute can say who is disabled, and access ends with the run.
#[test]
fn the_status_attribute_and_its_values_are_a_matter_of_configuration() {
    let Some(slapd) = Slapd::start(Options::default()) else { return };
    slapd.ldif(&["ada", "bob"].map(person).concat());
    let mut site = Site::new(&slapd);
    site.set("[users.disabled]", "attribute = \"employeeType\"\nvalues = [\"left\", \"suspended\"]\n");
    site.expect(0, &["sync"]);
    slapd.ldif(&modify("ada", &["add: employeeType\nemployeeType: Suspended"]));
    slapd.ldif(&modify("bob", &["add: employeeType\nemployeeType: staff"]));
    site.expect(0, &["sync"]);
    let ada = site.user("ada").unwrap();
    assert_eq!((&ada["pending_reason"], &ada["access"]), (&"disabled".into(), &false.into()));
    assert_eq!(site.state("bob"), "active");
    slapd.ldif(&modify("ada", &["replace: employeeType\nemployeeType: staff"]));
    site.expect(0, &["sync"]);
    assert_eq!(site.user("ada").unwrap()["access"], true);
}

/// UNBLU-3, U2: a mapping that is switched off leaves the field to the store.
#[test]
fn a_field_that_is_not_mapped_belongs_to_the_store() {
    let Some(slapd) = Slapd::start(Options::default()) else { return };
    slapd.ldif(&(person("ada").trim_end_matches('\n').to_owned() + "\ndescription: theirs\nmobile: 1\n\n"));
    let mut site = Site::new(&slapd);
    people_at(&mut site, "[users.attributes]\nnotes = \"\"\n");
    site.expect(0, &["sync"]);
    has(&site.user("ada").unwrap(), &json!({ "notes": null, "mobile": "1" }));
    site.by_hand("UPDATE rd_users SET notes = 'ours', mobile = 'ours'");
    slapd.ldif(&modify("ada", &["replace: description\ndescription: theirs again"]));
    site.expect(0, &["sync"]);
    has(&site.user("ada").unwrap(), &json!({ "notes": "ours", "mobile": "1" }));
}
