//! Processes: none outlives the tests, and what one costs.

use std::{
    fs,
    process::{Child, Command, Stdio},
    sync::OnceLock,
    time::Duration,
};

/// The process group that everything under test is started in.
///
/// Its leader is a shell that waits for the end of its input, which comes when this process ends in whatever way, and then
/// kills the group.
pub fn group() -> i32 {
    static GUARD: OnceLock<Child> = OnceLock::new();
    let guard = GUARD.get_or_init(|| {
        use std::os::unix::process::CommandExt;
        Command::new("sh")
            .args(["-c", "read -r _; kill -9 0"])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .expect("sh can be run")
    });
    i32::try_from(guard.id()).expect("process ids are small")
}

/// The processes that a process has started and that have not ended. Linux only.
pub fn children(pid: u32) -> Vec<u32> {
    let pids = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    pids.split_whitespace().filter_map(|pid| pid.parse().ok()).collect()
}

/// Resident memory of a process, in bytes; what has ended has none. Linux only.
pub fn resident_bytes(pid: u32) -> Option<u64> {
    status_field(pid, "VmRSS:")
}

/// The most resident memory that a process ever had, in bytes. Linux only.
pub fn peak_resident_bytes(pid: u32) -> Option<u64> {
    status_field(pid, "VmHWM:")
}

fn status_field(pid: u32, field: &str) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(field))?;
    let kib: u64 = line.trim().trim_end_matches(" kB").parse().ok()?;
    Some(kib * 1024)
}

/// CPU time that a process has used, user and system. Linux only.
pub fn cpu_time(pid: u32) -> Option<Duration> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The second field is the program's name in parentheses and may hold spaces; user and system time are fields 14 and 15.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    let ticks_per_second = rustix::param::clock_ticks_per_second();
    Some(Duration::from_millis((user + system) * 1_000 / ticks_per_second))
}
