//! LDAP messages as far as the guard has to understand them (RFC 4511, 4.1): read strictly, and written anew for
//! ldap3, so that nothing reaches it that it would panic, abort or hang on.

use super::ber::{self, BOOLEAN, ENUMERATED, Elements, INTEGER, Malformed, OCTETS, SEQUENCE, Writer};

/// BindRequest.
pub const BIND_REQUEST: u8 = 0x60;
/// BindResponse.
pub const BIND_RESPONSE: u8 = 0x61;
/// SearchRequest.
pub const SEARCH_REQUEST: u8 = 0x63;
/// SearchResultEntry.
pub const SEARCH_ENTRY: u8 = 0x64;
/// SearchResultDone.
pub const SEARCH_DONE: u8 = 0x65;
/// SearchResultReference.
pub const SEARCH_REFERENCE: u8 = 0x73;
/// ExtendedRequest.
pub const EXTENDED_REQUEST: u8 = 0x77;
/// ExtendedResponse.
pub const EXTENDED_RESPONSE: u8 = 0x78;
/// IntermediateResponse.
pub const INTERMEDIATE: u8 = 0x79;
/// `responseName` of an ExtendedResponse.
const RESPONSE_NAME: u8 = 0x8a;
/// `responseValue` of an ExtendedResponse.
const RESPONSE_VALUE: u8 = 0x8b;
/// `referral` of an LDAPResult.
const REFERRAL: u8 = 0xa3;
/// `controls` of an LDAPMessage.
const CONTROLS: u8 = 0xa0;

/// The outside of an LDAPMessage.
#[derive(Clone, Copy, Debug)]
pub struct Message<'a> {
    /// Message id; 0 is an unsolicited notification.
    pub id: i64,
    /// Tag of the operation.
    pub operation: u8,
    /// Content of the operation.
    pub content: &'a [u8],
    controls: Option<&'a [u8]>,
}

impl<'a> Message<'a> {
    /// Reads the inside of the outermost SEQUENCE.
    pub fn parse(inside: &'a [u8]) -> Result<Self, Malformed> {
        let mut elements = Elements::new(inside);
        let id = ber::integer(elements.expect(INTEGER)?)?;
        let (operation, content) = elements.next()?.ok_or(Malformed)?;
        // AD puts the name of a notice of disconnection behind the operation: anything else there is left alone.
        let controls = elements.optional(CONTROLS)?;
        Ok(Self { id, operation, content, controls })
    }
}

/// A result as servers give it at the end of an operation (RFC 4511, 4.1.9), text repaired where it is not UTF-8.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Outcome {
    /// Result code.
    pub code: u32,
    /// As much of the DN as exists.
    pub matched: String,
    /// Diagnostic text.
    pub text: String,
    /// Referral URLs.
    pub referrals: Vec<String>,
    name: Option<Vec<u8>>,
    value: Option<Vec<u8>>,
    controls: Vec<Control>,
}

/// OID and value.
type Control = (String, Option<Vec<u8>>);

