//! Which processor a thread runs on, and whatever it starts from then on; what a process has used.

use std::process::{Child, Command};

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

/// Starts a process on a processor, from a thread that belongs to the others.
pub(crate) fn spawn(command: &mut Command, processor: usize) -> Child {
    choose(processor);
    let child = command.spawn().unwrap();
    choose(OTHERS);
    child
}

/// How long the threads of a process have had a processor, in seconds: unlike the clock, that is not shared with whoever
/// else is at work.
pub(crate) fn used(process: u32) -> f64 {
    let threads = std::fs::read_dir(format!("/proc/{process}/task")).into_iter().flatten().flatten();
    let times = threads.filter_map(|thread| std::fs::read_to_string(thread.path().join("schedstat")).ok());
    let nanoseconds = times.filter_map(|times| times.split_whitespace().next()?.parse::<u64>().ok());
    nanoseconds.sum::<u64>() as f64 / 1e9
}

/// What a process takes up, in MiB.
pub(crate) fn memory(process: u32) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<f64>().ok());
    kib.unwrap_or_default() / 1024.0
}
