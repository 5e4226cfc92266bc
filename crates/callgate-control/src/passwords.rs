//! Passwords: argon2id, a few at a time.

use crate::error::{Error, Kind};
use crate::secret::Secret;
use argon2::password_hash::phc::PasswordHash;
use argon2::{Algorithm, Argon2, Params, PasswordHasher, PasswordVerifier, Version};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::Semaphore;

/// How long a password has to be at least, in characters, and may be at most, in bytes.
pub(crate) const LENGTH: (usize, usize) = (12, 1024);

/// What one hash takes: 19 MiB, twice over, one lane (OWASP's password storage cheat sheet).
const COST: (u32, u32, u32) = (19 * 1024, 2, 1);

/// How many are hashed at once, and how many may wait for it: of the process, because its memory and its processors are
/// what has to last.
const AT_ONCE: usize = 2;
const WAITING: usize = 16;

static TURNS: Semaphore = Semaphore::const_new(AT_ONCE);
static HERE: AtomicUsize = AtomicUsize::new(0);

/// Counts one that hashes or waits.
struct Place;

impl Place {
    fn take() -> Result<Self, Error> {
        if HERE.fetch_add(1, Ordering::AcqRel) < AT_ONCE + WAITING {
            return Ok(Self);
        }
        HERE.fetch_sub(1, Ordering::AcqRel);
        let (kind, message) = (Kind::TooMany { retry_after: 1 }, "too many passwords are being checked at this moment");
        Err(Error::new(kind, "CG3153", message, "try again, or sign in with a one-time link"))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        HERE.fetch_sub(1, Ordering::AcqRel);
    }
}

/// The hash of a password that can be one, in PHC form. CG3158.
pub(crate) async fn hash(password: Secret) -> Result<String, Error> {
    let (least, most) = LENGTH;
    if password.reveal().chars().count() < least || password.reveal().len() > most {
        let message = format!("a password has at least {least} characters and at most {most} bytes");
        return Err(Error::new(Kind::Invalid, "CG3158", message, "choose another one; a few random words do"));
    }
    in_turn(move || hash_now(password.reveal())).await?
}

/// Whether this is the password of a hash. Where there is no hash, one that nobody knows the password of takes as long,
/// so that the time tells nothing about which logins there are.
pub(crate) async fn verify(hash: Option<String>, password: Secret) -> Result<bool, Error> {
    in_turn(move || {
        let there = hash.is_some();
        let hash = match hash {
            Some(hash) => hash,
            None => nobodys()?,
        };
        let parsed = PasswordHash::new(&hash).map_err(|_| unusable())?;
        let right = hasher()?.verify_password(password.reveal().as_bytes(), &parsed).is_ok();
        Ok(there && right)
    })
    .await?
}

async fn in_turn<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Error> {
    let place = Place::take()?;
    let turn = TURNS.acquire().await.map_err(|_| unusable())?;
    let work = tokio::task::spawn_blocking(move || {
        // Held to the end of the work, also where nobody waits for it any more.
        let _held = (place, turn);
        work()
    });
    work.await.map_err(|_| unusable())
}

fn hash_now(password: &str) -> Result<String, Error> {
    let salt: [u8; 16] = crate::names::random()?;
    let hash = hasher()?.hash_password_with_salt(password.as_bytes(), &salt).map_err(|_| unusable())?;
    Ok(hash.to_string())
}

fn nobodys() -> Result<String, Error> {
    static NOBODYS: OnceLock<String> = OnceLock::new();
    if let Some(hash) = NOBODYS.get() {
        return Ok(hash.clone());
    }
    let random: [u8; 32] = crate::names::random()?;
    let hash = hash_now(&hex::encode(random))?;
    Ok(NOBODYS.get_or_init(|| hash).clone())
}

fn hasher() -> Result<Argon2<'static>, Error> {
    let (memory, times, lanes) = COST;
    let params = Params::new(memory, times, lanes, None).map_err(|_| unusable())?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

fn unusable() -> Error {
    Error::new(Kind::Unavailable, "CG3159", "the password can't be hashed", "try again; see the log")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(text: &str) -> Secret {
        Secret::new(text.to_owned())
    }

    #[tokio::test]
    async fn the_right_password_and_no_other() {
        let hash = hash(secret("correct horse battery")).await.unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
        assert!(verify(Some(hash.clone()), secret("correct horse battery")).await.unwrap());
        assert!(!verify(Some(hash), secret("correct horse batterz")).await.unwrap());
        assert!(!verify(None, secret("correct horse battery")).await.unwrap());
    }

    #[tokio::test]
    async fn too_short_and_too_long_are_refused_without_being_repeated() {
        for text in ["", "hunter2", &"é".repeat(11), &"x".repeat(1025)] {
            let error = hash(secret(text)).await.unwrap_err();
            assert_eq!((error.code, error.kind), ("CG3158", Kind::Invalid));
            assert!(text.is_empty() || !error.to_string().contains(text));
        }
        assert!(hash(secret(&"é".repeat(12))).await.is_ok());
    }
}
