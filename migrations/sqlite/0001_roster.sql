-- Tables begin with rd_ and belong to rosterd; what applications read are the views at the end.
-- Times are milliseconds since 1970 (UTC): exact, small, and they sort. Digests are 16 bytes.

-- One row. Every write transaction updates it, so it serialises writers, and `seq` is given in order of commit.
CREATE TABLE rd_store (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    id TEXT NOT NULL,
    seq INTEGER NOT NULL,
    -- Last number given, so that no number is ever given twice, not even after rows were dropped.
    last_user INTEGER NOT NULL,
    last_group INTEGER NOT NULL,
    last_run INTEGER NOT NULL,
    last_conflict INTEGER NOT NULL,
    -- 1 while rosterd itself writes; nobody else ever sees that, because it is 0 again before the commit.
    writing INTEGER NOT NULL
);
INSERT INTO rd_store
SELECT 1,
       substr(hex, 1, 8) || '-' || substr(hex, 9, 4) || '-4' || substr(hex, 14, 3) || '-'
           || substr('89ab', 1 + (abs(random()) % 4), 1) || substr(hex, 18, 3) || '-' || substr(hex, 21, 12),
       0, 0, 0, 0, 0, 0
FROM (SELECT lower(hex(randomblob(16))) AS hex);

-- Who may plan and apply now (S3). The row outlives the holder, so that `fence` only ever grows.
CREATE TABLE rd_leases (
    scope TEXT PRIMARY KEY,
    fence INTEGER NOT NULL,
    held INTEGER NOT NULL,
    host TEXT NOT NULL,
    realm TEXT NOT NULL,
    pid INTEGER NOT NULL,
    started INTEGER NOT NULL,
    since INTEGER NOT NULL,
    until INTEGER NOT NULL
) WITHOUT ROWID;

-- Names are bound to a directory and its bases (I9).
CREATE TABLE rd_sources (
    name TEXT PRIMARY KEY,
    directory TEXT NOT NULL,
    bases TEXT NOT NULL
) WITHOUT ROWID;

-- A stale password must not lock the service account out (E9). The password itself is never stored.
CREATE TABLE rd_refused_binds (
    source TEXT PRIMARY KEY,
    at INTEGER NOT NULL,
    password BLOB NOT NULL
) WITHOUT ROWID;

-- How many people had each attribute at the last complete run (E2).
CREATE TABLE rd_coverage (
    source TEXT NOT NULL,
    attribute TEXT NOT NULL,
    people INTEGER NOT NULL,
    PRIMARY KEY (source, attribute)
) WITHOUT ROWID;

CREATE TABLE rd_users (
    id INTEGER PRIMARY KEY,
    -- What the index of a run reads comes first: SQLite finds early columns faster.
    source TEXT NOT NULL,
    origin TEXT NOT NULL DEFAULT 'directory' CHECK (origin IN ('directory', 'manual', 'smtp')),
    state TEXT NOT NULL DEFAULT 'active' CHECK (state IN ('active', 'pending', 'kept', 'dormant', 'deleted')),
    unique_id_digest BLOB,
    dn_digest BLOB,
    -- The entry that was applied in full; NULL makes the next run look at the person again (U2, U3).
    fingerprint BLOB,
    review_at INTEGER,
    pending_reason TEXT,
    delete_after INTEGER,
    flagged_at INTEGER,
    -- Reasons since the first flag, separated by spaces: only a new one moves the date (L2).
    reasons_seen TEXT NOT NULL DEFAULT '',
    -- The internal id, given once and never again to anybody else (I1).
    uuid TEXT NOT NULL,
    unique_id TEXT,
    dn TEXT,
    username TEXT,
    -- The username as it is compared (U7).
    username_key TEXT,
    user_principal_name TEXT,
    display_name TEXT,
    given_name TEXT,
    surname TEXT,
    home_phone TEXT,
    mobile TEXT,
    company TEXT,
    department TEXT,
    notes TEXT,
    role TEXT,
    transferred_to TEXT,
    extra TEXT NOT NULL DEFAULT '{}',
    -- What a tombstone is recognised by (L6), compared form.
    former_address TEXT,
    former_username TEXT,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    CHECK ((pending_reason IS NOT NULL) = (state = 'pending'))
);
CREATE UNIQUE INDEX rd_users_uuid ON rd_users (uuid);
CREATE UNIQUE INDEX rd_users_unique_id ON rd_users (source, unique_id) WHERE unique_id IS NOT NULL;
CREATE INDEX rd_users_username ON rd_users (username_key) WHERE username_key IS NOT NULL;
CREATE INDEX rd_users_due ON rd_users (delete_after) WHERE delete_after IS NOT NULL;
CREATE INDEX rd_users_review ON rd_users (review_at) WHERE review_at IS NOT NULL;
CREATE INDEX rd_users_not_active ON rd_users (state) WHERE state <> 'active';

