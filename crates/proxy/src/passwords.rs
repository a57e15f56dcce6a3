//! Comparing passwords with their hashes, which is made to be expensive: off the threads that serve, and few at once.

use std::{sync::Arc, thread};

use interlingua_core::{Error, ErrorKind, Password, Result};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::{config::PasswordHash, translate::overloaded};

/// How many may wait for their turn; one more is refused. Whoever waits has a place in flight.
const QUEUE: usize = 64;

/// Turns at comparing.
#[derive(Debug)]
pub(crate) struct Passwords {
    /// For those who wait or have a turn.
    places: Arc<Semaphore>,
    /// Half of the processors, so that all else goes on.
    turns: Arc<Semaphore>,
}

/// A turn.
#[derive(Debug)]
pub(crate) struct Turn {
    _place: OwnedSemaphorePermit,
    _turn: OwnedSemaphorePermit,
}

impl Passwords {
    pub(crate) fn new() -> Self {
        let turns = thread::available_parallelism().map_or(1, |processors| (processors.get() / 2).max(1));
        Self { places: Arc::new(Semaphore::new(QUEUE + turns)), turns: Arc::new(Semaphore::new(turns)) }
    }

    /// Waits for a turn.
    ///
    /// # Errors
    ///
    /// Too many wait.
    pub(crate) async fn turn(&self) -> Result<Turn> {
        let refused = || overloaded("too many logins at once");
        let place = Arc::clone(&self.places).try_acquire_owned().map_err(|_| refused())?;
        let turn = Arc::clone(&self.turns).acquire_owned().await.map_err(|_| refused())?;
        Ok(Turn { _place: place, _turn: turn })
    }
}

impl Turn {
    /// Whether the password is the one of this hash. The turn is over when that is known, whether anybody still waits for
    /// it or not.
    ///
    /// # Errors
    ///
    /// The process is stopping.
    pub(crate) async fn compare(self, hash: PasswordHash, password: Password) -> Result<bool> {
        let compared = tokio::task::spawn_blocking(move || {
            let is_right = hash.is_of(password.as_str());
            drop(self);
            is_right
        });
        compared.await.map_err(|_| Error::new(ErrorKind::Internal, "the password could not be compared"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn so_many_wait_and_no_more() {
        let passwords = Arc::new(Passwords::new());
        let turns = passwords.turns.available_permits();
        let mut taken = Vec::new();
        for _ in 0..turns {
            taken.push(passwords.turn().await.unwrap());
        }
        let waiting: Vec<_> = (0..QUEUE)
            .map(|_| {
                let passwords = Arc::clone(&passwords);
                tokio::spawn(async move { passwords.turn().await.map(drop) })
            })
            .collect();
        while passwords.places.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(passwords.turn().await.unwrap_err().kind(), ErrorKind::Overloaded);
        drop(taken);
        for waits in waiting {
            waits.await.unwrap().unwrap();
        }
        passwords.turn().await.unwrap();
    }
}
