//! The consensus for tools and router descriptors of a private network of C Tor, served well and badly.

use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};
use tor_netdoc::NetworkKind;

use super::*;
use crate::{DirConfig, DirServer, DirWanted, Fetch, Input, MemoryStore};

struct Client {
    state: DirState,
    store: MemoryStore,
    rng: ChaCha20Rng,
    at: Moment,
    fetches: Vec<Fetch>,
    refused: Vec<DirError>,
    came: usize,
}

fn file(name: &str) -> String {
    let path = format!("{}/testdata/control/{name}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(path).unwrap()
}

/// Descriptors as a server sends them.
fn descriptors() -> String {
    let lines = file("useless/descriptors.txt");
    lines.split_inclusive('\n').filter(|line| !line.starts_with('@')).collect()
}

const ON: Input = Input::Orders { network: true, wanted: DirWanted { useless: true, extra_info: false } };
const OFF: Input = Input::Orders { network: false, wanted: DirWanted { useless: true, extra_info: false } };
const USEFUL: Input =
    Input::Orders { network: true, wanted: DirWanted { useless: false, extra_info: false } };

impl Client {
    /// One with all that a client needs, at 2026-11-23 06:30:30.
    fn new() -> Self {
        let mut store = MemoryStore::new();
        for (kind, name) in [
            (DirFile::Certs, "certs"),
            (DirFile::Consensus, "consensus-microdesc"),
            (DirFile::Microdescs, "microdescs"),
        ] {
            store.replace(kind, file(&format!("useless/{name}.txt")).as_bytes()).unwrap();
        }
        Self::with(store)
    }

    #[expect(clippy::disallowed_methods, reason = "any instant will do")]
    fn with(store: MemoryStore) -> Self {
        let wall = SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_415_430);
        let at = Moment { now: Instant::now(), wall };
        let lines = file("authorities.txt");
        let authorities =
            lines.lines().map(|line| DirServer::parse_authority(line).unwrap().v3_ident().unwrap()).collect();
        let state = DirState::new(DirConfig::new(authorities, NetworkKind::Testing), at.now);
        let rng = ChaCha20Rng::from_seed([5; 32]);
        let mut client = Self { state, store, rng, at, fetches: Vec::new(), refused: Vec::new(), came: 0 };
        client.state.load(at, &mut client.store, &mut client.rng);
        client
    }

    fn handle(&mut self, input: Input) {
        self.state.handle(self.at, input, &mut self.store, &mut self.rng);
        while let Some(output) = self.state.poll_output() {
            #[expect(clippy::wildcard_enum_match_arm, reason = "the others are tested elsewhere")]
            match output {
                Output::Fetch(fetch) if is_useless(&fetch.request) => self.fetches.push(fetch),
                Output::Cancel(id) => self.fetches.retain(|fetch| fetch.id != id),
                Output::Refused { error, .. } => self.refused.push(error),
                Output::RoutersArrived(relays) => self.came += relays.len(),
                _ => {}
            }
        }
    }

    fn answer(&mut self, from: u8, body: impl Into<Vec<u8>>) {
        let fetch = self.fetches.remove(0);
        let from = RsaId::from_bytes([from; 20]);
        self.handle(Input::Answer { id: fetch.id, from, status: 200, body: body.into() });
    }

    fn wait_for_fetch(&mut self) -> &Fetch {
        for _ in 0..1000 {
            if !self.fetches.is_empty() {
                break;
            }
            let deadline = self.state.useless_deadline(self.at).expect("something must be planned");
            let wait = deadline.saturating_duration_since(self.at.now);
            self.at = Moment { now: self.at.now + wait, wall: self.at.wall + wait };
            self.handle(Input::Timer);
        }
        &self.fetches[0]
    }
}

#[test]
fn nothing_is_fetched_for_tools_unless_they_want_it() {
    let mut client = Client::new();
    client.handle(USEFUL);
    assert!(client.fetches.is_empty() && client.state.useless_deadline(client.at).is_none());
    client.handle(ON);
    assert_eq!(client.fetches.len(), 1);
    client.handle(USEFUL);
    assert!(client.fetches.is_empty(), "cancelled");
    client.handle(ON);
    client.handle(OFF);
    assert!(client.fetches.is_empty() && client.state.deadline(client.at).is_none());
    client.handle(ON);
    assert_eq!(client.fetches.len(), 1);
}

