//! What an entry asks for, before anybody looks at who else wants the same (A1, A2, A6, D1).

use crate::plan::Policy;
use crate::roster::{Address, AddressKey, Claim, ClaimKind};

/// A single value that is left out, or the reason why somebody is.
pub(super) type Finding = (&'static str, &'static str, String);

/// The addresses an entry asks for.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub(super) struct Wish {
    /// The primary it should have; `None` when it gives none that can be used.
    pub primary: Option<Address>,
    /// Managed, well-formed, in folded order, without the primary.
    pub aliases: Vec<Address>,
    /// Whether no attribute that can give the primary has any value.
    pub gives_none: bool,
    /// Whether the entry has any address value, malformed ones included.
    pub any_value: bool,
    /// The primary it names, when its domain is not managed (D1, D3).
    pub unmanaged: Option<Box<Address>>,
    /// Values that are left out, with reason and rule.
    pub findings: Vec<Finding>,
}

/// Picks the primary address and the aliases out of an entry's address values.
///
/// `present` is the primary that the user has now, `remembered` the one of a tombstone: either stays when it is among
/// the candidates (A1). A malformed candidate leaves the present one where it is; for somebody without one the next
/// attribute counts.
pub(super) fn addresses(
    claims: Vec<Claim>,
    present: Option<&Address>,
    remembered: Option<&AddressKey>,
    policy: &Policy,
) -> Wish {
    let known = present.map(Address::key);
    let known = known.as_ref().or(remembered);
    let mut wish = Wish { any_value: !claims.is_empty(), ..Wish::default() };
    for claim in &claims {
        if let Err(text) = &claim.value {
            wish.findings.push(("malformed-address", "A6", format!("`{text}` is not an address")));
        }
    }
    let mut ranks: Vec<u8> = claims.iter().filter_map(|claim| rank(claim.kind)).collect();
    ranks.dedup();
    wish.gives_none = ranks.is_empty();
    for at in ranks {
        let here = || claims.iter().filter(move |claim| rank(claim.kind) == Some(at));
        let malformed = here().any(|claim| claim.value.is_err());
        match pick(here().filter_map(|claim| claim.value.as_ref().ok()), known, policy) {
            Some(address) if policy.manages(address) => wish.primary = Some(address.clone()),
            Some(address) => wish.unmanaged = Some(Box::new(address.clone())),
            None if malformed && present.is_some() => wish.primary = present.cloned(),
            None => continue,
        }
        break;
    }
    wish.take_aliases(claims, policy);
    wish
}

fn rank(kind: ClaimKind) -> Option<u8> {
    match kind {
        ClaimKind::Primary(rank) => Some(rank),
        ClaimKind::Alias => None,
    }
}

/// Of several candidates: those in managed domains first, of them the known one, else the smallest folded.
fn pick<'a>(
    candidates: impl Iterator<Item = &'a Address>,
    known: Option<&AddressKey>,
    policy: &Policy,
) -> Option<&'a Address> {
    let order = |address: &Address| {
        let key = address.key();
        (!policy.manages(address), Some(&key) != known, key, address.as_str().to_owned())
    };
    let mut candidates = candidates.peekable();
    let first = candidates.next()?;
    match candidates.peek() {
        None => Some(first),
        Some(_) => std::iter::once(first).chain(candidates).min_by_key(|address| order(address)),
    }
}

impl Wish {
    fn take_aliases(&mut self, claims: Vec<Claim>, policy: &Policy) {
        let primary = self.primary.as_ref().or(self.unmanaged.as_deref()).map(Address::digest);
        self.aliases.reserve_exact(claims.len().saturating_sub(usize::from(primary.is_some())));
        for address in claims.into_iter().filter_map(|claim| claim.value.ok()) {
            if Some(address.digest()) == primary {
                continue;
            }
            if policy.manages(&address) {
                self.aliases.push(address);
            } else {
                let says = format!("`{address}` is in `{}`, which is not a managed domain", address.domain());
                self.findings.push(("unmanaged-domain", "D1", says));
            }
        }
        if self.aliases.len() > 1 {
            self.aliases.sort_by_cached_key(|address| (address.key(), address.as_str().to_owned()));
            self.aliases.dedup_by_key(|address| address.digest());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::tests::policy;

    fn claim(kind: ClaimKind, text: &str) -> Claim {
        Claim { kind, value: Address::parse(text).ok_or_else(|| text.into()) }
    }

    fn wish(claims: &[(ClaimKind, &str)], present: Option<&str>, managed: &[&str]) -> (String, String, Option<String>) {
        let claims = claims.iter().map(|(kind, text)| claim(*kind, text)).collect();
        let present = present.map(|text| Address::parse(text).unwrap());
        let wish = addresses(claims, present.as_ref(), None, &policy(managed));
        let aliases: Vec<_> = wish.aliases.iter().map(Address::as_str).collect();
        (
            wish.primary.map(|a| a.to_string()).unwrap_or_default(),
            aliases.join(" "),
            wish.unmanaged.map(|a| a.to_string()),
        )
    }

    const MAIL: ClaimKind = ClaimKind::Primary(0);
    const SMTP: ClaimKind = ClaimKind::Primary(1);
    const ALIAS: ClaimKind = ClaimKind::Alias;

    /// A1: mail before SMTP:, the rest become aliases; A2: no repeats.
    #[test]
    fn mail_is_the_primary_and_the_rest_are_aliases() {
        let claims = [(MAIL, "a@x.example"), (SMTP, "b@x.example"), (ALIAS, "c@x.example"), (ALIAS, "A@x.example")];
        assert_eq!(wish(&claims, None, &[]), ("a@x.example".into(), "b@x.example c@x.example".into(), None));
        assert_eq!(wish(&[(SMTP, "b@x.example")], None, &[]).0, "b@x.example");
    }

    /// A1: of several the present one stays, else the smallest; managed domains come first.
    #[test]
    fn of_several_mails_the_present_one_stays() {
        let claims = [(MAIL, "z@x.example"), (MAIL, "m@x.example"), (MAIL, "a@other.example")];
        assert_eq!(wish(&claims, None, &["x.example"]).0, "m@x.example");
        assert_eq!(wish(&claims, Some("Z@x.example"), &["x.example"]).0, "z@x.example");
        assert_eq!(wish(&claims, Some("gone@x.example"), &[]).0, "a@other.example");
    }

    /// A1: a malformed primary leaves the present one, and lets somebody new use the next attribute.
    #[test]
    fn a_malformed_primary_costs_nothing() {
        let claims = [(MAIL, ""), (SMTP, "b@x.example")];
        assert_eq!(wish(&claims, Some("a@x.example"), &[]).0, "a@x.example");
        assert_eq!(wish(&claims, None, &[]).0, "b@x.example");
    }

    /// VIPRE-16, VIPRE-17, D1
    #[test]
    fn only_managed_domains_count() {
        let claims = [(MAIL, "a@other.example"), (ALIAS, "a@x.example"), (ALIAS, "b@other.example")];
        let (primary, aliases, unmanaged) = wish(&claims, None, &["x.example"]);
        assert_eq!((primary.as_str(), aliases.as_str()), ("", "a@x.example"));
        assert_eq!(unmanaged.as_deref(), Some("a@other.example"));
    }
}
