use std::time::Duration;

use tokio::io::DuplexStream;
use tokio::time::Instant;

use super::super::ber::{ENUMERATED, INTEGER, OCTETS, SEQUENCE, Writer};
use super::super::entry::tests::encoded;
use super::super::error::DirectoryError;
use super::super::paging::{self, Search};
use super::super::session::{Deadlines, Item, PAGING, Request, Session, Wire};
use super::super::settings::Scope;
use super::*;

/// A message with an operation whose content is given.
fn message(id: i64, operation: u8, content: &[u8]) -> Vec<u8> {
    let inside = Writer::default().number(INTEGER, id).put(operation, content);
    Writer::default().nest(SEQUENCE, inside).into_bytes()
}

fn result(code: i64, text: &[u8]) -> Vec<u8> {
    Writer::default().number(ENUMERATED, code).put(OCTETS, b"").put(OCTETS, text).into_bytes()
}

async fn wire(silence: Duration) -> (Wire, DuplexStream) {
    let (ours, theirs) = tokio::io::duplex(1 << 16);
    let run = Duration::from_secs(20);
    let deadlines = Deadlines { silence, end: Instant::now() + run, run };
    (Wire::new("ldap://fake:389".to_owned(), Box::new(ours), deadlines).await.unwrap(), theirs)
}

/// Starts a search (message id 1) and answers it with bytes; what the search then gives.
async fn answered(answer: Vec<u8>) -> Result<Vec<Item>, DirectoryError> {
    let (mut wire, mut server) = wire(Duration::from_secs(2)).await;
    let request = Request {
        base: "dc=x".to_owned(),
        scope: Scope::Subtree,
        filter: "(objectClass=*)".to_owned(),
        attributes: vec![],
        control: None,
    };
    wire.start(&request, "testing").await?;
    let mut asked = [0; 256];
    let _ = server.read(&mut asked).await.unwrap();
    tokio::spawn(async move {
        let _ = server.write_all(&answer).await;
        let _ = server.shutdown().await;
        let _ = server.read(&mut asked).await;
    });
    let mut items = Vec::new();
    loop {
        let item = wire.next("testing").await?;
        let end = matches!(item, Item::Done(_));
        items.push(item);
        if end {
            return Ok(items);
        }
    }
}

fn says(result: Result<Vec<Item>, DirectoryError>) -> String {
    result.expect_err("nothing but an error may follow").to_string()
}

/// Faults: B9.
#[tokio::test]
async fn entries_and_references_come_in_order_before_the_end() {
    let entry = |name: &str| message(1, message::SEARCH_ENTRY, &encoded(name.as_bytes(), &[]));
    let url = Writer::default().put(OCTETS, b"ldap://other").into_bytes();
    let done = message(1, message::SEARCH_DONE, &result(4, b"Gr\xf6\xdfe"));
    let intermediate = message(1, message::INTERMEDIATE, b"");
    let answer =
        [entry("cn=a"), entry("cn=b"), message(1, message::SEARCH_REFERENCE, &url), intermediate, entry("cn=c"), done];
    let items = answered(answer.concat()).await.unwrap();
    let [Item::Entries(first), Item::Reference(urls), Item::Entries(second), Item::Done(done)] = items.as_slice()
    else {
        panic!("{items:?}");
    };
    assert_eq!((first.len(), second.len()), (2, 1));
    assert_eq!(urls, &["ldap://other"]);
    assert_eq!((done.code, done.text.as_str()), (4, "Gr\u{fffd}\u{fffd}e"));
}

/// E1: one control says that this was all, the other that it was not.
#[tokio::test]
async fn of_two_paging_controls_none_is_believed() {
    let control = |cookie: &[u8]| {
        let value = Writer::default().number(INTEGER, 0).put(OCTETS, cookie);
        let value = Writer::default().nest(SEQUENCE, value).into_bytes();
        Writer::default().put(OCTETS, PAGING.as_bytes()).put(OCTETS, &value)
    };
    for (cookies, expected) in [(vec![&b""[..]], true), (vec![b"", b"1"], false), (vec![b"", b""], false)] {
        let controls = cookies.iter().fold(Writer::default(), |all, cookie| all.nest(SEQUENCE, control(cookie)));
        let inside = Writer::default().number(INTEGER, 1).put(message::SEARCH_DONE, &result(0, b""));
        let answer = Writer::default().nest(SEQUENCE, inside.nest(0xa0, controls)).into_bytes();
        let items = answered(answer).await.unwrap();
        let [Item::Done(done)] = items.as_slice() else { panic!("{items:?}") };
        assert_eq!(done.control.as_ref().map(Option::is_some), Some(expected), "{cookies:?}");
    }
}

