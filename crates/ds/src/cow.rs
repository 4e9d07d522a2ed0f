//! Copying what is shared before it is changed.

use std::sync::Arc;
use std::sync::atomic::{Ordering::Acquire, fence};

/// What `shared` points to, for changing it; a copy of its own if others see it too. As [`Arc::make_mut`] for things that
/// nobody points to weakly, and without its locked instructions, of which a write to a large collection would pay
/// one for each level that it passes. No node of these structures is ever pointed to weakly.
#[inline]
pub(crate) fn make_mut<T: Clone>(shared: &mut Arc<T>) -> &mut T {
    debug_assert_eq!(Arc::weak_count(shared), 0, "nodes are not pointed to weakly");
    if Arc::strong_count(shared) != 1 {
        *shared = Arc::new(T::clone(shared));
    }
    // What others did with the node before they let go of it comes before what is done now: their decrement released.
    fence(Acquire);
    // SAFETY: the count is one, and it is the one of `shared`, which is borrowed exclusively for as long as the result lives:
    // no other pointer to the node exists, and none can come from it meanwhile.
    unsafe { &mut *Arc::as_ptr(shared).cast_mut() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shared_is_copied_and_what_is_not_stays_in_place() {
        let mut node = Arc::new(vec![1]);
        let address = Arc::as_ptr(&node);
        make_mut(&mut node).push(2);
        assert_eq!(Arc::as_ptr(&node), address);
        let pinned = node.clone();
        make_mut(&mut node).push(3);
        assert_eq!((&*pinned, &*node), (&vec![1, 2], &vec![1, 2, 3]));
        let address = Arc::as_ptr(&node);
        drop(pinned);
        make_mut(&mut node).push(4);
        assert_eq!((Arc::as_ptr(&node), &*node), (address, &vec![1, 2, 3, 4]));
    }

    #[test]
    fn another_thread_may_let_go_meanwhile() {
        for _ in 0..if cfg!(miri) { 5 } else { 1_000 } {
            let mut node = Arc::new(vec![1]);
            let pinned = node.clone();
            let reader = std::thread::spawn(move || assert_eq!(*pinned, [1]));
            make_mut(&mut node).push(2);
            reader.join().expect("the reader saw what was pinned");
            assert_eq!(*node, [1, 2]);
        }
    }
}