-- One row an address of everybody active, kept or pending. The key is the address as it is compared, and being the
-- primary key it has one bearer (A3), whatever anybody writes here.
CREATE TABLE rd_addresses (
    key TEXT NOT NULL PRIMARY KEY,
    user_id INTEGER NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('primary', 'alias')),
    address TEXT NOT NULL
);
CREATE INDEX rd_addresses_user ON rd_addresses (user_id);
CREATE UNIQUE INDEX rd_addresses_primary ON rd_addresses (user_id) WHERE kind = 'primary';

CREATE TABLE rd_groups (
    id INTEGER PRIMARY KEY,
    uuid TEXT NOT NULL UNIQUE,
    source TEXT,
    origin TEXT NOT NULL DEFAULT 'directory' CHECK (origin IN ('directory', 'local')),
    unique_id TEXT,
    dn TEXT,
    name TEXT NOT NULL,
    state TEXT NOT NULL DEFAULT 'active' CHECK (state IN ('active', 'pending', 'deleted')),
    flagged_at INTEGER,
    delete_after INTEGER,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
);
CREATE UNIQUE INDEX rd_groups_unique_id ON rd_groups (source, unique_id) WHERE unique_id IS NOT NULL;

CREATE TABLE rd_memberships (
    group_id INTEGER NOT NULL,
    user_id INTEGER NOT NULL,
    via TEXT NOT NULL DEFAULT 'direct' CHECK (via IN ('direct', 'nested', 'primary', 'local')),
    PRIMARY KEY (group_id, user_id)
) WITHOUT ROWID;
CREATE INDEX rd_memberships_user ON rd_memberships (user_id);

-- Allow and deny entries of a user.
CREATE TABLE rd_rules (
    user_id INTEGER NOT NULL REFERENCES rd_users (id) DEFERRABLE INITIALLY DEFERRED,
    kind TEXT NOT NULL CHECK (kind IN ('allow', 'deny')),
    pattern TEXT NOT NULL,
    PRIMARY KEY (user_id, kind, pattern)
) WITHOUT ROWID;

-- Privileges; without a group the grant is a local one.
CREATE TABLE rd_grants (
    user_id INTEGER NOT NULL REFERENCES rd_users (id) DEFERRABLE INITIALLY DEFERRED,
    privilege TEXT NOT NULL,
    group_id INTEGER REFERENCES rd_groups (id) DEFERRABLE INITIALLY DEFERRED
);
CREATE UNIQUE INDEX rd_grants_one ON rd_grants (user_id, privilege, ifnull(group_id, 0));

CREATE TABLE rd_runs (
    id INTEGER PRIMARY KEY,
    source TEXT NOT NULL,
    "trigger" TEXT NOT NULL,
    action TEXT NOT NULL,
    mode TEXT NOT NULL,
    outcome TEXT NOT NULL,
    started_at INTEGER NOT NULL,
    finished_at INTEGER,
    entries INTEGER NOT NULL DEFAULT 0,
    added INTEGER NOT NULL DEFAULT 0,
    updated INTEGER NOT NULL DEFAULT 0,
    moved INTEGER NOT NULL DEFAULT 0,
    flagged INTEGER NOT NULL DEFAULT 0,
    restored INTEGER NOT NULL DEFAULT 0,
    deleted INTEGER NOT NULL DEFAULT 0,
    conflicts INTEGER NOT NULL DEFAULT 0,
    skipped INTEGER NOT NULL DEFAULT 0,
    error TEXT,
    -- Stable word for what made it incomplete, for `approve`.
    cause TEXT,
    server TEXT,
    -- Where in the feed its changes are, instead of an index over the whole feed.
    first_seq INTEGER,
    last_seq INTEGER
);
CREATE INDEX rd_runs_source ON rd_runs (source, id);

-- Departures that a run held (B1).
CREATE TABLE rd_held (
    run_id INTEGER NOT NULL REFERENCES rd_runs (id) DEFERRABLE INITIALLY DEFERRED,
    user_id INTEGER NOT NULL REFERENCES rd_users (id) DEFERRABLE INITIALLY DEFERRED,
    label TEXT NOT NULL,
    kind TEXT NOT NULL,
    reason TEXT NOT NULL,
    PRIMARY KEY (run_id, user_id)
) WITHOUT ROWID;

