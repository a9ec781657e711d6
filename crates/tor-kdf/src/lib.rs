//! Tor's key derivation functions: KDF-TOR, HKDF-SHA256, SHAKE-256
