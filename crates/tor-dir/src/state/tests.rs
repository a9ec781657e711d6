//! The documents of a private network of C Tor, served well and badly. Its two consensuses are of 03:25 and 03:35.

use std::collections::BTreeSet;

use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};

use super::*;
use crate::{
    MemoryStore,
    testdata::{private, private_authorities, private_time},
};

/// A client with a virtual clock.
struct Client {
    state: DirState,
    store: MemoryStore,
    rng: ChaCha20Rng,
    at: Moment,
    fetches: Vec<Fetch>,
    refused: Vec<DirError>,
    views: usize,
    others: Vec<Output>,
}

fn server(byte: u8) -> RsaId {
    RsaId::from_bytes([byte; 20])
}

fn text(name: &str) -> String {
    String::from_utf8(private(name)).unwrap()
}

fn minutes(count: u64) -> Duration {
    Duration::from_secs(60 * count)
}

impl Client {
    fn new() -> Self {
        Self::with(MemoryStore::new(), private_time(), |_| {})
    }

    #[expect(clippy::disallowed_methods, reason = "any instant will do")]
    fn with(store: MemoryStore, wall: SystemTime, change: impl FnOnce(&mut DirConfig)) -> Self {
        let at = Moment { now: Instant::now(), wall };
        let mut config = DirConfig::new(private_authorities(), NetworkKind::Testing);
        change(&mut config);
        let state = DirState::new(config, at.now);
        let (rng, fetches) = (ChaCha20Rng::from_seed([3; 32]), Vec::new());
        let mut client =
            Self { state, store, rng, at, fetches, refused: Vec::new(), views: 0, others: Vec::new() };
        client.state.load(at, &mut client.store, &mut client.rng);
        client.handle(Input::Timer);
        client
    }

    fn handle(&mut self, input: Input) {
        self.state.handle(self.at, input, &mut self.store, &mut self.rng);
        while let Some(output) = self.state.poll_output() {
            #[expect(clippy::wildcard_enum_match_arm, reason = "the test that wants one looks for it")]
            match output {
                Output::Fetch(fetch) => self.fetches.push(fetch),
                Output::Cancel(id) => self.fetches.retain(|fetch| fetch.id != id),
                Output::View(_) => self.views += 1,
                Output::Refused { error, .. } => self.refused.push(error),
                other => self.others.push(other),
            }
        }
    }

    fn wait(&mut self, time: Duration) {
        self.at = Moment { now: self.at.now + time, wall: self.at.wall + time };
        self.handle(Input::Timer);
    }

    /// Lets time pass until the state wants something.
    fn wait_for_fetch(&mut self) -> Duration {
        let start = self.at.now;
        for _ in 0..1000 {
            if !self.fetches.is_empty() {
                return self.at.now - start;
            }
            let deadline = self.state.deadline(self.at).expect("something must be planned");
            self.wait(deadline.saturating_duration_since(self.at.now));
        }
        panic!("no fetch after a thousand deadlines");
    }

    fn take(&mut self, which: impl Fn(&DirRequest) -> bool) -> Fetch {
        let index = self.fetches.iter().position(|fetch| which(&fetch.request)).expect("no such fetch");
        self.fetches.remove(index)
    }

    fn take_consensus(&mut self) -> Fetch {
        self.take(|request| matches!(request, DirRequest::Consensus(_)))
    }

    fn take_certs(&mut self) -> Fetch {
        self.take(|request| matches!(request, DirRequest::Certs { .. }))
    }

    fn take_microdescs(&mut self) -> Fetch {
        self.take(|request| matches!(request, DirRequest::Microdescs(_)))
    }

    fn answer(&mut self, fetch: &Fetch, from: u8, body: impl Into<Vec<u8>>) {
        self.handle(Input::Answer { id: fetch.id, from: server(from), status: 200, body: body.into() });
    }

    fn fail(&mut self, fetch: &Fetch, from: u8) {
        self.handle(Input::Failed { id: fetch.id, from: Some(server(from)) });
    }

    /// Certificates, the first consensus, and all microdescriptors.
    fn bootstrap(&mut self) {
        let certs = self.take_certs();
        self.answer(&certs, 1, private("certs.txt"));
        let consensus = self.take_consensus();
        self.answer(&consensus, 1, private("consensus-1.txt"));
        let microdescs = self.take_microdescs();
        self.answer(&microdescs, 1, private("microdescs.txt"));
    }

