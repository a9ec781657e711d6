use proptest::prelude::*;

use super::*;
use crate::testdata::{cases, edited, load, text};

#[test]
fn known_certificates() {
    let vectors = load("netdoc");
    for case in cases(&vectors["authority_certificates"]) {
        let cert = AuthCert::parse(text(&case["text"])).unwrap();
        let expect = &case["expect"];
        let time = |name: &str| {
            let (date, clock) = text(&expect[name]).split_once(' ').unwrap();
            iso_time::parse(date, clock).unwrap()
        };
        assert_eq!(hex::encode(cert.id().v3_ident.as_bytes()), text(&expect["fingerprint"]));
        assert_eq!(hex::encode(cert.id().signing_key.as_bytes()), text(&expect["signing_key_digest"]));
        assert_eq!(cert.published(), time("published"));
        assert_eq!(cert.expires(), time("expires"));
        assert_eq!(cert.text(), text(&case["text"]));
    }
}

#[test]
fn refused_certificates() {
    let vectors = load("netdoc");
    let named = |name: &str| {
        let found =
            cases(&vectors["authority_certificates"]).find(|case| text(&case["name"]).starts_with(name));
        text(&found.unwrap()["text"])
    };
    for case in cases(&vectors["authority_certificates_bad"]) {
        let cert = edited(named(text(&case["base"])), case);
        assert!(AuthCert::parse(&cert).is_err(), "{}", case["name"]);
    }
}

// One flipped character under each signature and in each signature.
#[test]
fn both_signatures_are_checked() {
    let vectors = load("netdoc");
    let cert = text(&vectors["authority_certificates"][3]["text"]);
    let expiry = cert.replacen("dir-key-expires 2021", "dir-key-expires 2031", 1);
    assert_eq!(AuthCert::parse(&expiry).unwrap_err(), DocError::BadSignature { what: LAST });
    let flip_after = |keyword: &str| {
        let at = cert.find(keyword).unwrap();
        let at = at + cert[at..].find("-----\n").unwrap() + "-----\n".len() + 10;
        let other = if &cert[at..=at] == "A" { "B" } else { "A" };
        format!("{}{other}{}", &cert[..at], &cert[at + 1..])
    };
    assert_eq!(
        AuthCert::parse(&flip_after("\ndir-key-certification")).unwrap_err(),
        DocError::BadSignature { what: LAST }
    );
    // The cross-certificate is certified too, so this does not yet show that it is checked for itself.
    assert!(AuthCert::parse(&flip_after("dir-key-crosscert")).is_err());
}

#[test]
fn many_in_one_text() {
    let vectors = load("netdoc");
    let certs: Vec<&str> =
        cases(&vectors["authority_certificates"]).map(|case| text(&case["text"])).collect();
    let mut all = certs.concat();
    assert_eq!(AuthCert::parse_all(&all).filter(Result::is_ok).count(), certs.len());
    // The first one broken: the others still count.
    all = all.replacen("fingerprint D", "fingerprint E", 1);
    assert_eq!(AuthCert::parse_all(&all).filter(Result::is_ok).count(), certs.len() - 1);
    assert_eq!(AuthCert::parse_all("nothing").count(), 0);
}

/// A certificate made with keys of our own; `identity_in_crosscert` is what the signing key vouches for.
fn made(crosscert_of: impl FnOnce(RsaId) -> RsaId) -> String {
    use base64::{Engine, engine::general_purpose::STANDARD};
    use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};
    use tor_id::RsaPrivateKey;
    let mut rng = ChaCha20Rng::from_seed([5; 32]);
    let identity = RsaPrivateKey::generate(1024, &mut rng).unwrap();
    let signing = RsaPrivateKey::generate(1024, &mut rng).unwrap();
    let object = |label: &str, bytes: &[u8]| {
        format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", STANDARD.encode(bytes))
    };
    let id = identity.public().id();
    let mut text = format!(
        "{FIRST} 3\nfingerprint {}\ndir-key-published 2020-01-01 00:00:00\ndir-key-expires 2021-01-01 00:00:00\n",
        id.to_string().trim_start_matches('$'),
    );
    text += &format!(
        "dir-identity-key\n{}dir-signing-key\n{}",
        identity.public().to_pem(),
        signing.public().to_pem()
    );
    let vouched = crosscert_of(id);
    text += &format!(
        "dir-key-crosscert\n{}",
        object("ID SIGNATURE", &signing.sign_raw(vouched.as_bytes()).unwrap())
    );
    text += &format!("{LAST}\n");
    let signature = identity.sign_raw(&Sha1::digest(&text)).unwrap();
    text + &object("SIGNATURE", &signature)
}

#[test]
fn the_signing_key_must_vouch_for_the_identity() {
    assert!(AuthCert::parse(&made(|id| id)).is_ok());
    let error = AuthCert::parse(&made(|_| RsaId::from_bytes([9; 20]))).unwrap_err();
    assert_eq!(error, DocError::BadSignature { what: "dir-key-crosscert" });
    // A missing cross-certificate, or one beyond what is certified, is no certificate either.
    let mut cut = made(|id| id);
    cut.replace_range(cut.find("dir-key-crosscert").unwrap()..cut.find(LAST).unwrap(), "");
    assert!(AuthCert::parse(&cut).is_err());
    assert!(AuthCert::parse(&format!("{}dir-address 1.2.3.4:80\n", made(|id| id))).is_err());
}

proptest! {
    #[test]
    fn no_text_panics(
        text in "(dir-key-certificate-version 3\n|fingerprint [A-F0-9]{40}\n|dir-signing-key\n|-----BEGIN RSA PUBLIC KEY-----\n|AAAA\n|-----END RSA PUBLIC KEY-----\n|dir-key-certification\n|é){0,12}",
    ) {
        for cert in AuthCert::parse_all(&text) {
            prop_assert!(cert.is_err());
        }
    }
}

/// Checks that no test missed when they were taken out, since a signature failed as well.
#[test]
fn each_offence_is_found_before_the_signatures_are() {
    let vectors = load("netdoc");
    let case = cases(&vectors["authority_certificates"]).next().unwrap();
    let good = text(&case["text"]);
    let error = |text: &str| AuthCert::parse(text).unwrap_err();
    let fingerprint = text(&case["expect"]["fingerprint"]).to_uppercase();
    let other = good.replacen(&fingerprint, &"0".repeat(40), 1);
    assert_eq!(error(&other), DocError::Inconsistent { what: "fingerprint and dir-identity-key" });
    assert_eq!(error(&format!("{good}\0")), DocError::NotText);
    assert_eq!(error(&"#\n".repeat(MAX_CERT)), DocError::TooLong { what: "certificate" });
    assert_eq!(error(&format!("\n{good}")), DocError::Misplaced { keyword: FIRST });
    assert_eq!(error(&format!("x\n{good}")), DocError::Misplaced { keyword: FIRST });
    let hidden = good.replacen("\ndir-key-certification\n", "\nopt dir-key-certification\n", 1);
    assert!(matches!(error(&hidden), DocError::Malformed { what: LAST, .. }));
}
