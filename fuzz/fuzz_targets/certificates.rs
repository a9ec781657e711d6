//! Every certificate of a CERTS cell and of documents, and RSA keys in both forms.
#![no_main]
use std::time::UNIX_EPOCH;
use tor_id::{
    RsaPublicKey,
    certs::{Ed25519Cert, RsaCrosscert, RsaIdCert},
};

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let _ = Ed25519Cert::parse(input).map(|cert| cert.verify(cert.cert_type(), None, UNIX_EPOCH));
    let _ = RsaIdCert::from_der(input).and_then(|cert| cert.verify(UNIX_EPOCH));
    let _ = RsaCrosscert::parse(input);
    let _ = RsaPublicKey::from_pkcs1_der(input).map(|key| key.verify_raw(b"digest", input));
    let _ = std::str::from_utf8(input).map(RsaPublicKey::from_pem);
});
