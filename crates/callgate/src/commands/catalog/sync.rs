//! `callgate catalog sync`: a registry of MCP servers into the catalogue, page by page.
//!
//! Each page is imported together with the note how far the reading got, so that an interrupted one goes on there. What
//! was read to its end is read again from the latest update that was seen.

use super::super::fleet::{Fleet, cell, rows};
use super::import::skipped;
use crate::api::{Request, path};
use crate::cli::CatalogTargetArgs;
use crate::client::Connector;
use crate::environment::Environment;
use crate::failure::Failure;
use crate::output::{self, Progress};
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::header::{ACCEPT, HOST, HeaderValue, USER_AGENT};
use hyper::{StatusCode, Uri};
use serde_json::{Value, json};
use std::time::Duration;

/// How many servers a page has.
const PAGE: &str = "100";

/// The longest page that is read, in bytes: what the gateway imports at once.
const MAX_PAGE: usize = callgate_control::catalogue::MAX_DOCUMENT;

/// How long a registry may take for a page.
const PATIENCE: Duration = Duration::from_secs(60);

/// So many pages one reading has at most.
const MOST: u64 = 100_000;

/// Where the list of servers is, below a registry's address (registry API v0.1, and v0 of older registries).
const LISTS: [&str; 2] = ["/v0.1/servers", "/v0/servers"];

/// A registry.
struct Registry {
    connector: Connector,
    list: Uri,
}

/// Where a reading begins.
#[derive(Default)]
struct Place {
    cursor: Option<String>,
    since: Option<String>,
}

/// Reads a registry.
pub(super) fn run(url: &str, full: bool, target: &CatalogTargetArgs, environment: &Environment) -> Result<(), Failure> {
    let address = checked(url)?;
    let fleet = Fleet::changing(&target.data, environment)?;
    let registry = fleet.wait(Registry::find(&address))?;
    let source = registry.list.to_string();
    let mut place = if full { Place::default() } else { place(&fleet, &source, target.public)? };
    let mut total = json!({ "added": 0, "changed": 0, "unchanged": 0, "removed": 0, "pages": 0 });
    let mut progress = Progress::of("pages");
    for done in 1..=MOST {
        let page = fleet.wait(registry.page(&place))?;
        let mut query = vec![("source", source.as_str()), ("origin", "registry"), ("skip_bad", "true")];
        query.extend(place.cursor.is_none().then_some(("first", "true")));
        query.extend(place.since.as_deref().map(|since| ("since", since)));
        query.extend(target.public.then_some(("public", "true")));
        let request = Request::document(path(&["catalogue", "import"], &query), page.to_vec());
        let imported = fleet.send(request)?.tree();
        skipped(&imported);
        add(&mut total, &imported);
        progress.at(done);
        match imported.get("next").and_then(Value::as_str) {
            None => break,
            Some(next) if place.cursor.as_deref() == Some(next) => {
                let message = format!("the registry gives the same cursor again after page {done}");
                return Err(Failure::cannot_run("CG3246", message, "tell whoever runs it; what came so far is kept"));
            }
            Some(next) => place.cursor = Some(next.to_owned()),
        }
    }
    drop(progress);
    report(&total, &source, target.json.json);
    Ok(())
}

/// An address that may be asked: https, or this machine.
fn checked(url: &str) -> Result<Uri, Failure> {
    let wrong = |why: &str| {
        let message = format!("the registry `{url}` can't be read: {why}");
        Failure::cannot_run("CG3244", message, "give its address, such as https://registry.modelcontextprotocol.io")
    };
    let address: Uri = url.parse().map_err(|_| wrong("it is no URL"))?;
    let host = address.host().unwrap_or_default();
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let is_here = host == "localhost" || bare.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback());
    if address.authority().is_some_and(|authority| authority.as_str().contains('@')) {
        return Err(wrong("it has a user in it"));
    }
    match address.scheme_str() {
        Some("https") => Ok(address),
        Some("http") if is_here => Ok(address),
        Some("http") => Err(wrong("beyond this machine it has to be https")),
        _ => Err(wrong("it does not begin with https://")),
    }
}

/// Where the last reading of this registry stopped.
fn place(fleet: &Fleet, source: &str, public: bool) -> Result<Place, Failure> {
    let known = fleet.send(Request::get(path(&["catalogue", "sources"], &[])))?.tree();
    let sources = known.get("items").map(rows).unwrap_or_default();
    let is_it = |row: &&Value| cell(row, "url") == source && row.get("public") == Some(&Value::Bool(public));
    let Some(found) = sources.iter().find(is_it) else { return Ok(Place::default()) };
    let text = |key: &str| found.get(key).and_then(Value::as_str).map(str::to_owned);
    Ok(match text("page") {
        Some(cursor) => Place { cursor: Some(cursor), since: text("since") },
        None => Place { cursor: None, since: text("newest") },
    })
}

