//! Conversions, and what can't be converted.

use crate::{files, listing};
use callgate_policy::{Policy, convert};
use expect_test::expect_file;

#[test]
fn every_input_is_converted_or_refused_with_its_place() {
    for path in files("intercept", "yaml") {
        let input = std::fs::read(&path).unwrap();
        let text = match convert(&input) {
            Err(problems) => listing(&problems.0),
            Ok(converted) => {
                let policy = Policy::parse(converted.json.as_bytes()).unwrap();
                assert_eq!(policy.print(), converted.json, "{}", path.display());
                let again = convert(converted.json.as_bytes()).unwrap();
                assert_eq!(again.json, converted.json, "{}", path.display());
                format!("{}--- warnings\n{}", converted.json, listing(&converted.warnings))
            }
        };
        expect_file![path.with_extension("converted")].assert_eq(&text);
    }
}
