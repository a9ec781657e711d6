//! Directory servers that serve the wrong thing once: it is refused by name, and the right thing is fetched.

use std::{
    io::Write,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use flate2::{Compression, write::ZlibEncoder};
use tor_circmgr::IsolationKey;
use tor_testnet::{Documents, Misbehave, Request, Step, documents};

use crate::world::{World, honest};

const CONSENSUS: &str = "/tor/status-vote/current/consensus-microdesc";
const CERTS: &str = "/tor/keys/";
const MICRODESCS: &str = "/tor/micro/d/";

/// The first answer to a request for `what` is `bad`, the others are honest; `why` is said, and the client gets on.
async fn recovers(
    what: &'static str,
    why: &str,
    bad: impl Fn(&Documents, &str) -> Vec<u8> + Send + Sync + 'static,
) {
    let asked = Arc::new(AtomicUsize::new(0));
    let bad = Arc::new(bad);
    let mut world = World::start(move |documents, request| {
        let concerned = request.split(' ').nth(1).is_some_and(|path| path.starts_with(what));
        if concerned && asked.fetch_add(1, Ordering::Relaxed) == 0 {
            return bad(documents, request);
        }
        honest(documents, request)
    })
    .await;
    world.log.says(why).await;
    world.view().await;
    world.assert_content();
}

fn deflate(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// The body of the honest answer.
fn body(documents: &Documents, request: &str) -> Vec<u8> {
    let mut answer = honest(documents, request);
    let head = answer.windows(4).position(|end| end == b"\r\n\r\n").unwrap();
    answer.split_off(head + 4)
}

#[tokio::test]
async fn honest_servers() {
    let mut world = World::start(honest).await;
    let view = world.view().await;
    assert_eq!(view.relays().count(), 4);
    world.log.says("Bootstrapped 75% (enough_dirinfo)").await;
    world.assert_content();
}

#[tokio::test]
async fn compressed_answers() {
    let mut world =
        World::start(|documents, request| documents::ok("deflate", &deflate(&body(documents, request))))
            .await;
    world.view().await;
    world.assert_content();
}

/// Two of three signatures are enough.
#[tokio::test]
async fn a_consensus_with_as_many_bad_signatures_as_may_be() {
    let mut world = World::start(|documents, request| {
        if request.contains(CONSENSUS) {
            return documents::ok("identity", documents.consensus(1).unwrap().as_bytes());
        }
        honest(documents, request)
    })
    .await;
    world.view().await;
    world.assert_content();
}

#[tokio::test]
async fn a_consensus_with_one_bad_signature_too_many() {
    recovers(CONSENSUS, "only 1 of 2 signatures verified, 2 are bad", |documents, _| {
        documents::ok("identity", documents.consensus(2).unwrap().as_bytes())
    })
    .await;
}

/// A relay's bandwidth is worth a signature of its own.
#[tokio::test]
async fn a_consensus_that_was_changed() {
    recovers(CONSENSUS, "only 0 of 2 signatures verified, 3 are bad", |documents, _| {
        let consensus = documents.consensus(0).unwrap().replacen("Bandwidth=1000", "Bandwidth=9000", 1);
        documents::ok("identity", consensus.as_bytes())
    })
    .await;
}

#[tokio::test]
async fn a_consensus_that_is_none() {
    recovers(CONSENSUS, "Will try another", |_, _| documents::ok("identity", b"once upon a time")).await;
}

#[tokio::test]
async fn certificates_that_were_changed() {
    recovers(CERTS, "Will try another", |documents, request| {
        let certs = String::from_utf8(body(documents, request)).unwrap();
        documents::ok("identity", certs.replace("dir-key-expires 2", "dir-key-expires 3").as_bytes())
    })
    .await;
}

#[tokio::test]
async fn microdescriptors_with_other_digests() {
    recovers(MICRODESCS, "none of the requested documents was in the answer", |documents, request| {
        let text = String::from_utf8(body(documents, request)).unwrap();
        documents::ok("identity", text.replace("accept 1-65535", "accept 1-65534").as_bytes())
    })
    .await;
}

#[tokio::test]
async fn compressed_bodies_that_break_off() {
    recovers(CONSENSUS, "truncated compressed body", |documents, request| {
        let whole = deflate(&body(documents, request));
        documents::ok("deflate", &whole[..whole.len() / 2])
    })
    .await;
}

#[tokio::test]
async fn compressed_bodies_that_expand_out_of_all_proportion() {
    recovers(CONSENSUS, "compression bomb", |_, _| documents::ok("deflate", &deflate(&vec![b'\n'; 8 << 20])))
        .await;
}

/// The bound holds over the whole body, not for each stream in it.
#[tokio::test]
async fn many_compressed_streams_that_do_so_together() {
    recovers(CONSENSUS, "compression bomb", |_, _| {
        documents::ok("deflate", &deflate(&vec![b'\n'; 1 << 20]).repeat(12))
    })
    .await;
}

#[tokio::test]
async fn bodies_that_are_not_what_their_label_says() {
    recovers(CONSENSUS, "corrupt compressed body", |_, _| documents::ok("deflate", b"x\x9cnever compressed"))
        .await;
}

#[tokio::test]
async fn answers_that_break_off() {
    recovers(MICRODESCS, "answer was cut short", |documents, request| {
        let answer = honest(documents, request);
        answer[..answer.len() - 10].to_vec()
    })
    .await;
}

#[tokio::test]
async fn answers_that_are_not_http() {
    recovers(CONSENSUS, "malformed HTTP head", |_, _| b"220 mail.example ESMTP\r\n\r\n".to_vec()).await;
}

#[tokio::test]
async fn answers_that_are_too_long() {
    recovers(CONSENSUS, "answer is too long", |_, _| {
        [b"HTTP/1.0 200 OK\r\n\r\n".as_slice(), &[b'x'; 17 << 20]].concat()
    })
    .await;
}

#[tokio::test]
async fn servers_that_have_nothing() {
    recovers(CONSENSUS, "status 404", |_, _| b"HTTP/1.0 404 Not found\r\n\r\n".to_vec()).await;
}

#[tokio::test]
async fn servers_that_are_busy() {
    recovers(MICRODESCS, "status 503", |_, _| {
        b"HTTP/1.0 503 Directory busy, try again later\r\n\r\n".to_vec()
    })
    .await;
}

/// The documents are fetched although each relay destroys the first circuit on which it is asked.
#[tokio::test]
async fn circuits_that_break() {
    let mut world = World::start(honest).await;
    for relay in &world.relays {
        relay.arm(Misbehave::Instead(Request::Begin, vec![Step::destroy()]));
    }
    world.view().await;
    world.assert_content();
}

/// And after all that a stream is opened.
#[tokio::test]
async fn the_network_is_used_then() {
    let world = World::ready().await;
    let request = tor_net::OpenRequest::Resolve(tor_testnet::HOST_V4.to_owned());
    let key = IsolationKey::default();
    let request = request.into();
    let opening = world.manager.open(&request, &tor_path::ExitNeed::Resolve, &key, false);
    let opened = crate::world::within(opening).await.unwrap();
    assert!(matches!(opened, tor_net::Opened::Answers(answers) if answers.len() == 1));
    world.assert_content();
}
