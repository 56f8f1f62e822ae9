//! The plan.

use super::*;
use crate::cli::render::{plan, plan_json};
use crate::plan::{
    Act, Broken, Conflict, ConflictId, ConflictKind, FieldChange, Grant, GroupAct, GroupChange, GroupCounts, GroupId,
    GroupRef, Hold, MappedGroups, NewUser, RightsAct, RightsCounts, UserChange, Via, Without,
};
use crate::roster::skipped::tally;
use crate::roster::{Digest, FieldId, FieldNames, Fields, Skip, Skipped, UniqueId};

fn changed(label: &str, id: i64, acts: Vec<Act>) -> UserChange {
    UserChange { subject: UserRef::Known(UserId(id)), label: label.into(), unit: 0, acts, mark: None }
}

fn new_user(names: &FieldNames) -> NewUser {
    NewUser {
        key: UniqueId::new("7d7d0001-0000-4000-8000-000000000001").unwrap(),
        dn: "uid=ada,ou=people,dc=example,dc=com".into(),
        fields: Fields::new([
            (FieldId::USERNAME, "ada"),
            (FieldId::DISPLAY_NAME, "Ada \u{1b}[31mLovelace\u{202e}"),
            (names.extra("cost_center").unwrap(), "4711"),
        ]),
        primary: Some(address("ada@example.com")),
        aliases: [address("a.l@example.com")].into(),
        role: Some("admin".into()),
    }
}

fn flagged(from: State, reason: PendingReason, delete_after: Option<Timestamp>, detail: &str) -> Act {
    Act::Flagged { from, reason, flagged_at: now(), delete_after, counted: None, detail: detail.into() }
}

/// One of everything.
pub(super) fn everything(names: &FieldNames) -> Plan {
    Plan {
        users: people(names),
        group_counts: GroupCounts::of(&teams()),
        groups: teams(),
        reworded: Vec::new(),
        frozen: None,
        pending: 0,
        opened: vec![Conflict {
            kind: ConflictKind::AddressTaken,
            subject: "sales@example.com".into(),
            owner: Some(UserRef::Known(UserId(1))),
            detail: "bob has it, mallory\nclaims it; settled when one of them gives it up".into(),
            other: None,
        }],
        resolved: vec![ConflictId(4)],
        skips: vec![skip("disabled", "U4"), skip("disabled", "U4"), skip("no-address", "A1")],
        fates: vec![Skipped::LeftOut; 3],
        skipped: tally([
            ("uid=a", ("disabled", "U4"), false),
            ("uid=b", ("disabled", "U4"), false),
            ("uid=c", ("no-address", "A1"), false),
            ("uid=d", ("malformed-address", "A6"), true),
        ]),
        held: vec![
            Held {
                user: UserId(9),
                label: "ivan".into(),
                kind: BrakeKind::Missing,
                loses: Loss::Access(PendingReason::Gone),
            },
            Held {
                user: UserId(10),
                label: "judy".into(),
                kind: BrakeKind::Missing,
                loses: Loss::Access(PendingReason::FilteredOut),
            },
        ],
        holds: vec![Hold {
            kind: BrakeKind::Missing,
            would_go: 12,
            of: 40,
            says: "12 of 40 people who had access when brake.window began would be without it (10 of them \
                   already went within brake.window): more than brake.percent = 10"
                .into(),
            gone: 10,
            went: vec![(UserId(7), "pat".into()), (UserId(8), "ron".into())],
        }],
        unjudged: vec![("kim".into(), "the look-up gave no answer".into())],
        strangers: [("sales".to_owned(), 3)].into(),
        mapped: MappedGroups {
            broken: vec![Broken { place: "cn=wallets".into(), says: "the mapped group `cn=wallets` is gone".into() }],
            ..MappedGroups::default()
        },
        rights: RightsCounts { roles: 1, granted: 1, revoked: 1 },
        without: Some(Without { group: "guests".to_owned(), found: false, people: 2 }),
        counts: Counts {
            entries: 1_312,
            added: 2,
            updated: 2,
            moved: 1,
            flagged: 1,
            restored: 1,
            dormant: 0,
            deleted: 1,
            conflicts: 1,
            skipped: 3,
        },
        ..Plan::default()
    }
}

