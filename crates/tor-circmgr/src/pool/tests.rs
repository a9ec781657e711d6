//! The pool against a naive model: all circuits in a list, and the rules as one reads them.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::{
    CircuitFactory,
    testnet::{Answer, Circuit, Net, Request, exit_id, key, path},
};

const DIRTINESS: Duration = Duration::from_secs(600);
const POLICIES: [&str; 4] = ["accept 80", "accept 443", "accept 80,443", "reject 80,443"];

#[derive(Clone, Debug)]
enum Op {
    Choose { user: u32, port: u16, avoid: Option<usize> },
    Finish { which: usize, ok: bool },
    Pass(u64),
    OpenStream(usize),
    EndStream(usize),
    Close(usize),
    Retire(usize),
    RetireAll,
    KeepAlive(usize),
    Sweep,
    BuildAhead,
}

fn any_op() -> impl Strategy<Value = Op> {
    let port = proptest::sample::select(vec![80_u16, 443, 22]);
    let which = || 0..8_usize;
    prop_oneof![
        8 => (0..4_u32, port, proptest::option::of(0..4_usize))
            .prop_map(|(user, port, avoid)| Op::Choose { user, port, avoid }),
        6 => (which(), prop::bool::weighted(0.8)).prop_map(|(which, ok)| Op::Finish { which, ok }),
        3 => prop_oneof![0..3_u64, 0..400_u64].prop_map(Op::Pass),
        2 => which().prop_map(Op::OpenStream),
        2 => which().prop_map(Op::EndStream),
        1 => which().prop_map(Op::Close),
        1 => which().prop_map(Op::Retire),
        1 => Just(Op::RetireAll),
        1 => which().prop_map(Op::KeepAlive),
        2 => Just(Op::Sweep),
        2 => Just(Op::BuildAhead),
    ]
}

/// A circuit as the model knows it.
#[derive(Debug)]
struct Known {
    number: CircuitNumber,
    circuit: Circuit,
    exit: usize,
    opened: Instant,
    /// Kept for this user until then.
    reserved: Option<(u32, Instant)>,
    user: Option<u32>,
    since: Instant,
    kept: bool,
    retired: bool,
}

impl Known {
    fn usable(&self, now: Instant, user: u32, port: u16, avoid: Option<usize>) -> bool {
        let allowed = match self.user {
            Some(owner) => owner == user && now < self.since + DIRTINESS,
            None => self.reserved.is_none_or(|(owner, until)| owner == user || until <= now),
        };
        let serves = match self.exit {
            0 => port == 80,
            1 => port == 443,
            2 => port == 80 || port == 443,
            _ => port == 22,
        };
        allowed && serves && !self.retired && self.circuit.is_open() && avoid != Some(self.exit)
    }
}

#[derive(Debug)]
struct Pending {
    number: CircuitNumber,
    exit: usize,
    claimed: Option<u32>,
    retired: bool,
}

struct Model {
    net: Net,
    runtime: tokio::runtime::Runtime,
    pool: Pool<Circuit>,
    now: Instant,
    known: Vec<Known>,
    pending: Vec<Pending>,
    streams: BTreeMap<usize, Vec<crate::testnet::Stream>>,
}

