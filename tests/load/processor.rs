//! Which processor a thread runs on, and whatever it starts from then on.

/// The gateway's own.
pub(crate) const GATEWAY: usize = 0;

/// That of the clients and vendors.
pub(crate) const OTHERS: usize = 1;

/// Keeps this thread to one processor. Where the system has no way to say so, or no such processor, all share what there is.
pub(crate) fn choose(processor: usize) {
    #[cfg(target_os = "linux")]
    {
        let mut set = rustix::thread::CpuSet::new();
        set.set(processor);
        let _ = rustix::thread::sched_setaffinity(None, &set);
    }
    #[cfg(not(target_os = "linux"))]
    let _ = processor;
}
