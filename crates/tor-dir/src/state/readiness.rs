//! How far we are, in the steps by which C Tor reports its bootstrap.

use std::{fmt, time::SystemTime};

use super::DirState;

/// How far the documents are from being enough to build circuits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Readiness {
    /// A consensus is being asked for.
    RequestingStatus,
    /// A consensus is on its way.
    LoadingStatus,
    /// A consensus is here; certificates are not.
    LoadingKeys,
    /// Microdescriptors are being asked for.
    RequestingDescriptors,
    /// Some microdescriptors are here.
    LoadingDescriptors {
        /// 50 to 74.
        percent: u8,
    },
    /// Circuits can be built.
    Enough,
}

impl Readiness {
    /// The step as a percentage of the whole bootstrap, of which the documents are the part up to 75.
    pub const fn percent(self) -> u8 {
        match self {
            Self::RequestingStatus => 25,
            Self::LoadingStatus => 30,
            Self::LoadingKeys => 40,
            Self::RequestingDescriptors => 45,
            Self::LoadingDescriptors { percent } => percent,
            Self::Enough => 75,
        }
    }

    /// The step's name in logs and on the control port.
    pub const fn tag(self) -> &'static str {
        match self {
            Self::RequestingStatus => "requesting_status",
            Self::LoadingStatus => "loading_status",
            Self::LoadingKeys => "loading_keys",
            Self::RequestingDescriptors => "requesting_descriptors",
            Self::LoadingDescriptors { .. } => "loading_descriptors",
            Self::Enough => "enough_dirinfo",
        }
    }
}

/// The step in words.
impl fmt::Display for Readiness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::RequestingStatus => "Asking for networkstatus consensus",
            Self::LoadingStatus => "Loading networkstatus consensus",
            Self::LoadingKeys => "Loading authority key certs",
            Self::RequestingDescriptors => "Asking for relay descriptors",
            Self::LoadingDescriptors { .. } => "Loading relay descriptors",
            Self::Enough => "Loaded enough directory info to build circuits",
        })
    }
}

impl DirState {
    /// How far we are.
    pub fn readiness(&self, wall: SystemTime) -> Readiness {
        let Some(view) = self.view(wall) else {
            let is_loading = |pending: &super::Pending| {
                pending.answering && super::consensus::is_for_client(&pending.request)
            };
            return match self.waiting {
                Some(_) => Readiness::LoadingKeys,
                None if self.fetches.values().any(is_loading) => Readiness::LoadingStatus,
                None => Readiness::RequestingStatus,
            };
        };
        let fraction = view.path_fraction().paths() / view.needed_fraction();
        if view.has_enough_info() {
            Readiness::Enough
        } else if view.path_fraction().present == 0 {
            Readiness::RequestingDescriptors
        } else {
            let steps = (1..=24_u8).filter(|step| f64::from(*step) <= fraction * 24.0).count();
            Readiness::LoadingDescriptors { percent: u8::try_from(50 + steps).unwrap_or(74) }
        }
    }
}