impl Model {
    fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
        let runtime = runtime.unwrap();
        let now = runtime.block_on(async { Instant::now() });
        Self {
            net: Net::new(&POLICIES.map(|policy| (policy, Answer::Connect))),
            runtime,
            pool: Pool::new(),
            now,
            known: Vec::new(),
            pending: Vec::new(),
            streams: BTreeMap::new(),
        }
    }

    fn apply(&mut self, op: &Op) {
        let now = self.now;
        match *op {
            Op::Choose { user, port, avoid } => self.choose(user, port, avoid),
            Op::Finish { which, ok } if !self.pending.is_empty() => {
                let pending = self.pending.remove(which % self.pending.len());
                self.finish(&pending, ok);
            }
            Op::Pass(seconds) => self.now += Duration::from_secs(seconds),
            Op::Retire(_) | Op::KeepAlive(_) | Op::OpenStream(_) | Op::EndStream(_) | Op::Close(_)
                if self.known.is_empty() => {}
            Op::OpenStream(which) => {
                let at = which % self.known.len();
                let circuit = self.known[at].circuit.clone();
                if self.known[at].user.is_some() && circuit.is_open() {
                    let request = Request { user: 0, target: "" };
                    let stream = self.runtime.block_on(circuit.open(&request)).unwrap();
                    self.streams.entry(circuit.serial).or_default().push(stream);
                }
            }
            Op::EndStream(which) => {
                let serial = self.known[which % self.known.len()].circuit.serial;
                self.streams.entry(serial).or_default().pop();
            }
            Op::Close(which) => self.known[which % self.known.len()].circuit.close(),
            Op::Retire(which) => {
                let at = which % self.known.len();
                self.known[at].retired = true;
                self.pool.retire(self.known[at].number);
            }
            Op::RetireAll => {
                self.known.iter_mut().for_each(|known| known.retired = true);
                self.pending.iter_mut().for_each(|pending| pending.retired = true);
                self.pool.retire_all();
            }
            Op::KeepAlive(which) => {
                let at = which % self.known.len();
                let known = &mut self.known[at];
                if known.user.is_some() {
                    (known.since, known.kept) = (now, true);
                }
                self.pool.keep_alive(known.number, now);
            }
            Op::Sweep => self.sweep(),
            Op::BuildAhead => self.build_ahead(),
            Op::Finish { .. } => {}
        }
    }

    fn choose(&mut self, user: u32, port: u16, avoid: Option<usize>) {
        let (now, key, need) = (self.now, key(user), ExitNeed::port(port));
        let wish = Wish { need: &need, key: &key, target: &Target::new(""), via: None };
        let avoided: Vec<RsaId> = avoid.map(exit_id).into_iter().collect();
        self.pool.predict(&need, now);
        let usable = |known: &&mut Known| known.usable(now, user, port, avoid);
        match self.pool.choose(now, wish, &avoided, DIRTINESS) {
            Choice::Use(chosen) => {
                let known = self.known.iter_mut().find(|known| known.number == chosen.number).unwrap();
                assert!(known.usable(now, user, port, avoid), "{known:?}");
                assert_eq!(chosen.was_clean, known.user.is_none());
                assert_eq!(chosen.exit, Some(exit_id(known.exit)));
                if known.user.is_none() {
                    (known.user, known.since) = (Some(user), now);
                }
                // One that is dirty already before a clean one.
                let clean_taken = chosen.was_clean;
                let mine = |known: &Known| known.user == Some(user) && known.number != chosen.number;
                let other =
                    self.known.iter().any(|known| mine(known) && known.usable(now, user, port, avoid));
                assert!(!(clean_taken && other));
            }
            Choice::Wait(until) => {
                assert!(!self.known.iter_mut().any(|known| usable(&known)));
                assert!(until > now);
                // At most one of those on their way is for this user now.
                for pending in self.pending.iter_mut().filter(|pending| pending.claimed.is_none()) {
                    let claimed = self.pool.building.get(&pending.number).unwrap().claimed.clone();
                    pending.claimed = (claimed.as_ref() == Some(&key)).then_some(user);
                }
            }
            Choice::Build => {
                assert!(!self.known.iter_mut().any(|known| usable(&known)));
                assert!(self.pending.len() < MAX_BUILDING);
                assert!(self.pool.would_build(now, wish, &avoided));
                if let Ok(path) = self.net.choose_path(&need, &avoided) {
                    self.start(path, Some(user));
                    assert!(!self.pool.would_build(now, wish, &avoided));
                }
            }
            Choice::Shut => panic!("nobody shut it"),
        }
    }

    fn start(&mut self, path: Path, claimed: Option<u32>) {
        let exit = usize::from(path.exit().unwrap().ids.rsa.as_bytes()[0]);
        let (number, path) = self.net.launch(path, Purpose::General, None);
        self.pool.start(number, self.now, path, Purpose::General, claimed.map(key));
        self.pending.push(Pending { number, exit, claimed, retired: false });
    }

    fn finish(&mut self, pending: &Pending, ok: bool) {
        if !ok {
            self.pool.failed(pending.number, self.now);
            return;
        }
        let route = path(pending.exit, POLICIES[pending.exit], &ExitNeed::Resolve);
        let circuit = self.runtime.block_on(self.net.build(route)).unwrap();
        self.pool.built(pending.number, self.now, circuit.clone());
        assert_eq!(circuit.is_open(), !pending.retired);
        if !pending.retired {
            self.known.push(Known {
                number: pending.number,
                circuit,
                exit: pending.exit,
                opened: self.now,
                reserved: pending.claimed.map(|user| (user, self.now + RESERVED)),
                user: None,
                since: self.now,
                kept: false,
                retired: false,
            });
        }
    }

    fn sweep(&mut self) {
        let now = self.now;
        let idle: Vec<usize> = self.pool.sweep(now, DIRTINESS).iter().map(|circuit| circuit.serial).collect();
        self.known.retain_mut(|known| {
            let busy = known.circuit.streams() > 0;
            if known.kept && busy && now < known.since + DIRTINESS {
                known.since = now;
            }
            let over = known.retired
                || match known.user {
                    Some(_) => now >= known.since + DIRTINESS,
                    None => now >= known.opened + UNUSED_LIFETIME,
                };
            let closes = known.circuit.is_open() && over && !busy;
            assert_eq!(closes, idle.contains(&known.circuit.serial), "{known:?}");
            known.circuit.is_open() && !closes
        });
        assert_eq!(self.pool.open(), self.known.len());
    }

    fn build_ahead(&mut self) {
        while let Some(need) = self.pool.wanted(self.now) {
            let path = self.net.choose_path(&need, &[]).unwrap();
            self.start(path, None);
            let clean = self.known.iter().filter(|known| known.user.is_none() && !known.retired);
            let open = clean.filter(|known| known.circuit.is_open()).count();
            let coming = self.pending.iter().filter(|pending| !pending.retired).count();
            assert!(open + coming <= MAX_UNUSED);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn behaves_as_the_naive_model(ops in proptest::collection::vec(any_op(), 1..150)) {
        let mut model = Model::new();
        for op in &ops {
            model.apply(op);
        }
    }
}

#[test]
fn a_new_circuit_is_kept_for_those_who_waited() {
    let mut model = Model::new();
    model.choose(1, 443, None);
    model.apply(&Op::Finish { which: 0, ok: true });
    let (need, target) = (ExitNeed::port(443), Target::new(""));
    let choose = |model: &mut Model, user| {
        let wish = Wish { need: &need, key: &key(user), target: &target, via: None };
        matches!(model.pool.choose(model.now, wish, &[], DIRTINESS), Choice::Use(_))
    };
    // Whoever comes by in the moment before they wake does not snatch it away.
    assert!(!choose(&mut model, 2));
    assert!(choose(&mut model, 1));
    assert!(!choose(&mut model, 2));
    let mut model = Model::new();
    model.choose(1, 443, None);
    model.apply(&Op::Finish { which: 0, ok: true });
    model.now += RESERVED;
    assert!(choose(&mut model, 2), "they are gone");
    assert!(!choose(&mut model, 1));
}

#[test]
fn predictions_are_bounded() {
    let mut pool = Pool::<Circuit>::new();
    let mut model = Model::new();
    for port in 1..1000 {
        model.now += Duration::from_millis(1);
        pool.predict(&ExitNeed::port(port), model.now);
    }
    assert_eq!(pool.predicted.len(), MAX_PREDICTED);
    assert!(
        pool.predicted.contains_key(&ExitNeed::port(999)) && !pool.predicted.contains_key(&ExitNeed::port(1))
    );
    pool.predict(&ExitNeed::port(0), model.now);
    assert!(!pool.predicted.contains_key(&ExitNeed::port(0)));
}
