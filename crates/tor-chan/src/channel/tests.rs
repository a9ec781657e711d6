use proptest::{collection::vec, prelude::*};
use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng};
use tor_cell::frame::{CircIdWidth, put_fixed, put_variable};
use tor_id::{Ed25519Id, RelayIds, RsaId};

use super::*;
use crate::{MAX_CIRCUITS, testing::start};

const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// A channel and what its driver holds.
struct Bench {
    channel: Channel,
    rng: ChaCha8Rng,
    out: BytesMut,
    now: Instant,
}

impl Bench {
    fn new() -> Self {
        Self::with(LinkVersion::V5, &ChannelConfig::default())
    }

    fn with(version: LinkVersion, config: &ChannelConfig) -> Self {
        let peer = RelayIds::new(RsaId::from_bytes([1; 20]), Some(Ed25519Id::from_bytes([2; 32])));
        let link = Link { version, peer, clock_skew: None, our_address: None, canonical: true };
        let (mut rng, mut out) = (ChaCha8Rng::seed_from_u64(3), BytesMut::new());
        let channel = Channel::open(&link, config, start(), &mut rng, &mut out);
        Self { channel, rng, out, now: start() }
    }

    fn circuit(&mut self) -> CircId {
        self.channel.allocate(self.now, &mut self.rng).unwrap()
    }

    fn receive(&mut self, circ: Option<CircId>, command: ChanCmd) -> Result<Route, ChanError> {
        let mut cell = BytesMut::new();
        if command.is_variable() {
            put_variable(command, b"body", CircIdWidth::Four, &mut cell).unwrap();
            let raw = circ.map_or(0, CircId::to_wire);
            cell[..4].copy_from_slice(&raw.to_be_bytes());
        } else {
            put_fixed(circ, command, &[1], &mut cell).unwrap();
        }
        let frame = Frame::read(&cell, CircIdWidth::Four).unwrap();
        self.channel.on_frame(self.now, &frame)
    }

    /// Waits for the deadline, fires the timer, writes what it says. Gives the commands of the cells.
    fn wait(&mut self) -> (Option<Action>, Vec<ChanCmd>) {
        let deadline = self.channel.deadline().unwrap();
        assert!(deadline > self.now, "it would spin");
        self.now = deadline;
        let action = self.channel.on_timer(self.now, &mut self.rng, &mut self.out);
        (action, self.write())
    }

    /// Waits until the timer sends something.
    fn wait_for_cells(&mut self) -> Vec<ChanCmd> {
        loop {
            match self.wait() {
                (None, cells) if cells.is_empty() => {}
                (None, cells) => return cells,
                (action, _) => panic!("{action:?}"),
            }
        }
    }

    fn write(&mut self) -> Vec<ChanCmd> {
        let bytes = self.out.split();
        if !bytes.is_empty() {
            self.channel.on_written(self.now, bytes.len());
        }
        commands(&bytes)
    }

    /// Waits for what is not padding, for at most `limit`; also the number of padding cells until then.
    fn wait_for_action(&mut self, limit: Duration) -> (Option<Action>, usize) {
        let end = self.now + limit;
        let mut pads = 0;
        while self.channel.deadline().unwrap() <= end {
            let (action, cells) = self.wait();
            pads += cells.len();
            if action.is_some() {
                return (action, pads);
            }
        }
        self.now = end;
        (None, pads)
    }
}

fn commands(mut bytes: &[u8]) -> Vec<ChanCmd> {
    let mut commands = Vec::new();
    while let Some(frame) = Frame::read(bytes, CircIdWidth::Four) {
        commands.push(frame.command);
        bytes = &bytes[frame.len..];
    }
    assert!(bytes.is_empty());
    commands
}

const OF_CIRCUITS: [ChanCmd; 6] = [
    ChanCmd::RELAY,
    ChanCmd::RELAY_EARLY,
    ChanCmd::CREATED,
    ChanCmd::CREATED_FAST,
    ChanCmd::CREATED2,
    ChanCmd::DESTROY,
];

#[test]
fn cells_go_to_their_circuit() {
    let mut bench = Bench::new();
    let circuits = [bench.circuit(), bench.circuit()];
    for command in OF_CIRCUITS {
        for id in circuits {
            assert_eq!(bench.receive(Some(id), command), Ok(Route::Circuit(id)), "{command}");
        }
    }
}

#[test]
fn cells_after_destroy_are_late() {
    let mut bench = Bench::new();
    let id = bench.circuit();
    assert_eq!(bench.receive(Some(id), ChanCmd::DESTROY), Ok(Route::Circuit(id)));
    for command in OF_CIRCUITS {
        assert_eq!(bench.receive(Some(id), command), Ok(Route::Ended(id)));
    }
    assert_eq!(bench.channel.circuits(), 1, "until its owner lets go");
    bench.channel.release(bench.now, id);
    assert_eq!(bench.channel.circuits(), 0);
    assert_eq!(bench.channel.stats().late_cells, 6);
}

