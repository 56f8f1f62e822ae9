-- What a complete run had in its hands before it took anything from anybody by absence (E1-E10, L2).
ALTER TABLE rd_runs ADD COLUMN proof TEXT;
