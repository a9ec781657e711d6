use proptest::prelude::*;
use tor_id::RsaId;

use super::*;
use crate::{
    Nickname,
    testdata::{cases, load, text},
};

/// Where the vectors give Arti's verdict and C Tor's differs: these are fine.
const ACCEPTED_BY_C_TOR: [&str; 3] =
    ["Arti bad-mds/bogus-policy", "Arti bad-mds/non-ascii-policy", "Arti bad-mds/wrong-id"];

fn only(text: &str, origin: Origin) -> Piece {
    let mut interner = Interner::default();
    let pieces: Vec<Piece> = split(text, origin, &mut interner).collect();
    assert_eq!(pieces.len(), 1, "{text}");
    pieces.into_iter().next().unwrap()
}

#[test]
fn known_microdescriptors() {
    let vectors = load("netdoc");
    for case in cases(&vectors["microdescs"]).chain(cases(&vectors["microdescs_more"])) {
        let name = text(&case["name"]);
        let document = text(&case["text"]);
        if name == "Arti bad-mds/wrong-start" {
            // As in C Tor, what stands before the first onion-key is a broken one of its own.
            let pieces: Vec<Piece> = split(document, Origin::Cache, &mut Interner::default()).collect();
            assert!(pieces.len() == 2 && pieces[0].microdesc.is_err());
            continue;
        }
        let piece = only(document, Origin::Cache);
        let valid = case["valid"].as_bool().unwrap() || ACCEPTED_BY_C_TOR.contains(&name);
        assert_eq!(piece.microdesc.is_ok(), valid, "{name}: {:?}", piece.microdesc);
        let Ok(microdesc) = piece.microdesc else { continue };
        assert_eq!(hex::encode(microdesc.digest.as_bytes()), text(&case["sha256"]), "{name}");
        assert_eq!(microdesc.digest, piece.digest);
        if let Some(id) = case["ed25519_id"].as_str() {
            assert_eq!(hex::encode(microdesc.ed25519.unwrap().as_bytes()), id, "{name}");
        }
        if let Some(ids) = case["family_ids"].as_array() {
            let mut ids: Vec<&str> = ids.iter().map(text).collect();
            ids.sort_unstable();
            let own = microdesc.family_ids.as_deref().unwrap_or_default();
            assert_eq!(own.iter().map(AsRef::as_ref).collect::<Vec<&str>>(), ids, "{name}");
        }
    }
}

#[test]
fn what_the_lines_say() {
    let vectors = load("netdoc");
    let named = |name: &str| {
        let case = cases(&vectors["microdescs"]).find(|case| text(&case["name"]) == name).unwrap();
        only(text(&case["text"]), Origin::Cache).microdesc.unwrap()
    };
    let first = named("Good 0");
    assert!(
        first.policy.as_ref().unwrap().allows(443)
            == first.policy.as_ref().unwrap().to_string().contains("443")
    );
    assert!(!first.exits_nowhere());
    assert!(named("Good 11").exits_nowhere());
    assert!(!named("Good 13").exits_nowhere() && named("Good 13").policy.is_none());
    assert!(named("Good 6").policy.is_none());
    let ipv6 = named("Good 10");
    assert!(ipv6.ipv6.is_some() && ipv6.policy6.is_none());
}

#[test]
fn annotations_belong_to_caches() {
    let vectors = load("netdoc");
    let mut all = String::from("\n");
    for case in cases(&vectors["microdescs_annotated"]) {
        let annotated = format!("{}{}", text(&case["annotation"]), text(&case["text"]));
        let piece = only(&annotated, Origin::Cache);
        assert_eq!(hex::encode(piece.digest.as_bytes()), text(&case["sha256"]));
        assert_eq!(&annotated[piece.span.clone()], text(&case["text"]));
        assert!(piece.last_listed.is_some());
        let microdesc = piece.microdesc.unwrap();
        if let Some(family) = &microdesc.family {
            let nobody = Nickname::new("x").unwrap();
            assert!(family.ids().iter().all(|id| family.contains(id, &nobody)));
            assert!(!family.contains(&RsaId::from_bytes([0; 20]), &nobody));
        }
        assert!(only(&annotated, Origin::Network).microdesc.is_err());
        all.push_str(&annotated);
    }
    let mut interner = Interner::default();
    let pieces: Vec<Piece> = split(&all, Origin::Cache, &mut interner).collect();
    assert_eq!(pieces.len(), cases(&vectors["microdescs_annotated"]).count());
    for piece in &pieces {
        assert_eq!(find(&all, &piece.digest), Some(piece.span.clone()));
    }
    assert_eq!(find(&all, &MdDigest::from_bytes([0; 32])), None);
    drop(pieces);
    interner.prune();
    assert!(interner.policies.is_empty() && interner.families.is_empty());
}

