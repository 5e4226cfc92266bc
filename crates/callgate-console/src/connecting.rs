//! How clients are connected: the ready texts of `callgate_control::connect`, as pages show them.

use callgate_control::connect::{self, Client, Ready};

/// What stands for a token that is not shown any more.
pub(crate) const NO_TOKEN: &str = "cg_…";

/// One client, with what to copy.
pub(crate) struct Way {
    /// Its name.
    pub(crate) title: &'static str,
    pub(crate) texts: Vec<Text>,
    /// Whether it is the one that was chosen.
    pub(crate) is_open: bool,
}

/// A text to copy.
pub(crate) struct Text {
    /// The element that has it.
    pub(crate) id: String,
    pub(crate) ready: Ready,
}

/// All clients that are known, and plain HTTP; the one of this word is open.
pub(crate) fn ways(server: &str, url: &str, token: &str, open: &str) -> Vec<Way> {
    let known = Client::ALL.map(|client| (client.word(), client.title(), connect::ready(client, server, url, token)));
    let plain = ("http", "Plain HTTP", connect::ready_http(url, token));
    let way = |(word, title, texts): (&'static str, &'static str, Vec<Ready>)| Way {
        title,
        is_open: word == open,
        texts: texts
            .into_iter()
            .enumerate()
            .map(|(index, ready)| Text { id: format!("text-{word}-{index}"), ready })
            .collect(),
    };
    known.into_iter().chain([plain]).map(way).collect()
}

/// The clients that can be chosen: word and title.
pub(crate) fn choices() -> Vec<(&'static str, &'static str)> {
    Client::ALL.map(|client| (client.word(), client.title())).into_iter().chain([("http", "Plain HTTP")]).collect()
}