#[test]
fn cells_after_release_are_late() {
    let mut bench = Bench::new();
    let id = bench.circuit();
    bench.channel.release(bench.now, id);
    for command in OF_CIRCUITS {
        assert_eq!(bench.receive(Some(id), command), Ok(Route::Ended(id)));
    }
    assert_eq!((bench.channel.stats().late_cells, bench.channel.stats().stray_cells), (6, 0));
}

#[test]
fn cells_for_circuits_that_never_were_are_dropped() {
    let mut bench = Bench::new();
    bench.circuit();
    for command in OF_CIRCUITS {
        for id in [CircId::from_wire(1).unwrap(), CircId::from_wire(0x8000_0001).unwrap()] {
            assert_eq!(bench.receive(Some(id), command), Ok(Route::Ended(id)));
        }
    }
    assert_eq!(bench.channel.stats().stray_cells, 12);
}

#[test]
fn cells_of_circuits_name_one() {
    for command in OF_CIRCUITS {
        assert_eq!(Bench::new().receive(None, command), Err(ChanError::NoCircuit { command }));
    }
}

/// TROVE-2026-006.
#[test]
fn the_handshake_is_over() {
    for command in [ChanCmd::CERTS, ChanCmd::AUTH_CHALLENGE, ChanCmd::AUTHENTICATE, ChanCmd::NETINFO] {
        assert_eq!(Bench::new().receive(None, command), Err(ChanError::HandshakeOver { command }));
    }
}

#[test]
fn relays_neither_create_circuits_nor_negotiate_padding() {
    let mut bench = Bench::new();
    let id = bench.circuit();
    for command in [ChanCmd::CREATE, ChanCmd::CREATE_FAST, ChanCmd::CREATE2] {
        assert_eq!(bench.receive(Some(id), command), Err(ChanError::Create));
    }
    assert_eq!(bench.receive(None, ChanCmd::PADDING_NEGOTIATE), Err(ChanError::PaddingNegotiate));
}

#[test]
fn other_cells_are_ignored() {
    let mut bench = Bench::new();
    let id = bench.circuit();
    for circ in [None, Some(id)] {
        for command in [0, 7, 13, 100, 127, 128, 132, 133, 255] {
            assert_eq!(bench.receive(circ, ChanCmd(command)), Ok(Route::Handled), "{command}");
        }
    }
    assert_eq!(bench.channel.stats().padding_in, 4);
}

#[test]
fn circuits_are_bounded() {
    let mut bench = Bench::new();
    for _ in 0..MAX_CIRCUITS {
        bench.circuit();
    }
    assert_eq!(bench.channel.allocate(bench.now, &mut bench.rng), Err(ChanError::Full));
}

#[test]
fn bytes_and_cells_are_counted() {
    let mut bench = Bench::new();
    let id = bench.circuit();
    bench.receive(Some(id), ChanCmd::RELAY).unwrap();
    bench.receive(None, ChanCmd::VPADDING).unwrap();
    bench.channel.on_written(bench.now, 1000);
    assert_eq!(bench.channel.stats().cells_out(), 1);
    bench.channel.on_written(bench.now, 28);
    let stats = bench.channel.stats();
    assert_eq!((stats.cells_in, stats.bytes_in, stats.bytes_out, stats.cells_out()), (2, 514 + 11, 1028, 2));
}

#[test]
fn only_less_padding_has_to_be_negotiated() {
    let opening = |version, connection_padding, reduced_connection_padding| {
        let config =
            ChannelConfig { connection_padding, reduced_connection_padding, ..ChannelConfig::default() };
        let mut bench = Bench::with(version, &config);
        bench.circuit();
        bench.channel.on_usage(bench.now, Usage::Circuits);
        let opening = bench.out.split();
        (opening, bench.wait_for_action(secs(120)).1 > 0)
    };
    let mut stop = BytesMut::new();
    put_fixed(None, ChanCmd::PADDING_NEGOTIATE, &[0, 1], &mut stop).unwrap();
    let nothing = BytesMut::new();
    use ConnectionPadding::{Always, Auto, Off};
    for (version, mode, reduced, says, pads) in [
        (LinkVersion::V5, Auto, false, &nothing, true),
        (LinkVersion::V5, Auto, true, &stop, true),
        (LinkVersion::V5, Off, false, &stop, false),
        (LinkVersion::V5, Off, true, &stop, false),
        (LinkVersion::V5, Always, false, &nothing, true),
        (LinkVersion::V4, Auto, false, &nothing, false),
        (LinkVersion::V4, Off, false, &nothing, false),
        (LinkVersion::V4, Auto, true, &nothing, false),
        (LinkVersion::V4, Always, false, &nothing, true),
        (LinkVersion::V4, Always, true, &nothing, true),
    ] {
        assert_eq!(opening(version, mode, reduced), (says.clone(), pads), "{version:?} {mode:?} {reduced}");
    }
}

