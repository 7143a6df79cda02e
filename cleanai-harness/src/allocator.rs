//! Settings of the C library's allocator that suit a network: the outputs of its layers, megabytes each, are freed and
//! allocated again with every batch.

/// Keeps freed memory for the next allocation instead of giving it back to the system.
///
/// glibc maps every block above its threshold anew and unmaps it when it is freed, so that every layer of every batch pays
/// for page faults over its whole output. Kept, plain runs of
/// ResNet-50 in batches of 16 take 15 CPU seconds instead of 23, a coverage pass over it 23 instead of 32, of which the system
/// takes 0.5 instead of 6; the peak of the pass is 780 MB instead of 720 (8 and 8 batches, on a busy machine of 2 cores; glibc 2.36).
///
/// To be called first thing in a process. Elsewhere than on Linux with glibc it does nothing; where glibc refuses a setting,
/// memory is managed as before.
#[cfg(feature = "torch")]
pub fn keep_freed_memory() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    for (setting, value) in SETTINGS {
        // SAFETY: mallopt takes two integers, locks what it changes, and refuses what it does not know.
        unsafe { libc::mallopt(*setting, *value) };
    }
}

#[cfg(all(target_os = "linux", target_env = "gnu", feature = "torch"))]
const SETTINGS: &[(libc::c_int, libc::c_int)] = &[
    // One heap for all threads: the others are cut into pieces of 64 MiB that are mapped and unmapped, and tests run on such.
    (libc::M_ARENA_MAX, 1),
    // No block is a mapping of its own.
    (libc::M_MMAP_MAX, 0),
    // The end of the heap is given back only when 2 GiB of it are free.
    (libc::M_TRIM_THRESHOLD, libc::c_int::MAX),
    // The heap grows by 64 MiB at a time.
    (libc::M_TOP_PAD, 64 << 20),
];

/// What the processor's large pages take, and where they begin.
#[cfg(all(target_os = "linux", feature = "torch"))]
const LARGE_PAGE: usize = 2 << 20;

/// Asks the system for large pages under memory that nothing has been written to yet. Bits of hundreds of megabytes, all of which every batch touches,
/// come into being with a quarter of the time in the system, and their addresses are found sooner. Where the system has no such pages, or gives them
/// anyway, it does nothing.
pub(crate) fn prefer_large_pages(words: &mut [u64]) {
    #[cfg(all(target_os = "linux", feature = "torch"))]
    {
        let start = words.as_mut_ptr() as usize;
        let first = start.next_multiple_of(LARGE_PAGE);
        let length = (start + size_of_val(words)).saturating_sub(first) / LARGE_PAGE * LARGE_PAGE;
        if length > 0 {
            // SAFETY: these are whole pages within `words`; the advice leaves what is in them as it is.
            unsafe {
                libc::madvise(words.as_mut_ptr().cast::<u8>().add(first - start).cast(), length, libc::MADV_HUGEPAGE)
            };
        }
    }
    #[cfg(not(all(target_os = "linux", feature = "torch")))]
    let _ = words;
}
