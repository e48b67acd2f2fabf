//! The malloc of libdmm as Rust's global allocator.
//!
//! ```
//! #[global_allocator]
//! static GLOBAL: dmm::Dmm = dmm::Dmm;
//!
//! fn main() {
//!     let v = vec![0u8; 100_000];
//!     println!("{} bytes in {} objects", dmm::stats().live_bytes, dmm::stats().live_objects);
//!     drop(v);
//! }
//! ```
//!
//! A program that links this crate is on libdmm as a whole: its C and C++ parts too, since libdmm takes the names of
//! malloc. Settings come from the environment (`DMM_CONF`, dmm.conf(5)). Linux, glibc; no dependency but std.

use std::alloc::{GlobalAlloc, Layout};
use std::mem::size_of;

mod c {
    use super::Stats;
    use std::ffi::c_void;

    extern "C" {
        pub fn malloc(n: usize) -> *mut c_void;
        pub fn calloc(count: usize, n: usize) -> *mut c_void;
        pub fn realloc(p: *mut c_void, n: usize) -> *mut c_void;
        pub fn aligned_alloc(align: usize, n: usize) -> *mut c_void;
        pub fn free_sized(p: *mut c_void, n: usize);
        pub fn free_aligned_sized(p: *mut c_void, align: usize, n: usize);
        pub fn malloc_trim(pad: usize) -> i32;
        pub fn dmm_stats(out: *mut Stats, bytes: usize) -> i32;
    }
}

/// What malloc aligns every object to.
const ALIGN: usize = 16;

/// The allocator; it has no state of its own.
#[derive(Clone, Copy, Debug, Default)]
pub struct Dmm;

// Sizes and alignments are told to libdmm at each free, which reports those that are wrong.
unsafe impl GlobalAlloc for Dmm {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if layout.align() <= ALIGN {
            c::malloc(layout.size()).cast()
        } else {
            c::aligned_alloc(layout.align(), layout.size()).cast()
        }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        if layout.align() <= ALIGN {
            return c::calloc(1, layout.size()).cast();
        }
        let p = self.alloc(layout);
        if !p.is_null() {
            p.write_bytes(0, layout.size());
        }
        p
    }

    unsafe fn dealloc(&self, p: *mut u8, layout: Layout) {
        if layout.align() <= ALIGN {
            c::free_sized(p.cast(), layout.size());
        } else {
            c::free_aligned_sized(p.cast(), layout.align(), layout.size());
        }
    }

    unsafe fn realloc(&self, p: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        if layout.align() <= ALIGN {
            return c::realloc(p.cast(), size).cast();
        }
        let q = self.alloc(Layout::from_size_align_unchecked(size, layout.align()));
        if !q.is_null() {
            q.copy_from_nonoverlapping(p, layout.size().min(size));
            self.dealloc(p, layout);
        }
        q
    }
}

/// What the heap of this process holds: `dmm_stats.h` tells of each figure. `mapped = live + free + lost + tables`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    pub mapped_bytes: u64,
    pub live_bytes: u64,
    pub live_objects: u64,
    pub large_bytes: u64,
    pub large_objects: u64,
    pub guarded_bytes: u64,
    pub guarded_objects: u64,
    pub free_bytes: u64,
    pub dirty_bytes: u64,
    pub lost_bytes: u64,
    pub tables_bytes: u64,
    pub heaps: u64,
}

/// The figures at this moment; reading them costs malloc and free nothing.
pub fn stats() -> Stats {
    let mut s = Stats::default();
    unsafe { c::dmm_stats(&mut s, size_of::<Stats>()) };
    s
}

/// Give free memory back to the system; whether any went back.
pub fn trim() -> bool {
    unsafe { c::malloc_trim(0) != 0 }
}
