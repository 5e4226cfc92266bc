//! Asking people through the local socket: everything arrives as it left, what takes long holds up nothing else, and
//! what a broken line waited for is withdrawn.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs,
    reason = "tests stop at the first surprise"
)]

use callgate_decision::remote::{self, Askers, RemoteApprovals};
use callgate_decision::{
    Answer, Approval, ApprovalError, ApprovalId, Approvals, DecisionId, Desk, Later, Question, Standing,
};
use callgate_policy::{Ask, AskTerms, Client, GrantId, Organisation, RulePath, ServerName, Timestamp};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Says what it was told, and answers by a script.
struct Echo {
    heard: watch::Sender<Vec<String>>,
    standing: Mutex<Result<Standing, ApprovalError>>,
    answer: watch::Sender<Option<Answer>>,
    /// Whether the yes has been used up.
    used: AtomicBool,
    /// Whoever has it keeps a yes from being used up.
    hold: Arc<tokio::sync::Mutex<()>>,
    /// What the connections to it share.
    askers: OnceLock<Arc<Askers>>,
}

impl Echo {
    fn new() -> Arc<Self> {
        let standing = Mutex::new(Ok(Standing::Open));
        let (heard, answer) = (watch::Sender::default(), watch::Sender::default());
        let (used, hold, askers) = Default::default();
        Arc::new(Self { heard, standing, answer, used, hold, askers })
    }

    fn askers(self: &Arc<Self>) -> Arc<Askers> {
        Arc::clone(self.askers.get_or_init(|| Askers::new(self.clone())))
    }

    /// What is asked is open from now on.
    fn has_open(&self, id: &str) -> ApprovalId {
        let approval = Approval { id: ApprovalId(id.into()), ..approval() };
        *self.standing.lock().unwrap() = Ok(Standing::Pending(approval.clone()));
        approval.id
    }

    fn withdrawn(&self) -> Vec<String> {
        self.heard.borrow().iter().filter(|one| one.starts_with("withdraw")).cloned().collect()
    }

    fn note(&self, what: String) {
        self.heard.send_modify(|heard| heard.push(what));
    }

    async fn hears(&self, what: &str) {
        self.heard.subscribe().wait_for(|heard| heard.iter().any(|one| one == what)).await.unwrap();
    }
}

impl Approvals for Echo {
    fn look<'a>(&'a self, question: &'a Question) -> Later<'a, Result<Standing, ApprovalError>> {
        self.note(format!("look {question:?}"));
        Box::pin(std::future::ready(self.standing.lock().unwrap().clone()))
    }

    fn ask<'a>(&'a self, question: &'a Question, decision: DecisionId) -> Later<'a, Result<Standing, ApprovalError>> {
        self.note(format!("ask {decision} {question:?}"));
        Box::pin(std::future::ready(self.standing.lock().unwrap().clone()))
    }

    fn answered<'a>(&'a self, id: &'a ApprovalId) -> Later<'a, Result<Answer, ApprovalError>> {
        self.note(format!("answered {id}"));
        let mut answer = self.answer.subscribe();
        Box::pin(async move {
            let answer = answer.wait_for(Option::is_some).await.unwrap().clone();
            Ok(answer.unwrap())
        })
    }

    fn consume<'a>(
        &'a self,
        id: &'a ApprovalId,
        question: &'a Question,
        decision: DecisionId,
    ) -> Later<'a, Result<bool, ApprovalError>> {
        self.note(format!("consume {id} {decision} {question:?}"));
        Box::pin(async move {
            let _turn = self.hold.lock().await;
            Ok(!self.used.load(Ordering::SeqCst))
        })
    }

    fn restore(&self, id: &ApprovalId, decision: DecisionId) {
        self.note(format!("restore {id} {decision}"));
    }

    fn answer_by_client<'a>(&'a self, id: &'a ApprovalId, yes: bool) -> Later<'a, Result<bool, ApprovalError>> {
        self.note(format!("client {id} {yes}"));
        Box::pin(std::future::ready(Ok(yes)))
    }

    fn withdraw(&self, id: &ApprovalId) {
        self.note(format!("withdraw {id}"));
    }
}

async fn connect(echo: &Arc<Echo>) -> (RemoteApprovals, JoinHandle<()>) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("socket");
    let listener = UnixListener::bind(&path).unwrap();
    let askers = echo.askers();
    let served = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let (read, write) = stream.into_split();
        let mut read = BufReader::new(read);
        let mut line = String::new();
        read.read_line(&mut line).await.unwrap();
        assert_eq!(line.trim_end(), remote::ASKING);
        let _ = remote::serve_approvals(read, write, &askers).await;
    });
    (RemoteApprovals::connect(&path).await.unwrap(), served)
}