    fn readiness(&self) -> Readiness {
        self.state.readiness(self.at.wall)
    }
}

#[test]
fn from_nothing_to_enough() {
    let mut client = Client::new();
    assert_eq!(client.readiness(), Readiness::RequestingStatus);
    let consensus = client.take_consensus();
    assert_eq!(consensus.source, Source::Authority);
    client.handle(Input::Answering(consensus.id));
    assert_eq!(client.readiness(), Readiness::LoadingStatus);
    // The consensus comes before the certificates.
    client.answer(&consensus, 1, private("consensus-1.txt"));
    assert_eq!(client.readiness(), Readiness::LoadingKeys);
    assert!(client.state.view(client.at.wall).is_none());
    let certs = client.take_certs();
    client.answer(&certs, 1, private("certs.txt"));
    assert_eq!(client.readiness(), Readiness::RequestingDescriptors);
    let microdescs = client.take_microdescs();
    assert_eq!(microdescs.source, Source::Cache);
    // Half of them, as a hostile or lagging server may serve.
    let all = text("microdescs.txt");
    let half = &all
        [..all.match_indices("onion-key\n").filter(|(at, _)| all[..*at].ends_with('\n')).nth(5).unwrap().0];
    client.answer(&microdescs, 1, half);
    let percent = client.readiness().percent();
    assert!((45..75).contains(&percent), "{percent}");
    client.wait_for_fetch();
    let rest = client.take_microdescs();
    assert_eq!(rest.avoid, [server(1)]);
    client.answer(&rest, 2, all);
    assert_eq!(client.readiness(), Readiness::Enough);
    let view = client.state.view(client.at.wall).unwrap();
    assert_eq!((view.relays().count(), view.missing_microdescs().count()), (10, 0));
    assert!(view.path_fraction().has_exits);
    assert!(client.refused.is_empty() && client.views >= 2);
}

#[test]
fn a_warm_start_needs_no_network() {
    let mut client = Client::new();
    client.bootstrap();
    let store = client.store.clone();
    let again = Client::with(store.clone(), private_time(), |_| {});
    assert_eq!(again.readiness(), Readiness::Enough);
    assert!(again.fetches.is_empty());
    // A day and more later it is too old to use, but good enough as the base of a diff.
    let late = Client::with(store.clone(), private_time() + minutes(26 * 60), |_| {});
    assert_eq!(late.readiness(), Readiness::RequestingStatus);
    let DirRequest::Consensus(request) = &late.fetches[0].request else { panic!("no consensus wanted") };
    assert!(request.diff_from.is_some() && request.if_modified_since.is_some());
    // After six days, not even that.
    let later = Client::with(store, private_time() + minutes(6 * 24 * 60), |_| {});
    assert!(later.state.consensus().is_none());
}

#[test]
fn caches_of_c_tor_are_read() {
    let mut store = MemoryStore::new();
    store.replace(DirFile::Certs, &private("certs.txt")).unwrap();
    store.replace(DirFile::Consensus, &private("consensus-1.txt")).unwrap();
    store.replace(DirFile::MicrodescJournal, &private("cached-microdescs.txt")).unwrap();
    let client = Client::with(store, private_time(), |_| {});
    assert_eq!(client.readiness(), Readiness::Enough);
}

#[test]
fn a_spoilt_cache_is_passed_over() {
    let mut client = Client::new();
    client.bootstrap();
    for (file, content) in [
        (DirFile::Consensus, b"network-status-version 3 microdesc\n".to_vec()),
        (
            DirFile::Consensus,
            text("consensus-1.txt").replacen("Bandwidth=10000", "Bandwidth=99999", 1).into_bytes(),
        ),
        (DirFile::Consensus, vec![0xff; 100]),
        (DirFile::Certs, b"dir-key-certificate-version 3\n".to_vec()),
    ] {
        let mut store = client.store.clone();
        store.replace(file, &content).unwrap();
        let again = Client::with(store, private_time(), |_| {});
        assert!(again.state.view(again.at.wall).is_none(), "{file:?}");
        assert!(!again.fetches.is_empty());
    }
    let mut store = client.store.clone();
    let cut = text("microdescs.txt");
    store.replace(DirFile::MicrodescJournal, &cut.as_bytes()[..cut.len() / 2]).unwrap();
    let again = Client::with(store.clone(), private_time(), |_| {});
    assert_eq!(again.fetches.len(), 1);
    // A byte that is not UTF-8 costs one microdescriptor, not all.
    let mut damaged = cut.into_bytes();
    damaged[40] = 0xff;
    store.replace(DirFile::MicrodescJournal, &damaged).unwrap();
    let again = Client::with(store, private_time(), |_| {});
    assert_eq!(again.state.view(again.at.wall).unwrap().missing_microdescs().count(), 1);
}

