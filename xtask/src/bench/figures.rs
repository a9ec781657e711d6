//! What the benchmark measured, and its table.

use std::fmt::Write as _;
use std::time::Duration;

/// One client's results.
#[derive(Debug)]
pub(super) struct Figures {
    pub(super) down: Transfer,
    pub(super) up: Transfer,
    pub(super) parallel: Transfer,
    /// Of a page through a client that is ready.
    pub(super) first_byte: Duration,
    /// From the process's start to the first byte, nothing on disk.
    pub(super) cold: Duration,
    /// The same with what an earlier run left.
    pub(super) warm: Duration,
    /// Most ever resident, KiB.
    pub(super) memory: u64,
    /// Share of one processor while nobody asks for anything.
    pub(super) idle: f64,
}

/// One bulk transfer.
#[derive(Debug)]
pub(super) struct Transfer {
    pub(super) bytes: u64,
    pub(super) time: Duration,
    /// The client's processor time.
    pub(super) cpu: Duration,
}

impl Transfer {
    /// Processor seconds for 10^9 bytes.
    fn cpu_per_gb(&self) -> f64 {
        self.cpu.as_secs_f64() / self.gigabytes()
    }

    /// 10^6 bytes a second.
    fn megabytes_per_second(&self) -> f64 {
        self.gigabytes() * 1000.0 / self.time.as_secs_f64()
    }

    fn gigabytes(&self) -> f64 {
        // Kilobytes fit the exact conversion up to 4 TB.
        u32::try_from(self.bytes / 1000).map_or(f64::NAN, f64::from) / 1e6
    }
}

/// A line for each figure: ours, C Tor's, ours over C Tor's.
pub(super) fn table(ours: &Figures, theirs: &Figures) -> String {
    let mut text = format!("{:<34} {:>10} {:>10} {:>8}\n", "", "ours", "C Tor", "ratio");
    let mut row = |name: &str, figure: fn(&Figures) -> f64| {
        let (a, b) = (figure(ours), figure(theirs));
        let ratio = if b > 0.0 { format!("{:.2}", a / b) } else { "-".to_owned() };
        let _ = writeln!(text, "{name:<34} {a:>10.3} {b:>10.3} {ratio:>8}");
    };
    row("down, CPU s/GB", |f| f.down.cpu_per_gb());
    row("up, CPU s/GB", |f| f.up.cpu_per_gb());
    row("20 down, CPU s/GB", |f| f.parallel.cpu_per_gb());
    row("down, MB/s", |f| f.down.megabytes_per_second());
    row("up, MB/s", |f| f.up.megabytes_per_second());
    row("20 down, MB/s", |f| f.parallel.megabytes_per_second());
    row("page to first byte, ms", |f| f.first_byte.as_secs_f64() * 1000.0);
    row("cold start to first byte, s", |f| f.cold.as_secs_f64());
    row("warm start to first byte, s", |f| f.warm.as_secs_f64());
    row("peak resident memory, MiB", |f| u32::try_from(f.memory).map_or(f64::NAN, f64::from) / 1024.0);
    row("idle CPU, ms/s", |f| f.idle * 1000.0);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures(factor: u32) -> Figures {
        let transfer = |bytes| Transfer {
            bytes,
            time: Duration::from_secs(10) * factor,
            cpu: Duration::from_secs(3) * factor,
        };
        Figures {
            down: transfer(1_000_000_000),
            up: transfer(500_000_000),
            parallel: transfer(2_000_000_000),
            first_byte: Duration::from_millis(20),
            cold: Duration::from_secs(1),
            warm: Duration::from_millis(500) * factor,
            memory: 2048,
            idle: 0.0,
        }
    }

    #[test]
    fn the_table_has_units_and_ratios() {
        let table = table(&figures(1), &figures(2));
        let row = |name: &str| {
            let line = table.lines().find(|line| line.starts_with(name)).unwrap();
            line.rsplit("  ").filter(|word| !word.is_empty()).take(3).map(str::trim).collect::<Vec<_>>()
        };
        assert_eq!(row("down, CPU"), ["0.50", "6.000", "3.000"]);
        assert_eq!(row("up, CPU"), ["0.50", "12.000", "6.000"]);
        assert_eq!(row("20 down, MB/s"), ["2.00", "100.000", "200.000"]);
        assert_eq!(row("warm start"), ["0.50", "1.000", "0.500"]);
        assert_eq!(row("peak resident"), ["1.00", "2.000", "2.000"]);
        assert_eq!(row("idle CPU"), ["-", "0.000", "0.000"]);
    }
}
