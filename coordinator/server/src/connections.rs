//! The finished connections of one port: at most so many, and one more makes room by closing the oldest that asks nothing.
//!
//! So nobody shuts others out by opening connections and keeping still. Who is being answered is never closed for another:
//! while all of them are, the newest is turned away.
//! Does not live here: sockets, handshakes (`listener`).

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

/// All finished connections of a port.
#[derive(Debug)]
pub struct Connections {
    max: usize,
    table: Mutex<Table>,
}

#[derive(Debug, Default)]
struct Table {
    next: u64,
    open: BTreeMap<u64, Arc<Connection>>,
}

/// One of them, as its requests and the port see it.
#[derive(Debug, Default)]
pub struct Connection {
    requests: AtomicUsize,
    asked: AtomicBool,
    close: Notify,
}

/// Its place; given back when dropped.
#[derive(Debug)]
pub struct Place {
    all: Arc<Connections>,
    number: u64,
    connection: Arc<Connection>,
}

/// A request that is being answered.
#[derive(Debug)]
pub struct Asking(Arc<Connection>);

impl Connections {
    /// At most `max` at once.
    #[must_use]
    pub fn new(max: usize) -> Arc<Self> {
        Arc::new(Self {
            max,
            table: Mutex::default(),
        })
    }

    /// A place for one more. `None` if all are taken and each is being asked something.
    #[must_use]
    pub fn enter(self: &Arc<Self>) -> Option<Place> {
        let mut table = self.table();
        if table.open.len() >= self.max {
            let (&number, idle) = table
                .open
                .iter()
                .find(|(_, connection)| connection.requests.load(Ordering::Acquire) == 0)?;
            idle.close.notify_one();
            table.open.remove(&number);
        }
        let number = table.next;
        table.next += 1;
        let connection = Arc::new(Connection::default());
        table.open.insert(number, Arc::clone(&connection));
        Some(Place {
            all: Arc::clone(self),
            number,
            connection,
        })
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Connection {
    /// Until the returned value is dropped this connection is not closed for another.
    #[must_use]
    pub fn asking(self: &Arc<Self>) -> Asking {
        self.requests.fetch_add(1, Ordering::AcqRel);
        self.asked.store(true, Ordering::Release);
        Asking(Arc::clone(self))
    }
}

impl Place {
    /// What its requests hold.
    #[must_use]
    pub fn connection(&self) -> Arc<Connection> {
        Arc::clone(&self.connection)
    }

    /// Ends after `wait` if nothing was asked until then, else never.
    pub async fn unasked(&self, wait: Duration) {
        tokio::time::sleep(wait).await;
        if self.connection.asked.load(Ordering::Acquire) {
            std::future::pending::<()>().await;
        }
    }

    /// Ends when the place is needed for another.
    pub async fn needed(&self) {
        self.connection.close.notified().await;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.all.table().open.remove(&self.number);
    }
}

impl Drop for Asking {
    fn drop(&mut self) {
        self.0.requests.fetch_sub(1, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    /// Whether the place was asked for, at once.
    fn is_needed(place: &Place) -> bool {
        let mut needed = std::pin::pin!(place.needed());
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        needed.as_mut().poll(&mut context).is_ready()
    }

    #[test]
    fn one_more_takes_the_place_of_the_oldest_that_asks_nothing() {
        let all = Connections::new(3);
        let [first, second, third] = [0; 3].map(|_| all.enter().unwrap());
        let asking = first.connection().asking();
        let fourth = all.enter().unwrap();
        assert_eq!(
            [&first, &second, &third, &fourth].map(is_needed),
            [false, true, false, false]
        );
        drop(asking);
        drop(second);
        let _fifth = all.enter().unwrap();
        assert!(is_needed(&first) && !is_needed(&third));
    }

    #[test]
    fn when_all_are_asked_something_one_more_is_refused_until_one_is_done() {
        let all = Connections::new(2);
        let places = [0; 2].map(|_| all.enter().unwrap());
        let asking = places.each_ref().map(|place| place.connection().asking());
        assert!(all.enter().is_none());
        drop(asking);
        assert!(all.enter().is_some());
    }

    #[test]
    fn a_place_that_was_given_up_is_free() {
        let all = Connections::new(1);
        drop(all.enter().unwrap());
        let place = all.enter().unwrap();
        assert!(!is_needed(&place));
        drop(place);
        assert!(all.table().open.is_empty());
    }
}
