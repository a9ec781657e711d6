//! Tor's signed directory documents: consensus, microdescriptors, authority certificates, diffs
