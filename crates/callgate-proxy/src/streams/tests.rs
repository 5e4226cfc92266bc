use super::*;
use futures_util::FutureExt;

fn log() -> Arc<EventLog> {
    EventLog::new(Arc::default())
}

fn now(reader: &mut Reader) -> Option<Option<Heard>> {
    reader.next().now_or_never()
}

/// The data of the next event, and its id.
fn event(reader: &mut Reader) -> (String, String) {
    match now(reader) {
        Some(Some(Heard::Event(bytes) | Heard::Cut(bytes))) => parts(&bytes),
        other => panic!("no event: {other:?}"),
    }
}

fn parts(bytes: &Bytes) -> (String, String) {
    let text = String::from_utf8(bytes.to_vec()).unwrap();
    let field = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)).unwrap().to_owned();
    (field("data: "), field("id: "))
}

fn is_refused(log: &Arc<EventLog>, id: &str) -> bool {
    matches!(log.resume(id.as_bytes()), Err(Cause::EventUnknown))
}

#[test]
fn who_comes_back_gets_what_followed_on_that_stream_alone() {
    let log = log();
    let (one, mut first) = log.open();
    let (two, mut second) = log.open();
    let primed = parts(&first.priming()).1;
    one.send(b"a");
    two.send(b"other");
    one.send(b"b\r\nc");
    let (data, id) = event(&mut first);
    assert_eq!(data, "a");
    assert_eq!(
        now(&mut first).unwrap(),
        Some(Heard::Event(format!("id: {}\ndata: b\ndata: c\n\n", log.id(1, 2)).into()))
    );
    assert!(now(&mut first).is_none(), "it goes on");

    let mut again = log.resume(id.as_bytes()).unwrap();
    assert_eq!(event(&mut again).0, "b");
    assert_eq!(now(&mut first).unwrap(), None, "one reader at a time");
    one.send(b"d");
    drop(one);
    assert_eq!(event(&mut again).0, "d");
    assert_eq!(now(&mut again).unwrap(), None, "the stream has ended");
    assert!(now(&mut again).unwrap().is_none());

    let mut whole = log.resume(primed.as_bytes()).unwrap();
    assert_eq!([(); 3].map(|()| event(&mut whole).0), ["a", "b", "d"]);
    assert_eq!(event(&mut second).0, "other");
}

#[test]
fn ids_that_were_never_given_are_refused() {
    let (log, other) = (log(), log());
    let (writer, _reader) = log.open();
    writer.send(b"a");
    let good = log.id(1, 1);
    assert!(!is_refused(&log, &good));
    let (tag, _) = good.split_once('.').unwrap();
    let bad = [
        other.id(1, 1),
        log.id(1, 2),
        log.id(2, 0),
        log.id(0, 0),
        format!("{tag}.1-01"),
        format!("{tag}.+1-1"),
        format!(" {good}"),
        format!("{good} "),
        good.to_uppercase().replace('.', ":"),
        "1-1".to_owned(),
        String::new(),
        "\u{0}".to_owned(),
        format!("{tag}.99999999999999999999-1"),
    ];
    for id in bad {
        assert!(is_refused(&log, &id), "{id:?}");
    }
    assert!(is_refused(&other, &good));
}

#[test]
fn what_was_delivered_goes_before_what_was_not() {
    let log = log();
    let (lost, reader) = log.open();
    drop(reader);
    lost.send(b"nobody read this");
    drop(lost);
    let (going_on, mut reader) = log.open();
    going_on.send(b"kept");
    event(&mut reader);
    for _ in 0..MAX_EVENTS {
        let (writer, mut reader) = log.open();
        writer.send(b"delivered");
        drop(writer);
        event(&mut reader);
    }
    assert_eq!(log.table().events, MAX_EVENTS);
    assert_eq!(event(&mut log.resume(log.id(1, 0).as_bytes()).unwrap()).0, "nobody read this");
    assert!(!is_refused(&log, &log.id(2, 0)));
    assert!(is_refused(&log, &log.id(3, 0)) && is_refused(&log, &log.id(4, 1)), "the oldest went");
    assert!(!is_refused(&log, &log.id(5, 0)));
    let table = log.table();
    let counted: usize = table.streams.values().map(|stream| stream.events.len()).sum();
    let sized: usize = table.streams.values().flat_map(|stream| &stream.events).map(|event| event.bytes.len()).sum();
    assert_eq!((table.events, table.bytes, log.all.load(Ordering::Relaxed)), (counted, sized, sized));
}

