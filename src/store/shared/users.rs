//! Applies whole people (U1, U2, A2, A5, I3, L1, L2, L5-L7).
//!
//! A batch is gathered into a few bulk statements, whose order is what keeps an address with one bearer: everything
//! that is given up goes first, then newcomers, then what is claimed.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::addresses::Addresses;
use super::by_hand::HandBatch;
use super::crossing;
use super::dialect::any_list;
use super::flags::{Flag, FlagEnd, end_flags, flag_detail, open_flags};
use super::rights;
use super::write::{Event, Ledger, Statements, Write, no_events};
use crate::clock::Timestamp;
use crate::plan::{Act, BrakeKind, FieldChange, HandAct, Mark, NewUser, RightsAct, UserChange, UserRef};
use crate::roster::address::fold;
use crate::roster::{
    AddressKind, Digest, Dn, FieldId, FieldNames, Fields, Origin, PendingReason, State, UniqueId, UserId,
};
use crate::store::bulk::{Cell, Rows};
use crate::store::error::Fault;
use crate::store::{Stamp, new_uuid};

/// What becomes of a person's state; of several in one change the last one counts.
pub(super) enum Fate {
    Flagged { reason: PendingReason, flagged_at: Timestamp, delete_after: Option<Timestamp>, detail: Box<str> },
    Restored,
    Kept,
    Deleted,
}

/// Everything that happens in one transaction, by statement.
struct Batch {
    added: Rows,
    revived: Rows,
    columns: BTreeMap<FieldId, Rows>,
    extra: Rows,
    moved: Rows,
    crossed: crossing::Crossed,
    parted: Vec<i64>,
    woken: Rows,
    linked: Rows,
    relinked: Rows,
    marked: Rows,
    touched: Vec<i64>,
    released: Rows,
    claimed: Rows,
    flagged: Rows,
    flags: Vec<Flag>,
    restored: Vec<i64>,
    deleted: Vec<i64>,
    by_hand: HandBatch,
    newcomers: Vec<(Digest, UserId)>,
    rights: rights::Changes,
    events: Rows,
}

/// People in one part: a few statements of full size, and little memory.
const PART: usize = 1_024;
/// People made ready before the database is looked after again.
const STEP: usize = 4;

/// Applies the changes, part by part; returns the rows of those added.
///
/// While the database works on one part, the next one is made ready.
pub(super) async fn apply(
    write: &mut Write,
    stamp: Stamp<'_>,
    changes: &[UserChange],
) -> Result<Vec<(Digest, UserId)>, Fault> {
    let Write { statements, ledger } = write;
    let mut parts = parts(changes);
    let mut newcomers = Vec::new();
    let mut ready = gather(ledger, stamp, parts.next()).await?;
    while let Some(batch) = ready {
        let (added, next) = tokio::join!(batch.run(statements, stamp), gather(ledger, stamp, parts.next()));
        newcomers.append(&mut added?);
        ready = next?;
    }
    Ok(newcomers)
}

/// Cuts where a unit ends: who hands an address to whom stays in one part (A5).
fn parts(mut changes: &[UserChange]) -> impl Iterator<Item = &[UserChange]> {
    std::iter::from_fn(move || {
        let last = changes.get(..PART).unwrap_or(changes).last()?;
        let (part, rest) = changes.split_at(changes.partition_point(|change| change.unit <= last.unit));
        changes = rest;
        Some(part)
    })
}

async fn gather(ledger: &mut Ledger, stamp: Stamp<'_>, changes: Option<&[UserChange]>) -> Result<Option<Batch>, Fault> {
    let Some(changes) = changes else { return Ok(None) };
    let mut batch = Batch::default();
    for step in changes.chunks(STEP) {
        for change in step {
            batch.gather(ledger, stamp, change)?;
        }
        tokio::task::yield_now().await;
    }
    batch.events = ledger.take_events();
    Ok(Some(batch))
}

