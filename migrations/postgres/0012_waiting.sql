-- Since when somebody pending is back and waits for a username that another one bears: the date stands still (L5).
ALTER TABLE rd_users ADD COLUMN waits_since bigint;