#[test]
fn an_idle_channel_pads_and_a_busy_one_does_not() {
    let mut bench = Bench::new();
    let id = bench.circuit();
    bench.channel.on_usage(bench.now, Usage::Circuits);
    let (action, pads) = bench.wait_for_action(secs(1000));
    assert_eq!(action, None);
    // One in 6.8 s on average.
    assert!((130..165).contains(&pads), "{pads}");
    assert_eq!(bench.channel.stats().padding_out, u64::try_from(pads).unwrap());

    for _ in 0..1000 {
        bench.now += secs(1);
        bench.receive(Some(id), ChanCmd::RELAY).unwrap();
        bench.channel.on_written(bench.now, 514);
        if bench.channel.deadline().unwrap() <= bench.now {
            assert_eq!(bench.channel.on_timer(bench.now, &mut bench.rng, &mut bench.out), None);
        }
        assert!(bench.out.is_empty());
    }
}

/// The timer need not be set anew for each cell.
#[test]
fn cells_do_not_move_the_deadline_of_a_busy_channel() {
    let mut bench = Bench::new();
    let id = bench.circuit();
    bench.channel.on_usage(bench.now, Usage::Traffic);
    let deadline = bench.channel.deadline();
    for _ in 0..100 {
        bench.now += Duration::from_millis(10);
        bench.receive(Some(id), ChanCmd::RELAY).unwrap();
        bench.channel.on_written(bench.now, 514);
        assert_eq!(bench.channel.deadline(), deadline);
    }
}

#[test]
fn directory_channels_do_not_pad_but_are_kept_alive() {
    let mut bench = Bench::new();
    bench.circuit();
    assert_eq!(bench.wait_for_cells(), [ChanCmd::PADDING]);
    assert_eq!(bench.now, start() + secs(300));
    bench.now += secs(10);
    bench.channel.on_written(bench.now, 514);
    let written = bench.now;
    assert_eq!(bench.wait_for_cells(), [ChanCmd::PADDING]);
    assert_eq!(bench.now, written + secs(300));
}

#[test]
fn what_is_received_does_not_count_as_keeping_alive() {
    let mut bench = Bench::new();
    let id = bench.circuit();
    bench.wait_for_action(secs(299));
    bench.receive(Some(id), ChanCmd::RELAY).unwrap();
    assert_eq!(bench.wait_for_cells(), [ChanCmd::PADDING]);
    assert_eq!(bench.now, start() + secs(300));
}

#[test]
fn a_channel_without_circuits_closes() {
    for seed in 0..20 {
        let mut bench = Bench::new();
        bench.rng = ChaCha8Rng::seed_from_u64(seed);
        let (action, _) = bench.wait_for_action(secs(1000));
        assert_eq!(action, Some(Action::CloseIdle));
        assert!((secs(180)..secs(270)).contains(&(bench.now - start())));
    }
}

#[test]
fn idle_timeouts_are_random_and_half_as_long_with_reduced_padding() {
    let timeouts = |reduced_connection_padding| {
        let config = ChannelConfig { reduced_connection_padding, ..ChannelConfig::default() };
        let link = Link {
            version: LinkVersion::V4,
            peer: RelayIds::new(RsaId::from_bytes([1; 20]), None),
            clock_skew: None,
            our_address: None,
            canonical: false,
        };
        let mut timeouts: Vec<_> = (0..50)
            .map(|seed| {
                let mut rng = ChaCha8Rng::seed_from_u64(seed);
                let channel = Channel::open(&link, &config, start(), &mut rng, &mut BytesMut::new());
                channel.deadline().unwrap() - start()
            })
            .collect();
        timeouts.sort();
        (timeouts[0], timeouts[49])
    };
    let (least, most) = timeouts(false);
    assert!(least >= secs(180) && least < secs(200) && most > secs(250) && most < secs(270));
    let (least, most) = timeouts(true);
    assert!(least >= secs(90) && most < secs(135));
}

#[test]
fn a_channel_closes_after_its_last_circuit() {
    let mut bench = Bench::new();
    let circuits = [bench.circuit(), bench.circuit()];
    assert_eq!(bench.wait_for_action(secs(5000)).0, None);
    bench.channel.release(bench.now, circuits[0]);
    assert_eq!(bench.wait_for_action(secs(5000)).0, None);
    bench.channel.release(bench.now, circuits[1]);
    let released = bench.now;
    assert_eq!(bench.wait_for_action(secs(5000)).0, Some(Action::CloseIdle));
    assert!((secs(180)..secs(270)).contains(&(bench.now - released)));
}

