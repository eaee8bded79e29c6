//! CPU time of this process and of its children, in the jiffies that the whole machine is counted in.

use std::fs;

/// CPU time of this process, of its children that live, and of those it has seen end. `None` where there is no `/proc`.
pub(super) fn jiffies() -> Option<u64> {
    jiffies_of(std::process::id())
}

pub(super) fn jiffies_of(process: u32) -> Option<u64> {
    let itself = Times::parse(&fs::read_to_string(format!("/proc/{process}/stat")).ok()?)?;
    let is_child = |times: &Times| times.parent == process;
    // A process may end between the listing and the look.
    let stats = fs::read_dir("/proc").ok()?.filter_map(|entry| {
        let entry = entry.ok()?;
        let is_process = entry.file_name().to_str()?.bytes().all(|byte| byte.is_ascii_digit());
        is_process.then(|| fs::read_to_string(entry.path().join("stat")).ok()).flatten()
    });
    let children = stats.filter_map(|stat| Times::parse(&stat)).filter(is_child);
    Some(itself.jiffies + itself.ended_children + children.map(|child| child.jiffies).sum::<u64>())
}

/// What `/proc/<pid>/stat` says of a process.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Times {
    pub(super) parent: u32,
    /// Of all its threads, in programs and for them.
    pub(super) jiffies: u64,
    /// Of children that ended and were waited for.
    pub(super) ended_children: u64,
}

impl Times {
    pub(super) fn parse(stat: &str) -> Option<Times> {
        // The name before it is in parentheses, and may hold any of them.
        let (_, rest) = stat.rsplit_once(')')?;
        let fields: Vec<&str> = rest.split_whitespace().collect();
        let number = |at: usize| fields.get(at)?.parse::<u64>().ok();
        Some(Times {
            parent: fields.get(1)?.parse().ok()?,
            jiffies: number(11)? + number(12)?,
            ended_children: number(13)? + number(14)?,
        })
    }
}