#[test]
fn a_broken_one_spoils_only_itself() {
    let good = "onion-key\nntor-onion-key AppBt6CSeb1kKid/36ototmFA24ddfW5JpjWPLuoJgs=\n";
    let text = format!("{good}onion-key\nid\n{good}");
    let mut interner = Interner::default();
    let verdicts: Vec<bool> =
        split(&text, Origin::Network, &mut interner).map(|piece| piece.microdesc.is_ok()).collect();
    assert_eq!(verdicts, [true, false, true]);
}

#[test]
fn equal_parts_are_shared() {
    let text = |key: &str| {
        format!(
            "onion-key\nntor-onion-key {key}\nfamily $AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\nfamily-ids b a\np accept 80\n"
        )
    };
    let mut interner = Interner::default();
    let one = Microdesc::parse(&text("AppBt6CSeb1kKid/36ototmFA24ddfW5JpjWPLuoJgs="), &mut interner).unwrap();
    let two = Microdesc::parse(&text("BppBt6CSeb1kKid/36ototmFA24ddfW5JpjWPLuoJgs="), &mut interner).unwrap();
    assert_ne!(one.digest, two.digest);
    assert!(Arc::ptr_eq(&one.policy.unwrap(), &two.policy.unwrap()));
    assert!(Arc::ptr_eq(&one.family.unwrap(), &two.family.unwrap()));
    assert!(Arc::ptr_eq(&one.family_ids.unwrap(), &two.family_ids.unwrap()));
}

proptest! {
    #[test]
    fn no_text_panics_and_spans_ascend(
        text in "(onion-key\n|@last-listed 2020-01-01 00:00:00\n|ntor-onion-key AppBt6CSeb1kKid/36ototmFA24ddfW5JpjWPLuoJgs=\n|a \\[::1\\]:5\n|p accept 5\n|id ed25519\n|\n|é|x){0,20}",
    ) {
        let mut end = 0;
        for piece in split(&text, Origin::Cache, &mut Interner::default()) {
            prop_assert!(piece.span.start >= end && piece.span.end <= text.len());
            prop_assert_eq!(MdDigest::of(&text[piece.span.clone()]), piece.digest);
            if piece.microdesc.is_ok() {
                prop_assert!(find(&text, &piece.digest).is_some());
            }
            end = piece.span.end;
        }
    }
}

/// Checks that no test missed when they were taken out.
#[test]
fn what_is_no_microdescriptor_is_refused_for_what_it_is() {
    let key = "ntor-onion-key AppBt6CSeb1kKid/36ototmFA24ddfW5JpjWPLuoJgs=\n";
    let parse = |text: String| Microdesc::parse(&text, &mut Interner::default());
    let error = |text: String| parse(text).unwrap_err();
    assert!(parse(format!("onion-key\n{key}")).is_ok());
    assert_eq!(error(format!("onion-key\n{key}x\0\n")), DocError::NotText);
    assert_eq!(error(key.to_owned()), DocError::Misplaced { keyword: "onion-key" });
    assert_eq!(error(format!("onion-key\n{key}onion-key\n")), DocError::Misplaced { keyword: "onion-key" });
    let annotated = error(format!("onion-key\n{key}@last-listed 2026-01-01 00:00:00\n"));
    assert!(matches!(annotated, DocError::Malformed { what: "annotation", .. }));
    let tap = "-----BEGIN RSA PUBLIC KEY-----\nMAYCAQECAQE=\n-----END RSA PUBLIC KEY-----\n";
    assert!(matches!(error(format!("onion-key\n{tap}{key}")), DocError::Malformed { what: "onion-key", .. }));
    // Addresses that nothing can be sent to (C Tor bug 41276).
    for nowhere in ["[::]:9001", "[2001:db8::1]:0", "192.0.2.1:9001"] {
        assert_eq!(parse(format!("onion-key\n{key}a {nowhere}\n")).unwrap().ipv6, None, "{nowhere}");
    }
}
