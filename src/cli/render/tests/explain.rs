//! Why somebody is in, or is not.

use super::*;
use crate::cli::provenance::{From, Provenance};
use crate::cli::render::explain::{View, print, value};
use crate::plan::explain::{Bearing, Explanation, Finding};
use crate::roster::FieldNames;
use crate::sync::SyncError;
use crate::sync::explain::Examined;

fn finding(rule: &'static str, about: &'static str, bearing: Bearing, says: &str) -> Finding {
    Finding { rule, about, bearing, says: says.to_owned() }
}

fn origin(field: &str, value: &str, from: From) -> Provenance {
    let known = matches!(from, From::Directory | From::Hand | From::Default | From::Role);
    let attributes = if from == From::Directory { vec!["givenname".to_owned()] } else { Vec::new() };
    Provenance {
        field: field.to_owned(),
        value: value.to_owned(),
        from,
        attributes,
        run_id: (known && from != From::Hand).then_some(17),
        at: known.then(|| "2026-01-14T12:00:00.000Z".to_owned()),
    }
}

#[test]
fn somebody_is_explained_rule_by_rule_and_the_last_line_says_what_to_do() {
    let user = user_row("u1", "ada");
    let findings = vec![
        finding("L1", "store", Bearing::Fine, "`ada` (id u1) is active: has access"),
        finding("A4", "address", Bearing::Stops, "sales@example.com (alias): belongs to `\u{1b}[2Jbob`"),
        finding("U3", "next run", Bearing::Note, "updates given_name"),
    ];
    let advice = "The next run does what is said last.".to_owned();
    let examined = Examined {
        user: None,
        explanation: Explanation { findings, advice },
        server: Some("ldaps://dc1.example.com".to_owned()),
        uses: None,
        names: FieldNames::default(),
        error: None,
    };
    let values = [
        origin("given_name", "Ada\u{202e}", From::Directory),
        origin("mobile", &"7".repeat(200), From::Hand),
        origin("role", "admin", From::Role),
        origin("plan", "standard", From::Default),
        origin("seats", "3", From::Application),
        origin("notes", "x", From::Unknown),
    ];
    let view = View { who: "ada", user: Some(&user), examined: &examined, values: &values, now: now(), columns: None };
    insta::assert_snapshot!("explain", plain(|out| print(out, &view)));
    insta::assert_snapshot!("explain_json", as_json(&value(&view)));
}

#[test]
fn without_the_directory_it_says_so() {
    let says = "it was not read: cannot reach ldaps://dc1.example.com";
    let examined = Examined {
        user: None,
        explanation: Explanation {
            findings: vec![finding("E1", "directory", Bearing::Stops, says)],
            advice: "The directory could not be asked.".to_owned(),
        },
        server: None,
        uses: None,
        names: FieldNames::default(),
        error: Some(SyncError::Stopped),
    };
    let view = View { who: "ada\u{7}", user: None, examined: &examined, values: &[], now: now(), columns: None };
    insta::assert_snapshot!("explain_unreached", plain(|out| print(out, &view)));
    assert!(value(&view)["error"].as_str().unwrap().contains("stopped"));
}