impl Default for Batch {
    fn default() -> Self {
        Self {
            added: Rows::new(25),
            revived: Rows::new(18),
            columns: BTreeMap::new(),
            extra: Rows::new(2),
            moved: Rows::new(3),
            crossed: crossing::Crossed::default(),
            parted: Vec::new(),
            woken: Rows::new(5),
            linked: Rows::new(7),
            relinked: Rows::new(3),
            marked: Rows::new(5),
            touched: Vec::new(),
            released: Rows::new(2),
            claimed: Rows::new(4),
            flagged: Rows::new(4),
            flags: Vec::new(),
            restored: Vec::new(),
            deleted: Vec::new(),
            by_hand: HandBatch::default(),
            newcomers: Vec::new(),
            rights: rights::Changes::default(),
            events: no_events(),
        }
    }
}

impl Batch {
    fn gather(&mut self, ledger: &mut Ledger, stamp: Stamp<'_>, change: &UserChange) -> Result<(), Fault> {
        let id = match (change.subject, change.acts.first()) {
            (UserRef::Known(user), _) => user.0,
            (UserRef::New(digest), Some(Act::Added(_) | Act::ByHand(HandAct::Added(_)))) => {
                let id = ledger.next_user();
                self.newcomers.push((digest, UserId(id)));
                id
            }
            (UserRef::New(_), _) => {
                return Err(Fault::inconsistent(
                    "rd_users",
                    &change.label,
                    "somebody new is changed before being added",
                ));
            }
        };
        let mut addresses = Addresses::default();
        let mut fate = None;
        // A tombstone takes over nothing of what its entry says in the end (L6).
        let goes = change.acts.iter().any(Act::deletes);
        for act in &change.acts {
            event(ledger, stamp, id, act);
            if let Act::Crossed { leaves, .. } = act {
                crossing::left_behind(ledger, stamp, id, leaves);
            }
            match act {
                Act::Added(new) => self.add(id, new, change.mark.as_ref(), stamp, &mut addresses),
                Act::Revived(new) => self.revive(id, new, stamp, &mut addresses),
                Act::Updated(_) | Act::Moved { .. } if goes => {}
                Act::Updated(fields) => self.update(id, fields, stamp.names, &mut addresses),
                Act::Relinked { after, .. } => {
                    self.relinked.add([id.into(), after.as_str().into(), after.digest().into()]);
                }
                Act::Moved { after, .. } => {
                    self.moved.add([id.into(), after.as_ref().into(), Dn::digest_of(after).into()]);
                }
                Act::Parted { .. } => self.parted.push(id),
                Act::Woken { key, dn } => {
                    let place = Dn::digest_of(dn);
                    let (key, digest) = (key.as_str(), key.digest());
                    self.woken.add([id.into(), key.into(), digest.into(), dn.as_ref().into(), place.into()]);
                }
                Act::Crossed { key, source, dn, .. } => {
                    self.crossed.add(id, (key, &source.0), &dn.1, stamp.source);
                }
                Act::AliasAdded(address) => addresses.claim(address, AddressKind::Alias),
                Act::AliasRemoved { address, .. } => addresses.release(address),
                Act::Flagged { reason, flagged_at, delete_after, detail, .. } => {
                    let (reason, flagged_at, delete_after) = (*reason, *flagged_at, *delete_after);
                    fate = Some(Fate::Flagged { reason, flagged_at, delete_after, detail: detail.clone() });
                }
                Act::Restored { .. } => fate = Some(Fate::Restored),
                Act::Deleted { .. } | Act::Removed { .. } => fate = Some(Fate::Deleted),
                Act::Rights(act) => self.rights(id, act, stamp),
                Act::Linked { key, dn, to, .. } => self.link(id, key, dn, *to, stamp),
                Act::ByHand(act) => fate = self.by_hand.gather(id, act, stamp, &mut addresses).or(fate),
            }
        }
        self.decide(id, &change.label, fate);
        if let UserRef::Known(_) = change.subject {
            addresses.release_rows(id, &mut self.released);
            self.mark(id, change.mark.as_ref());
            // When somebody was deleted stays known.
            let parted = matches!(change.acts.as_slice(), [Act::Parted { from: State::Deleted, .. }]);
            if !change.acts.is_empty() && !parted {
                self.touched.push(id);
            }
        }
        addresses.claim_rows(id, &mut self.claimed);
        Ok(())
    }

