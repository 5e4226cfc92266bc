//! A gateway in a directory of its own, and every word that it and its commands say.

use crate::secrets::{Needle, Place};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread::JoinHandle;
use testkit::{Connection, Response};

/// What a run knows and what it has heard.
pub struct Run {
    folder: tempfile::TempDir,
    database: Option<String>,
    pub needles: Vec<Needle>,
    pub said: Vec<Place>,
}

/// A running `callgate up` whose standard error is read to its end.
pub struct Up {
    child: Child,
    lines: Receiver<String>,
    text: Option<JoinHandle<Vec<u8>>>,
    pub address: SocketAddr,
}

impl Run {
    pub fn new(database: Option<String>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("home")).unwrap();
        Self { folder, database, needles: Vec::new(), said: Vec::new() }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }

    /// Makes a marked secret.
    pub fn secret(&mut self, what: &str) -> String {
        let text = crate::secrets::marked(what);
        self.needles.push(Needle::new(what, &text));
        text
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_callgate"));
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("CALLGATE_")) {
            command.env_remove(name);
        }
        command.env("CALLGATE_DATA", self.path("data")).env("CALLGATE_LOG", "debug");
        command.env("HOME", self.path("home")).env("XDG_CONFIG_HOME", self.path("home"));
        match &self.database {
            Some(url) => command.env("DATABASE_URL", url),
            None => command.env_remove("DATABASE_URL"),
        };
        command.args(arguments).current_dir(self.folder.path()).stdin(Stdio::null());
        command
    }

    /// Runs a command to its end; all that it says is kept.
    pub fn run(&mut self, arguments: &[&str], code: i32) -> String {
        let command = self.command(arguments);
        self.ended(command, arguments, code)
    }

    pub fn ended(&mut self, mut command: Command, arguments: &[&str], code: i32) -> String {
        let output = command.output().unwrap();
        let (stdout, stderr) = (output.stdout, output.stderr);
        let words = arguments.iter().take(2).copied().collect::<Vec<_>>().join(" ");
        let all = [String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr)].concat();
        assert_eq!(output.status.code(), Some(code), "{words}: {all}");
        self.said.push((format!("`callgate {words}` on stdout"), stdout.clone()));
        self.said.push((format!("`callgate {words}` on stderr"), stderr));
        String::from_utf8(stdout).unwrap()
    }

    /// Runs a command that shows a secret that begins like this: the rest of its answer is kept.
    pub fn reveal(&mut self, arguments: &[&str], prefix: &str) -> String {
        let text = self.run(&[arguments, &["--json"]].concat(), 0);
        let begin = text.find(prefix).unwrap_or_else(|| panic!("{text}"));
        let secret = text[begin..begin + prefix.len() + 43].to_owned();
        self.shown(&arguments.join(" "), &secret);
        secret
    }

    /// The last answer that has this secret shows it on purpose; no other may.
    pub fn shown(&mut self, what: &str, secret: &str) {
        let (_, bytes) =
            self.said.iter_mut().rev().find(|(_, bytes)| crate::secrets::holds(bytes, secret.as_bytes())).unwrap();
        let text = String::from_utf8(std::mem::take(bytes)).unwrap();
        *bytes = text.replace(secret, "").into_bytes();
        self.needles.push(Needle::new(what, secret));
    }

    pub fn up(&self, arguments: &[&str]) -> Up {
        let mut command = self.command(&["up", "--listen", "127.0.0.1:0"]);
        let mut child = command.args(arguments).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let stderr = child.stderr.take().unwrap();
        let (sender, lines) = channel();
        let text = std::thread::spawn(move || {
            let (mut reader, mut all) = (BufReader::new(stderr), Vec::new());
            loop {
                let mut line = Vec::new();
                if reader.read_until(b'\n', &mut line).unwrap() == 0 {
                    return all;
                }
                all.extend_from_slice(&line);
                // Nobody may wait for a line any more.
                drop(sender.send(String::from_utf8_lossy(&line).into_owned()));
            }
        });
        let mut up = Up { child, lines, text: Some(text), address: SocketAddr::from(([127, 0, 0, 1], 0)) };
        up.address = up.line("listening on http://").trim().rsplit('/').next().unwrap().parse().unwrap();
        up
    }

    /// Sends a request to the gateway; what comes back is kept, head and body.
    pub fn ask(&mut self, up: &Up, request: &str, headers: &[(&str, &str)], body: &str) -> Response {
        let mut connection = Connection::open(up.address).unwrap();
        let mut text = format!("{request} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n");
        for (name, value) in headers {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        if !body.is_empty() {
            text.push_str(&format!("content-length: {}\r\n", body.len()));
            if !headers.iter().any(|(name, _)| *name == "content-type") {
                text.push_str("content-type: application/json\r\n");
            }
        }
        connection.send(format!("{text}\r\n{body}").as_bytes()).unwrap();
        let response = connection.response().unwrap();
        let head: String = response.headers.iter().map(|(name, value)| format!("{name}: {value}\n")).collect();
        self.said.push((format!("the head for {request}"), head.into_bytes()));
        self.said.push((format!("the answer to {request}"), response.body.clone()));
        response
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }
}

