//! The relay's TLS: a self-signed certificate that nobody vouches for but CERTS.

use std::{io, sync::Arc};

use rustls::{ServerConfig, crypto::aws_lc_rs};
use rustls_pki_types::PrivatePkcs8KeyDer;
use sha2::{Digest, Sha256};
use tokio_rustls::TlsAcceptor;

/// A TLS key and its certificate.
pub(crate) struct RelayTls {
    pub(crate) acceptor: TlsAcceptor,
    /// SHA-256 of the certificate.
    pub(crate) digest: [u8; 32],
}

impl RelayTls {
    pub(crate) fn generate() -> io::Result<Self> {
        let rcgen::CertifiedKey { cert, signing_key } =
            rcgen::generate_simple_self_signed(vec!["www.example.net".to_owned()])
                .map_err(io::Error::other)?;
        let digest = Sha256::digest(cert.der()).into();
        let key = PrivatePkcs8KeyDer::from(signing_key.serialize_der());
        let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .and_then(|config| {
                config.with_no_client_auth().with_single_cert(vec![cert.der().clone()], key.into())
            })
            .map_err(io::Error::other)?;
        Ok(Self { acceptor: Arc::new(config).into(), digest })
    }
}
