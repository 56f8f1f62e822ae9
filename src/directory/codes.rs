//! LDAP result codes in words, with the remedy.

use super::settings::Kind;

/// A server's text for the end of a sentence; nothing when it is empty. Control characters are escaped.
pub fn quoted(text: &str) -> String {
    let text = text.trim_matches(|c: char| c.is_control() || c.is_whitespace());
    if text.is_empty() { String::new() } else { format!(" (the server says: {})", printable(text)) }
}

/// Text without raw control characters.
pub fn printable(text: &str) -> String {
    text.chars().flat_map(|c| if c.is_control() { c.escape_default().collect() } else { vec![c] }).collect()
}

/// The name RFC 4511 gives a code.
pub const fn name(code: u32) -> &'static str {
    match code {
        0 => "success",
        1 => "operationsError",
        2 => "protocolError",
        3 => "timeLimitExceeded",
        4 => "sizeLimitExceeded",
        7 => "authMethodNotSupported",
        8 => "strongerAuthRequired",
        10 => "referral",
        11 => "adminLimitExceeded",
        12 => "unavailableCriticalExtension",
        13 => "confidentialityRequired",
        14 => "saslBindInProgress",
        32 => "noSuchObject",
        34 => "invalidDNSyntax",
        48 => "inappropriateAuthentication",
        49 => "invalidCredentials",
        50 => "insufficientAccessRights",
        51 => "busy",
        52 => "unavailable",
        53 => "unwillingToPerform",
        80 => "other",
        _ => "unknown code",
    }
}

/// The stable word of an incomplete read that ended with this code.
pub const fn cause(code: u32) -> &'static str {
    match code {
        3 => "time-limit",
        4 => "size-limit",
        10 => "reference",
        11 => "admin-limit",
        12 => "paging",
        32 => "base",
        50 => "access",
        51 => "busy",
        52 => "unavailable",
        53 => "unwilling",
        _ => "search-failed",
    }
}

/// Whether a server refuses to page at all, or to let this account do so (OpenLDAP's `size.prtotal=disabled`).
pub fn refuses_paging(code: u32, text: &str) -> bool {
    code == 12 || code == 11 && text.to_ascii_lowercase().contains("pagedresults control not allowed")
}

/// What a limit of the server did to a search, and where a server of this kind has it.
const fn limit(code: u32, kind: Kind) -> &'static str {
    use Kind::{ActiveDirectory, Ds389, FreeIpa, Generic, OpenLdap};
    match (code, kind) {
        (3, OpenLdap) => {
            "the server's time limit ended the search; raise it for the bind account (`limits dn.exact=\"…\" \
             time=unlimited`), or index the filter's attributes"
        }
        (3, Ds389 | FreeIpa) => {
            "the server's time limit ended the search; raise it for the bind account (nsTimeLimit on its entry, or \
             nsslapd-timelimit in cn=config), or index the filter's attributes"
        }
        (3, ActiveDirectory) => {
            "the server's time limit ended the search; look for a filter that it can use an index for, or raise \
             MaxQueryDuration in its query policy"
        }
        (3, Generic) => {
            "the server's time limit ended the search; raise the bind account's time limit, or index the filter's attributes"
        }
        (4, OpenLdap) => {
            "the server's size limit cut the list off; raise it for the bind account (`limits dn.exact=\"…\" \
             size=unlimited`), paging does not lift it"
        }
        (4, Ds389 | FreeIpa) => {
            "the server's size limit cut the list off; raise it for the bind account (nsSizeLimit and nsPagedSizeLimit: -1 on \
             its entry, or nsslapd-sizelimit in cn=config), paging does not lift it"
        }
        (4, ActiveDirectory) => {
            "the server's size limit cut the list off; let source.page_size be 1000, paging lifts it (or raise MaxPageSize in \
             its query policy)"
        }
        (4, Generic) => {
            "the server's size limit cut the list off; raise it for the bind account, paging may not lift it"
        }
        (_, OpenLdap) => {
            "an administrative limit ended the search; raise it for the bind account (`limits dn.exact=\"…\" \
             size=unlimited`), or index the filter's attributes"
        }
        (_, Ds389 | FreeIpa) => {
            "the limit of entries that the server looks at ended the search; raise it for the bind account \
             (nsLookThroughLimit and nsPagedLookThroughLimit: -1 on its entry, or nsslapd-lookthroughlimit and \
             nsslapd-pagedlookthroughlimit of the database), or index the filter's attributes"
        }
        (_, ActiveDirectory) => {
            "an administrative limit ended the search; index the filter's attributes, or raise the limit in the server's query \
             policy (lDAPAdminLimits)"
        }
        (_, Generic) => {
            "an administrative limit ended the search; raise the bind account's limits on the server, or index the filter's \
             attributes"
        }
    }
}

