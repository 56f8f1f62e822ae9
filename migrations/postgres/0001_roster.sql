-- Tables begin with rd_ and belong to rosterd; what applications read are the views at the end.
-- Times are milliseconds since 1970 (UTC), the same in every store. Digests are 16 bytes. Keys that programs compare
-- and sort have the collation "C", so that the order is the one rosterd knows, on every server.

-- One row. Every write transaction updates it, so it serialises writers, and `seq` is given in order of commit.
CREATE TABLE rd_store (
    one integer PRIMARY KEY CHECK (one = 1),
    id uuid NOT NULL,
    seq bigint NOT NULL,
    -- Last number given, so that no number is ever given twice, not even after rows were dropped.
    last_user bigint NOT NULL,
    last_group bigint NOT NULL,
    last_run bigint NOT NULL,
    last_conflict bigint NOT NULL
);
INSERT INTO rd_store VALUES (1, gen_random_uuid(), 0, 0, 0, 0, 0);

-- Who may plan and apply now (S3). The row outlives the holder, so that `fence` only ever grows.
CREATE TABLE rd_leases (
    scope text PRIMARY KEY,
    fence bigint NOT NULL,
    held boolean NOT NULL,
    host text NOT NULL,
    realm text NOT NULL,
    pid bigint NOT NULL,
    started bigint NOT NULL,
    since bigint NOT NULL,
    until bigint NOT NULL
);

-- Names are bound to a directory and its bases (I9).
CREATE TABLE rd_sources (
    name text PRIMARY KEY,
    directory text NOT NULL,
    bases text NOT NULL
);

-- A stale password must not lock the service account out (E9). The password itself is never stored.
CREATE TABLE rd_refused_binds (
    source text COLLATE "C" PRIMARY KEY,
    at bigint NOT NULL,
    password bytea NOT NULL
);

-- How many people had each attribute at the last complete run (E2).
CREATE TABLE rd_coverage (
    source text COLLATE "C" NOT NULL,
    attribute text NOT NULL,
    people bigint NOT NULL,
    PRIMARY KEY (source, attribute)
);

CREATE TABLE rd_users (
    id bigint PRIMARY KEY,
    source text COLLATE "C" NOT NULL,
    origin text NOT NULL DEFAULT 'directory' CHECK (origin IN ('directory', 'manual', 'smtp')),
    state text NOT NULL DEFAULT 'active' CHECK (state IN ('active', 'pending', 'kept', 'dormant', 'deleted')),
    unique_id_digest bytea,
    dn_digest bytea,
    -- The entry that was applied in full; NULL makes the next run look at the person again (U2, U3).
    fingerprint bytea,
    review_at bigint,
    pending_reason text,
    delete_after bigint,
    flagged_at bigint,
    -- Reasons since the first flag, separated by spaces: only a new one moves the date (L2).
    reasons_seen text NOT NULL DEFAULT '',
    -- The internal id, given once and never again to anybody else (I1).
    uuid uuid NOT NULL,
    unique_id text COLLATE "C",
    dn text,
    username text,
    -- The username as it is compared (U7).
    username_key text COLLATE "C",
    user_principal_name text,
    display_name text,
    given_name text,
    surname text,
    home_phone text,
    mobile text,
    company text,
    department text,
    notes text,
    role text,
    transferred_to text,
    extra jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(extra) = 'object'),
    -- What a tombstone is recognised by (L6), compared form.
    former_address text,
    former_username text,
    created_at bigint NOT NULL,
    updated_at bigint NOT NULL,
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
    key text COLLATE "C" PRIMARY KEY,
    user_id bigint NOT NULL,
    kind text NOT NULL CHECK (kind IN ('primary', 'alias')),
    address text NOT NULL
);
CREATE INDEX rd_addresses_user ON rd_addresses (user_id);
CREATE UNIQUE INDEX rd_addresses_primary ON rd_addresses (user_id) WHERE kind = 'primary';

CREATE TABLE rd_groups (
    id bigint PRIMARY KEY,
    uuid uuid NOT NULL UNIQUE,
    source text COLLATE "C",
    origin text NOT NULL DEFAULT 'directory' CHECK (origin IN ('directory', 'local')),
    unique_id text COLLATE "C",
    dn text,
    name text NOT NULL,
    state text NOT NULL DEFAULT 'active' CHECK (state IN ('active', 'pending', 'deleted')),
    flagged_at bigint,
    delete_after bigint,
    created_at bigint NOT NULL,
    updated_at bigint NOT NULL
);
CREATE UNIQUE INDEX rd_groups_unique_id ON rd_groups (source, unique_id) WHERE unique_id IS NOT NULL;