#[test]
fn the_next_consensus_comes_as_a_diff_in_its_time() {
    let mut client = Client::new();
    client.bootstrap();
    let waited = client.wait_for_fetch();
    // Fresh until 03:30, valid until 03:40: from 03:33:45 on, and before 03:39:14.
    assert!(
        waited >= Duration::from_secs(7 * 60 + 45) && waited <= Duration::from_secs(13 * 60 + 14),
        "{waited:?}"
    );
    let fetch = client.take_consensus();
    assert_eq!(fetch.source, Source::Cache);
    let DirRequest::Consensus(request) = &fetch.request else { unreachable!() };
    let held = client.state.consensus().unwrap();
    assert_eq!(request.diff_from, Some(held.sha3_as_signed()));
    client.answer(&fetch, 2, private("diff-1-2.txt"));
    let held = client.state.consensus().unwrap();
    assert_eq!(**held.text(), *text("consensus-2.txt"));
    // Its microdescriptors are all known.
    assert_eq!(client.readiness(), Readiness::Enough);
    assert!(client.fetches.is_empty());
}

#[test]
fn a_bad_diff_changes_nothing() {
    let mut client = Client::new();
    client.bootstrap();
    client.wait_for_fetch();
    let fetch = client.take_consensus();
    let before = client.state.consensus().unwrap().clone();
    client.answer(&fetch, 2, text("diff-1-2.txt").replacen("valid-after", "valid-aftre", 1));
    assert!(matches!(client.refused.as_slice(), [DirError::Diff(_)]));
    assert!(Arc::ptr_eq(&before, client.state.consensus().unwrap()));
    // Another server is asked, soon but not at once.
    let waited = client.wait_for_fetch();
    assert!(waited >= Duration::from_secs(1) && waited < Duration::from_secs(10), "{waited:?}");
    let fetch = client.take_consensus();
    client.answer(&fetch, 3, private("consensus-2.txt"));
    assert!(!Arc::ptr_eq(&before, client.state.consensus().unwrap()));
}

#[test]
fn an_old_consensus_never_replaces_a_newer_one() {
    let mut client = Client::with(MemoryStore::new(), private_time() + minutes(10), |_| {});
    let certs = client.take_certs();
    client.answer(&certs, 1, private("certs.txt"));
    let fetch = client.take_consensus();
    client.answer(&fetch, 1, private("consensus-2.txt"));
    let held = client.state.consensus().unwrap().clone();
    for (name, expect) in [("consensus-1.txt", DirError::NotNewer), ("consensus-2.txt", DirError::NotNewer)] {
        client.fetches.clear();
        client.wait(minutes(60));
        client.wait_for_fetch();
        let fetch = client.take_consensus();
        client.answer(&fetch, 2, private(name));
        assert_eq!(client.refused.pop(), Some(expect));
        assert!(Arc::ptr_eq(&held, client.state.consensus().unwrap()));
    }
}

#[test]
fn a_consensus_outside_its_time_is_refused_with_the_reason() {
    for (hours, late) in [(25, true), (-25_i64, false)] {
        let shift = minutes(60 * hours.unsigned_abs());
        let wall = if late { private_time() + shift } else { private_time() - shift };
        let mut client = Client::with(MemoryStore::new(), wall, |_| {});
        let fetch = client.take_consensus();
        client.answer(&fetch, 1, private("consensus-1.txt"));
        match client.refused.as_slice() {
            [DirError::Expired { by }] if late => assert!(*by > minutes(24 * 60)),
            [DirError::FromTheFuture { by }] if !late => assert!(*by > minutes(24 * 60)),
            other => panic!("{other:?}"),
        }
        assert_eq!(client.readiness(), Readiness::RequestingStatus);
    }
    // Within a day it is taken, and the clock is doubted.
    let mut client = Client::with(MemoryStore::new(), private_time() - minutes(60), |_| {});
    client.bootstrap();
    assert!(
        matches!(client.others.as_slice(), [Output::ClockBehind(by), ..] if *by == minutes(59)),
        "{:?}",
        client.others
    );
}