#[test]
fn first_the_consensus_then_what_it_lists() {
    let mut client = Client::new();
    client.handle(ON);
    assert!(client.fetches[0].request.path().starts_with("/tor/status-vote/current/consensus/"));
    assert_eq!(client.fetches[0].source, Source::Cache);
    client.answer(1, file("useless/consensus-ns.txt"));
    assert_eq!(client.state.ns_consensus().unwrap().relays().len(), 10);
    let DirRequest::Routers(digests) = &client.fetches[0].request else { panic!("no descriptors wanted") };
    assert_eq!(digests.len(), 10);
    client.answer(1, descriptors());
    assert!(client.refused.is_empty() && client.fetches.is_empty());
    assert_eq!((client.came, client.state.routers().len()), (10, 10));
    assert!(client.state.routers().values().all(|router| {
        // The server is none of the network, so nobody knows its address.
        &*router.annotations == "@downloaded-at 2026-11-23 06:30:30\n"
    }));
    // The next start finds them.
    let mut again = Client::with(client.store.clone());
    again.handle(ON);
    assert_eq!((again.came, again.state.routers().len()), (10, 10));
    assert!(again.fetches.is_empty(), "the consensus is fresh, and everything is there");
    assert_eq!(again.state.ns_consensus().unwrap().text(), client.state.ns_consensus().unwrap().text());
}

#[test]
fn what_one_server_lacks_is_asked_of_another() {
    let mut client = Client::new();
    client.handle(ON);
    client.answer(1, file("useless/consensus-ns.txt"));
    let all = descriptors();
    let half = all.match_indices("\nrouter relay").nth(2).unwrap().0 + 1;
    let (first, second) = all.split_at(half);
    client.answer(1, first);
    let came = client.came;
    assert!(came > 0 && came < 10);
    assert_eq!(client.wait_for_fetch().avoid, [RsaId::from_bytes([1; 20])]);
    // With what was not asked for, and annotations of the server's own, which are not believed.
    client.answer(2, format!("junk\n{first}@source \"evil\"\n{second}"));
    assert_eq!(client.came, 10);
    assert!(client.state.routers().values().all(|router| !router.annotations.contains("evil")));
}

#[test]
fn damaged_descriptors_are_not_taken() {
    let mut client = Client::new();
    client.handle(ON);
    client.answer(1, file("useless/consensus-ns.txt"));
    // The digest does not cover the signature: what it names may come with another.
    let all = descriptors();
    let damaged = all.replace("-----BEGIN SIGNATURE-----\n", "-----BEGIN SIGNATURE-----\nAAAA");
    client.answer(1, damaged);
    assert_eq!((client.came, client.refused.as_slice()), (0, &[DirError::NothingRequested][..]));
    client.wait_for_fetch();
    client.answer(2, all);
    assert_eq!(client.came, 10, "another server is believed");
}

#[test]
fn a_consensus_that_is_no_good_is_asked_for_again_later() {
    let mut client = Client::new();
    client.handle(ON);
    client.answer(1, file("useless/consensus-microdesc.txt"));
    assert_eq!(client.refused, [DirError::WrongFlavor]);
    assert!(client.fetches.is_empty(), "not at once");
    client.wait_for_fetch();
    let forged = file("useless/consensus-ns.txt").replace("Bandwidth=", "Bandwidth=9");
    client.answer(1, forged);
    assert!(matches!(client.refused[1], DirError::Verify(_)) && client.state.ns_consensus().is_none());
    client.wait_for_fetch();
    client.answer(1, file("useless/consensus-ns.txt"));
    assert!(client.state.ns_consensus().is_some());
    client.handle(USEFUL);
    // Once there is one, an older one or the same is no news.
    let text = file("useless/consensus-ns.txt");
    let again = client.state.on_ns_consensus(client.at, text, &mut client.store, &mut client.rng);
    assert_eq!(again, Err(DirError::NotNewer));
}

#[test]
fn a_long_journal_becomes_the_cache() {
    let mut client = Client::new();
    client.handle(ON);
    client.answer(1, file("useless/consensus-ns.txt"));
    client.answer(1, descriptors());
    let length = |file| client.store.load(file).unwrap().unwrap_or_default().len();
    assert!(length(DirFile::Routers) > MIN_JOURNAL, "more than 16 KiB came");
    assert_eq!(length(DirFile::RouterJournal), 0);
}
