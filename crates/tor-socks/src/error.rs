//! What an application can get wrong.

use thiserror::Error;

/// The handshake failed: send what was written to the output, then close. The application is to blame, always.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum SocksError {
    /// An HTTP request: the port is no HTTP proxy.
    #[error("an HTTP request on a SOCKS port")]
    Http,
    /// The first byte is of no version that we know.
    #[error("SOCKS version {0} is not known")]
    Version(u8),
    /// A message of a version other than the one agreed on.
    #[error("a message of another protocol amid a SOCKS5 handshake")]
    Confused,
    /// A SOCKS4 message without an end, or one longer than 512 bytes.
    #[error("the request is too long")]
    TooLong,
    /// Neither "no authentication" nor "username/password" is offered.
    #[error("no authentication method in common")]
    NoMethod,
    /// The username asks for extended parameters (proposal 351) in a format that we don't know.
    #[error("unknown format of extended parameters in the username")]
    ExtendedParameters,
    /// Neither CONNECT nor RESOLVE nor RESOLVE_PTR.
    #[error("SOCKS command {0} is not supported")]
    Command(u8),
    /// An unknown kind of address.
    #[error("SOCKS address type {0} is not supported")]
    AddressType(u8),
    /// RESOLVE_PTR of something that is no IP address.
    #[error("only an IP address can be looked up in reverse")]
    NotAnAddress,
    /// A hostname with characters that hostnames don't have.
    #[error("malformed hostname")]
    Hostname,
    /// SOCKS4 to 0.0.0.0.
    #[error("the target address is zero")]
    ZeroAddress,
    /// A connection to port 0.
    #[error("the target port is zero")]
    ZeroPort,
}
