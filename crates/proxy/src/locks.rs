//! One writer at a time at a user, in all gateways over one store.
//!
//! A translated write may read a user, change what it read and write all of it back, so whatever it reads it reads
//! after it has the lock. Who writes past the gateway knows nothing of locks.

use std::{borrow::Cow, time::Duration};

use interlingua_core::{Command, Error, ErrorKind, NewUser, Result, Text, UserId};
use interlingua_links::{Lock, StoreErrorKind};
use sha2::{Digest, Sha256};
use tokio::time::{Instant, timeout_at};
use tokio_util::task::TaskTracker;

use crate::{
    linking::store_error,
    route::{Route, Shared},
    translate::overloaded,
};

/// The right to write a user, or to make one, until it is dropped.
#[derive(Debug)]
pub(crate) struct Held {
    locks: Vec<Lock>,
    /// When they were asked for.
    since: Instant,
    /// How long from then on nobody else can have got them.
    sure: Duration,
    releases: TaskTracker,
}

impl Route {
    /// Waits until nobody else writes what `command` is to write: the user, by its id at the upstream, or for a user who
    /// is to be created the names that no other may have.
    ///
    /// # Errors
    ///
    /// Others are at it until the deadline, or the store does not answer.
    pub(crate) async fn lock(&self, command: &Command, user: Option<&UserId>, deadline: Instant) -> Result<Held> {
        let server = &*self.upstream.server;
        let keys = match (command, user) {
            (Command::CreateUser(new), _) => {
                names(new).into_iter().map(|name| (Cow::Owned(format!("{server} names")), name)).collect()
            }
            (_, Some(user)) => vec![(Cow::Borrowed(server), user.clone())],
            (_, None) => Vec::new(),
        };
        let mut held = Held::nothing(&self.shared);
        for (place, user) in keys {
            held.locks.push(self.shared.lock(&place, &user, deadline).await?);
        }
        Ok(held)
    }
}

impl Shared {
    async fn lock(&self, place: &str, user: &UserId, deadline: Instant) -> Result<Lock> {
        let patience = deadline.saturating_duration_since(Instant::now());
        let writes = self.links.writes();
        match timeout_at(deadline, writes.lock(place, user, patience)).await {
            Ok(Ok(Some(lock))) => Ok(lock),
            Ok(Ok(None)) | Err(_) => {
                Err(Error::new(ErrorKind::Timeout, "others were writing the same user for too long"))
            }
            // Nobody has an id that is so long.
            Ok(Err(error)) if error.kind() == StoreErrorKind::Unfit => {
                Err(Error::new(ErrorKind::NotFound, "there is no such user"))
            }
            Ok(Err(error)) => Err(store_error(&error)),
        }
    }
}

impl Held {
    fn nothing(shared: &Shared) -> Self {
        // A lock is given to an owner of whose lease half is left, at least.
        let sure = shared.lease / 2;
        Self { locks: Vec::new(), since: Instant::now(), sure, releases: shared.releases.clone() }
    }

    /// Has the store know of what is held, if that was only in memory so far: for a write that others may have to take up.
    /// The answer is the fence of the only lock, where there is exactly one.
    ///
    /// # Errors
    ///
    /// The store does not answer, or somebody else may have got it; nothing may be written then.
    pub(crate) async fn fence(&self) -> Result<Option<u64>> {
        let mut fences = Vec::with_capacity(self.locks.len());
        for lock in &self.locks {
            fences.push(lock.fence().await.map_err(|error| match error.kind() {
                StoreErrorKind::Lost => taken(),
                _ => store_error(&error),
            })?);
        }
        Ok(<[u64; 1]>::try_from(fences).ok().map(|[fence]| fence))
    }

    /// Makes sure that nobody else has got the lock meanwhile, because this process stood still. The store is asked only
    /// where that can be.
    ///
    /// # Errors
    ///
    /// Somebody may have got it, and nothing may be written.
    pub(crate) async fn check(&self) -> Result<()> {
        if self.since.elapsed() < self.sure {
            return Ok(());
        }
        for lock in &self.locks {
            if !lock.is_held().await.map_err(|error| store_error(&error))? {
                return Err(taken());
            }
        }
        Ok(())
    }
}

impl Drop for Held {
    /// Gives back what is held; where the store has to be told, in a task that the gateway waits for before it closes it.
    fn drop(&mut self) {
        for lock in self.locks.drain(..).filter(Lock::is_in_store) {
            // A release that fails is tried again by the lock itself.
            self.releases.spawn(async move { drop(lock.release().await) });
        }
    }
}

fn taken() -> Error {
    overloaded("the user was locked for too long, and is somebody else's to write by now")
}

/// What no two users may have, in an order in which all ask for it, so that nobody waits for each other. Which of them
/// an upstream compares, and how, is its own affair: to lock more than that is only to wait.
fn names(new: &NewUser) -> Vec<UserId> {
    let texts = [Some(new.email.as_str()), new.login.as_deref()];
    let mut names: Vec<_> = texts.into_iter().flatten().map(name).collect();
    names.sort();
    names.dedup();
    names
}

/// A name as a lock has it: as a hash, as nothing that is personal is kept with locks.
fn name(name: &str) -> UserId {
    let hash = Sha256::digest(name.to_lowercase());
    UserId::new(hash.iter().map(|byte| format!("{byte:02x}")).collect::<Text>())
}

#[cfg(test)]
mod tests {
    use interlingua_core::{Email, Name};

    use super::*;

    fn new(email: &str, login: Option<&str>) -> NewUser {
        let (email, login) = (Email::parse(email).unwrap(), login.map(Into::into));
        NewUser { login, email, name: Name::default(), password: None, grants: Vec::new() }
    }

    #[test]
    fn who_could_be_the_same_shares_a_name() {
        let (one, two) = (new("Jo@example.com", Some("jo")), new("jo@example.com", Some("other")));
        assert!(names(&one).iter().any(|name| names(&two).contains(name)));
        // A vendor without logins takes the e-mail address, another lets the client choose just that.
        let (one, two) = (new("jo@example.com", None), new("x@example.com", Some("jo@example.com")));
        assert!(names(&one).iter().any(|name| names(&two).contains(name)));
        assert_eq!(names(&new("jo@example.com", Some("jo@example.com"))).len(), 1);
    }

    #[test]
    fn names_are_asked_for_in_one_order_and_are_not_told() {
        let (one, two) = (new("a@example.com", Some("b@example.com")), new("b@example.com", Some("a@example.com")));
        assert_eq!(names(&one), names(&two));
        assert!(names(&one).iter().all(|name| !name.as_str().contains("example") && name.as_str().len() == 64));
    }
}
