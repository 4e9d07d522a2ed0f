//! What wakes a connection's task, from any thread.
//!
//! One task waits, many may ring. A ring that comes while the task is busy is kept: the next wait ends at once. A task
//! waits each time it has nothing to do, so waiting costs no registration in a list and no lock.

use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use atomic_waker::AtomicWaker;

/// See the module's text.
#[derive(Default)]
pub struct Alarm {
    rung: AtomicBool,
    waker: AtomicWaker,
}

impl Alarm {
    /// Wakes the task, now or when it waits next.
    pub fn ring(&self) {
        self.rung.store(true, Ordering::Release);
        self.waker.wake();
    }

    /// Waits for a ring. Only one task may wait.
    pub fn poll_rung(&self, cx: &mut Context<'_>) -> Poll<()> {
        // Registered first: who rings after this look wakes the task.
        self.waker.register(cx.waker());
        let rung = self.rung.load(Ordering::Acquire) && self.rung.swap(false, Ordering::AcqRel);
        if rung { Poll::Ready(()) } else { Poll::Pending }
    }
}

#[cfg(test)]
mod tests {
    use super::Alarm;
    use std::future::poll_fn;
    use std::sync::Arc;

    #[test]
    fn no_ring_is_lost_whenever_it_comes() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let (alarm, answer) = (Arc::new(Alarm::default()), Arc::new(Alarm::default()));
        let (theirs, back) = (alarm.clone(), answer.clone());
        let other = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
            for _ in 0..1000 {
                theirs.ring();
                runtime.block_on(poll_fn(|cx| back.poll_rung(cx)));
            }
        });
        for _ in 0..1000 {
            runtime.block_on(poll_fn(|cx| alarm.poll_rung(cx)));
            answer.ring();
        }
        other.join().expect("the other side ended well");
    }
}
