-- What tells whether another source of the same directory sees somebody (I8): the base DNs of its users (JSON), the
-- attribute of its unique id, and whether its groups give roles. NULL until its next run.
ALTER TABLE rd_sources ADD COLUMN user_bases TEXT;
ALTER TABLE rd_sources ADD COLUMN unique_id TEXT;
ALTER TABLE rd_sources ADD COLUMN gives_roles INTEGER;