    fn add(&mut self, id: i64, new: &NewUser, mark: Option<&Mark>, stamp: Stamp<'_>, addresses: &mut Addresses) {
        let beside = [
            mark.and_then(|mark| mark.fingerprint).into(),
            Cell::time(mark.and_then(|mark| mark.review_at)),
            reasons(mark.map_or(&[], |mark| &mark.reasons_seen)),
            new_uuid().into(),
            Cell::time(Some(stamp.at)),
            Cell::time(Some(stamp.at)),
            new.role.as_deref().into(),
        ];
        self.added.extend(columns(id, new, stamp).into_iter().chain(beside));
        addresses.claim_all(new);
    }

    fn revive(&mut self, id: i64, new: &NewUser, stamp: Stamp<'_>, addresses: &mut Addresses) {
        self.revived.add(columns(id, new, stamp));
        self.rights.role(id, new.role.as_deref());
        addresses.claim_all(new);
    }

    fn link(&mut self, id: i64, key: &UniqueId, dn: &str, origin: Origin, stamp: Stamp<'_>) {
        let (origin, place) = (origin.as_str(), Dn::digest_of(dn));
        let (key, digest) = (key.as_str(), key.digest());
        self.linked.add([
            id.into(),
            stamp.source.into(),
            origin.into(),
            key.into(),
            digest.into(),
            dn.into(),
            place.into(),
        ]);
    }

    fn update(&mut self, id: i64, fields: &[FieldChange], names: &FieldNames, addresses: &mut Addresses) {
        let mut patch = Map::new();
        for change in fields {
            let after = change.after.as_deref();
            match change.field {
                None => addresses.replace_primary(change.before.as_deref(), after),
                Some(FieldId::USERNAME) => {
                    let rows = self.columns.entry(FieldId::USERNAME).or_insert_with(|| Rows::new(3));
                    rows.add([id.into(), after.into(), after.map(fold).as_deref().into()]);
                }
                Some(field) if field.column().is_some() => {
                    self.columns.entry(field).or_insert_with(|| Rows::new(2)).add([id.into(), after.into()]);
                }
                Some(field) => {
                    patch.insert(names.name(field).to_owned(), after.into());
                }
            }
        }
        if !patch.is_empty() {
            self.extra.add([id.into(), Cell::json(Some(Value::Object(patch)))]);
        }
    }

    fn rights(&mut self, id: i64, act: &RightsAct, stamp: Stamp<'_>) {
        match act {
            RightsAct::Role { after, .. } => self.rights.role(id, after.as_deref()),
            RightsAct::Granted(grant) => self.rights.grant(id, grant, stamp.source),
            RightsAct::Revoked { grant, .. } => self.rights.revoke(id, grant),
            RightsAct::GivenByHand(privilege) => self.rights.give(id, privilege),
            RightsAct::TakenByHand(privilege) => self.rights.take(id, privilege),
            RightsAct::Shown { before, after } => {
                self.rights.revoke(id, before);
                self.rights.grant(id, after, stamp.source);
            }
        }
    }

    fn decide(&mut self, id: i64, label: &str, fate: Option<Fate>) {
        match fate {
            Some(Fate::Flagged { reason, flagged_at, delete_after, detail }) => {
                let (at, due) = (Cell::time(Some(flagged_at)), Cell::time(delete_after));
                self.flagged.add([id.into(), reason.as_str().into(), at, due]);
                let detail = flag_detail(label, reason, delete_after, &detail);
                self.flags.push(Flag { user: id, subject: label.into(), detail, due_at: delete_after });
            }
            Some(Fate::Restored) => self.restored.push(id),
            Some(Fate::Deleted) => self.deleted.push(id),
            Some(Fate::Kept) | None => (),
        }
    }

