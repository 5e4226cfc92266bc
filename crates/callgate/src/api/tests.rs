use super::*;
use serde_json::json;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;

#[test]
fn paths_keep_what_is_typed_apart_from_their_own_signs() {
    assert_eq!(
        path(&["servers", "a/b c"], &[("label", "x&y=ü"), ("n", "1")]),
        "/servers/a%2Fb%20c?label=x%26y%3D%C3%BC&n=1"
    );
    assert_eq!(path(&["grants"], &[]), "/grants");
}

/// Answers one connection after the other with these texts, and gives the key of each request; an empty text is a
/// connection that breaks.
async fn answering(listener: TcpListener, answers: &[&str]) -> Vec<String> {
    let mut keys = Vec::new();
    for answer in answers {
        let (stream, _) = listener.accept().await.unwrap();
        let mut stream = BufReader::new(stream);
        let (mut key, mut length) = (String::new(), 0);
        loop {
            let mut line = String::new();
            stream.read_line(&mut line).await.unwrap();
            match line.trim_end().split_once(": ") {
                Some((IDEMPOTENCY_KEY, value)) => value.clone_into(&mut key),
                Some(("content-length", value)) => length = value.parse().unwrap(),
                Some(_) => {}
                None if line.trim_end().is_empty() => break,
                None => {}
            }
        }
        stream.read_exact(&mut vec![0; length]).await.unwrap();
        stream.write_all(answer.as_bytes()).await.unwrap();
        keys.push(key);
    }
    keys
}

/// What becomes of a request that is answered so, and the keys that it was sent with.
async fn sent(request: Request, answers: &[&str]) -> (Result<Value, String>, Vec<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let api = Api {
        way: Way::find(Place::Url(url), &Environment::default()).await.unwrap(),
        credentials: Credentials::only("cga_x".to_owned()),
        organisation: None,
    };
    let (reply, keys) = tokio::join!(api.send(request), answering(listener, answers));
    (reply.map(|reply| reply.tree()).map_err(|failure| failure.code.into_owned()), keys)
}

fn http(status: &str, body: &Value) -> String {
    let body = body.to_string();
    format!("HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}", body.len())
}

#[tokio::test]
async fn what_makes_something_is_sent_once_more_where_the_connection_is_lost() {
    let mint = || Request::post(path(&["grants"], &[]), &json!({ "label": "laptop" }));
    let made = http("201 Created", &json!({ "token": "cg_1" }));
    // Lost before the answer, and in the middle of it.
    for broken in ["", made.get(..made.len() - 3).unwrap_or_default()] {
        let (reply, keys) = sent(mint(), &[broken, &made]).await;
        assert_eq!(reply, Ok(json!({ "token": "cg_1" })));
        assert!(keys[0].len() == 32 && keys[0] == keys[1], "{keys:?}");
    }
    // The first one is still being worked on.
    let busy = http("409 Conflict", &json!({ "code": "CG3147", "detail": "d", "remedy": "r" }));
    let (reply, keys) = sent(mint(), &["", &busy, &made]).await;
    assert_eq!(reply, Ok(json!({ "token": "cg_1" })));
    assert!(keys.iter().all(|key| *key == keys[0]), "{keys:?}");
    // Lost twice is lost, and an answer is an answer.
    assert_eq!(sent(mint(), &["", ""]).await.0, Err("CG3032".to_owned()));
    assert_eq!(sent(mint(), &[&busy]).await.0, Err("CG3147".to_owned()));
    let (first, second) = (sent(mint(), &[&made]).await.1, sent(mint(), &[&made]).await.1);
    assert_ne!(first, second, "each has a key of its own");
}

#[tokio::test]
async fn what_makes_nothing_is_sent_once() {
    let (reply, keys) = sent(Request::get(path(&["grants"], &[])), &[""]).await;
    assert_eq!((reply, keys), (Err("CG3032".to_owned()), vec![String::new()]));
}
