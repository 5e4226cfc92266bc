//! The law parse ∘ print = identity, on generated documents.

#[path = "../support/generated.rs"]
mod generated;

use callgate_policy::Policy;
use proptest::prelude::*;

proptest! {
    #[test]
    fn printing_reads_back(document in generated::document()) {
        let policy = Policy::parse(document.as_bytes()).map_err(|e| TestCaseError::fail(format!("{e}\n{document}")))?;
        let printed = policy.print();
        let again = Policy::parse(printed.as_bytes()).map_err(|e| TestCaseError::fail(format!("{e}\n{printed}")))?;
        prop_assert_eq!(&again, &policy);
        prop_assert_eq!(again.print(), printed);
        let names = |policy: &Policy| policy.rules().iter().map(|(rule, _)| rule.to_string()).collect::<Vec<_>>();
        prop_assert_eq!(names(&again), names(&policy));
    }

    #[test]
    fn any_bytes_give_an_answer(document in generated::document(), cut in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut bytes = document.into_bytes();
        let at = cut.index(bytes.len());
        bytes[at] = byte;
        if let Err(problems) = Policy::parse(&bytes) {
            prop_assert!(!problems.0.is_empty());
        }
    }
}
