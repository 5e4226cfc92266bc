//! What a request says about what it finds: nothing, that nothing is there, or which revision (RFC 9110 section 13.1).

use crate::error::{Error, Kind};

/// The condition under which a request may create or change an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Precondition {
    /// It says nothing: it may create, and change nothing that is there.
    Unsaid,
    /// `If-None-Match: *`: only where there is none yet.
    Absent,
    /// `If-Match: *`: only where there is one, whatever it is.
    Present,
    /// `If-Match`: only where there is one at this revision.
    Revision(i64),
}

impl Precondition {
    /// Reads an entity tag as answers carry it (`"12"`), or `*`: the value of `If-Match`.
    pub fn parse(text: &str) -> Option<Self> {
        if text == "*" {
            return Some(Self::Present);
        }
        let digits = text.strip_prefix('"')?.strip_suffix('"')?;
        digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok().map(Self::Revision))?
    }

    /// Whether what is there, at this revision, may be changed. `what` is what messages call it. CG3118 (412), CG3148
    /// (428).
    pub(crate) fn check_update(&self, what: &str, revision: i64) -> Result<(), Error> {
        match self {
            Self::Present => Ok(()),
            Self::Revision(expected) if *expected == revision => Ok(()),
            Self::Revision(_) => Err(Self::changed(what, revision)),
            Self::Absent => Err(Error::new(
                Kind::Changed,
                "CG3118",
                format!("{what} is there already, at revision {revision}"),
                "read it, and send its revision as `If-Match` to change it",
            )),
            Self::Unsaid => Err(Error::new(
                Kind::NeedsRevision,
                "CG3148",
                format!("{what} is there: a change has to say which revision it is about"),
                "read it and send its `ETag` as `If-Match`; `If-Match: *` changes whatever is there",
            )),
        }
    }

    /// Whether something may be created where nothing is. CG3118 (412).
    pub(crate) fn check_creation(&self, what: &str) -> Result<(), Error> {
        match self {
            Self::Unsaid | Self::Absent => Ok(()),
            Self::Present | Self::Revision(_) => Err(Error::new(
                Kind::Changed,
                "CG3118",
                format!("{what} is not there, or not any more"),
                "send no `If-Match` to create it",
            )),
        }
    }

    /// Somebody else was faster.
    pub(crate) fn changed(what: &str, revision: i64) -> Error {
        let message = format!("{what} was changed in the meantime: it is at revision {revision}");
        Error::new(Kind::Changed, "CG3118", message, "read it again, and repeat your change on what is there now")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_changed_and_what_created() {
        for (precondition, change, create) in [
            (Precondition::Unsaid, Some(Kind::NeedsRevision), None),
            (Precondition::Absent, Some(Kind::Changed), None),
            (Precondition::Present, None, Some(Kind::Changed)),
            (Precondition::Revision(7), None, Some(Kind::Changed)),
            (Precondition::Revision(6), Some(Kind::Changed), Some(Kind::Changed)),
        ] {
            let found = (precondition.check_update("it", 7), precondition.check_creation("it"));
            let kinds = (found.0.err().map(|error| error.kind), found.1.err().map(|error| error.kind));
            assert_eq!(kinds, (change, create), "{precondition:?}");
        }
    }
}
