//! What other processes change in the same database, as it happens.

use sqlx::PgPool;
use sqlx::postgres::PgListener;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// The channel of PostgreSQL on which changes are told.
pub(crate) const CHANNEL: &str = "callgate_changes";

/// How long a lost database is left alone before it is tried again.
const PAUSE: Duration = Duration::from_secs(1);

/// Something that happened elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// This organisation changed; maybe by this process itself.
    Changed(String),
    /// Something may have been missed: look at the generations of all organisations.
    LookAgain,
}

/// What other processes change. Nothing ever comes where no other process can change anything (SQLite).
#[derive(Debug)]
pub struct Notifications {
    notices: mpsc::Receiver<Notice>,
    task: Option<JoinHandle<()>>,
}

impl Notifications {
    pub(crate) fn new(pool: Option<PgPool>, anyway: Duration) -> Self {
        let (sender, notices) = mpsc::channel(64);
        let task = pool.map(|pool| tokio::spawn(listen(pool, sender, anyway)));
        Self { notices, task }
    }

    /// Waits for the next one. Can be cancelled without losing any. The first is [`Notice::LookAgain`], as soon as
    /// changes are listened for.
    pub async fn next(&mut self) -> Notice {
        match self.notices.recv().await {
            Some(notice) => notice,
            None => std::future::pending().await,
        }
    }
}

impl Drop for Notifications {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}

/// Listens until nobody asks any more or the store is closed; connects again whenever it has to, and complains once.
async fn listen(pool: PgPool, sender: mpsc::Sender<Notice>, anyway: Duration) {
    let mut is_lost = false;
    while !pool.is_closed() {
        let Err(error) = heard(&pool, &sender, anyway, &mut is_lost).await else { return };
        if !is_lost {
            let why = crate::error::why(&error);
            tracing::warn!(%why, "the database doesn't tell what other processes change; trying until it does");
        }
        is_lost = true;
        tokio::time::sleep(PAUSE).await;
    }
}

/// Listens on one connection; ends well when nobody asks any more.
async fn heard(
    pool: &PgPool,
    sender: &mpsc::Sender<Notice>,
    anyway: Duration,
    is_lost: &mut bool,
) -> Result<(), sqlx::Error> {
    let mut listener = PgListener::connect_with(pool).await?;
    listener.listen(CHANNEL).await?;
    *is_lost = false;
    let mut notice = Notice::LookAgain;
    while sender.send(notice).await.is_ok() {
        notice = match tokio::time::timeout(anyway, listener.try_recv()).await {
            Ok(Ok(Some(told))) => Notice::Changed(told.payload().to_owned()),
            Ok(Ok(None)) => Notice::LookAgain,
            Ok(Err(error)) => return Err(error),
            Err(_) => {
                // A connection that is dead without anybody having noticed fails here.
                let ping = tokio::time::timeout(anyway, sqlx::query("SELECT 1").execute(&mut listener)).await;
                ping.map_err(|_| sqlx::Error::PoolTimedOut)??;
                Notice::LookAgain
            }
        };
    }
    Ok(())
}
