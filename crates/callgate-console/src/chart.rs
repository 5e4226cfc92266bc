//! Charts: drawn here as SVG, with the same figures as a table beside them.
//!
//! The drawing has shapes only and is stretched to the width that there is; what is to be read stands around it as text,
//! so that it is as large at 360 pixels as at 1440. Colours are classes of the style sheet.

use crate::figure;
use callgate_control::approvals::visible::visible;
use jiff::Timestamp;
use serde::Deserialize;

/// The drawing's own width and height; the page stretches it.
const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 200.0;

/// The heads of the tables.
const OUTCOMES: &[&str] = &["Allowed", "Asked about", "Denied", "Errors"];
const LATENCIES: &[&str] = &["p50", "p95", "p99"];

/// The calls of a stretch of time, as `GET /api/v1/summary` counts them.
#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct Bucket {
    /// When it begins, RFC 3339.
    pub(crate) at: String,
    #[serde(default)]
    pub(crate) allow: u64,
    #[serde(default)]
    pub(crate) deny: u64,
    #[serde(default)]
    pub(crate) approve: u64,
    /// Calls whose server answered with an error, or not at all.
    #[serde(default)]
    pub(crate) errors: u64,
    /// Latencies in microseconds; none where no call came back.
    #[serde(default)]
    pub(crate) p50_us: Option<u64>,
    #[serde(default)]
    pub(crate) p95_us: Option<u64>,
    #[serde(default)]
    pub(crate) p99_us: Option<u64>,
}

/// The time that a chart is about.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stretch<'a> {
    /// From then on, RFC 3339.
    pub(crate) since: &'a str,
    /// Until then.
    pub(crate) until: &'a str,
    /// How long each bucket is.
    pub(crate) bucket_seconds: u64,
}

/// A chart, ready for its template (`charts.html`).
#[derive(Clone, Debug)]
pub(crate) struct Chart {
    /// Unique on its page.
    pub(crate) id: &'static str,
    pub(crate) title: &'static str,
    /// What is to be seen, in a sentence.
    pub(crate) summary: String,
    /// What stands at the top, the middle and the bottom of the scale.
    pub(crate) scale: [String; 3],
    /// What stands at the beginning, the middle and the end of the time.
    pub(crate) times: [String; 3],
    pub(crate) keys: Vec<Key>,
    pub(crate) bars: Vec<Bar>,
    pub(crate) lines: Vec<Line>,
    /// What is measured, for the heads of the table.
    pub(crate) heads: &'static [&'static str],
    pub(crate) rows: Vec<Figures>,
}

/// An entry of the legend.
#[derive(Clone, Debug)]
pub(crate) struct Key {
    pub(crate) class: &'static str,
    pub(crate) name: &'static str,
}

/// The calls of a bucket, on top of each other.
#[derive(Clone, Debug)]
pub(crate) struct Bar {
    pub(crate) x: String,
    pub(crate) width: String,
    pub(crate) label: String,
    pub(crate) parts: Vec<Piece>,
}

/// The calls of a bucket with one outcome.
#[derive(Clone, Debug)]
pub(crate) struct Piece {
    pub(crate) class: &'static str,
    pub(crate) y: String,
    pub(crate) height: String,
}

/// A quantile over the time, as steps.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    pub(crate) class: &'static str,
    /// The path of the steps.
    pub(crate) path: String,
}

