//! What one process has room for, on all listeners together.

use std::sync::Arc;

use interlingua_core::{Error, Result};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::{ceiling::Ceiling, config::Limits, translate::overloaded};

/// Places for what is worked on at once. Whoever finds none is refused; nobody queues.
#[derive(Clone, Debug)]
pub(crate) struct Room {
    /// For requests that are there as a whole.
    pub(crate) requests: Arc<Semaphore>,
    /// For those that are passed on as they arrive: as many, and apart, for such a one may be as slow as its client.
    pub(crate) streams: Arc<Semaphore>,
    /// For bodies.
    pub(crate) bodies: Memory,
    most: usize,
    /// How many of the places there are while the processors keep up.
    ceiling: Ceiling,
}

impl Room {
    pub(crate) fn new(limits: &Limits) -> Self {
        let most = limits.in_flight.get() as usize;
        let requests = Arc::new(Semaphore::new(most));
        Self {
            ceiling: Ceiling::watch(&requests, most, limits.lag),
            requests,
            streams: Arc::new(Semaphore::new(most)),
            bodies: Memory::new(limits.bodies),
            most,
        }
    }

    /// Notes that a request is done.
    pub(crate) fn one_is_done(&self) {
        self.ceiling.one_is_done();
    }

    /// Whether one more request can be worked on.
    pub(crate) fn is_full(&self) -> bool {
        self.most - self.requests.available_permits() >= self.ceiling.now()
    }
}

/// What bodies together may take up.
#[derive(Clone, Debug)]
pub(crate) struct Memory(Arc<Semaphore>);

/// What it is given out in, in bytes.
const PAGE: usize = 1 << 10;

/// So much of every body is not counted: as good as all are smaller, and no large one can keep them out.
const SMALL: usize = 16 << 10;

impl Memory {
    fn new(bytes: usize) -> Self {
        Self(Arc::new(Semaphore::new((bytes / PAGE).min(Semaphore::MAX_PERMITS))))
    }

    /// Nothing yet.
    pub(crate) fn hold(&self) -> Held {
        Held { memory: self.clone(), pages: None }
    }
}

/// What one body takes up, until it is dropped.
#[derive(Debug)]
pub(crate) struct Held {
    memory: Memory,
    pages: Option<OwnedSemaphorePermit>,
}

impl Held {
    /// Makes it so many bytes in all.
    ///
    /// # Errors
    ///
    /// Other bodies take up too much.
    pub(crate) fn grow_to(&mut self, bytes: usize) -> Result<()> {
        let held = self.pages.as_ref().map_or(0, OwnedSemaphorePermit::num_permits);
        let missing = bytes.saturating_sub(SMALL).div_ceil(PAGE).saturating_sub(held);
        if missing == 0 {
            return Ok(());
        }
        let none_left = || overloaded("too many large bodies at once");
        let missing = u32::try_from(missing).map_err(|_| none_left())?;
        let more = Arc::clone(&self.memory.0).try_acquire_many_owned(missing).map_err(|_| none_left())?;
        match &mut self.pages {
            Some(pages) => pages.merge(more),
            None => self.pages = Some(more),
        }
        Ok::<(), Error>(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    impl Room {
        /// One for so many requests, and for next to no bodies.
        pub(crate) fn of(most: usize) -> Self {
            let places = || Arc::new(Semaphore::new(most));
            let requests = places();
            let ceiling = Ceiling::watch(&requests, most, Duration::from_secs(60));
            Self { requests, streams: places(), bodies: Memory::new(PAGE), most, ceiling }
        }
    }

    #[tokio::test]
    async fn it_is_full_when_all_places_are_taken() {
        let room = Room::of(1);
        assert!(!room.is_full());
        let taken = room.requests.acquire().await.unwrap();
        assert!(room.is_full());
        drop(taken);
        assert!(!room.is_full());
    }

    #[test]
    fn small_bodies_always_find_room() {
        let memory = Memory::new(2 * PAGE);
        let mut large = memory.hold();
        large.grow_to(SMALL).unwrap();
        large.grow_to(SMALL + 1).unwrap();
        large.grow_to(SMALL + 2 * PAGE).unwrap();
        let mut other = memory.hold();
        other.grow_to(SMALL).unwrap();
        assert!(other.grow_to(SMALL + 1).is_err());
        drop(large);
        other.grow_to(SMALL + 1).unwrap();
        assert!(other.grow_to(SMALL + 3 * PAGE).is_err());
    }
}
