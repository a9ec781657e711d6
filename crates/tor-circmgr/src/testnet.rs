//! A network that does as it is told, for tests: exits with policies, builds that take their time or fail, streams
//! that are refused.

use std::{
    collections::BTreeMap,
    future::Future,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::time::{Instant, sleep};
use tor_id::{Ed25519Id, RelayIds, RsaId};
use tor_netdoc::{Nickname, PortPolicy};
use tor_path::{ExitNeed, Hop, Path, PathError};

use crate::{
    BuildError, BuiltCircuit, CircMgr, CircuitFactory, CircuitNumber, IsolationKey, Purpose, StreamRefusal,
    Target, Timing,
};

/// What an exit does with a stream.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Answer {
    Connect,
    Refuse(StreamRefusal),
    Silence,
    /// It closes the circuit.
    Close,
}

#[derive(Clone, Debug)]
pub(crate) struct Net(Arc<Mutex<State>>);

#[derive(Debug)]
pub(crate) struct State {
    /// The policy of each exit, and what it does.
    pub(crate) exits: Vec<(&'static str, Answer)>,
    pub(crate) build_time: Duration,
    pub(crate) builds_fail: bool,
    pub(crate) no_path: Option<PathError>,
    /// When each circuit was ordered, and whether it was for something that lives long.
    pub(crate) builds: Vec<(Instant, bool)>,
    pub(crate) choices: usize,
    launched: u64,
    pub(crate) under_way: usize,
    pub(crate) most_under_way: usize,
    /// Each circuit that was built.
    pub(crate) circuits: Vec<Circuit>,
    /// Each stream that was asked for: when, of which circuit, by whom.
    pub(crate) asked: Vec<(Instant, usize, u32)>,
}

#[derive(Clone, Debug)]
pub(crate) struct Circuit {
    pub(crate) serial: usize,
    pub(crate) exit: usize,
    net: Net,
    open: Arc<AtomicBool>,
    streams: Arc<AtomicUsize>,
}

/// A stream of `user` to `target`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Request {
    pub(crate) user: u32,
    pub(crate) target: &'static str,
}

/// Lives on its circuit until it is dropped.
#[derive(Debug)]
pub(crate) struct Stream {
    pub(crate) circuit: Circuit,
}

impl Net {
    pub(crate) fn new(exits: &[(&'static str, Answer)]) -> Self {
        Self(Arc::new(Mutex::new(State {
            exits: exits.to_vec(),
            build_time: Duration::from_millis(500),
            builds_fail: false,
            no_path: None,
            builds: Vec::new(),
            choices: 0,
            launched: 0,
            under_way: 0,
            most_under_way: 0,
            circuits: Vec::new(),
            asked: Vec::new(),
        })))
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        // A test that fails inside must fail with its own words.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn manager(&self) -> CircMgr<Self> {
        CircMgr::new(self.clone(), Timing::default())
    }

    /// Circuits that are open.
    pub(crate) fn open(&self) -> Vec<Circuit> {
        let circuits = self.state().circuits.clone();
        circuits.into_iter().filter(BuiltCircuit::is_open).collect()
    }

    /// Open circuits that no stream was asked of.
    pub(crate) fn clean(&self) -> Vec<Circuit> {
        let used: Vec<usize> = self.state().asked.iter().map(|(_, serial, _)| *serial).collect();
        self.open().into_iter().filter(|circuit| !used.contains(&circuit.serial)).collect()
    }

    /// No circuit has carried streams of two users.
    pub(crate) fn assert_isolated(&self) {
        let mut users = BTreeMap::new();
        for (_, serial, user) in &self.state().asked {
            assert_eq!(users.entry(*serial).or_insert(*user), user, "circuit {serial} is shared");
        }
    }
}

/// Counts builds that are under way, also those that are dropped.
struct UnderWay(Net);

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.state().under_way -= 1;
    }
}

impl CircuitFactory for Net {
    type Circuit = Circuit;
    type Launch = Path;

    fn choose_path(&self, need: &ExitNeed, avoid: &[RsaId]) -> Result<Path, PathError> {
        let mut state = self.state();
        state.choices += 1;
        if let Some(error) = state.no_path {
            return Err(error);
        }
        let fits = |index: &usize| {
            !avoid.contains(&exit_id(*index)) && path(*index, state.exits[*index].0, need).serves(need)
        };
        let fitting: Vec<usize> = (0..state.exits.len()).filter(fits).collect();
        let index = fitting.get(state.choices % fitting.len().max(1)).ok_or(PathError::NoExit)?;
        Ok(path(*index, state.exits[*index].0, need))
    }

