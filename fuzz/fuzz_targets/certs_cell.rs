//! CERTS, down to its certificates.
#![no_main]
use tor_cell::{Body, chan::Certs};
use tor_id::certs::{Ed25519Cert, RsaCrosscert, RsaIdCert};

libfuzzer_sys::fuzz_target!(
    |input: &[u8]| for cert in Certs::decode(input).map_or(vec![], |cell| cell.certs) {
        let _ = Ed25519Cert::parse(cert.body);
        let _ = RsaCrosscert::parse(cert.body);
        let _ = RsaIdCert::from_der(cert.body);
    }
);
