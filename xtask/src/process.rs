//! Processes that outlive the command that started them.
//!
//! A pid alone does not name a process for long: the kernel hands it out again. [`Pid`] therefore pairs it with
//! the start time that `/proc/PID/stat` reports, and a signal goes through a pidfd that was opened *before* the
//! start time was compared, so that a recycled pid is never hit.

use std::fs;
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::{PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use serde::{Deserialize, Serialize};

/// One process, for ever: its pid and the clock tick since boot at which it started.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, PartialEq, Eq)]
pub(crate) struct Pid {
    pid: i32,
    started: u64,
}

impl Pid {
    /// Names the process that has `pid` now.
    pub(crate) fn of(pid: i32) -> Result<Self> {
        let started = start_tick(pid).with_context(|| format!("process {pid} is not running"))?;
        Ok(Self { pid, started })
    }

    /// Waits until a daemon has written its pid file, and names it.
    pub(crate) fn from_file(path: &Path, patience: Duration) -> Result<Self> {
        let deadline = Instant::now() + patience;
        loop {
            let text = fs::read_to_string(path).unwrap_or_default();
            if let Ok(pid) = text.trim().parse() {
                return Self::of(pid);
            }
            if Instant::now() > deadline {
                bail!("no process id appeared in {}", path.display());
            }
            sleep(Duration::from_millis(20));
        }
    }

    /// The number, for `/proc`.
    pub(crate) fn number(self) -> i32 {
        self.pid
    }

    /// Whether this very process still runs (a zombie does not).
    pub(crate) fn is_alive(self) -> bool {
        start_tick(self.pid) == Some(self.started)
    }

    /// Sends `signal` if this very process still runs, and says whether it did.
    pub(crate) fn signal(self, signal: Signal) -> Result<bool> {
        let Some(pid) = rustix::process::Pid::from_raw(self.pid) else {
            return Ok(false);
        };
        let Ok(handle) = pidfd_open(pid, PidfdFlags::empty()) else {
            return Ok(false);
        };
        // The handle is fixed to one process now; only afterwards is it certain which one that is.
        if !self.is_alive() {
            return Ok(false);
        }
        pidfd_send_signal(&handle, signal).with_context(|| format!("signal to {}", self.pid))?;
        Ok(true)
    }

    /// Interrupts the process, waits for `grace`, then kills it. Says whether it ran at all.
    pub(crate) fn stop(self, grace: Duration) -> Result<bool> {
        if !self.signal(Signal::INT)? {
            return Ok(false);
        }
        if !self.await_exit(grace) {
            self.signal(Signal::KILL)?;
            self.await_exit(grace);
        }
        Ok(true)
    }

    /// Waits at most `patience` for the process to end; says whether it has.
    pub(crate) fn await_exit(self, patience: Duration) -> bool {
        let deadline = Instant::now() + patience;
        while self.is_alive() {
            if Instant::now() > deadline {
                return false;
            }
            sleep(Duration::from_millis(20));
        }
        true
    }
}

/// Field 22 of `/proc/PID/stat`, or `None` if there is no such process or it is a zombie.
fn start_tick(pid: i32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The second field is the command in parentheses and may itself hold spaces and parentheses.
    let (_, fields) = stat.rsplit_once(") ")?;
    let mut fields = fields.split(' ');
    let state = fields.next()?;
    let started = fields.nth(18)?.parse().ok()?;
    (!matches!(state, "Z" | "X")).then_some(started)
}

#[cfg(test)]
mod tests {
    use std::process::{Command, id};

    use super::*;

    #[test]
    fn this_process_is_alive_and_a_different_start_time_is_not() {
        let me = Pid::of(i32::try_from(id()).unwrap()).unwrap();
        assert!(me.is_alive());
        let other = Pid { started: me.started + 1, ..me };
        assert!(!other.is_alive());
        assert!(!other.signal(Signal::KILL).unwrap(), "a recycled pid is left alone");
    }

    #[test]
    fn stop_ends_the_process_and_reports_a_dead_one() {
        let mut child = Command::new("sleep").arg("600").spawn().unwrap();
        let pid = Pid::of(i32::try_from(child.id()).unwrap()).unwrap();
        assert!(pid.stop(Duration::from_secs(5)).unwrap());
        assert!(!child.wait().unwrap().success());
        assert!(!pid.stop(Duration::from_secs(5)).unwrap());
    }
}
