//! Tasks: those in the core of 2025-11-25, and the extension of 2026-07-28.

use crate::exchange::{Ending, Exchange, Outcome, text};
use crate::fixture::Fixture;
use crate::listen::{Change, pointer};
use crate::peer::Peer;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use tokio::sync::watch;

/// The extension's name.
pub(crate) const TASKS_EXTENSION: &str = "io.modelcontextprotocol/tasks";
const RELATED: &str = "io.modelcontextprotocol/related-task";
/// There is no clock here: every task is of this moment.
const MOMENT: &str = "2026-07-28T00:00:00Z";
const POLL: u64 = 10;

/// All tasks that were made, of everyone: whose task is whose, a gateway in front has to know.
#[derive(Debug, Default)]
pub(crate) struct Tasks {
    all: Mutex<BTreeMap<String, Task>>,
    changes: watch::Sender<u64>,
}

#[derive(Clone, Debug)]
struct Task {
    id: String,
    /// The legacy session that hears of it.
    owner: Weak<Peer>,
    modern: bool,
    ttl: Value,
    asks: bool,
    fails: bool,
    steps: u64,
    answer: Option<Value>,
    cancelled: bool,
}

impl Task {
    fn status(&self) -> &'static str {
        match self {
            Self { cancelled: true, .. } => "cancelled",
            Self { asks: true, answer: None, .. } => "input_required",
            Self { steps: 1.., .. } => "working",
            Self { fails: true, .. } => "failed",
            _ => "completed",
        }
    }

    fn has_ended(&self) -> bool {
        matches!(self.status(), "cancelled" | "failed" | "completed")
    }

    fn result(&self) -> Value {
        text(json!({"done": self.id, "answer": self.answer}).to_string())
    }

    /// The task without what came of it, as the era shows it.
    fn plain(&self) -> Value {
        let (ttl, poll) = if self.modern { ("ttlMs", "pollIntervalMs") } else { ("ttl", "pollInterval") };
        json!({"taskId": self.id, "status": self.status(), "createdAt": MOMENT, "lastUpdatedAt": MOMENT,
            ttl: self.ttl, poll: POLL, "statusMessage": "as it is", "x-fixture": "kept"})
    }

    /// The task with what came of it (modern).
    fn detailed(&self) -> Value {
        let mut task = self.plain();
        match self.status() {
            "input_required" => {
                crate::answer::insert(
                    &mut task,
                    "inputRequests",
                    json!({"name": {
                    "method": "elicitation/create", "params": question()}}),
                );
            }
            "completed" => crate::answer::insert(&mut task, "result", self.result()),
            "failed" => {
                crate::answer::insert(&mut task, "error", json!({"code": -32603, "message": "the task failed"}));
            }
            _ => {}
        }
        task
    }
}

impl Tasks {
    /// One step for every task that works.
    pub(crate) fn step(&self, fixture: &Fixture) {
        let working = |task: &Task| task.status() == "working";
        let ids: Vec<String> = self.lock().values().filter(|task| working(task)).map(|task| task.id.clone()).collect();
        for id in ids {
            self.change(fixture, &id, |task| task.steps -= 1);
        }
    }

    fn get(&self, id: &str) -> Option<Task> {
        self.lock().get(id).cloned()
    }

