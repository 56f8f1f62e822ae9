//! E-mail addresses and domains: parsed once, compared folded, printed as written.

use std::fmt;

use idna::uts46::{AsciiDenyList, DnsLength, Hyphens, Uts46};
use unicode_normalization::UnicodeNormalization;

use crate::roster::Digest;
use crate::roster::account::written;

/// The longest address in octets (RFC 5321, 4.5.3.1.3 less the angle brackets).
const MAX_OCTETS: usize = 254;

/// Whether an address is the one a user is known by, or one more.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum AddressKind {
    /// The one address a user is known by.
    Primary,
    /// Any further address.
    Alias,
}

written!(AddressKind { Primary = "primary", Alias = "alias" });

/// What a local part holds only between quotes (RFC 5322, 3.2.3), which nobody's real address has: a comma would make
/// two recipients of one.
const SPECIAL: [char; 12] = ['(', ')', '<', '>', '[', ']', ':', ';', '@', '\\', ',', '"'];

/// Text folded for comparison: NFKC, lower case (A3, U7).
pub fn fold(text: &str) -> String {
    if text.is_ascii() {
        return text.to_ascii_lowercase();
    }
    text.nfkc().collect::<String>().to_lowercase().nfkc().collect()
}

/// Whether a character must not stand in an address: white space, controls, and marks nobody can see.
fn unfit(c: char) -> bool {
    c.is_whitespace()
        || c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

/// A domain in its comparable form: lower-case A-labels (D4, UTS 46).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Domain(Box<str>);

impl Domain {
    /// Reads a domain in any case, in A-labels or U-labels; `None` when a label is not valid under UTS 46.
    pub fn parse(text: &str) -> Option<Self> {
        let labels = Uts46::new()
            .to_ascii(text.as_bytes(), AsciiDenyList::STD3, Hyphens::CheckFirstLast, DnsLength::Verify)
            .ok()?;
        (!labels.is_empty()).then(|| Self(labels.to_ascii_lowercase().into()))
    }

    /// The A-label form.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Domain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// The form of an address that is compared: two addresses are the same when their keys are (A3).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct AddressKey(Box<str>);

impl AddressKey {
    /// A key as the store keeps it.
    pub fn from_stored(text: &str) -> Self {
        Self(text.into())
    }

    /// The folded address.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The digest that indexes use.
    pub fn digest(&self) -> Digest {
        Digest::of(self.0.as_bytes())
    }

    /// The domain part, already in comparable form.
    pub fn domain(&self) -> Domain {
        Domain(self.0.rsplit_once('@').map_or("", |(_, domain)| domain).into())
    }
}

impl fmt::Display for AddressKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// A well-formed address, as written (A6).
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Address {
    written: Box<str>,
    /// Of the key: taken once, because every comparison of a run asks for it.
    digest: Digest,
}

impl Address {
    /// Reads an address; `None` when it is malformed: not one local part and one domain valid under UTS 46, over
    /// 254 octets, with white space, control or invisible characters, or with one that only a quoted local part may have.
    pub fn parse(text: &str) -> Option<Self> {
        let (local, domain) = text.rsplit_once('@')?;
        let fits =
            !local.is_empty() && !local.contains(SPECIAL) && text.len() <= MAX_OCTETS && !text.chars().any(unfit);
        (fits && Domain::parse(domain).is_some()).then(|| {
            let digest = if is_folded(text) { Digest::of(text) } else { folded(text).digest() };
            Self { written: text.into(), digest }
        })
    }

    /// As written.
    pub fn as_str(&self) -> &str {
        &self.written
    }

    /// The form that is compared.
    pub fn key(&self) -> AddressKey {
        if is_folded(&self.written) { AddressKey(self.written.clone()) } else { folded(&self.written) }
    }

    /// The digest of the form that is compared.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// The domain in comparable form.
    pub fn domain(&self) -> Domain {
        match self.written.rsplit_once('@') {
            Some((_, domain)) if is_folded(domain) => Domain(domain.into()),
            _ => self.key().domain(),
        }
    }
}

/// Whether folding leaves an address as it is: all that UTS 46 and NFKC do to ASCII is to make it lower case.
fn is_folded(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii() && !byte.is_ascii_uppercase())
}

fn folded(text: &str) -> AddressKey {
    let (local, domain) = text.rsplit_once('@').unwrap_or((text, ""));
    let domain = Domain::parse(domain).map_or_else(|| fold(domain), |domain| domain.as_str().to_owned());
    AddressKey(format!("{}@{domain}", fold(local)).into())
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.written)
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.written)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A3, D4
    /// Faults: F7, F8.
    #[test]
    fn addresses_compare_folded_and_show_as_written() {
        let key = |text: &str| Address::parse(text).unwrap().key();
        assert_eq!(key("Ada@Example.COM"), key("ada@example.com"));
        assert_eq!(key("ada@müller.example"), key("ada@XN--mller-kva.example"));
        assert_eq!(key("ADÈLE@x.example"), key("ade\u{300}le@x.example"));
        assert_ne!(key("ada@example.com"), key("ada@example.org"));
        assert_eq!(Address::parse("Ada@Example.COM").unwrap().to_string(), "Ada@Example.COM");
    }

    proptest::proptest! {
        #[test]
        fn the_short_way_for_ascii_gives_the_same(text in "[A-Za-z0-9.+_'-]{1,12}@(([A-Za-z0-9]{1,8}|xn--[a-z0-9-]{1,9}|[XNxn-]{1,6})[.]){1,3}[A-Za-z]{2,5}") {
            if let Some(address) = Address::parse(&text) {
                proptest::prop_assert_eq!(address.key(), folded(&text));
                proptest::prop_assert_eq!(address.digest(), folded(&text).digest());
                proptest::prop_assert_eq!(address.domain(), folded(&text).domain());
            }
        }
    }

    /// A6
    #[test]
    fn malformed_addresses_are_refused() {
        let long = format!("{}@example.com", "a".repeat(243));
        for text in [
            "",
            "ada",
            "@example.com",
            "ada@",
            "ada@@example.com",
            "ada,bob@example.com",
            "mailto:ada@example.com",
            "\"ada\"@example.com",
            "ada<x@example.com",
            "a b@example.com",
            "ada@exa mple.com",
            "ada\u{0}@example.com",
            "ada@example..com",
            "ada@-x.example",
            "ada@exa_mple.com",
            "ada@example.com\n",
            "ada\u{202e}@example.com",
            &long,
        ] {
            assert_eq!(Address::parse(text), None, "{text:?}");
        }
        assert!(Address::parse(&format!("{}@example.com", "a".repeat(242))).is_some());
    }
}
