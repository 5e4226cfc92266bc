//! The web console: pages over the services of the control plane.
//!
//! Pages are templates (`templates/`, compiled in) over plain structures; everything in them that comes from servers is
//! escaped by the templates. They need no script, keep to one style sheet ([`STYLE`]: tokens, then a small closed set of
//! components), and have neither inline styles nor inline scripts, so that a strict content security policy holds.
//!
//! ```text
//! catalogue/document   a server as the API shows it → tools, judged
//! catalogue/view       what the pages say, as text
//! catalogue/pages      the templates
//! catalogue            a whole site: paths and pages
//! ```

pub mod catalogue;

/// The style sheet of all pages.
pub const STYLE: &str = include_str!("../assets/style.css");
