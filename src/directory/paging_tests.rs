use std::collections::VecDeque;

use async_trait::async_trait;

use super::super::entry::tests::encoded;
use super::*;

/// Plays pages from a script, and keeps the controls it was asked with.
#[derive(Default)]
struct Script {
    pages: VecDeque<Vec<Item>>,
    now: VecDeque<Item>,
    asked: Vec<Option<Vec<u8>>>,
}

#[async_trait]
impl Session for Script {
    fn server(&self) -> &str {
        "ldap://script:389"
    }

    async fn start(&mut self, request: &Request, _: &str) -> Result<(), DirectoryError> {
        self.asked.push(request.control.clone());
        self.now = self.pages.pop_front().unwrap_or_default().into();
        Ok(())
    }

    async fn next(&mut self, doing: &str) -> Result<Item, DirectoryError> {
        self.now.pop_front().ok_or_else(|| DirectoryError::Lost {
            server: self.server().to_owned(),
            doing: doing.to_owned(),
            says: "the script is over".to_owned(),
        })
    }
}

#[derive(Default)]
struct Seen {
    names: Vec<String>,
    references: Vec<Vec<String>>,
    stop: bool,
}

impl Sink for Seen {
    fn entry(&mut self, entry: &RawEntry<'_>) {
        self.names.push(entry.shown_dn());
    }
    fn reference(&mut self, urls: Vec<String>) {
        self.references.push(urls);
    }
    fn batch(&mut self) -> ControlFlow<()> {
        if self.stop { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
    fn may_break(&self) -> bool {
        self.stop
    }
}

fn entries(names: &[&str]) -> Item {
    Item::Entries(names.iter().map(|name| encoded(name.as_bytes(), &[]).into()).collect())
}

fn end(code: u32, cookie: Option<&[u8]>) -> Item {
    let control = cookie.map(|cookie| Some(paging_control(0, cookie)));
    Item::Done(Done { code, control, ..Done::default() })
}

fn search(page_size: u32) -> Search {
    Search { page_size, ..Search::once("dc=x", Scope::Subtree, "(objectClass=*)", &["uid"]) }
}

async fn read(page_size: u32, pages: Vec<Vec<Item>>) -> (Result<(), DirectoryError>, Seen, Script) {
    let mut script = Script { pages: pages.into(), ..Script::default() };
    let mut seen = Seen::default();
    let result = all(&mut script, &search(page_size), "reading users", &mut seen).await;
    (result, seen, script)
}

/// E1
#[tokio::test]
async fn the_end_is_the_empty_cookie_of_a_page_that_succeeded() {
    let pages = vec![
        vec![entries(&["cn=a", "cn=b"]), end(0, Some(b"1"))],
        vec![end(0, Some(b"1"))],
        vec![entries(&["cn=c"]), end(0, Some(b""))],
    ];
    let (result, seen, script) = read(2, pages).await;
    result.unwrap();
    assert_eq!(seen.names, ["cn=a", "cn=b", "cn=c"]);
    assert_eq!(
        script.asked,
        [Some(paging_control(2, b"")), Some(paging_control(2, b"1")), Some(paging_control(2, b"1")),]
    );
}

/// E1
#[tokio::test]
async fn every_page_has_to_succeed() {
    for code in [1, 3, 4, 11, 12, 51, 52, 53, 80] {
        for cookie in [None, Some(&b""[..]), Some(b"2")] {
            let pages = vec![vec![entries(&["cn=a"]), end(0, Some(b"1"))], vec![entries(&["cn=b"]), end(code, cookie)]];
            let (result, seen, _) = read(1, pages).await;
            let error = result.unwrap_err();
            assert!(matches!(error, DirectoryError::Search { code: found, .. } if found == code), "{error}");
            assert!(error.to_string().contains("page 2"), "{error}");
            assert_eq!(seen.names.len(), 2, "what was read stays read");
        }
    }
}

/// E1
/// Faults: A12, B3, B4.
#[tokio::test]
async fn an_answer_without_a_sound_control_proves_nothing() {
    let broken = |value: Option<Vec<u8>>| Item::Done(Done { control: Some(value), ..Done::default() });
    for done in
        [end(0, None), broken(None), broken(Some(vec![])), broken(Some(vec![0x30, 5, 2])), broken(Some(vec![4, 0]))]
    {
        let shown = format!("{done:?}");
        let (result, ..) = read(1, vec![vec![entries(&["cn=a"]), done]]).await;
        assert!(matches!(result, Err(DirectoryError::Paging { .. })), "{shown}");
    }
    let (result, ..) = read(0, vec![vec![entries(&["cn=a"]), end(0, None)]]).await;
    result.expect("a server that cannot page is complete at code 0");
}

/// E1
/// Faults: A13.
#[tokio::test]
async fn a_cookie_that_leads_nowhere_ends_the_read() {
    let same = |names: &[&str]| vec![entries(names), end(0, Some(b"1"))];
    let (result, _, script) = read(1, (0..100).map(|_| same(&["cn=a"])).collect()).await;
    assert!(matches!(result, Err(DirectoryError::Paging { .. })));
    assert!(script.asked.len() < 5);
    let fresh = |n: u8| vec![end(0, Some(&[n]))];
    let (result, _, script) = read(1, (1..=100).map(fresh).collect()).await;
    assert!(matches!(result, Err(DirectoryError::Paging { .. })));
    assert_eq!(script.asked.len(), 51);
    let again = |n: u8| vec![entries(&["cn=a"]), end(0, Some(&[n]))];
    let (result, _, script) = read(1, (1..=100).map(again).collect()).await;
    assert!(matches!(result, Err(DirectoryError::Paging { .. })), "every page begins from the start");
    assert_eq!(script.asked.len(), 52);
    let slow = |n: u8| same(&[if n.is_multiple_of(2) { "cn=a" } else { "cn=b" }]);
    let mut pages: Vec<_> = (0..20).map(slow).collect();
    pages.push(vec![end(0, Some(b""))]);
    read(1, pages).await.0.expect("389 DS gives one cookie for all pages");
}

/// E1
#[tokio::test]
async fn references_are_handed_on() {
    let urls = || vec!["ldap://other/dc=x".to_owned()];
    let pages = vec![vec![Item::Reference(urls()), entries(&["cn=a"]), end(0, Some(b""))]];
    let (result, seen, _) = read(1, pages).await;
    result.unwrap();
    assert_eq!(seen.references, [urls()]);
    let referral = Item::Done(Done { code: 10, referrals: urls(), ..Done::default() });
    let (result, seen, _) = read(1, vec![vec![referral]]).await;
    result.unwrap();
    assert_eq!(seen.references, [urls()]);
    let (result, ..) = read(1, vec![vec![end(10, None)]]).await;
    assert!(matches!(result, Err(DirectoryError::Search { code: 10, .. })));
}

#[tokio::test]
async fn pages_shrink_until_the_server_takes_them() {
    let refused = || {
        let text = "illegal pagedResults page size".to_owned();
        vec![Item::Done(Done { code: 11, text, ..Done::default() })]
    };
    let (result, seen, script) =
        read(1000, vec![refused(), refused(), vec![entries(&["cn=a"]), end(0, Some(b""))]]).await;
    result.unwrap();
    assert_eq!(seen.names, ["cn=a"]);
    assert_eq!(script.asked.last().unwrap(), &Some(paging_control(250, b"")));
    let (result, ..) = read(4, (0..9).map(|_| refused()).collect()).await;
    assert!(matches!(result, Err(DirectoryError::Search { code: 11, .. })));
}

/// E1
#[tokio::test]
async fn a_lost_connection_or_a_broken_entry_is_never_an_end() {
    let (result, seen, _) = read(1, vec![vec![entries(&["cn=a"])]]).await;
    assert!(matches!(result, Err(DirectoryError::Lost { .. })));
    assert_eq!(seen.names, ["cn=a"]);
    for torn in [&[4, 9, b'x'][..], &[]] {
        let torn = Item::Entries(vec![Bytes::copy_from_slice(torn)]);
        let (result, ..) = read(1, vec![vec![entries(&["cn=a"]), torn, end(0, Some(b""))]]).await;
        assert!(matches!(result, Err(DirectoryError::Protocol { .. })));
    }
}

#[tokio::test]
async fn a_sink_that_has_enough_stops_at_the_end_of_the_page() {
    let mut script = Script {
        pages: vec![vec![entries(&["cn=a"]), end(0, Some(b"1"))], vec![entries(&["cn=b"]), end(0, Some(b""))]].into(),
        ..Script::default()
    };
    let mut seen = Seen { stop: true, ..Seen::default() };
    all(&mut script, &search(1), "reading users", &mut seen).await.unwrap();
    assert_eq!(seen.names, ["cn=a"]);
    assert_eq!(script.asked.len(), 1);
}