CREATE TABLE rd_conflicts (
    id INTEGER PRIMARY KEY,
    source TEXT NOT NULL,
    kind TEXT NOT NULL,
    subject TEXT NOT NULL,
    user_id INTEGER REFERENCES rd_users (id) DEFERRABLE INITIALLY DEFERRED,
    detail TEXT NOT NULL,
    opened_at INTEGER NOT NULL,
    due_at INTEGER,
    status TEXT NOT NULL CHECK (status IN ('open', 'resolved', 'ignored')),
    closed_at INTEGER
);
-- One open row for each thing contested; two people may well have one label, so a flag is told by its user.
CREATE UNIQUE INDEX rd_conflicts_contested ON rd_conflicts (source, kind, subject)
    WHERE status = 'open' AND kind <> 'pending-deletion';
CREATE UNIQUE INDEX rd_conflicts_flag ON rd_conflicts (user_id)
    WHERE status <> 'resolved' AND kind = 'pending-deletion';

CREATE TABLE rd_skipped (
    id INTEGER PRIMARY KEY,
    source TEXT NOT NULL,
    dn TEXT NOT NULL,
    unique_id TEXT,
    reason TEXT NOT NULL,
    rule TEXT NOT NULL,
    detail TEXT NOT NULL,
    seen_at INTEGER NOT NULL
);
CREATE INDEX rd_skipped_source ON rd_skipped (source);

-- The feed (B3). No foreign keys: history is dropped by age, and what it names stays.
CREATE TABLE rd_changes (
    seq INTEGER PRIMARY KEY,
    run_id INTEGER,
    at INTEGER NOT NULL,
    kind TEXT NOT NULL,
    user_id INTEGER,
    group_id INTEGER,
    before TEXT,
    after TEXT,
    rule TEXT NOT NULL,
    -- The kind of departure the brake counts this under (B1).
    counted TEXT
);
CREATE INDEX rd_changes_user ON rd_changes (user_id);
CREATE INDEX rd_changes_counted ON rd_changes (at) WHERE counted IS NOT NULL;

-- Users and groups are never deleted: what is left of them keeps their id. So addresses and memberships need no
-- foreign keys, whose checks would take a quarter of a first sync.
CREATE TRIGGER rd_users_never_deleted BEFORE DELETE ON rd_users
BEGIN
    SELECT RAISE(ABORT, 'rows of rd_users are never deleted, their state becomes deleted');
END;
CREATE TRIGGER rd_groups_never_deleted BEFORE DELETE ON rd_groups
BEGIN
    SELECT RAISE(ABORT, 'rows of rd_groups are never deleted, their state becomes deleted');
END;

-- A mapped field belongs to the directory: whoever changes it by hand makes the next run look at the person again
-- and put the directory's value back (U2). rosterd's own writes say what the person's fingerprint is.
CREATE TRIGGER rd_users_by_hand
AFTER UPDATE OF unique_id, dn, username, user_principal_name, display_name, given_name, surname, home_phone, mobile,
    company, department, notes, role, extra ON rd_users
WHEN NEW.fingerprint IS NOT NULL AND NEW.fingerprint IS OLD.fingerprint AND (SELECT writing FROM rd_store) = 0
BEGIN
    UPDATE rd_users SET fingerprint = NULL WHERE id = NEW.id;
END;
-- Not a CHECK: with a function in one, SQLite notes for every INSERT how to undo it, which doubles what is written.
CREATE TRIGGER rd_users_extra BEFORE UPDATE OF extra ON rd_users
WHEN CASE WHEN json_valid(NEW.extra) THEN json_type(NEW.extra) END IS NOT 'object'
BEGIN
    SELECT RAISE(ABORT, 'extra has to be a JSON object');
END;
CREATE TRIGGER rd_addresses_added_by_hand AFTER INSERT ON rd_addresses WHEN (SELECT writing FROM rd_store) = 0
BEGIN
    UPDATE rd_users SET fingerprint = NULL WHERE id = NEW.user_id;
END;
CREATE TRIGGER rd_addresses_changed_by_hand AFTER UPDATE ON rd_addresses WHEN (SELECT writing FROM rd_store) = 0
BEGIN
    UPDATE rd_users SET fingerprint = NULL WHERE id IN (OLD.user_id, NEW.user_id);
END;
CREATE TRIGGER rd_addresses_removed_by_hand AFTER DELETE ON rd_addresses WHEN (SELECT writing FROM rd_store) = 0
BEGIN
    UPDATE rd_users SET fingerprint = NULL WHERE id = OLD.user_id;
