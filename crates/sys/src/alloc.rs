//! jemalloc with a running count of the bytes it gave out.
//!
//! Sizes are *usable* sizes (the size class), so the count is what the memory costs. Each thread counts for
//! itself and publishes at 64 KB of drift; [`allocated`] may therefore be off by that much per thread.
//! The build sets lg-quantum 3 (classes 8 bytes apart), so an alignment over 8 must be passed explicitly.

use std::alloc::{GlobalAlloc, Layout};
use std::cell::Cell;
use std::ffi::{c_char, c_int, c_void};
use std::sync::atomic::{AtomicI64, Ordering};

use tikv_jemalloc_sys as je;

const PUBLISH_BYTES: i64 = 64 << 10;

static ALLOCATED: AtomicI64 = AtomicI64::new(0);
/// From so many bytes on huge pages are allowed; see [`await_huge_pages`].
static HUGE_FROM: AtomicI64 = AtomicI64::new(i64::MAX);

thread_local! {
    static DRIFT: Cell<i64> = const { Cell::new(0) };
}

/// Options that jemalloc reads at its start: huge pages for the heap (nothing here ever forks), freed pages given back
/// after a second, and larger slabs for sizes of which few or a single one fill a page. Each slab costs 128 bytes beside
/// itself: 2 for each entry of 64 bytes when they share a page, 128 for each chunk of a list or bundle of a stream's blocks. With
/// the pages that these get here a slab has as many objects as those of the sizes between them, 64 to 512; a chunk shares one
/// with seven others, a bundle with three or seven. The sizes from 2 to 7 KB stay as they are: they are those of a small
/// table's segments, which come and go as tables grow, and of a large slab the last one would keep all. The segments of a large
/// table are whole pages, and get no page more for spreading their beginnings over the cache's sets: which of their lines is
/// used is random anyway.
// SAFETY: no other item of the program has this name; jemalloc declares it weak and only reads it.
#[unsafe(export_name = "_rjem_malloc_conf")]
static MALLOC_CONF: Option<&'static c_char> = Some(malloc_conf());

const fn malloc_conf() -> &'static c_char {
    let text: &'static std::ffi::CStr =
        c"thp:always,metadata_thp:auto,dirty_decay_ms:1000,muzzy_decay_ms:0,narenas:4,cache_oblivious:false,\
        slab_sizes:32-32:4|64-64:8|96-96:12|128-128:8|256-256:8|512-512:8|1024-1024:16|8192-8192:16|\
        10240-10240:20|12288-12288:12|14336-14336:28";
    // SAFETY: the pointer of a `CStr` literal is valid for its first character for the whole program.
    unsafe { &*text.as_ptr() }
}

/// The global allocator of our binaries.
pub struct Counting;

#[inline]
fn flags(layout: &Layout) -> c_int {
    if layout.align() <= 8 { 0 } else { layout.align().trailing_zeros() as c_int }
}

#[inline]
fn count(delta: i64) {
    // A thread that is being torn down has no counter any more; its last few bytes go to the global one.
    let counted = DRIFT.try_with(|drift| {
        let now = drift.get() + delta;
        if now.abs() >= PUBLISH_BYTES {
            if ALLOCATED.fetch_add(now, Ordering::Relaxed) + now >= HUGE_FROM.load(Ordering::Relaxed) {
                begin_huge_pages();
            }
            drift.set(0);
        } else {
            drift.set(now);
        }
    });
    if counted.is_err() {
        ALLOCATED.fetch_add(delta, Ordering::Relaxed);
    }
}

/// Forbids huge pages until the process has allocated `bytes`. Before that each arena's first few objects would make 2 MB
/// resident.
pub fn await_huge_pages(bytes: u64) -> std::io::Result<()> {
    crate::os::allow_huge_pages(false)?;
    HUGE_FROM.store(bytes.min(i64::MAX as u64) as i64, Ordering::Relaxed);
    Ok(())
}

#[cold]
fn begin_huge_pages() {
    if HUGE_FROM.swap(i64::MAX, Ordering::Relaxed) < i64::MAX {
        // A refusal only costs time.
        let _ = crate::os::allow_huge_pages(true);
    }
}

