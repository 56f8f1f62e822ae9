-- The group that holds under each mapped DN (R4), with the id that applications see of it: the one in rd_groups, if it is
-- or comes there.
CREATE TABLE rd_mapped (
    source TEXT NOT NULL,
    dn_digest BLOB NOT NULL,
    dn TEXT NOT NULL,
    unique_id TEXT NOT NULL,
    uuid TEXT NOT NULL,
    -- 1 once a person approved that the group is gone.
    settled INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (source, dn_digest)
) WITHOUT ROWID;

-- A mapped group need not be one of the groups that are read as teams, so a grant names it by itself. Nothing but local
-- grants was ever written before.
DROP VIEW roster_grants;
CREATE TABLE rd_grants_new (
    user_id INTEGER NOT NULL REFERENCES rd_users (id) DEFERRABLE INITIALLY DEFERRED,
    privilege TEXT NOT NULL,
    -- All three NULL for a local grant: unique id, id and DN of the group that gives it.
    group_key TEXT,
    group_uuid TEXT,
    group_dn TEXT
);
INSERT INTO rd_grants_new (user_id, privilege) SELECT user_id, privilege FROM rd_grants WHERE group_id IS NULL;
DROP TABLE rd_grants;
ALTER TABLE rd_grants_new RENAME TO rd_grants;
-- One by the directory, and one given locally.
CREATE UNIQUE INDEX rd_grants_one ON rd_grants (user_id, privilege, (group_key IS NULL));

CREATE VIEW roster_grants AS
SELECT u.uuid AS user_id, r.privilege, ifnull(r.group_uuid, 'local') AS via
FROM rd_grants r
JOIN rd_users u ON u.id = r.user_id
WHERE u.state IN ('active', 'kept');