    fn mark(&mut self, id: i64, mark: Option<&Mark>) {
        if let Some(mark) = mark {
            let reasons = reasons(&mark.reasons_seen);
            let (review, waits) = (Cell::time(mark.review_at), Cell::time(mark.waits_since));
            self.marked.add([id.into(), mark.fingerprint.into(), review, reasons, waits]);
        }
    }

    async fn run(mut self, write: &mut Statements, stamp: Stamp<'_>) -> Result<Vec<(Digest, UserId)>, Fault> {
        release(write, self.released, &self.deleted).await?;
        for statement in PARTED {
            on_each(write, statement, &self.parted).await?;
        }
        end_flags(write, stamp.at, &self.parted, FlagEnd::Resolved).await?;
        self.crossed.run(write).await?;
        write.bulk(WAKE, self.woken, BY_ID).await?;
        write.bulk(ADD, self.added, "").await?;
        write.bulk(REVIVE, self.revived, BY_ID).await?;
        self.by_hand.add(write).await?;
        write.bulk("INSERT INTO rd_addresses (key, user_id, kind, address)", self.claimed, "").await?;
        for (field, rows) in self.columns {
            write.bulk(set_column(field), rows, BY_ID).await?;
        }
        write
            .bulk(
                concat!("UPDATE rd_users SET extra = ", merged!("rd_users.extra", "v.column2"), " FROM ("),
                self.extra,
                BY_ID,
            )
            .await?;
        write.bulk("UPDATE rd_users SET dn = v.column2, dn_digest = v.column3 FROM (", self.moved, BY_ID).await?;
        self.rights.run(write).await?;
        write.bulk(LINK, self.linked, BY_ID).await?;
        write.bulk(RELINK, self.relinked, BY_ID).await?;
        write.bulk(FLAG, self.flagged, BY_ID).await?;
        open_flags(write, stamp, self.flags).await?;
        on_each(write, RESTORE, &self.restored).await?;
        end_flags(write, stamp.at, &self.restored, FlagEnd::Resolved).await?;
        end_flags(write, stamp.at, &self.deleted, FlagEnd::Resolved).await?;
        self.by_hand.run(write, stamp.at).await?;
        write.bulk(MARK, self.marked, BY_ID).await?;
        if !self.touched.is_empty() {
            sqlx::query(concat!("UPDATE rd_users SET updated_at = $2 WHERE id ", any_of!("$1")))
                .bind(any_list(&self.touched))
                .bind(stamp.at.millis())
                .execute(write.connection())
                .await?;
        }
        write.feed(self.events).await?;
        Ok(self.newcomers)
    }
}

/// One act in the feed.
pub(super) fn event(ledger: &mut Ledger, stamp: Stamp<'_>, id: i64, act: &Act) {
    let (before, after) = act.before_after(stamp.names);
    let counted = match act {
        Act::Flagged { counted, .. } | Act::Removed { counted, .. } | Act::Parted { counted, .. } => {
            counted.map(BrakeKind::as_str)
        }
        Act::AliasRemoved { counted: true, .. } => Some(BrakeKind::Aliases.as_str()),
        Act::Rights(act) => act.counted().then_some(BrakeKind::Rights.as_str()),
        _ => None,
    };
    let (kind, rule) = (act.event(), act.rule());
    ledger.record(stamp, Event { kind, rule, user: Some(id), group: None, before, after, counted });
}

const ADD: &str = "INSERT INTO rd_users (id, source, unique_id_digest, dn_digest, unique_id, dn, username, username_key, \
     user_principal_name, display_name, given_name, surname, home_phone, mobile, company, department, notes, extra, \
     fingerprint, review_at, reasons_seen, uuid, created_at, updated_at, role)";
