-- What the server said of a refused bind, in words: whoever may not try again for 15 minutes is still told why (E9).
ALTER TABLE rd_refused_binds ADD COLUMN says text NOT NULL DEFAULT '';
