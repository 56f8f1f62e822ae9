-- Somebody may lose several kinds of things in one run, all held (B1).
CREATE TABLE rd_held_new (
    run_id INTEGER NOT NULL REFERENCES rd_runs (id) DEFERRABLE INITIALLY DEFERRED,
    user_id INTEGER NOT NULL REFERENCES rd_users (id) DEFERRABLE INITIALLY DEFERRED,
    label TEXT NOT NULL,
    kind TEXT NOT NULL,
    reason TEXT NOT NULL,
    PRIMARY KEY (run_id, user_id, kind)
) WITHOUT ROWID;
INSERT INTO rd_held_new (run_id, user_id, label, kind, reason) SELECT run_id, user_id, label, kind, reason FROM rd_held;
DROP TABLE rd_held;
ALTER TABLE rd_held_new RENAME TO rd_held;

-- What a run rested on: the settings that say who is read, the server and its change numbers, the clocks (B1, E7, L10).
ALTER TABLE rd_runs ADD COLUMN basis TEXT;
-- Only the newest are kept.
CREATE INDEX rd_runs_basis ON rd_runs (source, id) WHERE basis IS NOT NULL;

-- When somebody pending has a contested address, the contest ends with the owner's deletion (A4).
DROP VIEW roster_conflicts;
CREATE VIEW roster_conflicts AS
SELECT c.id,
       c.kind,
       c.subject,
       u.uuid AS user_id,
       c.detail,
       strftime('%Y-%m-%dT%H:%M:%fZ', c.opened_at / 1000.0, 'unixepoch') AS opened_at,
       strftime('%Y-%m-%dT%H:%M:%fZ', coalesce(c.due_at, CASE WHEN c.kind = 'address-taken' AND c.status = 'open'
           AND u.state = 'pending' THEN u.delete_after END) / 1000.0, 'unixepoch') AS due_at,
       c.status
FROM rd_conflicts c
LEFT JOIN rd_users u ON u.id = c.user_id;
