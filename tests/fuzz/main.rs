//! rosterd's parsers against any bytes, by libFuzzer; `ROSTERD_FUZZ` names the target. Run by `tests/fuzz/run`.
#![no_main]

use std::sync::OnceLock;

static TARGET: OnceLock<fn(&[u8])> = OnceLock::new();

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let target = TARGET.get_or_init(|| {
        let name = std::env::var("ROSTERD_FUZZ").expect("ROSTERD_FUZZ names the target");
        rosterd::fuzz::target(&name).unwrap_or_else(|| panic!("there is no target {name}"))
    });
    target(data);
});
