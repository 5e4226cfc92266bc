//! The grammar of the fixture, a server for tests.

use callgate_fixture::FaultPlan;
use clap::{Args, ValueEnum};
use std::net::SocketAddr;
use std::path::PathBuf;

/// Which revisions of the protocol are served.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Era {
    /// Those with sessions, up to 2025-11-25
    Legacy,
    /// 2026-07-28 only
    Modern,
    /// All of them on one endpoint
    Both,
}

/// How clients connect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Transport {
    /// Streamable HTTP
    Http,
    /// Standard input and output
    Stdio,
    /// HTTP+SSE of 2024-11-05
    Sse,
}

/// What the fixture serves.
#[derive(Debug, Args)]
#[command(after_help = "Faults (KIND[@METHOD][:after N]; METHOD is tools/call where it isn't given):\n  \
    hang            begin an answer and never go on\n  \
    slow_head       never send as much as the head of a response\n  \
    die             break off in the middle of an answer; over stdio the process ends\n  \
    garbage         bytes that are no JSON\n  \
    garbage_events  an event stream that holds no message\n  \
    twice           two answers under one id\n  \
    other_id        an answer under an id that nobody used\n  \
    flood           notifications without end\n  \
    huge_line       an answer of 64 MiB in one line\n  \
    redirect        302 to --redirect-to\n  \
    bad_status      500 and plain text\n  \
    unasked         sampling, elicitation and roots requests that no capability covers\n  \
    stderr_flood    8 MiB on standard error before the answer\n  \
    ignore_term     ignore SIGTERM and the end of the input\n\n\
    The tool `misbehave` of the list `probe` does the same for one call: {\"kind\": KIND}, and \"bytes\", \"count\",\n\
    \"url\", \"status\" or \"wait\" where they mean something. SIGUSR1 forgets all sessions, as the tool `forget` does.\n\n\
    Examples:\n  callgate fixture --tools probe --era legacy --http 127.0.0.1:0 --log messages.jsonl\n  \
    callgate fixture --tools probe --fault 'die:after 3'")]
pub(crate) struct FixtureArgs {
    /// A tools/list answer, or one of the lists built in: kernel, pare-docker, or probe, whose tools do what their
    /// names say (with resources, prompts, completion, log messages and tasks)
    #[arg(long, value_name = "FILE|NAME")]
    pub tools: String,
    /// Serve HTTP here and not stdio
    #[arg(long, value_name = "ADDR", required_if_eq_any = [("transport", "http"), ("transport", "sse")])]
    pub http: Option<SocketAddr>,
    /// How clients connect [default: http with --http, else stdio]
    #[arg(long, value_enum)]
    pub transport: Option<Transport>,
    /// Which revisions are served
    #[arg(long, value_enum, default_value = "both")]
    pub era: Era,
    /// Read the list from its file anew whenever it is needed
    #[arg(long)]
    pub live: bool,
    /// With --live: tell clients that listen, at a call, that the file has changed
    #[arg(long, requires = "live")]
    pub announce: bool,
    /// Answer with event streams wherever a client takes them
    #[arg(long)]
    pub stream: bool,
    /// Entries per page of a list [default: all]
    #[arg(long, value_name = "N")]
    pub page: Option<usize>,
    /// What goes wrong, and when; may be given more than once
    #[arg(long, value_name = "KIND[:after N]")]
    pub fault: Vec<FaultPlan>,
    /// Where the fault `redirect` leads
    #[arg(long, value_name = "URL", default_value = "http://169.254.169.254/")]
    pub redirect_to: String,
    /// Append every message that arrives to this file
    #[arg(long, value_name = "FILE")]
    pub log: Option<PathBuf>,
}
