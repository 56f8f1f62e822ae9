//! What the store has.

use serde_json::json;

use super::*;
use crate::cli::render::change::Names;
use crate::cli::render::{check, groups, runs, users};
use crate::store::rows::{ChangeRow, GrantRow, GroupRow, MemberRow, MembershipRow, SkipRow, UserRow};

fn pending(mut user: UserRow) -> UserRow {
    user.state = "pending".to_owned();
    user.access = false;
    user.pending_reason = Some("disabled".to_owned());
    user.flagged_at = Some("2026-01-14T12:00:00.000Z".to_owned());
    user.delete_after = Some("2026-01-28T12:00:00.000Z".to_owned());
    user
}

pub(crate) fn change_row(seq: i64, kind: &str, user: Option<&str>, group: Option<&str>) -> ChangeRow {
    ChangeRow {
        seq,
        run_id: Some(17),
        at: "2026-01-15T12:00:00.000Z".to_owned(),
        kind: kind.to_owned(),
        user_id: user.map(str::to_owned),
        group_id: group.map(str::to_owned),
        before: None,
        after: None,
        rule: "U2".to_owned(),
    }
}

#[test]
fn runs_are_listed_with_what_they_changed_and_why_they_failed() {
    let mut good = run_row(17, "ok", "2026-01-15T12:00:00.000Z");
    (good.added, good.flagged) = (1_200, 3);
    let mut bad = run_row(16, "failed", "2026-01-15T06:00:00.000Z");
    bad.error = Some("cannot reach ldaps://dc1.example.com:636\nconnection refused".to_owned());
    let running = run_row(18, "running", "2026-01-15T13:00:00.000Z");
    let twice = run_row(19, "ok", "2026-01-15T13:00:07.000Z");
    let seconds = plain(|out| runs::list(out, &[twice, running.clone()], None));
    assert!(seconds.contains("2026-01-15 13:00:07 UTC") && seconds.contains("13:00:00 UTC"), "{seconds}");
    insta::assert_snapshot!("runs", plain(|out| runs::list(out, &[running, good, bad], None)));
}

#[test]
fn one_run_is_read_line_by_line() {
    let mut run = run_row(17, "held", "2026-01-15T12:00:00.000Z");
    (run.added, run.updated, run.server) = (1, 1, Some("ldaps://dc1.example.com".to_owned()));
    run.error = Some("the brake holds 2 of 40 people".to_owned());
    let mut added = change_row(1, "user.added", Some("u1"), None);
    added.after =
        Some(json!({ "username": "ada", "aliases": ["a.l@example.com"], "notes": null, "dn": "uid=ada,dc=x" }));
    let mut updated = change_row(2, "user.updated", Some("u2"), None);
    updated.before = Some(json!({ "mobile": "+41 1", "notes": null }));
    updated.after = Some(json!({ "mobile": "+41 2\u{1b}[2J", "notes": "x" }));
    let mut flagged = change_row(3, "user.flagged", Some("u3"), None);
    flagged.before = Some(json!({ "state": "active" }));
    flagged.after = Some(json!({ "state": "pending", "pending_reason": "gone", "delete_after": null, "detail": "" }));
    let joined = change_row(4, "membership.added", Some("u2"), Some("g1"));
    let mut names = Names::default();
    names.users(&[user_row("u2", "bob"), user_row("u3", "carol")]);
    names.groups(&[group_row()]);
    let held = [Held {
        user: UserId(9),
        label: "ivan".into(),
        kind: BrakeKind::Missing,
        loses: Loss::Access(PendingReason::Gone),
    }];
    let changes = [added, updated, flagged, joined];
    let view = runs::View {
        left_out: None,
        run: &run,
        changes: &changes,
        held: &held,
        names: &names,
        approved_by: None,
        waits: Some(17),
        command: &command,
        columns: None,
    };
    insta::assert_snapshot!("run", plain(|out| runs::show(out, &view)));
    insta::assert_snapshot!("run_json", as_json(&runs::value(&view)));
    // B1: a run that nobody has to approve any more says so, and where to go on.
    let shown = |view: runs::View<'_>| plain(|out| runs::show(out, &view));
    let later = shown(runs::View { waits: Some(19), ..view });
    assert!(later.contains("run 19 is the one that waits now") && !later.contains("approve 17"), "{later}");
    let over = shown(runs::View { waits: None, ..view });
    assert!(over.contains("nothing of this waits any more") && !over.contains("approve 17"), "{over}");
    let by = run_row(18, "ok", &run.started_at);
    let approved = |did_it| Some(runs::Approved { run: &by, did_it });
    let done = shown(runs::View { approved_by: approved(true), waits: None, ..view });
    assert!(done.contains("It was approved: run 18 did it."), "{done}");
    let idle = shown(runs::View { approved_by: approved(false), waits: None, ..view });
    assert!(idle.contains("It was approved: run 18 looked again, and there was nothing left to do."), "{idle}");
    let approving = RunRow { cause: Some("no-users,approved:17".to_owned()), ..run_row(18, "ok", &run.started_at) };
    let approving = shown(runs::View { run: &approving, held: &[], ..view });
    assert!(approving.contains("approved  what run 17 held"), "{approving}");
}

/// VIPRE-18
#[test]
fn users_are_listed_with_their_aliases_beneath() {
    let mut ada = user_row("u1", "ada");
    ada.aliases = vec!["a.l@example.com".to_owned(), "countess@example.com".to_owned()];
    let mut gone = user_row("00000000-0000-4000-8000-000000000003", "x");
    (gone.username, gone.primary_address, gone.dn, gone.display_name) = (None, None, None, None);
    gone.state = "deleted".to_owned();
    let users = [ada, pending(user_row("u2", "bob")), gone];
    insta::assert_snapshot!("users", plain(|out| users::list(out, &users, None)));
    let narrow = plain(|out| users::list(out, &users, Some(72)));
    assert!(narrow.lines().all(|line| unicode_width::UnicodeWidthStr::width(line) <= 72), "{narrow}");
}

