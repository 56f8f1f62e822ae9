//! Continuation references: are they part of what we were asked to read? (E1)

use crate::roster::Dn;

/// An LDAP URL, as far as it says what it stands for (RFC 4516).
struct Target {
    host: String,
    dn: Option<Dn>,
}

impl Target {
    fn parse(url: &str) -> Option<Self> {
        let (scheme, rest) = url.trim().split_once("://")?;
        if !scheme.get(..4).is_some_and(|scheme| scheme.eq_ignore_ascii_case("ldap")) {
            return None;
        }
        let (host, rest) = rest.split_once('/').unwrap_or((rest, ""));
        let dn = rest.split('?').next().unwrap_or_default();
        let dn = Some(percent_decoded(dn)).filter(|dn| !dn.is_empty());
        Some(Self { host: host.to_ascii_lowercase(), dn: dn.and_then(|dn| Dn::parse(&dn)) })
    }
}

fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, more)) = rest.split_first() {
        let hex = more.get(..2).filter(|hex| hex.iter().all(u8::is_ascii_hexdigit));
        let hex = hex.and_then(|hex| std::str::from_utf8(hex).ok());
        match hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()).filter(|_| byte == b'%') {
            Some(decoded) => {
                bytes.push(decoded);
                rest = more.get(2..).unwrap_or_default();
            }
            None => {
                bytes.push(byte);
                rest = more;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Whether a reference, given by its alternative URLs, leads out of what is to be read: it is listed in
/// `source.outside` (an LDAP URL, or a DN), or it leads to another naming context of the same server, as AD's
/// Configuration and DNS zones are. Where it is written decides, not where it leads: a target outside the base says
/// nothing, since it stands for an object inside.
pub fn is_outside(urls: &[String], outside: &[String], naming_contexts: &[String], base: &str) -> bool {
    let base = Dn::parse(base);
    let ours = |context: &Dn| base.as_ref().is_some_and(|base| base.is_under(context));
    let contexts: Vec<Dn> = naming_contexts.iter().filter_map(|context| Dn::parse(context)).collect();
    urls.iter().any(|url| {
        let Some(target) = Target::parse(url) else { return false };
        let other_context = target.dn.as_ref().is_some_and(|dn| contexts.contains(dn) && !ours(dn));
        other_context || outside.iter().any(|listed| is_listed(url, &target, listed))
    })
}

fn is_listed(url: &str, target: &Target, listed: &str) -> bool {
    if url.eq_ignore_ascii_case(listed) {
        return true;
    }
    let under = |base: &Dn| target.dn.as_ref().is_some_and(|dn| dn.is_under(base));
    match Target::parse(listed) {
        Some(known) => known.host == target.host && known.dn.as_ref().is_none_or(under),
        None => Dn::parse(listed).is_some_and(|base| base.depth() > 0 && under(&base)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// E1
    #[test]
    fn only_other_contexts_and_what_is_listed_lie_outside() {
        let contexts = ["DC=example,DC=test", "CN=Configuration,DC=example,DC=test"].map(str::to_owned);
        let outside = |url: &str, listed: &[&str]| {
            let listed: Vec<String> = listed.iter().map(|entry| (*entry).to_owned()).collect();
            is_outside(&[url.to_owned()], &listed, &contexts, "dc=example,dc=test")
        };
        assert!(outside("ldap://example.test/CN=Configuration,DC=example,DC=test", &[]));
        assert!(!outside("ldap://child.example.test/DC=child,DC=example,DC=test", &[]));
        assert!(!outside("ldap://example.test/DC=example,DC=test", &[]));
        assert!(!outside("ldap://example.test/", &[]));
        assert!(!outside("nonsense", &[]));
        let child = "ldap://child.example.test/DC=child,DC=example,DC=test??sub";
        assert!(outside(child, &["dc=child, dc=example, dc=test"]));
        assert!(outside(child, &["ldap://CHILD.example.test"]));
        assert!(outside(child, &["ldap://child.example.test/dc=example,dc=test"]));
        assert!(!outside(child, &["ldap://other.example.test"]));
        assert!(!outside(child, &["dc=other", ""]));
        assert!(outside("ldap://x/ou=a%5C2Cb%20c,dc=y", &["ou=A\\,B C,dc=y"]));
    }
}
