//! The data plane: listen, authenticate, translate, decide, forward, refuse.
//!
//! ```text
//! front/http   serve()        one POST /mcp/{server}: authenticate → frame → Gate::judge → forward(permit) → relay
//! front/stdio  run_stdio()    one line of a client:                 frame → Gate::judge → forward(permit) → relay
//! bridge       run_bridge()   a stdio client of a gateway elsewhere: no policy here, the other side decides
//! ```
//!
//! Nothing reaches an upstream but through `forward`, which takes a [`Permit`](callgate_decision::Permit) by value.

// Whether a connection's future may change threads is asked through everything that a request can come to.
#![recursion_limit = "256"]

mod answer;
mod asking;
mod authenticate;
pub mod bridge;
mod crossing;
mod eras;
pub mod errors;
mod exchange;
mod farewell;
mod forward;
pub mod front;
pub mod gate;
mod health;
mod judge;
mod late;
mod mirrored;
mod opening;
pub mod options;
mod pinned;
mod place;
mod reach;
mod relay;
mod reopen;
mod results;
pub mod seal;
mod sessions;
pub mod snapshot;
mod standing;
mod states;
mod streams;
mod translate;
pub mod upstream;
mod withheld;

pub use bridge::{BridgeError, run_bridge};
pub use errors::{Cause, REFUSED_BY_POLICY, Row, UPSTREAM_FAILED};
pub use front::http::{Asked, Elsewhere, Listening, Pieces, ServeError, ServerTls, TlsError, serve};
pub use front::stdio::{StdioEnd, StdioError, run_stdio};
pub use gate::{Early, Gate, GateParts, Refusals};
pub use health::{BreakerState, Health};
pub use options::{CHILD_VARIABLES, Options};
pub use seal::SealKey;
pub use snapshot::{
    AttachedPolicy, Definitions, GrantEntry, Pinned, Pinning, Quarantine, ServerConfig, ServerLimits, Sharing,
    Snapshot, Snapshots, Timeouts,
};
pub use snapshot::{TokenDigest, TokenKey, UpstreamEra};
pub use upstream::{HttpUpstream, StdioUpstream, UpstreamConfig, UpstreamError, Variables};