fn grant(privilege: &str) -> Box<Grant> {
    let key = UniqueId::new("g1").unwrap();
    Box::new(Grant { privilege: privilege.into(), key, dn: "cn=wallets,ou=groups,dc=x".into() })
}

fn people(names: &FieldNames) -> Vec<UserChange> {
    let key = Digest::of("ada");
    let field = |field, before: Option<&str>, after: Option<&str>| FieldChange {
        field,
        before: before.map(Into::into),
        after: after.map(Into::into),
    };
    let moved = Act::Moved { before: "uid=carol,ou=a,dc=x".into(), after: "uid=carol,ou=b,dc=x".into() };
    let bob = vec![
        Act::Updated(Box::new([
            field(Some(FieldId::MOBILE), Some("+41 1"), Some("+41 2")),
            field(Some(FieldId::NOTES), Some("gone soon"), None),
            field(None, Some("bob@example.com"), Some("b@example.com")),
        ])),
        Act::AliasAdded(address("bob@example.com")),
        Act::AliasRemoved { address: address("bobby@example.com"), counted: true },
        Act::Rights(RightsAct::Role { before: Some("admin".into()), after: Some("user".into()), counted: true }),
        Act::Rights(RightsAct::Granted(grant("wallet-read"))),
        Act::Rights(RightsAct::Revoked { grant: grant("wallet-write"), counted: true }),
    ];
    vec![
        UserChange {
            subject: UserRef::New(key),
            label: "ada".into(),
            unit: 0,
            acts: vec![Act::Added(new_user(names))],
            mark: None,
        },
        changed("bob", 1, bob),
        changed("carol", 2, vec![moved, Act::AliasAdded(address("c@example.com"))]),
        changed(
            "dave",
            3,
            vec![flagged(State::Active, PendingReason::Gone, Some(in_days(14)), "no entry bears the id")],
        ),
        changed("erin", 4, vec![flagged(State::Pending, PendingReason::Disabled, None, "")]),
        changed("frank", 5, vec![Act::Restored { from: State::Pending, reason: Some(PendingReason::Gone) }]),
        changed("grace", 6, vec![Act::Deleted { reason: Some(PendingReason::Disabled) }]),
        changed("heidi", 7, vec![Act::Revived(new_user(names))]),
        changed("only the mark is new", 8, Vec::new()),
    ]
}

fn teams() -> Vec<GroupChange> {
    let key = Digest::of("ada");
    vec![
        GroupChange {
            counted: Vec::new(),
            subject: GroupRef::New(Digest::of("sales")),
            name: "sales".into(),
            acts: vec![GroupAct::Added {
                key: UniqueId::new("g1").unwrap(),
                dn: "cn=sales,ou=groups,dc=x".into(),
                name: "sales".into(),
            }],
            joins: vec![(UserRef::New(key), Via::Direct), (UserRef::Known(UserId(9)), Via::Nested)],
            leaves: Vec::new(),
            changed: Vec::new(),
        },
        GroupChange {
            counted: Vec::new(),
            subject: GroupRef::Known(GroupId(2)),
            name: "it".into(),
            acts: vec![GroupAct::Updated {
                name: ("edv".into(), "it".into()),
                dn: ("cn=edv,dc=x".into(), "cn=it,dc=x".into()),
            }],
            joins: Vec::new(),
            leaves: vec![(UserId(3), Via::Direct)],
            changed: vec![(UserId(9), Via::Nested, Via::Direct)],
        },
        GroupChange {
            subject: GroupRef::Known(GroupId(3)),
            name: "old".into(),
            acts: vec![GroupAct::Flagged { flagged_at: now(), delete_after: Some(in_days(14)) }],
            joins: Vec::new(),
            leaves: Vec::new(),
            counted: Vec::new(),
            changed: Vec::new(),
        },
        GroupChange {
            counted: Vec::new(),
            subject: GroupRef::Known(GroupId(4)),
            name: "visitors".into(),
            acts: vec![GroupAct::Dropped { from: State::Active }],
            joins: Vec::new(),
            leaves: vec![(UserId(9), Via::Direct)],
            changed: Vec::new(),
        },
    ]
}

fn skip(reason: &'static str, rule: &'static str) -> Skip {
    Skip { dn: "uid=x,dc=x".into(), unique_id: None, reason: reason.into(), rule: rule.into(), detail: String::new() }
}

