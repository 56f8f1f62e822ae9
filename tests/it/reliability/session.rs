//! A recorded reading of a real server, cut at every message and at many other places, frozen, and dripping.

use std::collections::BTreeSet;
use std::time::Duration;

use rosterd::clock::environment;
use tokio::time::Instant;

use crate::support::program::{Said, Site, source};
use crate::support::proxy::{Fault, Proxy};
use crate::support::slapd::{Options, Slapd};

const QUICK: &str = "page_size = 5\nread_timeout = \"1s\"\nconnect_timeout = \"1s\"\nrun_timeout = \"3s\"";
/// Longer than `run_timeout` by what the program needs for everything else.
const DEADLINE: Duration = Duration::from_secs(6);

/// A directory that was read once, and from which somebody, an alias and a membership are gone since.
struct Changed {
    slapd: Slapd,
    site: Site,
    /// What everybody had before.
    had: BTreeSet<String>,
}

impl Changed {
    fn new() -> Option<Self> {
        let mut slapd = Slapd::start(Options::default())?;
        slapd.load_people(40);
        let site = Site::new(&slapd);
        site.expect(0, &["sync"]);
        let had = site.rights();
        let base = slapd.base();
        slapd.ldif(&format!(
            "dn: uid=u00003,ou=people,{base}\nchangetype: delete\n\n\
             dn: uid=u00007,ou=people,{base}\nchangetype: modify\ndelete: proxyAddresses\n\
             proxyAddresses: smtp:given7.surname7@example.com\n\n\
             dn: cn=team-0001,ou=groups,{base}\nchangetype: modify\ndelete: member\n\
             member: uid=u00025,ou=people,{base}\n\n\
             dn: uid=u00010,ou=people,{base}\nchangetype: modify\nreplace: sn\nsn: Renamed\n"
        ));
        Some(Self { slapd, site, had })
    }

    /// One run through a proxy.
    fn through(&mut self, limit: u64, fault: Fault, command: &str) -> (Said, Proxy) {
        let proxy = Proxy::start(self.slapd.url(), limit, fault);
        let url = proxy.url.clone();
        self.site.set("source", &source(&self.slapd, &url, QUICK));
        (self.site.run(&[command]), proxy)
    }

    /// A run that cannot end well: it says so in its time, and nobody has lost anything.
    #[track_caller]
    fn breaks(&mut self, limit: u64, fault: Fault) -> Said {
        let begun = Instant::now();
        let (said, _) = self.through(limit, fault, "sync");
        let took = begun.elapsed();
        self.slapd.cont();
        assert!(took < DEADLINE, "{fault:?} after {limit} took {took:?}");
        let has = self.site.rights();
        let lost: Vec<_> = self.had.difference(&has).collect();
        // All was read, and then nobody could say where the one is who is missing: she stays.
        let unjudged = said.code == 0 && said.out.contains("1 unjudged");
        assert!([1, 5].contains(&said.code) || unjudged, "{fault:?} after {limit}: {said:?}");
        let other = lost.iter().filter(|line| !unjudged || line.starts_with("access")).count();
        assert!(other == 0 && lost.len() <= 2, "{fault:?} after {limit}: {lost:?}");
        said
    }

    /// Nothing stays of what went wrong.
    fn heals(mut self) {
        self.site.set("source", &source(&self.slapd, self.slapd.url(), ""));
        self.site.expect(0, &["sync"]);
        assert_eq!((self.site.count("active"), self.site.count("pending")), (39, 1));
        let lost = self.had.difference(&self.site.rights()).count();
        assert_eq!(
            lost, 7,
            "u00003 with her access, her primary, two addresses and her membership; an alias; a membership"
        );
        self.site.set("source", &source(&self.slapd, self.slapd.url(), "page_size = 5"));
        assert!(self.site.expect(0, &["sync"]).out.contains("nothing to do"), "U3");
    }
}

/// Places among so many bytes: drawn from a seed that is printed.
#[expect(clippy::print_stdout, reason = "whoever sees the test fail has to know the seed")]
fn places(count: usize, bytes: u64) -> Vec<u64> {
    let number = |name: &str| environment(name).and_then(|text| text.parse::<u64>().ok());
    let seed = number("ROSTERD_CUTS_SEED").unwrap_or(20_261_123);
    let count = number("ROSTERD_CUTS").map_or(count, |count| usize::try_from(count).unwrap());
    println!("cut at {count} places of {bytes} bytes; the same ones by ROSTERD_CUTS_SEED={seed}");
    let mut state = seed;
    let mut next = || {
        // SplitMix64.
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    };
    (0..count).map(|_| next() % bytes).collect()
}

/// A8, A9, E1, U8, RSA-10: a reading of users and groups cut after every message, and in the middle of many.
/// Faults: A8, A9.
#[test]
fn a_session_cut_anywhere_is_incomplete_and_takes_nothing_from_anybody() {
    let Some(mut changed) = Changed::new() else { return };
    let (said, proxy) = changed.through(u64::MAX, Fault::Cut, "plan");
    assert_eq!(said.code, 3, "{said:?}");
    let boundaries = proxy.boundaries();
    let whole = proxy.passed();
    assert_eq!(boundaries.last(), Some(&whole), "one connection, and whole messages");
    assert!(boundaries.len() > 50, "{} messages", boundaries.len());
    let mut cuts: BTreeSet<u64> = boundaries.iter().copied().filter(|end| *end < whole).collect();
    cuts.extend(places(60, whole));
    for cut in cuts {
        changed.breaks(cut, Fault::Cut);
    }
    changed.heals();
}

/// A8, L2, B13, E1, U8: a server that is frozen in the middle of a page is given up in time.
/// Faults: B13.
#[test]
fn a_server_frozen_in_the_middle_of_a_page_takes_nothing_from_anybody() {
    let Some(mut changed) = Changed::new() else { return };
    let (_, proxy) = changed.through(u64::MAX, Fault::Cut, "plan");
    let server = changed.slapd.pid();
    // What the server has sent already still comes; frozen before the last page, it cannot have sent that.
    for place in places(6, proxy.passed() / 2) {
        let said = changed.breaks(place, Fault::Stop(server));
        assert!(said.err.contains("timeout"), "{said:?}");
    }
    changed.heals();
}

/// B12, L2, E1, U8: a server that sends one byte at a time, each in time, is given up when the run has lasted too long.
/// Faults: B12.
#[test]
fn a_server_that_drips_is_given_up_in_time_and_takes_nothing_from_anybody() {
    let Some(mut changed) = Changed::new() else { return };
    let (_, proxy) = changed.through(u64::MAX, Fault::Cut, "plan");
    for (place, span) in places(6, proxy.passed() / 2).into_iter().zip([1, 20, 200].into_iter().cycle()) {
        changed.breaks(place, Fault::Drip(Duration::from_millis(span)));
    }
    changed.heals();
}
