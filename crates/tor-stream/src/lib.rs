//! The streams of one hop of a circuit: BEGIN and RESOLVE, DATA and who may send how much of it, END and what may
//! still come after it. <https://spec.torproject.org/tor-spec/opening-streams.html>
//!
//! ```text
//!            begin, resolve, end, consumed            ▲ StreamEvent: Connected, Data, Ended …
//!                        │                            │
//!                        ▼                            │
//!                   ┌─────────────── Streams ─────────────────┐
//!                   └─────────────────────────────────────────┘
//!                        │ poll_output                ▲ on_message
//!    DATA, up to credit  │ BEGIN, SENDME, END         │
//!                  ▼     ▼                            │
//!                 tor-circ seals                  tor-circ peels
//! ```
//!
//! No bytes of the application pass through here: [`StreamEvent::Data`] borrows them from the cell, and the owner
//! seals them itself, up to [`Streams::credit`]. So the hot path has no queue and no allocation. Each stream
//! carries a value of its owner's ([`Streams<T>`]), which comes along with every event.
//!
//! The peer is a relay that may lie. Whatever it may not send is a [`StreamError`], after which the circuit is
//! closed: messages on streams that do not exist, DATA beyond the window, SENDMEs for nothing, a second CONNECTED,
//! and whatever an ended stream had not allowed.
//!
//! ```
//! use std::time::Instant;
//! use tor_cell::relay::{Begin, BeginFlags, RelayCmd, RelayMsg};
//! use tor_stream::{EarlyData, StreamEvent, Streams};
//! # use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};
//! # let (mut rng, now) = (ChaCha20Rng::seed_from_u64(1), Instant::now());
//!
//! let mut streams = Streams::new(&mut rng);
//! let begin = Begin::new("example.com", 80, BeginFlags::NONE)?;
//! let id = streams.begin(now, &begin, EarlyData::Held, "the owner's buffer")?;
//! while let Some(outgoing) = streams.poll_output() {
//!     assert_eq!(outgoing.message().command, RelayCmd::BEGIN); // the circuit seals it
//! }
//! assert_eq!(streams.credit(id), 0);
//!
//! let connected = RelayMsg { command: RelayCmd::CONNECTED, stream: Some(id), body: &[] };
//! assert!(matches!(streams.on_message(&connected)?, StreamEvent::Connected { .. }));
//! assert_eq!(streams.credit(id), 500);
//! streams.sent_data(id, 2); // two DATA cells went out
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Left out on purpose: how long to wait and where to try again (`tor-circmgr`), whether to believe an address that
//! an exit names, and XON/XOFF, which only congestion control speaks: without it, receiving one is an error.

mod error;
mod flow;
mod half;
mod ids;
mod output;
mod state;
mod streams;
mod window;

pub use error::{BeginError, StreamError};
pub use output::{Outgoing, StreamEvent};
pub use state::{EarlyData, Phase};
pub use streams::Streams;
