//! Filters as they are sent (RFC 4511, 4.5.1.7), with three values: an attribute that the schema does not know makes
//! a test neither true nor false.

use super::ber;
use super::tree::{Entry, Syntax, names};

/// LDAP_MATCHING_RULE_BIT_AND (MS-ADTS, 3.1.1.3.4.4.1).
const BITS_AND: &str = "1.2.840.113556.1.4.803";
/// LDAP_MATCHING_RULE_BIT_OR.
const BITS_OR: &str = "1.2.840.113556.1.4.804";

/// Tells how an attribute is compared; `None` where the schema does not know it.
pub type SyntaxOf<'a> = &'a dyn Fn(&str) -> Option<Syntax>;

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A value in the form in which it is compared.
fn folded(value: &[u8], syntax: Syntax) -> Vec<u8> {
    match syntax {
        Syntax::Bytes => value.to_vec(),
        Syntax::Dn => names(&text(value)).join(",").into_bytes(),
        Syntax::Text | Syntax::Number | Syntax::Time => {
            text(value).split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase().into_bytes()
        }
    }
}

fn as_number(value: &[u8]) -> Option<i64> {
    text(value).trim().parse().ok()
}

/// Whether an entry matches; `None` when that is undefined.
pub fn matches((tag, content): (u8, &[u8]), entry: &Entry, syntax: SyntaxOf<'_>) -> Option<bool> {
    let inside = ber::parts(content);
    match tag {
        0xa0 => {
            let all: Vec<_> = inside.iter().map(|part| matches(*part, entry, syntax)).collect();
            if all.contains(&Some(false)) { Some(false) } else { (!all.contains(&None)).then_some(true) }
        }
        0xa1 => {
            let all: Vec<_> = inside.iter().map(|part| matches(*part, entry, syntax)).collect();
            if all.contains(&Some(true)) { Some(true) } else { (!all.contains(&None)).then_some(false) }
        }
        0xa2 => matches(*inside.first()?, entry, syntax).map(|is| !is),
        0x87 => {
            let name = text(content);
            syntax(&name)?;
            Some(!entry.values(&name).is_empty())
        }
        0xa4 => substrings(&inside, entry, syntax),
        0xa9 => extensible(&inside, entry, syntax),
        0xa3 | 0xa5 | 0xa6 | 0xa8 => {
            let [(_, name), (_, wanted)] = inside[..] else { return None };
            let name = text(name);
            let syntax = syntax(&name)?;
            // Text has no order (RFC 4519), but times and numbers do.
            let ordered = matches!(syntax, Syntax::Number | Syntax::Time);
            if matches!(tag, 0xa5 | 0xa6) && !ordered {
                return None;
            }
            let wanted = folded(wanted, syntax);
            let compare = |value: &Vec<u8>| {
                let value = folded(value, syntax);
                let order = match (as_number(&value), as_number(&wanted)) {
                    (Some(value), Some(wanted)) if syntax == Syntax::Number => value.cmp(&wanted),
                    _ => value.cmp(&wanted),
                };
                match tag {
                    0xa5 => order.is_ge(),
                    0xa6 => order.is_le(),
                    _ => order.is_eq(),
                }
            };
            Some(entry.values(&name).iter().any(compare))
        }
        _ => None,
    }
}

fn substrings(inside: &[(u8, &[u8])], entry: &Entry, syntax: SyntaxOf<'_>) -> Option<bool> {
    let [(_, name), (_, pieces)] = inside[..] else { return None };
    let name = text(name);
    let syntax = syntax(&name)?;
    let pieces: Vec<(u8, Vec<u8>)> =
        ber::parts(pieces).into_iter().map(|(tag, piece)| (tag, folded(piece, syntax))).collect();
    let fits = |value: &Vec<u8>| {
        let value = folded(value, syntax);
        let mut rest = &value[..];
        for (tag, piece) in &pieces {
            let at = match tag {
                0x80 => rest.starts_with(piece).then_some(0),
                0x82 => rest.ends_with(piece).then(|| rest.len() - piece.len()),
                _ => (0..=rest.len()).find(|at| rest[*at..].starts_with(piece)),
            };
            let Some(at) = at else { return false };
            rest = &rest[at + piece.len()..];
        }
        true
    };
    Some(entry.values(&name).iter().any(fits))
}

fn extensible(inside: &[(u8, &[u8])], entry: &Entry, syntax: SyntaxOf<'_>) -> Option<bool> {
    let part = |wanted: u8| inside.iter().find(|(tag, _)| *tag == wanted).map(|(_, content)| *content);
    let (rule, name) = (text(part(0x81)?), text(part(0x82)?));
    syntax(&name)?;
    let wanted = as_number(part(0x83)?)?;
    let values = entry.values(&name).iter().filter_map(|value| as_number(value));
    match rule.as_str() {
        BITS_AND => Some(values.into_iter().any(|value| value & wanted == wanted)),
        BITS_OR => Some(values.into_iter().any(|value| value & wanted != 0)),
        _ => None,
    }
}
