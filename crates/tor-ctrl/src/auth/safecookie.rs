//! SAFECOOKIE: each side proves that it knows the cookie, and neither tells it. For a controller that a false Tor
//! could lead to any file of 32 bytes, the plain cookie is a danger.
//! Spec: <https://spec.torproject.org/control-spec/commands.html#authchallenge>

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, ZeroizeOnDrop};

use super::{AuthFailure, Cookie};
use crate::Reply;

const SERVER_KEY: &[u8] = b"Tor safe cookie authentication server-to-controller hash";
const CLIENT_KEY: &[u8] = b"Tor safe cookie authentication controller-to-server hash";

/// What the controller must answer to our challenge.
#[derive(Zeroize, ZeroizeOnDrop)]
pub(crate) struct ClientHash([u8; 32]);

impl ClientHash {
    /// # Errors
    ///
    /// What is wrong with the answer.
    pub(super) fn check(&self, answer: &[u8]) -> Result<(), AuthFailure> {
        if answer.len() != self.0.len() {
            return Err(AuthFailure::ResponseLength);
        }
        if bool::from(self.0.ct_eq(answer)) { Ok(()) } else { Err(AuthFailure::Response) }
    }
}

impl fmt::Debug for ClientHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClientHash(..)")
    }
}

/// Our proof and challenge, and what must come back.
pub(crate) fn challenge(
    cookie: &Cookie,
    client_nonce: &[u8],
    server_nonce: &[u8; 32],
) -> (Reply, ClientHash) {
    let message = [cookie.as_bytes(), client_nonce, server_nonce];
    let server_hash = hex::encode_upper(hash(SERVER_KEY, message));
    let nonce = hex::encode_upper(server_nonce);
    let reply = Reply::line(250, format!("AUTHCHALLENGE SERVERHASH={server_hash} SERVERNONCE={nonce}"));
    (reply, ClientHash(hash(CLIENT_KEY, message)))
}

fn hash(key: &[u8], message: [&[u8]; 3]) -> [u8; 32] {
    #[expect(clippy::expect_used, reason = "HMAC takes keys of any length")]
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    message.iter().for_each(|part| mac.update(part));
    mac.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn vectors() {
        let vectors: Value = serde_json::from_str(include_str!("../../testdata/control_auth.json")).unwrap();
        for vector in vectors["safecookie"].as_array().unwrap() {
            let bytes = |name: &str| hex::decode(vector[name].as_str().unwrap()).unwrap();
            let cookie = Cookie::new(bytes("cookie").try_into().unwrap(), "");
            let nonce: [u8; 32] = bytes("server_nonce").try_into().unwrap();
            let (reply, expected) = challenge(&cookie, &bytes("client_nonce"), &nonce);
            let text = format!(
                "250 AUTHCHALLENGE SERVERHASH={} SERVERNONCE={}\r\n",
                vector["server_hash"].as_str().unwrap(),
                hex::encode_upper(nonce)
            );
            assert_eq!(String::from_utf8(reply.encode()).unwrap(), text);
            let answer = bytes("client_hash");
            assert_eq!(expected.check(&answer), Ok(()));
            assert_eq!(expected.check(&answer[1..]), Err(AuthFailure::ResponseLength));
            assert_eq!(expected.check(&[0; 32]), Err(AuthFailure::Response));
        }
    }
}
