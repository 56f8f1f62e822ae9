-- How far back the feed goes: whoever read up to a number below `forgotten` missed changes that were dropped (history.keep).
ALTER TABLE rd_store ADD COLUMN forgotten INTEGER NOT NULL DEFAULT 0;
-- Nobody wrote it down so far; as long as the first run is there, nothing was dropped.
UPDATE rd_store SET forgotten = coalesce((SELECT min(seq) - 1 FROM rd_changes), seq)
WHERE last_run > 0 AND NOT EXISTS (SELECT 1 FROM rd_runs WHERE id = 1);

CREATE VIEW roster_feed AS SELECT forgotten AS dropped, seq AS last FROM rd_store;
