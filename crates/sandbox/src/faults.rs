//! Faults that wait for a call to strike.

use http::{Method, StatusCode};

/// What happens to the call that a fault strikes; the vendor does not see that call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    /// It is answered with the vendor's error document for this status.
    Fail(StatusCode),
    /// It is not answered; the client has to go away.
    Hang,
}

/// Which calls a fault counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Counted {
    All,
    /// All but `GET`.
    Writes,
}

struct Fault<A> {
    /// How many counted calls are still to come, the struck one included.
    remaining: usize,
    counted: Counted,
    action: A,
}

/// Faults in the order they were asked for.
pub(crate) struct Faults<A>(Vec<Fault<A>>);

impl<A> Default for Faults<A> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<A> Faults<A> {
    /// Strikes the n-th counted call from now on; 1 is the next, and so is 0.
    pub(crate) fn add(&mut self, nth: usize, counted: Counted, action: A) {
        self.0.push(Fault { remaining: nth.max(1), counted, action });
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    /// Counts a call; answers what strikes it. Of several faults that are due, the first asked for wins.
    pub(crate) fn strike(&mut self, method: &Method) -> Option<A> {
        let counts = |fault: &&mut Fault<A>| fault.counted == Counted::All || *method != Method::GET;
        self.0.iter_mut().filter(counts).for_each(|fault| fault.remaining -= 1);
        let mut due = self.0.extract_if(.., |fault| fault.remaining == 0).map(|fault| fault.action);
        let first = due.next();
        due.for_each(drop);
        first
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(faults: &[(usize, Counted, Action)], calls: &str, struck: &str) {
        let mut queue = Faults::default();
        for (nth, counted, action) in faults {
            queue.add(*nth, *counted, *action);
        }
        let seen = calls.chars().map(|call| {
            let method = if call == 'r' { Method::GET } else { Method::PUT };
            queue.strike(&method).map_or('.', |action| if action == Action::Hang { 'h' } else { 'f' })
        });
        assert_eq!(seen.collect::<String>(), struck);
    }

    #[test]
    fn strikes_the_call_asked_for() {
        let fail = Action::Fail(StatusCode::INTERNAL_SERVER_ERROR);
        check(&[], "rw", "..");
        check(&[(1, Counted::All, fail)], "rw", "f.");
        check(&[(0, Counted::All, fail)], "rw", "f.");
        check(&[(2, Counted::All, fail)], "rwr", ".f.");
        check(&[(1, Counted::Writes, fail)], "rrw", "..f");
        check(&[(2, Counted::Writes, Action::Hang)], "wrwr", "..h.");
        check(&[(1, Counted::All, fail), (2, Counted::All, Action::Hang)], "rrr", "fh.");
        check(&[(1, Counted::All, Action::Hang), (1, Counted::Writes, fail)], "ww", "h.");
    }
}