fn question() -> Question {
    Question {
        organisation: Organisation::parse("acme").unwrap(),
        server: "uuid".into(),
        server_name: ServerName::parse("kernel").unwrap(),
        upstream: "digest".to_owned(),
        tool: "exec \"ü\"".to_owned(),
        definition: Some("print".to_owned()),
        grant: GrantId::parse("g1").unwrap(),
        grant_label: "ci".to_owned(),
        identity: Some("me".to_owned()),
        client: Some(Client { name: "c".to_owned(), version: "1".to_owned() }),
        policy: "p".to_owned(),
        policy_name: "strict".to_owned(),
        policy_version: 7,
        baseline: "b".to_owned(),
        arguments: r#"{"n":1.5}"#.to_owned(),
        rule: RulePath::new("/tools/exec/approve_if/always"),
        message: "why".to_owned(),
        terms: AskTerms::new(Ask::Hold, (Some(1), Some(2), None), (true, true)),
    }
}

fn id() -> DecisionId {
    "018f3c5e-7a31-7c44-9d1e-0a1b2c3d4e5f".parse().unwrap()
}

fn approval() -> Approval {
    Approval { id: ApprovalId("a_1".into()), at: Desk::Command("answer \"a\"".to_owned()), expires: Timestamp(5) }
}

#[tokio::test]
async fn everything_arrives_as_it_left() {
    let echo = Echo::new();
    let (remote, _served) = connect(&echo).await;
    let (question, approval) = (question(), approval());
    let standings = [
        Ok(Standing::Open),
        Ok(Standing::Pending(approval.clone())),
        Ok(Standing::Approved(approval.clone())),
        Ok(Standing::Refused(approval.clone(), "no".to_owned())),
        Err(ApprovalError::Nobody),
        Err(ApprovalError::TooMany(20)),
        Err(ApprovalError::TooLong(9)),
        Err(ApprovalError::Failed("disk".to_owned())),
    ];
    for standing in standings {
        *echo.standing.lock().unwrap() = standing.clone();
        assert_eq!(remote.look(&question).await, standing);
        assert_eq!(remote.ask(&question, id()).await, standing);
    }
    assert_eq!(remote.consume(&approval.id, &question, id()).await, Ok(true));
    assert_eq!(remote.answer_by_client(&approval.id, false).await, Ok(false));
    remote.restore(&approval.id, id());
    remote.withdraw(&approval.id);
    for what in [
        format!("look {question:?}"),
        format!("ask {} {question:?}", id()),
        format!("consume a_1 {} {question:?}", id()),
        "client a_1 false".to_owned(),
        format!("restore a_1 {}", id()),
        "withdraw a_1".to_owned(),
    ] {
        echo.hears(&what).await;
    }
}

#[tokio::test]
async fn who_waits_holds_up_nobody() {
    for answer in [Answer::Approved, Answer::Refused("no".to_owned()), Answer::Expired] {
        let echo = Echo::new();
        let (remote, served) = connect(&echo).await;
        let approval = approval();
        let mut waiting = remote.answered(&approval.id);
        tokio::select! {
            biased;
            answer = &mut waiting => panic!("{answer:?}"),
            () = echo.hears("answered a_1") => {}
        }
        assert_eq!(remote.look(&question()).await, Ok(Standing::Open));
        echo.answer.send_replace(Some(answer.clone()));
        assert_eq!(waiting.await, Ok(answer));
        drop(remote);
        served.await.unwrap();
        assert!(!echo.heard.borrow().iter().any(|heard| heard.starts_with("withdraw")), "it was answered");
    }
}

#[tokio::test]
async fn nobody_waits_in_vain_on_a_broken_line() {
    let echo = Echo::new();
    let (remote, served) = connect(&echo).await;
    let approval = approval();
    let mut waiting = remote.answered(&approval.id);
    tokio::select! {
        biased;
        answer = &mut waiting => panic!("{answer:?}"),
        () = echo.hears("answered a_1") => {}
    }
    served.abort();
    let _ = served.await;
    assert!(matches!(waiting.await, Err(ApprovalError::Failed(_))));
    assert!(matches!(remote.look(&question()).await, Err(ApprovalError::Failed(_))));
    assert!(matches!(remote.consume(&approval.id, &question(), id()).await, Err(ApprovalError::Failed(_))));
    remote.restore(&approval.id, id());
    remote.withdraw(&approval.id);
}

#[tokio::test]
async fn a_yes_is_given_back_only_by_the_connection_that_used_it_and_once() {
    let echo = Echo::new();
    let (remote, served) = connect(&echo).await;
    let (other, other_served) = connect(&echo).await;
    let (question, approval) = (question(), approval());
    assert_eq!(remote.consume(&approval.id, &question, id()).await, Ok(true));
    // Whoever reads of the decision elsewhere can't undo it, and has not used the yes by saying so.
    other.restore(&approval.id, id());
    echo.used.store(true, Ordering::SeqCst);
    assert_eq!(other.consume(&approval.id, &question, id()).await, Ok(false));
    other.restore(&approval.id, id());
    assert_eq!(other.look(&question).await, Ok(Standing::Open));
    assert!(!echo.heard.borrow().iter().any(|heard| heard.starts_with("restore")));
    remote.restore(&approval.id, id());
    remote.restore(&approval.id, id());
    assert_eq!(remote.look(&question).await, Ok(Standing::Open));
    assert_eq!(echo.heard.borrow().iter().filter(|heard| heard.starts_with("restore")).count(), 1);
    drop((remote, other));
    served.await.unwrap();
    other_served.await.unwrap();
}

