//! One TLS connection to a relay, over TCP.
//! <https://spec.torproject.org/tor-spec/negotiating-channels.html>
//!
//! Relays present self-signed certificates, so no authority vouches for them here: the verifier accepts any
//! certificate, leaves the handshake's signature to the TLS provider (so the peer does hold the certificate's
//! key), and the CERTS cell later binds that very certificate to the relay's identity (`tor-chan`).
//!
//! rustls is driven without its own buffers: one read fills [`INCOMING`] bytes, every record in it is opened,
//! and the plaintext is appended to the caller's cell buffer; outgoing cells are encrypted straight into the
//! buffer that the next write sends. Everything here is `try_…`: the channel task does the waiting.

use std::{io, sync::Arc};

use bytes::BytesMut;
use rand::RngExt;
use rustls::{
    ClientConfig, DigitallySignedStruct, DistinguishedName, Error as TlsError, SignatureScheme,
    client::{
        Resumption, UnbufferedClientConnection,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature},
    unbuffered::{ConnectionState, EncodeError, EncryptError, UnbufferedStatus},
};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use sha2::{Digest, Sha256};
use tokio::{io::Interest, net::TcpStream};

use crate::ledger::Meter;

/// How much one read takes from the socket.
const INCOMING: usize = 64 * 1024;
/// A TLS record is at most this long: 16 KiB of plaintext, 2 KiB of expansion, 5 bytes of header.
const MAX_RECORD: usize = 18 * 1024 + 5;
/// Plaintext bytes that go into one record.
const FRAGMENT: usize = 16 * 1024;
/// Room for the header, the tag and the content type of one record, rounded up.
const RECORD_OVERHEAD: usize = 64;

/// The TLS parameters that every connection of this client shares.
#[derive(Clone, Debug)]
pub struct TlsConfig(Arc<ClientConfig>);

impl TlsConfig {
    /// Builds the parameters: TLS 1.2 and 1.3, no resumption (a ticket would link two connections).
    ///
    /// # Errors
    /// If the provider supports none of the protocol versions.
    pub fn new() -> io::Result<Self> {
        #[cfg(feature = "aws-lc-rs")]
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        #[cfg(all(feature = "ring", not(feature = "aws-lc-rs")))]
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(io::Error::other)?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(AnyCertificate(provider)))
            .with_no_client_auth();
        config.resumption = Resumption::disabled();
        Ok(Self(Arc::new(config)))
    }
}

/// An open TLS connection, and what waits in it in either direction.
pub(crate) struct TlsLink {
    tcp: TcpStream,
    tls: UnbufferedClientConnection,
    incoming: Vec<u8>,
    /// `incoming[start..end]` came from the socket and was not opened yet.
    start: usize,
    end: usize,
    outgoing: BytesMut,
    peer_closed: bool,
    meter: Meter,
}

impl TlsLink {
    /// Runs the TLS handshake on a connected socket. Every byte on the wire counts on `meter`.
    pub(crate) async fn connect(tcp: TcpStream, config: &TlsConfig, meter: Meter) -> io::Result<Self> {
        let name = ServerName::try_from(random_hostname()).map_err(io::Error::other)?;
        let tls = UnbufferedClientConnection::new(Arc::clone(&config.0), name).map_err(io::Error::other)?;
        let incoming = vec![0; INCOMING + MAX_RECORD];
        let (start, end, outgoing) = (0, 0, BytesMut::new());
        let mut link = Self { tcp, tls, incoming, start, end, outgoing, peer_closed: false, meter };
        let mut early = BytesMut::new();
        while !link.open_records(&mut early)? {
            while !link.try_flush()? {
                link.tcp.writable().await?;
            }
            link.tcp.readable().await?;
            match link.fill() {
                Err(error) if error.kind() != io::ErrorKind::WouldBlock => return Err(error),
                Ok(()) | Err(_) => {}
            }
        }
        while !link.try_flush()? {
            link.tcp.writable().await?;
        }
        if !early.is_empty() {
            // The responder speaks only after our VERSIONS.
            return Err(io::Error::new(io::ErrorKind::InvalidData, "the relay spoke before its turn"));
        }
        Ok(link)
    }

    /// SHA-256 of the certificate that the peer presented.
    pub(crate) fn peer_certificate_sha256(&self) -> Option<[u8; 32]> {
        let certificate = self.tls.peer_certificates()?.first()?;
        Some(Sha256::digest(certificate.as_ref()).into())
    }

    /// Waits until the socket can be read, or, with something to flush, written.
    pub(crate) async fn ready(&self) -> io::Result<()> {
        let interest = if self.outgoing.is_empty() {
            Interest::READABLE
        } else {
            Interest::READABLE | Interest::WRITABLE
        };
        self.tcp.ready(interest).await.map(|_| ())
    }

    /// Reads what the socket has (at most [`INCOMING`] bytes) and appends its plaintext to `plain`. Returns
    /// false if there was nothing to read.
    ///
    /// # Errors
    /// If the connection is closed or broken, or the peer's TLS is.
    pub(crate) fn try_read(&mut self, plain: &mut BytesMut) -> io::Result<bool> {
        match self.fill() {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
            Err(error) => return Err(error),
        }
        self.open_records(plain)?;
        Ok(true)
    }