#[inline]
fn class_bytes(size: usize, flags: c_int) -> i64 {
    if flags == 0 && size <= EXACT_BYTES {
        return size_class(size) as i64;
    }
    // SAFETY: nallocx has no preconditions but a size of at least 1 and valid flags, which `flags` gives.
    unsafe { je::nallocx(size.max(1), flags) as i64 }
}

// SAFETY: every method forwards to jemalloc's functions of the same contract, with the layout's size and
// alignment; `sdallocx` and `rallocx` get the same flags as the allocation had.
unsafe impl GlobalAlloc for Counting {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let flags = flags(&layout);
        // SAFETY: the size is not zero, as `GlobalAlloc::alloc` demands of its caller.
        let pointer = unsafe { je::mallocx(layout.size(), flags) };
        if !pointer.is_null() {
            count(class_bytes(layout.size(), flags));
        }
        pointer.cast()
    }

    #[inline]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        let flags = flags(&layout);
        // SAFETY: as in `alloc`.
        let pointer = unsafe { je::mallocx(layout.size(), flags | je::MALLOCX_ZERO) };
        if !pointer.is_null() {
            count(class_bytes(layout.size(), flags));
        }
        pointer.cast()
    }

    #[inline]
    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        let flags = flags(&layout);
        count(-class_bytes(layout.size(), flags));
        // SAFETY: the caller passes a pointer of this allocator with its layout.
        unsafe { je::sdallocx(pointer.cast::<c_void>(), layout.size(), flags) }
    }

    #[inline]
    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        let flags = flags(&layout);
        // SAFETY: the caller passes a live pointer of this allocator with its layout, and a size over zero.
        let moved = unsafe { je::rallocx(pointer.cast::<c_void>(), size, flags) };
        if !moved.is_null() {
            count(class_bytes(size, flags) - class_bytes(layout.size(), flags));
        }
        moved.cast()
    }
}

/// Bytes given out and not yet taken back, in size classes, in the whole process.
pub fn allocated() -> u64 {
    ALLOCATED.load(Ordering::Relaxed).max(0) as u64
}

/// As [`allocated`], with what the calling thread has not published yet.
#[inline]
pub fn allocated_here() -> u64 {
    let drift = DRIFT.try_with(Cell::get).unwrap_or(0);
    (ALLOCATED.load(Ordering::Relaxed) + drift).max(0) as u64
}

/// Publishes the calling thread's own drift, for exact figures.
pub fn publish() {
    DRIFT.with(|drift| ALLOCATED.fetch_add(drift.take(), Ordering::Relaxed));
}

/// The size class, in bytes, that an allocation of `size` bytes costs.
pub fn usable(size: usize) -> usize {
    class_bytes(size, 0) as usize
}

/// Up to this size [`size_class`] is the allocator's own class.
const EXACT_BYTES: usize = 32 << 10;

/// The size at which a growing or changing buffer wastes nothing: up to 32 KB the allocator's own class, without asking it;
/// beyond, where the allocator has one class per page, steps of an eighth to a quarter.
#[inline]
pub fn size_class(size: usize) -> usize {
    let spacing = (size.max(2) - 1).ilog2().saturating_sub(2).max(3);
    size.next_multiple_of(1 << spacing)
}

/// jemalloc's own figures, in bytes.
#[derive(Debug, Default, Clone, Copy)]
pub struct Figures {
    pub allocated: usize,
    pub active: usize,
    pub resident: usize,
    pub retained: usize,
}

/// Reads jemalloc's figures afresh.
pub fn figures() -> Figures {
    refresh();
    Figures {
        allocated: read(c"stats.allocated"),
        active: read(c"stats.active"),
        resident: read(c"stats.resident"),
        retained: read(c"stats.retained"),
    }
}

fn refresh() {
    let mut epoch: u64 = 1;
    let size = size_of::<u64>();
    // SAFETY: "epoch" takes and gives a u64; both pointers are valid for that size.
    unsafe {
        je::mallctl(
            c"epoch".as_ptr(),
            std::ptr::null_mut(),
            std::ptr::null_mut(),
            (&raw mut epoch).cast(),
            size,
        );
    }
}