#[test]
fn one_bad_signature_too_many() {
    let mut client = Client::new();
    let certs = client.take_certs();
    client.answer(&certs, 1, private("certs.txt"));
    let spoil = |text: &str, count: usize| {
        let mut text = text.to_owned();
        let marker = "-----BEGIN SIGNATURE-----\n";
        for (at, _) in text.clone().match_indices(marker).take(count) {
            let at = at + marker.len();
            let other = if &text[at..=at] == "A" { "B" } else { "A" };
            text.replace_range(at..=at, other);
        }
        text
    };
    let fetch = client.take_consensus();
    client.answer(&fetch, 1, spoil(&text("consensus-1.txt"), 2));
    assert!(matches!(client.refused.as_slice(), [DirError::Verify(_)]));
    assert!(client.state.consensus().is_none());
    client.wait_for_fetch();
    let fetch = client.take_consensus();
    client.answer(&fetch, 2, spoil(&text("consensus-1.txt"), 1));
    assert_eq!(client.state.consensus().unwrap().signers().len(), 2);
}

#[test]
fn a_consensus_that_nobody_can_verify_does_not_block_for_ever() {
    let mut client = Client::new();
    let certs = client.take_certs();
    client.answer(&certs, 1, private("certs.txt"));
    let fetch = client.take_consensus();
    // Signing keys that do not exist.
    let mut forged = text("consensus-1.txt");
    for (at, _) in forged.clone().match_indices("\ndirectory-signature sha256 ") {
        let key = at + "\ndirectory-signature sha256 ".len() + 41;
        forged.replace_range(key..key + 40, &"0".repeat(40));
    }
    client.answer(&fetch, 66, forged);
    assert_eq!(client.readiness(), Readiness::LoadingKeys);
    for _ in 0..3 {
        client.wait_for_fetch();
        let fetch = client.take_certs();
        assert_eq!(fetch.prefer, Some(server(66)));
        assert!(matches!(&fetch.request, DirRequest::Certs { exact, .. } if exact.len() == 3));
        client.answer(&fetch, 66, private("certs.txt"));
    }
    assert_eq!(client.readiness(), Readiness::RequestingStatus);
    client.wait_for_fetch();
    let fetch = client.take_consensus();
    client.answer(&fetch, 2, private("consensus-1.txt"));
    assert!(client.state.consensus().is_some());
}

#[test]
fn a_microdescriptor_with_another_digest_is_asked_of_another() {
    let mut client = Client::new();
    let certs = client.take_certs();
    client.answer(&certs, 1, private("certs.txt"));
    let consensus = client.take_consensus();
    client.answer(&consensus, 1, private("consensus-1.txt"));
    let fetch = client.take_microdescs();
    let DirRequest::Microdescs(asked) = fetch.request.clone() else { unreachable!() };
    assert_eq!(asked.len(), 10);
    // One exit claims another policy than it signed.
    client.answer(&fetch, 66, text("microdescs.txt").replacen("p accept 1-65535", "p accept 1-65534", 1));
    let view = client.state.view(client.at.wall).unwrap();
    let missing: Vec<MdDigest> = view.missing_microdescs().collect();
    assert_eq!(missing.len(), 1);
    client.wait_for_fetch();
    let fetch = client.take_microdescs();
    assert_eq!(fetch.request, DirRequest::Microdescs(missing));
    assert_eq!(fetch.avoid, [server(66)]);
    // An answer with nothing in it that was asked for.
    client.answer(&fetch, 67, "onion-key\nntor-onion-key AppBt6CSeb1kKid/36ototmFA24ddfW5JpjWPLuoJgs=\n");
    assert_eq!(client.refused.pop(), Some(DirError::NothingRequested));
    client.wait_for_fetch();
    let fetch = client.take_microdescs();
    assert_eq!(fetch.avoid, [server(66), server(67)]);
    client.answer(&fetch, 68, private("microdescs.txt"));
    assert_eq!(client.state.view(client.at.wall).unwrap().relays().count(), 10);
}