/// What a code means at the end of a search on a server of this kind, and what to do.
pub fn search_meaning(code: u32, text: &str, kind: Kind) -> String {
    let remedy = match code {
        1 => "the server refuses the operation, often because it is not bound; check the bind account",
        2 => "the server found the request, or its page cookie, invalid; run again",
        11 if refuses_paging(code, text) => {
            "the server does not let the bind account page; set source.page_size = 0 (everything in one search, within the \
             account's size limit), or allow it (`limits dn.exact=\"…\" size=unlimited size.prtotal=unlimited`)"
        }
        3 | 4 | 11 => limit(code, kind),
        8 | 13 => "the server demands TLS; use ldaps:// or source.starttls = true",
        10 => "the server refers to another one; set source.urls to that server, or list it in source.outside",
        12 => "the server cannot page; set source.page_size = 0",
        32 => "the base does not exist",
        34 => "the base is not a valid DN",
        50 => "the bind account may not search here; grant it the right to read",
        51 => "the server is busy; it is tried again later",
        52 => "the server is going down or cannot answer; it is tried again later",
        53 => "the server is unwilling; look at its log",
        _ => "look at the server's log",
    };
    format!("{}: {remedy}", name(code))
}

/// What a code means as the answer to a bind, and what to do. AD puts its reason into the text.
pub fn bind_meaning(code: u32, text: &str) -> String {
    let active_directory = if code == 49 { active_directory(text) } else { None };
    if let Some(meaning) = active_directory.or_else(|| e_directory(text)) {
        return format!("{}: {meaning}", name(code));
    }
    let remedy = match code {
        7 => {
            "the server does not offer this way to bind; for SASL EXTERNAL it has to accept client certificates, or \
              peer credentials on ldapi"
        }
        8 | 13 => "the server demands TLS; use ldaps:// or source.starttls = true",
        14 => "the server wants more than one step",
        34 => "source.bind_dn is not a valid DN",
        32 | 49 => "no such account or a wrong password; check source.bind_dn and the password file",
        48 => "the account cannot bind this way; check source.bind_dn, the password, or the client certificate",
        50 => "the account may not bind",
        51 | 52 => "the server cannot answer now; it is tried again later",
        53 => "the server is unwilling: the account may be locked or disabled; look at the server's log",
        _ => "look at the server's log",
    };
    format!("{}: {remedy}", name(code))
}

/// AD's sub-codes of 49, in words.
fn active_directory(text: &str) -> Option<&'static str> {
    let (_, after) = text.split_once("data ")?;
    let code = after.split(|c: char| !c.is_ascii_alphanumeric()).next()?;
    Some(match code.to_ascii_lowercase().as_str() {
        "525" => "no such account (525); check source.bind_dn",
        "52e" => "wrong password or no such account (52e); check source.bind_dn and the password file",
        "530" => "the account may not log on at this hour (530); change its logon hours",
        "531" => "the account may not log on from this machine (531); change its workstations",
        "532" => "the password has expired (532); set a new one and put it into the password file",
        "533" => "the account is disabled (533); enable it",
        "701" => "the account has expired (701); prolong it",
        "773" => "the password has to be changed first (773); set it, without `must change at next logon`",
        "775" => "the account is locked out (775); unlock it, and look for an old password somewhere",
        _ => return None,
    })
}

