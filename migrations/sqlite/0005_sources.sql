-- When a source was given up (S6).
ALTER TABLE rd_sources ADD COLUMN retired_at INTEGER;

-- Until when nobody is missed, by order of an administrator (B5).
CREATE TABLE rd_freezes (
    source TEXT PRIMARY KEY,
    since INTEGER NOT NULL,
    until INTEGER NOT NULL,
    reason TEXT NOT NULL
) WITHOUT ROWID;
