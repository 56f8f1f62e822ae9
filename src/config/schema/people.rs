//! `[users]`, `[groups]`, `[[role]]`, `[[grant]]`: who is read, and what becomes of the attributes.

use super::{Default::*, Form::*, Key, Type, Type::*};

const SCOPES: Type = OneOf(&["subtree", "onelevel", "base"]);

/// One mapped attribute of a user.
const fn attribute(path: &'static str, says: &'static str, example: &'static str) -> Key {
    Key::new(path, Optional(Attribute), ByKind, "U2, U6", says, example)
}

/// The keys of `[users]` and `[groups]`.
pub const KEYS: &[Key] = &[
    Key::new("users.enabled", Flag, Is("true"), "G7", "`false`: users are not read.", "false"),
    Key::new(
        "users.base_dns",
        List(Dn),
        Like("source.base_dn"),
        "E3",
        "Where users are searched.",
        r#"["ou=people,dc=example,dc=com"]"#,
    ),
    Key::new("users.scope", SCOPES, Is(r#""subtree""#), "", "How deep below each base.", r#""onelevel""#),
    Key::new(
        "users.filter",
        Text(Filter),
        ByKind,
        "I4",
        "Which entries are users (RFC 4515).",
        r#""(objectClass=inetOrgPerson)""#,
    ),
    Key::new(
        "users.identity",
        OneOf(&["unique-id", "address"]),
        Is(r#""unique-id""#),
        "I2, I6",
        "What makes two reads the same person. This version knows `unique-id` and refuses `address`.",
        r#""unique-id""#,
    ),
    Key::new(
        "users.primary",
        List(Primary),
        Is(r#"["mail", "proxyAddresses"]"#),
        "A1",
        "Where the primary address comes from, best first.",
        r#"["proxyAddresses", "mail"]"#,
    ),
    Key::new(
        "users.relink",
        OneOf(&["both", "never"]),
        Is(r#""both""#),
        "I5",
        "Whether somebody who was deleted and re-created in the directory gets the old internal id back.",
        r#""never""#,
    )
    .later("nobody is re-linked")
    .does("never"),
    Key::new(
        "users.relink_within",
        Time { least: "0d", most: "36500d", never: false },
        Is(r#""90d""#),
        "I5",
        "How long after the deletion that is done.",
        r#""30d""#,
    )
    .later("nobody is re-linked"),
    Key::new(
        "users.address",
        OneOf(&["required", "optional"]),
        Is(r#""required""#),
        "U10",
        "`optional`: people without any address are added, too.",
        r#""optional""#,
    ),
    Key::new(
        "users.on_match",
        OneOf(&["supplement", "adopt", "skip"]),
        Is(r#""supplement""#),
        "M2",
        "What happens when a manual account has the address already.",
        r#""skip""#,
    ),
    Key::new(
        "users.default_role",
        Optional(Name),
        Is(r#""""#),
        "R1",
        "Role of people whom no mapped group gives one.",
        r#""user""#,
    )
    .later("no roles are given"),
    Key::new(
        "users.require_role",
        Flag,
        Is("false"),
        "R3",
        "Leaves out people without a mapped role or grant. This version refuses `true`.",
        "false",
    ),
    Key::new(
        "users.attributes.unique_id",
        Text(Attribute),
        ByKind,
        "I2",
        "What identifies an entry for good; a configured one, such as `employeeNumber`, survives delete and re-create.",
        r#""entryUUID""#,
    ),
    attribute("users.attributes.username", "Name a person signs in with.", r#""uid""#),
    attribute("users.attributes.user_principal_name", "`user@domain` of AD.", r#""userPrincipalName""#),
    attribute("users.attributes.display_name", "Name as shown.", r#""displayName""#),
    attribute("users.attributes.mail", "Mail address.", r#""mail""#),
    Key::new(
        "users.attributes.aliases",
        List(Attribute),
        ByKind,
        "A2",
        "Further addresses; values may carry `SMTP:` (primary) or `smtp:` (alias).",
        r#"["proxyAddresses"]"#,
    ),
    attribute("users.attributes.given_name", "First name.", r#""givenName""#),
    attribute("users.attributes.surname", "Family name.", r#""sn""#),
    attribute("users.attributes.home_phone", "Phone at home.", r#""homePhone""#),
    attribute("users.attributes.mobile", "Mobile phone.", r#""mobile""#),
    attribute("users.attributes.company", "Company.", r#""o""#),
    attribute("users.attributes.department", "Department.", r#""departmentNumber""#),
    attribute("users.attributes.notes", "Notes.", r#""description""#),
    Key::new(
        "users.attributes.extra.*",
        Optional(Attribute),
        Unset("no extra field"),
        "U6",
        "A field of your own: its name in the store's `extra`, and the attribute it takes; at most 240 of them.",
        r#""employeeType""#,
    ),
    Key::new(
        "users.defaults.*",
        Anything,
        Unset("nothing"),
        "U1",
        "A value that new users get in `extra`.",
        r#""standard""#,
    )
    .later("new users get no further values"),
    Key::new(
        "users.disabled[].attribute",
        Text(Attribute),
        Unset("only with `filter`"),
        "U8",
        "Attribute the test looks at. The tests given here replace those of the kind; one that holds disables.",
        r#""employeeType""#,
    ),
    Key::new(
        "users.disabled[].values",
        List(Name),
        Unset("another test"),
        "U8",
        "Disabled when the attribute has one of these values.",
        r#"["left"]"#,
    ),
    Key::new(
        "users.disabled[].bits",
        Number { least: 1, most: u32::MAX as u64 },
        Unset("another test"),
        "U8",
        "Disabled when the attribute, a whole number, has all of these bits.",
        "2",
    ),
    Key::new(
        "users.disabled[].expired",
        Flag,
        Unset("another test"),
        "U8",
        "`true`: disabled when the attribute is a time in the past.",
        "true",
    ),
    Key::new(
        "users.disabled[].filter",
        Text(Filter),
        Unset("another test"),
        "U8",
        "Disabled when the entry matches; without `attribute`.",
        r#""(employeeType=left)""#,
    ),
    Key::new("groups.enabled", Flag, Is("true"), "G7", "`false`: groups are not read.", "false"),
    Key::new(
        "groups.base_dns",
        List(Dn),
        Like("source.base_dn"),
        "E3",
        "Where groups are searched.",
        r#"["ou=groups,dc=example,dc=com"]"#,
    ),
    Key::new("groups.scope", SCOPES, Is(r#""subtree""#), "", "How deep below each base.", r#""onelevel""#),
    Key::new(
        "groups.filter",
        Text(Filter),
        ByKind,
        "",
        "Which entries are groups (RFC 4515).",
        r#""(objectClass=groupOfNames)""#,
    ),
    Key::new(
        "groups.nested",
        OneOf(&["direct", "flatten"]),
        Is(r#""direct""#),
        "G4",
        "`flatten`: members of a group in a group count, too; `direct`: they do not.",
        r#""direct""#,
    ),
    Key::new(
        "groups.assign",
        OneOf(&["many", "one"]),
        Is(r#""many""#),
        "G5",
        "`one`: every user is in exactly one group; `many`: in all that name the user.",
        r#""many""#,
    ),
    Key::new(
        "groups.priority",
        List(Name),
        Is("[]"),
        "G5",
        "With `one`: names of groups, best first; the others follow in order of name.",
        r#"["staff", "guests"]"#,
    ),
    Key::new(
        "groups.default_group",
        Optional(Name),
        Is(r#""""#),
        "G5",
        "With `one`: name of the group of people who are in none; it has to be one that is read.",
        r#""guests""#,
    ),
    Key::new(
        "groups.empty",
        OneOf(&["keep", "drop"]),
        Is(r#""keep""#),
        "G6",
        "`drop`: a group without any stored user is left out, and comes back with its id; `keep`: it stays.",
        r#""keep""#,
    ),
    Key::new(
        "groups.attributes.unique_id",
        Text(Attribute),
        ByKind,
        "G2",
        "What identifies a group for good.",
        r#""entryUUID""#,
    ),
    Key::new("groups.attributes.name", Text(Attribute), ByKind, "G2", "Name of the group.", r#""cn""#),
    Key::new(
        "groups.attributes.members",
        List(Attribute),
        ByKind,
        "G3",
        "Attributes that list the members; `memberOf` is read from the users' side.",
        r#"["member"]"#,
    ),
    Key::new(
        "role[].name",
        Text(Name),
        Required,
        "R1",
        "Name of the role; the highest role stands first.",
        r#""admin""#,
    )
    .later("no roles are given"),
    Key::new(
        "role[].groups",
        List(Dn),
        Unset("found by `filter`"),
        "R1",
        "Groups that give the role.",
        r#"["cn=admins,ou=groups,dc=example,dc=com"]"#,
    )
    .later("no roles are given"),
    Key::new("role[].identifier", Text(Name), Like("role[].name"), "R1", "What `%role%` stands for.", r#""admins""#)
        .later("no roles are given"),
    Key::new(
        "role[].filter",
        Text(RoleFilter),
        Unset("given by `groups`"),
        "R1",
        "Filter that finds the group, with `%role%` for the identifier.",
        r#""(&(objectClass=groupOfNames)(cn=%role%))""#,
    )
    .later("no roles are given"),
    Key::new(
        "role[].base_dn",
        Text(Dn),
        Like("source.base_dn"),
        "R1",
        "Where the filter searches.",
        r#""ou=groups,dc=example,dc=com""#,
    )
    .later("no roles are given"),
    Key::new("role[].scope", SCOPES, Is(r#""subtree""#), "R1", "How deep below it.", r#""onelevel""#)
        .later("no roles are given"),
    Key::new("role[].members", List(Attribute), ByKind, "R1", "Attributes that list the members.", r#"["member"]"#)
        .later("no roles are given"),
    Key::new("grant[].privilege", Text(Name), Required, "R2", "Name of the privilege.", r#""wallet-read""#)
        .later("no grants are given"),
    Key::new(
        "grant[].groups",
        List(Dn),
        Required,
        "R2",
        "Groups that carry it.",
        r#"["cn=wallets,ou=groups,dc=example,dc=com"]"#,
    )
    .later("no grants are given"),
    Key::new("grant[].directory_only", Flag, Is("false"), "R2", "`true`: cannot be given locally.", "true")
        .later("no grants are given"),
];
