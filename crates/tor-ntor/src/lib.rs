//! Tor's circuit handshakes, both ends: CREATE_FAST, ntor, ntor-v3, hs-ntor