#[test]
fn a_new_circuit_saves_an_idle_channel() {
    let mut bench = Bench::new();
    assert_eq!(bench.wait_for_action(secs(170)).0, None);
    bench.circuit();
    assert_eq!(bench.wait_for_action(secs(5000)).0, None);
}

#[test]
fn a_connection_that_takes_no_bytes_is_given_up() {
    let mut bench = Bench::new();
    bench.circuit();
    bench.channel.on_usage(bench.now, Usage::Traffic);
    bench.out.extend_from_slice(&[0; 514]);
    let mut action = None;
    while action.is_none() {
        let deadline = bench.channel.deadline().unwrap();
        assert!(deadline > bench.now, "it would spin");
        bench.now = deadline;
        action = bench.channel.on_timer(bench.now, &mut bench.rng, &mut bench.out);
        assert_eq!(bench.out.len(), 514, "no padding behind what waits");
    }
    assert_eq!(action, Some(Action::CloseStuck));
    let waited = bench.now - start();
    assert!((secs(3000)..secs(3002)).contains(&waited), "{waited:?}");
}

#[derive(Clone, Copy, Debug)]
enum Op {
    Allocate,
    Release(usize),
    Receive(usize, u8),
    Written(u16),
    Wait(u16),
}

fn any_op() -> impl Strategy<Value = Op> {
    prop_oneof![
        Just(Op::Allocate),
        (0usize..4).prop_map(Op::Release),
        (0usize..4, any::<u8>()).prop_map(|(which, command)| Op::Receive(which, command)),
        (1u16..2000).prop_map(Op::Written),
        any::<u16>().prop_map(Op::Wait),
    ]
}

proptest! {
    /// Whatever happens: whole cells only, no spinning, a count of circuits that is right, and no cell goes to
    /// a circuit that its owner has released.
    #[test]
    fn nothing_confuses_it(ops in vec(any_op(), 0..100)) {
        let mut bench = Bench::new();
        bench.channel.on_usage(bench.now, Usage::Circuits);
        let (mut live, mut gone) = (Vec::new(), Vec::new());
        for op in ops {
            match op {
                Op::Allocate => live.push(bench.circuit()),
                Op::Release(which) if which < live.len() => {
                    let id = live.remove(which);
                    bench.channel.release(bench.now, id);
                    gone.push(id);
                }
                Op::Receive(which, command) => {
                    let circ = live.iter().chain(&gone).nth(which).copied();
                    if let Ok(Route::Circuit(id)) = bench.receive(circ, ChanCmd(command)) {
                        prop_assert!(live.contains(&id));
                    }
                }
                Op::Written(bytes) => bench.channel.on_written(bench.now, bytes.into()),
                Op::Wait(millis) => {
                    let end = bench.now + Duration::from_millis(millis.into());
                    while bench.channel.deadline().unwrap() <= end {
                        bench.now = bench.now.max(bench.channel.deadline().unwrap());
                        let action = bench.channel.on_timer(bench.now, &mut bench.rng, &mut bench.out);
                        if action.is_some() {
                            prop_assert_eq!(bench.channel.circuits(), 0);
                            return Ok(());
                        }
                        prop_assert!(bench.channel.deadline().unwrap() > bench.now);
                        bench.write();
                    }
                    bench.now = end;
                }
                Op::Release(_) => {}
            }
            prop_assert_eq!(bench.channel.circuits(), live.len());
        }
    }
}

#[test]
fn what_is_configured_changes_while_the_channel_is_open() {
    let mut bench = Bench::new();
    bench.circuit();
    let with = |connection_padding, reduced_connection_padding| ChannelConfig {
        connection_padding,
        reduced_connection_padding,
        ..ChannelConfig::default()
    };
    let mut told = |config: &ChannelConfig| {
        bench.channel.set_config(bench.now, config, &mut bench.out);
        let told = bench.out.split();
        // The body begins behind circuit id and command: version, then what to do.
        told.chunks(CELL_LEN).map(|cell| cell[6]).collect::<Vec<_>>()
    };
    let (stop, start) = (1, 2);
    assert_eq!(told(&with(ConnectionPadding::Auto, false)), [], "nothing is new");
    assert_eq!(told(&with(ConnectionPadding::Auto, true)), [stop]);
    assert_eq!(told(&with(ConnectionPadding::Off, false)), [], "it has stopped already");
    assert_eq!(told(&with(ConnectionPadding::Always, false)), [start]);

    // A shorter keepalive holds from the next look on.
    let soon = ChannelConfig {
        keepalive_period: secs(1),
        connection_padding: ConnectionPadding::Off,
        ..ChannelConfig::default()
    };
    assert_eq!(told(&soon), [stop]);
    let began = bench.now;
    assert_eq!(bench.wait_for_cells(), [ChanCmd::PADDING]);
    assert!(bench.now <= began + secs(2));
}
