//! The private half, for those who play a relay or an authority in tests. A Tor client has no RSA key.

use std::fmt;

use base64::{Engine, engine::general_purpose::STANDARD};
use rand_core::CryptoRng;
use rsa::{
    Pkcs1v15Sign,
    pkcs1::{DecodeRsaPrivateKey, EncodeRsaPublicKey},
    rand_core as old,
};

use super::{RsaKeyError, RsaPublicKey, sha256_digest_info};

/// An RSA key pair with public exponent 65537.
#[derive(Clone)]
pub struct RsaPrivateKey {
    pub(super) key: rsa::RsaPrivateKey,
    public: RsaPublicKey,
}

impl RsaPrivateKey {
    /// Makes a new key of `bits` bits. Takes a while: a second, for long keys without optimisation.
    ///
    /// # Errors
    /// If the size is out of bounds.
    pub fn generate(bits: usize, rng: &mut impl CryptoRng) -> Result<Self, RsaKeyError> {
        if !(RsaPublicKey::MIN_BITS..=RsaPublicKey::MAX_BITS).contains(&bits) {
            return Err(RsaKeyError::Size { bits });
        }
        Self::new(rsa::RsaPrivateKey::new(&mut OldRng(rng), bits).map_err(|_| RsaKeyError::Malformed)?)
    }

    /// Reads the PKCS#1 `RSAPrivateKey` in DER, which must fill the input.
    ///
    /// # Errors
    /// If the bytes are anything else, or the key's size is out of bounds.
    pub fn from_pkcs1_der(der: &[u8]) -> Result<Self, RsaKeyError> {
        Self::new(rsa::RsaPrivateKey::from_pkcs1_der(der).map_err(|_| RsaKeyError::Malformed)?)
    }

    /// The public half.
    pub const fn public(&self) -> &RsaPublicKey {
        &self.public
    }

    /// Signs `digest` itself, as [`RsaPublicKey::verify_raw`] checks it.
    ///
    /// # Errors
    /// If the digest is too long for the key.
    pub fn sign_raw(&self, digest: &[u8]) -> Result<Vec<u8>, RsaKeyError> {
        self.key.sign(Pkcs1v15Sign::new_unprefixed(), digest).map_err(|_| RsaKeyError::Malformed)
    }

    /// Signs a SHA-256 digest as X.509 does.
    pub(crate) fn sign_sha256(&self, digest: &[u8; 32]) -> Result<Vec<u8>, RsaKeyError> {
        self.sign_raw(&sha256_digest_info(digest))
    }

    fn new(key: rsa::RsaPrivateKey) -> Result<Self, RsaKeyError> {
        let der = key.to_public_key().to_pkcs1_der().map_err(|_| RsaKeyError::Malformed)?;
        let public = RsaPublicKey::from_pkcs1_der(der.as_bytes())?;
        Ok(Self { key, public })
    }
}

impl RsaPublicKey {
    /// The PEM block that [`RsaPublicKey::from_pem`] reads, with a newline at its end.
    pub fn to_pem(&self) -> String {
        let mut pem = String::from("-----BEGIN RSA PUBLIC KEY-----\n");
        for (at, digit) in STANDARD.encode(&self.der).chars().enumerate() {
            if at > 0 && at % 64 == 0 {
                pem.push('\n');
            }
            pem.push(digit);
        }
        pem + "\n-----END RSA PUBLIC KEY-----\n"
    }
}

impl fmt::Debug for RsaPrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RsaPrivateKey({})", self.public.id())
    }
}

/// Our generation of random number generators, for the one that `rsa` knows.
struct OldRng<'a, R>(&'a mut R);

impl<R: CryptoRng> old::RngCore for OldRng<'_, R> {
    fn next_u32(&mut self) -> u32 {
        self.0.next_u32()
    }

    fn next_u64(&mut self) -> u64 {
        self.0.next_u64()
    }

    fn fill_bytes(&mut self, dest: &mut [u8]) {
        self.0.fill_bytes(dest);
    }

    fn try_fill_bytes(&mut self, dest: &mut [u8]) -> Result<(), old::Error> {
        self.0.fill_bytes(dest);
        Ok(())
    }
}

impl<R: CryptoRng> old::CryptoRng for OldRng<'_, R> {}