CREATE TABLE rd_memberships (
    group_id bigint NOT NULL,
    user_id bigint NOT NULL,
    via text NOT NULL DEFAULT 'direct' CHECK (via IN ('direct', 'nested', 'primary', 'local')),
    PRIMARY KEY (group_id, user_id)
);
CREATE INDEX rd_memberships_user ON rd_memberships (user_id);

-- Allow and deny entries of a user.
CREATE TABLE rd_rules (
    user_id bigint NOT NULL REFERENCES rd_users (id),
    kind text NOT NULL CHECK (kind IN ('allow', 'deny')),
    pattern text NOT NULL,
    PRIMARY KEY (user_id, kind, pattern)
);

-- Privileges; without a group the grant is a local one.
CREATE TABLE rd_grants (
    user_id bigint NOT NULL REFERENCES rd_users (id),
    privilege text NOT NULL,
    group_id bigint REFERENCES rd_groups (id)
);
CREATE UNIQUE INDEX rd_grants_one ON rd_grants (user_id, privilege, coalesce(group_id, 0));

CREATE TABLE rd_runs (
    id bigint PRIMARY KEY,
    source text COLLATE "C" NOT NULL,
    "trigger" text NOT NULL,
    action text NOT NULL,
    mode text NOT NULL,
    outcome text NOT NULL,
    started_at bigint NOT NULL,
    finished_at bigint,
    entries bigint NOT NULL DEFAULT 0,
    added bigint NOT NULL DEFAULT 0,
    updated bigint NOT NULL DEFAULT 0,
    moved bigint NOT NULL DEFAULT 0,
    flagged bigint NOT NULL DEFAULT 0,
    restored bigint NOT NULL DEFAULT 0,
    deleted bigint NOT NULL DEFAULT 0,
    conflicts bigint NOT NULL DEFAULT 0,
    skipped bigint NOT NULL DEFAULT 0,
    error text,
    -- Stable word for what made it incomplete, for `approve`.
    cause text,
    server text,
    -- Where in the feed its changes are, instead of an index over the whole feed.
    first_seq bigint,
    last_seq bigint
);
CREATE INDEX rd_runs_source ON rd_runs (source, id);

-- Departures that a run held (B1).
CREATE TABLE rd_held (
    run_id bigint NOT NULL REFERENCES rd_runs (id),
    user_id bigint NOT NULL REFERENCES rd_users (id),
    label text NOT NULL,
    kind text NOT NULL,
    reason text NOT NULL,
    PRIMARY KEY (run_id, user_id)
);

CREATE TABLE rd_conflicts (
    id bigint PRIMARY KEY,
    source text COLLATE "C" NOT NULL,
    kind text NOT NULL,
    subject text NOT NULL,
    user_id bigint REFERENCES rd_users (id),
    detail text NOT NULL,
    opened_at bigint NOT NULL,
    due_at bigint,
    status text NOT NULL CHECK (status IN ('open', 'resolved', 'ignored')),
    closed_at bigint
);
-- One open row for each thing contested; two people may well have one label, so a flag is told by its user.
CREATE UNIQUE INDEX rd_conflicts_contested ON rd_conflicts (source, kind, subject)
    WHERE status = 'open' AND kind <> 'pending-deletion';
CREATE UNIQUE INDEX rd_conflicts_flag ON rd_conflicts (user_id)
    WHERE status <> 'resolved' AND kind = 'pending-deletion';

CREATE TABLE rd_skipped (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    source text COLLATE "C" NOT NULL,
    dn text NOT NULL,
    unique_id text COLLATE "C",
    reason text NOT NULL,
    rule text NOT NULL,
    detail text NOT NULL,
    seen_at bigint NOT NULL
);
CREATE INDEX rd_skipped_source ON rd_skipped (source);

