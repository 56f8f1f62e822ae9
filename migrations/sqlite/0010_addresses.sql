-- Addresses stand with their user, in the order in which users come in; a unique index says that each has one bearer (A3).
-- A first sync fills that index when all addresses are there, in the order of its keys.
CREATE TABLE rd_addresses_before AS SELECT key, user_id, kind, address FROM rd_addresses;
DROP TABLE rd_addresses;
CREATE TABLE rd_addresses (
    key TEXT NOT NULL,
    user_id INTEGER NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('primary', 'alias')),
    address TEXT NOT NULL,
    PRIMARY KEY (user_id, key)
) WITHOUT ROWID;
INSERT INTO rd_addresses (key, user_id, kind, address)
SELECT key, user_id, kind, address FROM rd_addresses_before ORDER BY user_id, key;
DROP TABLE rd_addresses_before;
CREATE UNIQUE INDEX rd_addresses_key ON rd_addresses (key);
CREATE UNIQUE INDEX rd_addresses_primary ON rd_addresses (user_id) WHERE kind = 'primary';
CREATE TRIGGER rd_addresses_added_by_hand AFTER INSERT ON rd_addresses WHEN (SELECT writing FROM rd_store) = 0
BEGIN
    UPDATE rd_users SET fingerprint = NULL WHERE id = NEW.user_id;
END;
CREATE TRIGGER rd_addresses_changed_by_hand AFTER UPDATE ON rd_addresses WHEN (SELECT writing FROM rd_store) = 0
BEGIN
    UPDATE rd_users SET fingerprint = NULL WHERE id IN (OLD.user_id, NEW.user_id);
END;
CREATE TRIGGER rd_addresses_removed_by_hand AFTER DELETE ON rd_addresses WHEN (SELECT writing FROM rd_store) = 0
BEGIN
    UPDATE rd_users SET fingerprint = NULL WHERE id = OLD.user_id;
END;
