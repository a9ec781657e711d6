//! TAP: Diffie-Hellman in Z_p, with the client's half encrypted to an RSA onion key. No relay answers it any
//! more, and nothing here offers it; it is complete for those who study or replay old networks.
//! <https://spec.torproject.org/tor-spec/create-created-cells.html#TAP>
//!
//! | onionskin | reply |
//! |---|---|
//! | RSA-OAEP of a symmetric key K (16 bytes) and the first 70 bytes of g^x: 128 bytes | g^y, 128 bytes |
//! | AES-128-CTR with K of the other 58 bytes of g^x | KH, 20 bytes |

use std::{cmp::Ordering, fmt};

use aes::Aes128;
use crypto_bigint::{
    Odd, U1024,
    modular::{FixedMontyForm, FixedMontyParams},
};
use ctr::{
    Ctr128BE,
    cipher::{KeyIvInit, StreamCipher},
};
use rand_core::CryptoRng;
use subtle::ConstantTimeEq;
use tor_id::{RsaPrivateKey, RsaPublicKey};
use zeroize::Zeroizing;

use crate::{ClientHandshake, HandshakeError, KeySeed, Kh, RelayHandshake};

/// A client that has sent its onionskin.
pub struct TapClient {
    x: Exponent,
}

/// A relay that answers TAP.
#[derive(Clone, Copy, Debug)]
pub struct TapRelay;

/// Bytes of a DH value and of an RSA block: DH_LEN and KP_ENC_LEN.
const DH: usize = 128;
/// Bytes of K: KEY_LEN.
const KEY: usize = 16;
/// Bytes of g^x that fit the RSA block beside K and 42 bytes of padding.
const FIRST: usize = DH - 42 - KEY;

impl ClientHandshake for TapClient {
    /// The relay's onion key: `onion-key` in its descriptor, 1024 bits.
    type Relay = RsaPublicKey;
    type Request = ();
    type Reply = ();

    fn start(
        relay: &RsaPublicKey,
        (): &(),
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<(Self, Vec<u8>), HandshakeError> {
        if relay.bits() != 8 * DH {
            return Err(HandshakeError::Malformed { what: "TAP onion key" });
        }
        let x = Exponent::generate(rng);
        let gx = x.public();
        let (first, second) = gx.split_at(FIRST);
        let mut key = Zeroizing::new([0; KEY]);
        rng.fill_bytes(&mut *key);
        let head = Zeroizing::new([&key[..], first].concat());
        let mut onionskin =
            relay.encrypt_oaep(&head, rng).map_err(|_| HandshakeError::TooLong { what: "TAP onionskin" })?;
        let mut tail = second.to_vec();
        apply_cipher(&key, &mut tail);
        onionskin.extend(tail);
        Ok((Self { x }, onionskin))
    }

    fn finish(self, reply: &[u8]) -> Result<((), KeySeed), HandshakeError> {
        let wrong_length = || HandshakeError::Length { what: "TAP reply", length: reply.len() };
        let (gy, kh) = reply.split_first_chunk().ok_or_else(wrong_length)?;
        if kh.len() != Kh::LEN {
            return Err(wrong_length());
        }
        let (seed, expected) = self.x.agree(gy)?;
        if !bool::from(expected.as_bytes()[..].ct_eq(kh)) {
            return Err(HandshakeError::BadAuth);
        }
        Ok(((), seed))
    }
}

impl RelayHandshake for TapRelay {
    /// The relay's onion keys: the current one, and those that clients may still use.
    type Keys = Vec<RsaPrivateKey>;
    type Request = ();
    type Reply = ();