-- The feed (B3). No foreign keys: history is dropped by age, and what it names stays.
CREATE TABLE rd_changes (
    seq bigint PRIMARY KEY,
    run_id bigint,
    at bigint NOT NULL,
    kind text NOT NULL,
    user_id bigint,
    group_id bigint,
    -- Text, because reading JSON takes longer than writing the row; rosterd alone writes here.
    before text,
    after text,
    rule text NOT NULL,
    -- The kind of departure the brake counts this under (B1).
    counted text
);
CREATE INDEX rd_changes_user ON rd_changes (user_id);
CREATE INDEX rd_changes_counted ON rd_changes (at) WHERE counted IS NOT NULL;

-- Users and groups are never deleted: what is left of them keeps their id. So addresses and memberships need no
-- foreign keys, whose checks would take longer than everything else a first sync does.
CREATE FUNCTION rd_never_deleted() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'rows of % are never deleted, their state becomes deleted', TG_TABLE_NAME;
END
$$;
CREATE TRIGGER rd_users_never_deleted BEFORE DELETE OR TRUNCATE ON rd_users
EXECUTE FUNCTION rd_never_deleted();
CREATE TRIGGER rd_groups_never_deleted BEFORE DELETE OR TRUNCATE ON rd_groups
EXECUTE FUNCTION rd_never_deleted();

-- A mapped field belongs to the directory: whoever changes it by hand makes the next run look at the person again
-- and put the directory's value back (U2). rosterd's own writes say what the person's fingerprint is; they set
-- rosterd.writing for their own transaction.
CREATE FUNCTION rd_users_by_hand() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.fingerprint := NULL;
    RETURN NEW;
END
$$;
CREATE TRIGGER rd_users_by_hand
BEFORE UPDATE OF unique_id, dn, username, user_principal_name, display_name, given_name, surname, home_phone, mobile,
    company, department, notes, role, extra ON rd_users
FOR EACH ROW
WHEN (NEW.fingerprint IS NOT DISTINCT FROM OLD.fingerprint
    AND current_setting('rosterd.writing', true) IS DISTINCT FROM 'on')
EXECUTE FUNCTION rd_users_by_hand();

CREATE FUNCTION rd_addresses_by_hand() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP <> 'DELETE' THEN
        UPDATE rd_users SET fingerprint = NULL WHERE id = NEW.user_id;
    END IF;
    IF TG_OP <> 'INSERT' THEN
        UPDATE rd_users SET fingerprint = NULL WHERE id = OLD.user_id;
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER rd_addresses_by_hand AFTER INSERT OR UPDATE OR DELETE ON rd_addresses
FOR EACH ROW WHEN (current_setting('rosterd.writing', true) IS DISTINCT FROM 'on')
EXECUTE FUNCTION rd_addresses_by_hand();

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
       to_timestamp(u.flagged_at / 1000.0) AS flagged_at,
       to_timestamp(u.delete_after / 1000.0) AS delete_after,
       u.transferred_to,
       CASE WHEN u.state <> 'deleted' THEN u.extra END AS extra,
       to_timestamp(u.created_at / 1000.0) AS created_at,
       to_timestamp(u.updated_at / 1000.0) AS updated_at
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
       to_timestamp(created_at / 1000.0) AS created_at
FROM rd_groups;

CREATE VIEW roster_memberships AS
SELECT g.uuid AS group_id, u.uuid AS user_id, m.via
FROM rd_memberships m
JOIN rd_users u ON u.id = m.user_id
JOIN rd_groups g ON g.id = m.group_id
WHERE u.state IN ('active', 'kept');

CREATE VIEW roster_grants AS
SELECT u.uuid AS user_id, r.privilege, coalesce(g.uuid::text, 'local') AS via
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
       to_timestamp(c.opened_at / 1000.0) AS opened_at,
       to_timestamp(c.due_at / 1000.0) AS due_at,
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
       to_timestamp(seen_at / 1000.0) AS seen_at
FROM rd_skipped;

CREATE VIEW roster_runs AS
SELECT id,
       source,
       "trigger",
       action,
       mode,
       outcome,
       to_timestamp(started_at / 1000.0) AS started_at,
       to_timestamp(finished_at / 1000.0) AS finished_at,
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
       to_timestamp(c.at / 1000.0) AS at,
       c.kind,
       u.uuid AS user_id,
       g.uuid AS group_id,
       c.before::jsonb AS before,
       c.after::jsonb AS after,
       c.rule
FROM rd_changes c
LEFT JOIN rd_users u ON u.id = c.user_id
LEFT JOIN rd_groups g ON g.id = c.group_id;
