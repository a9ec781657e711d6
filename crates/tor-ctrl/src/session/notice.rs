//! What an operator may want to know of a control connection.

use std::fmt;

use crate::AuthFailure;

/// Something for the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Notice {
    /// Worth a warning: somebody tried to authenticate and could not.
    NotAuthenticated(AuthFailure),
    /// Worth a notice: somebody took the control port for an HTTP proxy.
    Http,
    /// Worth a notice: somebody spoke the control protocol of before 2007.
    Version0,
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAuthenticated(failure) => f.write_str(match failure {
                AuthFailure::ResponseLength => "Got safe cookie authentication response with wrong length",
                AuthFailure::Response => "Got incorrect safe cookie authentication response",
                AuthFailure::CookieLength => "Got authentication cookie with wrong length",
                AuthFailure::Cookie => "Got mismatched authentication cookie",
                AuthFailure::Password | AuthFailure::HexPassword => "Bad password on controller.",
                AuthFailure::PasswordOrCookie => "Bad password or authentication cookie on controller.",
            }),
            Self::Http => f.write_str("Received HTTP request on ControlPort"),
            Self::Version0 => f.write_str("Received a command of the obsolete v0 control protocol"),
        }
    }
}