    fn answer(
        keys: &Vec<RsaPrivateKey>,
        onionskin: &[u8],
        choose: impl FnOnce(&()) -> Option<()>,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<(Vec<u8>, KeySeed), HandshakeError> {
        let wrong_length = || HandshakeError::Length { what: "TAP onionskin", length: onionskin.len() };
        let (head, tail) = onionskin.split_first_chunk::<DH>().ok_or_else(wrong_length)?;
        if tail.len() != DH - FIRST {
            return Err(wrong_length());
        }
        let head = keys.iter().find_map(|key| key.decrypt_oaep(head).ok());
        let head = head.ok_or(HandshakeError::OtherKey)?;
        let (key, first) = head.split_first_chunk().ok_or(HandshakeError::OtherKey)?;
        let mut tail = tail.to_vec();
        apply_cipher(key, &mut tail);
        let gx = [first, &tail].concat();
        let gx = gx.as_slice().try_into().map_err(|_| HandshakeError::Malformed { what: "TAP g^x" })?;
        choose(&()).ok_or(HandshakeError::Refused)?;

        let y = Exponent::generate(rng);
        let (seed, kh) = y.agree(gx)?;
        Ok(([&y.public()[..], kh.as_bytes()].concat(), seed))
    }
}

impl fmt::Debug for TapClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TapClient(..)")
    }
}

/// A private key: 320 bits, used once (tor-spec 0.3).
struct Exponent(Zeroizing<U1024>);

impl Exponent {
    fn generate(rng: &mut (impl CryptoRng + ?Sized)) -> Self {
        let mut bytes = Zeroizing::new([0; DH]);
        let (_, low) = bytes.split_at_mut(DH - EXPONENT);
        rng.fill_bytes(low);
        Self(Zeroizing::new(U1024::from_be_slice(&*bytes)))
    }

    /// g to this power.
    fn public(&self) -> [u8; DH] {
        to_bytes(&self.raise(&U1024::from_u8(2)))
    }

    /// The keys shared with the holder of another exponent, and KH.
    fn agree(&self, public: &[u8; DH]) -> Result<(KeySeed, Kh), HandshakeError> {
        let public = U1024::from_be_slice(public);
        // tor-spec 5.1.3: g^x and g^y MUST be strictly greater than 1 and strictly less than p-1.
        let p_minus_1 = P.as_ref().wrapping_sub(&U1024::ONE);
        if public.cmp_vartime(&U1024::ONE) != Ordering::Greater
            || public.cmp_vartime(&p_minus_1) != Ordering::Less
        {
            return Err(HandshakeError::DegenerateKey);
        }
        let shared = Zeroizing::new(to_bytes(&Zeroizing::new(self.raise(&public))));
        // tor-spec 5.2.1: K0 is g^xy as a big-endian unsigned integer, so without leading zeros.
        let zeros = shared.iter().take_while(|&&byte| byte == 0).count();
        let (_, k0) = shared.split_at(zeros);
        Ok(KeySeed::from_kdf_tor(k0))
    }

    fn raise(&self, base: &U1024) -> U1024 {
        let params = FixedMontyParams::new_vartime(P);
        FixedMontyForm::new(base, &params).pow_bounded_exp(&self.0, EXPONENT_BITS).retrieve()
    }
}

/// Bytes of a private key: DH_SEC_LEN.
const EXPONENT: usize = 40;
const EXPONENT_BITS: u32 = 320;

/// The prime of RFC 2409 6.2; the generator is 2.
const P: Odd<U1024> = Odd::<U1024>::from_be_hex(
    "FFFFFFFFFFFFFFFFC90FDAA22168C234C4C6628B80DC1CD129024E088A67CC74\
     020BBEA63B139B22514A08798E3404DDEF9519B3CD3A431B302B0A6DF25F1437\
     4FE1356D6D51C245E485B576625E7EC6F44C42E9A637ED6B0BFF5CB6F406B7ED\
     EE386BFB5A899FA5AE9F24117C4B1FE649286651ECE65381FFFFFFFFFFFFFFFF",
);

fn to_bytes(number: &U1024) -> [u8; DH] {
    let mut bytes = [0; DH];
    bytes.copy_from_slice(number.to_be_bytes().as_ref());
    bytes
}