const REVIVE: &str = "UPDATE rd_users SET source = v.column2, origin = 'directory', unique_id_digest = v.column3, dn_digest = v.column4, \
     unique_id = v.column5, dn = v.column6, username = v.column7, username_key = v.column8, \
     user_principal_name = v.column9, display_name = v.column10, given_name = v.column11, surname = v.column12, \
     home_phone = v.column13, mobile = v.column14, company = v.column15, department = v.column16, notes = v.column17, \
     extra = v.column18, state = 'active', pending_reason = NULL, flagged_at = NULL, delete_after = NULL, \
     reasons_seen = '', fingerprint = NULL, review_at = NULL, former_address = NULL, former_username = NULL, \
     former_unique_id = NULL, transferred_to = NULL FROM (";
const LINK: &str = "UPDATE rd_users SET source = v.column2, origin = v.column3, unique_id = v.column4, \
     unique_id_digest = v.column5, dn = v.column6, dn_digest = v.column7 FROM (";
const RELINK: &str = "UPDATE rd_users SET unique_id = v.column2, unique_id_digest = v.column3 FROM (";
const FLAG: &str = "UPDATE rd_users SET state = 'pending', pending_reason = v.column2, flagged_at = v.column3, \
     delete_after = v.column4, waits_since = NULL FROM (";
const MARK: &str = "UPDATE rd_users SET fingerprint = v.column2, review_at = v.column3, reasons_seen = v.column4, \
     waits_since = v.column5 FROM (";
const RESTORE: &str = concat!(
    "UPDATE rd_users SET state = 'active', pending_reason = NULL, flagged_at = NULL, delete_after = NULL, \
     reasons_seen = '' WHERE id ",
    any_of!("$1")
);
/// Who is parked keeps the content, and gives up what the heir has now: unique id, DN, name and addresses (I6). Of a
/// tombstone it is the unique id.
const PARTED: [&str; 4] = [
    concat!(
        "UPDATE rd_users SET former_unique_id = unique_id, unique_id = NULL, unique_id_digest = NULL WHERE id ",
        any_of!("$1")
    ),
    concat!(
        "UPDATE rd_users SET state = 'dormant', pending_reason = NULL, flagged_at = NULL, delete_after = NULL, \
         reasons_seen = '', former_address = (SELECT key FROM rd_addresses a WHERE a.user_id = rd_users.id \
         AND a.kind = 'primary'), former_username = username_key, dn = NULL, dn_digest = NULL, username = NULL, \
         username_key = NULL, fingerprint = NULL, review_at = NULL WHERE state <> 'deleted' AND id ",
        any_of!("$1")
    ),
    concat!("DELETE FROM rd_addresses WHERE user_id ", any_of!("$1")),
    concat!("DELETE FROM rd_memberships WHERE via <> 'local' AND user_id ", any_of!("$1")),
];
const WAKE: &str = "UPDATE rd_users SET state = 'active', unique_id = v.column2, unique_id_digest = v.column3, \
     dn = v.column4, dn_digest = v.column5, former_address = NULL, former_username = NULL, former_unique_id = NULL FROM (";
/// A tombstone keeps what it is recognised by, and nothing personal beside (L6).
const BURY: &str = concat!(
    "UPDATE rd_users SET state = 'deleted', pending_reason = NULL, flagged_at = NULL, delete_after = NULL, \
     reasons_seen = '', former_address = coalesce((SELECT key FROM rd_addresses a WHERE a.user_id = rd_users.id \
     AND a.kind = 'primary'), former_address), former_username = coalesce(username_key, former_username), dn = NULL, dn_digest = NULL, username = NULL, \
     username_key = NULL, user_principal_name = NULL, display_name = NULL, given_name = NULL, surname = NULL, \
     home_phone = NULL, mobile = NULL, company = NULL, department = NULL, notes = NULL, role = NULL, extra = '{}', \
     fingerprint = NULL, review_at = NULL WHERE id ",
    any_of!("$1")
);
pub(super) const BY_ID: &str = ") AS v WHERE rd_users.id = v.column1";

