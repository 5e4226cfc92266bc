//! The browser of the tests finds what no page may do, one kind after the other, and nothing on a page that does nothing.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests stop at the first surprise")]

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener};

use anyhow::Result;
use testkit::Browser;
use testkit::browser::button;

/// Path, further header, what stands in the page, and what has to be found; nothing where it is empty.
const PAGES: [(&str, &str, &str, &str); 8] = [
    ("/fine", "", "<button>Go on</button>", ""),
    ("/dialog", "", "<script>alert('hello')</script>", "dialog: hello"),
    ("/elsewhere", "", "<img alt='' src='http://example.invalid/x.png'>", "request elsewhere"),
    ("/console", "", "<script>console.error('broken')</script>", "console: broken"),
    ("/exception", "", "<script>throw new Error('thrown')</script>", "exception: thrown"),
    ("/part", "", "<script src='/nowhere.js'></script>", "script 404"),
    ("/inline", "content-security-policy: script-src 'self'\r\n", "<script>1</script>", "ontent security policy"),
    (
        "/attribute",
        "content-security-policy: script-src 'self'; img-src 'self'\r\n",
        "<img alt='' src='data:,' onerror='1'>",
        "ontent security policy",
    ),
];

#[test]
fn what_no_page_may_do_is_found() -> Result<()> {
    let browser = Browser::start(serve()?)?;
    for (path, _, _, expected) in PAGES {
        let person = browser.person(path);
        // What is told after the page is there is told with the next step.
        let seen = person.goto(path).and_then(|_| person.read("The page")).and_then(|()| person.text().map(drop));
        match (seen, expected) {
            (Ok(()), "") => {}
            (Ok(()), _) => panic!("{path}: `{expected}` was not found"),
            (Err(error), _) => {
                let said = format!("{error:#}");
                assert!(!expected.is_empty() && said.contains(expected), "{path}: {said}");
                // What else is told of it belongs to no later page.
                while person.goto("/fine").is_err() {}
            }
        }
    }
    Ok(())
}

#[test]
fn it_clicks_types_and_judges() -> Result<()> {
    let address = serve()?;
    let browser = Browser::start(address)?;
    let person = browser.person("somebody");
    person.goto("/fine")?;
    person.click(&button("Go on"))?;
    person.view(360, true)?;
    assert_eq!(person.evaluate("innerWidth")?, 360);
    assert_eq!(person.evaluate("matchMedia('(prefers-color-scheme: dark)').matches")?, true);
    assert!(person.axe()?.is_empty());
    person.evaluate("document.querySelector('button').textContent = ''")?;
    let found = person.axe()?;
    assert!(found.iter().any(|one| one.starts_with("button-name")), "{found:?}");
    let other = browser.person("somebody else");
    person.evaluate("document.cookie = 'mine=1'")?;
    other.goto("/fine")?;
    assert_eq!(other.evaluate("document.cookie")?, "");
    Ok(())
}

/// Serves the pages until the test's process ends.
fn serve() -> Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            std::thread::spawn(move || {
                let mut lines = BufReader::new(&stream).lines().map_while(Result::ok);
                let first = lines.next().unwrap_or_default();
                lines.take_while(|line| !line.is_empty()).for_each(drop);
                let path = first.split(' ').nth(1).unwrap_or_default();
                let known = PAGES.iter().find(|(known, ..)| *known == path);
                let (status, header, body) = match known {
                    Some((_, header, body, _)) => ("200 OK", *header, *body),
                    None if path == "/favicon.ico" => ("204 No Content", "", ""),
                    None => ("404 Not Found", "", ""),
                };
                let body = format!(
                    "<!doctype html><html lang=en><title>Page</title><main><h1>The page</h1>{body}</main></html>"
                );
                let length = if status.starts_with("204") { 0 } else { body.len() };
                let head = format!(
                    "HTTP/1.1 {status}\r\ncontent-type: text/html\r\nconnection: close\r\n{header}content-length: {length}"
                );
                let _ = write!(&stream, "{head}\r\n\r\n{}", &body[..length]);
            });
        }
    });
    Ok(address)
}