fn read(name: &std::ffi::CStr) -> usize {
    let mut value = 0usize;
    let mut size = size_of::<usize>();
    // SAFETY: the statistics named in `figures` are of type size_t; the pointers are valid for that size.
    let failed = unsafe {
        je::mallctl(name.as_ptr(), (&raw mut value).cast(), &raw mut size, std::ptr::null_mut(), 0)
    };
    if failed == 0 { value } else { 0 }
}

/// Gives all unused pages of all arenas back to the system (`MEMORY PURGE`).
pub fn purge() {
    command(c"arena.4096.purge");
}

/// Gives those unused pages back whose time has come. The allocator looks at that itself only while it is used, so somebody
/// has to ask for it now and then, lest an idle process keep what its last work has freed.
pub fn decay() {
    command(c"arena.4096.decay");
}

/// One of the commands for all arenas; 4096 is jemalloc's MALLCTL_ARENAS_ALL.
fn command(name: &std::ffi::CStr) {
    // SAFETY: "arena.<i>.purge" and "arena.<i>.decay" take and give nothing.
    unsafe {
        je::mallctl(name.as_ptr(), std::ptr::null_mut(), std::ptr::null_mut(), std::ptr::null_mut(), 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_what_is_allocated_and_aligns() {
        let allocator = Counting;
        for (size, align) in [(1, 1), (54, 8), (100, 16), (4096, 64), (40, 32)] {
            let layout = Layout::from_size_align(size, align).expect("a valid layout");
            let before = DRIFT.get();
            // SAFETY: the layouts are not empty, and each pointer is freed with its own layout.
            unsafe {
                let pointer = allocator.alloc(layout);
                assert_eq!(pointer as usize % align, 0);
                assert_eq!(DRIFT.get() - before, class_bytes(size, flags(&layout)));
                allocator.dealloc(pointer, layout);
            }
            assert_eq!(DRIFT.get(), before);
        }
    }

    #[test]
    fn sizes_that_fill_a_page_have_larger_slabs() {
        let of_bin = |bin: usize, figure: &str| {
            let name = std::ffi::CString::new(format!("arenas.bin.{bin}.{figure}")).expect("no zero byte");
            read(&name)
        };
        let slab_bytes = |size| {
            let bin = (0..64).find(|&bin| of_bin(bin, "size") == size).expect("a small size class");
            of_bin(bin, "slab_size")
        };
        for (size, bytes) in [
            (64, 32 << 10),
            (128, 32 << 10),
            (1024, 64 << 10),
            (8192, 64 << 10),
            (12288, 48 << 10),
            (4096, 4096),
        ] {
            assert_eq!(slab_bytes(size), bytes, "objects of {size} bytes");
        }
    }

    #[test]
    fn huge_pages_come_with_the_first_megabytes() {
        // SAFETY: PR_GET_THP_DISABLE takes nothing and no pointers.
        let forbidden = || unsafe { libc::prctl(libc::PR_GET_THP_DISABLE, 0, 0, 0, 0) };
        assert!(await_huge_pages(allocated() + (16 << 20)).is_ok());
        assert_eq!(forbidden(), 1);
        let layout = Layout::from_size_align(1 << 20, 8).expect("a valid layout");
        for (count, expected) in [(8, 1), (24, 0)] {
            // SAFETY: the layout is not empty, and each pointer is freed with it.
            unsafe {
                let blocks: Vec<_> = (0..count).map(|_| Counting.alloc(layout)).collect();
                blocks.into_iter().for_each(|block| Counting.dealloc(block, layout));
            }
            assert_eq!(forbidden(), expected, "after {count} MB");
        }
    }

    #[test]
    fn size_classes_are_eight_bytes_apart() {
        assert_eq!(usable(54), 56);
        assert_eq!(usable(23), 24);
        for size in (1..5000).chain((5000..=EXACT_BYTES).step_by(97)).chain([EXACT_BYTES]) {
            // SAFETY: the size is at least 1 and no flags are asked for.
            assert_eq!(unsafe { je::nallocx(size, 0) }, size_class(size), "{size}");
        }
    }
}
