-- Somebody may lose several kinds of things in one run, all held (B1).
ALTER TABLE rd_held DROP CONSTRAINT rd_held_pkey;
ALTER TABLE rd_held ADD PRIMARY KEY (run_id, user_id, kind);

-- What a run rested on: the settings that say who is read, the server and its change numbers, the clocks (B1, E7, L10).
ALTER TABLE rd_runs ADD COLUMN basis text;
-- Only the newest are kept.
CREATE INDEX rd_runs_basis ON rd_runs (source, id) WHERE basis IS NOT NULL;

-- When somebody pending has a contested address, the contest ends with the owner's deletion (A4).
CREATE OR REPLACE VIEW roster_conflicts AS
SELECT c.id,
       c.kind,
       c.subject,
       u.uuid AS user_id,
       c.detail,
       to_timestamp(c.opened_at / 1000.0) AS opened_at,
       to_timestamp(coalesce(c.due_at, CASE WHEN c.kind = 'address-taken' AND c.status = 'open'
           AND u.state = 'pending' THEN u.delete_after END) / 1000.0) AS due_at,
       c.status
FROM rd_conflicts c
LEFT JOIN rd_users u ON u.id = c.user_id;
