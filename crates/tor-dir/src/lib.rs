//! From signed documents to a live view of the network.
//!
//! A [`NetworkView`] joins a verified consensus with the microdescriptors at hand. It never changes: a new
//! document makes a new view, and whoever holds the old one keeps it.

pub mod param;
mod view;
mod weights;

#[cfg(test)]
mod testdata;

pub use param::Param;
pub use view::{NetworkView, PathFraction, Relay};
pub use weights::{Role, Weights};
