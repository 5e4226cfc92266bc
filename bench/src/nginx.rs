//! nginx as a plain reverse proxy, with a configuration of its own in a temporary folder.

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail};
use testkit::{Connection, PATIENCE, Process};

/// A running nginx.
pub(crate) struct Nginx {
    pub(crate) process: Process,
    pub(crate) address: SocketAddr,
}

impl Nginx {
    /// Starts nginx before an upstream and waits until it takes connections.
    pub(crate) fn start(folder: &Path, upstream: SocketAddr) -> Result<Self> {
        // nginx can't choose a port by itself: this one was free a moment ago.
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let configuration = folder.join("nginx.conf");
        fs::write(&configuration, text(folder, address, upstream))?;
        let program = ["/usr/sbin/nginx", "nginx"].into_iter().find(|program| Path::new(program).exists());
        let mut command = Command::new(program.unwrap_or("nginx"));
        command.arg("-c").arg(&configuration).arg("-p").arg(folder).args(["-e", "stderr"]);
        let mut process = Process::start(command.stdin(Stdio::null()).stdout(Stdio::null()))?;
        let end = Instant::now() + PATIENCE;
        while Connection::open(address).is_err() {
            if Instant::now() > end {
                bail!("nginx takes no connections; it said:\n{}", process.said());
            }
            std::thread::yield_now();
        }
        Ok(Self { process, address })
    }

    /// The version that nginx names.
    pub(crate) fn version() -> Result<String> {
        let output = Command::new("/usr/sbin/nginx").arg("-v").output().context("nginx is missing")?;
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        Ok(text.trim().rsplit('/').next().unwrap_or_default().to_owned())
    }
}

impl Drop for Nginx {
    /// Asks the master to end: killed, it would leave its workers behind.
    fn drop(&mut self) {
        let _ = self.process.stop();
    }
}

fn text(folder: &Path, address: SocketAddr, upstream: SocketAddr) -> String {
    let folder = folder.display();
    format!(
        "daemon off;
worker_processes 2;
pid {folder}/nginx.pid;
error_log stderr warn;
events {{ worker_connections 1024; }}
http {{
  access_log off;
  keepalive_requests 100000000;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  upstream mcp {{
    server {upstream};
    keepalive 64;
    keepalive_requests 100000000;
  }}
  server {{
    listen {address};
    location / {{
      proxy_pass http://mcp;
      proxy_http_version 1.1;
      proxy_set_header Connection \"\";
      proxy_buffering off;
    }}
  }}
}}
"
    )
}
