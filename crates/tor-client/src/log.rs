//! The log, in C Tor's form: `Nov 22 12:27:16.000 [notice] Bootstrapped 100% (done): Done`.
//!
//! Tools read these lines (nyx takes its backlog from them, stem waits for `Bootstrapped N%`), so the form is
//! an interface. tracing's five levels are C Tor's: error is `err`, info is `notice` (what a user would
//! notice), debug is `info`, trace is `debug`.

use std::{
    fmt::{self, Write as _},
    fs::{File, OpenOptions},
    io::{self, Write},
    path::PathBuf,
    sync::{Mutex, PoisonError},
};

use jiff::Zoned;
use tracing::{
    Event, Level, Subscriber,
    field::{Field, Visit},
    level_filters::LevelFilter,
};
use tracing_subscriber::{Layer, layer::Context, prelude::*};

/// Where one `Log` line of the configuration sends what it selects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
    /// Appended to this file.
    File(PathBuf),
}

/// One `Log` line: which severities go where.
#[derive(Clone, Debug)]
pub struct Sink {
    /// The least severe level that is written.
    pub least: Level,
    /// The most severe level that is written.
    pub most: Level,
    /// Where to.
    pub target: Target,
}

/// Starts logging for the whole process. The first call wins. Times are rounded down to `granularity_ms`; log
/// files are emptied first if `truncate` says so.
///
/// # Errors
/// If a log file can't be opened.
pub fn start(sinks: &[Sink], granularity_ms: u32, truncate: bool) -> io::Result<()> {
    let outputs = sinks
        .iter()
        .map(|sink| {
            let writer = match &sink.target {
                Target::Stdout => Writer::Stdout,
                Target::Stderr => Writer::Stderr,
                Target::File(path) => Writer::File(Mutex::new({
                    if truncate {
                        File::create(path)?;
                    }
                    OpenOptions::new().create(true).append(true).open(path)?
                })),
            };
            Ok(Output { least: sink.least, most: sink.most, writer })
        })
        .collect::<io::Result<Vec<_>>>()?;
    let most_verbose = sinks.iter().map(|sink| sink.least).max().map_or(LevelFilter::OFF, LevelFilter::from);
    let layer = CTorForm { outputs, granularity_ms: granularity_ms.max(1) }.with_filter(
        tracing_subscriber::filter::Targets::new()
            .with_target("rustls", LevelFilter::WARN)
            .with_default(most_verbose),
    );
    let _already_started = tracing_subscriber::registry().with(layer).try_init();
    Ok(())
}

struct CTorForm {
    outputs: Vec<Output>,
    granularity_ms: u32,
}

struct Output {
    least: Level,
    most: Level,
    writer: Writer,
}

enum Writer {
    Stdout,
    Stderr,
    File(Mutex<File>),
}

impl<S: Subscriber> Layer<S> for CTorForm {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let level = *event.metadata().level();
        let mut line = String::with_capacity(120);
        let now = Zoned::now();
        let step = i64::from(self.granularity_ms);
        let millis = i64::from(now.millisecond()) / step.min(1000) * step.min(1000);
        let _ =
            write!(line, "{}.{:03} [{}] ", now.strftime("%b %d %H:%M:%S"), millis % 1000, severity(level));
        event.record(&mut Fields { line: &mut line });
        line.push('\n');
        for output in &self.outputs {
            if level <= output.least && level >= output.most {
                output.writer.write(line.as_bytes());
            }
        }
    }
}

impl Writer {
    /// A log that can't be written has nobody to complain to.
    fn write(&self, line: &[u8]) {
        let _ = match self {
            Self::Stdout => io::stdout().lock().write_all(line),
            Self::Stderr => io::stderr().lock().write_all(line),
            Self::File(file) => file.lock().unwrap_or_else(PoisonError::into_inner).write_all(line),
        };
    }
}

/// C Tor's word for a level.
pub const fn severity(level: Level) -> &'static str {
    match level {
        Level::ERROR => "err",
        Level::WARN => "warn",
        Level::INFO => "notice",
        Level::DEBUG => "info",
        Level::TRACE => "debug",
    }
}

/// Writes the message, then the other fields as `name=value`.
struct Fields<'a> {
    line: &'a mut String,
}

impl Visit for Fields<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.record_debug(field, &format_args!("{value}"));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let start = self.line.len();
        let _ = match field.name() {
            "message" => write!(self.line, "{value:?}"),
            name => write!(self.line, " {name}={value:?}"),
        };
        // One event is one line, whatever a peer put into a field.
        if self.line.get(start..).is_some_and(|written| written.contains(['\n', '\r'])) {
            let cleaned = self.line.get(start..).unwrap_or_default().replace(['\n', '\r'], " ");
            self.line.truncate(start);
            self.line.push_str(&cleaned);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn logged(sinks: &[(Level, Level)], log: impl FnOnce()) -> Vec<String> {
        let dir = tempfile::tempdir().unwrap();
        let paths: Vec<_> = (0..sinks.len()).map(|index| dir.path().join(index.to_string())).collect();
        let outputs = sinks.iter().zip(&paths).map(|((least, most), path)| Output {
            least: *least,
            most: *most,
            writer: Writer::File(Mutex::new(File::create(path).unwrap())),
        });
        let layer = CTorForm { outputs: outputs.collect(), granularity_ms: 1000 };
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), log);
        paths.iter().map(|path| std::fs::read_to_string(path).unwrap()).collect()
    }

    #[test]
    fn a_line_has_c_tors_form() {
        let log = logged(&[(Level::INFO, Level::ERROR)], || {
            tracing::info!(relay = 7, "Bootstrapped {}% (done): Done", 100);
        });
        let line = log[0].strip_suffix('\n').unwrap();
        // `Nov 22 12:27:16.000`: what nyx and stem parse.
        let (time, rest) = line.split_at("Nov 22 12:27:16.000".len());
        assert!(time.ends_with(".000"), "times are rounded down to LogTimeGranularity: {time}");
        assert!(jiff::fmt::strtime::parse("%b %d %H:%M:%S", time.trim_end_matches(".000")).is_ok(), "{time}");
        assert_eq!(rest, " [notice] Bootstrapped 100% (done): Done relay=7");
    }

    #[test]
    fn each_log_line_gets_its_severities() {
        let log = logged(&[(Level::INFO, Level::ERROR), (Level::TRACE, Level::DEBUG)], || {
            tracing::error!("one");
            tracing::warn!("two");
            tracing::info!("three");
            tracing::debug!("four");
            tracing::trace!("five");
        });
        let severities = |text: &str| -> Vec<String> {
            text.lines().map(|line| line.split(' ').nth(3).unwrap().to_owned()).collect()
        };
        assert_eq!(severities(&log[0]), ["[err]", "[warn]", "[notice]"]);
        assert_eq!(severities(&log[1]), ["[info]", "[debug]"]);
    }

    #[test]
    fn one_event_is_one_line() {
        let log = logged(&[(Level::INFO, Level::ERROR)], || {
            tracing::info!(said = "a\r\nNov 22 00:00:00.000 [err] forged", "A relay says:");
        });
        assert_eq!(log[0].lines().count(), 1, "{:?}", log[0]);
    }
}