fn known() -> Labels {
    let mut labels = Labels::default();
    labels.insert(UserId(9), "ivan".into(), "00000000-0000-4000-8000-000000000009".into());
    labels
}

fn plan_view<'a>(plan: &'a Plan, names: &'a FieldNames, labels: &'a Labels) -> plan::View<'a> {
    plan::View { plan, incomplete: None, server: Some("ldaps://dc1.example.com"), names, labels, all: false }
}

/// B2
#[test]
fn a_plan_is_read_person_by_person_and_field_by_field() {
    let (names, labels) = (FieldNames::new(["cost_center"]), known());
    let plan = everything(&names);
    insta::assert_snapshot!("plan", plain(|out| plan::print(out, &plan_view(&plan, &names, &labels))));
}

/// B2
#[test]
fn a_plan_is_one_complete_json_object() {
    let (names, labels) = (FieldNames::new(["cost_center"]), known());
    let plan = everything(&names);
    let text = as_json(&plan_json::Whole(&plan_view(&plan, &names, &labels)));
    assert!(!text.contains('\u{202e}'));
    insta::assert_snapshot!("plan_json", text);
}

#[test]
fn colour_only_repeats_what_the_words_say() {
    let (names, labels) = (FieldNames::new(["cost_center"]), known());
    let mut plan = everything(&names);
    plan.users.truncate(2);
    plan.groups.clear();
    insta::assert_snapshot!(
        "plan_in_colour",
        styled(|out| plan::print(out, &plan_view(&plan, &names, &labels))).replace('\u{1b}', "ESC")
    );
}

#[test]
fn an_empty_plan_says_so_in_two_lines() {
    let (names, labels) = (FieldNames::default(), Labels::default());
    let plan = Plan { counts: Counts { entries: 312, ..Counts::default() }, ..Plan::default() };
    insta::assert_snapshot!(plain(|out| plan::print(out, &plan_view(&plan, &names, &labels))), @r"
    Plan: nothing to do.
    312 entries read from ldaps://dc1.example.com; nothing was changed.
    ");
}

#[test]
fn thousands_of_changes_stay_readable() {
    let (names, labels) = (FieldNames::default(), Labels::default());
    let gone = |n| changed(&format!("user{n}"), n, vec![flagged(State::Active, PendingReason::Gone, None, "why")]);
    let plan = Plan {
        users: (0..5_000).map(gone).collect(),
        groups: vec![GroupChange {
            counted: Vec::new(),
            subject: GroupRef::Known(GroupId(1)),
            name: "all".into(),
            acts: Vec::new(),
            joins: Vec::new(),
            leaves: (0..5_000).map(|id| (UserId(id), Via::Direct)).collect(),
            changed: Vec::new(),
        }],
        counts: Counts { flagged: 5_000, entries: 1, ..Counts::default() },
        ..Plan::default()
    };
    let text = plain(|out| plan::print(out, &plan_view(&plan, &names, &labels)));
    assert!(text.lines().count() < 300, "{text}");
    for line in [
        "  … and 4,900 more people; --all shows every line, --json everything",
        "      - … and 4,960 more",
        "Plan: 5,000 to flag.",
    ] {
        assert!(text.lines().any(|found| found == line), "{line}\n{text}");
    }
    let view = plan::View { all: true, ..plan_view(&plan, &names, &labels) };
    let all = plain(|out| plan::print(out, &view));
    assert!(all.lines().count() > 15_000 && !all.contains("more people"), "{}", all.lines().count());
    let whole = as_json(&plan_json::Whole(&plan_view(&plan, &names, &labels)));
    let read: serde_json::Value = serde_json::from_str(&whole).unwrap();
    assert_eq!(read["users"].as_array().unwrap().len(), 5_000);
}

/// B2: what takes something away is read first, what is new later, the totals last.
#[test]
fn the_most_important_is_read_first() {
    let (names, labels) = (FieldNames::new(["cost_center"]), known());
    let text = plain(|out| plan::print(out, &plan_view(&everything(&names), &names, &labels)));
    let titles =
        ["Held by the brake", "Deletions", "Departures", "Conflicts", "Returns", "New people", "Changes", "Plan:"];
    let places: Vec<_> = titles.map(|title| text.find(title).unwrap_or_else(|| panic!("{title}\n{text}"))).into();
    assert!(places.is_sorted(), "{places:?}\n{text}");
}
