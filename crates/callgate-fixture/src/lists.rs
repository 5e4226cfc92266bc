//! The tool lists that come with the fixture: real servers' names, types and shapes, described in our own words.

/// The 18 tools of Kernel's server, as the JSON of a `tools/list` result.
pub const KERNEL: &str = include_str!("../lists/kernel.json");

/// The 16 tools of Pare's docker server, as the JSON of a `tools/list` result.
pub const PARE_DOCKER: &str = include_str!("../lists/pare-docker.json");