/// A row of the table.
#[derive(Clone, Debug)]
pub(crate) struct Figures {
    pub(crate) at: String,
    /// Under which head, and what.
    pub(crate) values: Vec<(&'static str, String)>,
}

/// Calls by outcome.
pub(crate) fn outcomes(buckets: &[Bucket], stretch: Stretch<'_>) -> Chart {
    let axis = Axis::of(stretch);
    let most = buckets.iter().map(calls).max().unwrap_or_default();
    let top = round_up(most);
    let bars = buckets.iter().filter(|bucket| calls(bucket) > 0).filter_map(|bucket| axis.bar(bucket, top)).collect();
    let sum = |count: fn(&Bucket) -> u64| figure::count(buckets.iter().map(count).sum());
    let rows = buckets.iter().filter(|bucket| calls(bucket) + bucket.errors > 0).map(|bucket| Figures {
        at: axis.clock(&bucket.at),
        values: under(OUTCOMES, [bucket.allow, bucket.approve, bucket.deny, bucket.errors].map(figure::count)),
    });
    Chart {
        id: "calls",
        title: "Calls by outcome",
        summary: format!(
            "{} allowed, {} asked about, {} denied; at most {} in {}",
            sum(|bucket| bucket.allow),
            sum(|bucket| bucket.approve),
            sum(|bucket| bucket.deny),
            figure::count(most),
            figure::span(stretch.bucket_seconds),
        ),
        scale: axis.scale(top, figure::count),
        times: axis.times(),
        keys: [("bar-deny", "denied"), ("bar-approve", "asked about"), ("bar-allow", "allowed")].map(key).to_vec(),
        bars,
        lines: Vec::new(),
        heads: OUTCOMES,
        rows: rows.collect(),
    }
}

/// How long calls took.
pub(crate) fn latency(buckets: &[Bucket], stretch: Stretch<'_>) -> Chart {
    type Quantile = fn(&Bucket) -> Option<u64>;
    const QUANTILES: [(&str, Quantile); 3] = [
        ("line-p50", |bucket| bucket.p50_us),
        ("line-p95", |bucket| bucket.p95_us),
        ("line-p99", |bucket| bucket.p99_us),
    ];
    let axis = Axis::of(stretch);
    let of = |quantile: Quantile| buckets.iter().filter_map(quantile);
    let most = QUANTILES.iter().filter_map(|(_, quantile)| of(*quantile).max()).max().unwrap_or_default();
    let top = round_up(most);
    let lines = QUANTILES.map(|(class, quantile)| Line { class, path: axis.steps(buckets, quantile, top) });
    let worst = |quantile: Quantile| of(quantile).max().map_or_else(|| "unknown".to_owned(), figure::duration);
    let rows = buckets.iter().filter(|bucket| bucket.p50_us.is_some()).map(|bucket| Figures {
        at: axis.clock(&bucket.at),
        values: under(
            LATENCIES,
            QUANTILES.map(|(_, quantile)| quantile(bucket).map_or_else(|| "–".to_owned(), figure::duration)),
        ),
    });
    Chart {
        id: "latency",
        title: "Latency of calls",
        summary: format!(
            "at worst, half of the calls took {} or less, 95 of 100 {}, 99 of 100 {}",
            worst(|bucket| bucket.p50_us),
            worst(|bucket| bucket.p95_us),
            worst(|bucket| bucket.p99_us),
        ),
        scale: axis.scale(top, figure::duration),
        times: axis.times(),
        keys: [("line-p99", "p99"), ("line-p95", "p95"), ("line-p50", "p50 (median)")].map(key).to_vec(),
        bars: Vec::new(),
        lines: lines.into_iter().filter(|line| !line.path.is_empty()).collect(),
        heads: LATENCIES,
        rows: rows.collect(),
    }
}

impl Chart {
    /// Whether there is nothing to be seen.
    pub(crate) fn is_empty(&self) -> bool {
        self.bars.is_empty() && self.lines.is_empty()
    }
}

fn under<const N: usize>(heads: &'static [&'static str], values: [String; N]) -> Vec<(&'static str, String)> {
    heads.iter().copied().zip(values).collect()
}

fn key((class, name): (&'static str, &'static str)) -> Key {
    Key { class, name }
}

fn calls(bucket: &Bucket) -> u64 {
    bucket.allow + bucket.approve + bucket.deny
}

/// The next number of the form 1, 2 or 5 times a power of ten, so that half of the scale is one to be read, too.
fn round_up(most: u64) -> u64 {
    let mut power: u64 = 1;
    loop {
        if let Some(top) = [2, 5, 10].map(|n| power.saturating_mul(n)).into_iter().find(|top| *top >= most) {
            return top;
        }
        power = power.saturating_mul(10);
    }
}

/// Where moments stand from left to right.
struct Axis {
    since: Timestamp,
    seconds: f64,
    /// How wide a bucket is.
    step: f64,
}