fn apply_cipher(key: &[u8; KEY], message: &mut [u8]) {
    Ctr128BE::<Aes128>::new(key.into(), &[0; 16].into()).apply_keystream(message);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testdata::{Chosen, array, bytes, load};

    fn onion_key() -> RsaPrivateKey {
        RsaPrivateKey::from_pkcs1_der(&bytes(&load("tap.json")["onion_key_pkcs1_der"])).unwrap()
    }

    #[test]
    fn known_answers() {
        for case in load("tap.json")["vectors"].as_array().unwrap() {
            let (reply, theirs) = TapRelay::answer(
                &vec![onion_key()],
                &bytes(&case["onionskin"]),
                |()| Some(()),
                &mut Chosen(bytes(&case["y"])),
            )
            .unwrap();
            assert_eq!(reply, bytes(&case["reply"]), "{}", case["name"]);

            let random = [bytes(&case["x"]), bytes(&case["symmetric_key"]), vec![5; 20]].concat();
            let (client, onionskin) =
                TapClient::start(onion_key().public(), &(), &mut Chosen(random)).unwrap();
            // OAEP's seed is unknown, but not what it hides, nor what follows.
            let theirs_hidden = onion_key().decrypt_oaep(&bytes(&case["onionskin"])[..DH]).unwrap();
            assert_eq!(onion_key().decrypt_oaep(&onionskin[..DH]).unwrap(), theirs_hidden);
            assert_eq!(onionskin[DH..], bytes(&case["onionskin"])[DH..]);

            let ((), ours) = client.finish(&reply).unwrap();
            assert_eq!(ours.expand::<92>(), theirs.expand::<92>());
            let again = TapClient { x: Exponent::generate(&mut Chosen(bytes(&case["x"]))) };
            let (keys, kh) = again.finish(&reply).unwrap().1.tor1();
            assert_eq!(keys.forward_digest, array(&case["df"]));
            assert_eq!(keys.backward_digest, array(&case["db"]));
            assert_eq!(keys.forward_key, array(&case["kf"]));
            assert_eq!(keys.backward_key, array(&case["kb"]));
            assert_eq!(kh.as_bytes(), &array(&case["kh"]));
        }
    }

    #[test]
    fn degenerate_values_end_it() {
        let x = || Exponent::generate(&mut Chosen(vec![7; EXPONENT]));
        let p = *P.as_ref();
        let one = U1024::ONE;
        for (value, good) in [
            (U1024::ZERO, false),
            (one, false),
            (U1024::from_u8(2), true),
            (p.wrapping_sub(&U1024::from_u8(2)), true),
            (p.wrapping_sub(&one), false),
            (p, false),
            (p.wrapping_add(&one), false),
            (U1024::MAX, false),
        ] {
            let agreed = x().agree(&to_bytes(&value));
            assert_eq!(agreed.err(), (!good).then_some(HandshakeError::DegenerateKey), "{value}");
        }
    }

    #[test]
    fn only_the_true_reply() {
        let case = &load("tap.json")["vectors"][0];
        let client = || TapClient { x: Exponent::generate(&mut Chosen(bytes(&case["x"]))) };
        let reply = bytes(&case["reply"]);
        assert!(client().finish(&reply).is_ok());
        for at in 0..reply.len() {
            let mut bad = reply.clone();
            bad[at] ^= 1;
            assert_eq!(client().finish(&bad).err(), Some(HandshakeError::BadAuth), "byte {at}");
        }
        for length in (0..reply.len()).chain([reply.len() + 1]) {
            let mut bad = reply.clone();
            bad.resize(length, 0);
            assert_eq!(
                client().finish(&bad).err(),
                Some(HandshakeError::Length { what: "TAP reply", length })
            );
        }
    }

    #[test]
    fn relays_answer_for_their_own_keys_only() {
        let other = RsaPrivateKey::from_pkcs1_der(&bytes(&load("tap.json")["other_key_pkcs1_der"])).unwrap();
        let skin = bytes(&load("tap.json")["vectors"][0]["onionskin"]);
        let answer = |keys: Vec<RsaPrivateKey>, skin: &[u8]| {
            TapRelay::answer(&keys, skin, |()| Some(()), &mut Chosen(vec![7; EXPONENT])).err()
        };
        assert_eq!(answer(vec![other.clone(), onion_key()], &skin), None);
        assert_eq!(answer(vec![other], &skin), Some(HandshakeError::OtherKey));
        for length in (0..skin.len()).chain([skin.len() + 1]) {
            let mut bad = skin.clone();
            bad.resize(length, 0);
            let what = "TAP onionskin";
            assert_eq!(answer(vec![onion_key()], &bad), Some(HandshakeError::Length { what, length }));
        }
    }
}
