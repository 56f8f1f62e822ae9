//! Values that arrive as they are written.

use std::time::Duration;

use rosterd::config::When;
use rosterd::directory::{Bind, PasswordSource, ServerUrl};
use rosterd::plan::policy::Delay;

use super::{SMALL, read};

/// VIPRE-46, COVATA-24, COVATA-25, UNBLU-24, UNBLU-37, E8
#[test]
fn a_connection_is_the_one_that_is_written() {
    let text = "[source]\nurls = [\"ldaps://dc1.example.com\", \"ldap://[2001:db8::1]:1389\"]\ncleartext = true\n\
                bind_dn = \"cn=rosterd,dc=example,dc=com\"\nbind_password_file = \"good-password\"\n\
                base_dn = \"dc=example,dc=com\"\nconnect_timeout = \"1500ms\"\nread_timeout = \"250ms\"\n";
    let source = read(text).unwrap().source;
    let first = ServerUrl::Ldaps { host: "dc1.example.com".into(), port: 636 };
    assert_eq!(source.urls, [first.into(), ServerUrl::Ldap { host: "2001:db8::1".into(), port: 1389 }.into()]);
    assert!(matches!(&source.bind, Bind::Simple { dn, password: PasswordSource::File(file) }
        if dn == "cn=rosterd,dc=example,dc=com" && file.ends_with("good-password")));
    assert_eq!(source.base_dn, "dc=example,dc=com");
    let limits = (source.connect_timeout, source.read_timeout);
    assert_eq!(limits, (Duration::from_millis(1500), Duration::from_millis(250)));
}

/// VIPRE-7, COVATA-11, S2: whatever interval is asked for is the interval.
#[test]
fn intervals_from_minutes_to_weeks() {
    let minute = Duration::from_secs(60);
    for (text, expected) in [
        ("5m", minute * 5),
        ("6h", minute * 360),
        ("12h", minute * 720),
        ("24h", minute * 1440),
        ("3d", minute * 4320),
        ("7d", minute * 10080),
    ] {
        let config = read(&format!("{SMALL}[[schedule]]\nevery = \"{text}\"\n")).unwrap();
        assert_eq!((config.schedules.len(), &config.schedules[0].when), (1, &When::Every(expected)), "{text}");
    }
}

/// VIPRE-33, VIPRE-34, VIPRE-43, OKV-27, L3: seven days or more, or never.
#[test]
fn delays_of_a_week_or_more_and_none_below() {
    let day = Duration::from_secs(86_400);
    let delays =
        |text: &str| read(&format!("{SMALL}[deletion]\ndelay = \"{text}\"\n")).map(|it| (it.delay, it.disabled_delay));
    for (text, delay) in [
        ("7d", Delay::After(day * 7)),
        ("14d", Delay::After(day * 14)),
        ("30d", Delay::After(day * 30)),
        ("never", Delay::Never),
    ] {
        assert_eq!(delays(text).unwrap(), (delay, delay), "{text}");
    }
    assert!(delays("6d").unwrap_err().to_string().contains("deletion.minimum (7d)"));
}

/// VIPRE-22: There is one directory a configuration.
#[test]
fn a_configuration_has_one_source() {
    let second = "[[source]]\nurls = [\"ldapi://%2Frun%2Fslapd%2Fldapi\"]\nbase_dn = \"dc=example,dc=com\"\n";
    let shown = read(&format!("{second}{second}")).unwrap_err().to_string();
    assert!(shown.contains("write it as [source]"), "{shown}");
}
