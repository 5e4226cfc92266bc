//! Rule names: `/tools/create_charge/deny_if/args.amount-gt`, unique in their list.

use crate::decision::RulePath;
use callgate_json::escape_token;
use std::collections::HashSet;

/// Names the rules of one list, in order.
pub(crate) struct RuleNames {
    prefix: String,
    used: HashSet<String>,
}

impl RuleNames {
    /// For a list under `prefix`, for example `/tools/exec/deny_if`.
    pub(crate) fn new(prefix: String) -> Self {
        Self { prefix, used: HashSet::new() }
    }

    /// The next rule's name: its label, with `#2`, `#3` and so on where the list has that label already. A label
    /// that itself looks numbered can't take another rule's name: numbers go on until the name is free.
    pub(crate) fn next(&mut self, label: &str) -> RulePath {
        let label = escape_token(label);
        let mut name = label.clone();
        let mut number = 1;
        while !self.used.insert(name.clone()) {
            number += 1;
            name = format!("{label}#{number}");
        }
        RulePath::new(format!("{}/{name}", self.prefix))
    }
}

#[cfg(test)]
mod tests {
    use super::RuleNames;

    #[test]
    fn every_rule_of_a_list_has_its_own_name() {
        let mut names = RuleNames::new("/tools/a~1b/deny_if".to_owned());
        let given: Vec<String> =
            ["x", "x", "x#2", "x", "a/b~c"].iter().map(|label| names.next(label).to_string()).collect();
        assert_eq!(
            given,
            [
                "/tools/a~1b/deny_if/x",
                "/tools/a~1b/deny_if/x#2",
                "/tools/a~1b/deny_if/x#2#2",
                "/tools/a~1b/deny_if/x#3",
                "/tools/a~1b/deny_if/a~1b~0c",
            ]
        );
    }
}
