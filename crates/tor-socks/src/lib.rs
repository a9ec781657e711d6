//! The local front door of a Tor client: SOCKS4, 4a, 5 and Tor's extensions
