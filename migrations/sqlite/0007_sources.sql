-- What tells whether another source of the same directory sees somebody (I8): the base DNs of its users (JSON), the
-- attribute of its unique id, and whether its groups give roles. NULL until its next run.
ALTER TABLE rd_sources ADD COLUMN user_bases TEXT;
ALTER TABLE rd_sources ADD COLUMN unique_id TEXT;
ALTER TABLE rd_sources ADD COLUMN gives_roles INTEGER;

-- The unique id of a user who is parked because the entry has another address, and so another user (I6).
ALTER TABLE rd_users ADD COLUMN former_unique_id TEXT;
-- The address of somebody parked is the one that is remembered: nobody has it, or somebody else.
DROP VIEW roster_users;
CREATE VIEW roster_users AS
SELECT u.uuid AS id,
       u.source,
       u.origin,
       u.unique_id,
       u.dn,
       u.username,
       u.user_principal_name,
       coalesce(a.address, CASE WHEN u.state = 'dormant' THEN u.former_address END) AS primary_address,
       u.display_name,
       u.given_name,
       u.surname,
       u.home_phone,
       u.mobile,
       u.company,
       u.department,
       u.notes,
       u.role,
       u.state,
       u.state IN ('active', 'kept') AS access,
       u.pending_reason,
       strftime('%Y-%m-%dT%H:%M:%fZ', u.flagged_at / 1000.0, 'unixepoch') AS flagged_at,
       strftime('%Y-%m-%dT%H:%M:%fZ', u.delete_after / 1000.0, 'unixepoch') AS delete_after,
       u.transferred_to,
       CASE WHEN u.state <> 'deleted' THEN u.extra END AS extra,
       strftime('%Y-%m-%dT%H:%M:%fZ', u.created_at / 1000.0, 'unixepoch') AS created_at,
       strftime('%Y-%m-%dT%H:%M:%fZ', u.updated_at / 1000.0, 'unixepoch') AS updated_at
FROM rd_users u
LEFT JOIN rd_addresses a ON a.user_id = u.id AND a.kind = 'primary';
