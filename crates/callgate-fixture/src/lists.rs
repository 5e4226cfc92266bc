//! The tool lists that come with the fixture: real servers' names, types and shapes, described in our own words, and
//! the probe's.

/// The 18 tools of Kernel's server, as the JSON of a `tools/list` result.
pub const KERNEL: &str = include_str!("../lists/kernel.json");

/// The 16 tools of Pare's docker server, as the JSON of a `tools/list` result.
pub const PARE_DOCKER: &str = include_str!("../lists/pare-docker.json");

/// The tools of the probe, which do what their names say, as the JSON of a `tools/list` result.
pub const PROBE: &str = include_str!("../lists/probe.json");