/// What makes ldap3 panic, abort, hang or swallow the reason.
/// Faults: B10, B11, B14, B15, B16, B17.
#[tokio::test]
async fn whatever_a_server_sends_is_a_named_error() {
    let mut deep = vec![0x04, 0x00];
    for _ in 0..60_000 {
        deep = Writer::default().put(SEQUENCE, &deep).into_bytes();
        if deep.len() > 200_000 {
            break;
        }
    }
    let notice = |name: &[u8]| {
        let inside = [result(52, b"going down"), name.to_vec()].concat();
        message(0, message::EXTENDED_RESPONSE, &inside)
    };
    let named = Writer::default().put(0x8a, b"1.3.6.1.4.1.1466.20036").into_bytes();
    for (answer, expected) in [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec(), "not LDAP, beginning with 0x48"),
        (vec![0x15, 3, 3, 0, 2, 2, 10], "this port speaks TLS"),
        (vec![0x30, 0x80, 0, 0], "indefinite"),
        (vec![0x30, 0x84, 0x7f, 0xff, 0xff, 0xff], "which is more than 64 MiB"),
        (vec![0x30, 0x88, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], "which is more than 64 MiB"),
        (vec![0x30, 5, 2, 1, 1, 0x65, 9], "not well-formed"),
        (vec![0x30, 0], "not well-formed"),
        (deep, "not well-formed"),
        (message(1, message::SEARCH_DONE, &[0x0a, 1]), "not well-formed"),
        (message(1, message::SEARCH_DONE, b""), "not well-formed"),
        (message(1, message::BIND_RESPONSE, &result(0, b"")), "type 0x61 to message 1, not asked for"),
        (message(1, message::EXTENDED_RESPONSE, &result(0, b"")), "not asked for"),
        (message(9, message::SEARCH_ENTRY, &encoded(b"cn=a", &[])), "to message 9, not asked for"),
        (message(1, 0x6f, b""), "not asked for"),
        (notice(&named), "the server gave notice of it, unavailable (the server says: going down)"),
        (notice(b""), "the server gave notice of it"),
        (vec![], "the server closed it"),
        (message(1, message::SEARCH_ENTRY, &encoded(b"cn=a", &[])), "the server closed it"),
    ] {
        let shown = format!("{:02x?}", answer.get(..20).unwrap_or(&answer));
        let error = says(answered(answer).await);
        assert!(error.contains(expected), "{shown}: {error}");
    }
}

/// Faults: A9.
#[tokio::test]
async fn a_message_cut_anywhere_is_never_an_end() {
    let whole = [
        message(1, message::SEARCH_ENTRY, &encoded(b"uid=ada,dc=x", &[("mail", &[b"a@b.c"])])),
        message(1, message::SEARCH_DONE, &result(0, b"")),
    ]
    .concat();
    for cut in 0..whole.len() {
        assert!(answered(whole[..cut].to_vec()).await.is_err(), "cut at {cut}");
    }
    assert_eq!(answered(whole).await.unwrap().len(), 2);
}

/// Faults: B13.
#[tokio::test]
async fn silence_ends_at_its_deadline() {
    let (mut wire, _server) = wire(Duration::from_millis(100)).await;
    let search = Search::once("", Scope::Base, "(objectClass=*)", &["x"]);
    let error = paging::one(&mut wire, &search, "waiting", |_| {}).await.unwrap_err();
    assert!(matches!(&error, DirectoryError::Timeout { key: "source.read_timeout", .. }), "{error}");
}

/// Faults: B20.
#[tokio::test]
async fn a_slow_consumer_stops_us_reading() {
    let (mut wire, mut server) = wire(Duration::from_secs(5)).await;
    let search = Request {
        base: String::new(),
        scope: Scope::Subtree,
        filter: "(objectClass=*)".to_owned(),
        attributes: vec![],
        control: None,
    };
    wire.start(&search, "testing").await.unwrap();
    let _ = server.read(&mut [0; 256]).await.unwrap();
    let entry = message(1, message::SEARCH_ENTRY, &encoded(b"cn=a", &[("x", &[&[b'x'; 30_000]])]));
    let mut sent = 0;
    while let Ok(written) = tokio::time::timeout(Duration::from_millis(300), server.write_all(&entry)).await {
        written.unwrap();
        sent += entry.len();
        assert!(sent < 10 << 20, "the guard read {sent} bytes that nobody took");
    }
    assert!(sent > 100_000);
    assert!(matches!(wire.next("testing").await, Ok(Item::Entries(_))));
}
