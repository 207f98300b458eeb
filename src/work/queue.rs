//! A bounded queue to one thread, which takes all that waits at once.
//!
//! Who waits here sleeps at once. A channel that asks again and again first, and gives its turn away
//! meanwhile (`sched_yield`), is no faster while a core is idle; and while none is, the system may let
//! others run for a whole slice of time, 20 ms, although a job has come. Whoever sleeps is woken for it.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// The end that jobs go in at. Nothing more comes once it is dropped.
pub(super) struct Inlet<T>(Arc<Queue<T>>);

/// The end that one thread takes them from.
pub(super) struct Outflow<T>(Arc<Queue<T>>);

struct Queue<T> {
    state: Mutex<State<T>>,
    arrived: Condvar,
    places: usize,
}

struct State<T> {
    items: VecDeque<T>,
    /// The thread sleeps and has to be woken. Waking one that is awake would be a system call for nothing.
    asleep: bool,
    closed: bool,
}

/// There is no place left.
#[derive(Debug)]
pub(super) struct Full;

/// What came of waiting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Taken {
    /// Nothing will come any more.
    Closed,
    Nothing,
    Some,
}

/// A queue with so many places.
pub(super) fn queue<T>(places: usize) -> (Inlet<T>, Outflow<T>) {
    let state = State { items: VecDeque::new(), asleep: false, closed: false };
    let queue = Arc::new(Queue { state: Mutex::new(state), arrived: Condvar::new(), places });
    (Inlet(queue.clone()), Outflow(queue))
}

impl<T> Inlet<T> {
    /// Queues one; never waits for a place.
    pub fn push(&self, item: T) -> Result<(), Full> {
        let mut state = self.0.lock();
        if state.items.len() >= self.0.places {
            return Err(Full);
        }
        state.items.push_back(item);
        let wake = std::mem::take(&mut state.asleep);
        drop(state);
        if wake {
            self.0.arrived.notify_one();
        }
        Ok(())
    }
}

impl<T> Drop for Inlet<T> {
    fn drop(&mut self) {
        self.0.lock().closed = true;
        self.0.arrived.notify_one();
    }
}

impl<T> Outflow<T> {
    /// Moves all that waits behind what is in `out`; waits for it at most so long.
    pub fn take(&self, wait: Duration, out: &mut VecDeque<T>) -> Taken {
        let mut state = self.0.lock();
        if state.items.is_empty() && !state.closed && !wait.is_zero() {
            state.asleep = true;
            let still = |state: &mut State<T>| state.items.is_empty() && !state.closed;
            let woken = self.0.arrived.wait_timeout_while(state, wait, still);
            (state, _) = woken.unwrap_or_else(PoisonError::into_inner);
            state.asleep = false;
        }
        match (state.items.is_empty(), state.closed) {
            (true, true) => return Taken::Closed,
            (true, false) => return Taken::Nothing,
            (false, _) => {}
        }
        if out.is_empty() {
            // The memory of both is used again and again.
            std::mem::swap(&mut state.items, out);
        } else {
            out.append(&mut state.items);
        }
        Taken::Some
    }
}

impl<T> Queue<T> {
    /// Nobody can panic while holding it, so what it holds is whole in any case.
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Only a broken test waits so long.
    const PATIENCE: Duration = Duration::from_secs(60);

    #[test]
    fn what_waits_is_taken_at_once_and_in_order() {
        let (inlet, outflow) = queue(3);
        let mut out = VecDeque::from([0]);
        assert_eq!(outflow.take(Duration::ZERO, &mut out), Taken::Nothing);
        (1..=3).for_each(|n| inlet.push(n).unwrap());
        assert!(matches!(inlet.push(4), Err(Full)));
        assert_eq!(outflow.take(PATIENCE, &mut out), Taken::Some);
        assert_eq!(out, [0, 1, 2, 3]);
        out.clear();
        inlet.push(4).unwrap();
        assert_eq!(outflow.take(PATIENCE, &mut out), Taken::Some);
        assert_eq!(out, [4]);
    }

    #[test]
    fn waiting_ends_with_the_time() {
        let (_inlet, outflow) = queue::<u8>(1);
        assert_eq!(outflow.take(Duration::from_millis(1), &mut VecDeque::new()), Taken::Nothing);
    }

    #[test]
    fn what_was_pushed_before_the_end_is_still_taken() {
        let (inlet, outflow) = queue(1);
        inlet.push(1).unwrap();
        drop(inlet);
        let mut out = VecDeque::new();
        assert_eq!(outflow.take(PATIENCE, &mut out), Taken::Some);
        assert_eq!(outflow.take(PATIENCE, &mut out), Taken::Closed);
        assert_eq!(out, [1]);
    }

    #[test]
    fn who_sleeps_is_woken_for_each_and_for_the_end() {
        let (inlet, outflow) = queue(1_000);
        let taker = std::thread::spawn(move || {
            let (mut all, mut out) = (Vec::new(), VecDeque::new());
            while outflow.take(PATIENCE, &mut out) == Taken::Some {
                all.extend(out.drain(..));
            }
            all
        });
        for n in 0..1_000 {
            inlet.push(n).unwrap();
            if n % 10 == 0 {
                std::thread::yield_now();
            }
        }
        drop(inlet);
        assert_eq!(taker.join().unwrap(), (0..1_000).collect::<Vec<_>>());
    }
}
