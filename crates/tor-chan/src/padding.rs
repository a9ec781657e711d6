//! Connection padding: cells that mean nothing, sent when a link falls silent, so that those who record
//! flows see one long flow. <https://spec.torproject.org/padding-spec/connection-level-padding.html>
//!
//! ```text
//!   a cell, either way ──▶ Busy ── no cell for the least delay: draw a delay ──▶ Quiet
//!                           ▲                                                       │ it has passed:
//!                           └─────────────── a cell, either way ◀───────────────────┘ send PADDING
//! ```
//!
//! While cells flow there is no timer to re-arm: only a look, once in a while, whether they still do.

use std::time::{Duration, Instant};

use rand_core::CryptoRng;

/// When to pad, from the consensus. Lengths are whole milliseconds; 0 to 60,000.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PaddingParams {
    /// `nf_ito_low`: the least silence before a padding cell. Default 1,500 ms.
    pub ito_low: Duration,
    /// `nf_ito_high`: the most. Default 9,500 ms. If both are zero, nobody pads.
    pub ito_high: Duration,
    /// `nf_ito_low_reduced`: the least, with reduced padding. Default 9,000 ms.
    pub ito_low_reduced: Duration,
    /// `nf_ito_high_reduced`: the most, with reduced padding. Default 14,000 ms.
    pub ito_high_reduced: Duration,
    /// `nf_pad_before_usage`: pad as soon as there are circuits, not first when a user's data flows. Default
    /// true.
    pub pad_before_usage: bool,
}

/// The torrc option `ConnectionPadding`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ConnectionPadding {
    /// `0`: tell the relay not to pad, and do not pad.
    Off,
    /// `auto`: pad if the link's version (5) has padding.
    #[default]
    Auto,
    /// `1`: pad even if it has not.
    Always,
}

/// What a channel has been used for. It only ever rises.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Usage {
    /// Nothing, or one-hop circuits that fetch directory documents: no padding.
    #[default]
    Directory,
    /// A circuit of several hops.
    Circuits,
    /// A user's data: RELAY, not only RELAY_EARLY, has been sent on such a circuit.
    Traffic,
}

/// How often a busy link is looked at, at the most: C Tor's rhythm.
const LEAST_LOOK: Duration = Duration::from_secs(1);

#[derive(Clone, Copy, Debug)]
enum State {
    /// Cells flow, or have until now.
    Busy,
    /// None since `last_cell`; padding is due so much later.
    Quiet(Duration),
}

/// Decides when to pad.
#[derive(Debug)]
pub(crate) struct Padding {
    params: PaddingParams,
    /// Padding was agreed on, or is forced.
    on: bool,
    reduced: bool,
    usage: Usage,
    last_cell: Instant,
    state: State,
}

impl PaddingParams {
    /// The parameters as a consensus says them, within their bounds; `None` where it says nothing.
    pub fn from_consensus(param: impl Fn(&str) -> Option<i32>) -> Self {
        let default = Self::default();
        let millis = |name, default: Duration, least: Duration| {
            let value = param(name)
                .map_or(default, |millis| Duration::from_millis(u64::try_from(millis).unwrap_or(0)));
            value.max(least).min(Self::LONGEST)
        };
        let ito_low = millis("nf_ito_low", default.ito_low, Duration::ZERO);
        let ito_low_reduced = millis("nf_ito_low_reduced", default.ito_low_reduced, Duration::ZERO);
        Self {
            ito_low,
            ito_high: millis("nf_ito_high", default.ito_high, ito_low),
            ito_low_reduced,
            ito_high_reduced: millis("nf_ito_high_reduced", default.ito_high_reduced, ito_low_reduced),
            pad_before_usage: param("nf_pad_before_usage").is_none_or(|value| value > 0),
        }
    }

    const LONGEST: Duration = Duration::from_secs(60);
}

impl Default for PaddingParams {
    fn default() -> Self {
        Self {
            ito_low: Duration::from_millis(1500),
            ito_high: Duration::from_millis(9500),
            ito_low_reduced: Duration::from_millis(9000),
            ito_high_reduced: Duration::from_millis(14_000),
            pad_before_usage: true,
        }
    }
}

impl Padding {
    pub(crate) fn new(now: Instant, on: bool, reduced: bool, params: PaddingParams) -> Self {
        Self { params, on, reduced, usage: Usage::default(), last_cell: now, state: State::Busy }
    }

    /// A cell has been sent or received. True if the time of the next look may be earlier now.
    pub(crate) fn on_cell(&mut self, now: Instant) -> bool {
        self.last_cell = now;
        let was_quiet = matches!(self.state, State::Quiet(_));
        self.state = State::Busy;
        was_quiet
    }

    pub(crate) fn on_usage(&mut self, usage: Usage) {
        self.usage = self.usage.max(usage);
    }

    /// Whether to pad, and whether little.
    pub(crate) const fn set_mode(&mut self, on: bool, reduced: bool) {
        self.on = on;
        self.reduced = reduced;
    }

    pub(crate) fn set_params(&mut self, params: PaddingParams) {
        self.params = params;
        self.state = State::Busy;
    }

    /// When to call [`Padding::is_due`] next.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        let (low, _) = self.range()?;
        Some(match self.state {
            State::Busy => self.last_cell + low.max(LEAST_LOOK),
            State::Quiet(delay) => self.last_cell + delay,
        })
    }

    /// True if a padding cell is to be sent now. `idle`: nothing waits to be written.
    pub(crate) fn is_due(&mut self, now: Instant, idle: bool, rng: &mut impl CryptoRng) -> bool {
        let Some((low, high)) = self.range() else { return false };
        if self.deadline().is_none_or(|look| now < look) {
            return false;
        }
        if !idle {
            // Cells that wait will make the link busy when they go.
            self.on_cell(now);
            return false;
        }
        let delay = match self.state {
            State::Busy => draw(low, high, rng),
            State::Quiet(delay) => delay,
        };
        let due = self.last_cell + delay <= now;
        if due {
            self.on_cell(now);
        } else {
            self.state = State::Quiet(delay);
        }
        due
    }

    /// The least and the most silence, `None` if there is no padding on this channel (now).
    fn range(&self) -> Option<(Duration, Duration)> {
        let used = match self.usage {
            Usage::Directory => false,
            Usage::Circuits => self.params.pad_before_usage,
            Usage::Traffic => true,
        };
        let (low, high) = (self.params.ito_low, self.params.ito_high);
        if !used || !self.on || (low.is_zero() && high.is_zero()) {
            return None;
        }
        let (low_reduced, high_reduced) = (self.params.ito_low_reduced, self.params.ito_high_reduced);
        if self.reduced && !low_reduced.is_zero() && !high_reduced.is_zero() {
            return Some((low.max(low_reduced), high.max(high_reduced)));
        }
        Some((low, high))
    }
}

/// The greater of two uniform draws: since both ends of a link pad, the first of them to do so does it, on
/// average, in the middle of the range.
fn draw(low: Duration, high: Duration, rng: &mut impl CryptoRng) -> Duration {
    let range = u32::try_from(high.saturating_sub(low).as_millis()).unwrap_or(u32::MAX);
    low + Duration::from_millis(below(range, rng).max(below(range, rng)).into())
}

/// A uniform number less than `bound`, or 0 if that is 0.
pub(crate) fn below(bound: u32, rng: &mut impl CryptoRng) -> u32 {
    // 64 random bits for a bound of at most 32: no number is favoured by more than one in 2^32.
    let product = u128::from(rng.next_u64()) * u128::from(bound);
    u32::try_from(product >> 64).unwrap_or(0)
}

#[cfg(test)]
mod tests;