/// eDirectory's own codes, which it writes as `NDS error: failed authentication (-669)`, in words.
fn e_directory(text: &str) -> Option<&'static str> {
    let (_, after) = text.split_once("NDS error")?;
    let (_, after) = after.rsplit_once("(-")?;
    Some(match after.split(')').next()? {
        "197" => "the account is locked out (-197); unlock it, and look for an old password somewhere",
        "218" => "the account may not log in at this hour (-218); change its login times",
        "220" => "the account is disabled or has expired (-220); enable or prolong it",
        "222" => "the password has expired (-222); set a new one and put it into the password file",
        "669" => "wrong password (-669); check the password file",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// E9
    #[test]
    fn active_directory_sub_codes_are_said_in_words() {
        let text = |data: &str| {
            format!("80090308: LdapErr: DSID-0C09042A, comment: AcceptSecurityContext error, data {data}, v3839")
        };
        for (data, word) in [
            ("52e", "wrong password"),
            ("532", "has expired"),
            ("533", "disabled"),
            ("701", "account has expired"),
            ("773", "has to be changed"),
            ("775", "locked out"),
        ] {
            let says = bind_meaning(49, &text(data));
            assert!(says.contains(word) && says.contains(data), "{says}");
        }
        assert!(bind_meaning(49, "").contains("wrong password"));
    }

    /// E9
    #[test]
    fn e_directory_s_codes_are_said_in_words() {
        for (code, text, word) in [
            (49, "NDS error: failed authentication (-669)", "wrong password (-669)"),
            (49, "NDS error: bad password (-222)", "password has expired (-222)"),
            (53, "NDS error: log account expired (-220)", "disabled or has expired (-220)"),
            (53, "NDS error: bad login time (-218)", "at this hour"),
            (53, "NDS error: login lockout (-197)", "locked out"),
            (53, "NDS error: something else (-9999)", "the server is unwilling"),
            (53, "data 52e (-220)", "the server is unwilling"),
        ] {
            assert!(bind_meaning(code, text).contains(word), "{text}");
        }
    }

    /// E1: a limit is named as the kind of server calls it, and as none else does.
    #[test]
    fn a_limit_is_told_with_the_words_of_the_kind() {
        let words = [
            (Kind::OpenLdap, ["time=unlimited", "size=unlimited", "size=unlimited"]),
            (Kind::Ds389, ["nsTimeLimit", "nsPagedSizeLimit", "nsPagedLookThroughLimit"]),
            (Kind::FreeIpa, ["nsslapd-timelimit", "nsslapd-sizelimit", "nsslapd-pagedlookthroughlimit"]),
            (Kind::ActiveDirectory, ["MaxQueryDuration", "MaxPageSize", "lDAPAdminLimits"]),
            (Kind::Generic, ["time limit, or index", "raise it for", "raise the bind account's limits"]),
        ];
        for (kind, words) in words {
            for (code, word) in [3, 4, 11].into_iter().zip(words) {
                let says = search_meaning(code, "", kind);
                assert!(says.contains(word), "{says}");
                assert!(says.contains("dn.exact") == (kind == Kind::OpenLdap), "{says}");
                assert!(says.contains("nsslapd-") == matches!(kind, Kind::Ds389 | Kind::FreeIpa), "{says}");
            }
        }
        let says = search_meaning(11, "pagedResults control not allowed", Kind::OpenLdap);
        assert!(says.contains("source.page_size = 0"), "{says}");
    }

    #[test]
    fn the_server_s_own_words_are_shown_without_control_characters() {
        assert_eq!(quoted("\u{1b}[31mno\0"), " (the server says: [31mno)");
        assert_eq!(quoted("a\u{1b}b"), " (the server says: a\\u{1b}b)");
        assert_eq!(quoted("a\nb"), " (the server says: a\\nb)");
        assert_eq!(quoted("\0"), "");
    }
}
