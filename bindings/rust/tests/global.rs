//! A program on the crate: its allocations are libdmm's, aligned, cleared, kept, and counted.

use std::alloc::{alloc, alloc_zeroed, dealloc, realloc, Layout};
use std::collections::HashMap;
use std::thread;

#[global_allocator]
static GLOBAL: dmm::Dmm = dmm::Dmm;

// No test harness: its main thread allocates while a test runs, and the figures would not be exact.
fn main() {
    objects_are_counted_exactly();
    every_alignment_is_kept();
    contents_are_kept_by_realloc();
    threads_share_collections();
    println!("the global allocator is libdmm");
}

fn objects_are_counted_exactly() {
    let mut held: Vec<Box<[u8; 48]>> = Vec::with_capacity(1000);
    let before = dmm::stats();
    for i in 0..1000 {
        held.push(Box::new([i as u8; 48]));
    }
    let full = dmm::stats();
    assert_eq!(full.live_objects, before.live_objects + 1000);
    assert_eq!(full.live_bytes, before.live_bytes + 48 * 1000);
    assert_eq!(full.mapped_bytes, full.live_bytes + full.free_bytes + full.lost_bytes + full.tables_bytes);
    held.clear();
    assert_eq!(dmm::stats().live_objects, before.live_objects);
}

fn every_alignment_is_kept() {
    for shift in 0..=16 {
        for size in [1, 48, 100_000] {
            let layout = Layout::from_size_align(size, 1 << shift).unwrap();
            unsafe {
                let p = alloc_zeroed(layout);
                assert!(!p.is_null() && p as usize % layout.align() == 0);
                assert!((0..size).all(|i| *p.add(i) == 0));
                dealloc(p, layout);
            }
        }
    }
}

fn contents_are_kept_by_realloc() {
    for align in [8, 256] {
        let mut layout = Layout::from_size_align(100, align).unwrap();
        unsafe {
            let mut p = alloc(layout);
            p.write_bytes(7, 100);
            for size in [1000, 1_000_000, 50] {
                p = realloc(p, layout, size);
                layout = Layout::from_size_align(size, align).unwrap();
                assert!(p as usize % align == 0);
                assert!((0..size.min(100)).all(|i| *p.add(i) == 7));
            }
            dealloc(p, layout);
        }
    }
}

fn threads_share_collections() {
    let workers: Vec<_> = (0..8)
        .map(|t| {
            thread::spawn(move || (0..10_000).map(|i| (i, format!("{t}:{i}"))).collect::<HashMap<_, _>>())
        })
        .collect();
    for (t, worker) in workers.into_iter().enumerate() {
        let map = worker.join().unwrap(); // freed by another thread than it was allocated by
        assert_eq!(map[&9_999], format!("{t}:9999"));
    }
}
