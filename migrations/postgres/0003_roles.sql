-- The group that holds under each mapped DN (R4), with the id that applications see of it: the one in rd_groups, if it is
-- or comes there.
CREATE TABLE rd_mapped (
    source text COLLATE "C" NOT NULL,
    dn_digest bytea NOT NULL,
    dn text NOT NULL,
    unique_id text COLLATE "C" NOT NULL,
    uuid uuid NOT NULL,
    -- 1 once a person approved that the group is gone.
    settled bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (source, dn_digest)
);

-- A mapped group need not be one of the groups that are read as teams, so a grant names it by itself. Nothing but local
-- grants was ever written before. Columns are added and dropped, so that rights on the table and the view stay.
DELETE FROM rd_grants WHERE group_id IS NOT NULL;
ALTER TABLE rd_grants
    -- All three NULL for a local grant: unique id, id and DN of the group that gives it.
    ADD COLUMN group_key text COLLATE "C",
    ADD COLUMN group_uuid uuid,
    ADD COLUMN group_dn text;
CREATE OR REPLACE VIEW roster_grants AS
SELECT u.uuid AS user_id, r.privilege, coalesce(r.group_uuid::text, 'local') AS via
FROM rd_grants r
JOIN rd_users u ON u.id = r.user_id
WHERE u.state IN ('active', 'kept');
DROP INDEX rd_grants_one;
ALTER TABLE rd_grants DROP COLUMN group_id;
-- One by the directory, and one given locally.
CREATE UNIQUE INDEX rd_grants_one ON rd_grants (user_id, privilege, (group_key IS NULL));
