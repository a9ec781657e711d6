//! Who may give commands: no one's secret, passwords, a cookie in a file, or proof of knowing the cookie.
//! Spec: <https://spec.torproject.org/control-spec/commands.html#authenticate>
//!
//! [`AuthConfig`] is all that the rules depend on. It is made anew when the configuration changes and handed to each
//! [`Session`](crate::Session), which asks the newest at each command. All comparisons take the same time whatever
//! the secret; all passwords are tried even if the first fits.

mod password;
mod safecookie;

use std::fmt;

use subtle::{Choice, ConstantTimeEq};
use thiserror::Error;
use zeroize::{Zeroize, ZeroizeOnDrop};

pub use password::{BadPasswordHash, HashedPassword, hash_password};
pub(crate) use safecookie::{ClientHash, challenge};

use crate::{Reply, command::Secret, escape};

/// Length of a cookie.
pub const COOKIE_LEN: usize = 32;

/// What PROTOCOLINFO tells and AUTHENTICATE asks for.
///
/// ```
/// use tor_ctrl::{AuthConfig, Cookie, HashedPassword};
///
/// let mut config = AuthConfig::new("0.4.9.11");
/// config.passwords.push("16:76726261637264616086542223CBBBAD3274E36FC3D7A42AA988B2CC16".parse::<HashedPassword>()?);
/// config.cookie = Some(Cookie::new([0; 32], "/var/lib/tor/control_auth_cookie"));
/// # Ok::<(), tor_ctrl::BadPasswordHash>(())
/// ```
#[derive(Debug)]
pub struct AuthConfig {
    /// `HashedControlPassword`, all of them, with those of the command line. Any of them will do.
    pub passwords: Vec<HashedPassword>,
    /// `CookieAuthentication`, if it is on.
    pub cookie: Option<Cookie>,
    /// The version that PROTOCOLINFO tells: a C Tor's, because tools look for features by it.
    pub version: String,
}

/// What only those know who may read a file.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct Cookie {
    secret: [u8; COOKIE_LEN],
    #[zeroize(skip)]
    file: Vec<u8>,
}

impl Cookie {
    /// A cookie, and the absolute path of the file that it is in.
    pub fn new(secret: [u8; COOKIE_LEN], file: impl Into<Vec<u8>>) -> Self {
        Self { secret, file: file.into() }
    }

    /// The bytes that the file holds.
    pub fn as_bytes(&self) -> &[u8; COOKIE_LEN] {
        &self.secret
    }
}

impl fmt::Debug for Cookie {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Cookie(..)")
    }
}

/// Why a controller wasn't let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
#[non_exhaustive]
pub enum AuthFailure {
    /// The answer to a challenge has not 32 bytes.
    #[error("Wrong length for safe cookie response.")]
    ResponseLength,
    /// The answer to a challenge is wrong.
    #[error("Safe cookie response did not match expected value.")]
    Response,
    /// Only the cookie counts and this has not its length.
    #[error("Wrong length on authentication cookie.")]
    CookieLength,
    /// Only the cookie counts and this isn't it.
    #[error("Authentication cookie did not match expected value.")]
    Cookie,
    /// Only passwords count and this isn't one; it was in quotes.
    #[error("Password did not match HashedControlPassword value from configuration")]
    Password,
    /// The same, but it was hexadecimal, perhaps by mistake.
    #[error(
        "Password did not match HashedControlPassword value from configuration. Maybe you tried a plain text \
         password? If so, the standard requires that you put it in double quotes."
    )]
    HexPassword,
    /// Neither the cookie nor a password.
    #[error("Password did not match HashedControlPassword *or* authentication cookie.")]
    PasswordOrCookie,
}

impl AuthFailure {
    pub(crate) fn reply(self) -> Reply {
        Reply::line(515, format!("Authentication failed: {self}"))
    }
}

impl AuthConfig {
    /// Everybody may.
    pub fn new(version: impl Into<String>) -> Self {
        Self { passwords: Vec::new(), cookie: None, version: version.into() }
    }

    /// Whether everybody may.
    pub fn is_open(&self) -> bool {
        self.passwords.is_empty() && self.cookie.is_none()
    }

    /// The reply to PROTOCOLINFO.
    pub(crate) fn protocol_info(&self) -> Reply {
        let mut methods = Vec::new();
        if self.cookie.is_some() {
            methods.extend(["COOKIE", "SAFECOOKIE"]);
        }
        if !self.passwords.is_empty() {
            methods.push("HASHEDPASSWORD");
        }
        if methods.is_empty() {
            methods.push("NULL");
        }
        let mut auth = format!("AUTH METHODS={}", methods.join(","));
        if let Some(cookie) = &self.cookie {
            auth.push_str(" COOKIEFILE=");
            auth.push_str(&escape(&cookie.file));
        }
        Reply::line(250, "PROTOCOLINFO 1")
            .with(250, auth)
            .with(250, format!("VERSION Tor={}", escape(self.version.as_bytes())))
            .with(250, "OK")
    }

    /// Whether what AUTHENTICATE brought is enough. After a challenge nothing but its answer is.
    ///
    /// # Errors
    ///
    /// Why not.
    pub(crate) fn check(&self, secret: &Secret, challenged: Option<&ClientHash>) -> Result<(), AuthFailure> {
        if let Some(expected) = challenged {
            return expected.check(&secret.bytes);
        }
        if self.is_open() {
            return Ok(());
        }
        let no = || Choice::from(0);
        let cookie = self.cookie.as_ref().map(|cookie| cookie.secret.ct_eq(&secret.bytes)).unwrap_or_else(no);
        let tried = self.passwords.iter().map(|password| password.matches(&secret.bytes));
        let password = tried.fold(no(), |any, matches| any | matches);
        if bool::from(cookie | password) {
            return Ok(());
        }
        Err(match (&self.cookie, self.passwords.is_empty(), secret.quoted) {
            (Some(_), false, _) => AuthFailure::PasswordOrCookie,
            (Some(_), true, _) if secret.bytes.len() != COOKIE_LEN => AuthFailure::CookieLength,
            (Some(_), true, _) => AuthFailure::Cookie,
            (None, _, true) => AuthFailure::Password,
            (None, _, false) => AuthFailure::HexPassword,
        })
    }
}
