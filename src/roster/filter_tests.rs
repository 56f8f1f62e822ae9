use proptest::prelude::*;

use super::*;

fn judge(filter: &str, entry: &[(&str, &str)]) -> Option<bool> {
    Filter::parse(filter).unwrap().matches(&|name: &str| {
        let of_name = |(attribute, _): &&(&str, &str)| attribute.eq_ignore_ascii_case(name);
        entry.iter().filter(of_name).map(|(_, value)| value.as_bytes()).collect()
    })
}

/// U8
#[test]
fn filters_are_judged_like_the_server_judges_them() {
    let ada = [("objectClass", "person"), ("employeeType", "Left"), ("uidNumber", "100"), ("uac", "514")];
    for (filter, expected) in [
        ("(employeeType=left)", Some(true)),
        ("( & (objectclass=PERSON) (employeeType=left) )", Some(true)),
        ("(&(objectClass=person)(employeeType=here))", Some(false)),
        ("(|(employeeType=here)(employeeType=left))", Some(true)),
        ("(!(employeeType=left))", Some(false)),
        ("(employeeType=*)", Some(true)),
        ("(mail=*)", Some(false)),
        ("(employeeType=l*t)", Some(true)),
        ("(employeeType=*ef*)", Some(true)),
        ("(employeeType=*fe*)", Some(false)),
        ("(employeeType=lef*eft)", Some(false)),
        ("(employeeType=\\6ceft)", Some(true)),
        ("(employeeType~=LEFT)", Some(true)),
        ("(uidNumber>=99)", Some(true)),
        ("(uidNumber>=1000)", Some(false)),
        ("(uidNumber<=100)", Some(true)),
        ("(uac:1.2.840.113556.1.4.803:=2)", Some(true)),
        ("(uac:1.2.840.113556.1.4.803:=3)", Some(false)),
        ("(uac:1.2.840.113556.1.4.804:=3)", Some(true)),
        ("(gone:1.2.840.113556.1.4.803:=2)", None),
        ("(!(gone:1.2.840.113556.1.4.803:=2))", None),
        ("(uac:1.2.3.4:=2)", None),
        ("(|(uac:1.2.3.4:=2)(employeeType=left))", Some(true)),
        ("(&(uac:1.2.3.4:=2)(employeeType=here))", Some(false)),
        ("(&(uac:1.2.3.4:=2)(employeeType=left))", None),
        ("(employeeType:=left)", Some(true)),
        ("(ou:dn:=people)", None),
        ("(&)", Some(true)),
        ("(|)", Some(false)),
    ] {
        assert_eq!(judge(filter, &ada), expected, "{filter}");
    }
}

#[test]
fn errors_say_what_and_where() {
    for (filter, says) in [
        ("objectClass=person", "expected `(` at character 1"),
        ("(objectClass=person", "the filter ends inside a value; expected `)` at character 20"),
        ("(&(a=b)(c=d)", "expected `)` at character 13"),
        ("(a=b))", "there is text after the filter's last `)` at character 6"),
        ("(ä=b)", "expected an attribute at character 2"),
        ("(a)", "expected `=`, `>=`, `<=`, `~=` or `:=` after the attribute at character 3"),
        ("(a=\\zz)", "expected two hexadecimal digits after `\\` at character 4"),
        ("(a=\\+f)", "expected two hexadecimal digits after `\\` at character 4"),
        ("(a.2.840=x)", "expected `=`, `>=`, `<=`, `~=` or `:=` after the attribute at character 3"),
        ("(1.02=x)", "expected an attribute at character 2"),
        ("(cn;=x)", "expected an option after `;` at character 5"),
        ("(cn:a;b:=x)", "expected `:=` after the matching rule at character 6"),
        ("(cn:dn1:=x)", "a matching rule whose name begins with `dn` is written by its OID at character 5"),
        ("(a=b**c)", "there are two `*` side by side in the value; write one at character 8"),
        ("(a>=b*)", "`*` has to be written as `\\2a` in this value at character 5"),
        ("(a=b(c)", "`(` has to be written as `\\28` in a value at character 5"),
    ] {
        assert_eq!(Filter::parse(filter).unwrap_err().to_string(), says, "{filter}");
    }
    let deep = format!("{}(a=b){}", "(!".repeat(60_000), ")".repeat(60_000));
    assert!(Filter::parse(&deep).unwrap_err().says.contains("nested"));
}

#[test]
fn it_names_its_attributes_and_prints_as_a_filter() {
    let text = "(&(objectClass=person)(!(|(cn;lang-de=a*b)(x:1.2.3:=\\2a)))(uidNumber>=5))";
    let filter = Filter::parse(text).unwrap();
    assert_eq!(filter.attributes().into_iter().collect::<Vec<_>>(), ["cn", "objectClass", "uidNumber", "x"]);
    assert_eq!(filter.to_string(), text);
    assert_eq!(escape(b"a*(b)\\\0"), "a\\2a\\28b\\29\\5c\\00");
    assert_eq!(escape(b"\xff\x00"), "\\ff\\00");
}

proptest! {
    #[test]
    fn any_text_is_read_without_a_panic(text in ".*") {
        let _ = Filter::parse(&text);
    }

    #[test]
    fn what_was_escaped_is_read_back(value in prop::collection::vec(any::<u8>(), 0..20)) {
        let filter = Filter::parse(&format!("(cn={})", escape(&value))).unwrap();
        let expected = Filter::Compare { attribute: "cn".into(), how: Comparison::Equal, value };
        prop_assert_eq!(Filter::parse(&filter.to_string()).unwrap(), expected);
    }

    #[test]
    fn what_was_printed_is_read_back(text in r"\((&|\||!)?(\(a=[b*]{0,4}\)){0,3}(c>=\\2ad)?\)") {
        if let Ok(filter) = Filter::parse(&text) {
            prop_assert_eq!(Filter::parse(&filter.to_string()).unwrap(), filter);
        }
    }
}