/// Takes away addresses that are given up, and everything that hangs on a person who is deleted.
pub(super) async fn release(write: &mut Statements, released: Rows, deleted: &[i64]) -> Result<(), Fault> {
    write.bulk("DELETE FROM rd_addresses WHERE (key, user_id) IN (", released, ")").await?;
    for statement in [
        BURY,
        concat!("DELETE FROM rd_addresses WHERE user_id ", any_of!("$1")),
        concat!("DELETE FROM rd_memberships WHERE user_id ", any_of!("$1")),
        concat!("DELETE FROM rd_rules WHERE user_id ", any_of!("$1")),
        concat!("DELETE FROM rd_grants WHERE user_id ", any_of!("$1")),
    ] {
        on_each(write, statement, deleted).await?;
    }
    Ok(())
}

/// Runs a statement for a list of users, or not at all when there is none.
pub(super) async fn on_each(write: &mut Statements, statement: &'static str, users: &[i64]) -> Result<(), Fault> {
    if !users.is_empty() {
        write.changed();
        sqlx::query(statement).bind(any_list(users)).execute(write.connection()).await?;
    }
    Ok(())
}

fn reasons(seen: &[PendingReason]) -> Cell {
    seen.iter().map(|reason| reason.as_str()).collect::<Vec<_>>().join(" ").as_str().into()
}

/// What somebody starts with, in the order of [`ADD`] and [`REVIVE`].
fn columns(id: i64, new: &NewUser, stamp: Stamp<'_>) -> [Cell; 18] {
    let first = |field| new.fields.first(field);
    [
        id.into(),
        stamp.source.into(),
        new.key.digest().into(),
        Dn::digest_of(&new.dn).into(),
        new.key.as_str().into(),
        new.dn.as_ref().into(),
        first(FieldId::USERNAME).into(),
        first(FieldId::USERNAME).map(fold).as_deref().into(),
        first(FieldId::USER_PRINCIPAL_NAME).into(),
        first(FieldId::DISPLAY_NAME).into(),
        first(FieldId::GIVEN_NAME).into(),
        first(FieldId::SURNAME).into(),
        first(FieldId::HOME_PHONE).into(),
        first(FieldId::MOBILE).into(),
        first(FieldId::COMPANY).into(),
        first(FieldId::DEPARTMENT).into(),
        first(FieldId::NOTES).into(),
        Cell::json(Some(extra(&new.fields, stamp.names))),
    ]
}

pub(super) fn extra(fields: &Fields, names: &FieldNames) -> Value {
    let value = |(field, name): (FieldId, &str)| Some((name.to_owned(), Value::from(fields.first(field)?)));
    names.extras().filter_map(value).collect::<Map<_, _>>().into()
}

/// The statement that sets one fixed column.
fn set_column(field: FieldId) -> &'static str {
    macro_rules! set {
        ($column:literal) => {
            concat!("UPDATE rd_users SET ", $column, " = v.column2 FROM (")
        };
    }
    match field {
        FieldId::USERNAME => "UPDATE rd_users SET username = v.column2, username_key = v.column3 FROM (",
        FieldId::USER_PRINCIPAL_NAME => set!("user_principal_name"),
        FieldId::DISPLAY_NAME => set!("display_name"),
        FieldId::GIVEN_NAME => set!("given_name"),
        FieldId::SURNAME => set!("surname"),
        FieldId::HOME_PHONE => set!("home_phone"),
        FieldId::MOBILE => set!("mobile"),
        FieldId::COMPANY => set!("company"),
        FieldId::DEPARTMENT => set!("department"),
        _ => set!("notes"),
    }
}