#[tokio::test]
async fn a_yes_that_was_being_used_when_its_call_ended_is_given_back_once_that_is_known() {
    let echo = Echo::new();
    let (remote, _served) = connect(&echo).await;
    let (question, approval) = (question(), approval());
    let hold = Arc::clone(&echo.hold).lock_owned().await;
    let mut using = remote.consume(&approval.id, &question, id());
    let begun = format!("consume a_1 {} {question:?}", id());
    tokio::select! {
        biased;
        used = &mut using => panic!("{used:?}"),
        () = echo.hears(&begun) => {}
    }
    drop(using);
    remote.restore(&approval.id, id());
    assert_eq!(remote.look(&question).await, Ok(Standing::Open));
    assert!(!echo.heard.borrow().iter().any(|heard| heard.starts_with("restore")));
    drop(hold);
    echo.hears(&format!("restore a_1 {}", id())).await;
}

/// Waits for an answer that does not come, until the other end knows.
async fn wait<'a>(
    echo: &Echo,
    remote: &'a RemoteApprovals,
    id: &'a ApprovalId,
) -> Later<'a, Result<Answer, ApprovalError>> {
    let heard = |echo: &Echo| echo.heard.borrow().iter().filter(|one| **one == format!("answered {id}")).count();
    let before = heard(echo);
    let mut waiting = remote.answered(id);
    let mut news = echo.heard.subscribe();
    tokio::select! {
        biased;
        answer = &mut waiting => panic!("{answer:?}"),
        _ = news.wait_for(|all| all.iter().filter(|one| **one == format!("answered {id}")).count() > before) => {}
    }
    waiting
}

#[tokio::test]
async fn what_a_process_waited_for_that_is_gone_is_withdrawn() {
    let echo = Echo::new();
    let (remote, served) = connect(&echo).await;
    let first = echo.has_open("a_1");
    remote.ask(&question(), id()).await.unwrap();
    let second = echo.has_open("a_2");
    remote.ask(&question(), id()).await.unwrap();
    let (first, second) = (wait(&echo, &remote, &first), wait(&echo, &remote, &second));
    // It is gone without a word.
    std::mem::forget(first.await);
    drop(second.await);
    drop(remote);
    served.await.unwrap();
    // Who stopped waiting for the other one says himself what becomes of it.
    assert_eq!(echo.withdrawn(), ["withdraw a_1"]);
}

#[tokio::test]
async fn a_question_stays_as_long_as_somebody_is_there_who_asked_it() {
    let echo = Echo::new();
    let ((one, one_served), (other, other_served)) = (connect(&echo).await, connect(&echo).await);
    let (stranger, stranger_served) = connect(&echo).await;
    let open = echo.has_open("a_1");
    one.ask(&question(), id()).await.unwrap();
    other.ask(&question(), id()).await.unwrap();
    std::mem::forget(wait(&echo, &one, &open).await);
    stranger.withdraw(&open);
    std::mem::forget(wait(&echo, &stranger, &open).await);
    drop(stranger);
    stranger_served.await.unwrap();
    drop(one);
    one_served.await.unwrap();
    assert!(echo.withdrawn().is_empty(), "the other one still waits");
    other.withdraw(&open);
    drop(other);
    other_served.await.unwrap();
    assert_eq!(echo.withdrawn(), ["withdraw a_1"]);
}

#[tokio::test]
async fn only_who_asked_passes_on_what_its_user_says() {
    let echo = Echo::new();
    let ((asker, _served), (stranger, _stranger_served)) = (connect(&echo).await, connect(&echo).await);
    let open = echo.has_open("a_1");
    assert_eq!(stranger.answer_by_client(&open, true).await, Ok(false), "it is a number, and numbers can be guessed");
    asker.ask(&question(), id()).await.unwrap();
    assert_eq!(stranger.answer_by_client(&open, true).await, Ok(false));
    assert!(!echo.heard.borrow().iter().any(|one| one.starts_with("client")));
    assert_eq!(asker.answer_by_client(&open, true).await, Ok(true));
    assert!(echo.heard.borrow().contains(&"client a_1 true".to_owned()));
}

#[tokio::test]
async fn what_is_no_request_ends_the_connection() {
    for line in ["x", "{}", r#"{"look":{"number":1}}"#, r#"{"answered":{"number":"1","approval":"a"}}"#] {
        let echo = Echo::new();
        let (mut near, far) = UnixStream::pair().unwrap();
        let askers = echo.askers();
        near.write_all(format!("{line}\n").as_bytes()).await.unwrap();
        let (read, write) = far.into_split();
        assert!(remote::serve_approvals(BufReader::new(read), write, &askers).await.is_err(), "{line}");
        assert!(echo.heard.borrow().is_empty());
    }
}
