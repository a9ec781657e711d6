//! Who the relays are.

use std::{io, sync::Arc};

use ed25519_dalek::SigningKey;
use rand_chacha::{
    ChaCha12Rng,
    rand_core::{Rng, SeedableRng},
};
use tor_circ::relay::RelayKeys;
use tor_id::{Ed25519Id, LinkSpec, RelayIds, RsaPrivateKey};
use tor_ntor::{KeyPair, NtorKeys, NtorV3Keys, OnionKey};

use crate::Relay;

/// Bits of the relays' RSA identities, as on the real network.
const RSA_BITS: usize = 1024;

/// Relays that know one another's keys. Clones share them.
#[derive(Clone, Debug)]
pub struct Network {
    identities: Arc<[Arc<Identity>]>,
}

/// A relay's keys.
#[derive(Debug)]
pub struct Identity {
    pub(crate) rsa: RsaPrivateKey,
    pub(crate) ed25519: SigningKey,
    pub(crate) signing: SigningKey,
    pub(crate) keys: RelayKeys,
    onion_key: OnionKey,
}

impl Network {
    /// A network of `count` relays, the same ones each time; none of them listens yet.
    ///
    /// # Errors
    /// If no RSA key could be made.
    pub fn new(count: u64) -> io::Result<Self> {
        let identities = (1..=count).map(|seed| Identity::from_seed(seed).map(Arc::new));
        Ok(Self { identities: identities.collect::<io::Result<_>>()? })
    }

    /// One of the relays, counted from 0.
    ///
    /// # Panics
    /// If there are not so many.
    #[expect(clippy::indexing_slicing, reason = "as the documentation says")]
    pub fn identity(&self, index: usize) -> &Arc<Identity> {
        &self.identities[index]
    }

    /// Starts one of the relays on a port of 127.0.0.1 that is free. It stops when it is dropped.
    ///
    /// # Errors
    /// If it can't listen.
    pub async fn start(&self, index: usize) -> io::Result<Relay> {
        Relay::start(self.clone(), Arc::clone(self.identity(index))).await
    }

    /// The relay that these link specifiers name.
    pub(crate) fn find(&self, specs: &[LinkSpec]) -> Option<Arc<Identity>> {
        let found = self.identities.iter().find(|identity| {
            let RelayIds { rsa, ed25519, .. } = identity.ids();
            specs.contains(&LinkSpec::Rsa(rsa))
                && ed25519.is_some_and(|id| specs.contains(&LinkSpec::Ed25519(id)))
        });
        found.cloned()
    }
}

impl Identity {
    /// The relay whose keys follow from `seed`.
    ///
    /// # Errors
    /// If no RSA key could be made.
    pub fn from_seed(seed: u64) -> io::Result<Self> {
        let mut rng = ChaCha12Rng::seed_from_u64(seed);
        let rsa = RsaPrivateKey::generate(RSA_BITS, &mut rng).map_err(io::Error::other)?;
        let mut secret = || {
            let mut bytes = [0; 32];
            rng.fill_bytes(&mut bytes);
            bytes
        };
        let (ed25519, signing) = (SigningKey::from_bytes(&secret()), SigningKey::from_bytes(&secret()));
        let onion_secret = secret();
        let onion_keys = || vec![KeyPair::from_secret(onion_secret)];
        let keys = RelayKeys {
            ntor: NtorKeys { rsa: rsa.public().id(), onion_keys: onion_keys() },
            ntor_v3: NtorV3Keys { ed25519: ed25519_id(&ed25519), onion_keys: onion_keys() },
        };
        let onion_key = *KeyPair::from_secret(onion_secret).public();
        Ok(Self { rsa, ed25519, signing, keys, onion_key })
    }

    /// Both identities.
    pub fn ids(&self) -> RelayIds {
        RelayIds::new(self.rsa.public().id(), Some(ed25519_id(&self.ed25519)))
    }

    /// The key for ntor and ntor-v3.
    pub const fn onion_key(&self) -> OnionKey {
        self.onion_key
    }
}

pub(crate) fn ed25519_id(key: &SigningKey) -> Ed25519Id {
    Ed25519Id::from_bytes(key.verifying_key().to_bytes())
}