END;
CREATE VIEW roster_users AS
SELECT u.uuid AS id,
       u.source,
       u.origin,
       u.unique_id,
       u.dn,
       u.username,
       u.user_principal_name,
       a.address AS primary_address,
       u.display_name,
       u.given_name,
       u.surname,
       u.home_phone,
       u.mobile,
       u.company,
       u.department,
       u.notes,
       u.role,
       u.state,
       u.state IN ('active', 'kept') AS access,
       u.pending_reason,
       strftime('%Y-%m-%dT%H:%M:%fZ', u.flagged_at / 1000.0, 'unixepoch') AS flagged_at,
       strftime('%Y-%m-%dT%H:%M:%fZ', u.delete_after / 1000.0, 'unixepoch') AS delete_after,
       u.transferred_to,
       CASE WHEN u.state <> 'deleted' THEN u.extra END AS extra,
       strftime('%Y-%m-%dT%H:%M:%fZ', u.created_at / 1000.0, 'unixepoch') AS created_at,
       strftime('%Y-%m-%dT%H:%M:%fZ', u.updated_at / 1000.0, 'unixepoch') AS updated_at
FROM rd_users u
LEFT JOIN rd_addresses a ON a.user_id = u.id AND a.kind = 'primary';

CREATE VIEW roster_addresses AS
SELECT a.address, u.uuid AS user_id, a.kind, u.state IN ('active', 'kept') AS access
FROM rd_addresses a
JOIN rd_users u ON u.id = a.user_id
WHERE u.state IN ('active', 'kept', 'pending');

CREATE VIEW roster_groups AS
SELECT uuid AS id,
       source,
       origin,
       unique_id,
       dn,
       name,
       state,
       strftime('%Y-%m-%dT%H:%M:%fZ', created_at / 1000.0, 'unixepoch') AS created_at
FROM rd_groups;

CREATE VIEW roster_memberships AS
SELECT g.uuid AS group_id, u.uuid AS user_id, m.via
FROM rd_memberships m
JOIN rd_users u ON u.id = m.user_id
JOIN rd_groups g ON g.id = m.group_id
WHERE u.state IN ('active', 'kept');

CREATE VIEW roster_grants AS
SELECT u.uuid AS user_id, r.privilege, ifnull(g.uuid, 'local') AS via
FROM rd_grants r
JOIN rd_users u ON u.id = r.user_id
LEFT JOIN rd_groups g ON g.id = r.group_id
WHERE u.state IN ('active', 'kept');

CREATE VIEW roster_rules AS
SELECT u.uuid AS user_id, r.kind, r.pattern
FROM rd_rules r
JOIN rd_users u ON u.id = r.user_id;

CREATE VIEW roster_conflicts AS
SELECT c.id,
       c.kind,
       c.subject,
       u.uuid AS user_id,
       c.detail,
       strftime('%Y-%m-%dT%H:%M:%fZ', c.opened_at / 1000.0, 'unixepoch') AS opened_at,
       strftime('%Y-%m-%dT%H:%M:%fZ', c.due_at / 1000.0, 'unixepoch') AS due_at,
       c.status
FROM rd_conflicts c
LEFT JOIN rd_users u ON u.id = c.user_id;

CREATE VIEW roster_skipped AS
SELECT source,
       dn,
       unique_id,
       reason,
       rule,
       detail,
       strftime('%Y-%m-%dT%H:%M:%fZ', seen_at / 1000.0, 'unixepoch') AS seen_at
FROM rd_skipped;

CREATE VIEW roster_runs AS
SELECT id,
       source,
       "trigger",
       action,
       mode,
       outcome,
       strftime('%Y-%m-%dT%H:%M:%fZ', started_at / 1000.0, 'unixepoch') AS started_at,
       strftime('%Y-%m-%dT%H:%M:%fZ', finished_at / 1000.0, 'unixepoch') AS finished_at,
       entries,
       added,
       updated,
       moved,
       flagged,
       restored,
       deleted,
       conflicts,
       skipped,
       error
FROM rd_runs;

CREATE VIEW roster_changes AS
SELECT c.seq,
       c.run_id,
       strftime('%Y-%m-%dT%H:%M:%fZ', c.at / 1000.0, 'unixepoch') AS at,
       c.kind,
       u.uuid AS user_id,
       g.uuid AS group_id,
       c.before,
       c.after,
       c.rule
FROM rd_changes c
LEFT JOIN rd_users u ON u.id = c.user_id
LEFT JOIN rd_groups g ON g.id = c.group_id;