    /// Changes a task and tells who wants to know.
    fn change(&self, fixture: &Fixture, id: &str, change: impl FnOnce(&mut Task)) {
        let changed = self.lock().get_mut(id).map(|task| {
            change(task);
            task.clone()
        });
        let Some(task) = changed else { return };
        self.changes.send_modify(|changes| *changes += 1);
        if task.modern {
            fixture.announce(&Change::Task(task.detailed()));
        } else if let Some(peer) = task.owner.upgrade() {
            let note = json!({"jsonrpc": "2.0", "method": "notifications/tasks/status", "params": task.plain()});
            peer.standalone.send(&note.to_string());
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Task>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The tool `task`: makes one where the client wants one, and does the work at once where it doesn't.
pub(crate) fn create(exchange: &Exchange) -> Outcome {
    let wanted = exchange.call.param("task");
    if exchange.modern && !has_extension(exchange) || !exchange.modern && wanted.is_none() {
        return Ok(text("done without a task"));
    }
    let ttl = wanted.and_then(|task| task.get("ttl")).cloned().unwrap_or(json!(60_000));
    let tasks = exchange.fixture.tasks();
    let mut all = tasks.lock();
    let task = Task {
        id: format!("task-{}", all.len() + 1),
        owner: Arc::downgrade(&exchange.peer),
        modern: exchange.modern,
        ttl,
        asks: exchange.flag_argument("ask"),
        fails: exchange.flag_argument("fail"),
        steps: exchange.count_argument("steps").unwrap_or(1),
        answer: None,
        cancelled: false,
    };
    let mut created = task.plain();
    all.insert(task.id.clone(), task);
    if !exchange.modern {
        return Ok(json!({"task": created, "x-fixture": "kept"}));
    }
    crate::answer::insert(&mut created, "resultType", json!("task"));
    Ok(created)
}

/// Serves `tasks/*`.
pub(crate) async fn serve(exchange: &mut Exchange, method: &str) -> Outcome {
    if exchange.modern && !has_extension(exchange) {
        return Err(missing_extension());
    }
    let tasks = exchange.fixture.clone();
    let tasks = tasks.tasks();
    if method == "tasks/list" {
        let all: Vec<Value> = tasks.lock().values().filter(|task| !task.modern).map(Task::plain).collect();
        let (page, next) = crate::answer::page(exchange, &all)?;
        return Ok(with_cursor(json!({"tasks": page}), next));
    }
    let id = exchange.call.param("taskId").and_then(Value::as_str).unwrap_or_default().to_owned();
    let task = tasks.get(&id).filter(|task| task.modern == exchange.modern);
    let Some(task) = task else { return Err(Ending::fail(-32602, "task not found")) };
    match method {
        "tasks/get" if exchange.modern => Ok(task.detailed()),
        "tasks/get" => Ok(task.plain()),
        "tasks/cancel" if !exchange.modern && task.has_ended() => Err(Ending::fail(-32602, "the task has ended")),
        "tasks/cancel" => {
            tasks.change(&exchange.fixture, &id, |task| task.cancelled = true);
            let cancelled = tasks.get(&id).filter(|_| !exchange.modern);
            Ok(cancelled.map_or(json!({}), |task| task.plain()))
        }
        "tasks/update" => {
            let answer = exchange.call.param("inputResponses").and_then(|given| given.get("name"));
            let answer = answer.cloned().filter(|_| task.status() == "input_required");
            if let Some(answer) = answer {
                tasks.change(&exchange.fixture, &id, |task| task.answer = Some(answer));
            }
            Ok(json!({}))
        }
        _ => result(exchange, &id).await,
    }
}

/// `tasks/result`: asks what there is to ask, and waits until there is a result.
async fn result(exchange: &mut Exchange, id: &str) -> Outcome {
    let fixture = exchange.fixture.clone();
    let tasks = fixture.tasks();
    let related = json!({RELATED: {"taskId": id}});
    let mut changes = tasks.changes.subscribe();
    loop {
        let Some(task) = tasks.get(id) else { return Err(Ending::fail(-32602, "task not found")) };
        match task.status() {
            "input_required" => {
                let mut question = question();
                crate::answer::insert(&mut question, "_meta", related.clone());
                let answer = exchange.ask("name", "elicitation/create", &question).await?;
                tasks.change(&fixture, id, |task| task.answer = Some(answer));
            }
            "working" => tokio::select! {
                _ = changes.changed() => {}
                () = exchange.forever() => return Err(Ending::Nothing),
            },
            "completed" => {
                let mut result = task.result();
                crate::answer::insert(&mut result, "_meta", related);
                return Ok(result);
            }
            _ => return Err(Ending::fail(-32603, format!("the task is {}", task.status()))),
        }
    }
}

/// The refusal of a modern client that doesn't speak of tasks.
pub(crate) fn missing_extension() -> Ending {
    let data = json!({"requiredCapabilities": {"extensions": {TASKS_EXTENSION: {}}}});
    Ending::refused(-32021, "Missing required client capability", &data)
}

/// A list's result with the cursor of the next page.
pub(crate) fn with_cursor(mut result: Value, next: Option<String>) -> Value {
    if let Some(next) = next {
        crate::answer::insert(&mut result, "nextCursor", json!(next));
    }
    result
}

fn has_extension(exchange: &Exchange) -> bool {
    exchange.capabilities().pointer(&format!("/extensions/{}", pointer(TASKS_EXTENSION))).is_some()
}

fn question() -> Value {
    json!({"mode": "form", "message": "What is your name?", "requestedSchema": {
        "type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}})
}