impl Axis {
    fn of(stretch: Stretch<'_>) -> Self {
        let moment = |text: &str| text.parse::<Timestamp>().ok();
        let since = moment(stretch.since).unwrap_or(Timestamp::UNIX_EPOCH);
        let until = moment(stretch.until).unwrap_or(since);
        let seconds = (until.as_second() - since.as_second()).max(1);
        let seconds = f64::from(u32::try_from(seconds).unwrap_or(u32::MAX));
        let bucket = f64::from(u32::try_from(stretch.bucket_seconds.max(1)).unwrap_or(u32::MAX));
        Self { since, seconds, step: (bucket / seconds * WIDTH).min(WIDTH) }
    }

    /// Where a bucket begins and ends; none where it is outside.
    fn place(&self, at: &str) -> Option<(f64, f64)> {
        let moment: Timestamp = at.parse().ok()?;
        let after = moment.as_millisecond() - self.since.as_millisecond();
        // A drawing: what a float can't tell apart, an eye can't either.
        let from = after as f64 / 1000.0 / self.seconds * WIDTH;
        let to = (from + self.step).min(WIDTH);
        (to > 0.0 && from < WIDTH).then_some((from.max(0.0), to))
    }

    fn bar(&self, bucket: &Bucket, top: u64) -> Option<Bar> {
        let (from, to) = self.place(&bucket.at)?;
        let mut below = HEIGHT;
        let parts = [("bar-allow", bucket.allow), ("bar-approve", bucket.approve), ("bar-deny", bucket.deny)];
        let parts = parts.into_iter().filter(|(_, count)| *count > 0).map(|(class, count)| {
            let height = share(count, top) * HEIGHT;
            below -= height;
            Piece { class, y: short(below), height: short(height) }
        });
        let label = format!(
            "{}: {} allowed, {} asked about, {} denied",
            self.clock(&bucket.at),
            figure::count(bucket.allow),
            figure::count(bucket.approve),
            figure::count(bucket.deny)
        );
        // A little air between two columns.
        let width = (to - from) * 0.86;
        Some(Bar { x: short(from), width: short(width), label, parts: parts.collect() })
    }

    /// A path of steps; a stretch without a value interrupts it.
    fn steps(&self, buckets: &[Bucket], quantile: fn(&Bucket) -> Option<u64>, top: u64) -> String {
        let mut path = String::new();
        let mut before = None;
        for bucket in buckets {
            let (Some(value), Some((from, to))) = (quantile(bucket), self.place(&bucket.at)) else { continue };
            let y = short(HEIGHT - share(value, top) * HEIGHT);
            let goes_on = before.is_some_and(|end: f64| (end - from).abs() < self.step / 2.0);
            let step = match goes_on {
                true => format!("V{y}H{}", short(to)),
                false => format!("M{} {y}H{}", short(from), short(to)),
            };
            path.push_str(&step);
            before = Some(to);
        }
        path
    }

    fn scale(&self, top: u64, words: fn(u64) -> String) -> [String; 3] {
        // Below two there is no half that could be read.
        let half = if top < 2 { String::new() } else { words(top / 2) };
        [words(top), half, "0".to_owned()]
    }

    fn times(&self) -> [String; 3] {
        let at = |share: f64| {
            let seconds = (self.seconds * share) as i64;
            Timestamp::from_second(self.since.as_second() + seconds).map_or_else(|_| String::new(), |at| self.words(at))
        };
        [at(0.0), at(0.5), at(1.0)]
    }

    fn clock(&self, at: &str) -> String {
        at.parse().map_or_else(|_| visible(at), |at| self.words(at))
    }

    fn words(&self, at: Timestamp) -> String {
        let form = if self.seconds > 86_400.0 { "%b %d %H:%M" } else { "%H:%M" };
        at.strftime(form).to_string()
    }
}

fn share(value: u64, top: u64) -> f64 {
    value as f64 / top.max(1) as f64
}

/// With one decimal at most.
fn short(number: f64) -> String {
    let text = format!("{number:.1}");
    text.strip_suffix(".0").map(str::to_owned).unwrap_or(text)
}

#[cfg(test)]
mod tests;
