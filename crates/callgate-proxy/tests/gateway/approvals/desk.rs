//! Questions and answers in memory, with the test as everybody who answers.

use callgate_decision::{
    Answer, Approval, ApprovalError, ApprovalId, Approvals, Binding, DecisionId, Desk as Place, Later, Question,
    Standing,
};
use callgate_policy::Timestamp;
use std::sync::{Arc, Mutex};
use tokio::sync::watch;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    Pending,
    Approved,
    Refused(String),
    Expired,
    Withdrawn,
    Used(DecisionId),
}

#[derive(Clone, Debug)]
pub struct Row {
    pub approval: Approval,
    pub state: State,
    pub question: Question,
    binding: Binding,
}

pub struct Desk {
    rows: watch::Sender<Vec<Row>>,
    /// At most so many are open.
    pub most: Mutex<usize>,
    /// How long a question stands, in milliseconds from now on.
    pub stands: Mutex<i64>,
    /// What happens just when a yes is used up.
    pub meanwhile: Mutex<Option<Box<dyn FnOnce() + Send>>>,
}

impl Desk {
    pub fn new() -> Arc<Self> {
        let (most, stands) = (Mutex::new(usize::MAX), Mutex::new(600_000));
        Arc::new(Self { rows: watch::Sender::new(Vec::new()), most, stands, meanwhile: Mutex::default() })
    }

    pub fn rows(&self) -> Vec<Row> {
        self.rows.borrow().clone()
    }

    pub fn states(&self) -> Vec<State> {
        self.rows().into_iter().map(|row| row.state).collect()
    }

    /// Waits until so many questions were asked.
    pub async fn asked(&self, count: usize) -> Vec<Row> {
        self.rows.subscribe().wait_for(|rows| rows.len() >= count).await.unwrap().clone()
    }

    /// Waits until a question is so.
    pub async fn becomes(&self, number: usize, state: State) {
        self.rows.subscribe().wait_for(|rows| rows.get(number).is_some_and(|row| row.state == state)).await.unwrap();
    }

    /// Answers a question that is open.
    pub fn say(&self, number: usize, state: State) -> bool {
        let id = self.rows.borrow()[number].approval.id.clone();
        self.change(&id, State::Pending, state)
    }

    fn change(&self, id: &ApprovalId, from: State, to: State) -> bool {
        self.rows.send_if_modified(|rows| {
            let row = rows.iter_mut().find(|row| row.approval.id == *id && row.state == from);
            row.map(|row| row.state = to).is_some()
        })
    }

    fn find(&self, question: &Question) -> Standing {
        let rows = self.rows.borrow();
        let mut live = rows.iter().rev().filter(|row| row.binding == question.binding(&[1; 32]));
        let open = |row: &&Row| matches!(row.state, State::Pending | State::Approved | State::Refused(_));
        match live.find(open).cloned() {
            Some(Row { approval, state: State::Pending, .. }) => Standing::Pending(approval),
            Some(Row { approval, state: State::Approved, .. }) => Standing::Approved(approval),
            Some(Row { approval, state: State::Refused(why), .. }) => Standing::Refused(approval, why),
            _ => Standing::Open,
        }
    }
}

impl Approvals for Desk {
    fn look<'a>(&'a self, question: &'a Question) -> Later<'a, Result<Standing, ApprovalError>> {
        Box::pin(async move { Ok(self.find(question)) })
    }

    fn ask<'a>(&'a self, question: &'a Question, _: DecisionId) -> Later<'a, Result<Standing, ApprovalError>> {
        Box::pin(async move {
            let standing = self.find(question);
            if standing != Standing::Open {
                return Ok(standing);
            }
            let most = *self.most.lock().unwrap();
            if self.rows.borrow().iter().filter(|row| row.state == State::Pending).count() >= most {
                return Err(ApprovalError::TooMany(most));
            }
            let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
            let expires = Timestamp(i64::try_from(now.as_millis()).unwrap() + *self.stands.lock().unwrap());
            let mut asked = None;
            self.rows.send_modify(|rows| {
                let id = ApprovalId(format!("a_{}", rows.len()).into());
                let at = Place::Page(format!("http://localhost/approvals/{id}"));
                let approval = Approval { id, at, expires };
                asked = Some(approval.clone());
                let (question, binding) = (question.clone(), question.binding(&[1; 32]));
                rows.push(Row { approval, state: State::Pending, question, binding });
            });
            Ok(Standing::Pending(asked.unwrap()))
        })
    }

    fn answered<'a>(&'a self, id: &'a ApprovalId) -> Later<'a, Result<Answer, ApprovalError>> {
        let mut rows = self.rows.subscribe();
        Box::pin(async move {
            let row = |rows: &Vec<Row>| rows.iter().find(|row| row.approval.id == *id).unwrap().state.clone();
            let rows = rows.wait_for(|rows| row(rows) != State::Pending).await.unwrap();
            Ok(match row(&rows) {
                State::Approved | State::Used(_) => Answer::Approved,
                State::Refused(why) => Answer::Refused(why),
                _ => Answer::Expired,
            })
        })
    }

    fn consume<'a>(
        &'a self,
        id: &'a ApprovalId,
        question: &'a Question,
        decision: DecisionId,
    ) -> Later<'a, Result<bool, ApprovalError>> {
        Box::pin(async move {
            assert!(self.rows.borrow().iter().any(|row| row.binding == question.binding(&[1; 32])));
            if let Some(happens) = self.meanwhile.lock().unwrap().take() {
                happens();
            }
            Ok(self.change(id, State::Approved, State::Used(decision)))
        })
    }

    fn restore(&self, id: &ApprovalId, decision: DecisionId) {
        self.change(id, State::Used(decision), State::Approved);
    }

    fn answer_by_client<'a>(&'a self, id: &'a ApprovalId, yes: bool) -> Later<'a, Result<bool, ApprovalError>> {
        let answer = if yes { State::Approved } else { State::Refused("answered by the caller's own user".into()) };
        Box::pin(async move { Ok(self.change(id, State::Pending, answer)) })
    }

    fn withdraw(&self, id: &ApprovalId) {
        self.change(id, State::Pending, State::Withdrawn);
    }
}
