//! The log, in C Tor's form: `Nov 22 12:27:16.000 [notice] Bootstrapped 100% (done): Done`.
//!
//! Tools read these lines (nyx takes its backlog from them, stem waits for `Bootstrapped N%`), so the form is
//! an interface. tracing's five levels are C Tor's: error is `err`, info is `notice` (what a user would
//! notice), debug is `info`, trace is `debug`. C Tor's log domains are not told apart: a `Log` line that names
//! domains gets what it says of `general`.
//!
//! The same messages, without date and severity, are the control port's events DEBUG, INFO, NOTICE, WARN and ERR,
//! whatever the `Log` lines select. A message that nobody wants, neither a file nor a controller, is not even made:
//! [`Log::interest_changed`] tells tracing which severities are wanted, and it skips the others by comparing two
//! numbers.

mod outputs;

use std::{
    cell::Cell,
    fmt::{self, Write as _},
    sync::{
        Arc, OnceLock, PoisonError, RwLock, RwLockReadGuard,
        atomic::{AtomicU8, Ordering},
    },
};

use jiff::{Timestamp, Zoned};
use tor_config::{LogConfig, LogLine, LogTarget, Notice, NoticeLevel, SafeLogging, Severity};
use tor_ctrl_events::{EventSink, LogLevel};
use tracing::{
    Event, Level, Metadata, Subscriber, debug,
    field::{Field, Visit},
    info,
    level_filters::LevelFilter,
    subscriber::Interest,
    warn,
};
use tracing_subscriber::{Layer, layer::Context, prelude::*};

pub use self::outputs::LogFiles;
use self::outputs::{Levels, Outputs};
use crate::ReconfigureError;

/// The log of a process. Clones share it.
#[derive(Clone, Debug)]
pub struct Log(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    outputs: RwLock<Outputs>,
    events: OnceLock<Arc<dyn EventSink>>,
    /// What anybody wants; see [`Levels`].
    wanted: AtomicU8,
}

thread_local! {
    /// What is logged while an event is on its way to the controllers is no event.
    static TELLING: Cell<bool> = const { Cell::new(false) };
}

impl Log {
    /// Starts logging for the whole process. If something else logs for it already, this log gets nothing.
    ///
    /// # Errors
    /// If a log file can't be opened.
    pub fn start(config: &LogConfig) -> Result<Self, ReconfigureError> {
        let log = Self::new(config)?;
        let _already_started = tracing_subscriber::registry().with(log.layer()).try_init();
        log.warn_if_sensitive(None, config);
        Ok(log)
    }

    /// Starts logging notices to standard output: what there is before there is a configuration.
    pub fn start_plain() {
        let config = LogConfig {
            lines: vec![LogLine::from(Severity::Notice, LogTarget::Stdout)],
            ..LogConfig::default()
        };
        let _standard_output_is_there = Self::start(&config);
    }

    /// A log that nobody writes to until its [`Log::layer`] is part of a subscriber.
    ///
    /// # Errors
    /// If a log file can't be opened.
    pub fn new(config: &LogConfig) -> Result<Self, ReconfigureError> {
        let outputs = Outputs::open(config)?.commit(None);
        let wanted = AtomicU8::new(outputs.levels().0);
        Ok(Self(Arc::new(Shared { outputs: RwLock::new(outputs), events: OnceLock::new(), wanted })))
    }

    /// What passes tracing's messages to this log.
    pub fn layer<S: Subscriber>(&self) -> impl Layer<S> + use<S> {
        CTorForm(self.clone())
    }

    /// Opens the files of other `Log` lines. Nothing else changes before [`Log::commit`]; a file that is new goes away
    /// again with what is returned.
    ///
    /// # Errors
    /// If a file can't be opened.
    pub fn prepare(&self, config: &LogConfig) -> Result<LogFiles, ReconfigureError> {
        Outputs::open(config)
    }

    /// The log goes to these files from now on, and those of before are closed.
    pub fn commit(&self, files: LogFiles) {
        let config = files.config().clone();
        let old = {
            let mut outputs = self.0.outputs.write().unwrap_or_else(PoisonError::into_inner);
            let new = files.commit(Some(&outputs));
            std::mem::replace(&mut *outputs, new)
        };
        self.interest_changed();
        self.warn_if_sensitive(Some(&old), &config);
    }

    /// Everything is logged everywhere (`SIGUSR2`), until the next [`Log::commit`].
    pub fn debug(&self) {
        self.0.outputs.write().unwrap_or_else(PoisonError::into_inner).want_all();
        self.interest_changed();
    }

    /// Empties the log files, if the configuration has them emptied (`TruncateLogFile`).
    pub fn truncate(&self) {
        self.outputs().truncate();
    }

    /// Controllers get the messages too, as many as they want. The first call wins.
    pub fn tell(&self, events: Arc<dyn EventSink>) {
        let _told_already = self.0.events.set(events);
        self.interest_changed();
    }

