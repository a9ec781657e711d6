//! Relays that can't prove who they are.

use std::time::{Duration, UNIX_EPOCH};

use tor_chan::LinkError;
use tor_id::{
    Ed25519Id, RelayIds, RsaId,
    certs::{CertError, CertType},
};
use tor_net::RelayAddress;
use tor_testnet::{CertPlan, Edit, Misbehave};

use crate::{
    link, refused,
    support::{Client, address, channels, network, within},
};

async fn certs(edit: impl Fn(&mut CertPlan) + Send + Sync + 'static) -> LinkError {
    link(refused(Misbehave::Certs(Edit::new(edit))).await)
}

const fn bad(kind: CertType, error: CertError) -> LinkError {
    LinkError::BadCert { kind, error }
}

#[tokio::test]
async fn for_another_tls_certificate() {
    assert_eq!(certs(|plan| plan.tls = [1; 32]).await, LinkError::TlsCertificate);
}

#[tokio::test]
async fn expired() {
    let past = UNIX_EPOCH + Duration::from_hours(400_000);
    let error = certs(move |plan| plan.link_until = past).await;
    assert_eq!(error, bad(CertType::SIGNING_LINK, CertError::Expired));
    let error = certs(move |plan| plan.signing_until = past).await;
    assert_eq!(error, bad(CertType::ID_SIGNING, CertError::Expired));
    let error = certs(move |plan| plan.crosscert_until = past).await;
    assert_eq!(error, bad(CertType::RSA_ED_CROSSCERT, CertError::Expired));
    let error = certs(move |plan| plan.rsa_until = past).await;
    assert_eq!(error, bad(CertType::RSA_ID, CertError::Expired));
}

#[tokio::test]
async fn missing() {
    for kind in [CertType::RSA_ID, CertType::ID_SIGNING, CertType::SIGNING_LINK, CertType::RSA_ED_CROSSCERT] {
        let error = certs(move |plan| plan.missing.push(kind)).await;
        assert_eq!(error, LinkError::MissingCert { kind });
    }
}

#[tokio::test]
async fn an_rsa_identity_that_vouches_for_somebody_else() {
    let error = certs(|plan| plan.crosscert_of = plan.tls.into()).await;
    assert_eq!(error, bad(CertType::RSA_ED_CROSSCERT, CertError::OtherCertifiedKey));
}

/// All certificates are in order, but they are another's: of whom the RSA identity says nothing.
#[tokio::test]
async fn an_ed25519_identity_that_is_made_up() {
    let error = certs(|plan| plan.identity = plan.tls.into()).await;
    assert_eq!(error, bad(CertType::RSA_ED_CROSSCERT, CertError::OtherCertifiedKey));
}

/// The relay is honest, but not the one that was looked for.
#[tokio::test]
async fn another_relay() {
    let relay = network().start(0).await.unwrap();
    let (is, other) = (relay.identity().ids(), network().identity(1).ids());
    let (rsa, ed25519): (RsaId, Ed25519Id) = (other.rsa, other.ed25519.unwrap());
    let channels = channels();
    let expect = async |ids: RelayIds| {
        let address = RelayAddress { ids, addrs: vec![relay.addr()] };
        link(within(channels.get(&address)).await.unwrap_err())
    };
    assert_eq!(
        expect(RelayIds::new(is.rsa, Some(ed25519))).await,
        LinkError::WrongEd25519Id { expected: ed25519, got: is.ed25519.unwrap() }
    );
    assert_eq!(
        expect(RelayIds::new(rsa, is.ed25519)).await,
        LinkError::WrongRsaId { expected: rsa, got: is.rsa }
    );
    assert_eq!(expect(RelayIds::new(rsa, None)).await, LinkError::WrongRsaId { expected: rsa, got: is.rsa });

    let channel = within(channels.get(&address(&relay))).await.unwrap();
    // A channel that is open is not taken for another relay's either.
    assert_eq!(
        expect(RelayIds::new(is.rsa, Some(ed25519))).await,
        LinkError::WrongEd25519Id { expected: ed25519, got: is.ed25519.unwrap() }
    );
    Client { relay, channels, channel }.goes_on().await;
}
