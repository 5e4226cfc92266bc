//! The OpenAPI document: complete, and the one that is in the repository.

use super::super::{document, gate};
use crate::caller::Permission;
use serde_json::Value;

#[test]
fn every_operation_says_who_may_and_what_it_is_called() {
    let document: Value = serde_json::from_str(&document()).unwrap();
    let mut ids = std::collections::BTreeSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let word = operation[gate::EXTENSION].as_str().unwrap_or_else(|| panic!("{method} {path} says nothing"));
            assert_ne!(gate::Need::parse(word), gate::Need::Unsaid, "{method} {path}: {word}");
            assert!(ids.insert(operation["operationId"].as_str().unwrap().to_owned()), "{method} {path}: id twice");
            let changes = matches!(method.as_str(), "patch" | "delete") && path != "/api/v1/session";
            let parameters = operation["parameters"].as_array().cloned().unwrap_or_default();
            let guarded = parameters.iter().any(|parameter| parameter["name"] == "If-Match");
            assert!(!changes || guarded, "{method} {path} has no `If-Match`");
        }
    }
    assert_ne!(gate::Need::parse(Permission::ManageInstance.as_str()), gate::Need::Unsaid);
}

#[test]
fn the_document_in_the_repository_is_the_one_of_the_code() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/openapi.json");
    let generated = document();
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        std::fs::write(path, &generated).unwrap();
    }
    let kept = std::fs::read_to_string(path).unwrap_or_default();
    assert!(kept == generated, "docs/openapi.json is another one: run the test again with UPDATE_EXPECT=1");
}
