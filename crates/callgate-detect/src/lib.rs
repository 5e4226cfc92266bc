//! Secrets and personal data in text, by published patterns. Pure and deterministic.
//!
//! ```text
//! Detectors::select(["secrets", "email"]) -> Detectors     some of the detectors, or whole groups
//! Detectors::find(text) -> [Found]                         what they find, in order, without overlaps
//! ```
//!
//! What there is to know about a detector stands in `data/detectors.toml`. A text is first searched for keywords, all at
//! once; only detectors whose keyword is there look closer. Every expression has an end to what it matches, so reading
//! takes linear time, whoever wrote the text.

mod checks;
mod detector;
mod own;
mod selection;

pub use detector::{Detector, GROUPS, Group, catalogue};
pub use own::{MAX_OWN_LENGTH, OwnError};
pub use selection::{Detectors, Found, Unknown, merge};
