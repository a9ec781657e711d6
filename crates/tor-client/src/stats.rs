//! What the client says of itself in its log when it is asked to: statistics (`SIGUSR1`), its heartbeat, everything
//! (`SIGUSR2`).

use std::time::Duration;

use tracing::{Level, debug, info, trace};

use crate::{Client, ReconfigureError};

impl Client {
    /// Logs what there is: ports, connections, circuits, bytes (`SIGUSR1`). At `info`, or at `notice` where `info` would
    /// not be seen.
    pub fn dump_stats(&self) {
        let seen = self.log().and_then(crate::Log::lowest).is_some_and(|lowest| lowest >= Level::DEBUG);
        for line in self.statistics() {
            if seen { debug!("{line}") } else { info!("{line}") }
        }
    }

    /// Everything is logged, by every `Log` line, until the configuration is read again (`SIGUSR2`).
    pub fn debug_logging(&self) {
        if let Some(log) = self.log() {
            log.debug();
        }
        trace!("Caught USR2, going to loglevel debug. Send HUP to change back.");
    }

    /// Opens the log files anew, so that somebody who has moved them away gets new ones.
    ///
    /// # Errors
    /// If one can't be opened; then nothing has changed.
    pub fn reopen_logs(&self) -> Result<(), ReconfigureError> {
        if let Some(log) = self.log() {
            log.commit(log.prepare(&self.config().log)?);
            log.truncate();
        }
        Ok(())
    }

    /// Logs how the client is, in a line.
    pub fn heartbeat(&self) {
        let traffic = self.ledger().traffic();
        let connections = self.ledger().or_connections().len();
        info!(
            "Heartbeat: Tor's uptime is {}, with {} circuits open. I've sent {} and received {}. I have {connections} \
             connections to relays.",
            hours(self.uptime()),
            self.ledger().circuits().len(),
            amount(traffic.written),
            amount(traffic.read),
        );
    }

    fn statistics(&self) -> Vec<String> {
        let mut lines = vec!["Dumping stats:".to_owned()];
        for kind in ["socks", "control"] {
            lines.extend(self.listeners(kind).iter().map(|place| format!("Listening for {kind} on {place}")));
        }
        let connections = self.ledger().or_connections();
        lines.extend(
            connections.iter().map(|connection| format!("Connection: {}", connection.status.status_line())),
        );
        let circuits = self.ledger().circuits();
        lines.extend(circuits.iter().map(|circuit| format!("Circuit: {}", circuit.status_line())));
        if let Some(view) = self.view() {
            let (relays, described) = view.relays().fold((0_usize, 0_usize), |(all, described), relay| {
                (all.saturating_add(1), described.saturating_add(usize::from(relay.microdesc().is_some())))
            });
            lines.push(format!(
                "The consensus has {relays} relays; of {described} we have a microdescriptor."
            ));
        }
        let traffic = self.ledger().traffic();
        let seconds = self.uptime().as_secs();
        for (bytes, how) in [(traffic.read, "reading"), (traffic.written, "writing")] {
            if let Some(rate) = bytes.checked_div(seconds) {
                lines.push(format!("Average bandwidth: {bytes}/{seconds} = {rate} bytes/sec {how}"));
            }
        }
        lines
    }
}

/// `3:05 hours`, `1 day 0:00 hours`, `2 days 4:30 hours`.
fn hours(time: Duration) -> String {
    let minutes = time.as_secs() / 60;
    let (days, hours, minutes) = (minutes / 1440, minutes / 60 % 24, minutes % 60);
    match days {
        0 => format!("{hours}:{minutes:02} hours"),
        1 => format!("1 day {hours}:{minutes:02} hours"),
        days => format!("{days} days {hours}:{minutes:02} hours"),
    }
}

/// `12 kB`, `3.40 MB`, `1.05 GB`.
fn amount(bytes: u64) -> String {
    const MIB: u64 = 1 << 20;
    const GIB: u64 = 1 << 30;
    let hundredths = |unit: u64| {
        let whole = bytes / unit;
        let rest = (bytes % unit) * 100 / unit;
        format!("{whole}.{rest:02}")
    };
    match bytes {
        0..MIB => format!("{} kB", bytes >> 10),
        MIB..GIB => format!("{} MB", hundredths(MIB)),
        GIB.. => format!("{} GB", hundredths(GIB)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_amounts_have_c_tors_form() {
        let hours = |seconds| hours(Duration::from_secs(seconds));
        assert_eq!(hours(59), "0:00 hours");
        assert_eq!(hours(3 * 3600 + 5 * 60 + 59), "3:05 hours");
        assert_eq!(hours(86_400), "1 day 0:00 hours");
        assert_eq!(hours(2 * 86_400 + 4 * 3600 + 30 * 60), "2 days 4:30 hours");
        assert_eq!(amount(1_048_575), "1023 kB");
        assert_eq!(amount(3 << 19), "1.50 MB");
        assert_eq!(amount(u64::MAX), "17179869183.99 GB");
    }
}
