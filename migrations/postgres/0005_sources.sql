-- When a source was given up (S6).
ALTER TABLE rd_sources ADD COLUMN retired_at bigint;

-- Until when nobody is missed, by order of an administrator (B5).
CREATE TABLE rd_freezes (
    source text COLLATE "C" PRIMARY KEY,
    since bigint NOT NULL,
    until bigint NOT NULL,
    reason text NOT NULL
);