    /// To be called when the set of log events that controllers want has changed.
    pub fn interest_changed(&self) {
        let mut wanted = self.outputs().levels();
        if let Some(events) = self.0.events.get() {
            for level in LEVELS {
                if events.wants(log_level(level).kind()) {
                    wanted.add(level);
                }
            }
        }
        if self.0.wanted.swap(wanted.0, Ordering::Relaxed) != wanted.0 {
            tracing::callsite::rebuild_interest_cache();
        }
    }

    /// The least grave severity that a `Log` line selects.
    pub fn lowest(&self) -> Option<Level> {
        self.outputs().levels().lowest()
    }

    fn outputs(&self) -> RwLockReadGuard<'_, Outputs> {
        self.0.outputs.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn wants(&self, metadata: &Metadata<'_>) -> bool {
        let wanted = Levels(self.0.wanted.load(Ordering::Relaxed));
        // What the TLS library says in detail is of no use to anybody here.
        let noise = metadata.target().starts_with("rustls") && *metadata.level() > Level::WARN;
        wanted.has(*metadata.level()) && !noise
    }

    /// C Tor's warning about logs that tell too much, when that is news.
    fn warn_if_sensitive(&self, old: Option<&Outputs>, config: &LogConfig) {
        let lowest = self.lowest();
        let unsafe_now = config.safe != SafeLogging::All;
        let chatty = lowest.is_some_and(|lowest| lowest > Level::INFO);
        let news = old.is_none_or(|old| {
            unsafe_now && old.safe() != config.safe || chatty && old.levels().lowest() != lowest
        });
        let badness = match (unsafe_now, chatty) {
            (true, true) => "you disabled SafeLogging, and you're logging more than \"notice\"",
            (true, false) => "you disabled SafeLogging",
            (false, true) => "you're logging more than \"notice\"",
            (false, false) => return,
        };
        if news {
            warn!(
                "Your log may contain sensitive information - {badness}. Don't log unless it serves an important \
                 reason. Overwrite the log afterwards."
            );
        }
    }
}

/// Logs what was found in a configuration.
pub fn say_notices(notices: &[Notice]) {
    for notice in notices {
        match notice.severity {
            NoticeLevel::Warn => warn!("{}", notice.text),
            NoticeLevel::Notice => info!("{}", notice.text),
            NoticeLevel::Info => debug!("{}", notice.text),
        }
    }
}

struct CTorForm(Log);

impl<S: Subscriber> Layer<S> for CTorForm {
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        if self.0.wants(metadata) { Interest::always() } else { Interest::never() }
    }

    fn enabled(&self, metadata: &Metadata<'_>, _: Context<'_, S>) -> bool {
        self.0.wants(metadata)
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        let wanted = Levels(self.0.0.wanted.load(Ordering::Relaxed));
        Some(wanted.lowest().map_or(LevelFilter::OFF, LevelFilter::from))
    }

    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let level = *event.metadata().level();
        let kind = log_level(level).kind();
        let events = self.0.0.events.get().filter(|events| events.wants(kind) && !TELLING.get());
        let outputs = self.0.outputs();
        let logged = outputs.levels().has(level);
        if !logged && events.is_none() {
            return;
        }
        let mut line = String::with_capacity(120);
        if logged {
            prefix(&mut line, level, outputs.granularity_ms());
        }
        let start = line.len();
        event.record(&mut Fields { line: &mut line });
        let told = events.map(|events| (events, line.get(start..).unwrap_or_default().to_owned()));
        if logged {
            line.push('\n');
            outputs.write(level, line.as_bytes());
        }
        drop(outputs);
        if let Some((events, text)) = told {
            TELLING.set(true);
            events.emit(tor_ctrl_events::Log { level: log_level(level), text }.into());
            TELLING.set(false);
        }
    }
}

/// Date, time and severity.
fn prefix(line: &mut String, level: Level, granularity_ms: u32) {
    let now = Zoned::now();
    let step = i64::from(granularity_ms.max(1));
    let millis = now.timestamp().as_millisecond();
    let rounded = Timestamp::from_millisecond(millis.saturating_sub(millis.rem_euclid(step)));
    let now = rounded.map_or_else(|_| now.clone(), |rounded| rounded.to_zoned(now.time_zone().clone()));
    let at = now.strftime("%b %d %H:%M:%S");
    // A log that can't be formatted has nobody to complain to.
    let _never = write!(line, "{at}.{:03} [{}] ", now.millisecond(), severity(level));
}

const LEVELS: [Level; 5] = [Level::ERROR, Level::WARN, Level::INFO, Level::DEBUG, Level::TRACE];

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

const fn log_level(level: Level) -> LogLevel {
    match level {
        Level::ERROR => LogLevel::Err,
        Level::WARN => LogLevel::Warn,
        Level::INFO => LogLevel::Notice,
        Level::DEBUG => LogLevel::Info,
        Level::TRACE => LogLevel::Debug,
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
mod tests;