/// A server filled its answers up with microdescriptors that nobody had asked for, each of another family and another
/// policy. They were not taken, but the families and policies stayed, tens of megabytes for each answer.
#[test]
fn what_nobody_asked_for_leaves_nothing_behind() {
    let mut client = Client::new();
    let certs = client.take_certs();
    client.answer(&certs, 1, private("certs.txt"));
    let consensus = client.take_consensus();
    client.answer(&consensus, 1, private("consensus-1.txt"));
    let fetch = client.take_microdescs();
    let stranger = |n: u32| {
        format!(
            "onion-key\nntor-onion-key AppBt6CSeb1kKid/36ototmFA24ddfW5JpjWPLuoJgs=\nfamily ${n:040}\nfamily-ids x:{n}\np accept {n}\n"
        )
    };
    let strangers: String = (1..1000).map(stranger).collect();
    client.answer(&fetch, 66, format!("{strangers}{}", text("microdescs.txt")));
    assert_eq!(client.refused.pop(), Some(DirError::NothingRequested));
    assert!(client.state.microdescs.interner.is_empty());
    // The same behind what was asked for.
    client.wait_for_fetch();
    let fetch = client.take_microdescs();
    client.answer(&fetch, 67, format!("{}{strangers}", text("microdescs.txt")));
    assert_eq!(client.readiness(), Readiness::Enough);
    assert!(client.state.microdescs.interner.len() <= 3 * 10);
}

/// Each certificate costs two RSA verifications, so a server that sends thousands of them kept us busy for minutes.
#[test]
fn certificates_beyond_a_reasonable_number_are_not_looked_at() {
    let mut client = Client::new();
    let fetch = client.take_certs();
    let junk = "dir-key-certificate-version 3\n".repeat(256);
    client.answer(&fetch, 66, format!("{junk}{}", text("certs.txt")));
    assert_eq!(client.refused.pop(), Some(DirError::NothingRequested));
    assert_eq!(client.state.certs().count(), 0);
}

#[test]
fn certificates_of_strangers_are_not_kept() {
    let mut client = Client::with(MemoryStore::new(), private_time(), |config| {
        config.authorities.truncate(1);
        config.authorities.push(server(9));
    });
    let certs = client.take_certs();
    client.answer(&certs, 1, private("certs.txt"));
    assert_eq!(client.state.certs().count(), 1);
    // The other's is still wanted, and asked for again later.
    assert!(client.fetches.iter().all(|fetch| !matches!(fetch.request, DirRequest::Certs { .. })));
    client.fetches.clear();
    client.wait(Duration::from_secs(30));
    let fetch = client.take_certs();
    assert_eq!(fetch.request, DirRequest::Certs { authorities: vec![server(9)], exact: Vec::new() });
}

#[test]
fn bootstrap_asks_more_and_more_servers() {
    let mut client = Client::with(MemoryStore::new(), private_time(), |config| {
        config.has_fallbacks = true;
        config.authority_delay = Duration::from_secs(6);
    });
    client.take_certs();
    let consensus_sources =
        |client: &Client| client.fetches.iter().map(|fetch| fetch.source).collect::<Vec<_>>();
    assert_eq!(consensus_sources(&client), [Source::Fallback]);
    client.wait(Duration::from_secs(3));
    assert!(client.fetches.iter().all(|fetch| fetch.source == Source::Fallback));
    for _ in 0..60 {
        client.wait(Duration::from_secs(1));
    }
    assert_eq!(client.fetches.len(), 3);
    // One fails: then an authority's turn has come, if it had not before.
    let failing = client.fetches.remove(0);
    client.fail(&failing, 1);
    assert!(consensus_sources(&client).contains(&Source::Authority));
    // One begins to answer: no more are asked, even when another fails.
    let (answering, failing) = (client.fetches[0].clone(), client.fetches[1].clone());
    client.handle(Input::Answering(answering.id));
    client.fail(&failing, 1);
    client.fetches.retain(|fetch| fetch.id != failing.id);
    client.wait(minutes(10));
    assert_eq!(client.fetches.len(), 2);
    // It was worth it: the others are called off.
    client.at.wall = private_time();
    client.answer(&answering, 2, private("consensus-1.txt"));
    assert!(
        client
            .fetches
            .iter()
            .all(|fetch| !matches!(fetch.request, DirRequest::Consensus(_)) || fetch.id == answering.id)
    );
}

