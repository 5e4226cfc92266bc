//! What the detectors find in planted secrets, and what they leave alone in ordinary text.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs,
    reason = "tests stop at the first surprise"
)]

#[path = "support/planted.rs"]
mod planted;
#[path = "detectors/precision.rs"]
mod precision;

use callgate_detect::{Detectors, catalogue};
use planted::{Dice, Planted, corpus};
use proptest::prelude::*;
use std::collections::BTreeSet;

fn all() -> Detectors {
    Detectors::select(["secrets", "personal_data"]).unwrap()
}

fn redacted(detectors: &Detectors, text: &str) -> String {
    let mut kept = String::new();
    let mut at = 0;
    for found in detectors.find(text) {
        kept.push_str(&text[at..found.span.start]);
        kept.push_str(&format!("[REDACTED:{}]", found.detector));
        at = found.span.end;
    }
    kept + &text[at..]
}

#[test]
fn every_planted_secret_is_found_by_its_detector() {
    for seed in 0..20 {
        for Planted { detector, secret, text } in corpus(seed) {
            for detectors in [Detectors::select([detector]).unwrap(), all()] {
                let kept = redacted(&detectors, &text);
                assert!(!kept.contains(&secret), "{detector}: {secret:?} stays in {kept:?}");
                assert!(kept.contains("[REDACTED:"), "{detector}: {kept:?}");
            }
            let alone = Detectors::select([detector]).unwrap();
            assert_eq!(alone.find(&text).len(), 1, "{detector} in {text:?}: {:?}", alone.find(&text));
        }
    }
}

#[test]
fn every_detector_has_something_planted() {
    let planted: BTreeSet<&str> = corpus(1).iter().map(|planted| planted.detector).collect();
    let known: BTreeSet<&str> = catalogue().iter().map(|detector| detector.name()).collect();
    assert_eq!(planted, known);
}

#[test]
fn many_secrets_side_by_side_are_all_found() {
    let detectors = all();
    for separator in [" ", ",", "\n", "\"", ", "] {
        let planted: Vec<Planted> = corpus(7).into_iter().filter(|one| one.text.starts_with("line ")).collect();
        assert!(planted.len() > 5);
        let text = planted.iter().map(|one| one.secret.as_str()).collect::<Vec<_>>().join(separator);
        let kept = redacted(&detectors, &text);
        for one in planted {
            assert!(!kept.contains(&one.secret), "{} behind {separator:?}: {kept}", one.detector);
        }
    }
    // What stands between two is the end of the one and the beginning of the other.
    let mut dice = Dice::new(3);
    let cards: Vec<String> = (0..9).map(|_| planted::card(&mut dice, "4", 16)).collect();
    let found = Detectors::select(["payment-card"]).unwrap().find(&cards.join(",")).len();
    assert_eq!(found, 9);
}

#[test]
fn what_is_assigned_is_found_by_its_key_too() {
    let secrets = Detectors::select(["secrets"]).unwrap();
    let mut dice = Dice::new(5);
    let value = dice.text("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789", 40);
    for (key, detector) in [("SecretAccessKey", "aws-secret-access-key"), ("db_password", "generic-secret")] {
        let found = secrets.find_in_member(key, &value);
        assert_eq!(found.len(), 1, "{key}");
        assert_eq!((found[0].detector, found[0].span.clone()), (detector, 0..40), "{key}");
    }
    assert!(secrets.find_in_member("commit", &value).is_empty());
    assert!(secrets.find_in_member("nextPageToken", &value).is_empty());
}

