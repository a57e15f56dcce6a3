//! Commands for a plan: what a request means, of this dialect or the other, or else what the law suite makes of bytes.

use std::cell::RefCell;

use interlingua_core::{Command, Outcome, Scope, User, UserPatch, laws::strategy};
use proptest::{
    strategy::{BoxedStrategy, Strategy, ValueTree},
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};

use crate::{Side, dialects, input};

/// A command in the ids of `upstream`.
pub(crate) fn command(upstream: &'static Side, bytes: &[u8]) -> Option<Command> {
    let Some(request) = input::request(bytes) else { return changed(upstream, bytes) };
    let read = |side: &Side| side.adapter.read(&request).ok().map(|reading| reading.command);
    read(upstream).or_else(|| {
        let mut linked = Linked::to(upstream);
        read(upstream.other())?.relink(|_| Some((upstream.user)()).ok_or(()), |scope| Ok(linked.scope(scope))).ok()
    })
}

/// A change to a user: the first bytes are the seed of the law suite's dice. As the dice themselves they would run out,
/// and a strategy that throws nothing but zeros may never end.
fn changed(upstream: &'static Side, bytes: &[u8]) -> Option<Command> {
    thread_local! {
        static PATCHES: RefCell<Option<BoxedStrategy<UserPatch>>> = const { RefCell::new(None) };
    }
    let mut seed = [0; 32];
    seed.iter_mut().zip(bytes).for_each(|(place, byte)| *place = *byte);
    let dice = TestRng::from_seed(RngAlgorithm::ChaCha, &seed);
    let mut runner = TestRunner::new_with_rng(Config::default(), dice);
    let patch = PATCHES.with_borrow_mut(|patches| {
        let patches = patches.get_or_insert_with(|| strategy::patches(&upstream.words()).boxed());
        patches.new_tree(&mut runner)
    });
    Some(Command::UpdateUser { user: (upstream.user)(), patch: patch.ok()?.current() })
}

/// An outcome in the ids of `face`, as links would make it.
pub(crate) fn shown_to(face: &'static Side, outcome: Outcome) -> Outcome {
    let mut linked = Linked::to(face);
    match outcome {
        Outcome::User(user) => Outcome::User(Box::new(linked.user(*user))),
        Outcome::Users(mut page) => {
            page.users = page.users.into_iter().map(|user| linked.user(user)).collect();
            page.query.scopes = page.query.scopes.into_iter().map(|scope| linked.scope(scope)).collect();
            Outcome::Users(page)
        }
        other => other,
    }
}

/// Ids of a dialect for those that were seen of the other: the same for the same.
struct Linked {
    side: &'static dialects::Side,
    seen: Vec<Scope>,
}

impl Linked {
    fn to(side: &'static Side) -> Self {
        Self { side, seen: Vec::new() }
    }

    fn scope(&mut self, scope: Scope) -> Scope {
        let known = self.seen.iter().position(|seen| seen.id == scope.id);
        self.side.scope(known.unwrap_or_else(|| {
            self.seen.push(scope);
            self.seen.len() - 1
        }))
    }

    fn user(&mut self, mut user: User) -> User {
        user.id = (self.side.user)();
        user.primary_scope = user.primary_scope.map(|scope| self.scope(scope));
        for grant in user.grants.iter_mut().flatten() {
            grant.scope = self.scope(grant.scope.clone());
            grant.id = None;
        }
        user
    }
}
