//! Lets so many calls be under way to an upstream at once, and refuses one more rather than queue it.

use std::sync::Arc;

use interlingua_core::{Error, Result};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::guard::{Answer, Guard, Terms};
use crate::translate::overloaded;

/// See the module.
#[derive(Debug)]
pub(crate) struct Crowd {
    places: Arc<Semaphore>,
    most: usize,
}

impl Crowd {
    pub(crate) fn new(most: usize) -> Self {
        Self { places: Arc::new(Semaphore::new(most)), most }
    }

    /// How many calls are under way.
    pub(crate) fn under_way(&self) -> usize {
        self.most.saturating_sub(self.places.available_permits())
    }
}

impl Guard for Crowd {
    /// A place; whoever has begun and finds none goes on without.
    type Pass = Option<OwnedSemaphorePermit>;

    fn admit(&self, terms: &Terms) -> Result<Self::Pass> {
        match Arc::clone(&self.places).try_acquire_owned() {
            Ok(place) => Ok(Some(place)),
            Err(_) if terms.begun => Ok(None),
            Err(_) => Err(overloaded("too many calls to the upstream at once")),
        }
    }

    /// There is nothing to learn; the place is free again.
    fn learn(&self, _: Self::Pass, _: Result<&dyn Answer, &Error>) {}
}

#[cfg(test)]
mod tests {
    use interlingua_core::ErrorKind;

    use super::*;
    use crate::upstream::guard::tests::read;

    #[tokio::test]
    async fn one_too_many_is_refused_unless_it_has_begun() {
        let crowd = Crowd::new(2);
        let (first, _second) = (crowd.admit(&read()).unwrap(), crowd.admit(&read()).unwrap());
        let error = crowd.admit(&read()).unwrap_err();
        assert_eq!((error.kind(), crowd.under_way()), (ErrorKind::Overloaded, 2));
        let third = crowd.admit(&Terms { begun: true, ..read() }).unwrap();
        drop(third);
        assert!(crowd.admit(&read()).is_err());
        drop(first);
        crowd.admit(&read()).unwrap();
    }
}
