//! Flows: what follows for a call from the calls before it, over the ledger that remembers them.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::result_large_err,
    missing_docs,
    reason = "tests stop at the first surprise"
)]

use callgate_json::{Limits, parse};
use callgate_policy::suite;
use callgate_policy::{
    Arguments, Call, Decision, Definition, Facts, Grant, GrantId, Identity, Label, Organisation, Outcome, Policy,
    Reason, Receipt, ServerName, Settlement, State, Timestamp, decide,
};
use std::collections::BTreeMap;

const MINUTE: i64 = 60_000;
const DAY: i64 = 1440 * MINUTE;
const START: i64 = 1_767_268_800_000;

/// Who calls what; the rest of a call is the same everywhere.
#[derive(Clone, Copy)]
struct Who<'a> {
    server: &'a str,
    grant: &'a str,
    tag: Option<&'a str>,
    session: Option<&'a str>,
    identity: Option<&'a str>,
    trace: Option<&'a str>,
    definition: Option<&'a Definition>,
}

const WHO: Who<'static> =
    Who { server: "s", grant: "g1", tag: None, session: Some("one"), identity: None, trace: None, definition: None };

struct World {
    policy: Policy,
    baseline: Option<Policy>,
    state: State,
    now: i64,
}

impl World {
    fn new(flows: &str) -> Self {
        let text = format!(r#"{{"version":"1","default":"allow","flows":[{flows}]}}"#);
        Self { policy: read(&text), baseline: None, state: State::default(), now: START }
    }

    /// The final decision, and the receipt of a call that may leave.
    fn begin(&mut self, who: Who<'_>, tool: &str, args: &str) -> (Decision, Option<Receipt>) {
        let decision = self.decide(who, tool, args);
        self.state.admit(decision, Timestamp(self.now))
    }

    fn decide(&self, who: Who<'_>, tool: &str, args: &str) -> Decision {
        let (organisation, server) = (Organisation::parse("acme").unwrap(), ServerName::parse(who.server).unwrap());
        let tags = who.tag.map(|tag| ("agent".to_owned(), tag.to_owned()));
        let grant =
            Grant { id: GrantId::parse(who.grant).unwrap(), label: "l".into(), tags: BTreeMap::from_iter(tags) };
        let identity = who.identity.map(|subject| Identity { subject: subject.into(), claims: "{}".into() });
        let value = parse(args.as_bytes(), &Limits::default()).unwrap();
        let call = Call { server: &server, tool, arguments: Arguments::Value(&value), definition: who.definition };
        let facts = Facts {
            now: Timestamp(self.now),
            organisation: &organisation,
            grant: &grant,
            identity: identity.as_ref(),
            session: who.session,
            client: None,
            trace: who.trace,
        };
        decide(Some(&self.policy), self.baseline.as_ref(), &call, &facts)
    }

    /// A call from its beginning to its end; the reason where it is refused.
    fn call(&mut self, who: Who<'_>, tool: &str) -> Result<(), Decision> {
        let (decision, receipt) = self.begin(who, tool, "{}");
        let Some(receipt) = receipt else { return Err(decision) };
        self.end(&receipt, Settlement::Keep, true);
        Ok(())
    }

    fn end(&mut self, receipt: &Receipt, settlement: Settlement, completed: bool) {
        self.state.settle(receipt, settlement, Timestamp(self.now));
        if completed {
            self.state.complete(receipt, Timestamp(self.now));
        }
    }

    /// What a checkpoint and a restart leave of the state.
    fn restart(&mut self) {
        let marks = self.state.marks(Timestamp(self.now));
        self.state = State::default();
        marks.iter().for_each(|mark| self.state.restore_mark(mark));
        self.state.abandon(Timestamp(self.now));
    }
}

fn read(text: &str) -> Policy {
    Policy::parse(text.as_bytes()).unwrap_or_else(|problems| panic!("{text}\n{problems}"))
}

const NO_EGRESS: &str = r#"{"name":"no-egress","after":{"tool":"fetch"},"deny":{"tool":"send_*"}}"#;

#[test]
fn after_a_call_another_is_denied() {
    let mut world = World::new(NO_EGRESS);
    assert!(world.call(WHO, "send_mail").is_ok());
    assert!(world.call(WHO, "read").is_ok());
    assert!(world.call(WHO, "fetch").is_ok());
    let denied = world.call(WHO, "send_mail").unwrap_err();
    assert_eq!((denied.outcome, denied.reason), (Outcome::Deny, Some(Reason::Flow)));
    assert_eq!(denied.rule.as_str(), "/flows/no-egress");
    assert_eq!(denied.place.unwrap().pointer.as_ref(), "/flows/0");
    assert!(denied.message.contains("in this session"), "{}", denied.message);
    assert!(denied.charges.is_empty() && denied.history.is_none());
    assert!(world.call(WHO, "fetch").is_ok(), "what sets a flow off may go on");
    assert!(world.call(Who { session: Some("two"), ..WHO }, "send_mail").is_ok(), "another session");
    assert!(world.call(Who { session: None, ..WHO }, "send_mail").is_ok(), "calls without a session are apart");
    world.now += 29 * DAY;
    world.state.sweep(Timestamp(world.now));
    assert!(world.call(WHO, "send_mail").is_err(), "a session has no end in time");
}

#[test]
fn a_call_in_flight_counts_already_and_one_that_did_not_run_never() {
    let mut world = World::new(NO_EGRESS);
    let (_, first) = world.begin(WHO, "fetch", "{}");
    let (_, second) = world.begin(WHO, "fetch", "{}");
    assert!(world.call(WHO, "send_mail").is_err());
    world.end(&first.unwrap(), Settlement::GiveBack, false);
    assert!(world.call(WHO, "send_mail").is_err(), "the other is still there");
    world.end(&second.unwrap(), Settlement::GiveBack, false);
    assert!(world.call(WHO, "send_mail").is_ok());
    assert!(world.state.is_empty());
    let (_, third) = world.begin(WHO, "fetch", "{}");
    world.end(&third.unwrap(), Settlement::Keep, false);
    assert!(world.call(WHO, "send_mail").is_err(), "what may have run counts, whatever came back");
}

#[test]
fn a_duration_runs_from_the_end_of_the_call() {
    let mut world =
        World::new(r#"{"name":"f","after":{"tool":"fetch"},"within":"10m","deny":{"tool":"send"},"on_deny":"Wait."}"#);
    let (_, receipt) = world.begin(WHO, "fetch", "{}");
    world.now += 60 * MINUTE;
    let denied = world.call(WHO, "send").unwrap_err();
    assert_eq!((denied.message.as_str(), denied.retry_after_ms), ("Wait.", None));
    world.end(&receipt.unwrap(), Settlement::Keep, false);
    world.now += 9 * MINUTE;
    let other = Who { session: Some("two"), ..WHO };
    assert_eq!(world.call(other, "send").unwrap_err().retry_after_ms, Some(60_000), "one grant");
    world.now -= 5 * MINUTE;
    assert!(world.call(other, "send").is_err(), "a clock that goes back opens nothing");
    world.now += 6 * MINUTE;
    assert!(world.call(other, "send").is_ok());
    world.state.sweep(Timestamp(world.now));
    assert!(world.state.is_empty());
}

#[test]
fn a_required_call_has_to_be_completed() {
    let mut world =
        World::new(r#"{"name":"tests","before":{"tool":"deploy"},"require":{"tool":"test"},"within":"1h"}"#);
    let refused = world.call(WHO, "deploy").unwrap_err();
    assert_eq!((refused.reason, refused.rule.as_str()), (Some(Reason::Flow), "/flows/tests"));
    let (_, receipt) = world.begin(WHO, "test", "{}");
    let receipt = receipt.unwrap();
    assert!(world.call(WHO, "deploy").is_err(), "it is not done yet");
    world.end(&receipt, Settlement::Keep, false);
    assert!(world.call(WHO, "deploy").is_err(), "it ended with an error");
    assert!(world.call(WHO, "test").is_ok());
    assert!(world.call(WHO, "deploy").is_ok());
    world.restart();
    assert!(world.call(WHO, "deploy").is_ok());
    world.now += 60 * MINUTE;
    assert!(world.call(WHO, "deploy").is_err(), "that was too long ago");
}

#[test]
fn whose_calls_are_one_history() {
    let flow = |rest: &str| format!(r#"{{"name":"f","after":{{"tool":"fetch"}},"deny":{{"tool":"send"}}{rest}}}"#);
    let me = Who { tag: Some("a1"), identity: Some("ann"), trace: Some("t1"), ..WHO };
    let table = [
        ("", Who { session: Some("two"), ..me }, false),
        (r#","scope":"grant""#, Who { session: Some("two"), ..me }, true),
        (r#","scope":"grant""#, Who { grant: "g2", ..me }, false),
        (r#","within":"1h""#, Who { session: None, ..me }, true),
        (r#","scope":"tag:agent""#, Who { grant: "g2", server: "t", session: None, ..me }, true),
        (r#","scope":"tag:agent""#, Who { tag: Some("a2"), ..me }, false),
        (r#","scope":"identity""#, Who { grant: "g2", server: "t", ..me }, true),
        (r#","scope":"identity""#, Who { identity: Some("bob"), ..me }, false),
        (r#","scope":"trace""#, Who { grant: "g2", server: "t", ..me }, true),
        (r#","scope":"trace""#, Who { trace: Some("t2"), ..me }, false),
    ];
    for (rest, other, joined) in table {
        let mut world = World::new(&flow(rest));
        world.call(me, "fetch").unwrap();
        assert_eq!(world.call(other, "send").is_err(), joined, "{rest}");
        assert!(world.call(me, "send").is_err(), "{rest}");
    }
    for (rest, missing) in [("identity", "no identity"), ("trace", "traceparent"), ("tag:agent", "no tag `agent`")] {
        let mut world = World::new(&flow(&format!(r#","scope":"{rest}""#)));
        for tool in ["fetch", "send"] {
            let fault = world.call(WHO, tool).unwrap_err();
            assert_eq!(fault.reason, Some(Reason::Fault));
            assert!(fault.message.contains(missing), "{}", fault.message);
        }
        assert!(world.call(WHO, "other").is_ok(), "no flow speaks of it");
    }
}

#[test]
fn one_document_may_look_further_back_than_another() {
    let flow = |within: &str| {
        format!(
            r#"{{"name":"f","after":{{"tool":"fetch"}},"within":"{within}","scope":"tag:agent","deny":{{"tool":"send"}}}}"#
        )
    };
    let me = Who { tag: Some("a1"), ..WHO };
    let mut world = World::new(&flow("10m"));
    world.call(me, "fetch").unwrap();
    world.now += 20 * MINUTE;
    world.state.sweep(Timestamp(world.now));
    assert!(world.call(me, "send").is_ok());
    world.policy = World::new(&flow("1h")).policy;
    assert!(world.call(Who { server: "t", ..me }, "send").is_err());
}

#[test]
fn labels_and_categories_come_with_the_definition() {
    let mut world = World::new(
        r#"{"name":"f","after":{"label":"reads_untrusted"},"deny":{"label":["egress","credentials"]}},
           {"name":"g","after":{"category":"read"},"scope":"grant","deny":{"category":["execute"]}}"#,
    );
    assert!(world.policy.flows_need_definitions());
    let known = |category: &str, labels: &[Label]| Definition {
        category: callgate_policy::Category::parse(category),
        labels: labels.to_vec(),
        ..Definition::default()
    };
    let fetch = known("read", &[Label::ReadsUntrusted, Label::Egress]);
    let exec = known("execute", &[]);
    let unpinned = world.call(WHO, "fetch").unwrap_err();
    assert_eq!((unpinned.reason, unpinned.rule.as_str()), (Some(Reason::Fault), "/flows/f"));
    let unread = Definition::default();
    let unread = world.call(Who { definition: Some(&unread), ..WHO }, "fetch").unwrap_err();
    assert!(unread.message.contains("labels are not known"), "{}", unread.message);
    let as_fetch = Who { definition: Some(&fetch), ..WHO };
    assert!(world.call(Who { definition: Some(&exec), ..WHO }, "exec").is_ok());
    assert!(world.call(as_fetch, "fetch").is_ok(), "the first call has none before it");
    assert_eq!(world.call(as_fetch, "fetch").unwrap_err().rule.as_str(), "/flows/f");
    assert_eq!(world.call(Who { definition: Some(&exec), ..WHO }, "exec").unwrap_err().rule.as_str(), "/flows/g");
    assert!(!World::new(NO_EGRESS).policy.flows_need_definitions());
}

#[test]
fn conditions_narrow_both_sides_and_what_cannot_be_read_stops() {
    let on = |op: &str| format!(r#""conditions":[{{"path":"args.url","op":"starts_with","value":"{op}"}}]"#);
    let mut world = World::new(&format!(
        r#"{{"name":"f","after":{{"tool":"fetch",{}}},"deny":{{"tool":"fetch",{}}}}},
           {{"name":"r","before":{{"tool":"go"}},"require":{{"tool":"fetch",{}}}}}"#,
        on("http"),
        on("ftp"),
        on("https")
    ));
    let go = |world: &mut World, args: &str| {
        let (decision, receipt) = world.begin(WHO, "fetch", args);
        receipt.iter().for_each(|receipt| world.end(receipt, Settlement::Keep, true));
        decision.outcome
    };
    assert_eq!(go(&mut world, r#"{"url":"file:///x"}"#), Outcome::Allow);
    assert_eq!(go(&mut world, r#"{"url":"ftp://x"}"#), Outcome::Allow);
    // A list is of the wrong type: it may be what sets the flow off, and is surely not what is required.
    assert_eq!(go(&mut world, r#"{"url":["https://x"]}"#), Outcome::Allow);
    assert_eq!(go(&mut world, r#"{"url":"ftp://x"}"#), Outcome::Deny);
    assert_eq!(go(&mut world, r#"{"url":["ftp://x"]}"#), Outcome::Deny);
    assert!(world.call(WHO, "go").is_err());
    assert_eq!(go(&mut world, r#"{"url":"https://x"}"#), Outcome::Allow);
    assert!(world.call(WHO, "go").is_ok());
}

#[test]
fn a_flow_that_asks_and_the_yes_to_it() {
    let mut world = World::new(
        r#"{"name":"ask","after":{"tool":"fetch"},"approve":{"tool":"send"},"ask":"hold","timeout":"5m"},
           {"name":"eyes","after":{"tool":"fetch"},"approve":{"tool":"send"},"four_eyes":true},
           {"name":"never","after":{"tool":"leak"},"deny":{"tool":"send"}}"#,
    );
    world.call(WHO, "fetch").unwrap();
    let (asked, receipt) = world.begin(WHO, "send", "{}");
    assert_eq!((asked.outcome, asked.reason, receipt), (Outcome::Approve, None, None));
    assert_eq!(asked.rule.as_str(), "/flows/ask");
    let terms = asked.ask.clone().unwrap();
    assert_eq!((terms.timeout_ms(), terms.ask().as_str(), terms.four_eyes()), (Some(300_000), "hold", true));
    let decided = world.decide(WHO, "send", "{}");
    // A yes from before the flows asked is none to them.
    let (more, receipt) = world.state.admit(decided.clone().approved(), Timestamp(world.now));
    assert_eq!((more.outcome, more.rule.as_str(), receipt), (Outcome::Approve, "/flows/ask", None));
    let weighed = world.state.weigh(decided, Timestamp(world.now));
    let (left, receipt) = world.state.admit(weighed.approved(), Timestamp(world.now));
    assert_eq!((left.outcome, receipt.is_some()), (Outcome::Allow, true));
    let (left, _) = world.state.admit(asked.approved(), Timestamp(world.now));
    assert_eq!((left.outcome, left.rule.as_str(), left.ask), (Outcome::Allow, "/flows/ask", None));
    world.call(WHO, "leak").unwrap();
    let decided = world.decide(WHO, "send", "{}");
    let (denied, _) = world.state.admit(decided.approved(), Timestamp(world.now));
    assert_eq!(denied.rule.as_str(), "/flows/never", "a yes to one flow is none to another");
}

#[test]
fn a_yes_is_good_for_the_flows_that_asked_and_for_no_other() {
    let mut world = World::new(r#"{"name":"again","after":{"tool":"send"},"approve":{"tool":"send"}}"#);
    let now = Timestamp(world.now);
    // Two calls are weighed, and both have a yes to something else, before either has left.
    let [first, second] = [(); 2].map(|()| world.state.weigh(world.decide(WHO, "send", "{}"), now));
    assert_eq!((first.outcome, second.outcome), (Outcome::Allow, Outcome::Allow));
    let (left, receipt) = world.state.admit(first.approved(), now);
    assert_eq!((left.outcome, receipt.is_some()), (Outcome::Allow, true));
    let (asked, receipt) = world.state.admit(second.approved(), now);
    assert_eq!((asked.outcome, asked.rule.as_str(), receipt), (Outcome::Approve, "/flows/again", None));
    let (left, receipt) = world.state.admit(asked.approved(), now);
    assert_eq!((left.outcome, receipt.is_some()), (Outcome::Allow, true));
}

#[test]
fn the_callers_own_user_answers_only_where_every_rule_that_asks_lets_it() {
    let client = r#"{"conditions":[],"ask":"client"}"#;
    let hold = r#"{"conditions":[],"ask":"hold","hold_for":"30s"}"#;
    let desk = r#"{"conditions":[]}"#;
    let document = |all: &str, own: &str, flows: &str| {
        read(&format!(
            r#"{{"version":"1","default":"allow","all_tools":{{"approve_if":[{all}]}},
                "tools":{{"send":{{"approve_if":[{own}]}}}},"flows":[{flows}]}}"#
        ))
    };
    let flow = r#"{"name":"f","after":{"tool":"fetch"},"approve":{"tool":"send"},"ask":"client"}"#;
    for (all, own, flows, baseline, expected) in [
        (client, client, "", "", ("client", None)),
        (client, desk, "", "", ("retry", None)),
        (client, hold, "", "", ("hold", Some(30_000))),
        (hold, client, "", "", ("hold", Some(30_000))),
        (desk, "", flow, "", ("retry", None)),
        (desk, "", "", client, ("retry", None)),
        (client, "", "", desk, ("retry", None)),
    ] {
        let mut world = World::new("");
        world.policy = document(all, own, flows);
        world.baseline = (!baseline.is_empty()).then(|| document(baseline, "", ""));
        world.now += MINUTE;
        let fetched = world.decide(WHO, "fetch", "{}").approved();
        world.state.admit(fetched, Timestamp(world.now));
        let (asked, _) = world.begin(WHO, "send", "{}");
        let terms = asked.ask.unwrap();
        assert_eq!((terms.ask().as_str(), terms.hold_for_ms()), expected, "{all} {own} {flows} {baseline}");
    }
}

#[test]
fn the_baseline_comes_first_and_shadow_is_only_told() {
    let mut world = World::new(
        r#"{"name":"quiet","after":{"tool":"fetch"},"deny":{"tool":"send"},"mode":"shadow"},
           {"name":"lost","after":{"tool":"fetch"},"deny":{"tool":"send"},"scope":"trace","mode":"shadow"},
           {"name":"would-ask","after":{"tool":"fetch"},"approve":{"tool":"send"},"mode":"shadow"}"#,
    );
    world.call(WHO, "fetch").unwrap();
    let (decision, receipt) = world.begin(WHO, "send", "{}");
    assert_eq!((decision.outcome, receipt.is_some()), (Outcome::Allow, true));
    let told: Vec<String> = decision
        .shadow
        .iter()
        .map(|verdict| format!("{} {} {}", verdict.outcome.as_str(), verdict.reason.as_str(), verdict.rule))
        .collect();
    assert_eq!(told, ["deny fault /flows/lost", "deny flow /flows/quiet", "approve approval refused /flows/would-ask"]);
    world.baseline = Some(read(&format!(r#"{{"version":"1","default":"allow","flows":[{NO_EGRESS}]}}"#)));
    world.policy = World::new(r#"{"name":"mine","after":{"tool":"fetch"},"deny":{"tool":"send_mail"}}"#).policy;
    let denied = world.call(WHO, "send_mail").unwrap_err();
    assert_eq!(denied.rule.as_str(), "/flows/no-egress", "what is looked for alike is one history");
    assert_eq!(denied.place.unwrap().source, callgate_policy::Source::Baseline);
}

#[test]
fn a_restart_forgets_nothing_and_what_was_in_flight_ran_until_then() {
    let mut world = World::new(r#"{"name":"f","after":{"tool":"fetch"},"within":"10m","deny":{"tool":"send"}}"#);
    let (_, _in_flight) = world.begin(WHO, "fetch", "{}");
    world.now += 30 * MINUTE;
    world.restart();
    world.now += 9 * MINUTE;
    assert!(world.call(WHO, "send").is_err());
    world.now += MINUTE;
    assert!(world.call(WHO, "send").is_ok());
}

#[test]
fn a_full_history_refuses_what_it_can_not_remember() {
    let mut world = World::new(NO_EGRESS);
    let grants = ["g1", "g2", "g3", "g4"];
    for grant in grants {
        for session in 0..25_000 {
            let session = format!("{grant} {session}");
            assert!(world.call(Who { grant, session: Some(&session), ..WHO }, "fetch").is_ok(), "{session}");
        }
        // One grant does not fill the history of the others.
        let full = world.call(Who { grant, session: Some("new"), ..WHO }, "fetch").unwrap_err();
        assert_eq!((full.reason, full.rule.as_str()), (Some(Reason::Fault), "/flows/no-egress"));
        let whose =
            if grant == "g4" { "the history is full (100000" } else { "this grant's share of the history is full" };
        assert!(full.message.contains(whose), "{grant}: {}", full.message);
    }
    let full = world.call(Who { grant: "g5", session: Some("new"), ..WHO }, "fetch").unwrap_err();
    assert!(full.message.contains("the history is full (100000 entries)"), "{}", full.message);
    assert!(world.call(Who { session: Some("g1 1"), ..WHO }, "fetch").is_ok(), "it is there already");
    assert!(world.call(Who { session: Some("new"), ..WHO }, "send_mail").is_ok());
    // What is forgotten leaves room, also to the grant whose it was.
    world.now += 31 * DAY;
    world.state.sweep(Timestamp(world.now));
    assert!(world.call(Who { session: Some("new"), ..WHO }, "fetch").is_ok());
}

#[test]
fn the_documents_own_tests_and_the_calls_before() {
    let policy = read(&format!(
        r#"{{"version":"1","default":"allow","flows":[{NO_EGRESS},
            {{"name":"joined","after":{{"tool":"a"}},"scope":"tag:agent","deny":{{"tool":"b"}}}},
            {{"name":"tests","before":{{"tool":"deploy"}},"require":{{"tool":"test"}}}},
            {{"name":"once","after":{{"tool":"once"}},"deny":{{"tool":"once"}}}}],
          "tools":{{"fetch":{{"deny_if":[{{"conditions":[{{"path":"args.bad","op":"exists"}}]}}]}}}},
          "tests":[
            {{"name":"1","tool":"send_mail","expect":"allow"}},
            {{"name":"2","after":[{{"tool":"fetch","args":{{}}}}],"tool":"send_mail","expect":"deny","rule":"/flows/no-egress"}},
            {{"name":"3","after":[{{"tool":"fetch","args":{{"bad":1}}}}],"tool":"send_mail","expect":"allow"}},
            {{"name":"4","after":[{{"tool":"a"}}],"tool":"b","expect":"deny","rule":"/flows/joined"}},
            {{"name":"5","tool":"deploy","expect":"deny"}},
            {{"name":"6","after":[{{"tool":"test"}}],"tool":"deploy","expect":"allow"}},
            {{"name":"7","tool":"once","expect":"allow"}},
            {{"name":"8","calls":2,"tool":"once","expect":"deny","rule":"/flows/once"}}]}}"#
    ));
    let report = suite::run(&policy, |_| None);
    let failed: Vec<_> = report.tests.iter().filter(|test| !test.passed()).collect();
    assert!(failed.is_empty(), "{failed:?}");
}
