//! Where client and upstream speak different eras of the protocol.
//!
//! The same era on both sides passes as it is. A modern client in front of a legacy upstream is served by a session
//! that the gateway holds ([`held`]); a legacy client in front of a modern upstream by one that it synthesizes
//! ([`synthesized`]).

pub(crate) mod held;
pub(crate) mod probe;
pub(crate) mod synthesized;

use crate::snapshot::UpstreamEra;
use callgate_mcp::Era;

/// The eras that an upstream speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Speaks {
    /// Sessions only.
    Legacy,
    /// Stateless only.
    Modern,
    /// Either.
    Both,
}

impl Speaks {
    /// What the configuration says; `None` where it has to be found out.
    pub(crate) fn configured(era: UpstreamEra) -> Option<Self> {
        match era {
            UpstreamEra::Auto => None,
            UpstreamEra::Legacy => Some(Self::Legacy),
            UpstreamEra::Modern => Some(Self::Modern),
        }
    }

    /// Whether this era is among them.
    pub(crate) fn includes(self, era: Era) -> bool {
        matches!((self, era), (Self::Both, _) | (Self::Legacy, Era::Legacy) | (Self::Modern, Era::Modern))
    }
}
