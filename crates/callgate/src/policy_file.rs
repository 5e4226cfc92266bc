//! A policy that is a file, as `wrap` has one: the version in force is the last one that was good.

use crate::failure::Failure;
use callgate_control::document;
use callgate_policy::Policy;
use callgate_proxy::AttachedPolicy;
use std::path::PathBuf;
use std::sync::Arc;

/// A policy that is a file.
pub(crate) struct PolicyFile {
    path: PathBuf,
    policy: Arc<Policy>,
    version: u64,
    /// What was read last, good or not, so that a touch without a change says nothing.
    seen: Option<Vec<u8>>,
}

impl PolicyFile {
    /// Reads the file for the first time. Where it can't be read, nothing begins: a path was mistyped, say. A document
    /// that can't be used refuses every call until it is corrected, and the text says why.
    pub(crate) fn open(path: PathBuf) -> Result<(Self, Option<String>), Failure> {
        let read = std::fs::read(&path).map_err(|error| {
            let message = format!("can't read the policy `{}`: {error}", path.display());
            Failure::cannot_run("CG3061", message, "name a policy file with `--policy FILE`")
        })?;
        let refuse = Arc::new(Policy::refuse_all("the policy file was not read yet"));
        let mut file = Self { path, policy: refuse, version: 0, seen: None };
        let notice = file.take(Ok(read));
        let broken = (file.version == 0).then_some(notice).flatten();
        if let Some(why) = &broken {
            file.policy = Arc::new(Policy::refuse_all(why));
        }
        Ok((file, broken.map(|why| format!("{why}; until it is corrected every call is refused [CG3061]"))))
    }

    /// Reads the file again; what to tell the operator, where something changed.
    pub(crate) fn reload(&mut self) -> Option<String> {
        self.take(std::fs::read(&self.path))
    }

    fn take(&mut self, read: std::io::Result<Vec<u8>>) -> Option<String> {
        let name = self.path.display().to_string();
        let same = match (&read, &self.seen) {
            (Ok(now), Some(before)) => now == before,
            (Err(_), None) => self.version > 0,
            _ => false,
        };
        if same {
            return None;
        }
        let usable = match &read {
            Ok(bytes) => document::usable(bytes, &name),
            Err(error) => Err(format!("can't read `{name}`: {error}")),
        };
        self.seen = read.ok();
        match usable {
            Ok(policy) => {
                self.policy = Arc::new(policy);
                self.version += 1;
                Some(format!("policy `{name}`: version {} applies from the next call", self.version))
            }
            Err(why) if self.version == 0 => {
                self.policy = Arc::new(Policy::refuse_all(&why));
                Some(why)
            }
            Err(why) => Some(format!("{why}; version {} stays in force [CG3060]", self.version)),
        }
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &PathBuf {
        &self.path
    }

    /// The version in force, as grants carry it.
    pub(crate) fn attached(&self) -> AttachedPolicy {
        let digest = Arc::clone(self.policy.version());
        AttachedPolicy { policy: Arc::clone(&self.policy), name: "default".into(), version: self.version, digest }
    }

    /// The `name` that the document gives itself.
    pub(crate) fn document_name(&self) -> Option<&str> {
        self.policy.name.as_deref()
    }
}