#[test]
fn a_required_protocol_that_we_lack_stops_us() {
    let lack = |config: &mut DirConfig| {
        config.supported = Protocols::parse("Cons=2 Desc=2 Link=4 Microdesc=2 Relay=2").unwrap()
    };
    let mut client = Client::with(MemoryStore::new(), private_time(), lack);
    let certs = client.take_certs();
    client.answer(&certs, 1, private("certs.txt"));
    let fetch = client.take_consensus();
    client.answer(&fetch, 1, private("consensus-1.txt"));
    assert!(
        matches!(client.others.first(), Some(Output::Obsolete(missing)) if missing.to_string() == "FlowCtrl=1")
    );
    assert!(client.state.view(client.at.wall).is_none() && client.views == 0);
    assert!(client.fetches.is_empty());
    assert_eq!(client.state.deadline(client.at), None);
    // And so it is when the consensus is in the store.
    let again = Client::with(client.store.clone(), private_time(), lack);
    assert_eq!(again.state.missing_protocols().unwrap().to_string(), "FlowCtrl=1");
}

#[test]
fn requests_are_split_over_servers() {
    assert_eq!([10, 120, 1200, 8000].map(microdescs::portion), [32, 40, 400, 500]);
}

#[test]
fn the_journal_is_folded_into_the_cache() {
    let mut client = Client::new();
    client.bootstrap();
    assert!(client.store.load(DirFile::Microdescs).unwrap().is_none());
    let journal = client.store.load(DirFile::MicrodescJournal).unwrap().unwrap();
    // A journal that has grown, with an entry that was last listed long ago.
    let gone = "@last-listed 2026-11-01 00:00:00\nonion-key\nntor-onion-key AppBt6CSeb1kKid/36ototmFA24ddfW5JpjWPLuoJgs=\n";
    let mut grown = gone.as_bytes().to_vec();
    grown.extend_from_slice(&journal.repeat(6));
    let mut store = client.store.clone();
    store.replace(DirFile::MicrodescJournal, &grown).unwrap();
    let mut again = Client::with(store, private_time(), |_| {});
    let wall = again.at.wall;
    again.state.fold_journal(wall, &mut again.store);
    let cache = again.store.load(DirFile::Microdescs).unwrap().unwrap();
    let text = String::from_utf8(cache).unwrap();
    let found: BTreeSet<_> =
        tor_netdoc::microdesc::split(&text, tor_netdoc::microdesc::Origin::Cache, &mut Interner::default())
            .map(|piece| piece.digest)
            .collect();
    assert_eq!(found.len(), 10);
    assert_eq!(again.store.load(DirFile::MicrodescJournal).unwrap().unwrap().len(), 0);
    assert_eq!(Client::with(again.store.clone(), private_time(), |_| {}).readiness(), Readiness::Enough);
}

#[test]
fn a_store_that_fails_is_reported_and_lived_with() {
    struct Broken;
    impl DirStore for Broken {
        fn load(&self, _: DirFile) -> std::io::Result<Option<Vec<u8>>> {
            Err(std::io::ErrorKind::PermissionDenied.into())
        }
        fn replace(&mut self, _: DirFile, _: &[u8]) -> std::io::Result<()> {
            Err(std::io::ErrorKind::StorageFull.into())
        }
        fn append(&mut self, _: DirFile, _: &[u8]) -> std::io::Result<()> {
            Err(std::io::ErrorKind::StorageFull.into())
        }
    }
    let mut client = Client::new();
    let mut rng = ChaCha20Rng::from_seed([3; 32]);
    let (certs, consensus) = (client.take_certs(), client.take_consensus());
    for (fetch, name) in [(certs, "certs.txt"), (consensus, "consensus-1.txt")] {
        let input = Input::Answer { id: fetch.id, from: server(1), status: 200, body: private(name) };
        client.state.handle(client.at, input, &mut Broken, &mut rng);
    }
    assert!(client.state.view(client.at.wall).is_some());
    let failures = std::iter::from_fn(|| client.state.poll_output())
        .filter(|output| matches!(output, Output::StoreFailed { .. }))
        .count();
    assert!(failures >= 2);
}

#[test]
fn answers_that_nobody_waits_for() {
    let mut client = Client::new();
    let fetch = client.take_certs();
    client.answer(&fetch, 1, private("certs.txt"));
    let before = client.state.certs().count();
    client.answer(&fetch, 1, private("certs.txt"));
    assert_eq!((client.state.certs().count(), client.refused.len()), (before, 0));
    let fetch = client.take_consensus();
    client.handle(Input::Answer { id: fetch.id, from: server(1), status: 503, body: Vec::new() });
    assert_eq!(client.refused.pop(), Some(DirError::Status(503)));
    client.wait_for_fetch();
    let fetch = client.take_consensus();
    client.answer(&fetch, 1, vec![0xff; 9]);
    assert_eq!(client.refused.pop(), Some(DirError::NotText));
}