#[test]
fn numbers_without_their_check_digits_are_none() {
    for (detector, text) in [
        ("payment-card", "order 4111 1111 1111 1112"),
        ("payment-card", "at 1732267894123 ms"),
        ("payment-card", "id 9111111111111111"),
        ("iban", "DE00 1234 5678 9012 3456 78"),
        ("iban", "XX82 1234 5678 9012 3456 78"),
        ("us-ssn", "000-12-3456 666-12-3456 900-12-3456 123-00-4567 123-45-0000 078-05-1120"),
        ("phone", "2026-11-22 10:30:00, 1.2.3, 12-34"),
        (
            "ip-address",
            "10.0.0.1 127.0.0.1 192.168.1.1 169.254.1.1 version 1.2.3.4 999.1.1.1 fe80::1 2001:db8::1 12:30:45",
        ),
        ("email", "npm install left-pad@1.3.0 and logo@2x.png"),
        ("jwt", "eyJub3QiOiJhIGhlYWRlciJ9.eyJhIjoxfQ.c2lnbmF0dXJl"),
        ("connection-string", "postgres://user:password@localhost/db and mongodb://app:<password>@host"),
        ("connection-string", "https://example.com:8443/a@b and ssh://git@host:22/x"),
        (
            "generic-secret",
            "token: process.env.API_TOKEN_2, password: ${DB_PASSWORD_1}, secret = \"your-secret-goes-here-1\"",
        ),
        ("generic-secret", "max_tokens: 4096, nextPageToken: \"CAUQAAdGhpcyBpcyBh9x7\", tokenizer=cl100k_base_v2_2024"),
    ] {
        let found = Detectors::select([detector]).unwrap();
        let found = found.find(text);
        assert!(
            found.is_empty(),
            "{detector}: {:?}",
            found.iter().map(|one| &text[one.span.clone()]).collect::<Vec<_>>()
        );
    }
}

#[test]
fn a_private_key_goes_up_to_its_end_and_no_further() {
    let detectors = Detectors::select(["private-key"]).unwrap();
    let begin = ["-----BEGIN ", "PRIVATE KEY-----"].concat();
    let end = ["-----END ", "PRIVATE KEY-----"].concat();
    let escaped = format!("{{\"key\": \"{begin}\\nAAAA\\nBBBB\\n{end}\\n\", \"next\": 1}}");
    assert_eq!(redacted(&detectors, &escaped), "{\"key\": \"[REDACTED:private-key]\\n\", \"next\": 1}");
    let cut = format!("{begin}\nMIIEvQIBADANBgkqhkiG9w0\n\"and more\"");
    assert_eq!(redacted(&detectors, &cut), "[REDACTED:private-key]\"and more\"");
    let two = format!("{begin}\nAA\n{end}\n; x ;\n{begin}\nBB\n{end}");
    assert_eq!(redacted(&detectors, &two), "[REDACTED:private-key]\n; x ;\n[REDACTED:private-key]");
    // Many beginnings and no end take no longer than the text is long.
    let many = begin.repeat(20_000);
    assert!(redacted(&detectors, &many).contains("[REDACTED"));
}

#[test]
fn expressions_of_ones_own_come_first() {
    let detectors =
        all().with_own("customer", r"\bC-[0-9]{6}\b").unwrap().with_own("host", "db[0-9]{1,3}[.]internal").unwrap();
    assert_eq!(redacted(&detectors, "C-123456 at db17.internal"), "[REDACTED:customer] at [REDACTED:host]");
    assert!(detectors.has("customer") && detectors.has("email") && !detectors.has("secrets"));
    assert!(
        detectors.covers(&Detectors::select(["email"]).unwrap())
            && !Detectors::select(["email"]).unwrap().covers(&detectors)
    );
    assert_eq!(Detectors::select(["emails"]).unwrap_err().name, "emails");
    assert!(Detectors::select([]).unwrap().is_empty());
}

proptest! {
    #[test]
    fn spans_are_in_order_and_on_characters(text in "\\PC{0,200}", seed in 0_u64..1000, at in 0_usize..60) {
        let planted = corpus(seed);
        let text = format!("{text}{}{text}", planted[at % planted.len()].text);
        let detectors = all();
        let mut end = 0;
        for found in detectors.find(&text) {
            prop_assert!(found.span.start >= end && found.span.end > found.span.start);
            prop_assert!(text.get(found.span.clone()).is_some());
            end = found.span.end;
        }
    }
}