impl Up {
    /// Waits for a line on standard error that holds this.
    pub fn line(&self, wanted: &str) -> String {
        let mut seen = String::new();
        loop {
            let line = self.lines.recv().unwrap_or_else(|_| panic!("it never said `{wanted}`: {seen}"));
            if line.contains(wanted) {
                return line;
            }
            seen.push_str(&line);
        }
    }

    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Ends it; all that it said.
    pub fn stop(mut self) -> Vec<u8> {
        self.signal(Signal::TERM);
        assert!(self.child.wait().unwrap().success());
        self.text.take().unwrap().join().unwrap()
    }
}

impl Drop for Up {
    fn drop(&mut self) {
        // It may have ended already, which is what is wanted.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// A server that refuses everything, and repeats what it was sent as the reason: how its head says it, how its JSON-RPC
/// error says it.
pub fn echo() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for (number, stream) in listener.incoming().map_while(Result::ok).enumerate() {
            std::thread::spawn(move || drop(refuse(stream, number % 2 == 0)));
        }
    });
    format!("http://{address}/mcp")
}

fn refuse(mut stream: TcpStream, by_status: bool) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let (mut sent, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Ok(());
        }
        let lower = line.to_ascii_lowercase();
        if let Some(value) = lower.strip_prefix("content-length:") {
            length = value.trim().parse().unwrap_or(0);
        }
        if line.trim().is_empty() {
            break;
        }
        if lower.starts_with("authorization:") || lower.starts_with("x-key:") {
            sent.push_str(line.trim());
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let id = serde_json::from_slice::<Value>(&body).unwrap_or_default()["id"].clone();
    let (status, body) = match by_status {
        true => ("401 Unauthorized", format!("not accepted: {sent}")),
        false => (
            "200 OK",
            serde_json::json!({ "jsonrpc": "2.0", "id": id, "error": { "code": -32000, "message": sent } }).to_string(),
        ),
    };
    let kind = if by_status { "text/plain" } else { "application/json" };
    write!(
        stream,
        "HTTP/1.1 {status}\r\ncontent-type: {kind}\r\nwww-authenticate: Bearer error=\"{sent}\"\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// Nothing was found where it should not be, and what should be found is.
pub fn verdict(run: &Run) {
    let mut control = Vec::new();
    for needle in &run.needles {
        for (number, form) in needle.forms().into_iter().enumerate() {
            let place = (format!("control {number}"), [b"before", form.as_slice(), b"after"].concat());
            let found = needle.found_in(std::slice::from_ref(&place)).len();
            assert_eq!(found, 1, "{} would not be found in {}", needle.what, place.0);
            control.push(found);
        }
    }
    assert!(control.len() > 500 && run.said.len() > 150, "{} {}", control.len(), run.said.len());
    let stored = std::fs::read(run.path("data/admin.token")).unwrap();
    let admin = run.needles.iter().find(|needle| needle.what == "admin.token").unwrap();
    assert_eq!(admin.found_in(&[("another file".to_owned(), stored)]), ["another file"], "a real file that holds one");
    let found: Vec<String> = run
        .needles
        .iter()
        .flat_map(|needle| needle.found_in(&run.said).into_iter().map(|place| format!("{}: in {place}", needle.what)))
        .collect();
    assert!(found.is_empty(), "{found:#?}\nin {}", run.folder().display());
}

pub fn last_link(run: &Run) -> String {
    let (_, log) = run.said.last().unwrap();
    let log = String::from_utf8_lossy(log);
    let (_, link) = log.split_once("/sign-in?link=").unwrap();
    link.split_whitespace().next().unwrap().to_owned()
}

pub fn url_encoded(fields: &[(&str, &str)]) -> String {
    let escaped = |text: &str| text.bytes().map(|byte| format!("%{byte:02X}")).collect::<String>();
    fields.iter().map(|(name, value)| format!("{name}={}", escaped(value))).collect::<Vec<_>>().join("&")
}
