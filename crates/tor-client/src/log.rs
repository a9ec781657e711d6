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
