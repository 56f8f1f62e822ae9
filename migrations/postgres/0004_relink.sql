-- By whom somebody deleted and re-added in the directory is recognised (I5).
CREATE INDEX rd_users_former_address ON rd_users (former_address) WHERE former_address IS NOT NULL;
-- The unique id of the newcomer who resembles the user of a `maybe-same-person`.
ALTER TABLE rd_conflicts ADD COLUMN other text;