impl Registry {
    /// Finds the list of servers: the address itself, or below it.
    async fn find(address: &Uri) -> Result<Self, Failure> {
        let connector = Connector::new(address).map_err(|error| unread(address, &error.to_string()))?;
        let path = address.path().trim_end_matches('/');
        let candidates: Vec<String> = match path.ends_with("/servers") {
            true => vec![path.to_owned()],
            false => LISTS.iter().map(|list| format!("{path}{list}")).collect(),
        };
        let mut registry = Self { connector, list: address.clone() };
        for candidate in candidates {
            registry.list = at(address, &candidate)?;
            let (status, _) = registry.get(&format!("{candidate}?limit=1")).await?;
            if status.is_success() {
                return Ok(registry);
            }
            if status != StatusCode::NOT_FOUND {
                return Err(unread(&registry.list, &format!("it answered HTTP {}", status.as_u16())));
            }
        }
        Err(unread(address, "it has no list of servers"))
    }

    async fn page(&self, place: &Place) -> Result<Bytes, Failure> {
        let mut query = vec![("limit", PAGE)];
        query.extend(place.since.as_deref().map(|since| ("updated_since", since)));
        query.extend(place.cursor.as_deref().map(|cursor| ("cursor", cursor)));
        let (status, page) = self.get(&format!("{}{}", self.list.path(), path(&[], &query))).await?;
        if !status.is_success() {
            return Err(unread(&self.list, &format!("it answered HTTP {}", status.as_u16())));
        }
        Ok(page)
    }

    async fn get(&self, target: &str) -> Result<(StatusCode, Bytes), Failure> {
        let failed = |why: &str| unread(&self.list, why);
        let authority = self.list.authority().map(|authority| authority.as_str()).unwrap_or_default();
        let authority = HeaderValue::from_str(authority).map_err(|_| failed("its host can't be sent"))?;
        let request = hyper::Request::get(target)
            .header(HOST, authority)
            .header(ACCEPT, "application/json")
            .header(USER_AGENT, concat!("callgate/", env!("CARGO_PKG_VERSION")))
            .body(Full::new(Bytes::new()))
            .map_err(|error| failed(&error.to_string()))?;
        let exchange = async {
            let response = self.connector.send(request).await.map_err(|error| failed(&error.to_string()))?;
            let status = response.status();
            let body = Limited::new(response.into_body(), MAX_PAGE).collect().await;
            let body = body.map_err(|_| failed("its page is too long, or broke off"))?;
            Ok((status, body.to_bytes()))
        };
        let waited = tokio::time::timeout(PATIENCE, exchange).await;
        waited.map_err(|_| failed(&format!("no answer within {} seconds", PATIENCE.as_secs())))?
    }
}

fn at(address: &Uri, path: &str) -> Result<Uri, Failure> {
    let mut parts = address.clone().into_parts();
    parts.path_and_query = path.parse().ok();
    Uri::from_parts(parts).map_err(|error| unread(address, &error.to_string()))
}

fn unread(address: &Uri, why: &str) -> Failure {
    let message = format!("the registry `{address}` can't be read: {why}");
    Failure::cannot_run("CG3245", message, "check the address; run the command again to go on where it stopped")
}

fn add(total: &mut Value, imported: &Value) {
    for (key, sum) in total.as_object_mut().into_iter().flatten() {
        let more = if key == "pages" { 1 } else { imported.get(key.as_str()).and_then(Value::as_u64).unwrap_or(0) };
        *sum = json!(sum.as_u64().unwrap_or(0) + more);
    }
}

fn report(total: &Value, source: &str, as_json: bool) {
    if as_json {
        return output::json(&json!({ "source": source, "done": total }));
    }
    let count = |key: &str| cell(total, key);
    let text = format!(
        "read {source}: {} new, {} changed, {} as they were, {} removed",
        count("added"),
        count("changed"),
        count("unchanged"),
        count("removed")
    );
    output::text(&text);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_https_and_this_machine_are_read() {
        for (url, good) in [
            ("https://registry.example/", true),
            ("http://127.0.0.1:8080", true),
            ("http://[::1]:8080/v0/servers", true),
            ("http://localhost", true),
            ("http://registry.example/", false),
            ("http://localhost.example/", false),
            ("https://user@registry.example/", false),
            ("ftp://127.0.0.1/", false),
            ("registry.example", false),
            ("", false),
        ] {
            assert_eq!(checked(url).is_ok(), good, "{url}");
        }
    }
}