/// OKV-29, L2
#[test]
fn one_user_is_shown_with_state_dates_what_settles_it_and_history() {
    let mut user = pending(user_row("u1", "ada"));
    user.aliases = vec!["a.l@example.com".to_owned()];
    let groups = [MembershipRow { group_id: "g1".into(), name: "sales".into(), via: "direct".into() }];
    let mut flagged = change_row(3, "user.flagged", Some("u1"), None);
    flagged.before = Some(json!({ "state": "active" }));
    flagged.after = Some(json!({ "state": "pending", "pending_reason": "disabled" }));
    let conflicts = [conflict_row()];
    let view = users::View {
        left_out: &[],
        values: &[],
        waits: None,
        user: &user,
        grants: &[GrantRow {
            user_id: user.id.clone(),
            username: user.username.clone(),
            primary_address: user.primary_address.clone(),
            privilege: "wallet-read".to_owned(),
            via: "local".to_owned(),
            group_dn: None,
        }],
        groups: &groups,
        history: &[flagged],
        conflicts: &conflicts,
        names: &Names::default(),
        now: now(),
        command: &command,
        columns: None,
    };
    insta::assert_snapshot!("user", plain(|out| users::show(out, &view)));
    insta::assert_snapshot!("user_json", as_json(&users::value(&view)));
}

#[test]
fn somebody_who_is_not_in_is_told_why_the_last_run_left_her_out() {
    let skip = SkipRow {
        source: "corp".into(),
        dn: "uid=eve,dc=x".into(),
        unique_id: None,
        reason: "disabled".into(),
        rule: "U4".into(),
        detail: String::new(),
        seen_at: String::new(),
        is_user: false,
    };
    assert_eq!(
        users::absent("eve", &[&skip], &[]),
        [
            "the last run of `corp` left out uid=eve,dc=x: disabled (U4); `rosterd explain eve` reads the directory now and \
          says what to do"
        ]
    );
    let contested = users::absent("sales@example.com", &[], &[&conflict_row()]);
    assert_eq!(contested, [format!("sales@example.com is contested (address-taken): {}", conflict_row().detail)]);
}

#[test]
fn groups_are_listed_and_one_is_shown_with_its_members() {
    let member = MemberRow {
        user_id: "u1".into(),
        username: Some("ada".into()),
        primary_address: Some("ada@example.com".into()),
        display_name: None,
        via: "direct".into(),
    };
    let group = group_row();
    insta::assert_snapshot!("groups", plain(|out| groups::list(out, std::slice::from_ref(&group), None)));
    let gives = ["role admin".to_owned(), "grant wallet-read".to_owned()];
    insta::assert_snapshot!(
        "group",
        plain(|out| groups::show(out, &group, (std::slice::from_ref(&member), &gives), None))
    );
    insta::assert_snapshot!("group_json", as_json(&groups::value(&group, &[member], &gives)));
}

#[test]
fn a_check_is_a_line_a_step_with_the_verdict_first() {
    use check::{Step, Verdict};
    let steps = [
        Step::new(Verdict::Ok, "store", "/var/lib/rosterd/roster.db: the schema is current"),
        Step::new(Verdict::Warn, "tls", "the certificate ends in 9 days; renew it"),
        Step::new(Verdict::Fail, "bind", "refused: `cn=rosterd` (49)\u{7}; look at the password file"),
    ];
    let text = plain(|out| {
        steps.iter().try_for_each(|step| check::line(out, step, None))?;
        check::closing(out, &steps)
    });
    insta::assert_snapshot!(text, @r"
    ok    store           /var/lib/rosterd/roster.db: the schema is current
    warn  tls             the certificate ends in 9 days; renew it
    fail  bind            refused: `cn=rosterd` (49)\u{7}; look at the password file
    1 ok, 1 warn, 1 fail
    ");
    assert_eq!(check::value(&steps)[2]["verdict"], "fail");
}

pub(crate) fn user_row(id: &str, username: &str) -> UserRow {
    UserRow {
        id: id.to_owned(),
        source: "corp".to_owned(),
        origin: "directory".to_owned(),
        unique_id: Some(format!("uid-{username}")),
        dn: Some(format!("uid={username},ou=people,dc=example,dc=com")),
        username: Some(username.to_owned()),
        user_principal_name: None,
        primary_address: Some(format!("{username}@example.com")),
        aliases: Vec::new(),
        display_name: Some("Ada Lovelace".to_owned()),
        given_name: None,
        surname: None,
        home_phone: None,
        mobile: Some("+41 79 000 00 00".to_owned()),
        company: None,
        department: None,
        notes: None,
        role: None,
        state: "active".to_owned(),
        access: true,
        pending_reason: None,
        flagged_at: None,
        delete_after: None,
        transferred_to: None,
        extra: json!({ "cost_center": "4711" }),
        created_at: "2025-12-01T08:00:00.000Z".to_owned(),
        updated_at: "2026-01-10T08:00:00.000Z".to_owned(),
    }
}

fn group_row() -> GroupRow {
    GroupRow {
        id: "g1".into(),
        source: Some("corp".into()),
        origin: "directory".into(),
        unique_id: Some("uid-sales".into()),
        dn: Some("cn=sales,ou=groups,dc=example,dc=com".into()),
        name: "sales".into(),
        state: "active".into(),
        created_at: "2025-12-01T08:00:00.000Z".into(),
        members: 1,
    }
}
