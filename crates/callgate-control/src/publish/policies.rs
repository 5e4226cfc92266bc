//! Policies as the data plane has them: compiled once per document, and refusing everything where they can't be used.

use crate::configuration::PublishedPolicy;
use callgate_policy::{Policy, Severity};
use callgate_store::PolicyVersion;
use std::collections::HashMap;
use std::sync::Arc;

/// Policies that were compiled, and why others can't be.
#[derive(Default)]
pub(super) struct Policies {
    /// By the digests of their documents.
    compiled: HashMap<String, Arc<Policy>>,
    /// Why policies never were good, by their identities.
    broken: HashMap<String, Arc<str>>,
}

impl Policies {
    /// Why this policy was never published.
    pub(super) fn note_broken(&mut self, policy: &str, why: &str) {
        self.broken.insert(policy.to_owned(), why.into());
    }

    /// The policy of a record and its version in force. `owner` completes "the policy `NAME` of …".
    pub(super) fn published(
        &mut self,
        record: &callgate_store::Policy,
        version: Option<&PolicyVersion>,
        owner: &str,
    ) -> PublishedPolicy {
        let name = &record.name;
        let policy = match version {
            None if record.current == 0 => {
                let unpublished = || format!("the policy `{name}` of {owner} is not published [CG3061]");
                let why = self.broken.get(&record.id).map_or_else(unpublished, |why| why.to_string());
                Arc::new(Policy::refuse_all(&why))
            }
            None => refused(&format!("version {} of the policy `{name}` of {owner} is not there", record.current)),
            Some(version) => {
                self.broken.remove(&record.id);
                self.compiled(version, name, owner)
            }
        };
        PublishedPolicy { name: name.as_str().into(), version: record.current.unsigned_abs(), policy }
    }

    /// Forgets the policies that nobody has any more.
    pub(super) fn forget(&mut self) {
        self.compiled.retain(|_, policy| Arc::strong_count(policy) > 1);
    }

    fn compiled(&mut self, version: &PolicyVersion, name: &str, owner: &str) -> Arc<Policy> {
        if let Some(compiled) = self.compiled.get(&version.digest) {
            return Arc::clone(compiled);
        }
        let label = || format!("version {} of the policy `{name}` of {owner}", version.version);
        let document = version.document.as_bytes();
        if blake3::hash(document).to_hex().as_str() != version.digest {
            return refused(&format!("{} is not what was published", label()));
        }
        match Policy::parse(document) {
            Ok(policy) => {
                let policy = Arc::new(policy);
                self.compiled.insert(version.digest.clone(), Arc::clone(&policy));
                policy
            }
            Err(problems) => {
                let first = problems.0.iter().find(|problem| problem.severity == Severity::Error);
                let why = first.map_or_else(String::new, |problem| {
                    format!(
                        ": line {}, column {}: {} [{}]",
                        problem.line, problem.column, problem.message, problem.code
                    )
                });
                refused(&format!("{} can't be used{why}", label()))
            }
        }
    }
}

/// One that refuses everything with this reason, which the operator should know too.
pub(super) fn refused(why: &str) -> Arc<Policy> {
    tracing::error!("{why}; every call under it is refused [CG3061]");
    Arc::new(Policy::refuse_all(&format!("{why} [CG3061]")))
}