    fn launch(&self, path: Path, _: Purpose, _: Option<&IsolationKey>) -> (CircuitNumber, Path) {
        let mut state = self.state();
        state.launched += 1;
        (CircuitNumber(state.launched), path)
    }

    async fn build(&self, path: Path) -> Result<Circuit, BuildError> {
        let build_time = {
            let mut state = self.state();
            let long = ExitNeed::Connect { port: 22, family: tor_path::Family::Any, long_lived: true };
            state.builds.push((Instant::now(), path.serves(&long)));
            state.under_way += 1;
            state.most_under_way = state.most_under_way.max(state.under_way);
            state.build_time
        };
        let _under_way = UnderWay(self.clone());
        sleep(build_time).await;
        let mut state = self.state();
        if state.builds_fail {
            return Err(BuildError { what: "as it was told".to_owned() });
        }
        let exit = usize::from(path.exit().unwrap().ids.rsa.as_bytes()[0]);
        let (serial, open, streams) = (state.circuits.len(), Arc::new(true.into()), Arc::default());
        let circuit = Circuit { serial, exit, net: self.clone(), open, streams };
        state.circuits.push(circuit.clone());
        Ok(circuit)
    }
}

impl BuiltCircuit for Circuit {
    type Stream = Stream;
    type Request = Request;

    async fn open(&self, request: &Request) -> Result<Stream, StreamRefusal> {
        let answer = {
            let mut state = self.net.state();
            state.asked.push((Instant::now(), self.serial, request.user));
            state.exits[self.exit].1
        };
        sleep(Duration::from_millis(100)).await;
        match answer {
            _ if !self.is_open() => Err(StreamRefusal::CircuitClosed),
            Answer::Connect => {
                self.streams.fetch_add(1, Ordering::Relaxed);
                Ok(Stream { circuit: self.clone() })
            }
            Answer::Refuse(refusal) => Err(refusal),
            Answer::Silence => std::future::pending().await,
            Answer::Close => {
                self.close();
                Err(StreamRefusal::CircuitClosed)
            }
        }
    }

    fn target(request: &Request) -> Target {
        Target::new(request.target)
    }

    fn is_open(&self) -> bool {
        self.open.load(Ordering::Relaxed)
    }

    fn streams(&self) -> usize {
        self.streams.load(Ordering::Relaxed)
    }

    fn close(&self) {
        self.open.store(false, Ordering::Relaxed);
    }

    fn used_by(&self, _key: Option<&IsolationKey>) {}
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.circuit.streams.fetch_sub(1, Ordering::Relaxed);
    }
}

pub(crate) fn exit_id(index: usize) -> RsaId {
    let mut id = [0xee; 20];
    id[0] = u8::try_from(index).unwrap();
    RsaId::from_bytes(id)
}

/// A path to that exit, whose policy is that.
pub(crate) fn path(exit: usize, policy: &str, need: &ExitNeed) -> Path {
    let hop = |rsa: RsaId| Hop {
        ids: RelayIds::new(rsa, Some(Ed25519Id::from_bytes([1; 32]))),
        addrs: Vec::new(),
        ntor_key: [1; 32],
        ntor_v3: true,
        nickname: Nickname::new("relay").unwrap(),
    };
    let hops = [RsaId::from_bytes([1; 20]), RsaId::from_bytes([2; 20]), exit_id(exit)].map(hop);
    let policy = Arc::new(PortPolicy::parse(policy).unwrap());
    let long_lived = matches!(need, ExitNeed::Connect { long_lived: true, .. });
    Path::exiting(hops, Some(Arc::clone(&policy)), Some(policy), long_lived)
}

/// The key of a user with SOCKS credentials.
pub(crate) fn key(user: u32) -> IsolationKey {
    IsolationKey { socks_auth: Some((user.to_string().into_bytes(), Vec::new())), ..IsolationKey::default() }
}

/// Runs a test beside the manager's own procedure.
pub(crate) async fn drive<T>(manager: &CircMgr<Net>, test: impl Future<Output = T>) -> T {
    tokio::select! {
        biased;
        () = manager.run() => panic!("run() returned"),
        result = test => result,
    }
}
