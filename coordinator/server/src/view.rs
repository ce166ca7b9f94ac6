//! What readers see: the newest durable state, swapped in whole after each commit. No reader takes a lock.

use std::sync::Arc;

use arc_swap::ArcSwap;
use stoa_mesh::{Position, View};

/// State and position belong together: the position is that of the record which made this state.
#[derive(Clone)]
pub struct Published {
    /// The state, or why there is none.
    pub state: State,
    /// Of the newest durable record; sequence 0 and head zero if the journal can't be read.
    pub position: Position,
}

/// Either the state is open, or this is state 1.
#[derive(Clone)]
pub enum State {
    /// The journal was opened, checked and replayed.
    Open(View),
    /// Recovery: the data key can't be opened here.
    Recovery {
        /// The exact cause.
        reason: Arc<str>,
    },
}

/// The one place where the newest state is found.
#[derive(Clone)]
pub struct Window(Arc<ArcSwap<Published>>);

impl Window {
    /// A window that shows `first`.
    #[must_use]
    pub fn new(first: Published) -> Self {
        Self(Arc::new(ArcSwap::from_pointee(first)))
    }

    /// What is published now.
    #[must_use]
    pub fn look(&self) -> Arc<Published> {
        self.0.load_full()
    }

    /// Publishes `next`. The writer calls this after the commit, nobody else does.
    pub fn publish(&self, next: Published) {
        self.0.store(Arc::new(next));
    }
}
