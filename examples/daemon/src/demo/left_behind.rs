//! Whether anything of the demo still runs.

use std::path::Path;

use super::releases::MARKER;

/// Processes that the demo started and that are still there, as `pid name`; those that nobody has reaped included.
pub(super) fn processes(directory: &Path) -> Vec<String> {
    let marker = format!("{MARKER}={}", directory.display());
    let Ok(entries) = std::fs::read_dir("/proc") else {
        return vec!["unknown: /proc cannot be read".to_owned()];
    };
    let pids = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    pids.filter(|pid| is_marked(*pid, &marker) || is_child(*pid))
        .map(|pid| format!("{pid} {}", name(pid)))
        .collect()
}

fn is_marked(pid: u32, marker: &str) -> bool {
    // A process that cannot be read has just ended, or is somebody else's.
    let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
    environment.split(|byte| *byte == 0).any(|entry| entry == marker.as_bytes())
}

/// The fourth field of `proc_pid_stat(5)` is the parent; the second, the name, may hold anything, so we count from
/// the end of it.
fn is_child(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let parent = stat.rsplit_once(") ").and_then(|(_, rest)| rest.split(' ').nth(1)?.parse::<u32>().ok());
    parent == Some(std::process::id())
}

fn name(pid: u32) -> String {
    std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default().trim().to_owned()
}
