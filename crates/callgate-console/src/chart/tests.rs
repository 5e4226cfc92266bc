//! Charts say what the figures say.

use super::*;
use askama::Template;

#[derive(Template)]
#[template(source = "{% import \"charts.html\" as charts %}{{ charts::chart(chart) }}", ext = "html")]
struct Drawn<'c> {
    chart: &'c Chart,
}

const HOUR: Stretch<'static> =
    Stretch { since: "2026-01-02T10:00:00Z", until: "2026-01-02T11:00:00Z", bucket_seconds: 600 };

fn bucket(at: &str, [allow, approve, deny]: [u64; 3], p50: Option<u64>) -> Bucket {
    let at = format!("2026-01-02T{at}:00Z");
    let (p95_us, p99_us) = (p50.map(|us| us * 2), p50.map(|us| us * 4));
    Bucket { at, allow, deny, approve, errors: 0, p50_us: p50, p95_us, p99_us }
}

fn drawn(chart: &Chart) -> String {
    Drawn { chart }.render().unwrap()
}

#[test]
fn columns_are_as_high_as_their_counts() {
    let buckets = [bucket("10:00", [6, 2, 2], None), bucket("10:30", [0, 0, 5], None), bucket("10:40", [0; 3], None)];
    let chart = outcomes(&buckets, HOUR);
    assert_eq!(chart.scale, ["10", "5", "0"]);
    assert_eq!(chart.times, ["10:00", "10:30", "11:00"]);
    assert_eq!(chart.summary, "6 allowed, 2 asked about, 7 denied; at most 10 in 10 min");
    let text = drawn(&chart);
    for piece in [
        r#"<rect class="bar-allow" x="0" y="80" width="103.2" height="120""#,
        r#"<rect class="bar-approve" x="0" y="40" width="103.2" height="40""#,
        r#"<rect class="bar-deny" x="0" y="0" width="103.2" height="40""#,
        r#"<rect class="bar-deny" x="360" y="100" width="103.2" height="100""#,
        "<title>10:30: 0 allowed, 0 asked about, 5 denied</title>",
        r#"<th scope="row">10:30</th>"#,
    ] {
        assert!(text.contains(piece), "{piece} in {text}");
    }
    assert!(!text.contains("10:40"), "nothing happened then");
    assert!(!text.contains("style="), "{text}");
}

#[test]
fn lines_step_from_bucket_to_bucket_and_stop_where_nothing_is_known() {
    let buckets = [
        bucket("10:00", [1, 0, 0], Some(1_000)),
        bucket("10:10", [1, 0, 0], Some(5_000)),
        bucket("10:20", [0, 0, 1], None),
        bucket("10:50", [1, 0, 0], Some(2_000)),
    ];
    let chart = latency(&buckets, HOUR);
    assert_eq!(chart.scale, ["20 ms", "10 ms", "0"]);
    let paths: Vec<&str> = chart.lines.iter().map(|line| line.path.as_str()).collect();
    assert_eq!(paths[0], "M0 190H120V150H240M600 180H720");
    assert_eq!(paths[2], "M0 160H120V0H240M600 120H720");
    let text = drawn(&chart);
    assert!(text.contains(r#"<path class="line-p99" d="M0 160H120V0H240M600 120H720""#), "{text}");
    assert!(text.contains("99 of 100 20 ms"), "{text}");
}

#[test]
fn nothing_is_drawn_of_nothing() {
    for buckets in [vec![], vec![bucket("10:00", [0; 3], None)]] {
        assert!(outcomes(&buckets, HOUR).is_empty());
        assert!(latency(&buckets, HOUR).is_empty());
    }
    // What lies outside of the time, and what is no time.
    let odd = Bucket { at: "<b>".to_owned(), allow: 3, ..Bucket::default() };
    let chart = outcomes(&[bucket("12:00", [1, 0, 0], None), odd], HOUR);
    assert!(chart.is_empty());
    assert!(drawn(&chart).contains("&#60;b&#62;"), "{}", drawn(&chart));
}

#[test]
fn scales_end_where_they_can_be_read() {
    let tops = [0, 1, 2, 3, 5, 6, 10, 11, 20, 21, 4_999, 50_001].map(round_up);
    assert_eq!(tops, [2, 2, 2, 5, 5, 10, 10, 20, 20, 50, 5_000, 100_000]);
    assert_eq!(round_up(u64::MAX), u64::MAX);
}