#[test]
fn a_stream_that_nobody_reads_keeps_its_end_and_says_what_it_lost() {
    let log = log();
    let (writer, reader) = log.open();
    drop(reader);
    let message = vec![b'x'; 1 << 20];
    for _ in 0..10 {
        writer.room().now_or_never().expect("nobody to wait for");
        writer.send(&message);
    }
    assert!(log.table().bytes <= MAX_BYTES);
    assert!(is_refused(&log, &log.id(1, 0)) && is_refused(&log, &log.id(1, 6)));
    let mut reader = log.resume(log.id(1, 7).as_bytes()).unwrap();
    assert_eq!([(); 3].map(|()| event(&mut reader).1), [8, 9, 10].map(|event| log.id(1, event)));
    // One event that is longer than everything that may be kept.
    writer.send(&vec![b'x'; MAX_BYTES]);
    assert_eq!(event(&mut reader).1, log.id(1, 11));
    drop(reader);
    assert_eq!(log.table().bytes, 0);
    assert!(!is_refused(&log, &log.id(1, 11)), "nothing behind it was lost");
}

#[test]
fn the_sender_waits_for_a_reader_that_lags_and_for_no_other() {
    let log = log();
    let (writer, mut reader) = log.open();
    for _ in 0..AHEAD {
        writer.room().now_or_never().expect("room");
        writer.send(b"x");
    }
    assert!(writer.room().now_or_never().is_none());
    event(&mut reader);
    assert!(writer.room().now_or_never().is_some());
    writer.send(b"x");
    assert!(writer.room().now_or_never().is_none());
    // A connection that died without a word holds nobody up once its client is back, or gone.
    let second = log.resume(log.id(1, AHEAD as u64).as_bytes()).unwrap();
    assert!(writer.room().now_or_never().is_some());
    writer.send(&vec![b'x'; AHEAD_BYTES]);
    assert!(writer.room().now_or_never().is_none());
    drop(second);
    assert!(writer.room().now_or_never().is_some());
}

#[test]
fn a_stream_is_kept_for_a_while_after_its_end() {
    let log = log();
    let (writer, reader) = log.open();
    writer.send(b"response");
    drop((writer, reader));
    let standalone = log.open_standalone();
    standalone.log(b"said");
    let mut standalone = standalone;
    assert!(matches!(standalone.take(), Ok(Some(Heard::Event(_)))));
    log.sweep(Instant::now());
    assert!(!is_refused(&log, &log.id(1, 0)));
    log.sweep(Instant::now() + KEEP + Duration::from_secs(1));
    assert!(is_refused(&log, &log.id(1, 0)));
    assert!(is_refused(&log, &log.id(2, 0)), "what was said too long ago");
    assert!(!is_refused(&log, &log.id(2, 1)), "nothing was lost behind it");
    assert_eq!((log.table().bytes, log.all.load(Ordering::Relaxed)), (0, 0));
}

#[test]
fn the_standalone_stream_is_the_last_one() {
    let log = log();
    let mut first = log.open_standalone();
    first.log(b"a");
    assert!(matches!(first.take(), Ok(Some(Heard::Event(_)))));
    let mut second = log.open_standalone();
    assert_eq!(first.take(), Err(()));
    assert_eq!(second.take(), Ok(None));
    let back = log.resume(log.id(1, 0).as_bytes()).unwrap();
    assert!(!back.is_standalone, "an earlier one has ended");
    let back = log.resume(log.id(2, 0).as_bytes()).unwrap();
    assert!(back.is_standalone);
    assert_eq!(second.take(), Err(()));
}

#[test]
fn a_stream_that_is_cut_says_so_at_once() {
    let log = log();
    let (writer, mut reader) = log.open();
    writer.send(b"read");
    event(&mut reader);
    writer.send(b"not read");
    writer.cut(b"the end");
    drop(writer);
    assert!(matches!(now(&mut reader), Some(Some(Heard::Cut(_)))));
    assert_eq!(now(&mut reader).unwrap(), None);
    assert_eq!(log.table().events, 2);
}

#[test]
fn only_so_many_requests_are_open() {
    let log = log();
    let open: Vec<_> = (0..MAX_OPEN).map(|_| log.open()).collect();
    assert_eq!(log.admit(), Err(Cause::TooManyStreams(MAX_OPEN)));
    drop(open);
    assert_eq!(log.admit(), Ok(()));
    assert!(log.table().streams.is_empty(), "nothing was said on them");
}