fn repaired(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

impl Outcome {
    /// Reads the result out of a message.
    pub fn parse(message: &Message<'_>) -> Result<Self, Malformed> {
        let mut elements = Elements::new(message.content);
        let code = u32::try_from(ber::integer(elements.expect(ENUMERATED)?)?).map_err(|_| Malformed)?;
        let matched = repaired(elements.expect(OCTETS)?);
        let text = repaired(elements.expect(OCTETS)?);
        let mut outcome = Self { code, matched, text, ..Self::default() };
        while let Some((tag, content)) = elements.next()? {
            match tag {
                REFERRAL => outcome.referrals = strings(content)?,
                RESPONSE_NAME => outcome.name = Some(content.to_vec()),
                RESPONSE_VALUE => outcome.value = Some(content.to_vec()),
                _ => {}
            }
        }
        if let Some(controls) = message.controls {
            outcome.controls = self::controls(controls)?;
        }
        Ok(outcome)
    }

    /// Name of an extended response.
    pub fn name(&self) -> Option<String> {
        self.name.as_deref().map(repaired)
    }

    /// The whole message, written anew.
    pub fn encode(&self, id: i64, operation: u8) -> Vec<u8> {
        let mut result = Writer::default()
            .number(ENUMERATED, i64::from(self.code))
            .put(OCTETS, self.matched.as_bytes())
            .put(OCTETS, self.text.as_bytes());
        if !self.referrals.is_empty() {
            let urls = self.referrals.iter().fold(Writer::default(), |urls, url| urls.put(OCTETS, url.as_bytes()));
            result = result.nest(REFERRAL, urls);
        }
        if let Some(name) = self.name() {
            result = result.put(RESPONSE_NAME, name.as_bytes());
        }
        if let Some(value) = &self.value {
            result = result.put(RESPONSE_VALUE, value);
        }
        let mut message = Writer::default().number(INTEGER, id).nest(operation, result);
        if !self.controls.is_empty() {
            let controls = self.controls.iter().fold(Writer::default(), |all, (oid, value)| {
                let mut control = Writer::default().put(OCTETS, oid.as_bytes());
                if let Some(value) = value {
                    control = control.put(OCTETS, value);
                }
                all.nest(SEQUENCE, control)
            });
            message = message.nest(CONTROLS, controls);
        }
        Writer::default().nest(SEQUENCE, message).into_bytes()
    }
}

fn controls(content: &[u8]) -> Result<Vec<Control>, Malformed> {
    let mut all = Vec::new();
    let mut elements = Elements::new(content);
    while let Some((tag, content)) = elements.next()? {
        if tag != SEQUENCE {
            return Err(Malformed);
        }
        let mut parts = Elements::new(content);
        let oid = repaired(parts.expect(OCTETS)?);
        parts.optional(BOOLEAN)?;
        all.push((oid, parts.optional(OCTETS)?.map(<[u8]>::to_vec)));
    }
    Ok(all)
}

/// A list of strings, repaired where they are not UTF-8: the URLs of a referral or a continuation reference.
pub fn strings(content: &[u8]) -> Result<Vec<String>, Malformed> {
    let mut all = Vec::new();
    let mut elements = Elements::new(content);
    while let Some((tag, content)) = elements.next()? {
        if tag != OCTETS {
            return Err(Malformed);
        }
        all.push(repaired(content));
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn inside(message: &[u8]) -> &[u8] {
        let (head, _) = ber::header(message).unwrap().unwrap();
        &message[head..]
    }

    #[test]
    fn a_result_is_written_so_that_it_is_read_back() {
        let outcome = Outcome {
            code: 4,
            matched: "dc=example".into(),
            text: "too many".into(),
            referrals: vec!["ldap://x/".into()],
            name: Some(b"1.2.3".to_vec()),
            value: Some(vec![0xff]),
            controls: vec![("1.2".into(), Some(vec![1])), ("1.3".into(), None)],
        };
        let bytes = outcome.encode(7, EXTENDED_RESPONSE);
        let message = Message::parse(inside(&bytes)).unwrap();
        assert_eq!((message.id, message.operation), (7, EXTENDED_RESPONSE));
        assert_eq!(Outcome::parse(&message).unwrap(), outcome);
    }

    #[test]
    fn text_that_is_not_utf8_is_repaired() {
        let result = Writer::default().number(ENUMERATED, 4).put(OCTETS, b"").put(OCTETS, b"Gr\xf6\xdfe");
        let message = Writer::default().number(INTEGER, 1).nest(SEARCH_DONE, result).into_bytes();
        let outcome = Outcome::parse(&Message::parse(&message).unwrap()).unwrap();
        assert_eq!(outcome.text, "Gr\u{fffd}\u{fffd}e");
        assert!(std::str::from_utf8(outcome.text.as_bytes()).is_ok());
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            if let Ok(message) = Message::parse(&bytes) {
                let _ = Outcome::parse(&message);
                let _ = strings(message.content);
            }
        }
    }
}