    /// To be asked once what [`TlsLink::try_read`] brought is dealt with.
    ///
    /// # Errors
    /// If the peer has closed its side of TLS: nothing more will come, even if TCP stays open.
    pub(crate) fn check_open(&self) -> io::Result<()> {
        if self.peer_closed { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(()) }
    }

    /// Encrypts `plain` behind what already waits to be flushed.
    pub(crate) fn queue(&mut self, plain: &[u8]) -> io::Result<()> {
        let records = plain.len() / FRAGMENT + 1;
        let room = plain.len() + records * RECORD_OVERHEAD;
        let held = self.outgoing.len();
        self.outgoing.resize(held + room, 0);
        let UnbufferedStatus { state, .. } = self.tls.process_tls_records(&mut []);
        let ConnectionState::WriteTraffic(mut traffic) = state.map_err(io::Error::other)? else {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "TLS connection is not open for writing"));
        };
        let tail = self.outgoing.get_mut(held..).unwrap_or_default();
        let written = match traffic.encrypt(plain, tail) {
            Ok(written) => written,
            Err(EncryptError::InsufficientSize(needed)) => {
                self.outgoing.resize(held + needed.required_size, 0);
                let tail = self.outgoing.get_mut(held..).unwrap_or_default();
                traffic.encrypt(plain, tail).map_err(io::Error::other)?
            }
            Err(error @ EncryptError::EncryptExhausted) => return Err(io::Error::other(error)),
        };
        self.outgoing.truncate(held + written);
        Ok(())
    }

    /// Bytes that wait to be flushed.
    pub(crate) fn unflushed(&self) -> usize {
        self.outgoing.len()
    }

    /// Writes what the socket takes. Returns true when nothing is left.
    pub(crate) fn try_flush(&mut self) -> io::Result<bool> {
        while !self.outgoing.is_empty() {
            match self.tcp.try_write(&self.outgoing) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => {
                    self.meter.wrote(count);
                    drop(self.outgoing.split_to(count));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }

    /// One read from the socket.
    fn fill(&mut self) -> io::Result<()> {
        if self.start > 0 {
            self.incoming.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        let room = self.incoming.get_mut(self.end..).unwrap_or_default();
        match self.tcp.try_read(room) {
            Ok(0) => Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(count) => {
                self.meter.read(count);
                self.end += count;
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    /// Opens all whole records that are here. Returns true once the handshake is done.
    fn open_records(&mut self, plain: &mut BytesMut) -> io::Result<bool> {
        loop {
            let records = self.incoming.get_mut(self.start..self.end).unwrap_or_default();
            let UnbufferedStatus { discard, state } = self.tls.process_tls_records(records);
            let done = match state.map_err(io::Error::other)? {
                ConnectionState::ReadTraffic(mut traffic) => {
                    while let Some(record) = traffic.next_record() {
                        plain.extend_from_slice(record.map_err(io::Error::other)?.payload);
                    }
                    None
                }
                ConnectionState::EncodeTlsData(mut data) => {
                    encode_handshake(&mut data, &mut self.outgoing)?;
                    None
                }
                ConnectionState::TransmitTlsData(data) => {
                    data.done(); // it waits in `outgoing`
                    None
                }
                ConnectionState::PeerClosed => {
                    self.peer_closed = true;
                    None
                }
                ConnectionState::BlockedHandshake => Some(false),
                ConnectionState::WriteTraffic(_) | ConnectionState::Closed => Some(true),
                ConnectionState::ReadEarlyData(_) | _ => {
                    return Err(io::Error::new(io::ErrorKind::InvalidData, "unexpected TLS state"));
                }
            };
            self.start += discard;
            if let Some(done) = done {
                return Ok(done);
            }
        }
    }
}

impl std::fmt::Debug for TlsLink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TlsLink").field("unflushed", &self.outgoing.len()).finish_non_exhaustive()
    }
}

type EncodeTlsData<'c> = rustls::unbuffered::EncodeTlsData<'c, rustls::client::ClientConnectionData>;

fn encode_handshake(data: &mut EncodeTlsData<'_>, outgoing: &mut BytesMut) -> io::Result<()> {
    let held = outgoing.len();
    let mut room = 1024;
    loop {
        outgoing.resize(held + room, 0);
        match data.encode(outgoing.get_mut(held..).unwrap_or_default()) {
            Ok(written) => {
                outgoing.truncate(held + written);
                return Ok(());
            }
            Err(EncodeError::InsufficientSize(needed)) if needed.required_size > room => {
                room = needed.required_size
            }
            Err(error) => return Err(io::Error::other(error)),
        }
    }
}

/// A name for SNI of the form that C Tor sends: `www.`, 4 to 25 base32 characters, `.com`.
fn random_hostname() -> String {
    const BASE32: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
    let mut rng = crate::clock::rng();
    let length = rng.random_range(4..=25);
    let middle: String = (0..length)
        .filter_map(|_| BASE32.get(rng.random_range(0..BASE32.len())).copied().map(char::from))
        .collect();
    format!("www.{middle}.com")
}

/// Accepts every certificate whose key signed the handshake.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, TlsError> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        verify_tls12_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        verify_tls13_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }

    fn root_hint_subjects(&self) -> Option<&[DistinguishedName]> {
        None
    }
}
